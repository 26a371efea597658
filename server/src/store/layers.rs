//! Reading what the map keeps: pages of hazards and of their states by id, and counts that end at a bound.
//!
//! A box is looked up by ranges of place keys where few rows lie in them, else rows are walked by id and looked at; both
//! give the same rows in the same order. Which is taken is decided in `sync::layers::kept`.

use sqlx::{Database, Postgres, QueryBuilder, Sqlite};
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::map_rows::{COLUMNS, Hazards, SELECT_AS_TEXT};
use super::map_states::STATE_COLUMNS;
use super::predicates::push_predicate;
use super::rows::Keys as _;
use super::{
    FactType, MapHazardRow, MapStateRow, StoreError, Transaction, each_backend, fetch_all, signed, unsigned,
};
use crate::domain::{DistrictKey, record_flags};
use crate::layers::predicate::Predicate;
use crate::report::rows::StretchKind;

/// A table of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapTable {
    /// Hazards as they are now.
    Hazards,
    /// The states that they were in.
    States,
}

impl MapTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Hazards => "map_hazards",
            Self::States => "map_states",
        }
    }
}

/// What is asked of the records of hazards, as the ledger's list asks it: what is none is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfRecord {
    /// Changed after this change of the ledger.
    pub changed_after: Option<u64>,
    /// Operations of it are named that the ledger does not hold, or none are.
    pub is_missing: Option<bool>,
    /// Found by a supervisory inspection, or otherwise.
    pub is_supervised: Option<bool>,
}

impl OfRecord {
    /// Nothing is asked.
    pub const NOTHING: Self = Self { changed_after: None, is_missing: None, is_supervised: None };

    /// Whether nothing is asked.
    pub const fn is_nothing(&self) -> bool {
        self.changed_after.is_none() && self.is_missing.is_none() && self.is_supervised.is_none()
    }
}

/// Which rows of the map: what is none is not asked.
#[derive(Clone, Debug, Default)]
pub struct MapFilter {
    /// With a position in this box, degrees × 1e7, ends included: south, west, north, east.
    pub within: Option<[i64; 4]>,
    /// Ranges of place keys that hold the box, by which its rows are looked up; as many each time.
    pub ranges: Option<Vec<(i64, i64)>>,
    /// Of hazards: found in this interval; of states: in that state at some moment of it. Milliseconds, ends included.
    pub at_ms: Option<(i64, i64)>,
    /// Of these units.
    pub units: Option<Vec<Uuid>>,
    /// Of which this may hold: exactly, or as far as [`super::is_exact`] says.
    pub predicate: Option<Predicate>,
    /// Of hazards: what is asked of their records.
    pub of_record: OfRecord,
}

impl MapFilter {
    /// Ascending by id. The rows of a unit are few: they are found by it and sorted, not looked for among all by id.
    const fn order(&self) -> &'static str {
        if self.units.is_some() { " ORDER BY +id LIMIT 0 + " } else { " ORDER BY id LIMIT 0 + " }
    }

    /// Whether its statement is one of few, which a connection may keep.
    const fn is_common(&self) -> bool {
        self.predicate.is_none()
    }
}

/// A stretch that was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkedRow {
    /// Its id.
    pub id: i64,
    /// The patrol.
    pub record: RecordId,
    /// The line.
    pub line: Uuid,
    /// The local day, counted from 1970-01-01.
    pub day: i64,
    /// Millimetres along the line, included.
    pub from_mm: i64,
    /// Millimetres along the line, excluded.
    pub to_mm: i64,
}

const SELECT_WALKED: &str = "SELECT id, record, line, day, from_mm, to_mm FROM stretches \
     WHERE district = $1 AND id > $2 AND day >= $3 AND day <= $4 ORDER BY id LIMIT $5 + 0";
const SELECT_FACT_RECORDS: &str =
    "SELECT record FROM facts WHERE district = $1 AND record_type = $2 AND day >= $3 AND day <= $4";
