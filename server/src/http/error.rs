//! The one error of the API: a stable code for the client, the cause for the log.

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sync_protocol::codes::Code;
use sync_protocol::exchange::{ErrorBody, Frame};

use super::problem::{self, Problem};
use crate::lifecycle::{Reason, Refusal};
use crate::store::StoreError;
use crate::sync::SyncError;
use crate::sync::commands::Refused;
use crate::web::Wrong;

/// What a client is told.
#[derive(Debug)]
pub struct ApiError {
    /// The code.
    pub code: Code,
    detail: Option<String>,
    /// Further members of the body.
    more: Option<(&'static str, Box<serde_json::Value>)>,
    /// Seconds after which it may be tried again, where they are known.
    wait_s: Option<u64>,
}

impl ApiError {
    /// An error with a word on what is wrong.
    pub fn with(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::from(code) }
    }

    /// An error with a further member of its body.
    fn with_more(code: Code, name: &'static str, value: &impl serde::Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        Self { more: Some((name, Box::new(value))), ..Self::from(code) }
    }

    /// An error that passes after so many seconds.
    fn until(code: Code, seconds: u64) -> Self {
        let detail = Some(format!("{seconds} 秒 ({seconds} s)"));
        Self { detail, wait_s: Some(seconds), ..Self::from(code) }
    }

    /// When it may be tried again, for the header `Retry-After`; none: that is not known.
    pub(super) fn retry_after(&self) -> Option<HeaderValue> {
        let is_passing =
            matches!(self.code, Code::TooManyRequests | Code::StorageFull | Code::StorageUnavailable);
        self.wait_s.or(is_passing.then_some(RETRY_AFTER_S)).map(HeaderValue::from)
    }

    /// Its HTTP status.
    pub(super) const fn status(&self) -> StatusCode {
        status_of(self.code)
    }

    /// Its body.
    pub(super) fn body(&self) -> serde_json::Value {
        let problem = Problem::of(self.code, self.status().as_u16(), self.detail.clone());
        let mut body = serde_json::to_value(problem).unwrap_or_default();
        if let (Some((name, value)), Some(body)) = (&self.more, body.as_object_mut()) {
            body.insert((*name).to_owned(), value.as_ref().clone());
        }
        body
    }
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        let told = |value: &serde_json::Value, key: &str| {
            value.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let refusals = error.more.as_ref().filter(|(name, _)| *name == "refusals");
        let refusals = refusals.and_then(|(_, refusals)| refusals.as_array());
        let reasons = refusals.into_iter().flatten().map(|it| (told(it, "zh"), told(it, "en"))).collect();
        Self { code: error.code, detail: error.detail, reasons }
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self { code, detail: None, more: None, wait_s: None }
    }
}

/// A body that is not what it should be, in the words of whoever tried to read it.
fn unread(status: StatusCode, said: String) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge.into(),
        _ => ApiError::with(Code::BadParameter, said),
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        unread(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for ApiError {
    fn from(rejection: FormRejection) -> Self {
        unread(rejection.status(), rejection.body_text())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Full(_) => Code::StorageFull,
            StoreError::Unavailable(_) => Code::StorageUnavailable,
            StoreError::Statement(_) | StoreError::Damaged(_) | StoreError::Unfit(_) => Code::Internal,
        };
        tracing::error!(error = %error, "a request failed: {error}");
        code.into()
    }
}

impl From<SyncError> for ApiError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Refused(code) => code.into(),
            SyncError::RefusedFor(code, detail) => Self::with(code, detail),
            SyncError::Wait(code, seconds) => Self::until(code, seconds),
            SyncError::Command(Refused::Command(refusals)) => refused(&refusals),
            SyncError::Command(Refused::MovedOn(since)) => Self::with_more(Code::MovedOn, "since", &since),
            SyncError::Store(error) => error.into(),
            SyncError::Keys(_) | SyncError::Gone => {
                tracing::error!(error = %error, "a request failed: {error}");
                Code::Internal.into()
            }
        }
    }
}

/// Who may not at all is told so; who may is told everything that is missing.
fn refused(refusals: &[Refusal]) -> ApiError {
    let is_forbidden = refusals.iter().any(|refusal| refusal.code == Reason::Role);
    let code = if is_forbidden { Code::Forbidden } else { Code::CommandRefused };
    ApiError::with_more(code, "refusals", &refusals)
}

/// The HTTP status of a code.
pub const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::BodyTooLarge | Code::DecodedBodyTooLarge | Code::TooManyBundles | Code::ImportTooLarge => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Code::PhotoFileTooLarge | Code::PhotoTooManyPixels => StatusCode::PAYLOAD_TOO_LARGE,
        Code::EncodingUnsupported | Code::PhotoNotImage | Code::PhotoNoThumbnail => {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        }
        Code::Unauthenticated | Code::SignInFailed => StatusCode::UNAUTHORIZED,
        Code::Forbidden
        | Code::DeviceRevoked
        | Code::EnrolCodeInvalid
        | Code::PasswordStale
        | Code::CsrfMissing
        | Code::AccountElsewhere => StatusCode::FORBIDDEN,
        Code::EnrolCodeExpired | Code::LinkInvalid | Code::PhotoRedacted => StatusCode::GONE,
        Code::EnrolCodeUsed
        | Code::PhotoOffset
        | Code::ConflictClosed
        | Code::NotReleasable
        | Code::CommandRefused
        | Code::IdempotencyInProgress
        | Code::IdempotencyUnsettled
        | Code::LoginTaken
        | Code::PhotoLength
        | Code::UnitCircle => StatusCode::CONFLICT,
        Code::MovedOn => StatusCode::PRECONDITION_FAILED,
        Code::IdempotencyKeyReused | Code::PhotoHashWrong => StatusCode::UNPROCESSABLE_ENTITY,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::TooManyRequests | Code::SignInLocked | Code::PhotosUnnamed => StatusCode::TOO_MANY_REQUESTS,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Seconds after which a request that met a passing limit may be tried again.
const RETRY_AFTER_S: u64 = 5;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), axum::Json(self.body())).into_response();
        let media_type = HeaderValue::from_static(problem::MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if let Some(after) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// The same error for a device: one `error` frame.
#[derive(Debug)]
pub(super) struct DeviceError(pub ApiError);

impl<E: Into<ApiError>> From<E> for DeviceError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for DeviceError {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let en = match &self.0.detail {
            Some(detail) => format!("{} ({detail})", code.en()),
            None => code.en().to_owned(),
        };
        let frame = Frame::Error(ErrorBody { en, zh: code.zh().to_owned(), code: code.as_str().to_owned() });
        let mut response = self.0.into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(super::sync::MEDIA_TYPE));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = frame.encode().into();
        response
    }
}
