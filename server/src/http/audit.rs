//! `GET /v1/audit`, `/v1/audit/head`: who did what, and where the chain stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Paging, Parameters, page_size};
use crate::sync::audit::{self, Chain, Listed};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRows)]
pub(super) struct Rows {
    rows: Vec<Listed>,
    next: Option<String>,
}

/// 审计日志 Who did what, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    params(Paging),
    responses((status = 200, description = "A page", body = Rows)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Rows>, ApiError> {
    let limit = page_size(paging.limit)?;
    let page = audit::page(&shared.engine, &account.district, paging.cursor.as_deref(), limit).await?;
    Ok(Json(Rows { rows: page.rows, next: page.next }))
}

/// Where a chain stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditHead)]
pub(super) struct Head {
    /// The last row.
    sequence: u64,
    /// Its hash, hexadecimal.
    head: String,
}

/// 审计链头 Where the chain of the audit log stands: to be kept elsewhere.
#[utoipa::path(
    get, path = "/v1/audit/head", tag = "audit",
    responses((status = 200, description = "The head", body = Head)),
)]
pub(super) async fn head(State(shared): State<Shared>, account: Account) -> Result<Json<Head>, ApiError> {
    let link = audit::head(&shared.engine, Chain::District(&account.district)).await?;
    Ok(Json(Head { sequence: link.sequence, head: link.hash.to_string() }))
}
