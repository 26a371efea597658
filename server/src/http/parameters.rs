//! What a request says beside its path: the query string and the JSON body, strictly, with our own errors.

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sync_protocol::codes::Code;
use sync_protocol::ids::Head;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Shared;
use super::conditional;
use super::error::ApiError;
use crate::report::period::{Period, day_number};
use crate::sync::SyncError;
use crate::sync::listing::{PAGE_DEFAULT, PAGE_MAX};

/// The query string. Types that deny unknown fields refuse unknown parameters.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _shared: &Shared) -> Result<Self, ApiError> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(ApiError::with(Code::BadParameter, rejection.body_text())),
        }
    }
}

/// The JSON body; none at all is an empty object.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, ApiError> {
        if request.body().is_end_stream() {
            let nothing = serde_json::Value::Object(serde_json::Map::new());
            let body = serde_json::from_value(nothing);
            return body.map(Self).map_err(|error| ApiError::with(Code::BadParameter, error.to_string()));
        }
        match Json::<T>::from_request(request, shared).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(rejection.into()),
        }
    }
}

/// `If-Match`: the versions of a record that a command is made from; none where it is made from whatever is there.
#[derive(Debug)]
pub(super) struct IfMatch(pub(super) Option<Vec<Head>>);

impl IfMatch {
    /// What the command is made from, by the header or by the `heads` of its body, and how it is told that this is past.
    ///
    /// # Errors
    /// `bad-parameter` where both name heads.
    pub(super) fn or(self, body: Option<Vec<Head>>) -> Result<(Option<Vec<Head>>, Stale), ApiError> {
        match (self.0, body) {
            (Some(_), Some(_)) => {
                Err(ApiError::with(Code::BadParameter, "heads: they stand in If-Match too"))
            }
            (Some(heads), None) => Ok((Some(heads), Stale::MovedOn)),
            (None, heads) => Ok((heads, Stale::ConflictClosed)),
        }
    }
}

/// How a command is told that the record has moved on since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// Its version stood in the header: 412.
    MovedOn,
    /// It stood in the body: 409.
    ConflictClosed,
}

impl Stale {
    /// The error that the command gets.
    pub(super) fn told(self, error: SyncError) -> ApiError {
        match (self, error) {
            (Self::MovedOn, SyncError::Refused(Code::ConflictClosed)) => Code::MovedOn.into(),
            (_, error) => error.into(),
        }
    }
}

impl FromRequestParts<Shared> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _shared: &Shared) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let value = value.to_str().unwrap_or_default().trim();
        // A tag that this server did not give names a version that there is not.
        if value == "*" { Ok(Self(None)) } else { Ok(Self(Some(heads_of(value).ok_or(Code::MovedOn)?))) }
    }
}

fn heads_of(value: &str) -> Option<Vec<Head>> {
    let mut tags = conditional::tags(value);
    let only = tags.next()?;
    if tags.next().is_some() { None } else { conditional::heads_of(only) }
}

/// The parameters of a list without filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// Rows of a page.
    pub(super) limit: Option<u32>,
    /// Where the page before ended.
    pub(super) cursor: Option<String>,
}

/// A parameter or key that is none of what it may be: says what it may be.
pub(super) fn one_of<'n>(name: &str, allowed: impl IntoIterator<Item = &'n str>) -> ApiError {
    SyncError::one_of(name, allowed).into()
}

/// A parameter or key of the wrong form: says what it takes.
pub(super) fn wrong(name: &str, takes: &str) -> ApiError {
    ApiError::with(Code::BadParameter, format!("{name}: {takes}"))
}

/// What an id looks like.
pub(super) const UUID: &str = "UUID";
/// What a text of people must be.
pub(super) const NOT_EMPTY: &str = "必填 must not be empty";

/// The rows of a page.
pub(super) fn page_size(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) { Ok(limit) } else { Err(wrong("limit", &format!("1 to {PAGE_MAX}"))) }
}

/// A local day, `2026-11-30`, as its number counted from 1970-01-01.
pub(super) fn day(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    text.map(|text| date(name, text).map(day_number)).transpose()
}

/// A local day, `2026-11-30`.
pub(super) fn date(name: &str, text: &str) -> Result<Date, ApiError> {
    let is_plain = text.len() == 10;
    let date = is_plain.then(|| text.parse::<Date>().ok()).flatten();
    date.ok_or_else(|| wrong(name, "a day is YYYY-MM-DD"))
}

/// The days of a report, both needed and both included.
pub(super) fn period(from: Option<&str>, to: Option<&str>) -> Result<Period, ApiError> {
    let needed = |name: &str, text: Option<&str>| {
        text.ok_or_else(|| wrong(name, "必填 needed, YYYY-MM-DD")).and_then(|text| date(name, text))
    };
    Ok(Period::new(needed("from", from)?, needed("to", to)?).map_err(SyncError::from)?)
}

/// An id.
pub(super) fn id(name: &str, text: Option<&str>) -> Result<Option<Uuid>, ApiError> {
    text.map(|text| Uuid::parse_str(text).map_err(|_source| wrong(name, UUID))).transpose()
}
