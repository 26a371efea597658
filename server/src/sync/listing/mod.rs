//! What the office is shown: lists in pages, one record with everything behind it, totals.
//!
//! Rows of the store in, values that say themselves out (as JSON or on a page). Nothing is written here; what
//! the office does is in [`super::decide`] and [`super::office`]. Start at [`hazards`].

pub mod cases;
pub mod conflicts;
pub mod devices;
mod evidence;
pub mod facts;
mod fields;
pub mod hazards;
pub(super) mod operations;
pub mod placement;
pub mod quarantine;
pub mod record;
pub mod totals;

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, PersonId};
use sync_protocol::kind::Kind;
use sync_protocol::prepass::{self, Bounds};
use sync_protocol::view::{View, WriterIndex};
use utoipa::ToSchema;

use super::SyncError;
use super::office::SERVER_AUTHOR;
use crate::domain::{District, DistrictKey};
use crate::store::{StoreError, Transaction};

/// Rows of one page, at most.
pub const PAGE_MAX: u32 = 500;
/// Rows of a page where none were asked for.
pub const PAGE_DEFAULT: u32 = 100;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next one begins; none: this was the last.
    pub next: Option<String>,
}

/// The structure of a cursor: a flat array.
const CURSOR_BOUNDS: Bounds = Bounds { depth: 2, items: 16 };

/// Encodes where a page ended.
pub(super) fn cursor<T: Serialize>(at: &T) -> String {
    URL_SAFE_NO_PAD.encode(cbor::encode(at))
}

/// Decodes a cursor.
///
/// # Errors
/// [`Code::CursorInvalid`].
pub(super) fn read_cursor<T: DeserializeOwned>(text: &str) -> Result<T, SyncError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .filter(|bytes| prepass::exact(bytes, CURSOR_BOUNDS).is_ok())
        .and_then(|bytes| cbor::decode(&bytes).ok())
        .ok_or(SyncError::Refused(Code::CursorInvalid))
}

/// Names of persons.
#[derive(Debug, Default)]
pub struct Names(HashMap<PersonId, String>);

impl Names {
    /// Of these persons.
    pub(super) async fn of(
        transaction: &mut Transaction,
        district: DistrictKey,
        persons: impl IntoIterator<Item = PersonId>,
    ) -> Result<Self, StoreError> {
        let mut names = HashMap::new();
        for id in persons.into_iter().collect::<BTreeSet<_>>() {
            if let Some(person) = transaction.person(district, id).await? {
                names.insert(id, person.name);
            }
        }
        Ok(Self(names))
    }

    /// The name of a person; none where the district does not know them.
    pub fn get(&self, person: PersonId) -> Option<String> {
        if person == SERVER_AUTHOR { Some("服务器".to_owned()) } else { self.0.get(&person).cloned() }
    }
}

/// An operation that a view refers to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct By {
    /// The head of its identity, hexadecimal.
    pub operation: String,
    /// Its kind.
    pub kind: String,
    /// Its kind in Chinese; an unknown kind as it is.
    pub kind_zh: String,
    /// Its author.
    pub author: String,
    /// The author's name, where the district knows them.
    pub author_name: Option<String>,
}

impl By {
    fn of(head: Head, kind: &str, author: PersonId, names: &Names) -> Self {
        Self {
            operation: head.to_string(),
            kind: kind.to_owned(),
            kind_zh: Kind::parse(kind).map_or(kind, |known| known.zh()).to_owned(),
            author: author.to_string(),
            author_name: names.get(author),
        }
    }

    /// The writer of an index; none where the view is damaged.
    fn writer(view: &View, index: WriterIndex, names: &Names) -> Option<Self> {
        let writer = view.writer(index)?;
        Some(Self::of(writer.head, writer.kind.as_str(), writer.author, names))
    }
}

/// A district's calendar; by default UTC.
#[derive(Debug)]
pub struct Calendar {
    code: String,
    zone: TimeZone,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { code: String::new(), zone: TimeZone::UTC }
    }
}

impl Calendar {
    /// Of a district; a zone that this machine does not know counts as UTC.
    pub fn of(district: &District) -> Self {
        let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
        Self { code: district.code.clone(), zone }
    }

    /// 编号: the district's code, the local year of first receipt, the number; none where none was given.
    pub fn number(&self, number: u64, received_ms: i64) -> Option<String> {
        let year = Timestamp::from_millisecond(received_ms).ok()?.to_zoned_datetime(self.zone.clone()).year();
        (number > 0).then(|| format!("{}-{year}-{number:06}", self.code))
    }

    /// The local year of a moment.
    pub fn year(&self, at_ms: i64) -> i64 {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        i64::from(at.to_zoned_datetime(self.zone.clone()).year())
    }

    /// Local date and time to the minute.
    pub fn minute(&self, at_ms: i64) -> String {
        Timestamp::from_millisecond(at_ms).map_or_else(
            |_source| "—".to_owned(),
            |at| at.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        )
    }
}
