//! Cases: who must act on a hazard and until when, as derived; fire-danger levels; the operations they follow from.

use std::collections::BTreeMap;

use sync_protocol::ids::{DeviceId, PersonId, RecordId};
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// A row of `cases`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// The hazard.
    pub record: RecordId,
    /// The number of its state.
    pub state: i64,
    /// It counts as open.
    pub is_open: bool,
    /// 0 none, 1 general, 2 serious, 3 critical.
    pub severity: i64,
    /// A major hazard.
    pub is_major: bool,
    /// The moment by which it must be acted on.
    pub due_ms: Option<i64>,
    /// The deadline that people were told.
    pub notified_ms: Option<i64>,
    /// The responsible unit.
    pub unit: Option<Uuid>,
    /// The number of the role whose turn it is.
    pub turn: Option<i64>,
    /// Since when.
    pub since_ms: i64,
    /// The number of its order.
    pub order_number: Option<String>,
    /// Extensions that were granted.
    pub extensions: i64,
    /// The change of the record that it was made of: an older one never takes its place.
    pub change: u64,
}

/// A fire-danger level as it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DangerRow {
    /// Name of the area; empty: the whole district.
    pub area: String,
    /// Since when.
    pub since_ms: i64,
    /// 1 to 5.
    pub level: i64,
    /// By whom.
    pub set_by: PersonId,
}

/// An operation behind a hazard, with where it came from.
#[derive(Clone, Debug)]
pub struct PastOperation {
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// Server time of first receipt.
    pub received_ms: i64,
    /// As its author encoded it.
    pub bytes: Vec<u8>,
}

/// What a list asks of cases: what is none is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// The role of this number must act.
    pub turn: Option<i64>,
    /// Of this unit, or one of these.
    pub units: Option<Vec<Uuid>>,
    /// Due before this.
    pub due_before_ms: Option<i64>,
    /// Overdue at this moment.
    pub overdue_at_ms: Option<i64>,
    /// Not overdue at this moment.
    pub not_overdue_at_ms: Option<i64>,
    /// Major hazards, or others.
    pub major: Option<bool>,
}

