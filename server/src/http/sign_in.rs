//! Signing in and out by a browser, and the page of a one-time link. Another site's form or link signs nobody in or out:
//! what a victim then enters would go to a stranger's account.

use axum::Form;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sync_protocol::codes::Code;

use super::Shared;
use super::auth;
use super::error::{ApiError, status_of};
use super::pages::{asked, page, see_other};
use super::session;
use crate::sync::accounts::{self, Credentials};
use crate::sync::sessions;
use crate::web::Wrong;
use crate::web::sign_in::{self as web, LinkPage};

/// A form that nobody has signed yet; what is no such form is refused in our own words.
pub(super) struct Entered<T>(T);

impl<T: DeserializeOwned> FromRequest<Shared> for Entered<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, ApiError> {
        let Form(form) = Form::from_request(request, shared).await?;
        Ok(Self(form))
    }
}

pub(super) async fn form() -> Response {
    page(StatusCode::OK, web::login(None))
}

/// The form of the sign-in page: login and password, or a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    token: Option<String>,
    login: Option<String>,
    password: Option<String>,
    new_password: Option<String>,
}

fn refused(error: ApiError) -> Response {
    let (status, after) = (status_of(error.code), error.retry_after());
    let mut response = page(status, web::login(Some(&error.into())));
    if let Some(after) = after {
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}

pub(super) async fn sign_in(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Entered(form): Entered<SignIn>,
) -> Response {
    if let Some(token) = form.token {
        return with_token(&shared, &headers, &token).await;
    }
    if !is_own(&headers) {
        return asked(Some(Code::Forbidden));
    }
    let credentials = Credentials {
        login: form.login.as_deref().unwrap_or_default(),
        password: form.password.as_deref().unwrap_or_default(),
        new_password: form.new_password.as_deref(),
    };
    match accounts::sign_in(&shared.engine, &shared.passwords, &credentials).await {
        Ok(account) => match session::begin(&shared, &headers, &account).await {
            Ok(id) => entered(&shared, Some(&id)),
            Err(error) => refused(error),
        },
        Err(error) => refused(error.into()),
    }
}

/// A session of the holder of an office token: it ends with the token.
pub(super) async fn with_token(shared: &Shared, headers: &HeaderMap, token: &str) -> Response {
    if !is_own(headers) {
        return asked(Some(Code::Forbidden));
    }
    let begun = async {
        let (visitor, hash) = auth::holder(shared, token.trim()).await?;
        let before = auth::cookie(headers);
        let with = (&visitor, &hash[..]);
        Ok::<_, ApiError>(sessions::begin_with_token(&shared.engine, shared.lasting, with, before).await?)
    };
    match begun.await {
        Ok(id) => entered(shared, Some(&id)),
        Err(error) => refused(error),
    }
}

pub(super) async fn sign_out(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if !is_own(&headers) {
        return asked(Some(Code::Forbidden));
    }
    if let Some(id) = auth::cookie(&headers)
        && let Err(error) = sessions::end(&shared.engine, id).await
    {
        return refused(error.into());
    }
    entered(&shared, None)
}

pub(super) async fn link(State(shared): State<Shared>, Path(secret): Path<String>) -> Response {
    link_page(&shared, &secret, None).await
}

/// What the owner of a link chose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkForm {
    login: String,
    password: String,
}

pub(super) async fn use_link(
    State(shared): State<Shared>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    Entered(form): Entered<LinkForm>,
) -> Response {
    if !is_own(&headers) {
        return asked(Some(Code::Forbidden));
    }
    let (engine, profile) = (&shared.engine, &shared.passwords);
    match accounts::use_link(engine, profile, &secret, &form.login, &form.password).await {
        Ok(_account) => see_other("/login"),
        Err(error) => link_page(&shared, &secret, Some(error.into())).await,
    }
}

async fn link_page(shared: &Shared, secret: &str, error: Option<ApiError>) -> Response {
    let told = match accounts::read_link(&shared.engine, secret).await {
        Ok(told) => told,
        Err(error) => {
            let error = ApiError::from(error);
            return page(status_of(error.code), web::refused(&error.into()));
        }
    };
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    let (name, login) = (told.name.as_str(), told.login.as_deref());
    let text =
        web::link(&LinkPage { secret, name, login, profile: &shared.passwords, wrong: wrong.as_ref() });
    page(status, text)
}

/// Whether a request was made by a page of ours, by a person's own hand, or by no browser at all. Browsers say
/// where a request comes from; those too old for `Sec-Fetch-Site` say it by `Origin` when they send a form.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    from.is_some_and(|(_, from)| Some(from) == host)
}

/// To the first page, with the cookie of a session; without one, it ends.
fn entered(shared: &Shared, id: Option<&str>) -> Response {
    let mut response = see_other("/");
    if let Some(cookie) = session::cookie(shared, id) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
