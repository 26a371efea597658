//! `/account`, `/password`: what an account has of its own.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;
use sync_protocol::codes::Code;

use super::super::Shared;
use super::super::auth::{self, Account, Signed};
use super::super::error::{ApiError, status_of};
use super::super::parameters::{Body, NOT_EMPTY, date, wrong};
use super::super::session;
use super::super::tokens::{self as api, NewToken};
use super::{PageError, Viewer, page, see_other, shown};
use crate::sync::accounts::{self, Credentials};
use crate::sync::listing::Calendar;
use crate::sync::{choices, sessions, visitors};
use crate::web::Wrong;
use crate::web::account::{self as web, AccountShown};

pub(in crate::http) async fn show(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
) -> Result<Response, PageError> {
    told(&shared, &account, None).await
}

async fn told(shared: &Shared, account: &Account, error: Option<ApiError>) -> Result<Response, PageError> {
    let of_account = account.session.as_ref().and_then(|session| Some((session, session.account?)));
    let sessions = match of_account {
        Some((this, id)) => Some(sessions::of_account(&shared.engine, shared.lasting, id, this).await?),
        None => None,
    };
    let mut tokens = api::visible(shared, account).await?;
    let own = account.person.id.to_string();
    tokens.retain(|token| token.person == own);
    let roles = account.person.roles.iter().collect();
    let account_shown = AccountShown { roles, sessions, tokens, scopes: account.actions };
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    let (viewer, calendar) = (shown(account), Calendar::of(&account.district));
    Ok(page(status, web::account(&account_shown, wrong.as_ref(), &viewer, &calendar)))
}

/// `name`, `expires`, and a name a scope.
pub(in crate::http) async fn make_token(
    State(shared): State<Shared>,
    form: Result<Signed<BTreeMap<String, String>>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let made = match new_token(&form, &account) {
        Ok(new) => {
            let name = new.name.clone();
            let made = api::make(State(shared.clone()), account.clone(), Body(new)).await;
            made.map(|Json(made)| (name, made))
        }
        Err(error) => Err(error),
    };
    match made {
        // Shown once, in the answer itself: nothing keeps it.
        Ok((name, made)) => Ok(page(StatusCode::OK, web::token(&name, &made.token, &shown(&account)))),
        Err(error) => told(&shared, &account, Some(error)).await,
    }
}

fn new_token(form: &BTreeMap<String, String>, account: &Account) -> Result<NewToken, ApiError> {
    let text = |name: &str| form.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let zone = TimeZone::get(&account.district.time_zone).unwrap_or(TimeZone::UTC);
    let expires_ms = match text("expires") {
        None => None,
        Some(day) => Some(super::commands::end_of_day(date("expires", day)?, &zone)?),
    };
    let name = text("name").ok_or_else(|| wrong("name", NOT_EMPTY))?.to_owned();
    let scopes = form.keys().filter_map(|name| name.strip_prefix("scope-")).map(str::to_owned);
    Ok(NewToken { name, scopes: scopes.collect(), expires_ms })
}

/// A form that says nothing but that it is ours.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Nothing {}

pub(in crate::http) async fn revoke_token(
    State(shared): State<Shared>,
    Path(token): Path<String>,
    form: Result<Signed<Nothing>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, Nothing {}) = form?;
    let Json(_revoked) = api::revoke(State(shared), account, Path(token)).await?;
    Ok(see_other("/account"))
}

pub(in crate::http) async fn end_session(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    form: Result<Signed<Nothing>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, Nothing {}) = form?;
    let of = account.session.as_ref().and_then(|session| session.account).ok_or(Code::NotFound)?;
    sessions::end_other(&shared.engine, of, &id).await?;
    Ok(see_other("/account"))
}

pub(in crate::http) async fn password_form(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
) -> Result<Response, PageError> {
    Ok(page(StatusCode::OK, web::password(&shared.passwords, None, &shown(&account))))
}

/// The password now, and from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Change {
    password: String,
    new_password: String,
    again: String,
}

pub(in crate::http) async fn set_password(
    State(shared): State<Shared>,
    headers: HeaderMap,
    form: Result<Signed<Change>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    match changed(&shared, &headers, &account, &form).await {
        Ok(id) => {
            let mut response = see_other("/account");
            if let Some(cookie) = session::cookie(&shared, Some(&id)) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(error) => {
            let status = status_of(error.code);
            let text = web::password(&shared.passwords, Some(&error.into()), &shown(&account));
            Ok(page(status, text))
        }
    }
}

/// Changes the password as signing in with a new one does, lockout and log included; gives the session after it.
async fn changed(
    shared: &Shared,
    headers: &HeaderMap,
    account: &Account,
    form: &Change,
) -> Result<String, ApiError> {
    let of = account.session.as_ref().and_then(|session| session.account);
    let of =
        of.ok_or_else(|| ApiError::with(Code::BadParameter, "令牌没有密码 (a token has no password)"))?;
    if form.new_password != form.again {
        return Err(wrong("again", "两次输入不一致 (the two are not the same)"));
    }
    let login = accounts::login_of(&shared.engine, of).await?;
    let credentials =
        Credentials { login: &login, password: &form.password, new_password: Some(&form.new_password) };
    let row = accounts::sign_in(&shared.engine, &shared.passwords, &credentials).await?;
    let before = auth::cookie(headers);
    let id = sessions::begin(&shared.engine, shared.lasting, row.id, before).await?;
    // It goes on looking at the same district.
    let visitor = visitors::by_session(&shared.engine, shared.lasting, &id).await?;
    if let Some(session) = visitor.session.filter(|_| visitor.district.key != account.district.key) {
        choices::choose(&shared.engine, &session, &account.district.code).await?;
    }
    Ok(id)
}
