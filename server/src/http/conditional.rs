//! Entity tags: every JSON reply to a `GET` has one, and is not sent again to a reader who has it.
//!
//! The tag of a record is its heads with points between them, a hyphen and a hash of the reply: commands compare the heads alone
//! ([`super::parameters::IfMatch`]), readers all of it. Start at [`tagged`].

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use sync_protocol::ids::Head;

use super::error::ApiError;

/// Bytes of a reply that gets a tag: a larger one is streamed.
const TAGGED_BYTES: u64 = 8 << 20;
/// Bytes of the hash in a tag.
const HASH_BYTES: usize = 16;
/// Heads that a tag names; a record with more of them is acted on by the `heads` of the body.
pub(super) const TAG_HEADS: usize = 32;

/// What a handler says of the record that it replies with.
#[derive(Clone, Debug)]
pub(super) struct OfHeads(pub(super) String);

/// The heads of a record as they stand in a tag; none where there are too many of them, or none at all.
pub(super) fn heads_tag<'a>(heads: impl ExactSizeIterator<Item = &'a String>) -> Option<String> {
    let amount = heads.len();
    (1..=TAG_HEADS).contains(&amount).then(|| heads.map(String::as_str).collect::<Vec<_>>().join("-"))
}

/// The heads in a tag, of a record or of what a command answered.
pub(super) fn heads_of(tag: &str) -> Option<Vec<Head>> {
    let (heads, _) = tag.split_once('.')?;
    let heads = heads
        .split('-')
        .map(|head| hex::decode(head).ok().and_then(|bytes| Head::try_from(bytes.as_slice()).ok()));
    let mut heads: Vec<Head> = heads.collect::<Option<_>>()?;
    heads.sort_unstable();
    (heads.len() <= TAG_HEADS).then_some(heads)
}

/// The tags of a header, without their quotes and without what marks them as weak.
pub(super) fn tags(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
}

/// Gives a JSON reply to a `GET` its tag; without its body where the reader has it.
pub(super) async fn tagged(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let asked = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if is_tagged(&response) { with_tag(response, asked.as_ref()).await } else { response }
}

fn is_tagged(response: &Response) -> bool {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let is_small = response.body().size_hint().exact().is_some_and(|bytes| bytes <= TAGGED_BYTES);
    response.status() == StatusCode::OK && is_json && is_small
}

async fn with_tag(response: Response, asked: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let limit = usize::try_from(TAGGED_BYTES).unwrap_or(usize::MAX);
    let Ok(bytes) = axum::body::to_bytes(body, limit).await else {
        return ApiError::from(Code::Internal).into_response();
    };
    let hash = Sha256::digest(&bytes);
    let hash = hex::encode(hash.get(..HASH_BYTES).unwrap_or_default());
    let tag = match parts.extensions.get::<OfHeads>() {
        Some(OfHeads(heads)) => format!("{heads}.{hash}"),
        None => hash,
    };
    let is_known = asked
        .and_then(|asked| asked.to_str().ok())
        .is_some_and(|asked| tags(asked).any(|known| known == tag || known == "*"));
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(header::ETAG, tag);
    }
    // A browser asks again each time: the ledger moves.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    for (name, value) in headers {
        if let Some(name) = name {
            parts.headers.entry(name).or_insert(value);
        }
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heads_of_a_tag_are_read_back() {
        let heads = ["0b".repeat(16), "0a".repeat(16)];
        let tag = format!("{}.{}", heads_tag(heads.iter()).unwrap(), "00".repeat(16));
        let read = heads_of(&tag).unwrap();
        assert_eq!(
            read.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["0a".repeat(16), "0b".repeat(16)]
        );
        for wrong in ["", "00", ".", "-", "zz.00", "0b.00"] {
            assert_eq!(heads_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_tag_names_so_many_heads_and_no_more() {
        let heads = vec!["0a".repeat(16); TAG_HEADS + 1];
        assert!(heads_tag(heads[..TAG_HEADS].iter()).is_some());
        assert_eq!(heads_tag(heads.iter()), None);
        assert_eq!(heads_tag([].iter()), None);
    }

    #[test]
    fn a_header_may_name_several_tags_weak_ones_too() {
        assert_eq!(tags("\"a\", W/\"b\",*").collect::<Vec<_>>(), ["a", "b", "*"]);
    }
}
