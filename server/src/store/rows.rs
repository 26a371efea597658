//! Rows as tuples, and many rows in one statement: chunks of powers of two, so that few texts are prepared and
//! all stay cached.

use sqlx::{Database, Postgres, QueryBuilder, Sqlite};
use sync_protocol::ids::{Identity, RecordId};
use uuid::Uuid;

use super::unsigned;
use super::values::RecordRow;

/// The columns of `records` behind its district, in the order of the table.
pub(super) type RecordTuple = (Uuid, i64, i64, i64, i64, i64, i64, i64, Option<i64>, i64, Vec<u8>);

/// A row of `records` as read.
pub(super) fn record_row(
    (record, collection, change, class, state, flags, number, received_ms, place, since, view): RecordTuple,
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
        view: view.into(),
    }
}

/// Rows of the largest chunk.
const LARGEST: usize = 256;

/// Splits rows into chunks whose lengths are powers of two, at most [`LARGEST`].
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let length = if rows.len() >= LARGEST { LARGEST } else { 1 << rows.len().ilog2() };
        let (chunk, rest) = rows.split_at(length);
        rows = rest;
        Some(chunk)
    })
}

/// How a database is asked for rows of many keys.
pub(super) trait Keys: Database {
    /// Appends `IN (…)` or `= ANY(…)` behind a column of ids.
    fn push_ids(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = Uuid>);

    /// Appends `IN (…)` or `= ANY(…)` behind a column of hashes.
    fn push_hashes<'k>(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = &'k [u8]>);

    /// Appends a list of pairs behind `(record, identity) IN `.
    fn push_pairs(query: &mut QueryBuilder<Self>, keys: &[(RecordId, Identity)]);
}

impl Keys for Sqlite {
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

    fn push_pairs(query: &mut QueryBuilder<Self>, keys: &[(RecordId, Identity)]) {
        query.push("(");
        query.push_values(padded(keys), |mut row, (record, identity)| {
            row.push_bind(record.0).push_bind(&identity.0[..]);
        });
        query.push(")");
    }
}

/// One array instead of a thousand parameters, which it would parse and plan on each connection.
impl Keys for Postgres {
    fn push_ids(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = Uuid>) {
        query.push(" = ANY(").push_bind(keys.collect::<Vec<_>>()).push(")");
    }

    fn push_hashes<'k>(query: &mut QueryBuilder<Self>, keys: impl Iterator<Item = &'k [u8]>) {
        query.push(" = ANY(").push_bind(keys.collect::<Vec<_>>()).push(")");
    }

    fn push_pairs(query: &mut QueryBuilder<Self>, keys: &[(RecordId, Identity)]) {
        query.push("(SELECT * FROM UNNEST(");
        query.push_bind(keys.iter().map(|(record, _)| record.0).collect::<Vec<_>>()).push("::uuid[], ");
        query.push_bind(keys.iter().map(|(_, identity)| &identity.0[..]).collect::<Vec<_>>());
        query.push("::bytea[]))");
    }
}

/// Pads keys to a power of two by repeating the last: for `IN` lists, where a repetition changes nothing.
fn padded<T: Copy>(keys: &[T]) -> Vec<T> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.last() {
        padded.resize(keys.len().next_power_of_two(), *last);
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_and_keep_every_row_in_order() {
        let rows: Vec<usize> = (0..1_000).collect();
        let lengths: Vec<usize> = chunks(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [256, 256, 256, 128, 64, 32, 8]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }
}