const SELECT_WORKED: &str = "SELECT record, line, from_mm, to_mm FROM stretches WHERE district = ";
const COUNT_WALKED: &str =
    "SELECT count(*) FROM stretches WHERE district = $1 AND kind = $2 AND day >= $3 AND day <= $4";

/// An index tells each end at once; asked for together they would be looked for among all rows.
const SELECT_FACT_DAYS: &str = "SELECT (SELECT min(day) FROM facts WHERE district = $1 AND record_type = $2), \
     (SELECT max(day) FROM facts WHERE district = $1 AND record_type = $2)";
const SELECT_STRETCH_DAYS: &str = "SELECT (SELECT min(day) FROM stretches WHERE district = $1 AND kind = $2), \
     (SELECT max(day) FROM stretches WHERE district = $1 AND kind = $2)";

/// How a database finds the rows of ranges of places, each range by itself.
trait Near: Database + Sized {
    /// Appends where rows come from, up to a condition that others may follow.
    fn push_near(
        query: &mut QueryBuilder<Self>,
        table: MapTable,
        district: DistrictKey,
        ranges: &[(i64, i64)],
    );
}

impl Near for Sqlite {
    fn push_near(
        query: &mut QueryBuilder<Self>,
        table: MapTable,
        district: DistrictKey,
        ranges: &[(i64, i64)],
    ) {
        query.push(" FROM (");
        query.push_values(ranges, |mut row, (low, high)| {
            row.push_bind(*low).push_bind(*high);
        });
        query.push(") AS ranges CROSS JOIN ").push(table.name());
        query.push(" WHERE place BETWEEN ranges.column1 AND ranges.column2 AND district = ");
        query.push_bind(district.0);
    }
}

/// It does not know how little of a table lies in a range that comes out of another, and would rather read all of it.
impl Near for Postgres {
    fn push_near(
        query: &mut QueryBuilder<Self>,
        table: MapTable,
        district: DistrictKey,
        ranges: &[(i64, i64)],
    ) {
        query.push(" FROM (");
        query.push_values(ranges, |mut row, (low, high)| {
            row.push_bind(*low).push_bind(*high);
        });
        query.push(") AS ranges CROSS JOIN LATERAL (SELECT * FROM ").push(table.name());
        query.push(" WHERE district = ").push_bind(district.0);
        query.push(" AND place BETWEEN ranges.column1 AND ranges.column2 OFFSET 0) AS near WHERE TRUE");
    }
}

/// Appends what is asked of the records of hazards.
macro_rules! push_of_record {
    ($query:expr, $district:expr, $asked:expr) => {{
        if let Some(change) = $asked.changed_after {
            $query.push(" AND change > ").push_bind(signed(change));
        }
        if let Some(is_missing) = $asked.is_missing {
            $query
                .push(" AND record IN (SELECT record FROM records WHERE district = ")
                .push_bind($district.0);
            $query.push(" AND (flags & ").push_bind(record_flags::MISSING);
            $query.push(if is_missing { ") <> 0)" } else { ") = 0)" });
        }
        if let Some(is_supervised) = $asked.is_supervised {
            $query.push(" AND record IN (SELECT record FROM facts WHERE district = ").push_bind($district.0);
            $query.push(" AND record_type = 0 AND is_supervised = ").push_bind(i64::from(is_supervised));
            $query.push(")");
        }
    }};
}

