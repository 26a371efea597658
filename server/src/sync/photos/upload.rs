//! An upload: who brings a photo, how far it is, what length is claimed for it, and what it comes to.
//!
//! All who may know of an upload go on with the same one, each only where it ends. What makes it evidence is in
//! [`super`]. Start at [`Upload`].

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::{Offset, TimeZone};
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, PersonId, PhotoHash, sha256};
use sync_protocol::limits;
use sync_protocol::view::View;
use uuid::Uuid;

use super::serving;
use crate::domain::District;
use crate::photos::{Examined, examine};
use crate::store::{PhotoFileRow, Place, RecordRow, Transaction};
use crate::sync::office::Act;
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

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

/// What a claim of a photo's length comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It holds, and so many bytes are on the disk.
    Held(u64),
    /// Another length is claimed already: this one.
    Otherwise(u64),
}

/// A claimed length holds for so long after the upload last grew, where no record says another: who claimed it wrongly
/// and went away keeps the photo out for no longer.
const CLAIM_HOLDS_MS: i64 = 3_600_000;

/// One photo of a district, and who uploads it.
#[derive(Clone, Debug)]
pub struct Upload {
    district: District,
    photo: PhotoHash,
    by: Uploader,
    /// Who uploads may not know what others have uploaded of it: they bring all of it, beside it.
    is_apart: bool,
}

