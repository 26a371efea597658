//! What the office reads: records by urgency, what stands behind one record, conflicts and quarantine by age.
//!
//! Every list is a keyset page: it seeks to where the last page ended and reads so many rows, never a count.
//! [`Condition`] is the closed set of filters; a caller names no column. Which rows to show of what was read,
//! and what they mean, is decided above.

use sync_protocol::ids::{DeviceId, Identity, PersonId, RecordId};
use uuid::Uuid;

use super::cases::{CaseFilter, push_case_filter};
use super::facts::{FactFilter, push_filter};
use super::rows::{Keys as _, RecordTuple, record_row};
use super::{RecordRow, StoreError, Transaction, each_backend, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::{Class, Collection, DistrictKey};

/// A filter on the records of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its state is one of these numbers.
    StateIn(Vec<i64>),
    /// It is of this class.
    Class(Class),
    /// These bits of its flags are set.
    FlagsSet(i64),
    /// These bits of its flags are clear.
    FlagsClear(i64),
    /// Its place lies in one of these ranges of keys.
    PlaceIn(Vec<(i64, i64)>),
    /// It changed after this.
    ChangedAfter(u64),
    /// One of these units answers for it.
    UnitIn(Vec<Uuid>),
    /// What is derived of it, as a hazard, is so.
    Fact(FactFilter),
    /// It is open, and its case is so.
    Case(CaseFilter),
}

/// The order of a list of records, and where its last page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Worst class first, then oldest change; nothing newer than `through`.
    WorstFirst {
        /// Number of the class and change of the last row seen.
        after: (i64, u64),
        /// The last change that belongs to the list.
        through: u64,
    },
    /// Oldest change first.
    ByChange {
        /// The change of the last row seen.
        after: u64,
    },
}

/// An operation in the ledger, as far as the office is shown it.
#[derive(Clone, Debug)]
pub struct LedgerOperation {
    /// Its identity.
    pub identity: Identity,
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// The number of its disposition.
    pub disposition: i64,
    /// Bits of [`crate::domain::operation_flags`].
    pub flags: i64,
    /// Server time of first receipt.
    pub received_ms: i64,
    /// As its author encoded it.
    pub bytes: Vec<u8>,
}

/// Where a page of conflicts ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictAt {
    /// The change that opened it.
    pub opened_change: u64,
    /// The record.
    pub record: RecordId,
    /// A field or `lifecycle`.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// An open conflict of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictListed {
    /// Its place in the list.
    pub at: ConflictAt,
    /// Server time at which it opened.
    pub opened_ms: i64,
}

/// Where a page of the quarantine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineAt {
    /// Server time of receipt.
    pub received_ms: i64,
    /// The operation.
    pub identity: Identity,
}

/// Which part of the quarantine to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantinePart {
    /// All of it.
    Whole,
    /// What waits.
    Waiting,
    /// What was released.
    Released,
}

/// A quarantined operation of a list.
#[derive(Clone, Debug)]
pub struct QuarantineListed {
    /// SHA-256 of its bytes.
    pub identity: Identity,
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// The record it names, where it could be read.
    pub record: Option<RecordId>,
    /// Its author, where it could be read.
    pub author: Option<PersonId>,
    /// Why.
    pub code: String,
    /// The value at fault.
    pub at: String,
    /// Server time of receipt.
    pub received_ms: i64,
    /// How many bytes it has.
    pub length: u64,
    /// The first of them, as many as were asked for; none where it is redacted.
    pub bytes: Vec<u8>,
    /// The release that let it take effect.
    pub released_by: Option<Identity>,
    /// Whether that decision was to write it off.
    pub is_written_off: bool,
}

const RECORD_COLUMNS: &str = "SELECT record, collection, change, class, state, flags, number, received_ms, place, \
     place_since, unit, view FROM records WHERE district = ";
const SELECT_OPERATIONS: &str = "SELECT identity, device, sequence, disposition, flags, received_ms, bytes \
     FROM operations WHERE district = $1 AND record = $2 ORDER BY received_ms, device, sequence, identity";
const SELECT_CONFLICTS: &str = "SELECT opened_change, record, subject, reason, opened_ms FROM conflicts \
     WHERE district = $1 AND (opened_change, record, subject, reason) > ($2, $3, $4, $5) \
     ORDER BY opened_change, record, subject, reason LIMIT $6 + 0";
const SELECT_CONFLICTS_OF: &str = "SELECT opened_change, record, subject, reason, opened_ms FROM conflicts \
     WHERE district = $1 AND record = $2 ORDER BY subject, reason";
