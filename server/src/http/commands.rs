//! `GET /v1/hazards/{record}/commands`, `POST /v1/hazards/{record}/commands/{command}`, `POST /v1/commands/{command}`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, PhotoHash, RecordId};
use sync_protocol::named::Fields;
use sync_protocol::operation::Photo;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Account;
use super::conditional::heads_tag;
use super::error::ApiError;
use super::hazards::parse;
use super::parameters::{Body, IfMatch, wrong};
use crate::domain::Role;
use crate::lifecycle;
use crate::sync::commands::{self, Command, Commanded, MovedOn, Offered};
use crate::sync::json;

/// Hazards of one bulk command.
pub(super) const BULK: usize = 200;
/// Photos that a command names.
const PHOTOS: usize = 32;

/// A photo that a command names.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedPhoto {
    /// SHA-256 of the file, hexadecimal.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub(super) sha256: String,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// `site`, `before`, `after` and the like.
    pub(super) role: String,
}

/// A command.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GivenCommand)]
pub(super) struct Given {
    /// What the command says, by name.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Value>,
    /// Photos that it rests on.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub(super) photos: Vec<NamedPhoto>,
    /// The heads that it was made from, hexadecimal; absent: the hazard as it stands.
    pub(super) heads: Option<Vec<String>>,
    /// Written as it was made even where the hazard has moved on: the two are then in conflict.
    #[serde(default)]
    pub(super) beside: bool,
}

/// A command on several hazards.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkCommand)]
pub(super) struct Bulk {
    /// The hazards.
    #[schema(min_items = 1, max_items = 200)]
    hazards: Vec<String>,
    /// What the command says, by name.
    #[serde(default)]
    fields: BTreeMap<String, Value>,
    /// Photos that it rests on.
    #[serde(default)]
    #[schema(max_items = 32)]
    photos: Vec<NamedPhoto>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Commands {
    pub(super) heads: Vec<String>,
    pub(super) commands: Vec<Offered>,
}

/// What one hazard of a bulk command came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkItem)]
pub(super) struct Item {
    hazard: String,
    status: u16,
    /// What was written.
    done: Option<Commanded>,
    /// Why not: the body that a single command would have got.
    error: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkItems)]
pub(super) struct Items {
    items: Vec<Item>,
}

/// 可用操作 Every command on a hazard: whether this account may give it now, and what it needs.
#[utoipa::path(
    get, path = "/v1/hazards/{record}/commands", tag = "hazards",
    responses((status = 200, description = "Every command", body = Commands)),
    extensions(("x-codes" = json!(["not-found", "bad-parameter"]))),
)]
pub(super) async fn offered(
    State(shared): State<Shared>,
    account: Account,
    Path(record): Path<String>,
) -> Result<Json<Commands>, ApiError> {
    let who = (account.person.id, account.person.roles);
    let record = parse(&record)?;
    account.must_see(&shared, record).await?;
    let (heads, commands) = commands::offered(&shared.engine, &account.district, record, who).await?;
    Ok(Json(Commands { heads, commands }))
}

