//! OGC API at `/ogc`: the layers of a district's map for programs that show maps.
//!
//! `landing` says what there is, `collections` the layers and what they can be asked by, `items` gives features, `asked`
//! reads what a request wants; `tile_sets` and `tiles` are the vector tiles. Which requirement is met by what is in `docs/conformance.md`. What layers are is in
//! [`crate::layers`], how they are read in `sync::layers`. Start at [`items`](self::items::items).

mod accept;
mod asked;
pub(super) mod collections;
pub(super) mod items;
pub(super) mod landing;
pub(super) mod tile_sets;
pub(super) mod tiles;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;
use sync_protocol::codes::Code;
use utoipa::IntoParams;

use super::Shared;
use super::auth::{self, Account};
use super::error::ApiError;
use crate::layers::Layer;
use crate::sync::layers;

/// An account that asks for a map. Besides a token in the usual header and a browser's session it may say the token as
/// the password of `Authorization: Basic`.
#[derive(Debug)]
pub(super) struct Asker(pub(super) Account);

impl FromRequestParts<Shared> for Asker {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        match auth::account_of_map(parts, shared).await {
            Ok(account) => Ok(Self(account)),
            Err(error) => {
                let is_unknown = error.code == Code::Unauthenticated;
                let mut response = error.into_response();
                if is_unknown {
                    let asks = HeaderValue::from_static("Basic realm=\"Firebreak\", charset=\"UTF-8\"");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
                }
                Err(response)
            }
        }
    }
}

/// The layers that an account is shown.
pub(super) fn shown(account: &Account) -> impl Iterator<Item = Layer> {
    Layer::ALL.iter().copied().filter(|layer| layers::is_seen(*layer, &account.sight))
}

/// The layer of a collection's name; one that the account is not shown is not there.
///
/// # Errors
/// [`Code::NotFound`].
pub(super) fn layer(account: &Account, name: &str) -> Result<Layer, ApiError> {
    let found = Layer::parse(name).filter(|layer| layers::is_seen(*layer, &account.sight));
    found.ok_or_else(|| Code::NotFound.into())
}

/// Where this server is, `https://host/ogc`: as the operator says (`public_url`), else as the request does. A reader behind a
/// proxy is given addresses that lead through it.
#[derive(Clone, Debug)]
pub(super) struct Base(pub(super) String);

/// The longest name of a host with its port.
const HOST_BYTES: usize = 260;

impl FromRequestParts<Shared> for Base {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Self::Rejection> {
        if let Some(address) = &shared.public_url {
            return Ok(Self(format!("{address}/ogc")));
        }
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let host = parts.uri.authority().map(axum::http::uri::Authority::as_str).or_else(|| text("host"));
        let is_plain = |host: &&str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            !host.is_empty() && host.len() <= HOST_BYTES && host.bytes().all(is_plain)
        };
        let is_secure = shared.pin.is_some() || text("x-forwarded-proto") == Some("https");
        let scheme = if is_secure { "https" } else { "http" };
        let origin = host.filter(is_plain).map(|host| format!("{scheme}://{host}"));
        Ok(Self(format!("{}/ogc", origin.unwrap_or_default())))
    }
}

/// What a reply is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For programs.
    Json,
    /// For people.
    Html,
}

impl Format {
    /// By the parameter `f`, which wins, or by the header `Accept`.
    ///
    /// # Errors
    /// [`Code::BadParameter`].
    pub(super) fn of(said: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        match said {
            Some("json" | "geojson") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            Some(_) => Err(ApiError::with(Code::BadParameter, "f: json, html")),
            None => {
                let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
                let accepted = accepted.collect::<Vec<_>>().join(",");
                Ok(if accept::likes_pages(&accepted) { Self::Html } else { Self::Json })
            }
        }
    }
}

/// Only what the reply is written as.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// `json` or `html`; without it the header `Accept` says.
    pub(super) f: Option<String>,
}

/// A link.
pub(super) fn link(href: &str, rel: &str, kind: &str, title: &str) -> Value {
    serde_json::json!({ "href": href, "rel": rel, "type": kind, "title": title })
}

/// The links of a document to itself in the format that it has, and in the other.
pub(super) fn own_links(address: &str, format: Format, kind: &str) -> Vec<Value> {
    let (json, html) = match format {
        Format::Json => ("self", "alternate"),
        Format::Html => ("alternate", "self"),
    };
    vec![
        link(&format!("{address}?f=json"), json, kind, "JSON"),
        link(&format!("{address}?f=html"), html, "text/html", "HTML"),
    ]
}

/// Where a path of the map with a slash behind it leads: `OWSLib` puts one there. None: it is no such path.
pub(super) fn without_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/').filter(|path| *path == "/ogc" || path.starts_with("/ogc/"))?;
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Some(Redirect::permanent(&format!("{path}{query}")).into_response())
}

/// A document of this media type.
pub(super) fn document(kind: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("accept, authorization, cookie")),
    ];
    (StatusCode::OK, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_there_is_not_is_refused() {
        assert!(Format::of(Some("xml"), &HeaderMap::new()).is_err());
    }
}
