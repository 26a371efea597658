//! `GET|POST /v1/exports/{export}`, `GET /v1/exports/{export}/file`: files of the map and of the ledger, whole or in parts.
//!
//! `{export}` is a layer and a format with a point between them (`hazards.gpkg`), or the id of a file that was asked for
//! before. How files are made is in [`crate::sync::exports`].

use std::io::SeekFrom;
use std::time::Duration;

use axum::Json;
use axum::body::Body as Stream;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::conditional::tags;
use super::error::ApiError;
use super::hazards::sides;
use super::parameters::{Parameters, date, id};
use crate::exports::{Encoding, Format, Headings, Reference};
use crate::geometry::degrees;
use crate::sync::audit::Entry;
use crate::sync::exports::filters::Filters;
use crate::sync::exports::{
    self, ExportId, Job, PhotosShown, Ready, Request, State as FileState, Subject, usual_headings,
};

/// How long a request waits for its file, before it is told how far that is.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes read of a file at a time.
const PART: usize = 64 << 10;
/// What is overdue is looked at by the minute.
const MINUTE_MS: i64 = 60_000;

/// What a file has in it, and how it is written. Filters are those of `GET /v1/hazards`, where the layer has such a column.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// `wgs84` (default), `cgcs2000`, `gcj02`, `bd09`, `epsg:3857`, `epsg:4491` to `epsg:4554`.
    datum: Option<String>,
    /// `zh` or `en`; else Chinese in csv, xlsx, kml and kmz, the names of columns elsewhere.
    headings: Option<String>,
    /// Of a shapefile: `utf-8` (default) or `gbk`.
    encoding: Option<String>,
    /// `lon_min,lat_min,lon_max,lat_max` in degrees, ends included; the first beyond the third across the 180th meridian.
    bbox: Option<String>,
    /// A state, such as `reported`, `ordered`, `disputed`, `held`, `closed`.
    state: Option<String>,
    /// Open or not; a dispute is open.
    open: Option<bool>,
    /// `critical`, `serious`, `general`, `none`.
    severity: Option<String>,
    /// 报告缺失: operations came and their report did not.
    provisional: Option<bool>,
    /// Something waits for a named person.
    conflict: Option<bool>,
    /// As a report counts it: neither void nor a duplicate.
    counted: Option<bool>,
    /// `line_body`, `corridor`, `forest_fire`, `fire_sighting`, several by commas, or `none`.
    category: Option<String>,
    /// 乡镇, by its name.
    township: Option<String>,
    line: Option<String>,
    found_from: Option<String>,
    found_to: Option<String>,
    overdue: Option<bool>,
    turn: Option<String>,
    unit: Option<String>,
    due_before: Option<i64>,
    major: Option<bool>,
    /// Of `hazards.kmz`: thumbnails of one photo of each hazard, 300 at most.
    thumbnails: Option<bool>,
    /// Of hazards: a change number, what changed after it. Of `not_patrolled`: since this local day, `YYYY-MM-DD`; else for 30 days.
    since: Option<String>,
    /// Operations of it are named that the ledger does not hold.
    missing: Option<bool>,
    /// Found by a supervisory inspection.
    supervised: Option<bool>,
    /// `hazard`, which is what files have.
    #[serde(rename = "type")]
    record_type: Option<String>,
}

impl Asked {
    /// All of a layer, written so.
    pub(super) fn written(datum: Option<String>, headings: Option<String>, encoding: Option<String>) -> Self {
        Self { datum, headings, encoding, ..Self::default() }
    }
}

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
        (status = 206, description = "The part of the file that was asked for", body = String, content_type = "application/octet-stream"),
        (status = 202, description = "It is being made", body = Export),
        (status = 304, description = "The reader has it"),
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
    let request = request(&shared, &account, &name, &asked)?;
    let resumed = if headers.contains_key(header::RANGE) {
        let tag = headers.get(header::IF_RANGE).map(|tag| tag.to_str().unwrap_or_default());
        let tag = tag.and_then(|tag| tags(tag).next());
        exports::resumed(&shared.engine, &account.district, &request, tag).await?
    } else {
        None
    };
    let job = match resumed {
        Some(job) => job,
        None => exports::ask(&shared.engine, &account.district, request).await?,
    };
    give(&shared, &account, &job, &headers).await
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
        (status = 206, description = "The part of it that was asked for", body = String, content_type = "application/octet-stream"),
        (status = 202, description = "It is being made", body = Export),
        (status = 304, description = "The reader has it"),
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
    give(&shared, &account, &job, &headers).await
}

