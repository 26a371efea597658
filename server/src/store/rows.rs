//! Rows as tuples, and rows of many keys read by one statement. How rows are written is in `store::inserts`.

use std::collections::BTreeSet;

use sqlx::{Database, Postgres, QueryBuilder, Sqlite};
use sync_protocol::ids::{Identity, RecordId};
use uuid::Uuid;

use super::unsigned;
use super::values::RecordRow;
use crate::domain::DistrictKey;

/// The columns of `records` behind its district, in the order of the table.
pub(super) type RecordTuple =
    (Uuid, i64, i64, i64, i64, i64, i64, i64, Option<i64>, i64, Option<Uuid>, Vec<u8>);

/// A row of `records` as read.
pub(super) fn record_row(
    (record, collection, change, class, state, flags, number, received_ms, place, since, unit, view): RecordTuple,
) -> RecordRow {
    RecordRow {
        record: RecordId(record),
        collection,
        change: unsigned(change),
        class,
        state,
        flags,
        number: unsigned(number),
        received_ms,
        place,
        place_since: unsigned(since),
        unit,
        view: view.into(),
    }
}

/// Rows of one statement of columns.
pub(super) const COLUMN_ROWS: usize = 4_096;

/// One column of many rows.
pub(super) fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Keys of one `IN` list.
pub(super) const KEYS: usize = 1_024;

/// How a database is asked for rows of many keys.
///
/// The `by_…` begin a query from a text that ends with `district = `, for tables that grow without bound.
pub(super) trait Keys: Database {
    /// The column `sha256` of many rows as one value.
    const JOINED_PHOTOS: &'static str;

    /// What names the index of a table that a statement goes by, behind the table.
    fn indexed_by(index: &str) -> String;

    /// Appends a list of ids behind a column.
    fn push_ids(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = Uuid>);

    /// Appends a list of hashes behind a column.
    fn push_hashes<'k>(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = &'k [u8]>);

    /// Rows whose column is one of these ids.
    fn by_ids(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = Uuid>,
    ) -> QueryBuilder<Self>;

    /// Rows whose column is one of these ids, of a table whose primary key goes on otherwise behind the district. The
    /// statement is given up to its table. SQLite, which has no statistics here, takes the rows of a district for fewer than
    /// a list has keys, and would read them all; so it is told the index.
    fn by_ids_in(
        select: &str,
        index: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = Uuid>,
    ) -> QueryBuilder<Self> {
        let select = format!("{select}{} WHERE district = ", Self::indexed_by(index));
        Self::by_ids(&select, district, column, keys)
    }

    /// Rows whose column is one of these hashes.
    fn by_hashes<'k>(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> QueryBuilder<Self>;

    /// Rows of these operations.
    fn by_operations(
        select: &str,
        district: DistrictKey,
        keys: &[(RecordId, Identity)],
    ) -> QueryBuilder<Self>;
}

impl Keys for Sqlite {
    // What it joins counts as text; the bytes are what they were.
    const JOINED_PHOTOS: &'static str = "CAST(group_concat(sha256, x'') AS BLOB)";

    fn indexed_by(index: &str) -> String {
        format!(" INDEXED BY {index}")
    }

    fn push_ids(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = Uuid>) {
        query.push(" IN (");
        let mut list = query.separated(", ");
        for key in padded(&keys.collect::<Vec<_>>()) {
            list.push_bind(key);
        }
        query.push(")");
    }

    fn push_hashes<'k>(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = &'k [u8]>) {
        query.push(" IN (");
        let mut list = query.separated(", ");
        for key in padded(&keys.collect::<Vec<_>>()) {
            list.push_bind(key);
        }
        query.push(")");
    }

    fn by_ids(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = Uuid>,
    ) -> QueryBuilder<Self> {
        let mut query = of_district(select, district, column);
        Self::push_ids(&mut query, keys);
        query
    }

    fn by_hashes<'k>(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> QueryBuilder<Self> {
        let mut query = of_district(select, district, column);
        Self::push_hashes(&mut query, keys);
        query
    }

    fn by_operations(
        select: &str,
        district: DistrictKey,
        keys: &[(RecordId, Identity)],
    ) -> QueryBuilder<Self> {
        let mut query = QueryBuilder::new(select);
        query.push_bind(district.0).push(" AND (record, identity) IN (");
        query.push_values(padded(keys), |mut row, (record, identity)| {
            row.push_bind(record.0).push_bind(&identity.0[..]);
        });
        query.push(")");
        query
    }
}

