//! Strips of the map: what tiles show of hazards, some dozens in a row, kept from the changes of `map_hazards`. What stands in
//! a strip, and where it is cut, is in `tiles::strips`.
//!
//! The strip of a spot is the last one that begins at it or before it; the first of a district begins before every spot and
//! stays though it is empty, so that each has one. Start at [`Transaction::change_strips`].

use sha2::{Digest as _, Sha256};
use sync_protocol::ids::RecordId;

use super::inserts::{chunks, insert_rows};
use super::rows::{KEYS, Keys as _};
use super::tiles::{TileHazard, select_hazards};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;
use crate::tiles::points::{Point, Texts};
use crate::tiles::strips::{self, Changes, Entry, FIRST, Rewritten, Spot, Strip, Strips};

const SELECT_FIRSTS: &str =
    "SELECT (SELECT s.first FROM tile_strips s WHERE s.first <= keys.column1 AND s.district = ";
const OF_KEYS: &str = " ORDER BY s.first DESC LIMIT 1) FROM (";
const SELECT_STRIPS: &str = "SELECT first, strip FROM tile_strips WHERE district = ";
const DELETE_STRIPS: &str = "DELETE FROM tile_strips WHERE district = $1";
const DELETE_STRIP: &str = "DELETE FROM tile_strips WHERE district = $1 AND first = $2";
const SELECT_HAZARD: &str = select_hazards!("$1 AND record = $2");
const SELECT_STRIPS_AFTER: &str =
    "SELECT first, strip FROM tile_strips WHERE district = $1 AND first > $2 ORDER BY first LIMIT 0 + $3";
const SELECT_STRIP: &str = "SELECT first, strip FROM tile_strips WHERE district = $1 AND first = $2";
const SELECT_HAZARDS_AFTER: &str =
    select_hazards!("$1 AND (place, id) > ($2, $3) ORDER BY place, id LIMIT 0 + $4");

/// Hazards that are read at a time where all of them are.
const AT_A_TIME: i64 = 1_000;
/// Before every spot.
const BEFORE_ALL: Spot = Spot { place: -1, id: i64::MAX };

/// Hazards in the order of their spots, as a check compares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InStrips {
    /// How many they are.
    pub amount: u64,
    /// Over what is kept of each.
    pub sha256: [u8; 32],
}

/// Hazards that are counted and hashed one after the other.
#[derive(Default)]
struct Counting {
    amount: u64,
    hasher: Sha256,
}

impl Counting {
    fn add(&mut self, entry: &Entry<'_>) {
        self.amount += 1;
        self.hasher.update(entry.spot.key());
        self.hasher.update(entry.due_ms.unwrap_or(i64::MIN).to_be_bytes());
        for text in [entry.alike, entry.number] {
            self.hasher.update(text.as_bytes());
            self.hasher.update([0]);
        }
    }

    fn finish(self) -> InStrips {
        InStrips { amount: self.amount, sha256: self.hasher.finalize().into() }
    }
}

impl Transaction {
    /// Takes hazards out of the strips and puts them in.
    pub(super) async fn change_strips(
        &mut self,
        district: DistrictKey,
        changes: &Changes<'_>,
    ) -> Result<(), StoreError> {
        let keys: Vec<[u8; 16]> = changes.keys().copied().map(Spot::key).collect();
        let Some(least) = keys.first() else { return Ok(()) };
        let mut touched = self.strips_of(district, &keys).await?;
        if touched.keys().next().is_none_or(|first| first.as_slice() > &least[..]) {
            touched.insert(FIRST.to_vec(), Strip::empty());
        }
        let Some(Rewritten { written, emptied }) = strips::rewritten(&touched, changes) else {
            tracing::error!(district = district.0, "a strip of the map cannot be read: all are made anew");
            return self.refill_strips(district).await;
        };
        for first in emptied {
            execute!(self, DELETE_STRIP, district.0, first);
        }
        self.put_strips(district, &written).await
    }

    /// Makes the strips of a district from its hazards, whatever stood there.
    pub(super) async fn refill_strips(&mut self, district: DistrictKey) -> Result<(), StoreError> {
        execute!(self, DELETE_STRIPS, district.0);
        self.put_strips(district, &[(FIRST.to_vec(), Strip::empty())]).await?;
        let mut after = BEFORE_ALL;
        loop {
            let hazards = self.hazards_after(district, after).await?;
            let points: Vec<Point<'_>> = hazards.iter().map(TileHazard::point).collect();
            let texts: Vec<Texts> = points.iter().map(Point::texts).collect();
            let entries = points.iter().zip(&texts).filter_map(|(point, texts)| point.entry(texts));
            let strips = Strip::default().changed(&strips::come(entries));
            let written: Vec<(Vec<u8>, Vec<u8>)> =
                strips.into_iter().map(|(spot, strip)| (spot.key().to_vec(), strip)).collect();
            self.put_strips(district, &written).await?;
            match hazards.last() {
                Some(last) => after = last.spot(),
                None => return Ok(()),
            }
        }
    }

