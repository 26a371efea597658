//! Orders: their numbers and what each says. Written in the transaction of the operation that orders.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::QueryBuilder;
use sync_protocol::ids::{Identity, PersonId, RecordId};
use uuid::Uuid;

use super::rows::{KEYS, Keys as _};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// The local year in which it was issued.
    pub year: i64,
    /// Its number within the year, from 1.
    pub ordinal: i64,
    /// As people read it.
    pub number: String,
    /// The hazard.
    pub record: RecordId,
    /// The operation that orders.
    pub operation: Identity,
    /// The responsible unit, where it is a record.
    pub unit: Option<Uuid>,
    /// Its name.
    pub unit_name: String,
    /// What is to be done.
    pub measures: String,
    /// The deadline that it gave, milliseconds since 1970.
    pub deadline_ms: i64,
    /// When it was issued.
    pub issued_ms: i64,
    /// By whom.
    pub issued_by: PersonId,
    /// When it had been issued on paper, where it was entered later.
    pub ordered_ms: Option<i64>,
    /// What it shows of the hazard for ever: JSON of [`crate::orders::Shown`].
    pub shown: String,
}

/// Numbers that no order, or no work report, has, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberGap {
    /// The local year.
    pub year: i64,
    /// The first number that is left out.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// Why.
    pub reason: String,
    /// Since when, milliseconds since 1970.
    pub at_ms: i64,
}

type Tuple =
    (i64, i64, String, Uuid, Vec<u8>, Option<Uuid>, String, String, i64, i64, Uuid, Option<i64>, String);

const SELECT_LAST: &str = "SELECT CAST(coalesce(max(number), 0) AS BIGINT) FROM ( \
     SELECT ordinal AS number FROM orders WHERE district = $1 AND year = $2 \
     UNION ALL SELECT last_ordinal FROM order_gaps WHERE district = $1 AND year = $2) AS numbers";
const SELECT_COUNTS: &str =
    "SELECT year, count(*), max(ordinal) FROM orders WHERE district = $1 GROUP BY year ORDER BY year";
const INSERT_GAP: &str = "INSERT INTO order_gaps (district, year, first_ordinal, last_ordinal, reason, at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const SELECT_GAPS: &str = "SELECT year, first_ordinal, last_ordinal, reason, at_ms FROM order_gaps \
     WHERE district = $1 ORDER BY year, first_ordinal";
const INSERT: &str = "INSERT INTO orders (district, year, ordinal, number, record, operation, unit, unit_name, measures, \
     deadline_ms, issued_ms, issued_by, ordered_ms, shown) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const BLANK_MEASURES: &str = "UPDATE orders SET measures = $3 WHERE district = $1 AND operation = $2";
const BLANK_UNIT: &str = "UPDATE orders SET unit_name = $3 WHERE district = $1 AND operation = $2";
const REWRITE_SHOWN: &str = "UPDATE orders SET shown = $4 WHERE district = $1 AND year = $2 AND ordinal = $3";
/// The numbers of the orders of records, and the index that they are looked up in.
pub(super) const NUMBERS: (&str, &str) =
    ("SELECT record, year, ordinal, number FROM orders", "orders_by_record");
const SELECT_ONE: &str = "SELECT year, ordinal, number, record, operation, unit, unit_name, measures, deadline_ms, \
     issued_ms, issued_by, ordered_ms, shown FROM orders WHERE district = $1 AND year = $2 AND ordinal = $3";
const SELECT_BEFORE: &str = "SELECT year, ordinal, number, record, operation, unit, unit_name, measures, deadline_ms, \
     issued_ms, issued_by, ordered_ms, shown FROM orders WHERE district = ";
const SELECT_OF_RECORD: &str = "SELECT year, ordinal, number, record, operation, unit, unit_name, measures, deadline_ms, \
     issued_ms, issued_by, ordered_ms, shown FROM orders WHERE district = $1 AND record = $2 ORDER BY year, ordinal";

fn order_row(row: Tuple) -> Result<OrderRow, StoreError> {
    let (year, ordinal, number, record, operation, unit, unit_name, measures, deadline_ms, issued_ms, ..) =
        row;
    let (.., by, ordered_ms, shown) = row;
    let operation =
        Identity::try_from(operation.as_slice()).map_err(|_source| StoreError::Damaged("order"))?;
    let (record, issued_by) = (RecordId(record), PersonId(by));
    Ok(OrderRow {
        year,
        ordinal,
        number,
        record,
        operation,
        unit,
        unit_name,
        measures,
        deadline_ms,
        issued_ms,
        issued_by,
        ordered_ms,
        shown,
    })
}

