//! The rules of the district: what is in force, and setting them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::Body;
use crate::sync::rules::{self, InForce, Set};

/// 现行规则 The rules in force, their text and every version before.
#[utoipa::path(
    get, path = "/v1/rules", tag = "rules",
    responses((status = 200, description = "The rules", body = InForce)),
)]
pub(super) async fn in_force(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<InForce>, ApiError> {
    Ok(Json(rules::in_force(&shared.engine, &account.district).await?))
}

/// New rules.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRules {
    /// TOML, at most 64 KiB.
    #[schema(max_length = 65536)]
    source: String,
}

/// 设定规则 Sets the rules.
///
/// TOML shaped as that of the program. What is in force already changes nothing.
#[utoipa::path(
    put, path = "/v1/rules", tag = "rules",
    request_body = NewRules,
    responses((status = 200, description = "What setting came to", body = Set)),
)]
pub(super) async fn set(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<NewRules>,
) -> Result<Json<Set>, ApiError> {
    Ok(Json(rules::set(&shared.engine, &account.district, &new.source, account.person.id).await?))
}
