//! `GET /v1/proposals`, `POST /v1/proposals/{record}/{other}/accept`, `…/dismiss`, `…/undo`.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_protocol::ids::RecordId;
use sync_protocol::limits;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, NOT_EMPTY, Paging, Parameters, UUID, page_size, wrong};
use crate::sync::proposals::{self, Decided, Proposed};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Proposals {
    proposals: Vec<Proposed>,
    next: Option<String>,
}

/// 疑似重复 Pairs that are probably one hazard.
///
/// The worst first, of these the likeliest.
#[utoipa::path(
    get, path = "/v1/proposals", tag = "proposals",
    params(Paging),
    responses((status = 200, description = "A page", body = Proposals)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Paging>,
) -> Result<Json<Proposals>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let page = proposals::page(&shared.engine, &account.district, wanted.cursor.as_deref(), limit).await?;
    Ok(Json(Proposals { proposals: page.rows, next: page.next }))
}

/// Why, where a person says so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// 理由 in words.
    #[schema(max_length = 4000)]
    reason: Option<String>,
}

impl Said {
    /// The reason; none where it is blank.
    fn reason(&self) -> Result<Option<&str>, ApiError> {
        let reason = self.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        match reason {
            Some(reason) if reason.len() > limits::TEXT_BYTES => {
                Err(wrong("reason", &format!("at most {} bytes", limits::TEXT_BYTES)))
            }
            reason => Ok(reason),
        }
    }
}

/// 确认重复 The record that was found later becomes a duplicate of the other.
///
/// `reason` may be left out.
#[utoipa::path(
    post, path = "/v1/proposals/{record}/{other}/accept", tag = "proposals",
    request_body = Said,
    responses((status = 200, description = "The operations that were written", body = Decided)),
    extensions(("x-codes" = json!(["conflict-closed"]))),
)]
pub(super) async fn accept(
    State(shared): State<Shared>,
    account: Account,
    Path((record, other)): Path<(String, String)>,
    Body(said): Body<Said>,
) -> Result<Json<Decided>, ApiError> {
    let pair = pair(&record, &other)?;
    let accepted =
        proposals::accept(&shared.engine, &account.district, pair, said.reason()?, account.person.id);
    Ok(Json(accepted.await?))
}

/// 不是重复 They are two hazards: not proposed again.
///
/// `reason` is needed.
#[utoipa::path(
    post, path = "/v1/proposals/{record}/{other}/dismiss", tag = "proposals",
    request_body = Said,
    responses((status = 200, description = "No operation is written", body = Decided)),
    extensions(("x-codes" = json!(["conflict-closed"]))),
)]
pub(super) async fn dismiss(
    State(shared): State<Shared>,
    account: Account,
    Path((record, other)): Path<(String, String)>,
    Body(said): Body<Said>,
) -> Result<Json<Decided>, ApiError> {
    let pair = pair(&record, &other)?;
    let reason = said.reason()?.ok_or_else(|| wrong("reason", NOT_EMPTY))?;
    proposals::dismiss(&shared.engine, &account.district, pair, reason, account.person.id).await?;
    Ok(Json(Decided { operations: Vec::new() }))
}

/// Nothing needs to be said of what is undone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {}

/// 撤销判定 Takes back what was decided of the two.
#[utoipa::path(
    post, path = "/v1/proposals/{record}/{other}/undo", tag = "proposals",
    request_body = Undo,
    responses((status = 200, description = "The operations that were written", body = Decided)),
    extensions(("x-codes" = json!(["conflict-closed"]))),
)]
pub(super) async fn undo(
    State(shared): State<Shared>,
    account: Account,
    Path((record, other)): Path<(String, String)>,
    Body(Undo {}): Body<Undo>,
) -> Result<Json<Decided>, ApiError> {
    let pair = pair(&record, &other)?;
    Ok(Json(proposals::undo(&shared.engine, &account.district, pair, account.person.id).await?))
}

fn pair(record: &str, other: &str) -> Result<(RecordId, RecordId), ApiError> {
    let id = |text: &str, name: &str| text.parse::<RecordId>().map_err(|_source| wrong(name, UUID));
    Ok((id(record, "record")?, id(other, "other")?))
}
