//! What every page has: head, navigation, foot; the form that asks for a token; an error in words.

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
}

pub(super) fn page(title: &str, district: &str, tab: Tab, body: &Markup) -> String {
    let navigation = html! {
        nav aria-label="主导航 Main" {
            @for (known, path, name) in Tab::ALL {
                a href=(path) aria-current=[(known == tab).then_some("page")] { (name) }
            }
        }
        form method="post" action="/logout" { button type="submit" { "退出" } }
    };
    frame(title, district, &navigation, body)
}

pub(super) fn frame(title: &str, district: &str, navigation: &Markup, body: &Markup) -> String {
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
                header { span class="name" { "Firebreak " (district) } (navigation) }
                main id="main" { (body) }
                footer class="quiet" { p { a href="/docs" { "接口文档 API" } } }
            }
        }
    }
    .into_string()
}

/// The form that asks for an office token, with what was wrong with the last one.
pub fn login(wrong: Option<Code>) -> String {
    let body = html! {
        h1 { "登录" small { "Sign in" } }
        section {
            form class="login" method="post" action="/login" {
                @if let Some(code) = wrong {
                    p role="alert" { span class="mark warn" { (code.zh()) } span class="en" { (code.en()) } }
                }
                label for="token" { "办公室令牌" span class="en" { "office token" } }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                button type="submit" { "登录 Sign in" }
            }
            p class="quiet" {
                "令牌由管理员用 " code { "firebreak token create" } " 生成。"
                span class="en" { "A token is made by an administrator with this command." }
            }
        }
    };
    frame("登录", "", &html! {}, &body)
}

/// An error in words.
pub fn problem(code: Code, district: &str) -> String {
    let body = html! {
        h1 { (code.zh()) small { (code.en()) } }
        section { p { code { (code.as_str()) } " · " a href="/" { "返回总览 Back" } } }
    };
    page(code.zh(), district, Tab::Overview, &body)
}

/// A link to the same in JSON, for programs and curious people.
pub(super) fn as_json(path: &str) -> Markup {
    html! { p class="more quiet" { a href=(path) { "JSON" } } }
}
