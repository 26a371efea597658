//! Pages before anybody is signed in: the form that asks for login and password, and the one that a one-time link opens.

use maud::{Markup, html};
use sync_protocol::codes::Code;

use super::layout::{Viewer, Wrong, frame, told};
use crate::accounts::password::Profile;

pub(super) fn secret(name: &str, zh: &str, en: &str, autocomplete: &str) -> Markup {
    html! {
        label for=(name) { (zh) span class="en" { (en) } }
        input id=(name) name=(name) type="password" autocomplete=(autocomplete) required;
    }
}

/// The form that asks for login and password, with what was wrong with the last one; where the password is too old, for
/// a new one too. Programs' tokens are taken below it.
pub fn login(wrong: Option<&Wrong>) -> String {
    let is_stale = wrong.is_some_and(|wrong| matches!(wrong.code, Code::PasswordStale | Code::PasswordWeak));
    let body = html! {
        h1 { "登录" small { "Sign in" } }
        section {
            form class="login" method="post" action="/login" {
                (told(wrong))
                label for="login" { "登录名" span class="en" { "login" } }
                input id="login" name="login" type="text" autocomplete="username" required autofocus;
                (secret("password", "密码", "password", "current-password"))
                @if is_stale { (secret("new_password", "新密码", "new password", "new-password")) }
                button type="submit" { "登录 Sign in" }
            }
            p class="quiet" {
                "没有账号或忘记密码：请管理员发一次性链接。"
                span class="en" { "No account, or a forgotten password: ask an administrator for a one-time link." }
            }
        }
        section {
            details {
                summary { "用办公室令牌登录" span class="en" { " with an office token" } }
                form class="login" method="post" action="/login" {
                    (secret("token", "办公室令牌", "office token", "off"))
                    button type="submit" { "登录 Sign in" }
                }
            }
        }
    };
    frame("登录", &Viewer::default(), &html! {}, &body)
}

/// The page of a one-time link.
#[derive(Debug)]
pub struct LinkPage<'a> {
    /// The link's secret, which is its path.
    pub secret: &'a str,
    /// Whom it is for.
    pub name: &'a str,
    /// Their login, where they have one.
    pub login: Option<&'a str>,
    /// What a password must be.
    pub profile: &'a Profile,
    /// What was wrong with what was sent last.
    pub wrong: Option<&'a Wrong>,
}

/// What a password must be.
pub(super) fn rules(profile: &Profile) -> Markup {
    html! {
        p class="quiet" {
            "至少 " (profile.least_characters) " 个字符，小写、大写、数字、其他字符中至少 " (profile.least_classes) " 类。"
            span class="en" {
                "At least " (profile.least_characters) " characters of " (profile.least_classes)
                " of lower case, upper case, digits, others."
            }
        }
    }
}

/// The form by which the owner of a link chooses login and password.
pub fn link(page: &LinkPage<'_>) -> String {
    let profile = page.profile;
    let body = html! {
        h1 { "设置账号" small { "Set up the account of " (page.name) } }
        section {
            form class="login" method="post" action=(format!("/link/{}", page.secret)) {
                (told(page.wrong))
                p { (page.name) }
                label for="login" { "登录名" span class="en" { "login" } }
                input id="login" name="login" type="text" autocomplete="username" required
                    value=[page.login] readonly[page.login.is_some()];
                (secret("password", "密码", "password", "new-password"))
                (rules(profile))
                button type="submit" { "确定 Set" }
            }
            p class="quiet" { "此链接只能使用一次。" span class="en" { "This link works once." } }
        }
    };
    frame("设置账号", &Viewer::default(), &html! {}, &body)
}

/// A page before anybody is signed in that says what is wrong.
pub fn refused(wrong: &Wrong) -> String {
    let body = html! {
        h1 { (wrong.code.zh()) small { (wrong.code.en()) } }
        section { (told(Some(wrong))) p { a href="/login" { "登录 Sign in" } } }
    };
    frame(wrong.code.zh(), &Viewer::default(), &html! {}, &body)
}
