//! Who is asking: a device by its token, or an account of the office by a token or by a browser's session; and whether
//! the policy table lets them.
//!
//! Start at [`Account`]: a handler that takes one runs only for those whom the row of its route lets in.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, RecordId};

use super::Shared;
use super::error::{ApiError, DeviceError};
use super::policy::{self, Row, Scope};
use crate::accounts::actions::Actions;
use crate::domain::{Device, DeviceStatus, District, Person, Role};
use crate::sync::SyncError;
use crate::sync::audit::Actor;
use crate::sync::sessions::Session;
use crate::sync::sight::Sight;
use crate::sync::tokens::{self, Claim};
use crate::sync::visitors::{self, TokenHeld, Visitor};

/// A device that asks, as it stands now.
#[derive(Debug)]
pub(super) struct Presenter {
    pub(super) district: District,
    pub(super) device: Device,
}

/// A device that presents bundles, as its last sync left it: how it stands now is read with what it brings, before
/// anything is told to it.
#[derive(Debug)]
pub(super) struct Remembered(pub(super) Presenter);

/// An account of the office that the policy table lets into this route.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) district: District,
    pub(super) person: Person,
    /// What of the district it may be shown.
    pub(super) sight: Sight,
    /// What its token may be used for.
    pub(super) actions: Actions,
    /// The token that it came with, itself or by a session.
    pub(super) token: Option<TokenHeld>,
    /// Its browser's session; none: a program with a token.
    pub(super) session: Option<Session>,
}

impl Account {
    /// # Errors
    /// [`Code::Forbidden`] where the account has none of the roles.
    pub(super) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        if self.person.roles.has_any(roles) { Ok(()) } else { Err(Code::Forbidden.into()) }
    }

    /// Whether the account may be shown this record, which is the same as whether it may act on it: of a unit's people,
    /// what their unit or one below it answers for. Whatever else there is, is for them not there.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub(super) async fn must_see(&self, shared: &Shared, record: RecordId) -> Result<(), ApiError> {
        if self.sight == Sight::District {
            return Ok(());
        }
        let mut transaction = shared.engine.store.read().await?;
        let row = transaction.records(self.district.key, &[record]).await?.remove(&record);
        if self.sight.sees(row.and_then(|row| row.unit)) { Ok(()) } else { Err(Code::NotFound.into()) }
    }

    /// Who it is in the audit log.
    pub(super) const fn actor(&self) -> Actor {
        Actor::Person(self.person.id)
    }

    /// The account of a visitor, where the row of the route lets them in.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(super) fn admitted(visitor: Visitor, row: &Row) -> Result<Self, ApiError> {
        let account = Self::from(visitor);
        if account.may(row) { Ok(account) } else { Err(Code::Forbidden.into()) }
    }

    /// Whether this row lets the account in.
    pub(super) fn may(&self, row: &Row) -> bool {
        let is_shown = match row.scope {
            Scope::District => self.sight == Sight::District,
            Scope::DeviceOrOffice | Scope::OwnUnit | Scope::Own | Scope::Province => true,
            Scope::Public | Scope::Device => false,
        };
        is_shown && self.actions.has(row.action) && self.person.roles.has_any(row.roles)
    }

    /// The account of whoever asks, with what keeps it out of this route, where something does.
    ///
    /// # Errors
    /// Those of [`account`] but [`Code::Forbidden`] by the table.
    pub(super) async fn at_the_door(
        parts: &Parts,
        shared: &Shared,
    ) -> Result<(Self, Option<ApiError>), ApiError> {
        let row = policy::row_of(parts)?;
        let account = Self::from(visitor(parts, shared, Csrf::InHeader).await?);
        let kept_out = if account.may(row) { None } else { Some(Code::Forbidden.into()) };
        Ok((account, kept_out))
    }
}

impl From<Visitor> for Account {
    fn from(visitor: Visitor) -> Self {
        let Visitor { district, person, sight, actions, token, session } = visitor;
        Self { district, person, sight, actions, token, session }
    }
}

/// The cookie of a browser's session.
pub(super) const COOKIE: &str = "firebreak";
/// The header by which scripts of ours say that it is them, and not another site.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

fn header_token(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty())
}

