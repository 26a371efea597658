//! The reply of `POST /v1/sync`: its frames, and reading them as they arrive. The request is in [`super`].

use serde::{Deserialize, Serialize};

use crate::cbor::{self, MapWriter, Raw};
use crate::codes::Code;
use crate::ids::{
    BundleHash, Chain, DeploymentId, DeviceId, DistrictId, Head, NoticeId, PersonId, PhotoHash, RecordId,
};
use crate::limits;
use crate::prepass::{self, Bounds};
use crate::view::Omitted;

/// What became of one bundle. Stored in the transaction that took it; the same bytes again get the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The chain after the last operation.
    pub chain: Chain,
    /// How many operations the bundle holds.
    pub count: u64,
    /// Sequence number of its first operation.
    pub first: u64,
    /// Flags: offset of the operation in the bundle, code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<(u64, String)>,
    /// SHA-256 of the bundle.
    pub bundle: BundleHash,
    /// The device that signed.
    pub device: DeviceId,
    /// Operations that were not applied when the receipt was written: offset, disposition, code or null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<(u64, String, Option<String>)>,
    /// Server time of first receipt, milliseconds since 1970.
    pub received_ms: i64,
}

/// One frame of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// First: who answers, and when.
    Hello(Hello),
    /// A bundle was taken. The map is a [`Receipt`], byte for byte as first sent.
    Receipt(Raw),
    /// A bundle was refused and kept.
    Refused(Refused),
    /// Something a person must see; repeated until acknowledged.
    Notice(Notice),
    /// A record moved out of the device's areas, or the areas away from it.
    Leave(RecordId),
    /// The state of a record.
    Item(Item),
    /// All before this frame is complete: keep this cursor.
    Cursor(Cursor),
    /// The device now holds this version of its areas whole.
    Areas(u64),
    /// The presenter's own sequences that the server lacks, as closed ranges.
    Missing(Vec<(u64, u64)>),
    /// Photos that the server was told of and lacks.
    Photos(Vec<PhotoHash>),
    /// Last: the reply is whole.
    End(End),
    /// The request was not taken.
    Error(ErrorBody),
    /// A frame of a later version.
    Unknown(String),
}

/// The body of a `hello` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Another epoch than last time: the server was restored; re-offer what is above `safe_through`.
    #[serde(with = "serde_bytes")]
    pub epoch: Vec<u8>,
    /// The district.
    pub district: DistrictId,
    /// Protocol version of the reply.
    pub protocol: u64,
    /// Server time, milliseconds since 1970, taken before anything was read.
    pub server_ms: i64,
    /// The deployment.
    pub deployment: DeploymentId,
}

/// The body of a `refused` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// English text.
    pub en: String,
    /// Chinese text.
    pub zh: String,
    /// A stable code.
    pub code: String,
    /// SHA-256 of what was refused.
    pub bundle: BundleHash,
}

/// The body of an `error` frame, alone in its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// English text.
    pub en: String,
    /// Chinese text.
    pub zh: String,
    /// A stable code.
    pub code: String,
}

/// The body of a `notice` frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Acknowledge with this.
    pub id: NoticeId,
    /// What happened: a code of scope `Notice`, or of what quarantined the operation.
    pub code: String,
    /// The field, where one is meant.
    pub field: Option<String>,
    /// Server time of the event, milliseconds since 1970.
    pub at_ms: i64,
    /// Whom it is for.
    pub person: PersonId,
    /// The record.
    pub record: Option<RecordId>,
    /// The person's operation.
    pub operation: Option<Head>,
    /// The value the person asserted.
    pub yours: Option<Raw>,
    /// The value that shows instead.
    pub shown: Option<Raw>,
}

/// The body of an `item` frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `records`, `people`, `areas`, `grid` or `rules`.
    pub collection: String,
    /// The record's id.
    pub record: RecordId,
    /// Its change number.
    pub change: u64,
    /// The folded view, as encoded by [`crate::view::View::encode`] where the collection is `records`.
    pub view: Raw,
    /// What a view that is larger than [`limits::VIEW_BYTES`] leaves out, counted; empty where it is whole.
    pub abridged: Omitted,
}

impl Item {
    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.raw("view", self.view.as_bytes()).value("change", &self.change).value("record", &self.record);
        if !self.abridged.is_empty() {
            map.raw("abridged", &counts(&self.abridged));
        }
        map.value("collection", &self.collection).finish()
    }
}

/// Counts by name, in encoded order: the shorter name first.
fn counts(omitted: &Omitted) -> Vec<u8> {
    let mut ordered: Vec<(&String, &u64)> = omitted.iter().collect();
    ordered.sort_by_key(|(name, _)| name.len());
    let mut map = MapWriter::new();
    for (name, count) in ordered {
        map.value(name, count);
    }
    map.finish()
}

/// The body of a `cursor` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Present it in the next request.
    #[serde(with = "serde_bytes")]
    pub cursor: Vec<u8>,
    /// Present it in [`AreaState::progress`](super::AreaState::progress); absent outside an area change.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub progress: Option<Vec<u8>>,
}

