//! A report as one page to print: everything in it, nothing fetched, no script.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sync_protocol::ids::sha256;

use super::chart::{Bar, bars};
use super::grids::{Grid, grids};
use crate::report::document::Report;
use crate::report::units::kilometres;

const STYLE: &str = include_str!("report.css");

/// The policy of the page: nothing but its own style, known by its hash.
pub static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

pub(super) fn html(report: &Report) -> String {
    let title = report.title();
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p class="frame" { b { (report.standing_line()) } br; (report.period_line()) }
                    p class="sentence" { (report.sentence_zh) }
                    p class="sentence en" lang="en" { (report.sentence_en) }
                    (charts(report))
                    @for grid in grids(report) { (table(&grid)) }
                }
            }
        }
    }
    .into_string()
}

fn charts(report: &Report) -> Markup {
    let count = |name: &str, value: i64| Bar { name: name.to_owned(), value, printed: value.to_string() };
    let townships = report.townships.iter().map(|row| {
        count(if row.township.is_empty() { "（乡镇未填）" } else { &row.township }, row.found.on_lines())
    });
    let lines = report.lines.iter().map(|row| Bar {
        name: row.name.clone(),
        value: row.walked_mm,
        printed: format!("{} 公里", kilometres(row.walked_mm)),
    });
    html! {
        div class="charts" {
            (bars("各乡镇隐患（处）", townships.collect()))
            (bars("各线路排查里程", lines.collect()))
        }
    }
}

fn table(grid: &Grid) -> Markup {
    html! {
        section {
            h2 { (grid.title) " " small lang="en" { (grid.title_en) } }
            table {
                thead { tr { @for cell in &grid.heading { th scope="col" { (cell) } } } }
                tbody {
                    @for row in &grid.rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
