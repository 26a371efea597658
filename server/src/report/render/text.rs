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
        let rows = grid.rows.iter().map(|row| row.join("\t"));
        let lines = [String::new(), format!("{} {}", grid.title, grid.title_en), grid.heading.join("\t")];
        for line in lines.into_iter().chain(rows) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}
