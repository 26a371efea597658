//! The feed of one reply: a change of areas first, then items, worst class first.
//!
//! Every part ends with a cursor. What a reply is made of around the feed is in [`super::pull`]; which areas a device has
//! and holds, in [`super::areas`].

use std::collections::HashMap;
use std::sync::Arc;

use sync_protocol::cbor::Raw;
use sync_protocol::exchange::{self, Frame, Item};
use sync_protocol::ids::RecordId;
use sync_protocol::limits;
use sync_protocol::view::{Omitted, View};

use super::ahead::{Ahead, Stretch};
use super::areas::{AreaChange, Areas};
use super::cursor::{CLASSES, Cursor};
use super::pull::{Question, Writer};
use super::{Engine, SyncError};
use crate::domain::Collection;
use crate::geometry::Area;
use crate::store::{FeedRow, InCell, PastPlace, Transaction};

/// Rows read at a time.
pub(super) const PAGE_ROWS: u32 = 200;
/// Rows read at a time where the budget is small.
pub(super) const PAGE_ROWS_LEAST: u32 = 4;
/// An item is about as large: a report of a phone takes some 870 bytes. Where items are smaller, another page is read.
const ITEM_BYTES: u64 = 800;
/// Rows of a change of areas of which nothing is told, before a cursor says how far it is.
const SILENT_ROWS: usize = 2_000;
/// Ranges of keys that cover one box.
const RANGES_PER_BOX: usize = 16;

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
        let change = match areas {
            Areas::Held(area) => return self.items(writer, area, area).await,
            Areas::Changing(change) => change,
        };
        if !self.change_area(writer, change).await? {
            return Ok(false);
        }
        let held = change.perhaps_held();
        if !self.items(writer, &change.to, &held).await? || !self.moved_away(writer, change, &held).await? {
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
            let held = change.perhaps_held();
            let both = held.clone().union(&change.to);
            let ranges = if both.is_everywhere() { vec![(0, i64::MAX)] } else { both.ranges(RANGES_PER_BOX) };
            let mut silent = 0;
            for (first, last) in InCell::cells(&ranges) {
                if change.begun_at.cell > last {
                    continue;
                }
                let mut at = change.begun_at.max(InCell::behind(first - 1));
                loop {
                    let reading = self.engine.reading(&mut self.reading).await?;
                    let rows = reading.placed(self.question.district.key, at, last, PAGE_ROWS).await?;
                    let is_last = rows.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
                    for row in rows {
                        silent += 1;
                        if let Some(frame) = crossing(change, &held, &row, known_through) {
                            self.progress = Some(change.progress(at));
                            if !self.tell(writer, &frame).await {
                                return Ok(false);
                            }
                            silent = 0;
                        }
                        at = row.place.map_or(at, |place| InCell::of(place, row.change));
                    }
                    if silent >= SILENT_ROWS {
                        self.progress = Some(change.progress(at));
                        if !self.end_part(writer, 0).await {
                            return Ok(false);
                        }
                        silent = 0;
                    }
                    if is_last {
                        break;
                    }
                }
            }
        }
        self.progress = Some(change.progress(InCell::behind(i64::MAX)));
        Ok(true)
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
        if !writer.has_room(frame.len()) && !self.end_part(writer, frame.len()).await {
            return false;
        }
        writer.encoded(&frame);
        true
    }

    /// Ends a part with a cursor. False where nobody hears it, or the budget has no room for a frame of so many bytes.
    async fn end_part(&mut self, writer: &mut Writer, bytes: usize) -> bool {
        writer.frame(&self.cursor_frame());
        writer.flush(&mut self.reading).await && !writer.would_pass(bytes, self.question.budget)
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

/// How a device that knows everything through a change learns that a record enters its new areas, or leaves those that it
/// perhaps held. None: it holds it already, never did, or hears of it with the items.
fn crossing(change: &AreaChange, held: &Area, row: &FeedRow, known_through: u64) -> Option<Frame> {
    if is_in(&change.to, row) {
        let is_new = !change.surely_held(row.place) && row.change <= known_through;
        return is_new.then(|| item(row));
    }
    let was_known = row.place_since <= known_through && held.contains(row.place);
    was_known.then_some(Frame::Leave(row.record))
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
