//! `GET /v1/quarantine`, `GET /v1/quarantine/{operation}`, `POST /v1/quarantine/{operation}/release`,
//! `POST /v1/quarantine/{operation}/write-off`.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_protocol::ids::{DeviceId, Identity};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, NOT_EMPTY, Parameters, id, page_size, wrong};
use crate::store::QuarantinePart;
use crate::sync::listing::quarantine::{self, Quarantined};
use crate::sync::office::Act;

/// A page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `true`: decided; `false`: waiting; absent: all.
    released: Option<bool>,
    /// Signed by this device.
    device: Option<String>,
    /// Received at or after it, milliseconds since 1970.
    since_ms: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quarantine {
    quarantine: Vec<Quarantined>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Released {
    /// The decision, by its identity, hexadecimal.
    operation: Option<String>,
}

/// 隔离记录 Quarantined operations, oldest first.
///
/// A list gives the first 4 KiB of `bytes`.
#[utoipa::path(
    get, path = "/v1/quarantine", tag = "quarantine",
    params(Wanted),
    responses((status = 200, description = "A page", body = Quarantine)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Quarantine>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let part = match wanted.released {
        None => QuarantinePart::Whole,
        Some(false) => QuarantinePart::Waiting,
        Some(true) => QuarantinePart::Released,
    };
    let (engine, district) = (&shared.engine, &account.district);
    let cursor = wanted.cursor.as_deref();
    let device = id("device", wanted.device.as_deref())?.map(DeviceId);
    let which = quarantine::Wanted { part, since_ms: wanted.since_ms, device };
    let page = quarantine::page(engine, district, which, cursor, limit).await?;
    Ok(Json(Quarantine { quarantine: page.rows, next: page.next }))
}

/// 单条隔离记录 One quarantined operation with all of its bytes.
#[utoipa::path(
    get, path = "/v1/quarantine/{operation}", tag = "quarantine",
    responses((status = 200, description = "The operation", body = Quarantined)),
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    account: Account,
    Path(operation): Path<String>,
) -> Result<Json<Quarantined>, ApiError> {
    Ok(Json(quarantine::one(&shared.engine, &account.district, parse(&operation)?).await?))
}

/// A release says nothing more: what it lets in is in its path.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {}

/// 放行 Lets a quarantined operation take effect.
///
/// What is wrong in it stays out.
#[utoipa::path(
    post, path = "/v1/quarantine/{operation}/release", tag = "quarantine",
    request_body = Release,
    responses((status = 200, description = "The release", body = Released)),
    extensions(("x-codes" = json!(["not-releasable"]))),
)]
pub(super) async fn release(
    State(shared): State<Shared>,
    account: Account,
    Path(operation): Path<String>,
    Body(Release {}): Body<Release>,
) -> Result<Json<Released>, ApiError> {
    let act = Act::Release { identity: parse(&operation)?, author: account.person.id };
    let outcome = shared.engine.act(&account.district, act).await?;
    Ok(Json(Released { operation: outcome.operation.map(|identity| identity.to_string()) }))
}

/// Why an operation is written off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteOff {
    /// 理由 in words; not blank.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// 核销 Decides that a quarantined operation never takes effect.
#[utoipa::path(
    post, path = "/v1/quarantine/{operation}/write-off", tag = "quarantine",
    request_body = WriteOff,
    responses((status = 200, description = "The decision", body = Released)),
    extensions(("x-codes" = json!(["not-releasable"]))),
)]
pub(super) async fn write_off(
    State(shared): State<Shared>,
    account: Account,
    Path(operation): Path<String>,
    Body(said): Body<WriteOff>,
) -> Result<Json<Released>, ApiError> {
    let reason = said.reason.trim().to_owned();
    if reason.is_empty() {
        return Err(wrong("reason", NOT_EMPTY));
    }
    let act = Act::WriteOff { identity: parse(&operation)?, reason, author: account.person.id };
    let outcome = shared.engine.act(&account.district, act).await?;
    Ok(Json(Released { operation: outcome.operation.map(|identity| identity.to_string()) }))
}

fn parse(operation: &str) -> Result<Identity, ApiError> {
    hex::decode(operation)
        .ok()
        .and_then(|bytes| Identity::try_from(bytes.as_slice()).ok())
        .ok_or_else(|| wrong("operation", "64 个十六进制数字 (64 hexadecimal digits)"))
}
