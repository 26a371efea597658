//! Reference data: lines, structures and regions as rows of `records`, and the versions by which they came.

use sync_protocol::ids::RecordId;

use super::rows::{RecordTuple, record_row};
use super::values::RecordRow;
use super::{StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::{Collection, DistrictKey};

/// Kinds of reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// Lines and structures.
    Grid,
    /// Districts and townships.
    Regions,
    /// The rules of the bureau.
    Rules,
}

impl ReferenceKind {
    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Regions => "regions",
            Self::Rules => "rules",
        }
    }

    /// The collection in which its rows travel.
    pub const fn collection(self) -> Collection {
        match self {
            Self::Grid => Collection::Grid,
            Self::Regions => Collection::Areas,
            Self::Rules => Collection::Rules,
        }
    }
}

/// A version of reference data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceVersion {
    /// The change by which it came.
    pub change: u64,
    /// Hexadecimal SHA-256 of its content.
    pub version: String,
    /// When it came, milliseconds since 1970.
    pub imported_ms: i64,
    /// What the import came to: JSON.
    pub report: String,
}

const SELECT_REFERENCE: &str = "SELECT record, collection, change, class, state, flags, number, received_ms, place, \
     place_since, unit, view FROM records WHERE district = $1 AND collection = $2 AND collection IN (2, 3) ORDER BY record";
const SELECT_VERSION: &str = "SELECT change, version, imported_ms FROM reference_versions \
     WHERE district = $1 AND kind = $2 ORDER BY change DESC LIMIT 1";
const SELECT_VERSIONS: &str = "SELECT change, version, imported_ms, report FROM reference_versions \
     WHERE district = $1 AND kind = $2 ORDER BY change DESC LIMIT $3 + 0";
const INSERT_VERSION: &str = "INSERT INTO reference_versions (district, kind, change, version, imported_ms, report) \
     VALUES ($1, $2, $3, $4, $5, $6)";

impl Transaction {
    /// Every row of a kind of reference data, retired ones too, by record.
    pub async fn reference_rows(
        &mut self,
        district: DistrictKey,
        kind: ReferenceKind,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let collection = kind.collection().number();
        let rows = fetch_all!(self, RecordTuple, SELECT_REFERENCE, district.0, collection);
        Ok(rows.into_iter().map(record_row).collect())
    }

    /// The change and version that are in force; none before the first import.
    pub async fn reference_version(
        &mut self,
        district: DistrictKey,
        kind: ReferenceKind,
    ) -> Result<Option<(u64, String)>, StoreError> {
        let row = fetch_optional!(self, (i64, String, i64), SELECT_VERSION, district.0, kind.as_str());
        Ok(row.map(|(change, version, _)| (unsigned(change), version)))
    }

    /// The last versions, newest first.
    pub async fn reference_versions(
        &mut self,
        district: DistrictKey,
        kind: ReferenceKind,
        limit: u32,
    ) -> Result<Vec<ReferenceVersion>, StoreError> {
        type Row = (i64, String, i64, String);
        let rows = fetch_all!(self, Row, SELECT_VERSIONS, district.0, kind.as_str(), i64::from(limit));
        let version = |(change, version, imported_ms, report): Row| ReferenceVersion {
            change: unsigned(change),
            version,
            imported_ms,
            report,
        };
        Ok(rows.into_iter().map(version).collect())
    }

    /// Notes a version.
    pub async fn insert_reference_version(
        &mut self,
        district: DistrictKey,
        kind: ReferenceKind,
        version: &ReferenceVersion,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT_VERSION,
            district.0,
            kind.as_str(),
            signed(version.change),
            version.version.as_str(),
            version.imported_ms,
            version.report.as_str()
        );
        Ok(())
    }
}

impl RecordRow {
    /// A new row of reference data. It has no place: a line reaches further than its beginning, so that every phone of
    /// the district holds the whole grid.
    pub fn reference(record: RecordId, kind: ReferenceKind, change: u64, now_ms: i64, view: Vec<u8>) -> Self {
        Self {
            record,
            collection: kind.collection().number(),
            change,
            class: crate::domain::Class::Other.number(),
            state: crate::domain::state_number(sync_protocol::view::State::Recorded),
            flags: crate::domain::record_flags::NOT_HAZARD,
            number: 0,
            received_ms: now_ms,
            place: None,
            place_since: change,
            unit: None,
            view: view.into(),
        }
    }
}
