//! The lines of the district: how long, of which voltage and what was assumed to read it, what is not walked.

use std::collections::HashMap;

use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;

use super::layout::{Tab, Viewer, as_json};
use super::lists::{heading, next, none, titled};
use crate::sync::grid::listing::{LineListed, Overview, Version};
use crate::sync::listing::{Calendar, Page};

/// What the page shows.
#[derive(Debug)]
pub struct GridShown {
    /// Counts and the last imports.
    pub overview: Overview,
    /// A page of the lines in force.
    pub lines: Page<LineListed>,
    /// Millimetres of a line that were not walked since that day, by its record; none: all of it was walked.
    pub unwalked_mm: HashMap<String, i64>,
    /// Since when.
    pub since: Date,
}

/// The page.
pub fn grid(shown: &GridShown, viewer: &Viewer, calendar: &Calendar) -> String {
    let since = shown.since;
    let body = html! {
        section {
            ul class="tiles" {
                (tile(shown.overview.lines, "线路", "lines"))
                (tile(shown.overview.structures_alone, "未落到线路的杆塔", "structures on no line"))
                (tile(shown.overview.regions, "区县乡镇", "districts, townships"))
                (tile(shown.overview.retired, "已停用", "retired"))
            }
            @if shown.overview.lines == 0 {
                p { "还没有线路台账。导入：" code { "firebreak import lines 文件" }
                    span class="en" { "No lines yet: import them with this command." } }
            }
            @if let Some(version) = &shown.overview.grid { (imported(version, calendar)) }
        }
        section {
            form class="login" method="get" action="/grid" {
                label for="since" { "自何日起未排查" span class="en" { "not walked since" } }
                input id="since" name="since" type="date" value=(since) required;
                button type="submit" { "查看 Show" }
            }
        }
        section {
            (line_table(shown))
            (next("/grid", &format!("since={since}"), shown.lines.next.as_deref()))
        }
        (as_json("/v1/grid/lines"))
    };
    titled("线路台账", "The grid", viewer, Tab::Grid, &body)
}

fn tile(amount: usize, zh: &str, en: &str) -> Markup {
    html! { li { b { (amount) } (zh) span class="en" { (en) } } }
}

/// What the last import assumed and warned of.
fn imported(version: &Version, calendar: &Calendar) -> Markup {
    let list = |key: &str| version.report.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let count = |item: &Value, key: &str| item.get(key).and_then(Value::as_u64).unwrap_or_default();
    html! {
        p class="quiet" { "最近导入 " (calendar.minute(version.imported_ms)) " · " code { (version.version.get(..12).unwrap_or_default()) } }
        ul {
            @for item in list("assumptions") {
                li { "电压：" (text(&item, "zh")) "，" (count(&item, "lines")) " 条" span class="en" { (text(&item, "en")) } }
            }
            @for item in list("warnings") {
                li {
                    span class="mark warn" { "注意" } (text(&item, "zh")) "（" (count(&item, "count")) "）"
                    span class="en" { (text(&item, "en")) }
                }
            }
        }
    }
}

fn line_table(shown: &GridShown) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("线路", "line")) (heading("电压等级", "voltage")) (heading("长度", "length"))
                (heading("杆塔", "structures")) (heading("未排查", "not walked")) (heading("备注", "notes"))
            } }
            tbody {
                @for line in &shown.lines.rows {
                    tr {
                        td data-label="线路" { (line.name.as_deref().unwrap_or(&line.external_id)) }
                        td data-label="电压等级" { (voltage(line)) }
                        td class="key" data-label="长度" { (kilometres(i64::try_from(line.length_mm).unwrap_or(i64::MAX))) }
                        td data-label="杆塔" { (line.structures) }
                        td class="key" data-label="未排查" {
                            (kilometres(shown.unwalked_mm.get(&line.record).copied().unwrap_or_default()))
                        }
                        td data-label="备注" { span {
                            @if line.is_untraced { span class="mark warn" { "档距过长，缺杆塔" } }
                            a href=(format!("/hazards?line={}", line.record)) { "隐患 Hazards" }
                        } }
                    }
                }
                @if shown.lines.rows.is_empty() { (none(6)) }
            }
        } }
    }
}

/// What was given, and how it is understood.
fn voltage(line: &LineListed) -> Markup {
    html! {
        div {
            (line.voltage.as_deref().unwrap_or("未填写"))
            @if let Some(class) = &line.class {
                " → " b { (class.zh) }
                @if let Some(zone_mm) = class.zone_mm { span class="quiet" { " 保护区 " (zone_mm / 1_000) " 米" } }
            }
            @for assumed in &line.assumptions { div class="quiet" { (assumed.zh) } }
        }
    }
}

/// Kilometres to the metre.
fn kilometres(mm: i64) -> String {
    format!("{}.{:03} 公里", mm / 1_000_000, mm / 1_000 % 1_000)
}
