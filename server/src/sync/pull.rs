//! The reply to a sync: receipts, notices, then the feed, worst first.
//!
//! Frames of the feed go to a channel in parts of at most [`limits::FLUSH_BYTES`], or of one item that is larger, each
//! ending with a cursor, so that a reply that is cut anywhere leaves the device with a prefix. A reply that fits into the channel is written before
//! anybody reads it: [`Parts::channel`] tells where one does not. Every statement reads what is newest, or what was
//! newest when the group was written ([`super::ahead`]): a record that changes meanwhile leaves the feed up to the reply's
//! last change or is told as it was, and comes with the next one.

use std::sync::Arc;

use bytes::Bytes;
use sync_protocol::cbor::Raw;
use sync_protocol::exchange::{self, AreaState, End, Frame, Hello, Refused};
use sync_protocol::limits;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use super::ahead::Ahead;
use super::cursor::Cursor;
use super::delivery::Receipts;
use super::feed::Feed;
use super::{Engine, SyncError, areas};
use crate::domain::{Collection, Device, District};
use crate::store::{Lineage, PresenterRow, Transaction};

/// What a reply is made from.
#[derive(Debug)]
pub struct Question {
    /// The district.
    pub district: District,
    /// The presenter, as it stands after what it brought.
    pub presenter: PresenterRow,
    /// The sequence that the presenter says it is at.
    pub claimed_sequence: u64,
    /// The presented cursor, settled.
    pub cursor: Cursor,
    /// Where the feed stands.
    pub lineage: Lineage,
    /// What of the feed is read already.
    pub ahead: Ahead,
    /// The areas that the presenter holds.
    pub areas: Option<AreaState>,
    /// Numbers of the collections that it knows.
    pub collections: Vec<Collection>,
    /// Bytes wanted.
    pub budget: u64,
    /// Receipts, in the order in which the bundles came.
    pub receipts: Vec<Vec<u8>>,
    /// Bundles refused.
    pub refused: Vec<Refused>,
    /// Server time at which the request came.
    pub received_ms: i64,
}

/// A part of a reply: whole frames, to be flushed.
pub type Part = Bytes;

/// Parts that wait for a slow phone.
const PARTS_WAITING: usize = 4;

/// The way of parts to whoever sends them.
#[derive(Debug)]
pub struct Parts {
    sender: mpsc::Sender<Part>,
    filled: Arc<Notify>,
}

impl Parts {
    /// Where parts go in, where they come out, and what is told when they must wait for being taken.
    pub fn channel() -> (Self, mpsc::Receiver<Part>, Arc<Notify>) {
        let (sender, receiver) = mpsc::channel(PARTS_WAITING);
        let filled = Arc::new(Notify::new());
        (Self { sender, filled: Arc::clone(&filled) }, receiver, filled)
    }
}

/// Orders receipts as their bundles came.
pub fn in_order(receipts: &Receipts, order: &[sync_protocol::ids::BundleHash]) -> Vec<Vec<u8>> {
    order.iter().filter_map(|bundle| receipts.get(bundle).cloned()).collect()
}

/// Writes the reply into a channel. A receiver that went away ends it.
///
/// # Errors
/// The store's: the reply ends without its `end` frame, and the device asks again.
pub async fn reply(
    engine: Arc<Engine>,
    mut question: Question,
    mut reading: Option<Transaction>,
    parts: Parts,
) -> Result<(), SyncError> {
    let ahead = std::mem::take(&mut question.ahead);
    let mut writer = Writer { parts, pending: Vec::new(), written: 0, has_waited: false, is_gone: false };
    writer.frame(&Frame::Hello(Hello {
        epoch: question.lineage.epoch.clone(),
        district: question.district.id,
        protocol: sync_protocol::PROTOCOL,
        server_ms: question.received_ms,
        deployment: engine.keys.deployment(),
    }));
    for receipt in &question.receipts {
        writer.frame(&Frame::Receipt(Raw::from_checked(receipt)));
    }
    for refused in &question.refused {
        writer.frame(&Frame::Refused(refused.clone()));
    }
    let key = question.district.key;
    let device = &question.presenter.device;
    if question.presenter.has_notices {
        let reading = engine.reading(&mut reading).await?;
        let most = (limits::NOTICES, limits::NOTICE_BYTES);
        for body in reading.waiting_notices(key, &device.holders(), most).await? {
            let body = Raw::from_checked(&body);
            if let Some(notice) = exchange::Notice::decode(&body) {
                writer.frame(&Frame::Notice(notice));
            }
        }
    }
    if device.is_left() {
        closing(&engine, &question, &mut writer, true, &mut reading).await?;
        writer.flush(&mut None).await;
        return Ok(());
    }
    let areas = areas::settle(&engine, &question).await?;
    writer.flush(&mut reading).await;
    let mut feed = Feed::new(&engine, &question, ahead, reading);
    let is_whole = feed.write(&mut writer, &areas).await?;
    let mut reading = feed.reading;
    closing(&engine, &question, &mut writer, is_whole, &mut reading).await?;
    writer.flush(&mut None).await;
    Ok(())
}

