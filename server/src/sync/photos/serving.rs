//! What is seen of photos: the original, a thumbnail, and which ones the server waits for.
//!
//! A photo is seen by who may see a record that names it. Knowing its hash gives nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, PersonId, PhotoHash, RecordId};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{District, DistrictKey};
use crate::photos::{Format, thumbnail};
use crate::store::{OutstandingAt, Parts, Place, Transaction};
use crate::sync::audit::Entry;
use crate::sync::listing::{Names, Page, cursor, read_cursor};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// The original of a photo.
pub struct Original {
    /// Its format.
    pub format: Format,
    /// Its length.
    pub bytes: u64,
    /// Its bytes, read as they are sent.
    pub parts: Parts,
}

/// A photo and who wants to see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The photo.
    pub photo: PhotoHash,
    /// What of the district they see.
    pub sight: &'a Sight,
}

/// Whether some record that names a photo is seen.
pub(super) async fn is_seen(
    reading: &mut Transaction,
    district: DistrictKey,
    records: &[RecordId],
    sight: &Sight,
) -> Result<bool, SyncError> {
    if *sight == Sight::District {
        return Ok(!records.is_empty());
    }
    let rows = reading.records(district, records).await?;
    Ok(rows.values().any(|row| sight.sees(row.unit)))
}

/// What is held of a photo that some record names which is seen.
async fn held(
    engine: &Engine,
    district: &District,
    Seen { photo, sight }: Seen<'_>,
) -> Result<Format, SyncError> {
    let mut reading = engine.store.read().await?;
    let records = reading.records_of_photo(district.key, photo).await?;
    if !is_seen(&mut reading, district.key, &records, sight).await? {
        return Err(SyncError::Refused(Code::NotFound));
    }
    let file = reading.photo_file(district.key, photo).await?.ok_or(SyncError::Refused(Code::NotFound))?;
    if file.erased_ms.is_some() {
        return Err(SyncError::Refused(Code::PhotoRedacted));
    }
    let format = file.format.filter(|_| file.completed_ms.is_some());
    format.and_then(|name| Format::of_media_type(&name)).ok_or(SyncError::Refused(Code::NotFound))
}

/// The original. That it was given is noted first.
///
/// # Errors
/// [`Code::NotFound`] where no record that is seen names it or its bytes have not come, [`Code::PhotoRedacted`].
pub async fn original(
    engine: &Arc<Engine>,
    district: &District,
    seen: Seen<'_>,
    to: PersonId,
) -> Result<Original, SyncError> {
    let (format, photo) = (held(engine, district, seen).await?, seen.photo);
    engine.audit_alone(district, Entry::of(to, "export.photo", photo.to_string(), json!({}))).await?;
    let place = Place { district: district.id, photo, apart: None };
    let stream = engine.photos.blobs.stream(place).await?;
    let (bytes, parts) = stream.ok_or(SyncError::Refused(Code::NotFound))?;
    Ok(Original { format, bytes, parts })
}

/// A thumbnail, as it was made before or made now.
///
/// # Errors
/// As [`original`], and [`Code::PhotoNoThumbnail`].
pub async fn small(
    engine: &Arc<Engine>,
    district: &District,
    seen: Seen<'_>,
    side: u32,
) -> Result<Bytes, SyncError> {
    held(engine, district, seen).await?;
    let place = Place { district: district.id, photo: seen.photo, apart: None };
    let photos = &engine.photos;
    if let Some(made) = photos.blobs.thumbnail(place, side).await? {
        return Ok(made);
    }
    let _one = photos.decoding.acquire().await.map_err(|_closed| SyncError::Gone)?;
    let whole = photos.blobs.whole(place).await?.ok_or(SyncError::Refused(Code::NotFound))?;
    let made = tokio::task::spawn_blocking(move || thumbnail(&whole, side)).await;
    let made = made.map_err(|_panicked| Code::PhotoNoThumbnail).and_then(|made| made);
    let made = Bytes::from(made.map_err(SyncError::Refused)?);
    // Made again next time where there is no room for it.
    if let Err(error) = photos.blobs.put_thumbnail(place, side, made.clone()).await {
        tracing::warn!(error = %error, "a thumbnail was not kept: {error}");
    }
    Ok(made)
}

/// A photo that the server waits for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutstandingPhoto)]
pub struct Outstanding {
    /// SHA-256 of it.
    pub sha256: String,
    /// The record that names it.
    pub record: String,
    /// The device that named it.
    pub device: String,
    /// Who uses that device.
    pub persons: Vec<WaitedFor>,
    /// When the server learnt of it.
    pub since_ms: i64,
    /// Whole hours since then.
    pub waiting_hours: i64,
}

/// A person whose phone has the photo.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WaitedFor {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: Option<String>,
}

const HOUR_MS: i64 = 3_600_000;

/// A page of the photos that the server waits for.
///
/// # Errors
/// The cursor's, the store's.
pub async fn outstanding(
    engine: &Engine,
    district: &District,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Outstanding>, SyncError> {
    let start: OutstandingAt = (RecordId(Uuid::nil()), PhotoHash([0; 32]));
    let after: OutstandingAt = from.map_or(Ok(start), read_cursor)?;
    let mut reading = engine.store.read().await?;
    let mut rows = reading.outstanding_photos(district.key, after, limit.saturating_add(1)).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| has_more).map(|last| cursor(&(last.record, last.sha256)));
    let mut devices: Vec<DeviceId> = rows.iter().map(|row| row.device).collect();
    devices.sort_unstable();
    devices.dedup();
    let devices = reading.devices(district.key, &devices).await?;
    let mut persons: BTreeMap<DeviceId, Vec<WaitedFor>> = BTreeMap::new();
    for (id, row) in &devices {
        let holders = row.device.holders();
        let names = Names::of(&mut reading, district.key, holders.iter().copied()).await?;
        let told = holders.iter().map(|id| WaitedFor { id: id.to_string(), name: names.get(*id) });
        persons.insert(*id, told.collect());
    }
    let now_ms = engine.clock.now_ms();
    let rows = rows.into_iter().map(|row| Outstanding {
        sha256: row.sha256.to_string(),
        record: row.record.to_string(),
        device: row.device.to_string(),
        persons: persons.get(&row.device).cloned().unwrap_or_default(),
        since_ms: row.named_ms,
        waiting_hours: (now_ms - row.named_ms).max(0) / HOUR_MS,
    });
    Ok(Page { rows: rows.collect(), next })
}
