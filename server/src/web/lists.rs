//! Lists as small tables: hazards, conflicts, devices, quarantine.

use std::collections::HashMap;

use maud::{Markup, html};

use super::layout::{Tab, Viewer, as_json, page};
use super::words::{shown, term, term_of};
use crate::sync::listing::conflicts::{OpenConflict, Side};
use crate::sync::listing::devices::DeviceTold;
use crate::sync::listing::hazards::Hazard;
use crate::sync::listing::placement::{LineOf, Placement};
use crate::sync::listing::quarantine::Quarantined;
use crate::sync::listing::{Calendar, Page};

/// Where hazards of a list stand, by the id of their record.
pub type Placed = HashMap<String, Placement>;

/// The list of hazards. `query` is the query string of its filters, without a cursor.
pub fn hazards(
    page: &Page<Hazard>,
    placed: &Placed,
    query: &str,
    viewer: &Viewer,
    calendar: &Calendar,
) -> String {
    let body = html! {
        section { (hazard_table(&page.rows, placed, calendar)) (next("/hazards", query, page.next.as_deref())) }
        (as_json(&format!("/v1/hazards?{query}")))
    };
    titled("隐患", "Hazards, worst first", viewer, Tab::Hazards, &body)
}

/// Open conflicts.
pub fn conflicts(page: &Page<OpenConflict>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section { (conflict_table(&page.rows, calendar)) (next("/conflicts", "", page.next.as_deref())) }
        (as_json("/v1/conflicts"))
    };
    titled("待裁定的冲突", "Open conflicts, oldest first", viewer, Tab::Conflicts, &body)
}

/// Devices.
pub fn devices(page: &Page<DeviceTold>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section { (device_table(&page.rows, calendar)) (next("/devices", "", page.next.as_deref())) }
        (as_json("/v1/devices"))
    };
    titled("设备", "Devices", viewer, Tab::Devices, &body)
}

/// The quarantine.
pub fn quarantine(page: &Page<Quarantined>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section { (quarantine_table(&page.rows, viewer, calendar)) (next("/quarantine", "", page.next.as_deref())) }
        (as_json("/v1/quarantine"))
    };
    titled("隔离区", "Quarantine, oldest first", viewer, Tab::Quarantine, &body)
}

pub(super) fn titled(zh: &str, en: &str, viewer: &Viewer, tab: Tab, body: &Markup) -> String {
    page(zh, viewer, tab, &html! { h1 { (zh) small { (en) } } (body) })
}

pub(super) fn next(path: &str, query: &str, cursor: Option<&str>) -> Markup {
    html! {
        @if let Some(cursor) = cursor {
            @let joint = if query.is_empty() { "" } else { "&" };
            p class="more" { a rel="next" href=(format!("{path}?{query}{joint}cursor={cursor}")) { "下一页 Next →" } }
        }
    }
}

/// The way to the page before and the next one, of a list whose pages are numbered.
pub(super) fn pages(path: &str, (at, of): (usize, usize)) -> Markup {
    html! {
        @if of > 1 {
            p class="more" {
                @if at > 1 { a rel="prev" href=(format!("{path}?page={}", at - 1)) { "← 上一页 Previous" } " " }
                "第 " (at) " 页，共 " (of) " 页 "
                @if at < of { a rel="next" href=(format!("{path}?page={}", at + 1)) { "下一页 Next →" } }
            }
        }
    }
}

pub(super) fn none(columns: usize) -> Markup {
    html! { tr { td colspan=(columns) class="quiet" { "没有 None" } } }
}

pub(super) fn heading(zh: &str, en: &str) -> Markup {
    html! { th scope="col" { (zh) small { (en) } } }
}

/// A link to a record by its 编号, or by its id where it has none.
pub(super) fn record_link(id: &str, number: Option<&str>) -> Markup {
    html! { a href=(format!("/hazards/{id}")) { (number.unwrap_or(id)) } }
}

