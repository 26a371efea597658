//! An operation: one immutable fact, encoded once by its author and never again.
//!
//! [`Operation::decode`] accepts exactly the bytes that [`Operation::encode`] can write plus unknown keys:
//! those of the operation itself are kept, those inside `at` and `photos` live on in its bytes alone. What the fields may hold is decided by [`crate::check`], not here.

use serde::{Deserialize, Serialize};

use crate::cbor::{self, MapWriter, Raw};
use crate::codes::Code;
use crate::ids::{Head, Identity, OperationId, PersonId, PhotoHash, RecordId, fixed_bytes};
use crate::kind::Kind;
use crate::limits;
use crate::named::{Fields, Name};
use crate::prepass::{self, Bounds};

/// The bounds of one operation's structure.
pub const BOUNDS: Bounds = Bounds { depth: limits::DEPTH, items: limits::OPERATION_ITEMS };

/// An operation's kind as it came: an unknown one is kept, and the operation is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KindName {
    /// A kind of this version.
    Known(Kind),
    /// A kind of a later version.
    Unknown(String),
}

impl KindName {
    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(kind) => kind.as_str(),
            Self::Unknown(name) => name,
        }
    }

    /// The kind, if this version knows it.
    pub fn known(&self) -> Option<Kind> {
        match self {
            Self::Known(kind) => Some(*kind),
            Self::Unknown(_) => None,
        }
    }
}

impl From<Kind> for KindName {
    fn from(kind: Kind) -> Self {
        Self::Known(kind)
    }
}

impl From<&str> for KindName {
    fn from(name: &str) -> Self {
        Kind::parse(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known)
    }
}

/// When its author's phone says an operation was made. No order depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Identifies the boot that `uptime_ms` counts from.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_boot")]
    pub boot: Option<[u8; 16]>,
    /// Satellite time, milliseconds since 1970, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gps_ms: Option<i64>,
    /// Wall clock, milliseconds since 1970 UTC. May be wrong.
    pub wall_ms: i64,
    /// Server time in the last reply the device held: a lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// Milliseconds since boot, sleep included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// Uptime, in the same boot, at which that last reply was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_uptime_ms: Option<u64>,
}

mod optional_boot {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Boot(#[serde(with = "super::fixed_bytes")] [u8; 16]);

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(boot: &Option<[u8; 16]>, to: S) -> Result<S::Ok, S::Error> {
        match boot {
            Some(bytes) => to.serialize_bytes(bytes),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 16]>, D::Error> {
        Ok(Option::<Boot>::deserialize(from)?.map(|boot| boot.0))
    }
}

/// A photo named by an operation; its bytes travel apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Photo {
    /// `before`, `after`, `site` or another term.
    pub role: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: PhotoHash,
}

/// A position: WGS-84, with the original value where it was another datum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Datum of `original`: `wgs84`, `cgcs2000`, `gcj02`, `bd09`, `epsg:45xx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<String>,
    /// Time of the fix, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_ms: Option<i64>,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i64,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i64,
    /// The value as entered, in `datum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Accuracy of the fix, decimetres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_dm: Option<u64>,
    /// Altitude, decimetres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude_dm: Option<i64>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// UUIDv7; of an opening operation it is the record's id.
    pub id: OperationId,
    /// The record it is about.
    pub record: RecordId,
    /// What happened.
    pub kind: KindName,
    /// Who says so.
    pub author: PersonId,
    /// When, by the device.
    pub at: Stamp,
    /// The heads of the record in its author's copy, ascending, no two equal.
    pub heads: Vec<Head>,
    /// Ancestors that copy named but did not have, ascending, no two equal.
    pub lacking: Vec<Head>,
    /// What it asserts. Absent: not asserted; null: asserted empty.
    pub fields: Fields,
    /// Photos it names.
    pub photos: Vec<Photo>,
    /// Schema version of its author's app.
    pub schema: u64,
    /// Keys of a later version, kept.
    pub unknown: Fields,
}

/// The entries of an encoded operation, not yet read.
#[derive(Default)]
struct Parts<'a> {
    at: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    heads: Option<&'a [u8]>,
    author: Option<&'a [u8]>,
    fields: Option<&'a [u8]>,
    photos: Option<&'a [u8]>,
    record: Option<&'a [u8]>,
    schema: Option<&'a [u8]>,
    lacking: Option<&'a [u8]>,
    unknown: Fields,
}

impl<'a> Parts<'a> {
    /// Finds the parts of a checked operation.
    fn of(bytes: &'a [u8]) -> Result<Self, Code> {
        let mut parts = Self::default();
        for (key, value) in prepass::entries(bytes).ok_or(Code::OperationShape)? {
            let part = match key {
                "at" => &mut parts.at,
                "id" => &mut parts.id,
                "kind" => &mut parts.kind,
                "heads" => &mut parts.heads,
                "author" => &mut parts.author,
                "fields" => &mut parts.fields,
                "photos" => &mut parts.photos,
                "record" => &mut parts.record,
                "schema" => &mut parts.schema,
                "lacking" => &mut parts.lacking,
                _ => {
                    parts.unknown.insert(key, Raw::from_checked(value));
                    continue;
                }
            };
            *part = Some(value);
        }
        Ok(parts)
    }
}

