//! Devices, for the office.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, DeviceId};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, NOT_EMPTY, Parameters, UUID, one_of, page_size, wrong};
use crate::sync::listing::devices::{self, DeviceFilter, DeviceTold};
use crate::sync::office::Act;
use crate::sync::review::{self, Decision, Reviewed};
use crate::sync::trust;

/// The last trusted point; absent: what was received so far.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Its last trusted operation.
    sequence: Option<u64>,
    /// Hexadecimal.
    chain: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The device.
    device: String,
    /// `revoked`, `lost`, or `given_up`: what it lacked is owed no longer.
    status: &'static str,
}

/// A page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `true`: in use, and owing what it says it recorded.
    unsent: Option<bool>,
    /// In use, and not heard of since; milliseconds since 1970.
    silent_before_ms: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    devices: Vec<DeviceTold>,
    next: Option<String>,
}

/// 设备列表 Devices by id, the server's own left out.
#[utoipa::path(
    get, path = "/v1/devices", tag = "devices",
    params(Wanted),
    responses((status = 200, description = "A page", body = Devices)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Devices>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let filter =
        DeviceFilter { unsent: wanted.unsent.unwrap_or(false), silent_before_ms: wanted.silent_before_ms };
    let cursor = wanted.cursor.as_deref();
    let page = devices::page(&shared.engine, &account.district, filter, cursor, limit).await?;
    Ok(Json(Devices { devices: page.rows, next: page.next }))
}

/// 吊销设备 Ends a device's access at once.
///
/// `sequence` and `chain` name its last trusted operation and go together; without them it is the last received.
#[utoipa::path(
    post, path = "/v1/devices/{device}/revoke", tag = "devices",
    request_body = Revocation,
    responses((status = 200, description = "The device", body = Done)),
)]
pub(super) async fn revoke(
    State(shared): State<Shared>,
    account: Account,
    Path(device): Path<String>,
    Body(revocation): Body<Revocation>,
) -> Result<Json<Done>, ApiError> {
    let device = parse(&device)?;
    let chain = revocation.chain.map(|chain| {
        let chain = hex::decode(chain).ok().and_then(|bytes| Chain::try_from(bytes.as_slice()).ok());
        chain.ok_or_else(|| wrong("chain", "须与 sequence 一同给出 (needed beside sequence)"))
    });
    let trusted = match (revocation.sequence, chain.transpose()?) {
        (None, None) => None,
        (Some(sequence), chain) => {
            Some(trust::point_at(&shared.engine, &account.district, device, (sequence, chain)).await?)
        }
        (None, Some(_)) => return Err(ApiError::with(Code::BadParameter, "chain: say its sequence too")),
    };
    let act = Act::Revoke { device, trusted, author: account.person.id };
    shared.engine.act(&account.district, act).await?;
    Ok(Json(Done { device: device.to_string(), status: "revoked" }))
}

/// 挂失设备 What the device has not sent counts as lost.
#[utoipa::path(
    post, path = "/v1/devices/{device}/lose", tag = "devices",
    responses((status = 200, description = "The device", body = Done)),
)]
pub(super) async fn lose(
    State(shared): State<Shared>,
    account: Account,
    Path(device): Path<String>,
) -> Result<Json<Done>, ApiError> {
    let device = parse(&device)?;
    shared.engine.act(&account.district, Act::Lose { device, by: account.actor() }).await?;
    Ok(Json(Done { device: device.to_string(), status: "lost" }))
}

/// What a device lacks and will not bring.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenUp {
    /// Up to which sequence, one that was received.
    pub(super) through: u64,
    /// Why.
    pub(super) reason: String,
}

/// 核销缺号 Writes off what a device in use lacks up to a sequence.
#[utoipa::path(
    post, path = "/v1/devices/{device}/give-up", tag = "devices",
    request_body = GivenUp,
    responses((status = 200, description = "The device", body = Done)),
)]
pub(super) async fn give_up(
    State(shared): State<Shared>,
    account: Account,
    Path(device): Path<String>,
    Body(given_up): Body<GivenUp>,
) -> Result<Json<Done>, ApiError> {
    let device = parse(&device)?;
    let reason = given_up.reason.trim().to_owned();
    if reason.is_empty() {
        return Err(wrong("reason", NOT_EMPTY));
    }
    let act = Act::GiveUp { device, through: given_up.through, reason, author: account.person.id };
    shared.engine.act(&account.district, act).await?;
    Ok(Json(Done { device: device.to_string(), status: "given_up" }))
}

/// What the office calls a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceNamed {
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Renamed {
    device: String,
    name: String,
}

/// 设备改名 Names a device.
#[utoipa::path(
    put, path = "/v1/devices/{device}", tag = "devices",
    request_body = DeviceNamed,
    responses((status = 200, description = "Names a device.", body = Renamed)),
)]
pub(super) async fn rename(
    State(shared): State<Shared>,
    account: Account,
    Path(device): Path<String>,
    Body(named): Body<DeviceNamed>,
) -> Result<Json<Renamed>, ApiError> {
    let device = parse(&device)?;
    devices::rename(&shared.engine, &account.district, device, &named.name, account.actor()).await?;
    Ok(Json(Renamed { device: device.to_string(), name: named.name.trim().to_owned() }))
}

/// What becomes of everything that waits of a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Review {
    /// `release` or `write-off`.
    decision: String,
    /// Why it is written off.
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReviewDone {
    reviewed: Vec<Reviewed>,
    /// Whether more waits: one request decides so many.
    more: bool,
}

/// Reads a decision.
pub(super) fn decision(name: &str, reason: Option<&str>) -> Result<Decision, ApiError> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match (name, reason) {
        ("release", _) => Ok(Decision::Release),
        ("write-off", Some(reason)) => Ok(Decision::WriteOff(reason.to_owned())),
        ("write-off", None) => Err(wrong("reason", NOT_EMPTY)),
        _ => Err(one_of("decision", ["release", "write-off"])),
    }
}

/// 批量复核 Decides about everything that waits of a device.
#[utoipa::path(
    post, path = "/v1/devices/{device}/review", tag = "devices",
    request_body = Review,
    responses((status = 200, description = "Decides about everything that waits of a device.", body = ReviewDone)),
)]
pub(super) async fn review(
    State(shared): State<Shared>,
    account: Account,
    Path(device): Path<String>,
    Body(wanted): Body<Review>,
) -> Result<Json<ReviewDone>, ApiError> {
    let device = parse(&device)?;
    let decision = decision(&wanted.decision, wanted.reason.as_deref())?;
    let author = account.person.id;
    let (reviewed, more) =
        review::review(&shared.engine, &account.district, device, &decision, author).await?;
    Ok(Json(ReviewDone { reviewed, more }))
}

pub(super) fn parse(device: &str) -> Result<DeviceId, ApiError> {
    device.parse().map_err(|_source| wrong("device", UUID))
}