async fn find(shared: &Shared, account: &Account, known: ExportId) -> Result<std::sync::Arc<Job>, ApiError> {
    let job = exports::find(&shared.engine, &account.district, &account.sight, known).await?;
    job.ok_or_else(|| ApiError::with(Code::NotFound, "export"))
}

/// What a name and its parameters ask for.
fn request(shared: &Shared, account: &Account, name: &str, asked: &Asked) -> Result<Request, ApiError> {
    let bad = |detail: &str| ApiError::with(Code::BadParameter, detail);
    let (subject, format) = name.split_once('.').ok_or_else(|| ApiError::with(Code::NotFound, "export"))?;
    let subject = Subject::parse(subject).ok_or_else(|| ApiError::with(Code::NotFound, "layer"))?;
    let format = Format::parse(format).ok_or_else(|| ApiError::with(Code::NotFound, "format"))?;
    let headings = match asked.headings.as_deref() {
        None => usual_headings(format),
        Some(name) => Headings::parse(name).ok_or_else(|| bad("headings: zh, en"))?,
    };
    let reference: Reference = match asked.datum.as_deref() {
        None => Reference::Wgs84,
        Some(name) => name.parse().map_err(|error| bad(&format!("datum: {error}")))?,
    };
    let encoding = match asked.encoding.as_deref() {
        None => Encoding::default(),
        Some(_) if format != Format::Shapefile => return Err(bad("encoding: it belongs to shp")),
        Some(name) => Encoding::parse(name).ok_or_else(|| bad("encoding: utf-8, gbk"))?,
    };
    let zone = TimeZone::get(&account.district.time_zone).unwrap_or(TimeZone::UTC);
    let now_ms = shared.engine.clock.now_ms();
    let minute_ms = now_ms - now_ms.rem_euclid(MINUTE_MS);
    let filters = filters(asked)?;
    let selection = filters.selection(subject, &zone, minute_ms, account.sight.clone())?;
    let (filters, sight) = (filters.query(minute_ms), account.sight.clone());
    let photos = if asked.thumbnails == Some(true) { PhotosShown::Thumbnails } else { PhotosShown::None };
    Ok(Request { subject, format, headings, reference, encoding, selection, sight, filters, photos })
}

fn filters(asked: &Asked) -> Result<Filters, ApiError> {
    let bad = |detail: &str| ApiError::with(Code::BadParameter, detail);
    let day = |name: &str, text: &Option<String>| text.as_deref().map(|text| date(name, text)).transpose();
    let within = asked.bbox.as_deref().map(|text| sides(text).ok_or_else(|| bad("bbox"))).transpose()?;
    Ok(Filters {
        bbox: within.map(|sides| sides.map(degrees)),
        state: asked.state.clone(),
        open: asked.open,
        severity: asked.severity.clone(),
        provisional: asked.provisional,
        conflict: asked.conflict,
        counted: asked.counted,
        category: asked.category.clone(),
        township: asked.township.clone(),
        line: id("line", asked.line.as_deref())?,
        found_from: day("found_from", &asked.found_from)?,
        found_to: day("found_to", &asked.found_to)?,
        overdue: asked.overdue,
        turn: asked.turn.clone(),
        unit: id("unit", asked.unit.as_deref())?,
        due_before: asked.due_before,
        major: asked.major,
        since: asked.since.clone(),
        missing: asked.missing,
        supervised: asked.supervised,
        record_type: asked.record_type.clone(),
    })
}

/// Notes in the audit log who takes which file: once a file and person, however many parts it is taken in.
async fn note(shared: &Shared, account: &Account, job: &Job) -> Result<(), ApiError> {
    if !job.is_new_to(account.person.id) {
        return Ok(());
    }
    let detail = serde_json::json!({ "export": job.id.to_string(), "filters": job.filters });
    let entry = Entry::of(account.person.id, "export.file", job.file_name.clone(), detail);
    Ok(shared.engine.audit_alone(&account.district, entry).await?)
}

