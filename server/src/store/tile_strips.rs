//! Strips of the map: what tiles show of hazards, some dozens in a row, kept from the changes of `map_hazards`. What stands in
//! a strip, and where it is cut, is in `tiles::strips`.
//!
//! The strip of a spot is the last one that begins at it or before it; the first of a district begins before every spot and
//! stays though it is empty, so that each has one. Start at [`Transaction::change_strips`].

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use sync_protocol::ids::RecordId;

use super::rows::{KEYS, Keys as _, chunks, insert_rows};
use super::tiles::TileHazard;
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;
use crate::tiles::strips::{Changes, Entry, Spot, Strip};

const SELECT_FIRSTS: &str =
    "SELECT (SELECT s.first FROM tile_strips s WHERE s.first <= keys.column1 AND s.district = ";
const OF_KEYS: &str = " ORDER BY s.first DESC LIMIT 1) FROM (";
const SELECT_STRIPS: &str = "SELECT first, strip FROM tile_strips WHERE district = ";
const DELETE_STRIP: &str = "DELETE FROM tile_strips WHERE district = $1 AND first = $2";
const SELECT_HAZARD: &str = "SELECT id, place, severity_rank, open, due, category, kind, state, number FROM map_hazards \
     WHERE district = $1 AND record = $2";
const SELECT_STRIPS_AFTER: &str =
    "SELECT first, strip FROM tile_strips WHERE district = $1 AND first > $2 ORDER BY first LIMIT 0 + $3";
const SELECT_FIRST_STRIP: &str = "SELECT first, strip FROM tile_strips WHERE district = $1 AND first = $2";
const SELECT_HAZARDS_AFTER: &str = "SELECT id, place, severity_rank, open, due, category, kind, state, number \
     FROM map_hazards WHERE district = $1 AND (place, id) > ($2, $3) ORDER BY place, id LIMIT 0 + $4";

/// Rows that a check reads at a time.
const CHECKED: i64 = 1_000;
/// The key of the first strip of a district: before that of every spot.
const FIRST: &[u8] = &[];

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

/// Strips by the key that each begins at.
type Kept = BTreeMap<Vec<u8>, Vec<u8>>;

/// What changes make of strips.
struct Rewritten {
    /// Those that are written, and where each begins.
    written: Vec<(Vec<u8>, Vec<u8>)>,
    /// Those that are gone.
    emptied: Vec<Vec<u8>>,
}

/// What changes make of the strips that they touch, which are all there.
fn rewritten(touched: &Kept, changes: &Changes<'_>) -> Result<Rewritten, StoreError> {
    let (mut written, mut emptied) = (Vec::new(), Vec::new());
    let mut left = changes.iter().peekable();
    let mut strips = touched.iter().peekable();
    while let Some((first, bytes)) = strips.next() {
        // What stands behind the beginning of the next strip that is touched belongs to that one.
        let end = strips.peek().map(|(next, _)| next.as_slice());
        let is_own = |spot: &Spot| end.is_none_or(|end| &spot.key()[..] < end);
        let own = std::iter::from_fn(|| left.next_if(|(spot, _)| is_own(spot)));
        let own: Changes<'_> = own.map(|(spot, entry)| (*spot, *entry)).collect();
        let strip = Strip::read(bytes).ok_or(StoreError::Damaged("a strip of the map"))?;
        let parts = strip.changed(&own);
        if parts.is_empty() && first == FIRST {
            written.push((FIRST.to_vec(), Strip::empty()));
        } else if parts.is_empty() {
            emptied.push(first.clone());
        }
        for (nth, (spot, bytes)) in parts.into_iter().enumerate() {
            // The first of its parts begins where it did.
            written.push((if nth == 0 { first.clone() } else { spot.key().to_vec() }, bytes));
        }
    }
    Ok(Rewritten { written, emptied })
}

impl Transaction {
    /// Takes hazards out of the strips and puts them in.
    pub(super) async fn change_strips(
        &mut self,
        district: DistrictKey,
        changes: &Changes<'_>,
    ) -> Result<(), StoreError> {
        let keys: Vec<[u8; 16]> = changes.keys().copied().map(Spot::key).collect();
        let mut touched = self.strips_of(district, &keys).await?;
        if touched.is_empty() && !changes.is_empty() {
            touched.insert(FIRST.to_vec(), Strip::empty());
        }
        let Rewritten { written, emptied } = rewritten(&touched, changes)?;
        for first in emptied {
            execute!(self, DELETE_STRIP, district.0, first);
        }
        insert_rows!(
            self,
            &written,
            "INSERT INTO tile_strips (district, first, strip) ",
            " ON CONFLICT (district, first) DO UPDATE SET strip = excluded.strip",
            |row, item| row.push_bind(district.0).push_bind(item.0.as_slice()).push_bind(item.1.as_slice())
        );
        Ok(())
    }

    /// The strips of these spots, by the key that each begins at.
    async fn strips_of(&mut self, district: DistrictKey, keys: &[[u8; 16]]) -> Result<Kept, StoreError> {
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
        let mut strips = Kept::new();
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
        let point = hazard.point();
        let Some(spot) = point.spot() else { return Ok(()) };
        let (alike, number) = (point.alike(), point.plain_number());
        let entry = Entry { spot, due_ms: point.due_ms, alike: &alike, number: &number };
        self.change_strips(district, &Changes::from([(spot, Some(entry))])).await
    }

    /// What is kept in strips, and whether each hazard stands in the strip that is looked for.
    pub async fn hazards_of_strips(&mut self, district: DistrictKey) -> Result<(InStrips, bool), StoreError> {
        type Row = (Vec<u8>, Vec<u8>);
        let mut counting = Counting::default();
        let mut are_in_order = true;
        let mut last: Option<[u8; 16]> = None;
        let mut rows = fetch_all!(self, Row, SELECT_FIRST_STRIP, district.0, FIRST);
        let mut after = FIRST.to_vec();
        loop {
            for (first, strip) in rows {
                let strip = Strip::read(&strip).map(|strip| {
                    for (_, entry) in &strip.hazards {
                        let key = entry.spot.key();
                        are_in_order &= last < Some(key) && first.as_slice() <= &key[..];
                        last = Some(key);
                        counting.add(entry);
                    }
                });
                strip.ok_or(StoreError::Damaged("a strip of the map"))?;
                after = first;
            }
            rows = fetch_all!(self, Row, SELECT_STRIPS_AFTER, district.0, after.as_slice(), CHECKED / 10);
            // What stands before this strip ends before it begins.
            are_in_order &=
                rows.first().is_none_or(|(first, _)| last.is_none_or(|last| &last[..] < first.as_slice()));
            if rows.is_empty() {
                return Ok((counting.finish(), are_in_order));
            }
        }
    }

    /// What should be kept in strips.
    pub async fn hazards_for_strips(&mut self, district: DistrictKey) -> Result<InStrips, StoreError> {
        let mut counting = Counting::default();
        let mut after = Spot { place: -1, id: i64::MAX };
        loop {
            let rows = fetch_all!(
                self, TileHazard, SELECT_HAZARDS_AFTER, district.0, after.place, after.id, CHECKED
            );
            for hazard in &rows {
                let point = hazard.point();
                let Some(spot) = point.spot() else { continue };
                let (alike, number) = (point.alike(), point.plain_number());
                counting.add(&Entry { spot, due_ms: point.due_ms, alike: &alike, number: &number });
                after = spot;
            }
            if rows.is_empty() {
                return Ok(counting.finish());
            }
        }
    }
}