/// The body of an `end` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The budget was used up: ask again.
    pub more: bool,
    /// Server time when the reply ended, milliseconds since 1970.
    pub server_ms: i64,
    /// The presenter's sequence up to which a verified backup holds everything; absent: no backup is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_through: Option<u64>,
}

impl Notice {
    /// Encodes the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.value("id", &self.id)
            .value("code", &self.code)
            .value("at_ms", &self.at_ms)
            .value("person", &self.person);
        if let Some(field) = &self.field {
            map.value("field", field);
        }
        if let Some(record) = &self.record {
            map.value("record", record);
        }
        if let Some(operation) = &self.operation {
            map.value("operation", operation);
        }
        if let Some(yours) = &self.yours {
            map.raw("yours", yours.as_bytes());
        }
        if let Some(shown) = &self.shown {
            map.raw("shown", shown.as_bytes());
        }
        map.finish()
    }

    /// Decodes a checked body.
    pub fn decode(body: &Raw) -> Option<Self> {
        Some(Self {
            id: body.get("id")?.decode()?,
            code: body.get("code")?.decode()?,
            field: body.get("field").and_then(|raw| raw.decode()),
            at_ms: body.get("at_ms")?.decode()?,
            person: body.get("person")?.decode()?,
            record: body.get("record").and_then(|raw| raw.decode()),
            operation: body.get("operation").and_then(|raw| raw.decode()),
            yours: body.get("yours"),
            shown: body.get("shown"),
        })
    }
}

impl Frame {
    /// Encodes the frame.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(body) => frame("hello", &cbor::encode(body)),
            Self::Receipt(body) => frame("receipt", body.as_bytes()),
            Self::Refused(body) => frame("refused", &cbor::encode(body)),
            Self::Notice(body) => frame("notice", &body.encode()),
            Self::Leave(record) => frame("leave", &cbor::encode(record)),
            Self::Item(body) => frame("item", &body.encode()),
            Self::Cursor(body) => frame("cursor", &cbor::encode(body)),
            Self::Areas(version) => frame("areas", &cbor::encode(version)),
            Self::Missing(ranges) => frame("missing", &cbor::encode(ranges)),
            Self::Photos(hashes) => frame("photos", &cbor::encode(hashes)),
            Self::End(body) => frame("end", &cbor::encode(body)),
            Self::Error(body) => frame("error", &cbor::encode(body)),
            Self::Unknown(name) => frame(name, &[0xf6]),
        }
    }

    /// Decodes one checked frame. `None` where it is not of a known shape.
    pub fn decode(item: &[u8]) -> Option<Self> {
        let parts = prepass::elements(item)?;
        let [name, body] = parts.as_slice() else { return None };
        let raw = Raw::from_checked(body);
        Some(match prepass::text(name)? {
            "hello" => Self::Hello(raw.decode()?),
            "receipt" => Self::Receipt(raw),
            "refused" => Self::Refused(raw.decode()?),
            "notice" => Self::Notice(Notice::decode(&raw)?),
            "leave" => Self::Leave(raw.decode()?),
            "item" => Self::Item(Item {
                collection: raw.get("collection")?.decode()?,
                record: raw.get("record")?.decode()?,
                change: raw.get("change")?.decode()?,
                view: raw.get("view")?,
                abridged: match raw.get("abridged") {
                    Some(omitted) => omitted.decode()?,
                    None => Omitted::new(),
                },
            }),
            "cursor" => Self::Cursor(raw.decode()?),
            "areas" => Self::Areas(raw.decode()?),
            "missing" => Self::Missing(raw.decode()?),
            "photos" => Self::Photos(raw.decode()?),
            "end" => Self::End(raw.decode()?),
            "error" => Self::Error(raw.decode()?),
            other => Self::Unknown(other.to_owned()),
        })
    }
}

fn frame(name: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + name.len() + 3);
    cbor::write_head(&mut bytes, 4, 2);
    cbor::write_text(&mut bytes, name);
    bytes.extend_from_slice(body);
    bytes
}

/// Reads frames from a reply as it arrives; a reply cut anywhere yields every frame that came whole.
#[derive(Debug, Default)]
pub struct FrameReader {
    pending: Vec<u8>,
}

impl FrameReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes and returns the frames that are whole now.
    ///
    /// # Errors
    /// An encoding code: the reply cannot be read further.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, Code> {
        const REPLY_BOUNDS: Bounds = Bounds { depth: limits::REPLY_DEPTH, items: limits::REPLY_ITEMS };
        self.pending.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(rest) = self.pending.get(at..).filter(|rest| !rest.is_empty()) {
            let length = match prepass::item_length(rest, REPLY_BOUNDS) {
                Ok(length) => length,
                Err(Code::CborTruncated) => break,
                Err(code) => return Err(code),
            };
            let item = rest.get(..length).unwrap_or_default();
            frames.push(Frame::decode(item).ok_or(Code::CborMalformed)?);
            at += length;
        }
        self.pending.drain(..at);
        Ok(frames)
    }
}