impl Upload {
    /// An upload, as its sender may know of it: a unit's people know nothing of what others upload, and of what is held
    /// only what a hazard of theirs names or they brought themselves.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(
        engine: &Arc<Engine>,
        district: District,
        photo: PhotoHash,
        (by, sight): (Uploader, &Sight),
    ) -> Result<Self, SyncError> {
        let mut is_apart = false;
        if *sight != Sight::District {
            let mut reading = engine.store.read().await?;
            let records = reading.records_of_photo(district.key, photo).await?;
            let file = reading.photo_file(district.key, photo).await?;
            let is_own = file.as_ref().is_some_and(|file| file.uploader == by.id());
            let is_new = file.is_none() && records.is_empty();
            let is_seen = serving::is_seen(&mut reading, district.key, &records, sight).await?;
            is_apart = !(is_own || is_new || is_seen);
        }
        Ok(Self { district, photo, by, is_apart })
    }

    fn place(&self) -> Place {
        let apart = self.is_apart.then(|| self.by.id());
        Place { district: self.district.id, photo: self.photo, apart }
    }

    /// Where what all may know of lies.
    const fn shared_place(&self) -> Place {
        Place { district: self.district.id, photo: self.photo, apart: None }
    }

    /// How far it is. What is told is on the disk.
    ///
    /// # Errors
    /// [`Code::PhotoRedacted`]; the store's.
    pub async fn progress(&self, engine: &Arc<Engine>) -> Result<Progress, SyncError> {
        if self.is_apart {
            return Ok(Progress::Partial(engine.photos.blobs.held(self.place()).await?));
        }
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
    /// names yet. Says nothing of other districts. The first to begin claims its length; who says another is told that
    /// one, unless a record says theirs, or nobody went on with it for `CLAIM_HOLDS_MS`.
    ///
    /// # Errors
    /// [`Code::PhotoFileTooLarge`], [`Code::PhotosUnnamed`]; the store's.
    pub async fn begin(&self, engine: &Arc<Engine>, length: u64, held: u64) -> Result<Claimed, SyncError> {
        require_length(length)?;
        let key = self.district.key;
        let known = engine.store.glance().await?.photo_file(key, self.photo).await?;
        if self.is_apart || known.is_some_and(|row| row.bytes == length) {
            return Ok(Claimed::Held(held));
        }
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(key, 0).await?;
        let (now_ms, mut held) = (engine.clock.now_ms(), held);
        match transaction.photo_file(key, self.photo).await? {
            None => self.admit(&mut transaction, length, now_ms).await?,
            Some(row) if row.bytes == length || row.completed_ms.is_some() => {}
            Some(row) if self.gives_way(engine, &mut transaction, &row, length).await? => {
                transaction.claim_photo_file(key, self.photo, length, now_ms).await?;
                if held > length {
                    let _alone = engine.photos.alone(self.place()).await;
                    engine.photos.blobs.discard(self.place()).await?;
                    held = 0;
                }
            }
            Some(row) => return Ok(Claimed::Otherwise(row.bytes)),
        }
        transaction.commit().await?;
        Ok(Claimed::Held(held))
    }

    /// Notes that an upload begins, where its sender may have one more that no record names.
    async fn admit(&self, transaction: &mut Transaction, length: u64, now_ms: i64) -> Result<(), SyncError> {
        let (key, by) = (self.district.key, self.by.id());
        if transaction.records_of_photo(key, self.photo).await?.is_empty() {
            let (count, bytes) = transaction.unnamed_photos(key, by).await?;
            if count >= limits::UNNAMED_PHOTOS || bytes.saturating_add(length) > limits::UNNAMED_PHOTO_BYTES {
                return Err(SyncError::Refused(Code::PhotosUnnamed));
            }
        }
        Ok(transaction.begin_photo_file(key, self.photo, by, length, now_ms).await?)
    }

    /// Whether the length that is claimed gives way to this one.
    async fn gives_way(
        &self,
        engine: &Engine,
        transaction: &mut Transaction,
        row: &PhotoFileRow,
        length: u64,
    ) -> Result<bool, SyncError> {
        // Its bytes were not those of the photo: nothing is claimed any more.
        if row.bytes == 0 {
            return Ok(true);
        }
        let key = self.district.key;
        let records = transaction.records_of_photo(key, self.photo).await?;
        let rows = transaction.records(key, &records).await?;
        let named =
            |row: &RecordRow| Some(View::decode(&row.view)?.photos.get(&self.photo)?.named.as_ref()?.1);
        let lengths: BTreeSet<u64> = rows.values().filter_map(named).collect();
        if lengths.contains(&length) && !lengths.contains(&row.bytes) {
            return Ok(true);
        }
        let grew_ms = engine.photos.blobs.touched_ms(self.place()).await?.unwrap_or(row.started_ms);
        Ok(engine.clock.now_ms() - grew_ms.max(row.started_ms) > CLAIM_HOLDS_MS)
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
                drop(alone);
                self.claim_nothing(engine).await?;
                return Err(SyncError::Refused(code));
            }
        };
        if self.is_apart {
            photos.blobs.discard(place).await?;
            drop(alone);
            return self.keep(engine, bytes, &examined).await;
        }
        photos.blobs.seal(place).await?;
        drop(alone);
        self.note(engine, length, &examined).await
    }

    /// What came was not the photo: perhaps its length was not either.
    async fn claim_nothing(&self, engine: &Engine) -> Result<(), SyncError> {
        if self.is_apart {
            return Ok(());
        }
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(self.district.key, 0).await?;
        let now_ms = engine.clock.now_ms();
        transaction.claim_photo_file(self.district.key, self.photo, 0, now_ms).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes a small photo whole, beside whatever is being uploaded.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::settle`].
    pub async fn put(&self, engine: &Arc<Engine>, bytes: Bytes) -> Result<Progress, SyncError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let examined = self.look_at(bytes.clone()).await?.map_err(SyncError::Refused)?;
        require_length(length)?;
        if engine.store.glance().await?.photo_file(self.district.key, self.photo).await?.is_none() {
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(self.district.key, 0).await?;
            self.admit(&mut transaction, length, engine.clock.now_ms()).await?;
            transaction.commit().await?;
        }
        self.keep(engine, bytes, &examined).await
    }

    /// Keeps a photo that came whole; what was uploaded of it goes.
    async fn keep(
        &self,
        engine: &Arc<Engine>,
        bytes: Bytes,
        examined: &Examined,
    ) -> Result<Progress, SyncError> {
        let (photos, place) = (&engine.photos, self.shared_place());
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let alone = photos.alone(place).await;
        photos.blobs.put(place, bytes).await?;
        photos.blobs.discard(place).await?;
        drop(alone);
        self.note(engine, length, examined).await
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

/// # Errors
/// [`Code::PhotoFileTooLarge`].
const fn require_length(length: u64) -> Result<(), SyncError> {
    if length == 0 || length > limits::PHOTO_BYTES {
        return Err(SyncError::Refused(Code::PhotoFileTooLarge));
    }
    Ok(())
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
