//! `GET /v1/totals`: what the ledger holds, in figures.

use axum::Json;
use axum::extract::State;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use crate::sync::listing::totals::{self, TotalsTold};

pub(super) async fn totals(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<TotalsTold>, ApiError> {
    Ok(Json(totals::totals(&shared.engine, &account.district, &account.sight).await?.into()))
}
