//! Pairs of hazards that are probably one, side by side. Pages only read: the page names the requests that decide.

use maud::{Markup, html};

use super::layout::{Tab, Viewer, as_json};
use super::lists::{Placed, line_of, next, record_link, severity, titled};
use super::words::{shown, term_of};
use crate::sync::listing::hazards::Hazard;
use crate::sync::listing::{Calendar, Page};
use crate::sync::proposals::Proposed;

/// The page of open proposals.
pub fn proposals(page: &Page<Proposed>, placed: &Placed, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        @for proposal in &page.rows { (pair(proposal, placed, calendar)) }
        @if page.rows.is_empty() { section { p class="quiet" { "没有待定的重复 None" } } }
        (next("/proposals", "", page.next.as_deref()))
        section {
            p {
                "认定为重复、判为两处、撤回，由审核员用请求头中的令牌发出；本页只供查看。"
                span class="en" { "Decisions are requests with the token in their header: this page only shows." }
            }
            p { code { "POST /v1/proposals/{record}/{other}/accept" } " 同一处 · "
                code { "…/dismiss" } " 两处 · " code { "…/undo" } " 撤回" }
        }
        (as_json("/v1/proposals"))
    };
    titled("可能重复的隐患", "Probable duplicates, worst first", viewer, Tab::Proposals, &body)
}

fn pair(proposal: &Proposed, placed: &Placed, calendar: &Calendar) -> Markup {
    html! {
        section {
            h2 { "可能性 " (percent(proposal.score)) "%" small { "score " (proposal.score) " of 1000" } }
            div class="scroll" tabindex="0" { table {
                thead { tr {
                    th scope="col" { "" }
                    @for hazard in &proposal.hazards {
                        th scope="col" {
                            (record_link(&hazard.id, hazard.number.as_deref()))
                            @if hazard.id == proposal.stays { " " span class="mark" { "先发现，将保留" } }
                        }
                    }
                } }
                tbody {
                    (row("等级", "severity", proposal, severity))
                    (row("状态", "state", proposal, |hazard| html! { (hazard.state_zh) }))
                    (row("类别", "category", proposal, |hazard| html! {
                        (term_of(hazard.category.as_ref())) " " (term_of(hazard.hazard_type.as_ref()))
                    }))
                    (row("线路 · 档", "line, span", proposal, |hazard| line_of(hazard, placed.get(&hazard.id))))
                    (row("发现", "found", proposal, |hazard| html! {
                        @if let Some(found) = &hazard.found_at_ms { (shown("found_at_ms", found, calendar)) }
                    }))
                }
            } }
            ul { @for reason in &proposal.reasons {
                li { (said(reason, "zh")) span class="en" { (said(reason, "en")) } }
            } }
            p class="quiet" { code { "/v1/proposals/" (proposal.record) "/" (proposal.other) "/accept" } }
        }
    }
}

fn row(zh: &str, en: &str, proposal: &Proposed, cell: impl Fn(&Hazard) -> Markup) -> Markup {
    html! {
        tr {
            th scope="row" { (zh) small { (en) } }
            @for hazard in &proposal.hazards { td { (cell(hazard)) } }
        }
    }
}

fn said<'r>(reason: &'r serde_json::Value, language: &str) -> &'r str {
    reason.get(language).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Hundredths of a score of 0 to 1000, rounded down: only certainty is 100%.
const fn percent(score: i64) -> i64 {
    score / 10
}
