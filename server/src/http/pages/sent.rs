//! A form of ours that may bring photos: its fields, and each file kept as soon as it came.
//!
//! The session's own token is the first field, so that nobody's file is read before it is known who sends it. A photo is
//! kept whatever becomes of the form: it is named to it as chosen, and a form that is shown again still has it. What is a
//! photo, and how many may be there that no record names, is as with uploads (`sync::photos`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::header;
use bytes::Bytes;
use multer::{Constraints, Field, Multipart, SizeLimit};
use sync_protocol::codes::Code;
use sync_protocol::ids::{PhotoHash, sha256};
use sync_protocol::limits;

use super::super::Shared;
use super::super::auth::{self, Account, Csrf, Signed};
use super::super::error::ApiError;
use super::super::parameters::wrong;
use crate::sync::SyncError;
use crate::sync::photos::{Progress, Upload, Uploader};
use crate::web::evidence::{CHOSEN, FILE, PHOTOS};

/// Forms with files that are read at a time: each holds a photo in memory.
pub(in crate::http) const FORMS_AT_ONCE: usize = 2;
/// Bytes of a whole form with files.
const FORM_BYTES: u64 = 3 * limits::PHOTO_BYTES;
/// Bytes of one of its texts.
const TEXT_BYTES: u64 = 64 << 10;
/// Texts of a form.
const TEXTS: usize = 128;

/// A form of ours that an account sent.
#[derive(Debug)]
pub(in crate::http) struct Sent {
    pub(super) account: Account,
    /// What it says; photos that came with it among what was chosen.
    pub(super) fields: BTreeMap<String, String>,
    /// Why a file of it was not taken.
    pub(super) refused: Option<ApiError>,
}

impl FromRequest<Shared> for Sent {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, ApiError> {
        let said = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if let Some(boundary) = said.and_then(|said| multer::parse_boundary(said).ok()) {
            return with_files(request, shared, boundary).await;
        }
        let Signed(account, fields) = Signed::from_request(request, shared).await?;
        Ok(Self { account, fields, refused: None })
    }
}

async fn with_files(request: Request, shared: &Shared, boundary: String) -> Result<Sent, ApiError> {
    let (parts, body) = request.into_parts();
    let most = SizeLimit::new().whole_stream(FORM_BYTES).per_field(TEXT_BYTES);
    let most = most.for_field(FILE, limits::PHOTO_BYTES);
    let constraints = Constraints::new().size_limit(most);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let mut next = form.next_field().await.map_err(broken)?;
    let csrf = match next.take() {
        Some(field) if field.name() == Some("csrf") => field.text().await.map_err(broken)?,
        other => {
            next = other;
            String::new()
        }
    };
    let account = auth::account(&parts, shared, Csrf::InForm(&csrf)).await?;
    let slot = Arc::clone(&shared.forms).try_acquire_owned();
    let _slot = slot.map_err(|_busy| Code::TooManyRequests)?;
    let mut sent = Sent { account, fields: BTreeMap::new(), refused: None };
    if let Some(field) = next {
        sent.take(shared, field).await?;
    }
    while sent.refused.is_none() {
        match form.next_field().await {
            Ok(Some(field)) => sent.take(shared, field).await?,
            Ok(None) => break,
            Err(error) => sent.refused = Some(broken(error)),
        }
    }
    Ok(sent)
}

impl Sent {
    /// Takes a field, and keeps it where it is a photo. What is wrong with a photo is noted.
    async fn take(&mut self, shared: &Shared, field: Field<'static>) -> Result<(), ApiError> {
        let name = field.name().unwrap_or_default().to_owned();
        if name != FILE {
            if self.fields.len() >= TEXTS {
                return Err(Code::BodyTooLarge.into());
            }
            self.fields.insert(name, field.text().await.map_err(broken)?);
            return Ok(());
        }
        // A browser sends an empty file where none was chosen.
        if field.file_name().is_none_or(str::is_empty) {
            return Ok(());
        }
        let bytes = match field.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.refused = Some(broken(error));
                return Ok(());
            }
        };
        if self.fields.keys().filter(|name| name.starts_with(CHOSEN)).count() >= PHOTOS {
            self.refused = Some(wrong(FILE, &format!("至多 {PHOTOS} 张 (at most {PHOTOS})")));
            return Ok(());
        }
        match keep(shared, &self.account, bytes).await {
            Ok((photo, length)) => {
                self.fields.insert(format!("{CHOSEN}{photo}"), length.to_string());
            }
            Err(error) => self.refused = Some(error),
        }
        Ok(())
    }
}

/// Keeps a photo; gives its hash and its length.
async fn keep(shared: &Shared, account: &Account, bytes: Bytes) -> Result<(PhotoHash, usize), ApiError> {
    let length = bytes.len();
    let hashed = bytes.clone();
    let hash = tokio::task::spawn_blocking(move || PhotoHash(sha256(&hashed)));
    let photo = hash.await.map_err(|_panicked| SyncError::Gone)?;
    let by = (Uploader::Person(account.person.id), &account.sight);
    let upload = Upload::of(&shared.engine, account.district.clone(), photo, by).await?;
    if matches!(upload.progress(&shared.engine).await?, Progress::Partial(_)) {
        upload.put(&shared.engine, bytes).await?;
    }
    Ok((photo, length))
}

/// A form that cannot be read, or that is too large.
fn broken(error: multer::Error) -> ApiError {
    match error {
        multer::Error::FieldSizeExceeded { field_name, .. } if field_name.as_deref() == Some(FILE) => {
            Code::PhotoFileTooLarge.into()
        }
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Code::BodyTooLarge.into()
        }
        other => ApiError::with(Code::BadParameter, other.to_string()),
    }
}
