//! Reading the ledger whole, in the order of records, to prove it.

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{StoreError, Transaction, fetch_all, fetch_optional, unsigned};
use crate::domain::DistrictKey;

/// A record as stored.
#[derive(Clone, Debug)]
pub struct CheckedRecord {
    /// The record.
    pub record: RecordId,
    /// The number of its collection.
    pub collection: i64,
    /// The number of its class.
    pub class: i64,
    /// The number of its state.
    pub state: i64,
    /// Bits of [`crate::domain::record_flags`].
    pub flags: i64,
    /// The unit that answers for it.
    pub unit: Option<Uuid>,
    /// The encoded view.
    pub view: Vec<u8>,
}

/// An operation as stored.
#[derive(Clone, Debug)]
pub struct CheckedOperation {
    /// Its bytes.
    pub bytes: Vec<u8>,
}

const SELECT_RECORDS: &str = "SELECT record, collection, class, state, flags, unit, view FROM records \
     WHERE district = $1 AND record > $2 ORDER BY record LIMIT $3 + 0";
const COUNT_OPERATIONS: &str = "SELECT count(*) FROM operations WHERE district = $1";
const COUNT_QUARANTINE: &str = "SELECT count(*) FROM quarantine WHERE district = $1";
const SELECT_RELEASED: &str = "SELECT identity, released_by, record FROM quarantine \
     WHERE district = $1 AND released_by IS NOT NULL";
// Releases are made by hand: there are few.
const COUNT_RELEASED: &str = "SELECT o.disposition, count(*) FROM quarantine q JOIN operations o \
     ON o.district = q.district AND o.record = q.record AND o.identity = q.released_by \
     WHERE q.district = $1 AND q.released_by IS NOT NULL GROUP BY o.disposition";
const SELECT_TALLIES: &str = "SELECT name, amount FROM tallies WHERE district = $1 ORDER BY name";

impl Transaction {
    /// Records after a record, ascending.
    pub async fn records_after(
        &mut self,
        district: DistrictKey,
        after: RecordId,
        limit: u32,
    ) -> Result<Vec<CheckedRecord>, StoreError> {
        type Row = (Uuid, i64, i64, i64, i64, Option<Uuid>, Vec<u8>);
        let rows = fetch_all!(self, Row, SELECT_RECORDS, district.0, after.0, i64::from(limit));
        let record = |(record, collection, class, state, flags, unit, view): Row| {
            let record = RecordId(record);
            CheckedRecord { record, collection, class, state, flags, unit, view }
        };
        Ok(rows.into_iter().map(record).collect())
    }

    /// How many operations are stored, in quarantine or out of it.
    pub async fn operation_counts(&mut self, district: DistrictKey) -> Result<(u64, u64), StoreError> {
        let applied = fetch_optional!(self, (i64,), COUNT_OPERATIONS, district.0).map_or(0, |(count,)| count);
        let held = fetch_optional!(self, (i64,), COUNT_QUARANTINE, district.0).map_or(0, |(count,)| count);
        Ok((unsigned(applied), unsigned(held)))
    }

    /// Released operations: identity, identity of the release, record.
    pub async fn released(
        &mut self,
        district: DistrictKey,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>, Option<RecordId>)>, StoreError> {
        let rows = fetch_all!(self, (Vec<u8>, Vec<u8>, Option<Uuid>), SELECT_RELEASED, district.0);
        Ok(rows.into_iter().map(|(identity, by, record)| (identity, by, record.map(RecordId))).collect())
    }

    /// How many released operations have which disposition: that of their release.
    pub async fn released_counts(&mut self, district: DistrictKey) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(fetch_all!(self, (i64, i64), COUNT_RELEASED, district.0))
    }

    /// Every tally of the district.
    pub async fn tallies(&mut self, district: DistrictKey) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(fetch_all!(self, (String, i64), SELECT_TALLIES, district.0))
    }
}
