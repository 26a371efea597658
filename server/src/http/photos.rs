//! `HEAD|PATCH|PUT|GET /v1/photos/{sha256}`, `GET /v1/photos`: the bytes of evidence.
//!
//! Uploads come from phones and from the office. The headers are those of resumable uploads: `Upload-Offset`,
//! `Upload-Length`, `Upload-Complete`.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body as Stream, BodyDataStream};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use sync_protocol::ids::PhotoHash;
use sync_protocol::limits;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Account, Presenter};
use super::error::ApiError;
use super::parameters::{Parameters, page_size, wrong};
use crate::domain::District;
use crate::photos::SIDES;
use crate::sync::photos::serving::{self, Outstanding, Seen};
use crate::sync::photos::{Claimed, Progress, Upload, Uploader};
use crate::sync::sight::Sight;

/// Uploads that are read at a time.
pub(super) const UPLOADS_AT_ONCE: usize = 64;

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// A phone or an account that uploads.
#[derive(Debug)]
pub(super) struct Sender {
    district: District,
    by: Uploader,
    /// What of the district it may be shown.
    sight: Sight,
}

impl Sender {
    async fn upload(&self, shared: &Shared, sha256: &str) -> Result<Upload, ApiError> {
        let (district, photo) = (self.district.clone(), hash(sha256)?);
        Ok(Upload::of(&shared.engine, district, photo, (self.by, &self.sight)).await?)
    }
}

impl FromRequestParts<Shared> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        match Presenter::from_request_parts(parts, shared).await {
            Ok(presenter) => {
                let by = Uploader::Device(presenter.device.id);
                Ok(Self { district: presenter.district, by, sight: Sight::District })
            }
            Err(error) if error.0.code == Code::Unauthenticated => {
                let account = Account::from_request_parts(parts, shared).await?;
                let by = Uploader::Person(account.person.id);
                Ok(Self { district: account.district, by, sight: account.sight })
            }
            Err(error) => Err(error.0),
        }
    }
}

fn hash(text: &str) -> Result<PhotoHash, ApiError> {
    let bytes = hex::decode(text).unwrap_or_default();
    PhotoHash::try_from(bytes.as_slice())
        .map_err(|_length| wrong("sha256", "64 个十六进制数字 (64 hexadecimal digits)"))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    value.ok_or_else(|| wrong(name.as_str(), "一个整数，字节 (a whole number of bytes)"))
}

/// How far an upload is, in headers.
fn progress(status: StatusCode, progress: Progress) -> Response {
    let (offset, complete) = match progress {
        Progress::Partial(offset) => (offset, "?0"),
        Progress::Complete(length) => (length, "?1"),
    };
    let mut response = status.into_response();
    tell(&mut response, offset, complete);
    response
}

fn tell(response: &mut Response, offset: u64, complete: &'static str) {
    let headers = response.headers_mut();
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers.insert(COMPLETE, HeaderValue::from_static(complete));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The offset was another: the true one is told.
fn elsewhere(offset: u64) -> Response {
    let mut response = ApiError::with(Code::PhotoOffset, offset.to_string()).into_response();
    tell(&mut response, offset, "?0");
    response
}

/// 照片上传进度 How much of a photo the server holds.
#[utoipa::path(
    head, path = "/v1/photos/{sha256}", tag = "photos",
    responses((status = 200, description = "How far it is", headers(
        ("Upload-Offset" = u64, description = "Bytes that the server holds"),
        ("Upload-Complete" = String, description = "`?1` where the photo is whole, else `?0`"),
    ))),
    extensions(("x-codes" = json!(["photo-redacted", "photo-hash-wrong", "photo-not-image", "photo-too-many-pixels",
        "device-revoked"]))),
)]
pub(super) async fn head(
    State(shared): State<Shared>,
    sender: Sender,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let upload = sender.upload(&shared, &sha256).await?;
    Ok(progress(StatusCode::OK, upload.progress(&shared.engine).await?))
}