/// Begins a query of the rows that a filter names, up to and with every condition.
macro_rules! push_rows {
    ($query:expr, $table:expr, $district:expr, $filter:expr, $after:expr) => {{
        match &$filter.ranges {
            Some(ranges) => Db::push_near(&mut $query, $table, $district, ranges),
            None => {
                $query.push(" FROM ").push($table.name()).push(" WHERE district = ").push_bind($district.0);
            }
        }
        if let Some(after) = $after {
            $query.push(" AND id > ").push_bind(after);
        }
        if let Some([south, west, north, east]) = $filter.within {
            $query.push(" AND lat_e7 BETWEEN ").push_bind(south).push(" AND ").push_bind(north);
            $query.push(" AND lon_e7 BETWEEN ").push_bind(west).push(" AND ").push_bind(east);
        }
        match ($filter.at_ms, $table) {
            (None, _) => {}
            (Some((from_ms, to_ms)), MapTable::Hazards) => {
                $query.push(" AND found BETWEEN ").push_bind(from_ms).push(" AND ").push_bind(to_ms);
            }
            (Some((from_ms, to_ms)), MapTable::States) => {
                $query.push(" AND valid_from <= ").push_bind(to_ms);
                $query.push(" AND (valid_to IS NULL OR valid_to > ").push_bind(from_ms).push(")");
            }
        }
        if let Some(units) = &$filter.units {
            $query.push(" AND unit_id IS NOT NULL AND unit_id");
            Db::push_ids(&mut $query, units.iter().copied());
        }
        if let Some(predicate) = &$filter.predicate {
            $query.push(" AND ");
            push_predicate(&mut $query, predicate);
        }
        if $table == MapTable::Hazards {
            push_of_record!($query, $district, $filter.of_record);
        }
    }};
}

/// How the hazards of a page are handed over.
trait Given: Database + Sized {
    /// What stands before their columns.
    const BEFORE_HAZARDS: &'static str;
    /// What stands behind everything else.
    const AFTER_HAZARDS: &'static str;

    /// Runs the statement, kept or not.
    async fn hazards(
        query: QueryBuilder<Self>,
        is_kept: bool,
        connection: &mut Self::Connection,
    ) -> Result<Vec<MapHazardRow>, StoreError>;
}

/// As one text, for reasons that [`super::map_rows`] tells.
impl Given for Sqlite {
    const BEFORE_HAZARDS: &'static str = SELECT_AS_TEXT;
    const AFTER_HAZARDS: &'static str = ") AS page";

    async fn hazards(
        mut query: QueryBuilder<Self>,
        is_kept: bool,
        connection: &mut Self::Connection,
    ) -> Result<Vec<MapHazardRow>, StoreError> {
        let query = query.build_query_as().persistent(is_kept);
        let (text,): (Option<String>,) = query.fetch_one(connection).await?;
        Hazards(text.as_deref().unwrap_or_default()).collect()
    }
}

impl Given for Postgres {
    const BEFORE_HAZARDS: &'static str = "SELECT ";
    const AFTER_HAZARDS: &'static str = "";

    async fn hazards(
        mut query: QueryBuilder<Self>,
        is_kept: bool,
        connection: &mut Self::Connection,
    ) -> Result<Vec<MapHazardRow>, StoreError> {
        Ok(query.build_query_as().persistent(is_kept).fetch_all(connection).await?)
    }
}

