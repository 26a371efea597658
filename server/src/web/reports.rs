//! The page of work reports: a period to pick, its draft, the reports that were issued.

use jiff::civil::Date;
use maud::{Markup, html};

use super::layout::{Tab, Viewer, page};
use crate::report::document::Report;
use crate::report::period::Period;
use crate::report::render::Format;
use crate::sync::listing::Calendar;
use crate::sync::reports::Issued;

/// What the page shows.
#[derive(Debug)]
pub struct Reports {
    /// The days that the form holds.
    pub period: Period,
    /// Their draft.
    pub draft: Report,
    /// Issued reports, newest first.
    pub issued: Vec<Issued>,
}

/// The page.
pub fn reports(shown: &Reports, viewer: &Viewer, calendar: &Calendar) -> String {
    let Period { from, to } = shown.period;
    let draft = &shown.draft;
    let body = html! {
        h1 { "工作报告" small { "Work reports" } }
        section {
            form class="login" method="get" action="/reports" {
                label for="from" { "起" span class="en" { "from" } }
                input id="from" name="from" type="date" value=(from) required;
                label for="to" { "止" span class="en" { "to" } }
                input id="to" name="to" type="date" value=(to) required;
                button type="submit" { "生成草稿 Draft" }
            }
        }
        section aria-labelledby="draft" {
            h2 id="draft" { "草稿 " (from) " 至 " (to) small { "draft" } }
            p { (draft.sentence_zh) }
            p class="quiet" lang="en" { (draft.sentence_en) }
            p class="more" {
                @for format in Format::ALL {
                    a href=(format!("/v1/reports/work?from={from}&to={to}&format={}", format.as_str())) { (format.as_str()) }
                    " "
                }
            }
            (figures(draft))
            (against(draft))
        }
        section aria-labelledby="issued" {
            h2 id="issued" { "已签发" small { "issued" } }
            (issued(&shown.issued, calendar))
            p class="quiet" { "签发：" code { "firebreak report --issue" } " 或 " code { "POST /v1/reports/work" } "。" }
        }
    };
    page("工作报告", viewer, Tab::Reports, &body)
}

/// Hazards have a page of their own; of everything else the list is given as JSON.
fn page_of(query: &str) -> &str {
    if query.starts_with("/v1/hazards?") { query.trim_start_matches("/v1") } else { query }
}

fn figures(draft: &Report) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table {
            thead { tr { th scope="col" { "指标" } th scope="col" { "本期" } th scope="col" { "上期" } } }
            tbody {
                @for line in &draft.figures {
                    tr {
                        td { a href=(page_of(&line.query)) { (line.zh) } " " span class="en" { (line.en) } }
                        td class="key" { (line.printed) " " (line.unit_zh) }
                        td { (line.before_printed) }
                    }
                }
            }
        } }
    }
}

fn against(draft: &Report) -> Markup {
    html! {
        h2 { "消缺核对" small { "what stands against “all eliminated”" } }
        ul class="tiles" {
            @for against in &draft.against {
                li { b { (against.value) } a href=(page_of(&against.query)) { (against.zh) } span class="en" { (against.en) } }
            }
        }
    }
}

fn issued(issued: &[Issued], calendar: &Calendar) -> Markup {
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    html! {
        div class="scroll" tabindex="0" { table {
            thead { tr {
                th scope="col" { "编号" } th scope="col" { "统计期" } th scope="col" { "签发" }
                th scope="col" { "报告后补传" } th scope="col" { "下载" }
            } }
            tbody {
                @for report in issued {
                    tr {
                        td class="key" {
                            (report.number)
                            @if !report.redacted.is_empty() { " " span class="mark" { "已脱敏" } }
                        }
                        td { (day(report.from)) " 至 " (day(report.to)) }
                        td { (calendar.minute(report.issued_ms)) }
                        td { a href=(format!("/v1/reports/{}/late", report.number)) { (report.late) " 条" } }
                        td {
                            @for format in Format::ALL {
                                a href=(format!("/v1/reports/{}?format={}", report.number, format.as_str())) {
                                    (format.as_str())
                                }
                                " "
                            }
                        }
                    }
                }
                @if issued.is_empty() { tr { td colspan="5" class="quiet" { "还没有 None yet" } } }
            }
        } }
    }
}
