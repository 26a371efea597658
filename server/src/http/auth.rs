//! Who is asking: a device or an office account, from its bearer token.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use sync_protocol::codes::Code;

use super::error::{ApiError, DeviceError};
use super::Shared;
use crate::domain::{DeviceRow, DeviceStatus, District, Person, Role};
use crate::sync::tokens::{self, Claim};

/// A device that presents bundles.
#[derive(Debug)]
pub(super) struct Presenter {
    pub(super) district: District,
    pub(super) row: DeviceRow,
}

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
        if roles.contains(&self.person.role) { Ok(()) } else { Err(Code::Forbidden.into()) }
    }
}

fn claim(parts: &Parts, shared: &Shared) -> Result<Claim, ApiError> {
    parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|token| tokens::read(&shared.engine.keys, token.trim()))
        .ok_or_else(|| Code::Unauthenticated.into())
}

impl FromRequestParts<Shared> for Presenter {
    type Rejection = DeviceError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, DeviceError> {
        let Claim::Device(district, device) = claim(parts, shared)? else {
            return Err(Code::Unauthenticated.into());
        };
        let district = shared
            .engine
            .district(&district.to_string())
            .await
            .map_err(|_source| Code::Unauthenticated)?;
        let mut transaction = shared.engine.store.read().await?;
        let row = transaction.device(district.key, device).await?.ok_or(Code::Unauthenticated)?;
        match row.device.status {
            DeviceStatus::Revoked { .. } => Err(Code::DeviceRevoked.into()),
            DeviceStatus::Active | DeviceStatus::Lost => Ok(Self { district, row }),
        }
    }
}

impl FromRequestParts<Shared> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        let Claim::Office(district, hash) = claim(parts, shared)? else {
            return Err(Code::Unauthenticated.into());
        };
        let district = shared
            .engine
            .district(&district.to_string())
            .await
            .map_err(|_source| Code::Unauthenticated)?;
        let mut transaction = shared.engine.store.read().await?;
        let person = transaction.token_person(district.key, &hash).await?.ok_or(Code::Unauthenticated)?;
        Ok(Self { district, person })
    }
}