const SELECT_QUARANTINE: &str = "SELECT identity, device, sequence, record, author, code, at, received_ms, \
     CAST(length(bytes) AS BIGINT), substr(bytes, 1, CASE WHEN is_redacted = 1 THEN 0 ELSE CAST($2 AS INTEGER) END), released_by, is_written_off FROM quarantine \
     WHERE district = $1 AND (received_ms, identity) > ($3, $4) \
     AND ($5 = 0 OR ($5 = 1 AND released_by IS NULL) OR ($5 = 2 AND released_by IS NOT NULL)) \
     AND ($7 IS NULL OR device = $7) ORDER BY received_ms, identity LIMIT $6 + 0";
const SELECT_QUARANTINE_OF: &str = "SELECT identity, device, sequence, record, author, code, at, received_ms, \
     CAST(length(bytes) AS BIGINT), substr(bytes, 1, CASE WHEN is_redacted = 1 THEN 0 ELSE CAST($2 AS INTEGER) END), released_by, is_written_off FROM quarantine \
     WHERE district = $1 AND record = $3 ORDER BY received_ms, identity LIMIT $4 + 0";
const SELECT_QUARANTINED: &str = "SELECT identity, device, sequence, record, author, code, at, received_ms, \
     CAST(length(bytes) AS BIGINT), CASE WHEN is_redacted = 1 THEN substr(bytes, 1, 0) ELSE bytes END, released_by, is_written_off FROM quarantine WHERE district = $1 AND identity = $2";

type QuarantineColumns =
    (Vec<u8>, Uuid, i64, Option<Uuid>, Option<Uuid>, String, String, i64, i64, Vec<u8>, Option<Vec<u8>>, i64);
type ConflictColumns = (i64, Uuid, String, String, i64);

fn identity(bytes: &[u8]) -> Result<Identity, StoreError> {
    Identity::try_from(bytes).map_err(|_source| StoreError::Damaged("identity"))
}

fn conflict_listed((opened_change, record, subject, reason, opened_ms): ConflictColumns) -> ConflictListed {
    let at = ConflictAt { opened_change: unsigned(opened_change), record: RecordId(record), subject, reason };
    ConflictListed { at, opened_ms }
}

fn quarantine_listed(row: QuarantineColumns) -> Result<QuarantineListed, StoreError> {
    let (
        id,
        device,
        sequence,
        record,
        author,
        code,
        at,
        received_ms,
        length,
        bytes,
        released_by,
        written_off,
    ) = row;
    Ok(QuarantineListed {
        identity: identity(&id)?,
        device: DeviceId(device),
        sequence: unsigned(sequence),
        record: record.map(RecordId),
        author: author.map(PersonId),
        code,
        at,
        received_ms,
        length: unsigned(length),
        bytes,
        released_by: released_by.as_deref().map(identity).transpose()?,
        is_written_off: written_off != 0,
    })
}

/// Adds a condition to a query of records.
macro_rules! push_condition {
    ($query:expr, $district:expr, $condition:expr) => {
        match $condition {
            Condition::StateIn(states) => {
                $query.push(" AND state IN (");
                let mut list = $query.separated(", ");
                for state in states {
                    list.push_bind(*state);
                }
                $query.push(")");
            }
            Condition::Class(class) => drop($query.push(" AND class = ").push_bind(class.number())),
            Condition::FlagsSet(bits) => {
                $query.push(" AND (flags & ").push_bind(*bits).push(") = ").push_bind(*bits);
            }
            Condition::FlagsClear(bits) => drop($query.push(" AND (flags & ").push_bind(*bits).push(") = 0")),
            Condition::PlaceIn(ranges) => {
                $query.push(" AND place IS NOT NULL AND (1 = 0");
                for (low, high) in ranges {
                    $query.push(" OR place BETWEEN ").push_bind(*low).push(" AND ").push_bind(*high);
                }
                $query.push(")");
            }
            Condition::ChangedAfter(change) => {
                $query.push(" AND change > ").push_bind(signed(*change));
            }
            Condition::UnitIn(units) => {
                $query.push(" AND unit IS NOT NULL AND unit");
                Db::push_ids(&mut $query, units.iter().copied());
            }
            Condition::Fact(filter) => {
                $query.push(" AND record IN (SELECT record FROM facts WHERE district = ");
                $query.push_bind($district.0).push(" AND record_type = 0");
                push_filter!($query, filter);
                $query.push(")");
            }
            Condition::Case(filter) => {
                $query.push(" AND record IN (SELECT record FROM cases WHERE district = ");
                $query.push_bind($district.0);
                push_case_filter!($query, filter);
                $query.push(")");
            }
        }
    };
}

