//! `Idempotency-Key`: the same key and the same request get the same answer, without acting again.
//!
//! A layer around every `POST` of JSON: the key is taken before the handler runs and its answer is kept after. The
//! handler runs in a task of its own, so that a client who goes away meanwhile finds the answer when it asks again.
//! What a crash between the two leaves is said in `docs/decisions/0014-api.md`. Start at [`once`].

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use uuid::Uuid;

use super::auth::Account;
use super::error::ApiError;
use super::{DEVICE_ROUTES, OFFICE_BODY_BYTES, Shared};
use crate::store::{Answer, KeptRequest, KeyOf};

/// The header.
pub(super) const HEADER: &str = "Idempotency-Key";
/// Bytes of a key, at least.
pub(super) const KEY_MIN: usize = 8;
/// Bytes of a key, at most.
pub(super) const KEY_MAX: usize = 128;
/// How long an answer is kept.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Bytes of an answer that is kept.
const ANSWER_BYTES: u64 = 1 << 20;
/// Routes whose answers are secrets, shown once: they are not kept, and a key does nothing there.
const SECRET: [&str; 5] =
    ["/v1/session", "/v1/session/district", "/v1/tokens", "/v1/people/{person}/link", "/v1/enrol-codes"];
/// Says of an answer that it was given before.
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Lets a request with a key through once.
pub(super) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if !is_kept(&request) {
        return next.run(request).await;
    }
    taken(shared, request, next).await.unwrap_or_else(ApiError::into_response)
}

/// Whether answers of this route, as the router has it, are kept under a key.
pub(super) fn takes_key(path: &str) -> bool {
    let first = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
    first.is_some_and(|first| !DEVICE_ROUTES.contains(&first)) && !SECRET.contains(&path)
}

/// Whether the answer of a request is kept: it has a key and acts for the office by a body of JSON, or by none.
fn is_kept(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    request.method() == Method::POST
        && request.headers().contains_key(HEADER)
        && route.is_some_and(takes_key)
        && media_type.is_none_or(|media_type| media_type.starts_with("application/json"))
}

async fn taken(shared: Shared, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let key = key(&parts)?;
    let account = Account::from_request_parts(&mut parts, &shared).await?;
    let body = axum::body::to_bytes(body, OFFICE_BODY_BYTES).await.map_err(|_source| Code::BodyTooLarge)?;
    let of = KeyOf { district: account.district.key, person: account.person.id, key };
    let digest = digest(&parts, &body);
    if let Some(kept) = claim(&shared, &of, &digest).await? {
        return again(&shared, &digest, kept);
    }
    let work = async move {
        let response = match tokio::spawn(next.run(Request::from_parts(parts, Body::from(body)))).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(error = %error, "a handler ended before it answered: {error}");
                ApiError::from(Code::Internal).into_response()
            }
        };
        settle(&shared, &of, response).await
    };
    tokio::spawn(work).await.map_err(|_ended| Code::Internal)?
}

fn key(parts: &Parts) -> Result<String, ApiError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let key = parts.headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_good = (KEY_MIN..=KEY_MAX).contains(&key.len()) && key.chars().all(is_plain);
    is_good.then(|| key.to_owned()).ok_or_else(|| {
        let wanted = format!("idempotency-key: {KEY_MIN} to {KEY_MAX} of A-Z, a-z, 0-9, . _ ~ -");
        ApiError::with(Code::BadParameter, wanted)
    })
}

/// What makes a request another one: method, path, query, the version that it is made from, body.
fn digest(parts: &Parts, body: &Bytes) -> Vec<u8> {
    let mut hash = Sha256::new();
    let version = parts.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), version, body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Takes the key; what is kept under it where it is taken.
async fn claim(shared: &Shared, of: &KeyOf, digest: &[u8]) -> Result<Option<KeptRequest>, ApiError> {
    let now_ms = shared.engine.clock.now_ms();
    let mut transaction = shared.engine.store.begin().await?;
    transaction.take_counter(of.district, 0).await?;
    transaction.delete_old_keys(of.district, now_ms - KEPT_MS).await?;
    if transaction.claim_key(of, digest, shared.process, now_ms).await? {
        transaction.commit().await?;
        return Ok(None);
    }
    let kept = transaction.kept_request(of).await?;
    kept.map(Some).ok_or_else(|| Code::Internal.into())
}