impl Transaction {
    /// The last number given or left out in a year; 0 where none was. Under the counter row the next is free.
    pub async fn last_order(&mut self, district: DistrictKey, year: i64) -> Result<i64, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_LAST, district.0, year).map_or(0, |(last,)| last))
    }

    /// Leaves numbers out.
    pub async fn add_order_gap(&mut self, district: DistrictKey, gap: &NumberGap) -> Result<(), StoreError> {
        let reason = gap.reason.as_str();
        execute!(self, INSERT_GAP, district.0, gap.year, gap.first, gap.last, reason, gap.at_ms);
        Ok(())
    }

    /// Every number that was left out.
    pub async fn order_gaps(&mut self, district: DistrictKey) -> Result<Vec<NumberGap>, StoreError> {
        let rows = fetch_all!(self, (i64, i64, i64, String, i64), SELECT_GAPS, district.0);
        let gap = |(year, first, last, reason, at_ms)| NumberGap { year, first, last, reason, at_ms };
        Ok(rows.into_iter().map(gap).collect())
    }

    /// How many orders each year has, and their highest number.
    pub async fn order_counts(&mut self, district: DistrictKey) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        Ok(fetch_all!(self, (i64, i64, i64), SELECT_COUNTS, district.0))
    }

    /// Keeps an order.
    pub async fn add_order(&mut self, district: DistrictKey, order: &OrderRow) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT,
            district.0,
            order.year,
            order.ordinal,
            order.number.as_str(),
            order.record.0,
            order.operation.0.as_slice(),
            order.unit,
            order.unit_name.as_str(),
            order.measures.as_str(),
            order.deadline_ms,
            order.issued_ms,
            order.issued_by.0,
            order.ordered_ms,
            order.shown.as_str()
        );
        Ok(())
    }

    /// Blanks what an order copied of its operation; false where it copied nothing of this field.
    pub async fn blank_order(
        &mut self,
        district: DistrictKey,
        operation: Identity,
        field: &str,
        blank: &str,
    ) -> Result<bool, StoreError> {
        let update = match field {
            "measures" => BLANK_MEASURES,
            "responsible_unit" => BLANK_UNIT,
            _ => return Ok(false),
        };
        Ok(execute!(self, update, district.0, operation.0.to_vec(), blank) > 0)
    }

    /// Writes anew what an order shows of its hazard: a text of it was redacted.
    pub async fn rewrite_shown(&mut self, district: DistrictKey, order: &OrderRow) -> Result<(), StoreError> {
        execute!(self, REWRITE_SHOWN, district.0, order.year, order.ordinal, order.shown.as_str());
        Ok(())
    }

    /// Year, ordinal and number of every order of these hazards.
    pub async fn order_numbers(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, BTreeMap<(i64, i64), String>>, StoreError> {
        let mut numbers: BTreeMap<RecordId, BTreeMap<(i64, i64), String>> = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, i64, i64, String)> = each_backend!(self, connection => {
                let keys = chunk.iter().map(|key| key.0);
                let mut query = Db::by_ids_in(NUMBERS.0, NUMBERS.1, district, "record", keys);
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, year, ordinal, number) in rows {
                numbers.entry(RecordId(record)).or_default().insert((year, ordinal), number);
            }
        }
        Ok(numbers)
    }

    /// An order.
    pub async fn order(
        &mut self,
        district: DistrictKey,
        (year, ordinal): (i64, i64),
    ) -> Result<Option<OrderRow>, StoreError> {
        fetch_optional!(self, Tuple, SELECT_ONE, district.0, year, ordinal).map(order_row).transpose()
    }

    /// Orders before this year and ordinal, newest first; of these units, where some are named.
    pub async fn orders(
        &mut self,
        district: DistrictKey,
        units: Option<&[Uuid]>,
        (year, ordinal): (i64, i64),
        limit: u32,
    ) -> Result<Vec<OrderRow>, StoreError> {
        let rows: Vec<Tuple> = each_backend!(self, connection => {
            let mut query = QueryBuilder::<Db>::new(SELECT_BEFORE);
            query.push_bind(district.0).push(" AND (year, ordinal) < (");
            query.push_bind(year).push(", ").push_bind(ordinal).push(")");
            if let Some(units) = units {
                query.push(" AND unit IS NOT NULL AND unit");
                Db::push_ids(&mut query, units.iter().copied());
            }
            query.push(" ORDER BY year DESC, ordinal DESC LIMIT 0 + ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(connection).await?
        });
        rows.into_iter().map(order_row).collect()
    }

    /// Orders of a hazard, the first one first.
    pub async fn orders_of(
        &mut self,
        district: DistrictKey,
        record: RecordId,
    ) -> Result<Vec<OrderRow>, StoreError> {
        let rows = fetch_all!(self, Tuple, SELECT_OF_RECORD, district.0, record.0);
        rows.into_iter().map(order_row).collect()
    }
}
