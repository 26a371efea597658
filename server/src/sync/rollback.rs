//! A restored server: proving it from a cursor, and rewinding the cursor to the fork.
//!
//! Every start of a server begins an *incarnation* of each district and notes the change number it starts at;
//! a cursor names the last four. So a cursor beyond the start of its incarnation's successor was given by a
//! history that this database no longer has.

use std::sync::Arc;

use super::audit::{Actor, Entry};
use super::cursor::Cursor;
use super::{Engine, SyncError, numbers};
use crate::domain::District;
use crate::store::{Lineage, Transaction};

/// Where a presented cursor stands in this database's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All that it names is held.
    Sound,
    /// It names what is not held: continue from this change at most.
    Beyond(u64),
}

/// Compares a cursor with the incarnations of a database, oldest first.
pub fn standing(cursor: &Cursor, incarnations: &[([u8; 4], u64)], last_change: u64) -> Standing {
    let newest = cursor.newest();
    for tag in &cursor.tags {
        let Some(index) = incarnations.iter().position(|(known, _)| known == tag) else { continue };
        // What this incarnation gave ends where its successor began; what the newest gave, at the last change.
        let end = incarnations.get(index + 1).map_or(last_change, |(_, start)| *start);
        let is_newest_tag = cursor.tags.first() == Some(tag);
        return if is_newest_tag && newest <= end { Standing::Sound } else { Standing::Beyond(end) };
    }
    if cursor.is_start() { Standing::Sound } else { Standing::Beyond(0) }
}

/// Decodes a presented cursor, begins a new epoch where it proves a rollback, and rewinds it to the fork. Gives the
/// lineage after that.
///
/// # Errors
/// `cursor-invalid`; the store's.
pub async fn settle(
    engine: &Arc<Engine>,
    district: &District,
    presented: Option<&[u8]>,
    mut lineage: Lineage,
    reading: &mut Option<Transaction>,
) -> Result<(Cursor, Lineage), SyncError> {
    let Some(presented) = presented else { return Ok((Cursor::default(), lineage)) };
    let mut cursor = Cursor::decode(presented, &engine.keys, district.key)?;
    let is_of_this_start = cursor.tags.first().is_some_and(|tag| lineage.tags.first() == Some(tag));
    if is_of_this_start && cursor.newest() <= lineage.change {
        return Ok((cursor, lineage));
    }
    let reading = engine.reading(reading).await?;
    let incarnations = reading.incarnations(district.key).await?;
    lineage = reading.lineage(district.key).await?;
    if let Standing::Beyond(fork) = standing(&cursor, &incarnations, lineage.change) {
        for change in &mut cursor.changes {
            *change = (*change).min(fork);
        }
        lineage = begin_epoch(engine, district, &cursor, fork).await?;
    }
    Ok((cursor, lineage))
}

/// A rollback is announced once: the devices that prove it again later find the epoch begun.
async fn begin_epoch(
    engine: &Arc<Engine>,
    district: &District,
    cursor: &Cursor,
    fork: u64,
) -> Result<Lineage, SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let known = transaction.epochs_forked_at(district.key, fork).await?;
    if !known {
        let epoch: [u8; 16] = engine.keys.random()?;
        let now_ms = engine.clock.now_ms();
        transaction.begin_epoch(district.key, epoch, fork, now_ms).await?;
        numbers::after_restore(engine, &mut transaction, district).await?;
        let detail = serde_json::json!({ "fork": fork });
        let entry = Entry::by(Actor::Server, "restore.detected", district.code.as_str(), detail);
        engine.audit(&mut transaction, district, entry).await?;
        tracing::warn!(
            fork,
            cursor = cursor.newest(),
            "district {}: a device holds changes that this database lost; it was restored from a backup. \
             A new epoch begins at change {fork}; devices will offer again what the backup does not hold",
            district.code
        );
        metrics::counter!("firebreak_epochs_total").increment(1);
    }
    let lineage = transaction.lineage(district.key).await?;
    transaction.commit().await?;
    Ok(lineage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(newest: u64, tags: &[u8]) -> Cursor {
        Cursor { changes: [newest, 0, 0, 0], tags: tags.iter().map(|tag| [*tag; 4]).collect() }
    }

    #[test]
    fn a_cursor_is_rewound_to_where_its_history_left_this_one() {
        // Incarnation 1 ran to change 100, was restored there and went on as 2.
        let incarnations = [([1; 4], 0), ([2; 4], 100)];
        for (presented, expected) in [
            (cursor(90, &[1]), Standing::Sound),
            (cursor(100, &[1]), Standing::Sound),
            (cursor(150, &[1]), Standing::Beyond(100)),
            (cursor(150, &[2, 1]), Standing::Sound),
            (cursor(250, &[2, 1]), Standing::Beyond(200)),
            // Given by a start that the backup does not know, begun after 1.
            (cursor(150, &[9, 1]), Standing::Beyond(100)),
            (cursor(80, &[9, 1]), Standing::Beyond(100)),
            (cursor(80, &[9, 8]), Standing::Beyond(0)),
            (cursor(0, &[]), Standing::Sound),
        ] {
            assert_eq!(standing(&presented, &incarnations, 200), expected, "{presented:?}");
        }
    }
}
