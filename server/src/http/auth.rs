//! Who is asking: a device or an office account, from its bearer token.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, header};
use sync_protocol::codes::Code;
use sync_protocol::ids::DeviceId;

use super::Shared;
use super::error::{ApiError, DeviceError};
use crate::domain::{Device, DeviceStatus, District, Person, Role};
use crate::sync::SyncError;
use crate::sync::tokens::{self, Claim};

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

/// An office account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) district: District,
    pub(super) person: Person,
}

impl Account {
    /// # Errors
    /// [`Code::Forbidden`] where the account has none of the roles.
    pub(super) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        if self.person.roles.has_any(roles) { Ok(()) } else { Err(Code::Forbidden.into()) }
    }
}

/// The cookie that keeps an office token for a browser.
pub(super) const COOKIE: &str = "firebreak";

fn header_token(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

/// The cookie counts for reading alone: what changes the ledger must say its token in the header.
fn cookie_token(parts: &Parts) -> Option<&str> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}

/// Whether a request says any token.
pub(super) fn has_token(parts: &Parts) -> bool {
    header_token(parts).or_else(|| cookie_token(parts)).is_some()
}

/// The office account of a token.
///
/// # Errors
/// [`Code::Unauthenticated`].
pub(super) async fn account(shared: &Shared, token: &str) -> Result<Account, ApiError> {
    let Some(Claim::Office(district, hash)) = tokens::read(&shared.engine.keys, token) else {
        return Err(Code::Unauthenticated.into());
    };
    let district = shared.engine.district(&district.to_string()).await.map_err(unknown_district)?;
    let mut transaction = shared.engine.store.read().await?;
    let person = transaction.token_person(district.key, &hash).await?.ok_or(Code::Unauthenticated)?;
    Ok(Account { district, person })
}

/// A token for a district that is not here is no token; a store that fails is no reason to doubt one.
fn unknown_district(error: SyncError) -> ApiError {
    match error {
        SyncError::Refused(_) | SyncError::RefusedFor(..) => Code::Unauthenticated.into(),
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

impl FromRequestParts<Shared> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        let token = header_token(parts).or_else(|| cookie_token(parts)).ok_or(Code::Unauthenticated)?;
        account(shared, token).await
    }
}