impl Operation {
    /// An operation without ancestors, fields or photos.
    pub fn new(id: OperationId, record: RecordId, kind: Kind, author: PersonId, at: Stamp) -> Self {
        Self {
            id,
            record,
            kind: kind.into(),
            author,
            at,
            heads: Vec::new(),
            lacking: Vec::new(),
            fields: Fields::new(),
            photos: Vec::new(),
            schema: crate::SCHEMA,
            unknown: Fields::new(),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with<T: Serialize>(mut self, name: &str, value: &T) -> Self {
        self.fields.insert(name, Raw::of(value));
        self
    }

    /// Sets the heads, sorted and without repetition.
    #[must_use]
    pub fn after(mut self, heads: impl IntoIterator<Item = Head>) -> Self {
        self.heads = heads.into_iter().collect();
        self.heads.sort_unstable();
        self.heads.dedup();
        self
    }

    /// The bytes that travel. Encode once and keep them: the identity is theirs.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.value("at", &self.at)
            .value("id", &self.id)
            .value("kind", self.kind.as_str())
            .value("author", &self.author)
            .value("record", &self.record)
            .value("schema", &self.schema);
        if !self.heads.is_empty() {
            map.value("heads", &self.heads);
        }
        if !self.lacking.is_empty() {
            map.value("lacking", &self.lacking);
        }
        if !self.photos.is_empty() {
            map.value("photos", &self.photos);
        }
        if !self.fields.is_empty() {
            map.raw("fields", &encode_fields(&self.fields));
        }
        for (key, value) in &self.unknown {
            map.raw(key, value.as_bytes());
        }
        map.finish()
    }

    /// Reads one operation: structural pre-pass, then shape.
    ///
    /// # Errors
    /// A code of scope `Operation`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Code> {
        if bytes.len() > limits::OPERATION_BYTES {
            return Err(Code::OperationTooLarge);
        }
        prepass::exact(bytes, BOUNDS)?;
        let parts = Parts::of(bytes)?;
        let required = |part: Option<_>| part.ok_or(Code::OperationShape);
        let kind = prepass::text(required(parts.kind)?).ok_or(Code::OperationShape)?;
        Ok(Self {
            id: OperationId(id(required(parts.id)?)?),
            record: RecordId(id(required(parts.record)?)?),
            kind: kind.into(),
            author: PersonId(id(required(parts.author)?)?),
            at: shape(plain_map(required(parts.at)?)?)?,
            heads: heads(parts.heads, limits::HEADS, Code::TooManyHeads)?,
            lacking: heads(parts.lacking, limits::LACKING, Code::TooManyLacking)?,
            fields: parts.fields.map_or_else(|| Ok(Fields::new()), decode_fields)?,
            photos: parts.photos.map_or_else(|| Ok(Vec::new()), decode_photos)?,
            schema: shape(required(parts.schema)?)?,
            unknown: parts.unknown,
        })
    }
}

/// Encodes a map of fields.
pub fn encode_fields(fields: &Fields) -> Vec<u8> {
    let mut map = MapWriter::new();
    for (name, value) in fields {
        map.raw(name, value.as_bytes());
    }
    map.finish()
}

/// Decodes a checked map of fields.
pub fn decode_fields(item: &[u8]) -> Result<Fields, Code> {
    match prepass::entry_count(item) {
        None | Some(0) => return Err(Code::OperationShape),
        Some(1..=limits::FIELDS) => {}
        Some(_) => return Err(Code::TooManyFields),
    }
    let read = |name, value| Some((Name::read(name)?, Raw::from_checked(value)));
    let entries = prepass::each_entry(item, read).ok_or(Code::OperationShape)?;
    Ok(entries.into_iter().collect())
}

fn decode_photos(item: &[u8]) -> Result<Vec<Photo>, Code> {
    let photos = prepass::elements(item).ok_or(Code::OperationShape)?;
    match photos.len() {
        0 => Err(Code::OperationShape),
        1..=limits::PHOTOS => photos.into_iter().map(|photo| shape(plain_map(photo)?)).collect(),
        _ => Err(Code::TooManyPhotos),
    }
}

fn heads(item: Option<&[u8]>, limit: usize, too_many: Code) -> Result<Vec<Head>, Code> {
    let Some(item) = item else { return Ok(Vec::new()) };
    let elements = prepass::elements(item).ok_or(Code::OperationShape)?;
    if elements.is_empty() {
        return Err(Code::OperationShape);
    }
    if elements.len() > limit {
        return Err(too_many);
    }
    let mut heads: Vec<Head> = Vec::with_capacity(elements.len());
    for element in elements {
        let bytes = prepass::byte_string(element).ok_or(Code::OperationShape)?;
        let head = Head::try_from(bytes).map_err(|_source| Code::OperationShape)?;
        if heads.last().is_some_and(|last| *last >= head) {
            return Err(Code::OperationShape);
        }
        heads.push(head);
    }
    Ok(heads)
}

fn id(item: &[u8]) -> Result<uuid::Uuid, Code> {
    let bytes = prepass::byte_string(item).ok_or(Code::OperationShape)?;
    uuid::Uuid::from_slice(bytes).map_err(|_source| Code::OperationShape)
}

/// A map with text keys and no null: an optional key is absent, so that one value has one encoding.
fn plain_map(item: &[u8]) -> Result<&[u8], Code> {
    let entries = prepass::entries(item).ok_or(Code::OperationShape)?;
    if entries.iter().any(|(_, value)| prepass::is_null(value)) {
        return Err(Code::OperationShape);
    }
    Ok(item)
}

fn shape<T: serde::de::DeserializeOwned>(item: &[u8]) -> Result<T, Code> {
    cbor::decode(item).map_err(|_source| Code::OperationShape)
}

/// An operation together with its identity: what the fold works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// SHA-256 of the encoded bytes.
    pub identity: Identity,
    /// The decoded operation.
    pub operation: Operation,
}

impl Identified {
    /// Decodes an operation and names it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Code> {
        Ok(Self { identity: Identity::of(bytes), operation: Operation::decode(bytes)? })
    }

    /// The head of its identity.
    pub fn head(&self) -> Head {
        self.identity.head()
    }
}
