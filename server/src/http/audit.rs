//! `GET /v1/audit`, `/v1/audit/head`: who did what, and where the chain stands.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Parameters, page_size};
use crate::sync::audit::{self, Chain, Filter, Listed};

/// Which rows are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// 何人: `person:ID`, `device:ID`, `operator`, `server` or `nobody`.
    actor: Option<String>,
    /// 何事: what its name begins with, such as `command.grade` or `command.`.
    action: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// Where the page before ended.
    pub(super) cursor: Option<String>,
}

impl Wanted {
    /// # Errors
    /// `bad-parameter` of what no row could hold.
    pub(super) fn filter(&self) -> Result<Filter, ApiError> {
        let plain = |name: &str, text: Option<&str>| {
            let text = text.unwrap_or_default();
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
            if text.chars().all(is_plain) && text.len() <= FILTER_BYTES {
                Ok(text.to_owned())
            } else {
                Err(ApiError::with(
                    Code::BadParameter,
                    format!("{name}: letters, digits, `.`, `_`, `:`, `-`"),
                ))
            }
        };
        let actor = plain("actor", self.actor.as_deref())?;
        Ok(Filter { actor, action: plain("action", self.action.as_deref())? })
    }
}

/// Bytes of what rows are filtered by.
const FILTER_BYTES: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRows)]
pub(super) struct Rows {
    rows: Vec<Listed>,
    next: Option<String>,
}

/// 审计日志 Who did what, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    params(Wanted),
    responses((status = 200, description = "A page", body = Rows)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Rows>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let (engine, district) = (&shared.engine, &account.district);
    let page = audit::page(engine, district, &wanted.filter()?, wanted.cursor.as_deref(), limit).await?;
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
