//! One device: what it owes, what waits of it, and what may be done about it. And the QR that enrols a phone.

use maud::{Markup, PreEscaped, html};

use super::layout::{Tab, Viewer, as_json};
use super::lists::{device_table, next, quarantine_table, titled};
use crate::sync::admin::EnrolCode;
use crate::sync::listing::devices::DeviceTold;
use crate::sync::listing::quarantine::Quarantined;
use crate::sync::listing::{Calendar, Page};

/// One device.
pub fn device(
    device: &DeviceTold,
    waiting: &Page<Quarantined>,
    viewer: &Viewer,
    calendar: &Calendar,
) -> String {
    let path = format!("/devices/{}", device.id);
    let title = if device.name.is_empty() { device.id.as_str() } else { device.name.as_str() };
    let body = html! {
        section { (device_table(std::slice::from_ref(device), calendar)) }
        section aria-labelledby="waiting" {
            h2 id="waiting" { "隔离中的记录" small { "what waits of it" } }
            (quarantine_table(&waiting.rows, viewer, calendar))
            (next(&path, "", waiting.next.as_deref()))
            @if viewer.may("POST", "/devices/{device}") && !waiting.rows.is_empty() { (bulk(&path, viewer)) }
        }
        @if viewer.may("POST", "/devices/{device}") { section aria-labelledby="manage" {
            h2 id="manage" { "管理" small { "manage" } }
            (acts(device, &path, viewer))
        } }
        (as_json(&format!("/v1/quarantine?device={}", device.id)))
    };
    titled(title, "Device", viewer, Tab::Devices, &body)
}

/// Everything that waits of it, decided at once.
fn bulk(path: &str, viewer: &Viewer) -> Markup {
    html! {
        form method="post" action=(path) {
            (viewer.seal()) input type="hidden" name="act" value="release";
            button type="submit" { "全部放行 Release all" }
        }
        form method="post" action=(path) {
            (viewer.seal()) input type="hidden" name="act" value="write-off";
            label for="reason" { "原因" span class="en" { "reason" } }
            input id="reason" name="reason" type="text" required;
            button type="submit" { "全部核销 Write all off" }
        }
    }
}

fn acts(device: &DeviceTold, path: &str, viewer: &Viewer) -> Markup {
    html! {
        form method="post" action=(path) {
            (viewer.seal()) input type="hidden" name="act" value="rename";
            label for="name" { "名称" span class="en" { "name" } }
            input id="name" name="name" type="text" value=(device.name);
            button type="submit" { "改名 Rename" }
        }
        @if device.status == "active" {
            form method="post" action=(path) {
                (viewer.seal()) input type="hidden" name="act" value="lose";
                button type="submit" { "标记丢失 Mark lost" }
            }
        }
        @if !device.outstanding.is_empty() && device.whole_through < device.received_through {
            form method="post" action=(path) {
                (viewer.seal()) input type="hidden" name="act" value="give-up";
                label for="through" { "核销至序号的缺号（不会再来的记录）" span class="en" { "write off what is missing up to" } }
                input id="through" name="sequence" type="number" required min=(device.whole_through + 1) max=(device.received_through);
                label for="why" { "原因" span class="en" { "reason" } }
                input id="why" name="reason" type="text" required;
                button type="submit" { "核销缺号 Write off" }
            }
        }
        form method="post" action=(path) {
            (viewer.seal()) input type="hidden" name="act" value="revoke";
            label for="sequence" { "可信至序号（空：已收的全部）" span class="en" { "trusted up to; empty: all that was received" } }
            input id="sequence" name="sequence" type="number" min="0" max=(device.received_through);
            button type="submit" { "吊销 Revoke" }
        }
        @for person in &device.persons {
            form method="post" action="/enrol-code" {
                (viewer.seal()) input type="hidden" name="person" value=(person.id);
                button type="submit" { "为 " (person.name.as_deref().unwrap_or(&person.id)) " 重新注册手机 Enrol again" }
            }
        }
    }
}

/// The QR that enrols a phone.
pub fn enrol_code(code: &EnrolCode, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section {
            div class="qr" { (PreEscaped(&code.svg)) }
            p { "用手机扫描。有效至 " (calendar.minute(code.expires_ms)) "，只能使用一次。"
                span class="en" { "Scan it with the phone; it works once." } }
            p class="quiet" { code { (code.uri) } }
        }
    };
    titled("注册手机", "Enrol a phone", viewer, Tab::Devices, &body)
}
