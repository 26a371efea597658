//! The rules of the district: what is in force, and setting them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::Body;
use crate::sync::rules::{self, InForce, Set};

pub(super) async fn in_force(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<InForce>, ApiError> {
    Ok(Json(rules::in_force(&shared.engine, &account.district).await?))
}

/// New rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRules {
    source: String,
}

pub(super) async fn set(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<NewRules>,
) -> Result<Json<Set>, ApiError> {
    Ok(Json(rules::set(&shared.engine, &account.district, &new.source, account.person.id).await?))
}
