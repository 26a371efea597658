//! Photos that are waited for: of which hazard, from whom, since when.

use maud::{Markup, html};

use super::layout::{Tab, Viewer, as_json};
use super::lists::{heading, next, none, titled};
use crate::sync::listing::{Calendar, Page};
use crate::sync::photos::serving::Outstanding;

/// A page of the photos that the server waits for.
pub fn photos(page: &Page<Outstanding>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section {
            p class="quiet" {
                "记录里写到、但文件还没有到的照片。手机下次同步时会补传；永远等不到的，由领导在隐患页「核销缺失材料」。"
            }
            (table(&page.rows, viewer, calendar)) (next("/photos", "", page.next.as_deref()))
        }
        (as_json("/v1/photos?outstanding=true"))
    };
    titled("待传照片", "Photos that are waited for", viewer, Tab::Photos, &body)
}

fn table(rows: &[Outstanding], viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("照片", "photo")) (heading("隐患", "hazard")) (heading("等待谁", "from whom"))
                (heading("自", "since")) (heading("已等", "for"))
            } }
            tbody {
                @for row in rows {
                    tr {
                        td class="key" data-label="照片" { code { (row.sha256.chars().take(8).collect::<String>()) } }
                        td data-label="隐患" { a href=(format!("/hazards/{}", row.record)) { "打开 Open" } }
                        td data-label="等待谁" { span {
                            @for person in &row.persons { (person.name.as_deref().unwrap_or(&person.id)) " " }
                            @if viewer.may("GET", "/devices/{device}") {
                                a href=(format!("/devices/{}", row.device)) { "设备 Device" }
                            }
                        } }
                        td class="key" data-label="自" { (calendar.minute(row.since_ms)) }
                        td data-label="已等" { (row.waiting_hours) " 小时" }
                    }
                }
                @if rows.is_empty() { (none(5)) }
            }
        } }
    }
}
