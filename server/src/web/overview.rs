//! The first page: totals, the ten worst hazards, open conflicts, silent devices.

use maud::{Markup, html};
use sync_protocol::view::{Disposition, State};

use super::SILENT_HOURS;
use super::layout::{Tab, Viewer, page};
use super::lists::{Placed, conflict_table, device_table, hazard_table};
use super::words::term;
use crate::domain::Class;
use crate::sync::listing::Calendar;
use crate::sync::listing::conflicts::OpenConflict;
use crate::sync::listing::devices::DeviceTold;
use crate::sync::listing::hazards::Hazard;
use crate::sync::listing::totals::Totals;

/// What the first page shows.
#[derive(Debug)]
pub struct Overview {
    /// Totals.
    pub totals: Totals,
    /// The worst open hazards.
    pub worst: Vec<Hazard>,
    /// Where they stand.
    pub placed: Placed,
    /// The oldest conflicts.
    pub conflicts: Vec<OpenConflict>,
    /// The devices that have been silent for longest.
    pub silent: Vec<DeviceTold>,
    /// When devices proved that the ledger was restored from a backup, the last first.
    pub restored_ms: Vec<i64>,
    /// When a copy of the ledger was last found whole.
    pub backed_up_ms: Option<i64>,
    /// When it was read.
    pub now_ms: i64,
}

/// The first page.
pub fn overview(overview: &Overview, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        h1 { "总览" small { "Overview · " (calendar.minute(overview.now_ms)) } }
        @if let Some(restored_ms) = overview.restored_ms.first() { (restored(*restored_ms, overview.totals.missing, calendar)) }
        section aria-labelledby="totals" {
            h2 id="totals" { "未销号隐患 " (overview.totals.open_in_all()) small { "open hazards" } }
            (open_tiles(&overview.totals))
            (other_tiles(&overview.totals, viewer))
            (super::case::turns(&overview.totals))
            (state_marks(&overview.totals))
            @if viewer.may("GET", "/reports") { p class="more" { a href="/reports" { "工作报告 Work reports" } } }
        }
        section aria-labelledby="worst" {
            h2 id="worst" { "最紧急的隐患" small { "worst hazards" } }
            (hazard_table(&overview.worst, &overview.placed, calendar))
            p class="more" { a href="/hazards?open=true" { "全部未销号隐患 All open hazards" } }
        }
        @if viewer.may("GET", "/conflicts") { section aria-labelledby="conflicts" {
            h2 id="conflicts" { "待裁定的冲突" small { "open conflicts" } }
            (conflict_table(&overview.conflicts, calendar))
            p class="more" { a href="/conflicts" { "全部冲突 All conflicts" } }
        } }
        @if viewer.may("GET", "/devices") { section aria-labelledby="silent" {
            h2 id="silent" {
                "超过 " (SILENT_HOURS) " 小时未联系的设备"
                small { "devices not heard of for " (SILENT_HOURS) " h" }
            }
            (device_table(&overview.silent, calendar))
            p class="more" { a href="/devices" { "全部设备 All devices" } }
            (backed_up(overview.backed_up_ms, calendar))
        } }
    };
    page("总览", viewer, Tab::Overview, &body)
}

/// Until a copy was found whole, phones keep what they sent.
fn backed_up(backed_up_ms: Option<i64>, calendar: &Calendar) -> Markup {
    html! {
        p class="more" {
            @match backed_up_ms {
                Some(at_ms) => { "上次核验备份 " (calendar.minute(at_ms)) " " span class="en" { "last verified backup" } },
                None => { "尚无经核验的备份 " span class="en" { "no verified backup yet: firebreak backup make" } },
            }
        }
    }
}

/// Phones bring back what they recorded; what the office had done since the backup, nobody brings.
fn restored(restored_ms: i64, missing: i64, calendar: &Calendar) -> Markup {
    html! {
        section aria-labelledby="restored" {
            h2 id="restored" { "台账曾从备份恢复" small { "restored from a backup" } }
            p {
                "发现于 " (calendar.minute(restored_ms)) "。备份之后由办公室作出的定级、交办、销号、裁定和放行不会自动回来，请逐条核对补录。"
                " 手机的记录引用了而台账没有的操作，涉及 " b { (missing) } " 处隐患。"
            }
            p class="more" { a href="/hazards?missing=true" { "缺前序操作的隐患 Hazards of which operations are missing" } }
        }
    }
}

fn tile(class: &str, path: &str, amount: i64, zh: &str, en: &str) -> Markup {
    html! { li class=(class) { b { (amount) } a href=(path) { (zh) } span class="en" { (en) } } }
}

fn open_tiles(totals: &Totals) -> Markup {
    html! {
        ul class="tiles" {
            @for (class, amount) in &totals.open {
                @let name = class.as_str();
                @let wanted = if *class == Class::Other { "none" } else { name };
                (tile(name, &format!("/hazards?open=true&severity={wanted}"), *amount, term(name), wanted))
            }
        }
    }
}

fn other_tiles(totals: &Totals, viewer: &Viewer) -> Markup {
    let quarantined = totals.disposition(Disposition::Quarantined);
    html! {
        ul class="tiles" {
            (tile("", "/hazards?state=disputed", totals.state(State::Disputed), "销号存疑", "disputed"))
            (tile("", "/hazards?provisional=true", totals.provisional, "报告缺失", "provisional"))
            (tile("", "/hazards?missing=true", totals.missing, "缺前序操作", "operations missing"))
            (tile("", "/hazards?state=held", totals.state(State::Held), "待补", "held"))
            @if viewer.may("GET", "/conflicts") {
                (tile("", "/conflicts", totals.conflicts, "冲突", "conflicts"))
            } @else {
                (tile("", "/hazards?conflict=true", totals.conflicts, "冲突", "conflicts"))
            }
            @if viewer.may("GET", "/quarantine") {
                (tile("", "/quarantine", quarantined, "隔离", "quarantined"))
            }
            (tile("", "/hazards", totals.hazards, "隐患总数", "all hazards"))
        }
    }
}

fn state_marks(totals: &Totals) -> Markup {
    html! {
        p {
            @for (state, amount) in &totals.states {
                a href=(format!("/hazards?state={}", state.as_str())) class="mark" { (state.zh()) " " (amount) }
            }
        }
    }
}