    async fn put_strips(
        &mut self,
        district: DistrictKey,
        strips: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            strips,
            "tile_strips (district, first, strip) ",
            " ON CONFLICT (district, first) DO UPDATE SET strip = excluded.strip",
            |row, item| row.push_bind(district.0).push_bind(item.0.as_slice()).push_bind(item.1.as_slice())
        );
        Ok(())
    }

    /// The next hazards of the map whose place is known, in the order of their spots.
    async fn hazards_after(
        &mut self,
        district: DistrictKey,
        after: Spot,
    ) -> Result<Vec<TileHazard>, StoreError> {
        Ok(fetch_all!(self, TileHazard, SELECT_HAZARDS_AFTER, district.0, after.place, after.id, AT_A_TIME))
    }

    /// The strips of these spots, by the key that each begins at.
    async fn strips_of(&mut self, district: DistrictKey, keys: &[[u8; 16]]) -> Result<Strips, StoreError> {
        let mut firsts: Vec<Vec<u8>> = Vec::new();
        for chunk in chunks(keys) {
            let found: Vec<(Option<Vec<u8>>,)> = each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_FIRSTS);
                query.push_bind(district.0).push(OF_KEYS);
                query.push_values(chunk, |mut row, key| {
                    row.push_bind(key.as_slice());
                });
                query.push(") AS keys").build_query_as().fetch_all(connection).await?
            });
            firsts.extend(found.into_iter().filter_map(|(first,)| first));
        }
        firsts.sort_unstable();
        firsts.dedup();
        let mut strips = Strips::new();
        for chunk in firsts.chunks(KEYS) {
            let rows: Vec<(Vec<u8>, Vec<u8>)> = each_backend!(self, connection => {
                let keys = chunk.iter().map(Vec::as_slice);
                Db::by_hashes(SELECT_STRIPS, district, "first", keys).build_query_as().fetch_all(connection).await?
            });
            strips.extend(rows);
        }
        Ok(strips)
    }

    /// Puts a hazard into its strip as its row is now.
    pub(super) async fn refresh_strip(
        &mut self,
        district: DistrictKey,
        record: RecordId,
    ) -> Result<(), StoreError> {
        let Some(hazard) = fetch_optional!(self, TileHazard, SELECT_HAZARD, district.0, record.0) else {
            return Ok(());
        };
        let (point, texts) = (hazard.point(), hazard.point().texts());
        self.change_strips(district, &strips::come(point.entry(&texts).into_iter())).await
    }

    /// What is kept in strips, and whether each hazard stands in the strip that is looked for, and can be read.
    pub async fn hazards_of_strips(&mut self, district: DistrictKey) -> Result<(InStrips, bool), StoreError> {
        type Row = (Vec<u8>, Vec<u8>);
        let mut counting = Counting::default();
        let mut last: Option<[u8; 16]> = None;
        let mut rows = fetch_all!(self, Row, SELECT_STRIP, district.0, FIRST);
        let has_first = !rows.is_empty();
        let (mut is_sound, mut after) = (true, FIRST.to_vec());
        loop {
            for (first, strip) in rows {
                // What stands before a strip ends before it begins.
                is_sound &= has_first && last.is_none_or(|last| &last[..] < first.as_slice());
                let strip = Strip::read(&strip);
                is_sound &= strip.is_some();
                for (_, entry) in strip.iter().flat_map(|strip| &strip.hazards) {
                    let key = entry.spot.key();
                    is_sound &= last < Some(key) && first.as_slice() <= &key[..];
                    last = Some(key);
                    counting.add(entry);
                }
                after = first;
            }
            rows = fetch_all!(self, Row, SELECT_STRIPS_AFTER, district.0, after.as_slice(), AT_A_TIME / 10);
            if rows.is_empty() {
                return Ok((counting.finish(), is_sound));
            }
        }
    }

    /// What should be kept in strips.
    pub async fn hazards_for_strips(&mut self, district: DistrictKey) -> Result<InStrips, StoreError> {
        let mut counting = Counting::default();
        let mut after = BEFORE_ALL;
        loop {
            let hazards = self.hazards_after(district, after).await?;
            for hazard in &hazards {
                let (point, texts) = (hazard.point(), hazard.point().texts());
                point.entry(&texts).iter().for_each(|entry| counting.add(entry));
            }
            match hazards.last() {
                Some(last) => after = last.spot(),
                None => return Ok(counting.finish()),
            }
        }
    }
}
