//! Where a hazard stands on the grid, and what its measured clearance suggests: a part of its page.

use maud::{Markup, html};

use super::lists::span;
use super::words::term;
use crate::sync::listing::placement::{LineOf, Placement, Suggested};

/// The section of a hazard's page.
pub(super) fn section(placement: &Placement) -> Markup {
    html! {
        section aria-labelledby="place" {
            h2 id="place" { "所在线路" small { "line and span" } }
            @match &placement.line {
                Some(line) => (on_line(line, placement)),
                None => { p { (placement.certainty_zh) " " span class="en" { "on no line" } } }
            }
            @if let Some(township) = &placement.township {
                p class="quiet" { "计入 " (township) span class="en" { "the township that counts it" } }
            }
            @if !placement.notes.is_empty() {
                ul { @for note in &placement.notes {
                    li { span class="mark warn" { "待核" } (note.zh) span class="en" { (note.en) } }
                } }
            }
            @if let Some(suggested) = &placement.suggestion { (suggestion(suggested)) }
        }
    }
}

fn on_line(line: &LineOf, placement: &Placement) -> Markup {
    html! {
        p {
            b { (line.name.as_deref().unwrap_or(&line.external_id)) " " (span(line)) } " "
            span class="mark" { (placement.certainty_zh) }
            @if placement.named_by_hand { span class="mark" { "按所填线路" } }
        }
        p class="quiet" {
            "电压等级 " (line.voltage.as_deref().unwrap_or("未填写"))
            @for assumed in &line.assumptions { "（" (assumed.zh) "）" }
            "；距线路起点 " (metres(line.chainage_m)) " 米；" (aside(line)) "；" (zone(line.in_zone))
            span class="en" { "chainage, side, protection zone" }
        }
        @if let Some(rival) = &placement.rival {
            p class="quiet" {
                "次近线路 " (rival.name.as_deref().unwrap_or(&rival.id)) "，相距 " (metres(rival.offset_m)) " 米"
                span class="en" { "second-best line" }
            }
        }
    }
}

fn aside(line: &LineOf) -> String {
    if line.side == "on" {
        "在线路正下方".to_owned()
    } else {
        format!("面向大号侧的{} {} 米", line.side_zh, metres(line.offset_m))
    }
}

const fn zone(in_zone: Option<bool>) -> &'static str {
    match in_zone {
        Some(true) => "保护区内",
        Some(false) => "保护区外",
        None => "是否在保护区内未知",
    }
}

fn suggestion(suggested: &Suggested) -> Markup {
    html! {
        h2 { "建议等级" small { "suggested by the rules; a suggestion lowers nothing" } }
        p {
            span class={ "mark " (suggested.severity) } { (suggested.severity_zh) }
            @if suggested.worse != suggested.severity {
                span class="quiet" { "现等级更重，仍按 " (term(suggested.worse)) }
            }
        }
        ul { @for reason in &suggested.reasons { li { (reason.zh) span class="en" { (reason.en) } } } }
        p class="quiet" { "规则版本 " code { (suggested.rules.get(..12).unwrap_or(&suggested.rules)) } }
    }
}

fn metres(value: f64) -> String {
    format!("{value:.1}")
}
