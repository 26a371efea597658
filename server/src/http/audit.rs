//! `GET /v1/audit`, `/v1/audit/head`: who did what, and where the chain stands.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Parameters, one_of, page_size, wrong};
use crate::domain::Role;
use crate::sync::audit::{self, Chain, Filter, Listed};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRows)]
pub(super) struct Rows {
    rows: Vec<Listed>,
    next: Option<String>,
}

/// Which chain, which rows of it, and where its list goes on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `district` (default), or `deployment`: what is told of the district's accounts, for an administrator.
    pub(super) chain: Option<String>,
    /// 何人: `person:ID`, `device:ID`, `account:ID`, `operator`, `server` or `nobody`.
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
                Err(wrong(name, "letters, digits, `.`, `_`, `:`, `-`"))
            }
        };
        let actor = plain("actor", self.actor.as_deref())?;
        Ok(Filter { actor, action: plain("action", self.action.as_deref())? })
    }
}

/// Bytes of what rows are filtered by.
const FILTER_BYTES: usize = 100;

/// Which chain an account asks for.
pub(super) enum Asked {
    District,
    Deployment,
}

/// # Errors
/// `forbidden`: who signs in, when and how often in vain, is told to administrators alone.
pub(super) fn asked(account: &Account, chain: Option<&str>) -> Result<Asked, ApiError> {
    match chain {
        None | Some("district") => Ok(Asked::District),
        Some("deployment") => account.require(&[Role::Admin]).map(|()| Asked::Deployment),
        Some(_) => Err(one_of("chain", ["district", "deployment"])),
    }
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
    let filter = wanted.filter()?;
    let (engine, district, from) = (&shared.engine, &account.district, wanted.cursor.as_deref());
    let page = match asked(&account, wanted.chain.as_deref())? {
        Asked::District => audit::page(engine, district, &filter, from, limit).await?,
        Asked::Deployment => audit::deployment_page(engine, Some(district), &filter, from, limit).await?,
    };
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

/// Which chain's head.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichHead {
    /// `district` (default), or `deployment`, for an administrator.
    chain: Option<String>,
}

/// 审计链头 Where the chain of the audit log stands: to be kept elsewhere.
#[utoipa::path(
    get, path = "/v1/audit/head", tag = "audit",
    params(WhichHead),
    responses((status = 200, description = "The head", body = Head)),
)]
pub(super) async fn head(
    State(shared): State<Shared>,
    account: Account,
    Parameters(which): Parameters<WhichHead>,
) -> Result<Json<Head>, ApiError> {
    let chain = match asked(&account, which.chain.as_deref())? {
        Asked::District => Chain::District(&account.district),
        Asked::Deployment => Chain::Deployment,
    };
    let link = audit::head(&shared.engine, chain).await?;
    Ok(Json(Head { sequence: link.sequence, head: link.hash.to_string() }))
}
