//! Backups: a copy is worth something once it was read. What a copy that was found whole holds, phones need not keep.
//!
//! [`verify`] reads a copy, however it was made: every record is folded again, every photo hashed. Then `safe_through` of
//! each device is how far the copy holds everything of it. `firebreak backup make` makes one of SQLite
//! ([`crate::store::Store::copy_to`]); PostgreSQL has means of its own.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sync_protocol::ids::PhotoHash;

use super::audit::{Actor, Entry};
use super::{Engine, SyncError, check};
use crate::domain::District;
use crate::photos::SIDES;
use crate::store::{BackupRow, HeldPhoto, Place};

/// Photos looked up in one statement.
const PHOTOS: u32 = 500;
/// Lines of a list.
const LISTED: usize = 100;

/// What a copy of a district was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its code.
    pub district: String,
    /// Nothing is wrong with it: it was noted.
    pub ok: bool,
    /// The change up to which it holds everything.
    pub change: u64,
    /// Operations received.
    pub received: u64,
    /// Records.
    pub records: u64,
    /// The hash of its state, as `check` has it.
    pub state_hash: String,
    /// Photos whose bytes it holds.
    pub photos: u64,
    /// Photos that the ledger itself has lost, at most a hundred: no copy of it can be better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub photos_lost: Vec<String>,
    /// When it was read.
    pub verified_ms: i64,
    /// What is wrong with it, at most a hundred lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

impl Verdict {
    fn fault(&mut self, text: String) {
        if self.faults.len() < LISTED {
            self.faults.push(text);
        }
    }
}

/// What is done about photos that a copy lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photos {
    /// They are copied, and those that were redacted are deleted: the folder is ours to fill.
    Filled,
    /// They are faults.
    AsTheyAre,
}

/// Reads a copy of the ledger and notes of each district whether it is whole: then phones are told what they need keep no
/// longer. A district that the copy does not have is a fault.
///
/// # Errors
/// The stores', of either side.
pub async fn verify(
    engine: &Arc<Engine>,
    copy: &Arc<Engine>,
    photos: Photos,
) -> Result<Vec<Verdict>, SyncError> {
    let mut verdicts = Vec::new();
    for district in engine.stored_districts().await? {
        let mut verdict = Verdict { district: district.code.clone(), ..Verdict::default() };
        match copy.district(&district.id.to_string()).await {
            Ok(copied) => {
                read_copy(engine, (copy, &copied), &district, &mut verdict).await?;
                read_photos(engine, (copy, &copied), photos, &mut verdict).await?;
                verdict.verified_ms = engine.clock.now_ms();
                verdict.ok = verdict.faults.is_empty();
                if verdict.ok {
                    note(engine, (copy, &copied), &district, &verdict).await?;
                }
            }
            Err(SyncError::RefusedFor(..)) => {
                verdict.fault("the copy does not have this district".to_owned());
            }
            Err(error) => return Err(error),
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// Folds every record of the copy again, and sees that it is a copy of this ledger and of no other history of it.
async fn read_copy(
    engine: &Engine,
    (copy, copied): (&Arc<Engine>, &District),
    district: &District,
    verdict: &mut Verdict,
) -> Result<(), SyncError> {
    let ours = engine.store.read().await?.lineage(district.key).await?;
    let theirs = copy.store.read().await?.lineage(copied.key).await?;
    verdict.change = theirs.change;
    if theirs.epoch != ours.epoch {
        verdict.fault("it is of before a restore: the ledger has had another history since".to_owned());
    }
    if theirs.change > ours.change {
        verdict.fault(format!("it is ahead of the ledger: change {} behind {}", theirs.change, ours.change));
    }
    let report = check::check(copy, copied).await?;
    (verdict.received, verdict.records) = (report.received, report.records);
    verdict.state_hash = report.state_hash;
    report.faults.into_iter().for_each(|fault| verdict.fault(fault));
    Ok(())
}

/// Hashes every photo that the copy has a row of.
async fn read_photos(
    engine: &Engine,
    (copy, copied): (&Arc<Engine>, &District),
    photos: Photos,
    verdict: &mut Verdict,
) -> Result<(), SyncError> {
    let (ours, theirs) = (engine.photos.blobs(), copy.photos.blobs());
    let mut after = PhotoHash([0; 32]);
    loop {
        let rows = copy.store.read().await?.held_photos(copied.key, after, PHOTOS).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.sha256;
        for HeldPhoto { sha256, is_erased } in rows {
            let place = Place { district: copied.id, photo: sha256, apart: None };
            if is_erased {
                if photos == Photos::Filled {
                    theirs.erase(place, &SIDES).await?;
                }
                continue;
            }
            let mut is_sound = theirs.is_sound(place).await?;
            if !is_sound
                && photos == Photos::Filled
                && let Some(bytes) = ours.whole(place).await?
            {
                theirs.put(place, bytes).await?;
                is_sound = theirs.is_sound(place).await?;
            }
            if is_sound {
                verdict.photos += 1;
            } else if ours.is_sound(place).await? {
                verdict.fault(format!("photo {sha256} is not in it, or has other bytes"));
            } else if verdict.photos_lost.len() < LISTED {
                verdict.photos_lost.push(sha256.to_string());
            }
        }
    }
}

/// Notes a copy that is whole. A sequence counts where everything up to it had come when the copy was made.
async fn note(
    engine: &Engine,
    (copy, copied): (&Arc<Engine>, &District),
    district: &District,
    verdict: &Verdict,
) -> Result<(), SyncError> {
    let mut reading = copy.store.read().await?;
    let ids = reading.device_ids(copied.key).await?;
    let devices = reading.devices(copied.key, &ids).await?;
    drop(reading);
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let row = BackupRow {
        verified_ms: verdict.verified_ms,
        change: verdict.change,
        state_hash: verdict.state_hash.clone(),
    };
    transaction.add_backup(district.key, &row).await?;
    for (id, device) in devices {
        transaction.set_safe_through(district.key, id, device.device.whole_through).await?;
    }
    let detail = json!({ "change": row.change, "state_hash": row.state_hash, "photos": verdict.photos });
    let entry = Entry::by(Actor::Operator, "backup.verify", district.code.as_str(), detail);
    engine.audit(&mut transaction, district, entry).await?;
    Ok(transaction.commit().await?)
}

/// When a copy was last found whole; none: none ever was.
///
/// # Errors
/// The store's.
pub async fn last_verified_ms(engine: &Engine, district: &District) -> Result<Option<i64>, SyncError> {
    let last = engine.store.read().await?.last_backup(district.key).await?;
    Ok(last.map(|row| row.verified_ms))
}