pub(super) fn marks(hazard: &Hazard) -> Markup {
    html! {
        @if hazard.provisional { span class="mark warn" { "报告缺失" } }
        @if hazard.missing { span class="mark warn" { "缺前序操作" } }
        @if hazard.conflict { span class="mark warn" { "冲突" } }
        @if let Some(closure) = hazard.closure { span class="mark" { (term(closure)) } }
    }
}

pub(super) fn severity(hazard: &Hazard) -> Markup {
    let shown = hazard.severity.as_deref().unwrap_or(hazard.class);
    html! { span class={ "mark " (hazard.class) } { (term(shown)) } }
}

/// The line and span of a hazard, in short; as it was written where the grid does not know the line.
pub(super) fn line_of(hazard: &Hazard, placed: Option<&Placement>) -> Markup {
    html! {
        @match placed.and_then(|placed| Some((placed, placed.line.as_ref()?))) {
            Some((placed, line)) => {
                (line.name.as_deref().unwrap_or(&line.external_id)) " "
                (span(line))
                @if placed.certainty == "doubtful" { " " span class="mark" { (placed.certainty_zh) } }
                @if !placed.notes.is_empty() { " " span class="mark warn" { "线路待核" } }
            }
            None => { (term_of(hazard.line_name.as_ref())) }
        }
    }
}

/// The structures of a span, or its number where they have none.
pub(super) fn span(line: &LineOf) -> String {
    match (line.structure_from.as_deref(), line.structure_to.as_deref()) {
        (None, None) => format!("第 {} 档", line.span),
        (from, to) => format!("{}–{}", from.unwrap_or("（线路端）"), to.unwrap_or("（线路端）")),
    }
}

pub(super) fn hazard_table(hazards: &[Hazard], placed: &Placed, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("编号", "number")) (heading("等级", "severity")) (heading("状态", "state"))
                (heading("类别", "category")) (heading("乡镇 · 线路 · 档", "township, line, span")) (heading("收到", "received"))
            } }
            tbody {
                @for hazard in hazards {
                    tr {
                        td class="key" data-label="编号" { (record_link(&hazard.id, hazard.number.as_deref())) }
                        td data-label="等级" { (severity(hazard)) }
                        td data-label="状态" { span { (hazard.state_zh) " " (marks(hazard)) } }
                        td data-label="类别" {
                            span { (term_of(hazard.category.as_ref())) " " (term_of(hazard.hazard_type.as_ref())) }
                        }
                        td data-label="线路" {
                            @let placed = placed.get(&hazard.id);
                            span { (placed.and_then(|placed| placed.township.as_deref()).unwrap_or_default()) " " (line_of(hazard, placed)) }
                        }
                        td class="key" data-label="收到" { (calendar.minute(hazard.received_ms)) }
                    }
                }
                @if hazards.is_empty() { (none(6)) }
            }
        } }
    }
}

fn side(subject: &str, side: &Side, calendar: &Calendar) -> Markup {
    html! {
        div {
            @if let Some(value) = &side.value { b { (shown(subject, value, calendar)) } " " }
            span class="quiet" {
                (side.by.kind_zh) " · " (side.by.author_name.as_deref().unwrap_or(&side.by.author))
                @if side.shows { " · 现显示" }
            }
        }
    }
}

pub(super) fn conflict_table(conflicts: &[OpenConflict], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("隐患", "hazard")) (heading("争议内容", "subject")) (heading("原因", "reason"))
                (heading("各方", "sides")) (heading("自", "since"))
            } }
            tbody {
                @for conflict in conflicts {
                    tr {
                        td class="key" data-label="隐患" { (record_link(&conflict.record, conflict.number.as_deref())) }
                        td data-label="争议内容" { (conflict.subject_zh) }
                        td data-label="原因" { (conflict.reason_zh) }
                        td data-label="各方" {
                            div {
                                @for one in &conflict.sides { (side(&conflict.subject, one, calendar)) }
                                @if let Some(base) = &conflict.base { div class="quiet" { "原值：" (shown(&conflict.subject, base, calendar)) } }
                            }
                        }
                        td class="key" data-label="自" { (calendar.minute(conflict.opened_ms)) }
                    }
                }
                @if conflicts.is_empty() { (none(5)) }
            }
        } }
    }
}

