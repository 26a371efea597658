//! What travels in one `POST /v1/sync`: a request header before the bundles, frames in the reply.
//!
//! Both bodies are CBOR sequences (RFC 8742). Request: a header map, then bundles, each a byte string that
//! holds one `COSE_Sign1`, so that a broken bundle leaves the framing of the next intact. Reply: frames, each
//! a two-element array of a name and a body ([`Frame`]); a client passes over frames whose name it does not know.
//! What is below is the request; the reply is in `reply`.

mod reply;

pub use reply::{Cursor, End, ErrorBody, Frame, FrameReader, Hello, Item, Notice, Receipt, Refused};
use serde::{Deserialize, Serialize};

use crate::cbor;
use crate::codes::Code;
use crate::ids::{Chain, NoticeId};
use crate::limits;
use crate::operation::Stamp;
use crate::prepass::{self, Bounds};

const BOUNDS: Bounds = Bounds { depth: limits::DEPTH, items: limits::ENVELOPE_ITEMS };

/// The presenter's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHeader {
    /// The presenter's own last operation, if it made any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<ChainHead>,
    /// When the request was sent, by the presenter's clocks.
    pub sent: Stamp,
    /// The areas it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub areas: Option<AreaState>,
    /// The epoch of the last reply it holds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub epoch: Option<Vec<u8>>,
    /// Bytes of reply wanted, before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// App and version.
    pub client: String,
    /// The last cursor it holds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub cursor: Option<Vec<u8>>,
    /// Protocol version.
    pub protocol: u64,
    /// Collections it knows; absent: `records` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// Notices that their person has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<NoticeId>,
}

/// A point of a device's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// The chain after the operation.
    pub chain: Chain,
    /// Its sequence number.
    pub sequence: u64,
}

/// Which version of its areas a device holds, and how far it is in changing to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaState {
    /// The version it holds whole; 0, or absent, before any.
    #[serde(default)]
    pub version: u64,
    /// The token of the last `cursor` frame within an area change.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub progress: Option<Vec<u8>>,
}

impl RequestHeader {
    /// Decodes and checks a header.
    ///
    /// # Errors
    /// A code of scope `Request`.
    pub fn decode(item: &[u8]) -> Result<Self, Code> {
        prepass::exact(item, BOUNDS).map_err(|_code| Code::HeaderMalformed)?;
        let protocol = prepass::entries(item)
            .and_then(|entries| entries.into_iter().find(|(key, _)| *key == "protocol"))
            .and_then(|(_, value)| prepass::integer(value))
            .ok_or(Code::HeaderMalformed)?;
        if protocol != i128::from(crate::PROTOCOL) {
            return Err(Code::ProtocolUnsupported);
        }
        // serde alone would take arrays for the nested structs, and null for what is optional.
        let plain = |item: &[u8]| {
            prepass::entries(item)
                .is_some_and(|entries| entries.iter().all(|(_, value)| !prepass::is_null(value)))
        };
        let nested = |entries: Vec<(&str, &[u8])>| {
            entries.iter().all(|(key, value)| !["sent", "head", "areas"].contains(key) || plain(value))
        };
        if !plain(item) || !prepass::entries(item).is_some_and(nested) {
            return Err(Code::HeaderMalformed);
        }
        let header: Self = cbor::decode(item).map_err(|_source| Code::HeaderMalformed)?;
        let within = header.client.len() <= limits::CLIENT_BYTES
            && header.collections.len() <= limits::COLLECTIONS
            && header.acknowledged.len() <= limits::ACKNOWLEDGED
            && header.epoch.as_ref().is_none_or(|epoch| epoch.len() == 16)
            && header.areas.as_ref().is_none_or(|areas| {
                areas.progress.as_ref().is_none_or(|token| token.len() <= limits::AREA_PROGRESS_BYTES)
            });
        if !within {
            return Err(Code::HeaderMalformed);
        }
        if header.cursor.as_ref().is_some_and(|cursor| cursor.len() > limits::CURSOR_BYTES) {
            return Err(Code::CursorInvalid);
        }
        Ok(header)
    }
}

/// A request body taken apart, nothing in it decoded but the header.
#[derive(Debug)]
pub struct Request<'a> {
    /// The presenter's header.
    pub header: RequestHeader,
    /// The bundles, each as the payload of its byte string.
    pub bundles: Vec<&'a [u8]>,
    /// Bytes at the end that are no whole bundle, and what is wrong with them.
    pub broken: Option<(&'a [u8], Code)>,
}

/// Takes a request body apart.
///
/// # Errors
/// A code of scope `Request`. Broken framing after the header is no error: what came before it is taken.
pub fn decode_request(body: &[u8]) -> Result<Request<'_>, Code> {
    let length = prepass::item_length(body, BOUNDS).map_err(|_code| Code::HeaderMalformed)?;
    let (header, rest) = body.split_at_checked(length).ok_or(Code::HeaderMalformed)?;
    let header = RequestHeader::decode(header)?;
    let (bundles, broken) = decode_bundles(rest)?;
    Ok(Request { header, bundles, broken })
}

/// Bundles, and what at the end is none.
type Bundles<'a> = (Vec<&'a [u8]>, Option<(&'a [u8], Code)>);

/// Takes a sequence of bundles apart: the rest of a request body, or a bundle file.
///
/// # Errors
/// [`Code::TooManyBundles`].
pub fn decode_bundles(mut rest: &[u8]) -> Result<Bundles<'_>, Code> {
    let mut bundles = Vec::new();
    while !rest.is_empty() {
        if bundles.len() == limits::BUNDLES_PER_REQUEST {
            return Err(Code::TooManyBundles);
        }
        let (item, after) = match prepass::item_length(rest, BOUNDS) {
            Ok(length) => rest.split_at(length),
            Err(Code::CborTruncated) => return Ok((bundles, Some((rest, Code::SequenceTruncated)))),
            Err(code) => return Ok((bundles, Some((rest, code)))),
        };
        match prepass::byte_string(item) {
            Some(bundle) => bundles.push(bundle),
            None => return Ok((bundles, Some((rest, Code::BundleShape)))),
        }
        rest = after;
    }
    Ok((bundles, None))
}

/// Writes a request body.
pub fn encode_request<B: AsRef<[u8]>>(header: &RequestHeader, bundles: &[B]) -> Vec<u8> {
    let mut body = cbor::encode(header);
    for bundle in bundles {
        cbor::write_byte_string(&mut body, bundle.as_ref());
    }
    body
}
