//! Who must act on a hazard and until when, with how its deadline came to be; totals by turn.

use maud::{Markup, html};

use crate::sync::listing::Calendar;
use crate::sync::listing::cases::CaseTold;
use crate::sync::listing::record::Record;
use crate::sync::listing::totals::Totals;

/// The section of a record.
pub(super) fn section(record: &Record, case: &CaseTold, calendar: &Calendar) -> Markup {
    html! {
        section {
            h2 { "期限与责任" small { "deadline and whose turn it is" } }
            p {
                @if let Some(due_ms) = case.due_ms {
                    "期限 " b { (calendar.minute(due_ms)) } " "
                    @if case.notified_ms.is_none() { span class="quiet" { "（按规则，尚未交办）" } " " }
                    @if case.overdue { b { "已逾期" } " " }
                } @else { "无期限 " }
                @if let Some(turn_zh) = case.turn_zh {
                    "· 轮到 " b { (turn_zh) } " 处理，自 " (calendar.minute(case.since_ms))
                }
            }
            @if case.order_number.is_some() || case.extensions > 0 || case.major {
                p class="quiet" {
                    @if case.major { "重大事故隐患 " }
                    @if let Some(number) = &case.order_number { "整改通知书 " (number) " " }
                    @if case.extensions > 0 { "已延期 " (case.extensions) " 次" }
                }
            }
            @if !record.deadlines.is_empty() {
                ul {
                    @for step in &record.deadlines {
                        li {
                            (calendar.minute(step.received_ms)) " " (step.kind_zh) " · "
                            (step.author_name.as_deref().unwrap_or(&step.author))
                            @if let Some(at_ms) = step.at_ms { "：" (calendar.minute(at_ms)) }
                        }
                    }
                }
            }
        }
    }
}

/// Open hazards by whose turn it is, and how many of them are overdue.
pub(super) fn turns(totals: &Totals) -> Markup {
    let overdue: i64 = totals.turns.iter().map(|(_, _, overdue)| overdue).sum();
    html! {
        @if !totals.turns.is_empty() {
            p {
                @for (role, open, late) in &totals.turns {
                    a href=(format!("/hazards?turn={}", role.as_str())) { "待" (role.zh()) "处理 " (open) }
                    @if *late > 0 { "（逾期 " (late) "）" }
                    " "
                }
                @if overdue > 0 { a href="/hazards?overdue=true" { "逾期共 " (overdue) } }
            }
        }
    }
}