/// Gives a file once it is there.
async fn give(
    shared: &Shared,
    account: &Account,
    job: &Job,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    note(shared, account, job).await?;
    match job.settled(PATIENCE).await {
        FileState::Ready(ready) => part(job, &ready, headers).await,
        FileState::Failed(code, detail) => Err(match detail {
            Some(detail) => ApiError::with(code, detail),
            None => code.into(),
        }),
        FileState::Waiting | FileState::Making => Ok(told(StatusCode::ACCEPTED, job)),
    }
}

/// The part of a file that the headers ask for.
async fn part(job: &Job, ready: &Ready, headers: &HeaderMap) -> Result<Response, ApiError> {
    let tag = format!("\"{}\"", ready.tag);
    let says = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if says(header::IF_NONE_MATCH)
        .is_some_and(|known| tags(known).any(|known| known == ready.tag || known == "*"))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let is_same = says(header::IF_RANGE).is_none_or(|known| known == tag);
    let range = says(header::RANGE).filter(|_| is_same).map_or(Range::Whole, |text| range(text, ready.bytes));
    let (status, first, length) = match range {
        Range::Whole => (StatusCode::OK, 0, ready.bytes),
        Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Range::Beyond => return Ok(beyond(ready.bytes)),
    };
    // It was thrown away since: whoever asks again has it made anew.
    let gone = |_source: std::io::Error| ApiError::with(Code::NotFound, "export");
    let mut file = File::open(job.path()).await.map_err(gone)?;
    file.seek(SeekFrom::Start(first)).await.map_err(gone)?;
    let mut response = Response::new(Stream::from_stream(parts(file, length)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(job.media_type));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let attachment = format!("attachment; filename=\"{}\"", job.file_name);
    let texts = [(header::ETAG, tag), (header::CONTENT_DISPOSITION, attachment)];
    let of_part = format!("bytes {first}-{}/{}", (first + length).saturating_sub(1), ready.bytes);
    let of_part = (status == StatusCode::PARTIAL_CONTENT).then_some((header::CONTENT_RANGE, of_part));
    for (name, value) in texts.into_iter().chain(of_part) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(name, value);
        }
    }
    Ok(response)
}

/// The reader has as much as there is.
fn beyond(bytes: u64) -> Response {
    let mut response = ApiError::from(Code::RangeNotSatisfiable).into_response();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{bytes}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

fn parts(file: File, length: u64) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    futures::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(PART).min(PART);
        let mut part = vec![0; wanted];
        // A file that ends too early ends the reply, and its reader sees that it was cut.
        file.read_exact(&mut part).await?;
        let left = left - u64::try_from(wanted).unwrap_or(0);
        Ok(Some((Bytes::from(part), (file, left))))
    })
}

/// What a range is of a file.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    Beyond,
}

/// One range of bytes; several, or what is none, is all of it (RFC 9110, 14.2).
fn range(text: &str, bytes: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let end = bytes.saturating_sub(1);
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= bytes && (last.is_empty() || last.parse::<u64>().is_ok()) => Range::Beyond,
        (Ok(first), Ok(last)) if first <= last => Range::Part { first, last: last.min(end) },
        (Ok(first), Err(_)) if last.is_empty() => Range::Part { first, last: end },
        (Err(_), Ok(0)) if first.is_empty() => Range::Beyond,
        (Err(_), Ok(count)) if first.is_empty() && bytes > 0 => {
            Range::Part { first: bytes.saturating_sub(count), last: end }
        }
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_everything_else_is_the_whole_file() {
        let part = |first, last| Range::Part { first, last };
        for (text, expected) in [
            ("bytes=0-", part(0, 99)),
            ("bytes=40-", part(40, 99)),
            ("bytes=40-49", part(40, 49)),
            ("bytes=40-1000", part(40, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=100-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=9-3", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("items=0-1", Range::Whole),
            ("", Range::Whole),
        ] {
            assert_eq!(range(text, 100), expected, "{text:?}");
        }
        assert_eq!(range("bytes=0-", 0), Range::Beyond);
    }
}