impl Transaction {
    /// A page of the district's records.
    pub async fn list_records(
        &mut self,
        district: DistrictKey,
        conditions: &[Condition],
        order: Order,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let rows: Vec<RecordTuple> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(RECORD_COLUMNS);
            query.push_bind(district.0).push(" AND collection = ").push_bind(Collection::Records.number());
            for condition in conditions {
                push_condition!(query, district, condition);
            }
            match order {
                Order::WorstFirst { after: (class, change), through } => {
                    query.push(" AND (class, change) > (").push_bind(class).push(", ").push_bind(signed(change));
                    query.push(") AND change <= ").push_bind(signed(through)).push(" ORDER BY class, change LIMIT 0 + ");
                }
                Order::ByChange { after } => {
                    // Every class by its number: the index leads with it.
                    query.push(" AND class IN (");
                    let mut list = query.separated(", ");
                    for class in Class::ALL {
                        list.push_bind(class.number());
                    }
                    query.push(") AND change > ").push_bind(signed(after)).push(" ORDER BY change LIMIT 0 + ");
                }
            }
            query.push_bind(i64::from(limit));
            query.build_query_as().fetch_all(connection).await?
        });
        Ok(rows.into_iter().map(record_row).collect())
    }

    /// Every operation of a record, as first received.
    pub async fn ledger_operations(
        &mut self,
        district: DistrictKey,
        record: RecordId,
    ) -> Result<Vec<LedgerOperation>, StoreError> {
        type Row = (Vec<u8>, Uuid, i64, i64, i64, i64, Vec<u8>);
        fetch_all!(self, Row, SELECT_OPERATIONS, district.0, record.0)
            .into_iter()
            .map(|(id, device, sequence, disposition, flags, received_ms, bytes)| {
                Ok(LedgerOperation {
                    identity: identity(&id)?,
                    device: DeviceId(device),
                    sequence: unsigned(sequence),
                    disposition,
                    flags,
                    received_ms,
                    bytes,
                })
            })
            .collect()
    }

    /// A page of open conflicts, oldest first.
    pub async fn list_conflicts(
        &mut self,
        district: DistrictKey,
        after: &ConflictAt,
        limit: u32,
    ) -> Result<Vec<ConflictListed>, StoreError> {
        let rows = fetch_all!(
            self,
            ConflictColumns,
            SELECT_CONFLICTS,
            district.0,
            signed(after.opened_change),
            after.record.0,
            after.subject.as_str(),
            after.reason.as_str(),
            i64::from(limit)
        );
        Ok(rows.into_iter().map(conflict_listed).collect())
    }

    /// The open conflicts of a record.
    pub async fn conflicts_of(
        &mut self,
        district: DistrictKey,
        record: RecordId,
    ) -> Result<Vec<ConflictListed>, StoreError> {
        let rows = fetch_all!(self, ConflictColumns, SELECT_CONFLICTS_OF, district.0, record.0);
        Ok(rows.into_iter().map(conflict_listed).collect())
    }

    /// A page of the quarantine, of one device or of all, oldest first, with so many bytes of each operation.
    pub async fn list_quarantine(
        &mut self,
        district: DistrictKey,
        (part, device): (QuarantinePart, Option<DeviceId>),
        after: Option<QuarantineAt>,
        bytes: u32,
        limit: u32,
    ) -> Result<Vec<QuarantineListed>, StoreError> {
        let after = after.unwrap_or(QuarantineAt { received_ms: i64::MIN, identity: Identity([0; 32]) });
        let part = match part {
            QuarantinePart::Whole => 0_i64,
            QuarantinePart::Waiting => 1,
            QuarantinePart::Released => 2,
        };
        fetch_all!(
            self,
            QuarantineColumns,
            SELECT_QUARANTINE,
            district.0,
            i64::from(bytes),
            after.received_ms,
            after.identity.0.to_vec(),
            part,
            i64::from(limit),
            device.map(|device| device.0)
        )
        .into_iter()
        .map(quarantine_listed)
        .collect()
    }

    /// The oldest quarantined operations that name a record.
    pub async fn quarantine_of(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        bytes: u32,
        limit: u32,
    ) -> Result<Vec<QuarantineListed>, StoreError> {
        fetch_all!(
            self,
            QuarantineColumns,
            SELECT_QUARANTINE_OF,
            district.0,
            i64::from(bytes),
            record.0,
            i64::from(limit)
        )
        .into_iter()
        .map(quarantine_listed)
        .collect()
    }

    /// One quarantined operation with all of its bytes.
    pub async fn quarantined_whole(
        &mut self,
        district: DistrictKey,
        identity: Identity,
    ) -> Result<Option<QuarantineListed>, StoreError> {
        fetch_optional!(self, QuarantineColumns, SELECT_QUARANTINED, district.0, identity.0.to_vec())
            .map(quarantine_listed)
            .transpose()
    }
}
