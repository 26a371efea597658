//! Photos: uploads that go on where they broke off, what is held, what may be seen, what is thrown away.
//!
//! A photo is complete when its bytes have its SHA-256 and are on the disk; then each record that names it gets a
//! `photo_verified`, in the transaction that notes the file (`hold`), and so does each record that comes to name it
//! later (`verify_named`). Bytes come in any order of requests and from several uploaders at once: each is appended
//! only where the file ends. Formats and limits are in [`crate::photos`], files in [`crate::store::Blobs`].

pub mod serving;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::tz::{Offset, TimeZone};
use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, PersonId, PhotoHash, RecordId, sha256};
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::view::{PhotoState, View};
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};
use uuid::Uuid;

pub use sweep::follow;

use super::audit::{Actor, Entry};
use super::batch::Batch;
use super::office::{Act, ActOutcome, OwnOperation, SERVER_AUTHOR, write_own};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::photos::{Examined, examine};
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
    /// A redaction is being committed: files are to go.
    is_sweep_due: AtomicBool,
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
            is_sweep_due: AtomicBool::new(false),
            swept: Notify::new(),
        }
    }

    /// Files are to go once what is being written is committed.
    pub(super) fn expect_sweep(&self) {
        self.is_sweep_due.store(true, Ordering::Release);
    }

    /// Something was committed.
    pub(super) fn committed(&self) {
        if self.is_sweep_due.swap(false, Ordering::AcqRel) {
            self.swept.notify_one();
        }
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

/// Who uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploader {
    /// A phone.
    Device(DeviceId),
    /// An account of the office.
    Person(PersonId),
}

impl Uploader {
    const fn id(self) -> Uuid {
        match self {
            Self::Device(device) => device.0,
            Self::Person(person) => person.0,
        }
    }
}

/// How far a photo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes of it are on the disk.
    Partial(u64),
    /// It is held whole: this many bytes.
    Complete(u64),
}

/// One photo of a district, and who uploads it.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The district.
    pub district: District,
    /// SHA-256 of its bytes.
    pub photo: PhotoHash,
    /// Who uploads it.
    pub by: Uploader,
}

impl Upload {
    const fn place(&self) -> Place {
        Place { district: self.district.id, photo: self.photo }
    }

    /// How far it is. What is told is on the disk.
    ///
    /// # Errors
    /// [`Code::PhotoRedacted`]; the store's.
    pub async fn progress(&self, engine: &Arc<Engine>) -> Result<Progress, SyncError> {
        let row = engine.store.glance().await?.photo_file(self.district.key, self.photo).await?;
        match row {
            Some(PhotoFileRow { erased_ms: Some(_), .. }) => Err(SyncError::Refused(Code::PhotoRedacted)),
            Some(PhotoFileRow { completed_ms: Some(_), bytes, .. }) => Ok(Progress::Complete(bytes)),
            Some(row) => {
                let held = engine.photos.blobs.held(self.place()).await?;
                // It ended between the file and its note: the whole file is there and nothing knows it yet.
                if held == 0 && engine.photos.blobs.stream(self.place()).await?.is_some() {
                    return self.note_whole(engine).await;
                }
                // So it did before the bytes were looked at.
                if held > 0 && held == row.bytes {
                    return self.finish(engine, row.bytes).await;
                }
                Ok(Progress::Partial(held))
            }
            None => Ok(Progress::Partial(0)),
        }
    }

    /// Lets an upload begin, or go on: of a photo that some record of the district names, or of so many that none
    /// names yet. Says nothing of other districts.
    ///
    /// # Errors
    /// [`Code::PhotoFileTooLarge`], [`Code::PhotosUnnamed`]; the store's.
    pub async fn begin(&self, engine: &Arc<Engine>, length: u64) -> Result<(), SyncError> {
        if length == 0 || length > limits::PHOTO_BYTES {
            return Err(SyncError::Refused(Code::PhotoFileTooLarge));
        }
        let key = self.district.key;
        let mut reading = engine.store.glance().await?;
        if reading.photo_file(key, self.photo).await?.is_some() {
            return Ok(());
        }
        drop(reading);
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(key, 0).await?;
        if transaction.records_of_photo(key, self.photo).await?.is_empty() {
            let (count, bytes) = transaction.unnamed_photos(key, self.by.id()).await?;
            if count >= limits::UNNAMED_PHOTOS || bytes.saturating_add(length) > limits::UNNAMED_PHOTO_BYTES {
                return Err(SyncError::Refused(Code::PhotosUnnamed));
            }
        }
        let now_ms = engine.clock.now_ms();
        transaction.begin_photo_file(key, self.photo, self.by.id(), length, now_ms).await?;
        Ok(transaction.commit().await?)
    }

