//! Units, for the office: `GET|POST /v1/units`, `PUT|DELETE /v1/units/{unit}`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, UUID, wrong};
use crate::domain::UnitId;
use crate::sync::units::{self, UnitListed, UnitWritten, Which};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Units {
    units: Vec<UnitListed>,
}

/// 单位列表 Units, retired ones too.
#[utoipa::path(
    get, path = "/v1/units", tag = "units",
    responses((status = 200, description = "Units, retired ones too.", body = Units)),
)]
pub(super) async fn list(State(shared): State<Shared>, account: Account) -> Result<Json<Units>, ApiError> {
    Ok(Json(Units { units: units::list(&shared.engine, &account.district).await? }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WrittenUnit {
    pub(super) unit: String,
}

/// 新增单位 Adds a unit.
#[utoipa::path(
    post, path = "/v1/units", tag = "units",
    request_body = UnitWritten,
    responses((status = 200, description = "Adds a unit.", body = WrittenUnit)),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn add(
    State(shared): State<Shared>,
    account: Account,
    Body(unit): Body<UnitWritten>,
) -> Result<Json<WrittenUnit>, ApiError> {
    let id = units::write(&shared.engine, &account.district, Which::New, unit, account.actor()).await?;
    Ok(Json(WrittenUnit { unit: id.to_string() }))
}

/// 修改单位 Writes a unit anew; one that was retired returns.
#[utoipa::path(
    put, path = "/v1/units/{unit}", tag = "units",
    request_body = UnitWritten,
    responses((status = 200, description = "Writes a unit anew; one that was retired returns.", body = WrittenUnit)),
    extensions(("x-codes" = json!(["unit-circle"]))),
)]
pub(super) async fn change(
    State(shared): State<Shared>,
    account: Account,
    Path(id): Path<String>,
    Body(unit): Body<UnitWritten>,
) -> Result<Json<WrittenUnit>, ApiError> {
    let which = Which::Known(parse(&id)?);
    let id = units::write(&shared.engine, &account.district, which, unit, account.actor()).await?;
    Ok(Json(WrittenUnit { unit: id.to_string() }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetiredUnit {
    unit: String,
    retired: bool,
}

/// 停用单位 Retires a unit: nothing new is given to it.
#[utoipa::path(
    delete, path = "/v1/units/{unit}", tag = "units",
    responses((status = 200, description = "Retires a unit: nothing new is given to it.", body = RetiredUnit)),
)]
pub(super) async fn retire(
    State(shared): State<Shared>,
    account: Account,
    Path(id): Path<String>,
) -> Result<Json<RetiredUnit>, ApiError> {
    let id = parse(&id)?;
    units::retire(&shared.engine, &account.district, id, account.actor()).await?;
    Ok(Json(RetiredUnit { unit: id.to_string(), retired: true }))
}

pub(super) fn parse(unit: &str) -> Result<UnitId, ApiError> {
    Uuid::parse_str(unit).map(UnitId).map_err(|_source| wrong("unit", UUID))
}