impl Transaction {
    /// Hazards after an id, ascending by id.
    pub async fn map_hazards(
        &mut self,
        district: DistrictKey,
        filter: &MapFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<MapHazardRow>, StoreError> {
        if is_empty(filter) {
            return Ok(Vec::new());
        }
        each_backend!(self, connection => {
            let mut query = QueryBuilder::<Db>::new(Db::BEFORE_HAZARDS);
            query.push(COLUMNS);
            push_rows!(query, MapTable::Hazards, district, filter, after);
            query.push(filter.order()).push_bind(i64::from(limit)).push(Db::AFTER_HAZARDS);
            Db::hazards(query, filter.is_common(), connection).await
        })
    }

    /// States of hazards after an id, ascending by id.
    pub async fn map_states(
        &mut self,
        district: DistrictKey,
        filter: &MapFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<MapStateRow>, StoreError> {
        Ok(each_backend!(self, connection => {
            let mut query = QueryBuilder::<Db>::new("SELECT ");
            query.push(STATE_COLUMNS);
            push_rows!(query, MapTable::States, district, filter, after);
            query.push(filter.order()).push_bind(i64::from(limit));
            query.build_query_as().persistent(filter.is_common()).fetch_all(connection).await?
        }))
    }

    /// How many rows a filter names; at most `bound`, where there are so many or more.
    pub async fn count_on_map(
        &mut self,
        district: DistrictKey,
        table: MapTable,
        filter: &MapFilter,
        bound: u32,
    ) -> Result<u64, StoreError> {
        if is_empty(filter) {
            return Ok(0);
        }
        let (count,): (i64,) = each_backend!(self, connection => {
            let mut query = QueryBuilder::<Db>::new("SELECT count(*) FROM (SELECT 1");
            push_rows!(query, table, district, filter, None::<i64>);
            query.push(" LIMIT 0 + ").push_bind(i64::from(bound)).push(") AS found");
            query.build_query_as().persistent(filter.is_common()).fetch_one(connection).await?
        });
        Ok(unsigned(count))
    }

    /// Stretches walked on these days, after an id, ascending by id.
    pub async fn walked(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<WalkedRow>, StoreError> {
        type Row = (i64, Uuid, Uuid, i64, i64, i64);
        let (after, limit) = (after.unwrap_or(-1), i64::from(limit));
        let rows = fetch_all!(self, Row, SELECT_WALKED, district.0, after, from_day, to_day, limit);
        let row = |(id, record, line, day, from_mm, to_mm)| WalkedRow {
            id,
            record: RecordId(record),
            line,
            day,
            from_mm,
            to_mm,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How many stretches were walked on these days.
    pub async fn count_walked(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
    ) -> Result<u64, StoreError> {
        let kind = StretchKind::Patrol.number();
        let rows = fetch_all!(self, (i64,), COUNT_WALKED, district.0, kind, from_day, to_day);
        Ok(rows.first().map_or(0, |(count,)| unsigned(*count)))
    }

    /// The records of facts of a type and of these days, in no order.
    pub async fn fact_records(
        &mut self,
        district: DistrictKey,
        of: FactType,
        (from_day, to_day): (i64, i64),
    ) -> Result<Vec<RecordId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_FACT_RECORDS, district.0, of.number(), from_day, to_day);
        Ok(rows.into_iter().map(|(record,)| RecordId(record)).collect())
    }

    /// The first and the last day of facts of a type; none where there are none.
    pub async fn fact_days(
        &mut self,
        district: DistrictKey,
        of: FactType,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let rows = fetch_all!(self, (Option<i64>, Option<i64>), SELECT_FACT_DAYS, district.0, of.number());
        Ok(rows.first().and_then(|(first, last)| first.zip(*last)))
    }

    /// The first and the last day of stretches of a kind; none where there are none.
    pub async fn stretch_days(
        &mut self,
        district: DistrictKey,
        kind: StretchKind,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let rows =
            fetch_all!(self, (Option<i64>, Option<i64>), SELECT_STRETCH_DAYS, district.0, kind.number());
        Ok(rows.first().and_then(|(first, last)| first.zip(*last)))
    }

    /// What these records come to along lines: record, line, from and to in millimetres; by record, line and place.
    pub async fn stretches_of_records(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<Vec<(RecordId, Uuid, i64, i64)>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Uuid, Uuid, i64, i64)> = each_backend!(self, connection => {
            let mut query = QueryBuilder::<Db>::new(SELECT_WORKED);
            query.push_bind(district.0).push(" AND record");
            Db::push_ids(&mut query, records.iter().map(|record| record.0));
            query.push(" ORDER BY record, line, from_mm");
            query.build_query_as().fetch_all(connection).await?
        });
        Ok(rows.into_iter().map(|(record, line, from, to)| (RecordId(record), line, from, to)).collect())
    }
}

/// Nobody's hazards are seen.
fn is_empty(filter: &MapFilter) -> bool {
    filter.units.as_ref().is_some_and(Vec::is_empty)
}