/// The length is not the one that was claimed first: that one is told.
fn other_length(held: u64, claimed: u64) -> Response {
    let mut response = ApiError::with(Code::PhotoLength, claimed.to_string()).into_response();
    tell(&mut response, held, "?0");
    response.headers_mut().insert(LENGTH, HeaderValue::from(claimed));
    response
}

/// An upload that may go on, in its place among those that are read at a time.
struct Opened {
    upload: Upload,
    /// Bytes that the server holds of it.
    held: u64,
    _slot: OwnedSemaphorePermit,
}

/// Opens an upload; the reply instead, where the photo is held whole already.
async fn opened(
    shared: &Shared,
    sender: &Sender,
    sha256: &str,
) -> Result<Result<Opened, Response>, ApiError> {
    let upload = sender.upload(shared, sha256).await?;
    let slot = Arc::clone(&shared.uploads).try_acquire_owned();
    let slot = slot.map_err(|_busy| Code::TooManyRequests)?;
    Ok(match upload.progress(&shared.engine).await? {
        Progress::Partial(held) => Ok(Opened { upload, held, _slot: slot }),
        complete @ Progress::Complete(_) => Err(progress(StatusCode::NO_CONTENT, complete)),
    })
}

/// 续传照片 Appends to a photo from the offset that the server holds.
///
/// At another offset the true one is told, in the header too. So is the length, where it is not the one that was claimed.
#[utoipa::path(
    patch, path = "/v1/photos/{sha256}", tag = "photos",
    params(
        ("Upload-Offset" = u64, Header, description = "Where the body begins"),
        ("Upload-Length" = u64, Header, description = "Bytes of the whole photo"),
    ),
    request_body(description = "The bytes", content((Vec<u8> = "application/octet-stream"))),
    responses((status = 204, description = "Taken", headers(
        ("Upload-Offset" = u64, description = "Bytes that the server holds"),
        ("Upload-Complete" = String, description = "`?1` where the photo is whole, else `?0`"),
    ))),
    extensions(("x-codes" = json!(["photo-offset", "photo-length", "photo-hash-wrong", "photo-not-image", "photo-too-many-pixels",
        "photo-file-too-large", "photos-unnamed", "photo-redacted", "too-many-requests", "device-revoked"]))),
)]
pub(super) async fn append(
    State(shared): State<Shared>,
    sender: Sender,
    Path(sha256): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (offset, length) = (number(request.headers(), &OFFSET)?, number(request.headers(), &LENGTH)?);
    let Opened { upload, held, _slot } = match opened(&shared, &sender, &sha256).await? {
        Ok(opened) => opened,
        Err(complete) => return Ok(complete),
    };
    let held = match upload.begin(&shared.engine, length, held).await? {
        Claimed::Held(held) => held,
        Claimed::Otherwise(claimed) => return Ok(other_length(held, claimed)),
    };
    if held != offset || offset > length {
        return Ok(elsewhere(held));
    }
    let mut parts = Pieces { body: request.into_body().into_data_stream(), pending: BytesMut::new() };
    let mut at = offset;
    while let Some(part) = parts.next(length - at).await? {
        let end = at + u64::try_from(part.len()).unwrap_or(u64::MAX);
        at = upload.append(&shared.engine, at, part).await?;
        if at != end {
            // Another uploader was here: what it brought is on the disk before it is told.
            return Ok(match upload.progress(&shared.engine).await? {
                Progress::Partial(held) => elsewhere(held),
                complete @ Progress::Complete(_) => progress(StatusCode::NO_CONTENT, complete),
            });
        }
    }
    Ok(progress(StatusCode::NO_CONTENT, upload.settle(&shared.engine, length).await?))
}

/// A body in pieces of at most a chunk. One that breaks off ends there: what came of it counts.
struct Pieces {
    body: BodyDataStream,
    pending: BytesMut,
}

impl Pieces {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`Code::BodyTooLarge`] where there is more than `room`.
    async fn next(&mut self, room: u64) -> Result<Option<Bytes>, ApiError> {
        while self.pending.len() < limits::PHOTO_CHUNK_BYTES {
            let Some(Ok(part)) = self.body.next().await else { break };
            self.pending.extend_from_slice(&part);
        }
        let length = self.pending.len().min(limits::PHOTO_CHUNK_BYTES);
        if u64::try_from(length).is_ok_and(|length| length > room) {
            return Err(Code::BodyTooLarge.into());
        }
        Ok((length > 0).then(|| self.pending.split_to(length).freeze()))
    }
}

