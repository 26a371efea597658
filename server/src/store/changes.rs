//! Reading a feed: records by class and change number, and by place for a change of areas.

use std::collections::HashMap;

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::rows::Keys as _;
use super::{StoreError, Transaction, each_backend, fetch_all, signed, unsigned};
use crate::domain::DistrictKey;

/// A record as a feed gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// The record.
    pub record: RecordId,
    /// The number of its collection.
    pub collection: i64,
    /// Its change number.
    pub change: u64,
    /// Where it is.
    pub place: Option<i64>,
    /// The change from which on it is there.
    pub place_since: u64,
    /// The encoded view.
    pub view: Vec<u8>,
}

/// Which part of a feed to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of the class.
    pub class: i64,
    /// Changes after this.
    pub after: u64,
    /// Up to this.
    pub through: u64,
    /// Rows at most.
    pub limit: u32,
}

/// Where a record was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastPlace {
    /// The change from which on it was there.
    pub since: u64,
    /// Its Morton key; none while it was not known.
    pub place: Option<i64>,
}

/// A record that left a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The change by which it left.
    pub until: u64,
    /// The record.
    pub record: RecordId,
    /// The place.
    pub from: PastPlace,
}

/// Where a record stands among those whose place is known: by cell, then by change. New ones come behind those that are in
/// their cell, so that what many phones bring at once is written to few pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InCell {
    /// The Morton number of its cell among those of zoom 11.
    pub cell: i64,
    /// Its change number.
    pub change: u64,
}

/// A cell is so many bits of a place less.
const CELL_BITS: u32 = 40;

impl InCell {
    /// Before every record.
    pub const FIRST: Self = Self { cell: -1, change: 0 };

    /// Where a record stands that changed at a place.
    pub const fn of(place: i64, change: u64) -> Self {
        Self { cell: place >> CELL_BITS, change }
    }

    /// Behind every record of a cell.
    pub const fn behind(cell: i64) -> Self {
        Self { cell, change: i64::MAX.unsigned_abs() }
    }

    /// The first and the last of the cells that ranges of places lie in, ascending and apart as those are.
    pub fn cells(ranges: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut cells: Vec<(i64, i64)> = Vec::new();
        for (low, high) in ranges.iter().map(|(low, high)| (low >> CELL_BITS, high >> CELL_BITS)) {
            match cells.last_mut() {
                Some(last) if low <= last.1 + 1 => last.1 = last.1.max(high),
                _ => cells.push((low, high)),
            }
        }
        cells
    }
}

const SELECT_MOVES: &str = "SELECT until_change, record, since_change, place FROM places \
     WHERE district = $1 AND (until_change, record) > ($2, $3) ORDER BY until_change, record LIMIT $4 + 0";

type Row = (Uuid, i64, i64, Option<i64>, i64, Vec<u8>);

const SELECT_FEED: &str = "SELECT record, collection, change, place, place_since, view FROM records \
     WHERE district = $1 AND class = $2 AND change > $3 AND change <= $4 ORDER BY change LIMIT $5 + 0";
const SELECT_PLACED: &str = "SELECT record, collection, change, place, place_since, view FROM records \
     WHERE district = $1 AND place >> 40 >= $2 AND (place >> 40, change) > ($2, $3) AND place >> 40 <= $4 AND place IS NOT NULL \
     ORDER BY place >> 40, change LIMIT $5 + 0";

fn feed_row((record, collection, change, place, since, view): Row) -> FeedRow {
    FeedRow {
        record: RecordId(record),
        collection,
        change: unsigned(change),
        place,
        place_since: unsigned(since),
        view,
    }
}

impl Transaction {
    /// A page of one class of a feed, ascending by change number.
    pub async fn feed(&mut self, district: DistrictKey, page: Page) -> Result<Vec<FeedRow>, StoreError> {
        let rows = fetch_all!(
            self,
            Row,
            SELECT_FEED,
            district.0,
            page.class,
            signed(page.after),
            signed(page.through),
            i64::from(page.limit)
        );
        Ok(rows.into_iter().map(feed_row).collect())
    }

    /// Records in the order of the cells that they lie in and of their changes, after one of these and up to a cell.
    pub async fn placed(
        &mut self,
        district: DistrictKey,
        after: InCell,
        through: i64,
        limit: u32,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let rows = fetch_all!(
            self,
            Row,
            SELECT_PLACED,
            district.0,
            after.cell,
            signed(after.change),
            through,
            i64::from(limit)
        );
        Ok(rows.into_iter().map(feed_row).collect())
    }

    /// Where these records were before.
    pub async fn past_places(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, Vec<PastPlace>>, StoreError> {
        let mut places: HashMap<RecordId, Vec<PastPlace>> = HashMap::new();
        for chunk in records.chunks(1_024) {
            let rows: Vec<(Uuid, i64, Option<i64>)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, since_change, place FROM places WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, since, place) in rows {
                let since = unsigned(since);
                places.entry(RecordId(record)).or_default().push(PastPlace { since, place });
            }
        }
        Ok(places)
    }

    /// A page of the moves after a change and record, ascending: which records left which places.
    pub async fn moves(
        &mut self,
        district: DistrictKey,
        after: (u64, RecordId),
        limit: u32,
    ) -> Result<Vec<Move>, StoreError> {
        type Row = (i64, Uuid, i64, Option<i64>);
        let rows =
            fetch_all!(self, Row, SELECT_MOVES, district.0, signed(after.0), after.1.0, i64::from(limit));
        Ok(rows
            .into_iter()
            .map(|(until, record, since, place)| Move {
                until: unsigned(until),
                record: RecordId(record),
                from: PastPlace { since: unsigned(since), place },
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connect::planned;

    #[tokio::test]
    async fn records_are_read_from_their_cell_on() {
        let plan = planned(SELECT_PLACED).await;
        assert!(plan.contains("records_by_cell (district=? AND <expr>>? AND <expr><?)"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn cells_of_ranges_lie_apart_and_each_place_is_in_one() {
        let cell = 1 << CELL_BITS;
        let ranges = [(5, 9), (12, cell + 3), (2 * cell, 2 * cell + 1), (4 * cell + 7, 5 * cell)];
        assert_eq!(InCell::cells(&ranges), [(0, 2), (4, 5)]);
        assert_eq!(InCell::cells(&[(0, i64::MAX)]), [(0, i64::MAX >> CELL_BITS)]);
        assert!(SELECT_PLACED.contains(&format!("(place >> {CELL_BITS}, change)")));
        assert!(InCell::of(5 * cell + 1, 3) < InCell::behind(5) && InCell::FIRST < InCell::of(0, 1));
    }
}
