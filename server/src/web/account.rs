//! What an account has of its own: password, browsers that are signed in, tokens for programs.

use maud::{Markup, html};

use super::forms::{Field, input, line, press, tick};
use super::layout::{Tab, Viewer, Wrong, told};
use super::lists::{heading, none, titled};
use super::sign_in::secret;
use crate::accounts::actions::{Action, Actions};
use crate::accounts::password::Profile;
use crate::domain::Role;
use crate::sync::listing::Calendar;
use crate::sync::people::TokenListed;
use crate::sync::sessions::SessionListed;

/// What the page shows.
#[derive(Debug)]
pub struct AccountShown {
    /// Their roles in the district.
    pub roles: Vec<Role>,
    /// Their browsers; none of a session that a token began.
    pub sessions: Option<Vec<SessionListed>>,
    /// Their tokens.
    pub tokens: Vec<TokenListed>,
    /// The scopes that a new token may have.
    pub scopes: Actions,
}

/// The account.
pub fn account(shown: &AccountShown, wrong: Option<&Wrong>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section {
            p { b { (viewer.name) } " · " (shown.roles.iter().map(|role| role.zh()).collect::<Vec<_>>().join("、")) " · " (viewer.district) }
            @if shown.sessions.is_some() {
                p class="more" { a href="/password" { "修改密码 Change the password" } }
            }
        }
        (told(wrong))
        @if let Some(sessions) = &shown.sessions {
            section aria-labelledby="sessions" {
                h2 id="sessions" { "已登录的浏览器" small { "browsers that are signed in" } }
                (session_table(sessions, viewer, calendar))
            }
        }
        section aria-labelledby="tokens" {
            h2 id="tokens" { "程序令牌" small { "tokens for programs" } }
            (token_table(&shown.tokens, viewer, calendar))
            @if viewer.may("POST", "/account/tokens") { (new_token(shown, viewer)) }
        }
    };
    titled("我的账号", "My account", viewer, Tab::Account, &body)
}

fn session_table(sessions: &[SessionListed], viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr { (heading("登录", "since")) (heading("最近使用", "last used")) (heading("", "")) } }
            tbody {
                @for session in sessions {
                    tr {
                        td class="key" data-label="登录" { (calendar.minute(session.created_ms)) }
                        td class="key" data-label="最近使用" { (calendar.minute(session.used_ms)) }
                        td {
                            @if session.is_this { span class="mark" { "本机 This one" } }
                            @else {
                                (press(&format!("/account/sessions/{}", session.id), &viewer.seal(), &[], "退出该浏览器", "Sign it out"))
                            }
                        }
                    }
                }
                @if sessions.is_empty() { (none(3)) }
            }
        } }
    }
}

fn token_table(tokens: &[TokenListed], viewer: &Viewer, calendar: &Calendar) -> Markup {
    let minute = |at_ms: Option<i64>, else_: &str| {
        at_ms.map_or_else(|| else_.to_owned(), |at_ms| calendar.minute(at_ms))
    };
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("名称", "name")) (heading("权限", "scopes")) (heading("创建", "made")) (heading("最近使用", "last used"))
                (heading("到期", "ends")) (heading("", ""))
            } }
            tbody {
                @for token in tokens {
                    tr {
                        td data-label="名称" { @if token.label.is_empty() { code { (token.id) } } @else { (token.label) } }
                        td data-label="权限" { (token.scopes.iter().map(|scope| scope_zh(scope)).collect::<Vec<_>>().join("、")) }
                        td class="key" data-label="创建" { (calendar.minute(token.created_ms)) }
                        td class="key" data-label="最近使用" { (minute(token.used_ms, "从未")) }
                        td class="key" data-label="到期" { (minute(token.expires_ms, "不到期")) }
                        td {
                            @if viewer.may("POST", "/account/tokens/{token}") {
                                (press(&format!("/account/tokens/{}", token.id), &viewer.seal(), &[], "撤销", "Revoke"))
                            }
                        }
                    }
                }
                @if tokens.is_empty() { (none(6)) }
            }
        } }
    }
}

fn scope_zh(name: &str) -> &str {
    Action::ALL.into_iter().find(|action| action.as_str() == name).map_or(name, |action| action.zh())
}

fn new_token(shown: &AccountShown, viewer: &Viewer) -> Markup {
    html! {
        form class="login" method="post" action="/account/tokens" {
            (viewer.seal())
            (line(Field::new("name", "用途", "what it is for").needed(), ""))
            fieldset {
                legend { "权限" span class="en" { "scopes" } }
                @for action in Action::ALL.into_iter().filter(|action| shown.scopes.has(*action)) {
                    @let name = format!("scope-{}", action.as_str());
                    (tick(Field::new(&name, action.zh(), action.as_str()), action == Action::Read))
                }
            }
            (input(Field::new("expires", "到期日（空：不到期）", "ends after this day; empty: never"), "date", "", None))
            button type="submit" { "新建令牌 Make a token" }
        }
    }
}

/// The page that shows a token, once.
pub fn token(name: &str, token: &str, viewer: &Viewer) -> String {
    let body = html! {
        section {
            p { "令牌「" (name) "」，只显示这一次：" span class="en" { "The token, shown once:" } }
            p { code class="secret" { (token) } }
            p class="quiet" {
                "程序在请求头中使用：" code { "Authorization: Bearer …" }
                "。请像密码一样保管，用完撤销。" span class="en" { "Keep it like a password; revoke it when it is no longer used." }
            }
            p class="more" { a href="/account" { "返回 Back" } }
        }
    };
    titled("新令牌", "A new token", viewer, Tab::Account, &body)
}

/// The form that changes one's own password.
pub fn password(profile: &Profile, wrong: Option<&Wrong>, viewer: &Viewer) -> String {
    let body = html! {
        section {
            form class="login" method="post" action="/password" {
                (viewer.seal()) (told(wrong))
                (secret("password", "现密码", "password", "current-password"))
                (secret("new_password", "新密码", "new password", "new-password"))
                (secret("again", "再输一次新密码", "the new one again", "new-password"))
                (super::sign_in::rules(profile))
                button type="submit" { "修改 Change" }
            }
            p class="quiet" {
                "修改后其他浏览器都须重新登录；程序令牌不受影响。"
                span class="en" { "Every other browser is signed out; tokens go on." }
            }
        }
        p class="more" { a href="/account" { "返回 Back" } }
    };
    titled("修改密码", "Change the password", viewer, Tab::Account, &body)
}
