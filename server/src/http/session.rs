//! Who is signed in: `POST|GET|DELETE /v1/session`, `POST /v1/session/district`. Pages for people are in [`super::sign_in`].

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::auth::{self, Account, COOKIE};
use super::error::ApiError;
use super::parameters::Body;
use crate::store::AccountRow;
use crate::sync::accounts::{self, Credentials};
use crate::sync::choices::{self, Choice};
use crate::sync::sessions;
use crate::sync::sight::Sight;
use crate::sync::visitors::{self, Visitor};

/// Login and password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    login: String,
    password: String,
    /// The password from now on.
    new_password: Option<String>,
}

/// A district that the account may look at.
#[derive(Debug, Serialize, ToSchema)]
struct DistrictTold {
    id: String,
    code: String,
    name: String,
    roles: Vec<&'static str>,
}

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionTold {
    person: String,
    name: String,
    district: String,
    roles: Vec<&'static str>,
    unit: Option<String>,
    /// Whether they see the hazards of their unit alone.
    own_unit_only: bool,
    scopes: Vec<&'static str>,
    districts: Vec<DistrictTold>,
    /// What `x-csrf-token` must say beside the cookie; none of a token.
    csrf: Option<String>,
    expires_ms: Option<i64>,
}

async fn told(shared: &Shared, visitor: Visitor) -> Result<SessionTold, ApiError> {
    let account = visitor.session.as_ref().and_then(|session| session.account);
    let choices = match account {
        Some(account) => choices::choices(&shared.engine, account).await?,
        None => vec![Choice { district: visitor.district.clone(), person: visitor.person.clone() }],
    };
    let districts = choices.into_iter().map(|choice| DistrictTold {
        id: choice.district.id.to_string(),
        code: choice.district.code,
        name: choice.district.name,
        roles: choice.person.roles.names(),
    });
    Ok(SessionTold {
        person: visitor.person.id.to_string(),
        name: visitor.person.name,
        district: visitor.district.code,
        roles: visitor.person.roles.names(),
        unit: visitor.person.unit.map(|unit| unit.to_string()),
        own_unit_only: visitor.sight != Sight::District,
        scopes: visitor.actions.names(),
        districts: districts.collect(),
        expires_ms: visitor.session.as_ref().map(|session| session.expires_ms),
        csrf: visitor.session.map(|session| session.csrf),
    })
}

/// The cookie of a session; none: it ends.
pub(super) fn cookie(shared: &Shared, id: Option<&str>) -> Option<HeaderValue> {
    let secure = if shared.is_secure() { "; Secure" } else { "" };
    let end = if id.is_some() { "" } else { "; Max-Age=0" };
    let id = id.unwrap_or_default();
    let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{end}");
    HeaderValue::from_str(&cookie).ok()
}

/// Begins a session of an account; that of the same browser ends. Gives its id.
pub(super) async fn begin(
    shared: &Shared,
    headers: &HeaderMap,
    account: &AccountRow,
) -> Result<String, ApiError> {
    let before = auth::cookie(headers);
    Ok(sessions::begin(&shared.engine, shared.lasting, account.id, before).await?)
}

/// 登录 Signs a browser in: the reply sets its cookie.
#[utoipa::path(
    post, path = "/v1/session", tag = "session",
    request_body = SignIn,
    responses((status = 200, description = "Signs a browser in: the reply sets its cookie.", body = SessionTold)),
    extensions(("x-codes" = json!(["sign-in-failed", "sign-in-locked", "password-stale", "password-weak"]))),
)]
pub(super) async fn sign_in(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Body(form): Body<SignIn>,
) -> Result<Response, ApiError> {
    let credentials = Credentials {
        login: &form.login,
        password: &form.password,
        new_password: form.new_password.as_deref(),
    };
    let account = accounts::sign_in(&shared.engine, &shared.passwords, &credentials).await?;
    let id = begin(&shared, &headers, &account).await?;
    let visitor = visitors::by_session(&shared.engine, shared.lasting, &id).await?;
    let told = told(&shared, visitor).await?;
    let mut response = Json(told).into_response();
    if let Some(cookie) = cookie(&shared, Some(&id)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 当前登录 Who asks, and what they may do.
#[utoipa::path(
    get, path = "/v1/session", tag = "session",
    responses((status = 200, description = "Who asks, and what they may do.", body = SessionTold)),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<SessionTold>, ApiError> {
    Ok(Json(told(&shared, account.into()).await?))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedOut {
    signed_out: bool,
}

/// 退出 Ends the session.
#[utoipa::path(
    delete, path = "/v1/session", tag = "session",
    responses((status = 200, description = "Ends the session.", body = SignedOut)),
)]
pub(super) async fn sign_out(
    State(shared): State<Shared>,
    account: Account,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = auth::cookie(&headers).filter(|_| account.session.is_some());
    if let Some(id) = id {
        sessions::end(&shared.engine, id).await?;
    }
    let mut response = Json(SignedOut { signed_out: id.is_some() }).into_response();
    if let Some(cookie) = cookie(&shared, None) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The district to look at from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChosenDistrict {
    /// Its code or id.
    district: String,
}

/// 切换辖区 Looks at another of the account's districts.
#[utoipa::path(
    post, path = "/v1/session/district", tag = "session",
    request_body = ChosenDistrict,
    responses((status = 200, description = "Looks at another of the account's districts.", body = SessionTold)),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn choose(
    State(shared): State<Shared>,
    account: Account,
    headers: HeaderMap,
    Body(chosen): Body<ChosenDistrict>,
) -> Result<Json<SessionTold>, ApiError> {
    let Some(session) = &account.session else {
        return Err(ApiError::with(
            sync_protocol::codes::Code::BadParameter,
            "a token is of one district: only a browser's session chooses",
        ));
    };
    choices::choose(&shared.engine, session, &chosen.district).await?;
    let id = auth::cookie(&headers).unwrap_or_default();
    let visitor = visitors::by_session(&shared.engine, shared.lasting, id).await?;
    Ok(Json(told(&shared, visitor).await?))
}
