//! What every page has: head, navigation, foot; an error in words.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, html};
use sync_protocol::codes::Code;

/// Which part of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    /// Totals, worst hazards.
    Overview,
    /// All hazards.
    Hazards,
    /// Rectification orders.
    Orders,
    /// The layers of the map.
    Map,
    /// Files, and how programs read the map.
    Files,
    /// Lines.
    Grid,
    /// Open conflicts.
    Conflicts,
    /// Probable duplicates.
    Proposals,
    /// Devices.
    Devices,
    /// Photos that are waited for.
    Photos,
    /// Quarantine.
    Quarantine,
    /// Work reports.
    Reports,
    /// People.
    People,
    /// Units.
    Units,
    /// The audit log.
    Audit,
    /// Districts of the account.
    Districts,
    /// The account itself.
    Account,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 17] = [
        (Self::Overview, "/", "总览"),
        (Self::Hazards, "/hazards", "隐患"),
        (Self::Orders, "/orders", "通知书"),
        (Self::Map, "/ogc", "地图"),
        (Self::Files, "/maps", "导出"),
        (Self::Grid, "/grid", "线路"),
        (Self::Conflicts, "/conflicts", "冲突"),
        (Self::Proposals, "/proposals", "重复"),
        (Self::Devices, "/devices", "设备"),
        (Self::Photos, "/photos", "照片"),
        (Self::Quarantine, "/quarantine", "隔离"),
        (Self::Reports, "/reports", "报告"),
        (Self::People, "/people", "人员"),
        (Self::Units, "/units", "单位"),
        (Self::Audit, "/audit", "审计"),
        (Self::Districts, "/districts", "辖区"),
        (Self::Account, "/account", "账号"),
    ];
}

/// Who looks at a page.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// The name of the district that they look at; nothing where nobody is signed in.
    pub district: String,
    /// Their name and roles.
    pub name: String,
    /// What their forms say beside the cookie; nothing where they hold no session.
    pub csrf: String,
    /// Method and path of every route that lets them in, as the policy table has it.
    pub routes: BTreeSet<(&'static str, &'static str)>,
}

impl Viewer {
    /// What a form of ours says beside the cookie.
    pub(super) fn seal(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }

    /// Whether a route lets them in. A page links to nothing and shows no form that would answer 403.
    pub(super) fn may(&self, method: &'static str, path: &'static str) -> bool {
        self.routes.contains(&(method, path))
    }
}

pub(super) fn page(title: &str, viewer: &Viewer, tab: Tab, body: &Markup) -> String {
    frame(title, viewer, &navigation(viewer, Some(tab)), body)
}

/// A page that anybody may read, with the navigation of whoever does.
pub(super) fn open_page(title: &str, viewer: &Viewer, body: &Markup) -> String {
    frame(title, viewer, &navigation(viewer, None), body)
}

/// The pages that let them in, and the way out; nothing where nobody is signed in.
fn navigation(viewer: &Viewer, tab: Option<Tab>) -> Markup {
    html! {
        nav aria-label="主导航 Main" {
            @for (known, path, name) in Tab::ALL {
                @if viewer.may("GET", path) {
                    a href=(path) aria-current=[(Some(known) == tab).then_some("page")] { (name) }
                }
            }
        }
        @if !viewer.name.is_empty() {
            form method="post" action="/logout" {
                (viewer.seal())
                span class="who" { (viewer.name) " " }
                button type="submit" { "退出" }
            }
        }
    }
}

/// Back to the first page that lets them in; of nobody, to where they sign in.
pub(super) fn back(viewer: &Viewer) -> Markup {
    html! {
        @if viewer.may("GET", "/") { a href="/" { "返回总览 Back" } }
        @else if viewer.may("GET", "/account") { a href="/account" { "我的账号 My account" } }
        @else { a href="/login" { "登录 Sign in" } }
    }
}

pub(super) fn frame(title: &str, viewer: &Viewer, navigation: &Markup, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Firebreak" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                a class="skip" href="#main" { "跳到正文 Skip to content" }
                header { span class="name" { "Firebreak " (viewer.district) } (navigation) }
                main id="main" { (body) }
                footer class="quiet" {
                    p { a href="/docs/guide" { "使用说明 Guide" } " · " a href="/docs" { "接口文档 API" } }
                }
            }
        }
    }
    .into_string()
}

/// What was wrong with what somebody sent or asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The code.
    pub code: Code,
    /// More about it.
    pub detail: Option<String>,
    /// Everything that stands against it: Chinese and English.
    pub reasons: Vec<(String, String)>,
}

impl From<Code> for Wrong {
    fn from(code: Code) -> Self {
        Self { code, detail: None, reasons: Vec::new() }
    }
}

/// It in words, before the form that it is about.
pub(super) fn told(wrong: Option<&Wrong>) -> Markup {
    html! {
        @if let Some(wrong) = wrong {
            div role="alert" {
                p {
                    span class="mark warn" { (wrong.code.zh()) }
                    span class="en" { (wrong.code.en()) }
                    @if let Some(detail) = &wrong.detail { " " (detail) }
                }
                @if !wrong.reasons.is_empty() {
                    ul { @for (zh, en) in &wrong.reasons { li { (zh) span class="en" { (en) } } } }
                }
            }
        }
    }
}

/// An error as a page.
///
/// `viewer`: whom it is told, where that is known.
pub fn problem(wrong: &Wrong, viewer: Option<&Viewer>) -> String {
    let code = wrong.code;
    let is_known = viewer.is_some();
    let nobody = Viewer::default();
    let viewer = viewer.unwrap_or(&nobody);
    let body = html! {
        h1 { (code.zh()) small { (code.en()) } }
        section {
            (told(Some(wrong)))
            p {
                code { (code.as_str()) } " · "
                @if is_known { (back(viewer)) } @else { a href="/" { "返回总览 Back" } }
            }
        }
    };
    page(code.zh(), viewer, Tab::Overview, &body)
}

/// A link to the same in JSON, for programs and curious people.
pub(super) fn as_json(path: &str) -> Markup {
    html! { p class="more quiet" { a href=(path) { "JSON" } } }
}