/// One array instead of a thousand parameters, which it would parse on each connection. Each key is looked up by
/// itself: a plan is made before the statistics know anything of a table, and one for the whole list reads the
/// district from one end to the other.
impl Keys for Postgres {
    const JOINED_PHOTOS: &'static str = "string_agg(sha256, ''::bytea)";

    fn indexed_by(_index: &str) -> String {
        String::new()
    }

    fn push_ids(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = Uuid>) {
        query.push(" = ANY(").push_bind(keys.collect::<Vec<_>>()).push(")");
    }

    fn push_hashes<'k>(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = &'k [u8]>) {
        query.push(" = ANY(").push_bind(keys.collect::<Vec<_>>()).push(")");
    }

    fn by_ids(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = Uuid>,
    ) -> QueryBuilder<Self> {
        let mut query = QueryBuilder::new("SELECT found.* FROM UNNEST(");
        query.push_bind(distinct(keys));
        push_each(&mut query, select, district, column);
        query
    }

    fn by_hashes<'k>(
        select: &str,
        district: DistrictKey,
        column: &str,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> QueryBuilder<Self> {
        let mut query = QueryBuilder::new("SELECT found.* FROM UNNEST(");
        query.push_bind(distinct(keys));
        push_each(&mut query, select, district, column);
        query
    }

    fn by_operations(
        select: &str,
        district: DistrictKey,
        keys: &[(RecordId, Identity)],
    ) -> QueryBuilder<Self> {
        let keys: BTreeSet<(Uuid, &[u8])> =
            keys.iter().map(|(record, identity)| (record.0, &identity.0[..])).collect();
        let (records, identities): (Vec<Uuid>, Vec<&[u8]>) = keys.into_iter().unzip();
        let mut query = QueryBuilder::new("SELECT found.* FROM UNNEST(");
        query.push_bind(records).push(", ").push_bind(identities);
        query.push(") AS wanted (of_record, wanted) CROSS JOIN LATERAL (");
        query.push(select).push_bind(district.0);
        query.push(" AND record = of_record AND identity = wanted OFFSET 0) AS found");
        query
    }
}

/// The rows of a district, as far as a condition on a column follows.
fn of_district(select: &str, district: DistrictKey, column: &str) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push_bind(district.0).push(" AND ").push(column);
    query
}

/// Each key once: an array says twice what stands in it twice.
fn distinct<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<K> {
    keys.collect::<BTreeSet<K>>().into_iter().collect()
}

/// The rows of each wanted key by itself.
fn push_each(query: &mut QueryBuilder<Postgres>, select: &str, district: DistrictKey, column: &str) {
    query.push(") AS wanted (wanted) CROSS JOIN LATERAL (").push(select).push_bind(district.0);
    query.push(" AND ").push(column).push(" = wanted OFFSET 0) AS found");
}

/// Pads keys to a power of two by repeating the last: for `IN` lists, where a repetition changes nothing.
pub(super) fn padded<T: Copy>(keys: &[T]) -> Vec<T> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.last() {
        padded.resize(keys.len().next_power_of_two(), *last);
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connect::planned;
    use crate::store::{map, orders};

    #[tokio::test]
    async fn few_or_many_records_are_looked_up_and_a_district_is_not_read() {
        for (select, index) in [map::SHOWN, orders::NUMBERS] {
            for count in [1, 2, 4, 64, KEYS] {
                let keys = (0..count).map(|_| Uuid::now_v7());
                let query = Sqlite::by_ids_in(select, index, DistrictKey(1), "record", keys);
                let plan = planned(query.sql().as_str()).await;
                assert!(
                    plan.contains(&format!("{index} (district=? AND record=?)")),
                    "{count} of {select}: {plan}"
                );
            }
        }
    }
}
