//! A report as plain text: cells parted by tabs, so that it can be pasted into a sheet.

use super::grids::grids;
use crate::report::document::Report;

pub(super) fn text(report: &Report) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n\n{}\n\n{}\n",
        report.title(),
        report.standing_line(),
        report.period_line(),
        report.sentence_zh,
        report.sentence_en
    );
    for grid in grids(report) {
        text.push_str(&format!("\n{} {}\n{}\n", grid.title, grid.title_en, grid.heading.join("\t")));
        for row in &grid.rows {
            text.push_str(&row.join("\t"));
            text.push('\n');
        }
    }
    text
}
