//! `GET|POST /v1/exports/{export}`, `GET /v1/exports/{export}/file`, `GET /v1/hazards.geojson`: files of the map and of the
//! ledger, whole or in parts.
//!
//! `{export}` is a layer and a format with a point between them (`hazards.gpkg`), or the id of a file that was asked for
//! before. What may be asked is in `asked`, how a file is sent in `sent`; how files are made is in [`crate::sync::exports`].

mod asked;
mod sent;

use std::sync::Arc;
use std::time::Duration;

pub(super) use asked::Asked;
use asked::request;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sync_protocol::codes::Code;
use utoipa::{IntoResponses, ToSchema};

use super::Shared;
use super::auth::Account;
use super::conditional::tags;
use super::error::ApiError;
use super::parameters::Parameters;
use crate::sync::SyncError;
use crate::sync::audit::Entry;
use crate::sync::exports::{self, ExportId, Job, State as FileState};

/// How long a request waits for its file, before it is told how far that is.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a file of a name is asked for anew, because a redaction came before it could be sent.
const ATTEMPTS: u32 = 3;

/// How far a file is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Export {
    id: String,
    /// `waiting`, `making`, `ready`, `failed`.
    state: &'static str,
    /// What it is called.
    file: String,
    /// Features written so far.
    features: u64,
    /// Of how many; null: not counted.
    of: Option<u64>,
    /// Of one that is ready.
    bytes: Option<u64>,
    /// Of one that is ready: the last change of the ledger that is in it.
    change: Option<u64>,
    /// Of one that failed: the code.
    code: Option<&'static str>,
    /// Of one that failed, where more can be said.
    detail: Option<String>,
    /// When it is thrown away, milliseconds since 1970.
    until_ms: i64,
}

impl Export {
    fn of(job: &Job) -> Self {
        let (state, ready, failed) = match job.state() {
            FileState::Waiting => ("waiting", None, None),
            FileState::Making => ("making", None, None),
            FileState::Ready(ready) => ("ready", Some(ready), None),
            FileState::Failed(code, detail) => ("failed", None, Some((code, detail))),
        };
        let (code, detail) = failed.map_or((None, None), |(code, detail)| (Some(code.as_str()), detail));
        Self {
            id: job.id.to_string(),
            state,
            file: job.file_name.clone(),
            features: job.written(),
            of: job.total(),
            bytes: ready.as_ref().map(|ready| ready.bytes),
            change: ready.as_ref().map(|ready| ready.change),
            code,
            detail,
            until_ms: job.until_ms(),
        }
    }
}

/// What a request for a file is answered where it is not answered with the file, or how far it is.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes replies, which are made in `sent` and `told`")]
enum OrElse {
    /// The part of it that was asked for
    #[response(status = 206, content_type = "application/octet-stream")]
    Part(String),
    /// It is being made
    #[response(status = 202)]
    Making(Export),
    /// The reader has it
    #[response(status = 304)]
    Unchanged,
}

/// How far a file is, and where it can be asked again.
fn told(status: StatusCode, job: &Job) -> Response {
    let mut response = (status, Json(Export::of(job))).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/exports/{}", job.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 导出文件 A layer of the map or the ledger as a file, or how far a file is that was asked for.
///
/// `{export}` is `LAYER.FORMAT`: `hazards`, `hazard_states`, `lines`, `structures`, `patrolled`, `not_patrolled`, `works`, `regions`,
/// `unsent`, `ledger`, or `all` (gpkg alone); `gpkg`, `geojson`, `geojsonseq`, `fgb`, `shp`, `kml`, `kmz`, `csv`, `xlsx`, `pmtiles`. The file is
/// made once at the ledger's last change and kept for 24 hours; `Range` with `If-Range` goes on with it. One that takes longer than a
/// minute is answered 202 with how far it is. With the id of a file in place of the name: how far it is.
#[utoipa::path(
    get, path = "/v1/exports/{export}", tag = "exports",
    params(Asked),
    responses(
        (status = 200, description = "The file; of an id, how far it is", body = Export),
        OrElse,
    ),
    extensions(("x-codes" = json!(["range-not-satisfiable", "storage-full"]))),
)]
pub(super) async fn get(
    State(shared): State<Shared>,
    account: Account,
    Path(name): Path<String>,
    Parameters(asked): Parameters<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Ok(known) = name.parse::<ExportId>() {
        let job = find(&shared, &account, known).await?;
        return Ok(told(StatusCode::OK, &job));
    }
    named(&shared, &account, &name, &asked, &headers).await
}

