//! One record with everything behind it, readable.

use maud::{Markup, html};

use super::layout::{Tab, Viewer, as_json, page};
use super::lists::{conflict_table, marks, quarantine_table, severity};
use super::words::{shown, term, term_of};
use crate::lifecycle::Command;
use crate::photos::pairs::Pair;
use crate::sync::commands::Offered;
use crate::sync::listing::record::{Field, Photo, Record, Told};
use crate::sync::listing::{By, Calendar};
use crate::sync::orders::Order;

/// What stands beside a record on its page.
#[derive(Debug, Default)]
pub struct Beside {
    /// What the account may do with it.
    pub offered: Vec<Offered>,
    /// What was ordered about it, as far as the account may see it.
    pub orders: Vec<Order>,
    /// The command that was given just now.
    pub done: Option<Command>,
}

/// The page of a record.
pub fn record(record: &Record, beside: &Beside, viewer: &Viewer, calendar: &Calendar) -> String {
    let line = &record.line;
    let title = line.number.as_deref().unwrap_or(&line.id);
    let body = html! {
        h1 { (title) small { (line.record_type.map_or("", term)) } }
        @if let Some(done) = beside.done {
            p role="status" { span class="mark" { "已执行：" (done.zh()) } span class="en" { "done: " (done.en()) } }
        }
        section {
            p {
                (severity(line)) " " b { (line.state_zh) } " " (marks(line))
                span class="quiet" { (term_of(line.category.as_ref())) " " (term_of(line.hazard_type.as_ref())) }
            }
            @if let Some(place) = line.position {
                p class="quiet" {
                    "北纬 " (place.lat) "，东经 " (place.lon)
                    @if let Some(accuracy) = place.accuracy_m { "，精度 " (accuracy) " 米" }
                }
            }
            p class="quiet" { "收到 " (calendar.minute(line.received_ms)) " · " code { (line.id) } }
        }
        @if let Some(case) = &line.case { (super::case::section(record, case, calendar)) }
        (super::commands::section(&line.id, &beside.offered, viewer))
        (super::orders::section(&beside.orders, viewer, calendar))
        @if let Some(placement) = &record.placement { (super::place::section(placement)) }
        @if !record.conflicts.is_empty() {
            section { h2 { "待裁定的冲突" small { "open conflicts" } } (conflict_table(&record.conflicts, calendar)) }
        }
        section { h2 { "字段" small { "fields: what shows, what lost and why" } } (field_table(&record.fields, calendar)) }
        section { h2 { "处理过程" small { "lifecycle" } } (lifecycle(record)) }
        @if !record.photos.is_empty() {
            section {
                h2 { "照片" small { "photos" } }
                (photo_list(&record.photos, viewer))
                (pair_list(&record.pairs))
            }
        }
        section { h2 { "全部操作" small { "every operation behind it" } } (operation_table(&record.operations, calendar)) }
        @if !record.quarantined.is_empty() {
            section { h2 { "隔离" small { "quarantined" } } (quarantine_table(&record.quarantined, viewer, calendar)) }
        }
        (as_json(&format!("/v1/hazards/{}", line.id)))
    };
    page(title, viewer, Tab::Hazards, &body)
}

fn who(by: &By) -> &str {
    by.author_name.as_deref().unwrap_or(&by.author)
}

fn field_table(fields: &[Field], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr { th scope="col" { "字段" } th scope="col" { "值" } th scope="col" { "作者" } th scope="col" { "为何" } } }
            tbody {
                @for field in fields { @for value in &field.values {
                    tr class=[(!value.shows).then_some("lost")] {
                        td data-label="字段" { (field.zh) @if field.zh != field.en { span class="en" { (field.en) } } }
                        td data-label="值" {
                            @let text = shown(&field.name, &value.value, calendar);
                            @if let Some(path) = linked(&field.name, &value.value) {
                                a href=(path) { (text) }
                            } @else if value.shows { b { (text) } } @else { s { (text) } }
                        }
                        td data-label="作者" { (who(&value.by)) " · " (value.by.kind_zh) }
                        td data-label="为何" { (value.why.why_zh) }
                    }
                } }
            }
        } }
    }
}

/// The page of the record that a field names.
fn linked(field: &str, value: &serde_json::Value) -> Option<String> {
    let names_one = matches!(field, "recurs" | "duplicate_of");
    let id = value.as_str().filter(|_| names_one).and_then(|id| uuid::Uuid::try_parse(id).ok())?;
    Some(format!("/hazards/{id}"))
}