/// 执行操作 Gives a command on a hazard.
///
/// Judged against the state that it was made from; what each needs and who may give it is in docs/api.md.
#[utoipa::path(
    post, path = "/v1/hazards/{record}/commands/{command}", tag = "hazards",
    request_body = Given,
    responses((status = 200, description = "What it came to", body = Commanded)),
    extensions(("x-codes" = json!(["command-refused", "moved-on"]))),
)]
pub(super) async fn command(
    State(shared): State<Shared>,
    account: Account,
    Path((record, command)): Path<(String, String)>,
    if_match: IfMatch,
    Body(given): Body<Given>,
) -> Result<Response, ApiError> {
    let record = parse(&record)?;
    account.must_see(&shared, record).await?;
    let (heads, _) = if_match.or(given.heads.as_deref().map(heads).transpose()?)?;
    let moved_on = if given.beside { MovedOn::Beside } else { MovedOn::Refuse };
    let said = (fields(&given.fields)?, photos(&given.photos)?);
    let command = made(&account, &command, record, said, (heads, moved_on))?;
    let done = commands::given(&shared.engine, &account.district, command).await?;
    // Not that of a `GET`, whose body is another; its heads are those.
    let tag = heads_tag(done.heads.iter()).map(|heads| HeaderValue::try_from(format!("\"{heads}.\"")));
    let mut response = Json(done).into_response();
    if let Some(Ok(tag)) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// What commands guard closely is not chosen by the way: a deadline and what is major are a leader's.
///
/// # Errors
/// `forbidden`.
pub(super) fn require_leader_for(account: &Account, field: &str) -> Result<(), ApiError> {
    if matches!(field, "deadline_ms" | "major") { account.require(&[Role::Leader]) } else { Ok(()) }
}

/// 批量操作 Gives a command on up to 200 hazards; each is answered as it would be alone.
#[utoipa::path(
    post, path = "/v1/commands/{command}", tag = "hazards",
    request_body = Bulk,
    responses((status = 200, description = "What each came to", body = Items)),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn bulk(
    State(shared): State<Shared>,
    account: Account,
    Path(command): Path<String>,
    Body(given): Body<Bulk>,
) -> Result<Json<Items>, ApiError> {
    if given.hazards.is_empty() || given.hazards.len() > BULK {
        return Err(wrong("hazards", &format!("1 to {BULK}")));
    }
    let said = (fields(&given.fields)?, photos(&given.photos)?);
    lifecycle::Command::parse(&command).ok_or(Code::NotFound)?;
    let mut items = Vec::with_capacity(given.hazards.len());
    // One after the other, in the order that was asked for: numbers of orders follow it.
    for hazard in given.hazards {
        let done = match parse(&hazard) {
            Ok(record) => match account.must_see(&shared, record).await {
                Ok(()) => {
                    let command = made(&account, &command, record, said.clone(), (None, MovedOn::Refuse))?;
                    commands::given(&shared.engine, &account.district, command).await.map_err(ApiError::from)
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        items.push(match done {
            Ok(done) => Item { hazard, status: 200, done: Some(done), error: None },
            Err(error) => {
                Item { hazard, status: error.status().as_u16(), done: None, error: Some(error.body()) }
            }
        });
    }
    Ok(Json(Items { items }))
}

type Said = (Fields, Vec<Photo>);

fn made(
    account: &Account,
    command: &str,
    record: RecordId,
    (fields, photos): Said,
    (made_from, moved_on): (Option<Vec<Head>>, MovedOn),
) -> Result<Command, ApiError> {
    let command = lifecycle::Command::parse(command).ok_or(Code::NotFound)?;
    let (person, roles) = (account.person.id, account.person.roles);
    Ok(Command { command, record, fields, photos, person, roles, made_from, moved_on })
}

/// Fields as JSON has them.
pub(super) fn fields(fields: &BTreeMap<String, Value>) -> Result<Fields, ApiError> {
    fields
        .iter()
        .map(|(name, value)| {
            let raw = json::to_raw(name, value);
            raw.map(|raw| (name.clone(), raw))
                .ok_or_else(|| ApiError::with(Code::BadParameter, json::wanted(name)))
        })
        .collect()
}

/// Heads, hexadecimal.
pub(super) fn heads(heads: &[String]) -> Result<Vec<Head>, ApiError> {
    let mut heads: Vec<Head> = heads
        .iter()
        .map(|head| hex::decode(head).ok().and_then(|bytes| Head::try_from(bytes.as_slice()).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("heads", "32 个十六进制数字 (32 hexadecimal digits each)"))?;
    heads.sort_unstable();
    Ok(heads)
}

fn photos(named: &[NamedPhoto]) -> Result<Vec<Photo>, ApiError> {
    let bad = || wrong("photos", &format!("at most {PHOTOS}, each with a sha256 of 64 hexadecimal digits"));
    if named.len() > PHOTOS {
        return Err(bad());
    }
    named
        .iter()
        .map(|photo| {
            let sha256 = hex::decode(&photo.sha256).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let sha256 = PhotoHash(sha256.ok_or_else(bad)?);
            Ok(Photo { role: photo.role.clone(), bytes: photo.bytes, sha256 })
        })
        .collect()
}