fn ranges(ranges: &[(u64, u64)]) -> String {
    let one = |(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join("、")
}

pub(super) fn device_table(devices: &[DeviceTold], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("人员", "persons")) (heading("状态", "status")) (heading("最后联系", "last contact"))
                (heading("已收序号", "received")) (heading("尚缺", "outstanding")) (heading("时钟偏差", "clock offset"))
                (heading("设备", "device"))
            } }
            tbody {
                @for device in devices {
                    tr {
                        td data-label="人员" {
                            span { @for person in &device.persons { (person.name.as_deref().unwrap_or(&person.id)) " " } }
                        }
                        td data-label="状态" {
                            span { (term(device.status)) " " @if device.forked { span class="mark warn" { "链分叉" } } }
                        }
                        td data-label="最后联系" {
                            span {
                                @match device.contact_ms {
                                    Some(at_ms) => { (calendar.minute(at_ms)) },
                                    None => { "从未" },
                                }
                                @if device.silent_hours > 0 { span class="quiet" { " （" (device.silent_hours) " 小时前）" } }
                            }
                        }
                        td data-label="已收序号" { (device.received_through) }
                        td data-label="尚缺" {
                            span {
                                @if device.outstanding.is_empty() && device.outstanding_photos == 0 { "无" }
                                @if !device.outstanding.is_empty() { "序号 " (ranges(&device.outstanding)) " " }
                                @if device.outstanding_photos > 0 { "照片 " (device.outstanding_photos) " 张" }
                            }
                        }
                        td data-label="时钟偏差" {
                            @match device.clock_offset_ms {
                                Some(offset_ms) => { (offset_ms / 1_000) " 秒" },
                                None => { "—" },
                            }
                        }
                        td data-label="设备" {
                            span {
                                a href=(format!("/devices/{}", device.id)) {
                                    @if device.name.is_empty() { code { (device.id) } } @else { (device.name) }
                                }
                                " " span class="quiet" { (device.client) }
                            }
                        }
                    }
                }
                @if devices.is_empty() { (none(7)) }
            }
        } }
    }
}

pub(super) fn quarantine_table(quarantine: &[Quarantined], viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("原因", "reason")) (heading("隐患", "hazard")) (heading("作者", "author"))
                (heading("收到", "received")) (heading("内容", "content"))
            } }
            tbody {
                @for item in quarantine {
                    tr {
                        td data-label="原因" {
                            span {
                                (item.zh) " " code { (item.code) } @if !item.at.is_empty() { " · " code { (item.at) } }
                                @if item.written_off { " " span class="mark" { "已核销" } }
                                @else if item.released_by.is_some() { " " span class="mark" { "已放行" } }
                            }
                        }
                        td data-label="隐患" { @if let Some(record) = &item.record { (record_link(record, None)) } }
                        td data-label="作者" { (item.author_name.as_deref().or(item.author.as_deref()).unwrap_or("—")) }
                        td class="key" data-label="收到" { (calendar.minute(item.received_ms)) }
                        td data-label="内容" {
                            details {
                                summary { (item.length) " 字节" }
                                pre { (item.diagnostic.as_deref().unwrap_or(&item.bytes)) }
                                @if viewer.may("GET", "/v1/quarantine/{operation}") {
                                    a href=(format!("/v1/quarantine/{}", item.identity)) { "JSON" }
                                }
                            }
                        }
                    }
                }
                @if quarantine.is_empty() { (none(5)) }
            }
        } }
    }
}
