//! `GET /v1/conflicts`, `POST /v1/conflicts/{id}/resolve`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::kind::Kind;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::commands;
use super::error::ApiError;
use super::parameters::{Body, Paging, Parameters, one_of, page_size, wrong};
use super::policy;
use crate::sync::decide::{self, Decision};
use crate::sync::json;
use crate::sync::listing::conflicts::{self, ConflictId, OpenConflict};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Conflicts {
    conflicts: Vec<OpenConflict>,
    next: Option<String>,
}

/// 待裁定冲突 Open conflicts, oldest first.
#[utoipa::path(
    get, path = "/v1/conflicts", tag = "conflicts",
    params(Paging),
    responses((status = 200, description = "A page", body = Conflicts)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Paging>,
) -> Result<Json<Conflicts>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let page = conflicts::page(&shared.engine, &account.district, wanted.cursor.as_deref(), limit).await?;
    Ok(Json(Conflicts { conflicts: page.rows, next: page.next }))
}

/// How to settle it: a value for a field, an act for the lifecycle.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolution {
    /// `null` is a value: asserted empty.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    /// Of the lifecycle: the kind of the act, such as `reopened`.
    act: Option<String>,
    /// What the act says.
    fields: Option<BTreeMap<String, Value>>,
    /// The heads of the record as it was read, hexadecimal; absent: whatever is there.
    heads: Option<Vec<String>>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resolved {
    /// The operation that was written, by its identity.
    operation: Option<String>,
    /// Whether the conflict is open all the same.
    open: bool,
}

/// 裁定冲突 Settles a conflict.
///
/// A field gets a `value` of its type, and `null` is a value; the lifecycle gets an `act` with its `fields`.
#[utoipa::path(
    post, path = "/v1/conflicts/{conflict}/resolve", tag = "conflicts",
    request_body = Resolution,
    responses((status = 200, description = "The decision", body = Resolved)),
    extensions(("x-codes" = json!(["conflict-closed"]))),
)]
pub(super) async fn resolve(
    State(shared): State<Shared>,
    account: Account,
    Path(id): Path<String>,
    Body(resolution): Body<Resolution>,
) -> Result<Json<Resolved>, ApiError> {
    let id: ConflictId = id.parse().map_err(|code| ApiError::with(code, "conflict"))?;
    let heads = resolution.heads.as_deref().map(commands::heads).transpose()?;
    let decision = decision(&id, resolution)?;
    // What answers no conflict is refused for that, whoever asks.
    if let Decision::Act(kind, _) = &decision
        && decide::answers(*kind)
    {
        policy::require_act(&account, *kind)?;
    }
    commands::require_leader_for(&account, &id.subject)?;
    let decided =
        decide::resolve(&shared.engine, &account.district, &id, decision, heads, account.person.id).await?;
    let operation = decided.operation.map(|identity| identity.to_string());
    Ok(Json(Resolved { operation, open: decided.is_open }))
}

fn decision(id: &ConflictId, resolution: Resolution) -> Result<Decision, ApiError> {
    match (resolution.value, resolution.act) {
        (Some(value), None) if resolution.fields.is_none() => {
            let raw = json::to_raw(&id.subject, &value);
            Ok(Decision::Value(raw.ok_or_else(|| wrong("value", "整数、文本等，不带小数 (no fractions)"))?))
        }
        (None, Some(act)) => {
            let kind =
                Kind::parse(&act).ok_or_else(|| one_of("act", Kind::ALL.iter().map(|kind| kind.as_str())))?;
            Ok(Decision::Act(kind, commands::fields(&resolution.fields.unwrap_or_default())?))
        }
        _ => Err(ApiError::with(Code::BadParameter, "either a value, or an act with its fields")),
    }
}
