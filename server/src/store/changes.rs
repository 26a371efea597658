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

const SELECT_MOVES: &str = "SELECT until_change, record, since_change, place FROM places \
     WHERE district = $1 AND (until_change, record) > ($2, $3) ORDER BY until_change, record LIMIT $4 + 0";

type Row = (Uuid, i64, i64, Option<i64>, i64, Vec<u8>);

const SELECT_FEED: &str = "SELECT record, collection, change, place, place_since, view FROM records \
     WHERE district = $1 AND class = $2 AND change > $3 AND change <= $4 ORDER BY change LIMIT $5 + 0";
const SELECT_PLACE_RANGE: &str = "SELECT record, collection, change, place, place_since, view FROM records \
     WHERE district = $1 AND (place, record) > ($2, $3) AND place <= $4 ORDER BY place, record LIMIT $5 + 0";

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

    /// Records after a place and record up to a place, ascending.
    pub async fn placed(
        &mut self,
        district: DistrictKey,
        after: (i64, RecordId),
        through: i64,
        limit: u32,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let rows = fetch_all!(
            self,
            Row,
            SELECT_PLACE_RANGE,
            district.0,
            after.0,
            after.1.0,
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
