//! What every page has: head, navigation, foot; an error in words.

use maud::{DOCTYPE, Markup, html};
use sync_protocol::codes::Code;

/// Which part of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Totals, worst hazards.
    Overview,
    /// All hazards.
    Hazards,
    /// Lines.
    Grid,
    /// Open conflicts.
    Conflicts,
    /// Probable duplicates.
    Proposals,
    /// Devices.
    Devices,
    /// Quarantine.
    Quarantine,
    /// Work reports.
    Reports,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Overview, "/", "总览"),
        (Self::Hazards, "/hazards", "隐患"),
        (Self::Grid, "/grid", "线路"),
        (Self::Conflicts, "/conflicts", "冲突"),
        (Self::Proposals, "/proposals", "重复"),
        (Self::Devices, "/devices", "设备"),
        (Self::Quarantine, "/quarantine", "隔离"),
        (Self::Reports, "/reports", "报告"),
    ];

    /// The paths of the pages that the navigation leads to.
    pub fn paths() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(_, path, _)| *path)
    }
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
    /// The pages that they may see, of those that the navigation leads to.
    pub paths: Vec<&'static str>,
    /// Whether they see the whole district.
    pub sees_district: bool,
    /// Whether they may manage people and their phones.
    pub manages: bool,
}

impl Viewer {
    /// What a form of ours says beside the cookie.
    pub(super) fn seal(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }
}

pub(super) fn page(title: &str, viewer: &Viewer, tab: Tab, body: &Markup) -> String {
    let navigation = html! {
        nav aria-label="主导航 Main" {
            @for (known, path, name) in Tab::ALL {
                @if viewer.paths.contains(&path) {
                    a href=(path) aria-current=[(known == tab).then_some("page")] { (name) }
                }
            }
            @if !viewer.name.is_empty() { a href="/districts" { "辖区" } }
        }
        form method="post" action="/logout" {
            (viewer.seal())
            @if !viewer.name.is_empty() { span class="quiet" { (viewer.name) " " } }
            button type="submit" { "退出" }
        }
    };
    frame(title, viewer, &navigation, body)
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
            }
            body {
                a class="skip" href="#main" { "跳到正文 Skip to content" }
                header { span class="name" { "Firebreak " (viewer.district) } (navigation) }
                main id="main" { (body) }
                footer class="quiet" { p { a href="/docs" { "接口文档 API" } } }
            }
        }
    }
    .into_string()
}

/// An error in words.
pub fn problem(code: Code, viewer: &Viewer) -> String {
    let body = html! {
        h1 { (code.zh()) small { (code.en()) } }
        section { p { code { (code.as_str()) } " · " a href="/" { "返回总览 Back" } } }
    };
    page(code.zh(), viewer, Tab::Overview, &body)
}

/// A link to the same in JSON, for programs and curious people.
pub(super) fn as_json(path: &str) -> Markup {
    html! { p class="more quiet" { a href=(path) { "JSON" } } }
}