/// 隐患图层 The hazards as GeoJSON, sent piece by piece.
///
/// The same file as `GET /v1/exports/hazards.geojson`, under a name beside the list.
#[utoipa::path(
    get, path = "/v1/hazards.geojson", tag = "exports",
    params(Asked),
    responses(
        (status = 200, description = "The hazards", body = Object, content_type = "application/geo+json"),
        OrElse,
    ),
    extensions(("x-codes" = json!(["range-not-satisfiable", "storage-full"]))),
)]
pub(super) async fn hazards(
    State(shared): State<Shared>,
    account: Account,
    Parameters(asked): Parameters<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    named(&shared, &account, "hazards.geojson", &asked, &headers).await
}

/// The file of a name: the one whose part somebody holds already, or one of this moment.
async fn named(
    shared: &Shared,
    account: &Account,
    name: &str,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let request = request(shared, account, name, asked)?;
    let engine = &shared.engine;
    if headers.contains_key(header::RANGE) {
        let tag = headers.get(header::IF_RANGE).map(|tag| tag.to_str().unwrap_or_default());
        let tag = tag.and_then(|tag| tags(tag).next());
        if let Some(job) = exports::resumed(engine, &account.district, &request, tag).await?
            && let Some(given) = give(shared, account, &job, headers).await?
        {
            return Ok(given);
        }
    }
    for _ in 0..ATTEMPTS {
        let job = exports::ask(engine, &account.district, request.clone()).await?;
        if let Some(given) = give(shared, account, &job, headers).await? {
            return Ok(given);
        }
    }
    Err(Code::TooManyRequests.into())
}

/// 预约导出 Asks for a file without waiting for it.
///
/// The same names and parameters as of `GET`. The reply says where to ask how far it is.
#[utoipa::path(
    post, path = "/v1/exports/{export}", tag = "exports",
    params(Asked),
    responses((status = 202, description = "It is being made, or made already", body = Export)),
    extensions(("x-codes" = json!(["too-many-requests"]))),
)]
pub(super) async fn begin(
    State(shared): State<Shared>,
    account: Account,
    Path(name): Path<String>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let request = request(&shared, &account, &name, &asked)?;
    let job = exports::ask(&shared.engine, &account.district, request).await?;
    Ok(told(StatusCode::ACCEPTED, &job))
}

/// 下载导出文件 The file of an id, whole or in parts.
#[utoipa::path(
    get, path = "/v1/exports/{export}/file", tag = "exports",
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        OrElse,
    ),
    extensions(("x-codes" = json!(["range-not-satisfiable", "storage-full"]))),
)]
pub(super) async fn file(
    State(shared): State<Shared>,
    account: Account,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let known = name.parse().map_err(|_source| Code::NotFound)?;
    let job = find(&shared, &account, known).await?;
    give(&shared, &account, &job, &headers).await?.ok_or_else(is_gone)
}

/// There is no file of that id, or none any more.
fn is_gone() -> ApiError {
    ApiError::with(Code::NotFound, "export")
}

async fn find(shared: &Shared, account: &Account, known: ExportId) -> Result<Arc<Job>, ApiError> {
    let job = exports::find(&shared.engine, &account.district, &account.sight, known).await?;
    job.ok_or_else(is_gone)
}

/// Notes in the audit log who takes which file: once a file and person, however many parts it is taken in.
async fn note(shared: &Shared, account: &Account, job: &Job) -> Result<(), ApiError> {
    if !job.is_new_to(account.person.id) {
        return Ok(());
    }
    let detail = serde_json::json!(job.audited);
    let entry = Entry::of(account.person.id, "export.file", job.file_name.clone(), detail);
    Ok(shared.engine.audit_alone(&account.district, entry).await?)
}

/// Gives a file once it is there; none where it was thrown away before it could be sent, since a redaction came.
async fn give(
    shared: &Shared,
    account: &Account,
    job: &Arc<Job>,
    headers: &HeaderMap,
) -> Result<Option<Response>, ApiError> {
    note(shared, account, job).await?;
    let Some(state) = exports::settled(&shared.engine, &account.district, job, PATIENCE).await? else {
        return Ok(None);
    };
    match state {
        FileState::Ready(ready) => match sent::part(job, &ready, headers).await {
            Ok(part) => Ok(Some(part)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SyncError::Store(error.into()).into()),
        },
        FileState::Failed(code, detail) => Err(match detail {
            Some(detail) => ApiError::with(code, detail),
            None => code.into(),
        }),
        FileState::Waiting | FileState::Making => Ok(Some(told(StatusCode::ACCEPTED, job))),
    }
}