    /// Appends a part where the file ends at this offset, and says where it ends now.
    ///
    /// # Errors
    /// [`Code::StorageFull`], with nothing of the part taken.
    pub async fn append(&self, engine: &Arc<Engine>, offset: u64, part: Bytes) -> Result<u64, SyncError> {
        let _alone = engine.photos.alone(self.place()).await;
        Ok(engine.photos.blobs.append(self.place(), offset, part).await?)
    }

    /// Syncs what came; where that is all, looks at it and keeps it.
    ///
    /// # Errors
    /// [`Code::PhotoHashWrong`], [`Code::PhotoNotImage`], [`Code::PhotoTooManyPixels`]: nothing of it is kept.
    pub async fn settle(&self, engine: &Arc<Engine>, length: u64) -> Result<Progress, SyncError> {
        let held = engine.photos.blobs.held(self.place()).await?;
        if held < length { Ok(Progress::Partial(held)) } else { self.finish(engine, length).await }
    }

    async fn finish(&self, engine: &Arc<Engine>, length: u64) -> Result<Progress, SyncError> {
        let (photos, place) = (&engine.photos, self.place());
        let alone = photos.alone(place).await;
        let _room = photos.in_memory.acquire().await.map_err(|_closed| SyncError::Gone)?;
        let Some(bytes) = photos.blobs.read_partial(place).await? else {
            // Another uploader was first.
            drop(alone);
            return Box::pin(self.progress(engine)).await;
        };
        let examined = match self.look_at(bytes.clone()).await? {
            Ok(examined) => examined,
            Err(code) => {
                photos.blobs.discard(place).await?;
                return Err(SyncError::Refused(code));
            }
        };
        photos.blobs.seal(place).await?;
        drop(alone);
        self.note(engine, length, &examined).await
    }

    /// Takes a small photo whole, beside whatever is being uploaded.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::settle`].
    pub async fn put(&self, engine: &Arc<Engine>, bytes: Bytes) -> Result<Progress, SyncError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let examined = self.look_at(bytes.clone()).await?.map_err(SyncError::Refused)?;
        self.begin(engine, length).await?;
        let alone = engine.photos.alone(self.place()).await;
        engine.photos.blobs.put(self.place(), bytes).await?;
        engine.photos.blobs.discard(self.place()).await?;
        drop(alone);
        self.note(engine, length, &examined).await
    }

    async fn note_whole(&self, engine: &Arc<Engine>) -> Result<Progress, SyncError> {
        let whole = engine.photos.blobs.whole(self.place()).await?;
        let bytes = whole.ok_or(SyncError::Refused(Code::NotFound))?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let examined = self.look_at(bytes).await?.map_err(SyncError::Refused)?;
        self.note(engine, length, &examined).await
    }

    /// What the bytes are, on the blocking pool; a code where they are not this photo.
    async fn look_at(&self, bytes: Bytes) -> Result<Result<Examined, Code>, SyncError> {
        let photo = self.photo;
        let look = move || {
            if sha256(&bytes) != photo.0 {
                return Err(Code::PhotoHashWrong);
            }
            examine(&bytes)
        };
        tokio::task::spawn_blocking(look).await.map_err(|_panicked| SyncError::Refused(Code::PhotoNotImage))
    }

    async fn note(
        &self,
        engine: &Arc<Engine>,
        length: u64,
        examined: &Examined,
    ) -> Result<Progress, SyncError> {
        let now_ms = engine.clock.now_ms();
        let row = PhotoFileRow {
            sha256: self.photo,
            uploader: self.by.id(),
            bytes: length,
            started_ms: now_ms,
            completed_ms: Some(now_ms),
            format: Some(examined.format.media_type().to_owned()),
            size: examined.size,
            taken_ms: taken_ms(&self.district, examined),
            place: examined.place,
            erased_ms: None,
        };
        engine.act(&self.district, Act::HoldPhoto { file: Box::new(row), by: self.by }).await?;
        Ok(Progress::Complete(length))
    }
}

/// When the camera says a photo was taken; a camera that does not say its zone has the district's.
fn taken_ms(district: &District, examined: &Examined) -> Option<i64> {
    let (at, offset_minutes) = examined.taken?;
    let zone = match offset_minutes {
        Some(minutes) => TimeZone::fixed(Offset::from_seconds(minutes * 60).ok()?),
        None => TimeZone::get(&district.time_zone).ok()?,
    };
    Some(zone.to_timestamp(at).ok()?.as_millisecond())
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
pub(super) async fn verify_named(batch: &mut Batch<'_>, named: &[PhotoRow]) -> Result<(), SyncError> {
    let open = named.iter().filter(|row| !row.is_settled);
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
    let fields = BTreeMap::from([("photo".to_owned(), Raw::of(&photo))]);
    let draft = OwnOperation {
        kind: Kind::PhotoVerified,
        record,
        fields: &fields,
        photos: &[],
        author: SERVER_AUTHOR,
    };
    write_own(batch, &draft, None).await.map(drop)
}
