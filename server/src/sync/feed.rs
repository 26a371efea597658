//! The feed of one reply: a change of areas first, then items, worst class first.
//!
//! Every part ends with a cursor. What a reply is made of around the feed
//! is in [`super::pull`].

use std::collections::HashMap;
use std::sync::Arc;

use sync_protocol::cbor::Raw;
use sync_protocol::exchange::{self, Frame, Item};
use sync_protocol::ids::RecordId;
use sync_protocol::limits;
use sync_protocol::view::{Omitted, View};

use super::ahead::{Ahead, Stretch};
use super::cursor::{CLASSES, Cursor};
use super::pull::{Question, Writer};
use super::{Engine, SyncError};
use crate::domain::Collection;
use crate::geometry::{Area, GeoBox};
use crate::store::{AreaVersion, FeedRow, InCell, PastPlace, PresenterRow, Transaction};

/// Rows read at a time.
pub(super) const PAGE_ROWS: u32 = 200;
/// Rows read at a time where the budget is small.
pub(super) const PAGE_ROWS_LEAST: u32 = 4;
/// An item is about as large: a report of a phone takes some 870 bytes. Where items are smaller, another page is read.
const ITEM_BYTES: u64 = 800;
/// Ranges of keys that cover one box.
const RANGES_PER_BOX: usize = 16;

/// The area a device is sent, and the change it must make first.
#[derive(Debug)]
pub(super) struct Areas {
    area: Area,
    change: Option<AreaChange>,
}

#[derive(Debug)]
struct AreaChange {
    from: Area,
    to: Area,
    version: u64,
    /// Another change was under way, or the device holds areas that a restored ledger has lost: what it holds is known
    /// nowhere but by itself.
    is_interrupted: bool,
}

impl AreaChange {
    /// Whether a device that held all of its areas holds what is here.
    fn surely_held(&self, place: Option<i64>) -> bool {
        !self.is_interrupted && self.from.contains(place)
    }

    fn progress(&self, at: InCell) -> Vec<u8> {
        Progress { version: self.version, at, is_interrupted: self.is_interrupted }.encode()
    }

    /// Whether the device may hold what is here.
    fn perhaps_held(&self, place: Option<i64>) -> bool {
        self.is_interrupted || self.from.contains(place)
    }
}

/// Areas belong to persons; a device gets their union, versioned for that device.
pub(super) async fn settle_areas(engine: &Arc<Engine>, question: &Question) -> Result<Areas, SyncError> {
    let key = question.district.key;
    let PresenterRow { device, areas, .. } = &question.presenter;
    let holder = PresenterRow::holder(device.id);
    let mut boxes: Vec<GeoBox> = Vec::new();
    let mut is_everywhere = device.persons.is_empty();
    for person in &device.persons {
        match areas.get(person).and_then(|versions| versions.last()) {
            Some(area) if !area.boxes.is_empty() => boxes.extend(&area.boxes),
            _ => is_everywhere = true,
        }
    }
    if is_everywhere {
        boxes.clear();
    }
    let mut versions = areas.get(&holder).cloned().unwrap_or_default();
    let current = versions.last().map_or(&[][..], |version| version.boxes.as_slice());
    if current != boxes.as_slice() {
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(key, 0).await?;
        // Another request of this device may have been first.
        versions = transaction.areas(key, &[holder]).await?.remove(&holder).unwrap_or_default();
        let (version, known) =
            versions.last().map_or((0, &[][..]), |last| (last.version, last.boxes.as_slice()));
        if known != boxes.as_slice() {
            let version = next_version(version, question.lineage.tags.first());
            let next = AreaVersion { version, boxes: boxes.clone() };
            transaction.add_area(key, holder, &next).await?;
            transaction.commit().await?;
            versions.push(next);
        }
    }
    let area = Area::of(&boxes);
    let version = versions.last().map_or(0, |version| version.version);
    let held = question.areas.as_ref().map_or(0, |areas| areas.version);
    // Version 0 is the whole district; a device that pulled nothing yet has nothing to leave or enter.
    let known = versions.iter().find(|known| known.version == held);
    let token = question.areas.as_ref().and_then(|areas| areas.progress.as_deref());
    let is_interrupted = (held != 0 && known.is_none())
        || token.is_some_and(|token| {
            Progress::read(token).is_none_or(|it| it.version != version || it.is_interrupted)
        });
    if held == version && !is_interrupted {
        return Ok(Areas { area, change: None });
    }
    let from = known.map_or_else(Area::everywhere, |known| Area::of(&known.boxes));
    let change = AreaChange { from, to: area.clone(), version, is_interrupted };
    Ok(Areas { change: Some(change), area })
}