/// The answer to a request whose key is taken.
fn again(shared: &Shared, digest: &[u8], kept: KeptRequest) -> Result<Response, ApiError> {
    if kept.request != digest {
        return Err(Code::IdempotencyKeyReused.into());
    }
    match kept.answer {
        Some(answer) => replayed(answer),
        None if kept.process == shared.process => Err(Code::IdempotencyInProgress.into()),
        None => Err(Code::IdempotencyUnsettled.into()),
    }
}

fn replayed(answer: Answer) -> Result<Response, ApiError> {
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.ok_or(Code::Internal)?, answer.body).into_response();
    if let Ok(media_type) = HeaderValue::from_str(&answer.media_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    Ok(response)
}

/// What becomes of a key by the status of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The answer is kept.
    Kept,
    /// Nothing was done: the key may be used again.
    Free,
    /// Nobody knows what was done.
    Unsettled,
}

fn fate(status: StatusCode) -> Fate {
    match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::INSUFFICIENT_STORAGE => Fate::Free,
        status if status.is_server_error() => Fate::Unsettled,
        _ => Fate::Kept,
    }
}

/// Keeps the answer of a request, and gives it on.
async fn settle(shared: &Shared, of: &KeyOf, response: Response) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= ANSWER_BYTES);
    let fate = if is_small { fate(parts.status) } else { Fate::Unsettled };
    let (kept, body) = match fate {
        Fate::Kept => {
            let limit = usize::try_from(ANSWER_BYTES).unwrap_or(usize::MAX);
            let bytes = axum::body::to_bytes(body, limit).await.map_err(|_source| Code::Internal)?;
            let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let answer = Answer {
                status: i64::from(parts.status.as_u16()),
                media_type: media_type.unwrap_or_default().to_owned(),
                body: bytes.to_vec(),
            };
            (Some(answer), Body::from(bytes))
        }
        Fate::Free | Fate::Unsettled => (None, body),
    };
    let mut transaction = shared.engine.store.begin().await?;
    transaction.take_counter(of.district, 0).await?;
    match (kept, fate) {
        (Some(answer), _) => transaction.keep_answer(of, &answer).await?,
        (None, Fate::Free) => transaction.free_key(of).await?,
        (None, Fate::Kept | Fate::Unsettled) => transaction.unsettle_key(of).await?,
    }
    transaction.commit().await?;
    Ok(Response::from_parts(parts, body))
}

/// A name for this process, among those that took keys.
pub(super) fn process() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_free_again_only_where_nothing_was_done() {
        for (status, expected) in [
            (200, Fate::Kept),
            (400, Fate::Kept),
            (404, Fate::Kept),
            (409, Fate::Kept),
            (412, Fate::Kept),
            (401, Fate::Free),
            (403, Fate::Free),
            (429, Fate::Free),
            (503, Fate::Free),
            (507, Fate::Free),
            (500, Fate::Unsettled),
        ] {
            assert_eq!(fate(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn answers_that_are_secrets_are_not_kept_and_those_of_devices_neither() {
        for (path, expected) in [
            ("/v1/works", true),
            ("/v1/hazards/{record}/commands/{command}", true),
            ("/v1/people", true),
            ("/v1/tokens", false),
            ("/v1/enrol-codes", false),
            ("/v1/people/{person}/link", false),
            ("/v1/session", false),
            ("/v1/sync", false),
            ("/login", false),
        ] {
            assert_eq!(takes_key(path), expected, "{path}");
        }
    }

    #[test]
    fn another_body_version_or_path_is_another_request() {
        let digest_of = |uri: &str, version: &str, body: &'static str| {
            let request = Request::post(uri).header(header::IF_MATCH, version).body(()).unwrap();
            digest(&request.into_parts().0, &Bytes::from(body))
        };
        let first = digest_of("/v1/works", "\"a\"", "{}");
        assert_eq!(first, digest_of("/v1/works", "\"a\"", "{}"));
        for other in [
            digest_of("/v1/works", "\"a\"", "{ }"),
            digest_of("/v1/works", "\"b\"", "{}"),
            digest_of("/v1/works?x", "\"a\"", "{}"),
        ] {
            assert_ne!(first, other);
        }
    }
}
