//! Tokens of the office for programs: `GET|POST /v1/tokens`, `DELETE /v1/tokens/{token}`. Everybody manages their own;
//! whoever manages people, those of the whole district.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, one_of};
use super::policy::MANAGE;
use crate::accounts::actions::{Action, Actions};
use crate::store::TokenBounds;
use crate::sync::admin;
use crate::sync::people::{self, TokenListed, Tokens};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenList {
    tokens: Vec<TokenListed>,
}

/// The tokens that an account may see.
pub(super) async fn visible(shared: &Shared, account: &Account) -> Result<Vec<TokenListed>, ApiError> {
    let mut tokens = people::tokens(&shared.engine, &account.district).await?;
    if account.require(MANAGE).is_err() {
        let own = account.person.id.to_string();
        tokens.retain(|token| token.person == own);
    }
    Ok(tokens)
}

/// 令牌列表 One's own tokens; of whoever manages people, everybody's.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "session",
    responses((status = 200, description = "One's own tokens; of whoever manages people, everybody's.", body = TokenList)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<TokenList>, ApiError> {
    Ok(Json(TokenList { tokens: visible(&shared, &account).await? }))
}

/// A token for whoever asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    /// When it ends, milliseconds since 1970; absent: when the token that makes it ends.
    pub(super) expires_ms: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    /// Shown once.
    pub(super) token: String,
}

/// 新建令牌 A token for a program, shown once.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "session",
    request_body = NewToken,
    responses((status = 200, description = "A token for a program, shown once.", body = MadeToken)),
)]
pub(super) async fn make(
    State(shared): State<Shared>,
    account: Account,
    Body(new): Body<NewToken>,
) -> Result<Json<MadeToken>, ApiError> {
    let scopes = Actions::named(new.scopes.iter().map(String::as_str))
        .ok_or_else(|| one_of("scopes", Action::ALL.iter().map(|action| action.as_str())))?;
    // A token gives nobody more than they came with, nor for longer.
    if !account.actions.covers(scopes) {
        return Err(ApiError::with(Code::Forbidden, "scopes: more than yours"));
    }
    let own_end_ms = account.token.as_ref().and_then(|token| token.expires_ms);
    let outlives = own_end_ms.zip(new.expires_ms).is_some_and(|(own_ms, wanted_ms)| wanted_ms > own_ms);
    if outlives {
        return Err(ApiError::with(Code::Forbidden, "expires_ms: later than the token that makes it"));
    }
    let bounds = TokenBounds {
        name: new.name,
        scopes: scopes.names().join(" "),
        expires_ms: new.expires_ms.or(own_end_ms),
        made_by: account.token.as_ref().map(|token| token.hash.clone()),
    };
    let (engine, district, person) = (&shared.engine, &account.district, account.person.id);
    let token = admin::create_token(engine, district, person, &bounds, account.actor()).await?;
    Ok(Json(MadeToken { token }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokedToken {
    revoked: u64,
}

/// 撤销令牌 Ends a token at once.
#[utoipa::path(
    delete, path = "/v1/tokens/{token}", tag = "session",
    responses((status = 200, description = "Ends a token at once.", body = RevokedToken)),
)]
pub(super) async fn revoke(
    State(shared): State<Shared>,
    account: Account,
    Path(token): Path<String>,
) -> Result<Json<RevokedToken>, ApiError> {
    if !visible(&shared, &account).await?.iter().any(|known| known.id == token) {
        return Err(ApiError::with(Code::NotFound, format!("token {token}")));
    }
    let (engine, district) = (&shared.engine, &account.district);
    let revoked = people::revoke_tokens(engine, district, &Tokens::Named(token), account.actor()).await?;
    Ok(Json(RevokedToken { revoked }))
}