pub(super) struct Feed<'a> {
    engine: &'a Arc<Engine>,
    question: &'a Question,
    cursor: Cursor,
    /// How far a change of areas is, while it goes on.
    progress: Option<Vec<u8>>,
    /// What was read of the feed for this phone and others, until a page is not in it or the phone is slow.
    ahead: Ahead,
    /// Held while the phone keeps up.
    pub(super) reading: Option<Transaction>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        engine: &'a Arc<Engine>,
        question: &'a Question,
        ahead: Ahead,
        reading: Option<Transaction>,
    ) -> Self {
        let mut cursor = question.cursor.clone();
        cursor.tags.clone_from(&question.lineage.tags);
        Self { engine, question, cursor, progress: None, ahead, reading }
    }

    /// Enters and leaves first, then items; the new areas are the device's only when all of it came, since what
    /// changed meanwhile was known where the old ones were. False where the budget or the receiver ended it.
    pub(super) async fn write(&mut self, writer: &mut Writer, areas: &Areas) -> Result<bool, SyncError> {
        let Some(change) = &areas.change else {
            return self.items(writer, &areas.area, &areas.area).await;
        };
        if !self.change_area(writer, change).await? {
            return Ok(false);
        }
        let held = if change.is_interrupted { &Area::everywhere() } else { &change.from };
        if !self.items(writer, &change.to, held).await? || !self.moved_away(writer, change, held).await? {
            return Ok(false);
        }
        self.progress = None;
        writer.frame(&Frame::Areas(change.version));
        writer.frame(&self.cursor_frame());
        Ok(true)
    }

    /// Leaves of what moved while this reply was written: the scan may have missed it, and the next reply no longer
    /// knows the old areas. What stays in the new ones comes again with that reply. False where the budget or the receiver
    /// ended it.
    async fn moved_away(
        &mut self,
        writer: &mut Writer,
        change: &AreaChange,
        held: &Area,
    ) -> Result<bool, SyncError> {
        let known_through = self.question.cursor.newest();
        let mut after = (self.question.lineage.change, RecordId(uuid::Uuid::max()));
        loop {
            let reading = self.engine.reading(&mut self.reading).await?;
            let moves = reading.moves(self.question.district.key, after, PAGE_ROWS).await?;
            let is_last = moves.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
            for gone in moves {
                after = (gone.until, gone.record);
                let PastPlace { since, place } = gone.from;
                let is_left = since <= known_through && held.contains(place) && !change.to.contains(place);
                if is_left && !self.tell(writer, &Frame::Leave(gone.record)).await {
                    return Ok(false);
                }
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    /// Enters and leaves of a change of areas. False where the budget or the receiver ended it.
    async fn change_area(&mut self, writer: &mut Writer, change: &AreaChange) -> Result<bool, SyncError> {
        let known_through = self.cursor.newest();
        if known_through > 0 {
            let both = change.from.clone().union(&change.to);
            let ranges = if both.is_everywhere() || change.is_interrupted {
                vec![(0, i64::MAX)]
            } else {
                both.ranges(RANGES_PER_BOX)
            };
            let mut after = self.presented_progress(change.version);
            for (first, last) in InCell::cells(&ranges) {
                if after.cell > last {
                    continue;
                }
                let mut at = after.max(InCell::behind(first - 1));
                loop {
                    let reading = self.engine.reading(&mut self.reading).await?;
                    let rows = reading.placed(self.question.district.key, at, last, PAGE_ROWS).await?;
                    let is_last = rows.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
                    for row in rows {
                        let is_here = change.to.contains(row.place) && !is_gone(&row);
                        // What changed since comes with the items.
                        let is_new = !change.surely_held(row.place) && row.change <= known_through;
                        let was_known = row.place_since <= known_through && change.perhaps_held(row.place);
                        let frame = match is_here {
                            true if is_new => Some(item(&row)),
                            false if was_known => Some(Frame::Leave(row.record)),
                            _ => None,
                        };
                        if let Some(frame) = frame {
                            self.progress = Some(change.progress(at));
                            if !self.tell(writer, &frame).await {
                                return Ok(false);
                            }
                        }
                        at = row.place.map_or(at, |place| InCell::of(place, row.change));
                    }
                    if is_last {
                        break;
                    }
                }
                after = after.max(InCell::behind(last));
            }
        }
        self.progress = Some(change.progress(InCell::behind(i64::MAX)));
        Ok(true)
    }

    fn presented_progress(&self, version: u64) -> InCell {
        let token = self.question.areas.as_ref().and_then(|areas| areas.progress.as_deref());
        let read = token.and_then(Progress::read).filter(|it| it.version == version);
        read.map_or(InCell::FIRST, |it| it.at)
    }

    /// Items of every class, worst first. False where the budget or the receiver ended it.
    async fn items(&mut self, writer: &mut Writer, area: &Area, held: &Area) -> Result<bool, SyncError> {
        let through = self.question.lineage.change;
        let known_through = self.question.cursor.newest();
        for class in 0..CLASSES {
            let newest = self.question.lineage.newest.get(class).copied().unwrap_or(through);
            while let Some(after) = self.cursor.changes.get(class).copied() {
                if after >= through {
                    break;
                }
                if after >= newest {
                    self.advance(class, through);
                    break;
                }
                let stretch = self.stretch(writer, class, (after, through)).await?;
                let rows = stretch.behind(after);
                let outside: Vec<RecordId> =
                    rows.iter().filter(|row| !is_in(area, row)).map(|row| row.record).collect();
                let past = self.past_places(&outside).await?;
                for row in rows {
                    let change = row.change;
                    let frame = if is_in(area, row) {
                        self.is_wanted(row).then(|| item(row))
                    } else {
                        let was_here = |since: u64, place: Option<i64>| {
                            since <= known_through && (area.contains(place) || held.contains(place))
                        };
                        let was_known = was_here(row.place_since, row.place)
                            || past.get(&row.record).is_some_and(|places| {
                                places.iter().any(|past| was_here(past.since, past.place))
                            });
                        was_known.then_some(Frame::Leave(row.record))
                    };
                    if let Some(frame) = frame
                        && !self.tell(writer, &frame).await
                    {
                        return Ok(false);
                    }
                    self.advance(class, change);
                }
                if stretch.is_last() {
                    self.advance(class, through);
                    break;
                }
                // Others want to read too.
                self.reading = None;
            }
        }
        writer.frame(&self.cursor_frame());
        Ok(true)
    }

    /// What comes behind a change of a class: what was read of it for all, or a page of its own.
    async fn stretch(
        &mut self,
        writer: &Writer,
        class: usize,
        (after, through): (u64, u64),
    ) -> Result<Arc<Stretch>, SyncError> {
        let ahead = std::mem::take(&mut self.ahead);
        if !writer.has_waited
            && let Some(stretch) = ahead.stretch(class, after, through)
        {
            self.ahead = ahead;
            return Ok(stretch);
        }
        let limit = rows_within(self.question.budget.saturating_sub(writer.written));
        let district = self.question.district.key;
        let reading = self.engine.reading(&mut self.reading).await?;
        Ok(Arc::new(Stretch::read(reading, district, class, (after, through), limit).await?))
    }

    /// Where these were before; that of none is not asked for.
    async fn past_places(
        &mut self,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, Vec<PastPlace>>, SyncError> {
        if records.is_empty() {
            return Ok(HashMap::new());
        }
        let reading = self.engine.reading(&mut self.reading).await?;
        Ok(reading.past_places(self.question.district.key, records).await?)
    }

    /// Writes a frame that the cursor does not tell of yet. Where the part has no room for it, a cursor ends that part
    /// first. False where the budget or the receiver ended the reply: the frame comes with the next one.
    async fn tell(&mut self, writer: &mut Writer, frame: &Frame) -> bool {
        let frame = frame.encode();
        if !writer.has_room(frame.len()) {
            writer.frame(&self.cursor_frame());
            let is_heard = writer.flush(&mut self.reading).await;
            if !is_heard || writer.would_pass(frame.len(), self.question.budget) {
                return false;
            }
        }
        writer.encoded(&frame);
        true
    }

    fn is_wanted(&self, row: &FeedRow) -> bool {
        Collection::from_number(row.collection)
            .is_some_and(|collection| self.question.collections.contains(&collection))
    }

    fn advance(&mut self, class: usize, change: u64) {
        if let Some(at) = self.cursor.changes.get_mut(class) {
            *at = change;
        }
    }

    fn cursor_frame(&self) -> Frame {
        let progress = self.progress.clone();
        let cursor = self.cursor.encode(&self.engine.keys, self.question.district.key);
        Frame::Cursor(exchange::Cursor { cursor, progress })
    }
}

/// Rows worth reading at once: no more than so many bytes are likely to take.
pub(super) fn rows_within(bytes: u64) -> u32 {
    u32::try_from(bytes / ITEM_BYTES).unwrap_or(PAGE_ROWS).clamp(PAGE_ROWS_LEAST, PAGE_ROWS)
}

/// Whether a device with these areas is to hold a record.
fn is_in(area: &Area, row: &FeedRow) -> bool {
    area.contains(row.place) && !is_gone(row)
}

/// Whether no operation of the record is in the folded set any more: who holds it lets it go.
const fn is_gone(row: &FeedRow) -> bool {
    row.collection == Collection::Gone.number()
}

/// A record as it is sent: the stored bytes, or as much of them as one frame may hold.
fn item(row: &FeedRow) -> Frame {
    let whole = || (Raw::from_checked(&row.view), Omitted::new());
    let (view, abridged) = if row.view.len() <= limits::VIEW_BYTES {
        whole()
    } else {
        View::decode(&row.view).map_or_else(whole, |view| {
            let (view, abridged) = view.abridged(limits::VIEW_BYTES);
            (Raw::from_checked(&view.encode()), abridged)
        })
    };
    let collection = Collection::from_number(row.collection).unwrap_or(Collection::Records);
    Frame::Item(Item {
        collection: collection.as_str().to_owned(),
        record: row.record,
        change: row.change,
        view,
        abridged,
    })
}

/// The next version of a device's areas: versions ascend, and no two starts of the server give the same one, so that a
/// restored ledger knows which areas it has lost.
fn next_version(last: u64, start: Option<&[u8; 4]>) -> u64 {
    let start = start.map_or(0, |&[one, two, three, _]| u32::from_be_bytes([0, one, two, three]));
    (((last >> START_BITS) + 1) << START_BITS) | u64::from(start)
}

/// Bits of a version of areas that the start of the server gives.
const START_BITS: u32 = 24;

/// How far a change of areas is: what the device gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    version: u64,
    at: InCell,
    is_interrupted: bool,
}

impl Progress {
    fn encode(self) -> Vec<u8> {
        let mut token =
            [self.version.to_be_bytes(), self.at.cell.to_be_bytes(), self.at.change.to_be_bytes()].concat();
        token.push(u8::from(self.is_interrupted));
        token
    }

    /// None of what no server of this version gave.
    fn read(token: &[u8]) -> Option<Self> {
        let (version, rest) = token.split_first_chunk::<8>()?;
        let (cell, rest) = rest.split_first_chunk::<8>()?;
        let (change, rest) = rest.split_first_chunk::<8>()?;
        let [interrupted] = rest else { return None };
        Some(Self {
            version: u64::from_be_bytes(*version),
            at: InCell { cell: i64::from_be_bytes(*cell), change: u64::from_be_bytes(*change) },
            is_interrupted: *interrupted != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_areas_ascend_and_are_of_their_start() {
        let first = next_version(0, Some(&[1, 2, 3, 4]));
        let second = next_version(first, Some(&[1, 2, 3, 4]));
        let lost = next_version(first, Some(&[9; 4]));
        assert!(0 < first && first < second && first < lost && second != lost);
        assert!(next_version(7, Some(&[0xff; 4])) > 7, "versions of before counted from 1");
    }

    #[test]
    fn progress_comes_back_and_another_token_is_none() {
        let progress =
            Progress { version: 7, at: InCell { cell: -1, change: u64::MAX }, is_interrupted: true };
        assert_eq!(Progress::read(&progress.encode()), Some(progress));
        assert_eq!(Progress::read(&progress.encode()[..24]), None);
        assert_eq!(Progress::read(&[]), None);
    }
}
