//! `GET /v1/totals`: what the ledger holds, in figures.

use axum::Json;
use axum::extract::State;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use crate::sync::listing::totals::{self, TotalsTold};

/// 台账总数 What the ledger holds, in figures.
///
/// `received` and `dispositions` are those of `firebreak check`.
#[utoipa::path(
    get, path = "/v1/totals", tag = "totals",
    responses((status = 200, description = "The totals", body = TotalsTold)),
)]
pub(super) async fn totals(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<TotalsTold>, ApiError> {
    Ok(Json(totals::totals(&shared.engine, &account.district, &account.sight).await?.into()))
}
