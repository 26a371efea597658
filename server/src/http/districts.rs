//! `GET /v1/districts`: every district that the account may look at, with its totals. A province's overview.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use crate::sync::choices::{self, Choice};
use crate::sync::listing::totals::{self, TotalsTold};

/// A district and its totals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DistrictShown {
    id: String,
    code: String,
    name: String,
    roles: Vec<&'static str>,
    totals: TotalsTold,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Districts {
    districts: Vec<DistrictShown>,
}

/// The districts of an account; a token has its own alone.
pub(super) async fn choices(shared: &Shared, account: &Account) -> Result<Vec<Choice>, ApiError> {
    match account.session.as_ref().and_then(|session| session.account) {
        Some(id) => Ok(choices::choices(&shared.engine, id).await?),
        None => Ok(vec![Choice { district: account.district.clone(), person: account.person.clone() }]),
    }
}

/// 辖区总览 The districts of the account with their totals.
#[utoipa::path(
    get, path = "/v1/districts", tag = "session",
    responses((status = 200, description = "The districts of the account with their totals.", body = Districts)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<Districts>, ApiError> {
    let mut districts = Vec::new();
    for choice in choices(&shared, &account).await? {
        // What an account sees of a district is what it would see there.
        let sight = choice.sight(&shared.engine).await?;
        let totals = totals::totals(&shared.engine, &choice.district, &sight).await?;
        districts.push(DistrictShown {
            id: choice.district.id.to_string(),
            code: choice.district.code,
            name: choice.district.name,
            roles: choice.person.roles.names(),
            totals: totals.into(),
        });
    }
    Ok(Json(Districts { districts }))
}
