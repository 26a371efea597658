//! `POST /v1/hazards/{record}/acts`: an operation of the office on a record.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::{Kind, Signer};
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::Body;
use super::policy;
use crate::sync::json;
use crate::sync::office::Act;

/// An act of the office.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAct {
    kind: String,
    #[serde(default)]
    fields: BTreeMap<String, Value>,
    /// The heads of the view it was made from, hexadecimal; absent: whatever is there.
    heads: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acted {
    operation: Option<String>,
}

/// 办公室处置 Appends an operation of an office kind.
///
/// In the name of the account. Which roles may make which kind is in docs/api.md.
#[utoipa::path(
    post, path = "/v1/hazards/{record}/acts", tag = "hazards",
    request_body = NewAct,
    responses((status = 200, description = "The operation that was written", body = Acted)),
    extensions(("x-codes" = json!(["conflict-closed"]))),
)]
pub(super) async fn act(
    State(shared): State<Shared>,
    account: Account,
    Path(record): Path<String>,
    Body(new): Body<NewAct>,
) -> Result<Json<Acted>, ApiError> {
    let record: RecordId = record.parse().map_err(|_source| ApiError::with(Code::BadParameter, "record"))?;
    let kind = Kind::parse(&new.kind)
        .filter(|kind| kind.signer() == Signer::Office && !has_own_route(*kind))
        .ok_or_else(|| ApiError::with(Code::BadParameter, "kind"))?;
    policy::require_act(&account, kind)?;
    let mut transaction = shared.engine.store.read().await?;
    let known = transaction.records(account.district.key, &[record]).await?.remove(&record);
    if known.is_none_or(|row| row.is_gone()) {
        return Err(Code::NotFound.into());
    }
    drop(transaction);
    let act = Act::Operation {
        kind,
        record,
        fields: fields(&new.fields)?,
        photos: Vec::new(),
        author: account.person.id,
        made_from: new.heads.as_deref().map(heads).transpose()?,
    };
    let outcome = shared.engine.act(&account.district, act).await?;
    Ok(Json(Acted { operation: outcome.operation.map(|identity| identity.to_string()) }))
}

/// Decisions on conflicts and quarantine check what they decide: they are made on their own routes.
const fn has_own_route(kind: Kind) -> bool {
    matches!(kind, Kind::Released | Kind::Resolved | Kind::Restored | Kind::Retracted)
}

pub(super) fn fields(fields: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Raw>, ApiError> {
    fields
        .iter()
        .map(|(name, value)| {
            let raw = json::to_raw(name, value);
            raw.map(|raw| (name.clone(), raw))
                .ok_or_else(|| ApiError::with(Code::BadParameter, json::wanted(name)))
        })
        .collect()
}

pub(super) fn heads(heads: &[String]) -> Result<Vec<Head>, ApiError> {
    let mut heads: Vec<Head> = heads
        .iter()
        .map(|head| hex::decode(head).ok().and_then(|bytes| Head::try_from(bytes.as_slice()).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| ApiError::with(Code::BadParameter, "heads"))?;
    heads.sort_unstable();
    Ok(heads)
}