impl CaseFilter {
    /// Whether it asks anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

type CaseTuple = (
    Uuid,
    i64,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Uuid>,
    Option<i64>,
    i64,
    Option<String>,
    i64,
    i64,
);

const SELECT_CASES: &str = "SELECT record, state, is_open, severity, is_major, due_ms, notified_ms, unit, turn, \
     since_ms, order_number, extensions, change FROM cases WHERE district = ";
const SELECT_PAST: &str =
    "SELECT record, device, sequence, received_ms, bytes FROM operations WHERE district = ";
const COUNT_TURNS: &str =
    "SELECT coalesce(turn, -1), CAST(count(*) AS BIGINT), CAST(coalesce(sum(CASE WHEN due_ms <= ";
const COUNTED_TURNS: &str = " THEN 1 ELSE 0 END), 0) AS BIGINT) FROM cases WHERE district = ";
const SELECT_TOTALS: &str = "SELECT coalesce(turn, -1), CAST(count(*) AS BIGINT), \
     CAST(coalesce(sum(CASE WHEN due_ms <= $2 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM cases \
     WHERE district = $1 AND is_open = 1 GROUP BY coalesce(turn, -1)";
const INSERT_DANGER: &str = "INSERT INTO dangers (district, area, since_ms, level, set_by) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (district, area, since_ms) DO UPDATE SET level = excluded.level, set_by = excluded.set_by";
const SELECT_DANGERS: &str =
    "SELECT area, since_ms, level, set_by FROM dangers WHERE district = $1 ORDER BY since_ms, area";
const SELECT_LAST_DANGER: &str =
    "SELECT CAST(coalesce(max(since_ms), 0) AS BIGINT) FROM dangers WHERE district = $1";

fn case_row(row: CaseTuple) -> CaseRow {
    let (record, state, open, severity, major, due_ms, notified_ms, unit, turn, since_ms, ..) = row;
    let (.., number, extensions, change) = row;
    CaseRow {
        record: RecordId(record),
        state,
        is_open: open != 0,
        severity,
        is_major: major != 0,
        due_ms,
        notified_ms,
        unit,
        turn,
        since_ms,
        order_number: number,
        extensions,
        change: unsigned(change),
    }
}

/// Adds what is asked of a case to a condition that ends with `… AND `.
macro_rules! push_case_filter {
    ($query:expr, $filter:expr) => {{
        $query.push(" AND cases.is_open = 1");
        if let Some(turn) = $filter.turn {
            $query.push(" AND cases.turn = ").push_bind(turn);
        }
        if let Some(at_ms) = $filter.due_before_ms {
            $query.push(" AND cases.due_ms < ").push_bind(at_ms);
        }
        if let Some(at_ms) = $filter.overdue_at_ms {
            $query.push(" AND cases.due_ms <= ").push_bind(at_ms);
        }
        if let Some(at_ms) = $filter.not_overdue_at_ms {
            $query.push(" AND (cases.due_ms IS NULL OR cases.due_ms > ").push_bind(at_ms).push(")");
        }
        if let Some(major) = $filter.major {
            $query.push(" AND cases.is_major = ").push_bind(i64::from(major));
        }
        if let Some(units) = &$filter.units {
            $query.push(" AND cases.unit IN (");
            let mut list = $query.separated(", ");
            for unit in units {
                list.push_bind(*unit);
            }
            if units.is_empty() {
                list.push("NULL");
            }
            $query.push(")");
        }
    }};
}
pub(super) use push_case_filter;

impl Transaction {
    /// Writes cases.
    pub async fn upsert_cases(&mut self, district: DistrictKey, rows: &[CaseRow]) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "cases (district, record, state, is_open, severity, is_major, due_ms, notified_ms, unit, turn, \
             since_ms, order_number, extensions, change) ",
            " ON CONFLICT (district, record) DO UPDATE SET state = excluded.state, is_open = excluded.is_open, \
             severity = excluded.severity, is_major = excluded.is_major, due_ms = excluded.due_ms, \
             notified_ms = excluded.notified_ms, unit = excluded.unit, turn = excluded.turn, \
             since_ms = excluded.since_ms, order_number = excluded.order_number, extensions = excluded.extensions, \
             change = excluded.change WHERE cases.change <= excluded.change",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.state)
                .push_bind(i64::from(item.is_open))
                .push_bind(item.severity)
                .push_bind(i64::from(item.is_major))
                .push_bind(item.due_ms)
                .push_bind(item.notified_ms)
                .push_bind(item.unit)
                .push_bind(item.turn)
                .push_bind(item.since_ms)
                .push_bind(item.order_number.as_deref())
                .push_bind(item.extensions)
                .push_bind(signed(item.change))
        );
        Ok(())
    }

    /// Deletes the cases of these records.
    pub async fn delete_cases(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        self.delete_of("DELETE FROM cases WHERE district = ", district, records).await
    }

    /// The cases of these records.
    pub async fn cases(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, CaseRow>, StoreError> {
        let mut cases = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<CaseTuple> = each_backend!(self, connection => {
                let mut query = Db::by_ids(SELECT_CASES, district, "record", chunk.iter().map(|key| key.0));
                query.build_query_as().fetch_all(connection).await?
            });
            cases.extend(rows.into_iter().map(|row| (RecordId(row.0), case_row(row))));
        }
        Ok(cases)
    }

    /// Of open hazards by the number of the role whose turn it is (-1: nobody's): how many, and how many are overdue.
    pub async fn case_totals(
        &mut self,
        district: DistrictKey,
        now_ms: i64,
    ) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        Ok(fetch_all!(self, (i64, i64, i64), SELECT_TOTALS, district.0, now_ms))
    }

    /// The same of the hazards of units.
    pub async fn unit_case_totals(
        &mut self,
        district: DistrictKey,
        units: &[Uuid],
        now_ms: i64,
    ) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        Ok(each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(COUNT_TURNS);
            query.push_bind(now_ms).push(COUNTED_TURNS).push_bind(district.0);
            query.push(" AND is_open = 1 AND unit IS NOT NULL AND unit");
            Db::push_ids(&mut query, units.iter().copied());
            query.push(" GROUP BY coalesce(turn, -1)");
            query.build_query_as().fetch_all(connection).await?
        }))
    }

    /// The operations behind these hazards.
    pub async fn past_operations(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, Vec<PastOperation>>, StoreError> {
        let mut found: BTreeMap<RecordId, Vec<PastOperation>> = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, Uuid, i64, i64, Vec<u8>)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(SELECT_PAST, district, "record", chunk.iter().map(|key| key.0));
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, device, sequence, received_ms, bytes) in rows {
                let (device, sequence) = (DeviceId(device), unsigned(sequence));
                let past = PastOperation { device, sequence, received_ms, bytes };
                found.entry(RecordId(record)).or_default().push(past);
            }
        }
        Ok(found)
    }

    /// Sets a fire-danger level.
    pub async fn set_danger(&mut self, district: DistrictKey, danger: &DangerRow) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT_DANGER,
            district.0,
            danger.area.as_str(),
            danger.since_ms,
            danger.level,
            danger.set_by.0
        );
        Ok(())
    }

    /// Every fire-danger level that was set, the oldest first.
    pub async fn dangers(&mut self, district: DistrictKey) -> Result<Vec<DangerRow>, StoreError> {
        let rows = fetch_all!(self, (String, i64, i64, Uuid), SELECT_DANGERS, district.0);
        let row = |(area, since_ms, level, by)| DangerRow { area, since_ms, level, set_by: PersonId(by) };
        Ok(rows.into_iter().map(row).collect())
    }

    /// When a fire-danger level was last set; 0 where none was.
    pub async fn last_danger(&mut self, district: DistrictKey) -> Result<i64, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_LAST_DANGER, district.0).map_or(0, |(since,)| since))
    }
}
