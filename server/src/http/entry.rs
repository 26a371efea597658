//! `POST /v1/works`, `/v1/inspections`, `/v1/activities`, `/v1/hazards`, `/v1/patrols`: what no device made.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;
use sync_protocol::kind::Kind;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Shared;
use super::auth::Account;
use super::commands;
use super::error::ApiError;
use super::parameters::{Body, Parameters, id};
use crate::sync::entry::{self, Entry, GpxPatrol};

/// What is entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// The record's id: entered again, it is the same record.
    id: Option<Uuid>,
    /// What is asserted, by name; docs/protocol.md has the fields and their types.
    fields: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    /// The record.
    id: String,
    /// Whether it was not there before.
    new: bool,
}

async fn enter(shared: &Shared, account: &Account, kind: Kind, new: New) -> Result<Json<Made>, ApiError> {
    let fields = commands::fields(&new.fields)?;
    let entry = Entry { kind, id: new.id, fields, author: account.person.id };
    let entered = entry::enter(&shared.engine, &account.district, entry).await?;
    Ok(Json(Made { id: entered.record.to_string(), new: entered.is_new }))
}

/// 录入隐患 A finding of the office.
///
/// Needed fields are `category` and `type`. With an `id` the entry may be sent again: it is one record.
#[utoipa::path(
    post, path = "/v1/hazards", tag = "entry",
    request_body = New,
    responses((status = 200, description = "The record", body = Made)),
)]
pub(super) async fn hazard(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<New>,
) -> Result<Json<Made>, ApiError> {
    enter(&shared, &account, Kind::Reported, new).await
}

/// 录入工程 Works that no device recorded.
///
/// `work_type` is needed, and what it needs by docs/api.md.
#[utoipa::path(
    post, path = "/v1/works", tag = "entry",
    request_body = New,
    responses((status = 200, description = "The record", body = Made)),
)]
pub(super) async fn work(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<New>,
) -> Result<Json<Made>, ApiError> {
    enter(&shared, &account, Kind::WorkDone, new).await
}

/// 录入督查 A supervisory inspection.
///
/// `unit` is needed.
#[utoipa::path(
    post, path = "/v1/inspections", tag = "entry",
    request_body = New,
    responses((status = 200, description = "The record", body = Made)),
)]
pub(super) async fn inspection(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<New>,
) -> Result<Json<Made>, ApiError> {
    enter(&shared, &account, Kind::InspectionMade, new).await
}

/// 录入宣传活动 An activity with its counts.
///
/// `activity_type` is needed.
#[utoipa::path(
    post, path = "/v1/activities", tag = "entry",
    request_body = New,
    responses((status = 200, description = "The record", body = Made)),
)]
pub(super) async fn activity(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<New>,
) -> Result<Json<Made>, ApiError> {
    enter(&shared, &account, Kind::ActivityHeld, new).await
}

/// Whose patrol, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Walked {
    /// Who walked; absent: the account's person.
    person: Option<String>,
    id: Option<String>,
    /// When it began, where the file has no times.
    started_ms: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Patrol {
    /// The record.
    id: String,
    /// Whether it was not there before.
    new: bool,
    /// Points of the track.
    points: usize,
    /// Points that could not be read.
    damaged: usize,
}

/// The bytes of a GPX file, with our own errors.
pub(super) struct Gpx(Bytes);

impl FromRequest<Shared> for Gpx {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, shared).await;
        bytes.map(Self).map_err(|_source| Code::BodyTooLarge.into())
    }
}

/// 导入巡线轨迹 A patrol recorded as GPX 1.0 or 1.1.
///
/// The same file of the same person is one patrol.
#[utoipa::path(
    post, path = "/v1/patrols", tag = "entry",
    params(Walked),
    request_body(description = "The file", content((Vec<u8> = "application/gpx+xml"))),
    responses((status = 200, description = "The patrol", body = Patrol)),
)]
pub(super) async fn patrol(
    State(shared): State<Shared>,
    account: Account,
    Parameters(walked): Parameters<Walked>,
    Gpx(file): Gpx,
) -> Result<Json<Patrol>, ApiError> {
    let person = id("person", walked.person.as_deref())?.map_or(account.person.id, PersonId);
    let patrol = GpxPatrol {
        file: &file,
        id: id("id", walked.id.as_deref())?,
        person,
        started_ms: walked.started_ms,
        entered_by: Some(account.person.id),
    };
    let entered = entry::enter_gpx(&shared.engine, &account.district, patrol).await?;
    Ok(Json(Patrol {
        id: entered.record.to_string(),
        new: entered.is_new,
        points: entered.points,
        damaged: entered.damaged,
    }))
}
