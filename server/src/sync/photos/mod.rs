//! Photos: uploads that go on where they broke off, what is held, what may be seen, what is thrown away.
//!
//! A photo is complete when its bytes have its SHA-256 and are on the disk; then each record that names it gets a
//! `photo_verified`, in the transaction that notes the file (`hold`), and so does each record that comes to name it
//! later (`verify_named`). Bytes come in any order of requests and from several uploaders at once: each is appended
//! only where the file ends. Formats and limits are in [`crate::photos`], files in [`crate::store::Blobs`].

pub mod serving;
mod sweep;
mod upload;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::view::{PhotoState, View};
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};

pub use sweep::follow;
pub use upload::{Claimed, Progress, Upload, Uploader};

use super::SyncError;
use super::audit::{Actor, Entry};
use super::batch::Batch;
use super::office::{ActOutcome, OwnOperation, SERVER_AUTHOR, write_own};
use crate::store::{Blobs, PhotoFileRow, PhotoRow, Place};

/// Whole files in memory at a time: to be hashed, or to make a thumbnail of.
const IN_MEMORY: usize = 2;

/// The folder, and who is at which photo.
#[derive(Debug)]
pub struct Photos {
    blobs: Blobs,
    writing: Mutex<HashMap<Place, Arc<tokio::sync::Mutex<()>>>>,
    in_memory: Semaphore,
    /// Decoding one takes hundreds of megabytes.
    decoding: Semaphore,
    /// Files are to go.
    swept: Notify,
}

impl Photos {
    /// With the files of this folder.
    pub fn new(blobs: Blobs) -> Self {
        Self {
            blobs,
            writing: Mutex::default(),
            in_memory: Semaphore::new(IN_MEMORY),
            decoding: Semaphore::new(1),
            swept: Notify::new(),
        }
    }

    /// The folder.
    pub(super) const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A redaction was committed: files are to go.
    pub(super) fn sweep_soon(&self) {
        self.swept.notify_one();
    }

    /// Waits until nobody else writes this photo.
    async fn alone(&self, place: Place) -> OwnedMutexGuard<()> {
        let lock = {
            let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            writing.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(writing.entry(place).or_default())
        };
        lock.lock_owned().await
    }
}

/// Notes that a photo is held, and verifies it on every record that names it.
pub(super) async fn hold(
    batch: &mut Batch<'_>,
    file: &PhotoFileRow,
    by: Uploader,
) -> Result<ActOutcome, SyncError> {
    let key = batch.district.key;
    let known = batch.transaction.photo_file(key, file.sha256).await?;
    match known {
        // It was redacted while it came.
        Some(PhotoFileRow { erased_ms: Some(_), .. }) => {
            return Err(SyncError::Refused(Code::PhotoRedacted));
        }
        Some(PhotoFileRow { completed_ms: Some(_), .. }) => {}
        Some(_) | None => batch.transaction.complete_photo_file(key, file).await?,
    }
    for record in batch.transaction.records_of_photo(key, file.sha256).await? {
        verify(batch, record, file.sha256).await?;
    }
    if let Uploader::Person(person) = by {
        let entry = Entry {
            actor: Actor::Person(person),
            action: "photo.upload".into(),
            object: file.sha256.to_string(),
            detail: json!({ "bytes": file.bytes }),
        };
        batch.engine.audit(batch.transaction, batch.district, entry).await?;
    }
    Ok(ActOutcome { operation: None, persons: Vec::new(), commanded: None })
}

/// Verifies photos that were just named and are held already.
pub(super) async fn verify_named(
    batch: &mut Batch<'_>,
    named: impl Iterator<Item = &PhotoRow>,
) -> Result<(), SyncError> {
    let open = named.filter(|row| !row.is_settled);
    let by_photo: BTreeSet<(PhotoHash, RecordId)> = open.map(|row| (row.sha256, row.record)).collect();
    if by_photo.is_empty() {
        return Ok(());
    }
    let photos: BTreeSet<PhotoHash> = by_photo.iter().map(|(photo, _)| *photo).collect();
    let photos: Vec<PhotoHash> = photos.into_iter().collect();
    let files = batch.transaction.photo_files(batch.district.key, &photos).await?;
    let held: BTreeSet<PhotoHash> = files
        .iter()
        .filter(|file| file.completed_ms.is_some() && file.erased_ms.is_none())
        .map(|file| file.sha256)
        .collect();
    for (photo, record) in by_photo {
        if held.contains(&photo) {
            verify(batch, record, photo).await?;
        }
    }
    Ok(())
}

async fn verify(batch: &mut Batch<'_>, record: RecordId, photo: PhotoHash) -> Result<(), SyncError> {
    let row = batch.transaction.records(batch.district.key, &[record]).await?.remove(&record);
    let state = row
        .filter(|row| !row.is_gone())
        .and_then(|row| View::decode(&row.view))
        .and_then(|view| Some(view.photos.get(&photo)?.state));
    match state {
        // What was written off and came after all is evidence again.
        Some(PhotoState::Named | PhotoState::WrittenOff) => {}
        Some(PhotoState::Verified | PhotoState::Redacted) | None => return Ok(()),
    }
    let fields = Fields::from([("photo", Raw::of(&photo))]);
    let draft = OwnOperation {
        kind: Kind::PhotoVerified,
        record,
        fields: &fields,
        photos: &[],
        author: SERVER_AUTHOR,
    };
    write_own(batch, &draft, None).await.map(drop)
}
