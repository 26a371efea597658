//! Units, for the office: `GET|POST /v1/units`, `PUT|DELETE /v1/units/{unit}`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use sync_protocol::codes::Code;
use uuid::Uuid;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::Body;
use crate::domain::UnitId;
use crate::sync::units::{self, UnitListed, UnitWritten, Which};

#[derive(Debug, Serialize)]
pub(super) struct Units {
    units: Vec<UnitListed>,
}

pub(super) async fn list(State(shared): State<Shared>, account: Account) -> Result<Json<Units>, ApiError> {
    Ok(Json(Units { units: units::list(&shared.engine, &account.district).await? }))
}

#[derive(Debug, Serialize)]
pub(super) struct Written {
    unit: String,
}

pub(super) async fn add(
    State(shared): State<Shared>,
    account: Account,
    Body(unit): Body<UnitWritten>,
) -> Result<Json<Written>, ApiError> {
    let id = units::write(&shared.engine, &account.district, Which::New, unit).await?;
    Ok(Json(Written { unit: id.to_string() }))
}

pub(super) async fn change(
    State(shared): State<Shared>,
    account: Account,
    Path(id): Path<String>,
    Body(unit): Body<UnitWritten>,
) -> Result<Json<Written>, ApiError> {
    let id = units::write(&shared.engine, &account.district, Which::Known(parse(&id)?), unit).await?;
    Ok(Json(Written { unit: id.to_string() }))
}

#[derive(Debug, Serialize)]
pub(super) struct Retired {
    unit: String,
    retired: bool,
}

pub(super) async fn retire(
    State(shared): State<Shared>,
    account: Account,
    Path(id): Path<String>,
) -> Result<Json<Retired>, ApiError> {
    let id = parse(&id)?;
    units::retire(&shared.engine, &account.district, id).await?;
    Ok(Json(Retired { unit: id.to_string(), retired: true }))
}

fn parse(unit: &str) -> Result<UnitId, ApiError> {
    Uuid::parse_str(unit).map(UnitId).map_err(|_source| ApiError::with(Code::BadParameter, "unit"))
}