async fn closing(
    engine: &Arc<Engine>,
    question: &Question,
    writer: &mut Writer,
    is_whole: bool,
    reading: &mut Option<Transaction>,
) -> Result<(), SyncError> {
    let key = question.district.key;
    let Device { id, head_sequence, whole_through, .. } = question.presenter.device;
    let held = if head_sequence > whole_through {
        engine.reading(reading).await?.held_ranges(key, id, whole_through).await?
    } else {
        Vec::new()
    };
    let missing = missing(whole_through, question.claimed_sequence.max(head_sequence), &held);
    if !missing.is_empty() {
        writer.frame(&Frame::Missing(missing));
    }
    if !question.presenter.missing_photos.is_empty() {
        writer.frame(&Frame::Photos(question.presenter.missing_photos.clone()));
    }
    let safe_through = question.presenter.safe_through;
    writer.frame(&Frame::End(End { more: !is_whole, server_ms: engine.clock.now_ms(), safe_through }));
    Ok(())
}

/// Closed ranges after `whole_through` up to `claimed` that the held ranges leave out.
pub fn missing(whole_through: u64, claimed: u64, held: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut missing = Vec::new();
    let mut next = whole_through + 1;
    for (first, last) in held {
        if *first > next && next <= claimed {
            missing.push((next, (*first - 1).min(claimed)));
        }
        next = next.max(last.saturating_add(1));
        if missing.len() >= limits::MISSING_RANGES {
            return missing;
        }
    }
    if next <= claimed {
        missing.push((next, claimed));
    }
    missing
}

/// Collects frames and sends them in parts.
pub(super) struct Writer {
    parts: Parts,
    pending: Vec<u8>,
    pub(super) written: u64,
    /// Its receiver was slower than the reply.
    pub(super) has_waited: bool,
    is_gone: bool,
}

/// A cursor frame is at most so long: parts keep below [`limits::FLUSH_BYTES`] with it.
const CURSOR_FRAME_BYTES: usize = 160;

impl Writer {
    pub(super) fn frame(&mut self, frame: &Frame) {
        self.encoded(&frame.encode());
    }

    /// A frame as it is sent.
    pub(super) fn encoded(&mut self, frame: &[u8]) {
        self.pending.extend_from_slice(frame);
    }

    /// Whether a frame of so many bytes and a cursor still belong to this part: to an empty one everything does.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.pending.is_empty() || self.pending.len() + bytes + CURSOR_FRAME_BYTES <= limits::FLUSH_BYTES
    }

    /// Whether another frame of so many bytes and a cursor pass the budget.
    pub(super) fn would_pass(&self, bytes: usize, budget: u64) -> bool {
        let more = u64::try_from(bytes + CURSOR_FRAME_BYTES).unwrap_or(u64::MAX);
        self.written.saturating_add(more) > budget
    }

    /// Sends what is pending, and lets go of the connection where that must wait: a slow phone holds none. False
    /// where the receiver is gone.
    pub(super) async fn flush(&mut self, reading: &mut Option<Transaction>) -> bool {
        if self.pending.is_empty() || self.is_gone {
            return !self.is_gone;
        }
        let part = Bytes::from(std::mem::take(&mut self.pending));
        self.written += u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.is_gone = match self.parts.sender.try_send(part) {
            Ok(()) => false,
            Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(part)) => {
                *reading = None;
                self.has_waited = true;
                self.parts.filled.notify_one();
                self.parts.sender.send(part).await.is_err()
            }
        };
        !self.is_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_ranges_are_what_the_held_ones_leave_out() {
        assert_eq!(missing(0, 0, &[]), []);
        assert_eq!(missing(0, 3, &[]), [(1, 3)]);
        assert_eq!(missing(2, 9, &[(5, 6), (8, 8)]), [(3, 4), (7, 7), (9, 9)]);
        assert_eq!(missing(2, 6, &[(5, 9)]), [(3, 4)]);
        assert_eq!(missing(5, 4, &[]), []);
    }
}