fn lifecycle(record: &Record) -> Markup {
    let lifecycle = &record.lifecycle;
    html! {
        ul {
            @for danger in &lifecycle.dangers { li { "危险：" (danger.kind_zh) " · " (who(danger)) } }
            @for stage in &lifecycle.stage { li { "进度：" (stage.state_zh) " · " (stage.by.kind_zh) " · " (who(&stage.by)) } }
            @for act in &lifecycle.acts {
                li {
                    "处置：" (act.standing_zh) " · " (act.by.kind_zh) " · " (who(&act.by))
                    @if !act.sound { " " span class="mark warn" { "不知悉最新危险" } }
                    @if !act.pending_photos.is_empty() { " · 待核验照片 " (act.pending_photos.len()) " 张" }
                }
            }
            @if let Some(closure) = lifecycle.closure { li { "销号：" (term(closure)) } }
            @for missing in &record.missing_heads {
                li { "缺前序操作 " code { (missing) } "，提到它的：" (naming(record, missing)) }
            }
            @for missing in &record.given_up_heads {
                li { "前序操作 " code { (missing) } " 已核销，提到它的：" (naming(record, missing)) }
            }
        }
    }
}

/// Who names an operation that the ledger does not hold: they, or their phones' copies, know what it was.
pub(super) fn naming(record: &Record, missing: &str) -> String {
    let mentions = |told: &&Told| told.heads.iter().chain(&told.lacking).any(|head| head == missing);
    let who =
        |told: &Told| format!("{} {}", told.author_name.as_deref().unwrap_or(&told.author), told.kind_zh);
    record.operations.iter().filter(mentions).map(who).collect::<Vec<_>>().join("、")
}

fn photo_list(photos: &[Photo], viewer: &Viewer) -> Markup {
    html! {
        ul {
            @for photo in photos {
                li {
                    (photo.role.as_deref().map_or("", term)) " · " (photo.state_zh)
                    @if photo.state == "verified" && viewer.may("GET", "/v1/photos/{sha256}") {
                        " · " a href=(format!("/v1/photos/{}", photo.sha256)) { "原图" }
                        br;
                        img src=(format!("/v1/photos/{}?thumbnail=320", photo.sha256)) loading="lazy"
                            alt=(format!("照片 {}", photo.role.as_deref().map_or("", term)));
                    }
                    " " code { (photo.sha256) }
                }
            }
        }
    }
}

/// Before and after: how far apart, and what is odd about it.
fn pair_list(pairs: &[Pair]) -> Markup {
    html! {
        @if !pairs.is_empty() { ul {
            @for pair in pairs {
                li {
                    "整改前后对照 " code { (pair.before.chars().take(8).collect::<String>()) } " → "
                    code { (pair.after.chars().take(8).collect::<String>()) }
                    @if let Some(metres) = pair.distance_m { "，相距 " (metres) " 米" }
                    @if let Some(elapsed) = pair.elapsed_ms { "，相隔 " (elapsed / 3_600_000) " 小时" }
                    @for warning in &pair.warnings_zh { " " span class="mark warn" { (warning) } }
                }
            }
        } }
    }
}

fn operation_table(operations: &[Told], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                th scope="col" { "操作" } th scope="col" { "作者" } th scope="col" { "时间" } th scope="col" { "结果" }
                th scope="col" { "内容" }
            } }
            tbody {
                @for operation in operations {
                    tr {
                        td class="key" data-label="操作" { (operation.kind_zh) }
                        td data-label="作者" { (operation.author_name.as_deref().unwrap_or(&operation.author)) }
                        td data-label="时间" {
                            span {
                                (calendar.minute(operation.interval.not_before_ms)) " 至 "
                                (calendar.minute(operation.interval.not_after_ms))
                                @if operation.interval.clock_suspect { " " span class="mark warn" { "时钟可疑" } }
                            }
                        }
                        td data-label="结果" {
                            span {
                                (operation.disposition_zh)
                                @for flag in &operation.flags { " " span class="mark" { (flag.zh) } }
                            }
                        }
                        td data-label="内容" {
                            details {
                                summary { "设备序号 " (operation.sequence) }
                                @for (name, value) in &operation.fields {
                                    div { span class="quiet" { (name) } " " (shown(name, value, calendar)) }
                                }
                                div { code { (operation.identity) } }
                            }
                        }
                    }
                }
            }
        } }
    }
}