/// The password of `Authorization: Basic`, whoever the user: programs that show maps know no other way to say a token.
/// Only for routes that change nothing.
fn basic_token(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, said) = value.split_once(' ')?;
    let said = STANDARD.decode(said.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let said = String::from_utf8(said).ok()?;
    let (_user, password) = said.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

/// Who asks for a map: as [`account`], or by a token that is said as a password. The holder of a token may have been read a
/// moment ago.
///
/// # Errors
/// [`Code::Unauthenticated`], [`Code::Forbidden`].
pub(super) async fn account_of_map(parts: &Parts, shared: &Shared) -> Result<Account, ApiError> {
    let said = basic_token(parts);
    let Some(token) = said.as_deref().or_else(|| header_token(parts)) else {
        return account(parts, shared, Csrf::InHeader).await;
    };
    let (district, hash) = claim(shared, token).await?;
    let visitor = shared.engine.holder_of_map(district, hash).await?;
    Account::admitted(visitor, policy::row_of(parts)?)
}

/// The id of the session in a browser's cookie.
pub(super) fn cookie(headers: &axum::http::HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}

/// Whether a request says who asks.
pub(super) fn has_token(parts: &Parts) -> bool {
    header_token(parts).or_else(|| cookie(&parts.headers)).is_some()
}

/// The holder of an office token.
///
/// # Errors
/// [`Code::Unauthenticated`].
pub(super) async fn holder(shared: &Shared, token: &str) -> Result<(Visitor, [u8; 32]), ApiError> {
    let (district, hash) = claim(shared, token).await?;
    Ok((visitors::by_token(&shared.engine, district, &hash).await?, hash))
}

/// The district that an office token names, and the hash that its holder is found by.
async fn claim(shared: &Shared, token: &str) -> Result<(District, [u8; 32]), ApiError> {
    let Some(Claim::Office(district, hash)) = tokens::read(&shared.engine.keys, token) else {
        return Err(Code::Unauthenticated.into());
    };
    let district = shared.engine.district(&district.to_string()).await.map_err(unknown_district)?;
    Ok((district, hash))
}

/// Where a request that changes something says that it was made by a page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Csrf<'a> {
    /// In [`CSRF_HEADER`].
    InHeader,
    /// In its form, as this.
    InForm(&'a str),
}

/// Who asks, by a token in the header or by a session. A token in the header wins.
///
/// # Errors
/// [`Code::Unauthenticated`]; [`Code::CsrfMissing`] where a browser's cookie came without the session's own token.
pub(super) async fn account(parts: &Parts, shared: &Shared, csrf: Csrf<'_>) -> Result<Account, ApiError> {
    let row = policy::row_of(parts)?;
    Account::admitted(visitor(parts, shared, csrf).await?, row)
}

async fn visitor(parts: &Parts, shared: &Shared, csrf: Csrf<'_>) -> Result<Visitor, ApiError> {
    if let Some(token) = header_token(parts) {
        return Ok(holder(shared, token).await?.0);
    }
    let id = cookie(&parts.headers).ok_or(Code::Unauthenticated)?;
    let visitor = visitors::by_session(&shared.engine, shared.lasting, id).await?;
    let expected = visitor.session.as_ref().map(|session| session.csrf.as_str());
    let said = match csrf {
        Csrf::InHeader => parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()),
        Csrf::InForm(said) => Some(said),
    };
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
    let is_ours = said.zip(expected).is_some_and(|(said, expected)| tokens::is_same(said, expected));
    if !is_safe && !is_ours {
        return Err(Code::CsrfMissing.into());
    }
    Ok(visitor)
}

/// A token for a district that is not here is no token; a store that fails is no reason to doubt one.
fn unknown_district(error: SyncError) -> ApiError {
    match error {
        SyncError::Refused(_) | SyncError::RefusedFor(..) | SyncError::Wait(..) => {
            Code::Unauthenticated.into()
        }
        other @ (SyncError::Command(_) | SyncError::Store(_) | SyncError::Keys(_) | SyncError::Gone) => {
            other.into()
        }
    }
}

impl Presenter {
    /// The district and the device that a request's token names.
    async fn claim(parts: &Parts, shared: &Shared) -> Result<(District, DeviceId), ApiError> {
        let claim = header_token(parts).and_then(|token| tokens::read(&shared.engine.keys, token));
        let Some(Claim::Device(district, device)) = claim else {
            return Err(Code::Unauthenticated.into());
        };
        let district = shared.engine.district(&district.to_string()).await.map_err(unknown_district)?;
        Ok((district, device))
    }

    async fn read(shared: &Shared, district: District, device: DeviceId) -> Result<Self, ApiError> {
        let mut reading = shared.engine.store.glance().await?;
        let row = reading.device(district.key, device).await?.ok_or(Code::Unauthenticated)?;
        Self { district, device: row.device }.unless_revoked()
    }

    /// # Errors
    /// [`Code::DeviceRevoked`].
    fn unless_revoked(self) -> Result<Self, ApiError> {
        require_trusted(&self.device).map(|()| self)
    }
}

/// # Errors
/// [`Code::DeviceRevoked`].
pub(super) fn require_trusted(device: &Device) -> Result<(), ApiError> {
    match device.status {
        DeviceStatus::Revoked { .. } => Err(Code::DeviceRevoked.into()),
        DeviceStatus::Active | DeviceStatus::Lost => Ok(()),
    }
}

impl FromRequestParts<Shared> for Presenter {
    type Rejection = DeviceError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, DeviceError> {
        let (district, device) = Self::claim(parts, shared).await?;
        Ok(Self::read(shared, district, device).await?)
    }
}

impl FromRequestParts<Shared> for Remembered {
    type Rejection = DeviceError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, DeviceError> {
        let (district, device) = Presenter::claim(parts, shared).await?;
        let presenter = match shared.engine.presenters.recall(district.key, device) {
            Some(device) => Presenter { district, device }.unless_revoked()?,
            None => Presenter::read(shared, district, device).await?,
        };
        Ok(Self(presenter))
    }
}

impl From<Account> for Visitor {
    fn from(account: Account) -> Self {
        let Account { district, person, sight, actions, token, session } = account;
        Self { district, person, sight, actions, token, session }
    }
}

/// A form of ours that an account sent, and what it says.
#[derive(Debug)]
pub(super) struct Signed<T>(pub(super) Account, pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Signed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let form = Form::<BTreeMap<String, String>>::from_request(request, shared).await;
        let bad = |text: String| ApiError::with(Code::BadParameter, text);
        let mut form = form.map(|Form(form)| form);
        let csrf = form.as_mut().ok().and_then(|form| form.remove("csrf")).unwrap_or_default();
        // Who asks comes before what they say.
        let account = account(&parts, shared, Csrf::InForm(&csrf)).await?;
        let form = form?;
        let form = form.into_iter().map(|(name, text)| (name, text.into())).collect();
        let form = serde_json::from_value(serde_json::Value::Object(form));
        let form = form.map_err(|error| bad(error.to_string()))?;
        Ok(Self(account, form))
    }
}

impl FromRequestParts<Shared> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        account(parts, shared, Csrf::InHeader).await
    }
}