/// 上传照片 A small photo, whole: at most 2 MiB.
#[utoipa::path(
    put, path = "/v1/photos/{sha256}", tag = "photos",
    request_body(description = "The file", content((Vec<u8> = "application/octet-stream"))),
    responses((status = 204, description = "Taken", headers(
        ("Upload-Offset" = u64, description = "Bytes that the server holds"),
        ("Upload-Complete" = String, description = "`?1` where the photo is whole, else `?0`"),
    ))),
    extensions(("x-codes" = json!(["photo-hash-wrong", "photo-not-image", "photo-too-many-pixels",
        "photo-file-too-large", "photos-unnamed", "photo-redacted", "too-many-requests", "device-revoked"]))),
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    sender: Sender,
    Path(sha256): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let Opened { upload, _slot, .. } = match opened(&shared, &sender, &sha256).await? {
        Ok(opened) => opened,
        Err(complete) => return Ok(complete),
    };
    let mut parts = Pieces { body: request.into_body().into_data_stream(), pending: BytesMut::new() };
    let mut bytes = BytesMut::new();
    let mut room = limits::PHOTO_WHOLE_BYTES;
    while let Some(part) = parts.next(room).await? {
        room -= u64::try_from(part.len()).unwrap_or(room);
        bytes.extend_from_slice(&part);
    }
    Ok(progress(StatusCode::NO_CONTENT, upload.put(&shared.engine, bytes.freeze()).await?))
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The longer side of a thumbnail in pixels; absent: the original.
    thumbnail: Option<u32>,
}

/// A file that a browser was given is shown by nothing but itself.
const FILE_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

fn file(body: Stream, media_type: &'static str, disposition: &str, caching: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(disposition) = HeaderValue::from_str(disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// 查看照片 The original, to be kept as a file; or a thumbnail without metadata. To units, of their own hazards.
#[utoipa::path(
    get, path = "/v1/photos/{sha256}", tag = "photos",
    params(Wanted),
    responses((status = 200, description = "The photo", content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "image/heif"),
    ))),
    extensions(("x-codes" = json!(["photo-redacted", "photo-no-thumbnail", "storage-full"]))),
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    account: Account,
    Path(sha256): Path<String>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let photo = hash(&sha256)?;
    let (engine, district) = (&shared.engine, &account.district);
    let seen = Seen { photo, sight: &account.sight };
    let Some(side) = wanted.thumbnail else {
        let original = serving::original(engine, district, seen, account.person.id).await?;
        let disposition = format!("attachment; filename=\"{photo}.{}\"", original.format.extension());
        let media_type = original.format.media_type();
        let mut response = file(Stream::from_stream(original.parts), media_type, &disposition, "no-store");
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(original.bytes));
        return Ok(response);
    };
    if !SIDES.contains(&side) {
        return Err(wrong("thumbnail", &format!("must be one of {SIDES:?}")));
    }
    let small = serving::small(engine, district, seen, side).await?;
    Ok(file(small.into(), "image/jpeg", "inline", "private, max-age=300"))
}

/// Which photos.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// `true`: those that have not come; needed.
    outstanding: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Photos {
    photos: Vec<Outstanding>,
    next: Option<String>,
}

/// 待传照片 Photos that are named and have not come: from whom, since when.
#[utoipa::path(
    get, path = "/v1/photos", tag = "photos",
    params(Listed),
    responses((status = 200, description = "A page", body = Photos)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Listed>,
) -> Result<Json<Photos>, ApiError> {
    if !wanted.outstanding {
        return Err(wrong("outstanding", "true"));
    }
    let limit = page_size(wanted.limit)?;
    let cursor = wanted.cursor.as_deref();
    let page = serving::outstanding(&shared.engine, &account.district, cursor, limit).await?;
    Ok(Json(Photos { photos: page.rows, next: page.next }))
}
