//! Files of photos: whose upload began, what is held, what was erased. Which records name a photo is in
//! [`super::photos`].

use std::collections::BTreeMap;

use sync_protocol::ids::{DeviceId, PhotoHash, RecordId};
use uuid::Uuid;

use super::rows::Keys as _;
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// A photo whose upload began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoFileRow {
    /// SHA-256 of its bytes.
    pub sha256: PhotoHash,
    /// The device or person who began to upload it.
    pub uploader: Uuid,
    /// Its length.
    pub bytes: u64,
    /// When that was.
    pub started_ms: i64,
    /// When its bytes were held whole.
    pub completed_ms: Option<i64>,
    /// Its media type, once it is whole.
    pub format: Option<String>,
    /// Width and height, where they are known.
    pub size: Option<(u32, u32)>,
    /// When the camera says it was taken.
    pub taken_ms: Option<i64>,
    /// Where the camera says it was taken, degrees × 1e7.
    pub place: Option<(i64, i64)>,
    /// When it was redacted.
    pub erased_ms: Option<i64>,
}

/// A photo that the server waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutstandingRow {
    /// The record that names it.
    pub record: RecordId,
    /// The photo.
    pub sha256: PhotoHash,
    /// Who named it first.
    pub device: DeviceId,
    /// Since when.
    pub named_ms: i64,
}

/// Where a page of outstanding photos ended.
pub type OutstandingAt = (RecordId, PhotoHash);

type FileTuple = (
    Vec<u8>,
    Uuid,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

const SELECT_FILE: &str = "SELECT sha256, uploader, bytes, started_ms, completed_ms, format, width, height, taken_ms, \
     lat_e7, lon_e7, erased_ms FROM photo_files WHERE district = $1 AND sha256 = $2";
const BEGIN_FILE: &str = "INSERT INTO photo_files (district, sha256, uploader, bytes, started_ms) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (district, sha256) DO NOTHING";
const CLAIM_FILE: &str = "UPDATE photo_files SET bytes = $3, started_ms = $4 WHERE district = $1 AND sha256 = $2 AND completed_ms IS NULL";
const COMPLETE_FILE: &str = "INSERT INTO photo_files (district, sha256, uploader, bytes, started_ms, completed_ms, format, \
     width, height, taken_ms, lat_e7, lon_e7) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
     ON CONFLICT (district, sha256) DO UPDATE SET bytes = excluded.bytes, completed_ms = excluded.completed_ms, \
     format = excluded.format, width = excluded.width, height = excluded.height, taken_ms = excluded.taken_ms, \
     lat_e7 = excluded.lat_e7, lon_e7 = excluded.lon_e7";
const ERASE_FILE: &str = "INSERT INTO photo_files (district, sha256, uploader, bytes, started_ms, erased_ms) \
     VALUES ($1, $2, $3, 0, $4, $4) ON CONFLICT (district, sha256) DO UPDATE SET erased_ms = excluded.erased_ms";
const DELETE_FILE: &str = "DELETE FROM photo_files WHERE district = $1 AND sha256 = $2";
/// Photos are found by the first bytes of their hash. Where a statement asked for nothing that stands in the row alone, and for
/// no order, SQLite would rather read all photos of the district from the index of records.
const SELECT_RECORDS: &str = "SELECT record FROM photos WHERE district = $1 AND sha256 = $2 \
     AND substr(sha256, 1, 8) = substr($2, 1, 8) AND is_settled >= 0";
const COUNT_UNNAMED: &str = "SELECT count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM photo_files \
     WHERE district = $1 AND uploader = $2 AND erased_ms IS NULL AND NOT EXISTS (SELECT 1 FROM photos \
     WHERE photos.district = photo_files.district AND photos.sha256 = photo_files.sha256 \
     AND substr(photos.sha256, 1, 8) = substr(photo_files.sha256, 1, 8) AND photos.is_settled >= 0)";
const SELECT_STALE: &str = "SELECT sha256, completed_ms, erased_ms FROM photo_files WHERE district = $1 AND sha256 > $2 \
     AND (erased_ms IS NOT NULL OR (completed_ms IS NULL AND started_ms < $3) OR (completed_ms < $4 AND NOT EXISTS \
     (SELECT 1 FROM photos WHERE photos.district = photo_files.district AND photos.sha256 = photo_files.sha256 \
     AND substr(photos.sha256, 1, 8) = substr(photo_files.sha256, 1, 8) AND photos.is_settled >= 0))) \
     ORDER BY sha256 LIMIT $5 + 0";
const SELECT_OUTSTANDING: &str = "SELECT record, sha256, device, named_ms FROM photos WHERE district = $1 \
     AND is_settled = 0 AND (record, sha256) > ($2, $3) ORDER BY record, sha256 LIMIT $4 + 0";

const SELECT_ASKED: &str =
    "SELECT sha256, device, named_ms FROM photos WHERE district = $1 AND record = $2 AND is_settled = 0";

fn hash(bytes: &[u8]) -> Result<PhotoHash, StoreError> {
    PhotoHash::try_from(bytes).map_err(|_length| StoreError::Damaged("photo hash"))
}

fn file(row: FileTuple) -> Result<PhotoFileRow, StoreError> {
    let (
        sha256,
        uploader,
        bytes,
        started_ms,
        completed_ms,
        format,
        width,
        height,
        taken_ms,
        lat,
        lon,
        erased_ms,
    ) = row;
    let side = |side: Option<i64>| side.and_then(|side| u32::try_from(side).ok());
    Ok(PhotoFileRow {
        sha256: hash(&sha256)?,
        uploader,
        bytes: unsigned(bytes),
        started_ms,
        completed_ms,
        format,
        size: side(width).zip(side(height)),
        taken_ms,
        place: lat.zip(lon),
        erased_ms,
    })
}

/// A photo that may be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleRow {
    /// The photo.
    pub sha256: PhotoHash,
    /// When its bytes were held whole.
    pub completed_ms: Option<i64>,
    /// When it was redacted.
    pub erased_ms: Option<i64>,
}

impl Transaction {
    /// The file of a photo.
    pub async fn photo_file(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
    ) -> Result<Option<PhotoFileRow>, StoreError> {
        fetch_optional!(self, FileTuple, SELECT_FILE, district.0, photo.0.to_vec()).map(file).transpose()
    }

    /// Files of these photos.
    pub async fn photo_files(
        &mut self,
        district: DistrictKey,
        photos: &[PhotoHash],
    ) -> Result<Vec<PhotoFileRow>, StoreError> {
        if photos.is_empty() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for chunk in photos.chunks(super::rows::KEYS) {
            let rows: Vec<FileTuple> = each_backend!(&mut *self, connection => {
                let mut query = Db::by_hashes(
                    "SELECT sha256, uploader, bytes, started_ms, completed_ms, format, width, height, taken_ms, \
                     lat_e7, lon_e7, erased_ms FROM photo_files WHERE district = ",
                    district, "sha256", chunk.iter().map(|photo| &photo.0[..]),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            files.extend(rows.into_iter().map(file).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(files)
    }

    /// Notes that an upload began.
    pub async fn begin_photo_file(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
        uploader: Uuid,
        bytes: u64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, BEGIN_FILE, district.0, photo.0.to_vec(), uploader, signed(bytes), now_ms);
        Ok(())
    }

    /// Another length is claimed for an upload from now on; 0: none is.
    pub async fn claim_photo_file(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
        bytes: u64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, CLAIM_FILE, district.0, photo.0.to_vec(), signed(bytes), now_ms);
        Ok(())
    }

    /// Notes that a photo is held whole.
    pub async fn complete_photo_file(
        &mut self,
        district: DistrictKey,
        row: &PhotoFileRow,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            COMPLETE_FILE,
            district.0,
            row.sha256.0.to_vec(),
            row.uploader,
            signed(row.bytes),
            row.started_ms,
            row.completed_ms,
            row.format.as_deref(),
            row.size.map(|(width, _)| i64::from(width)),
            row.size.map(|(_, height)| i64::from(height)),
            row.taken_ms,
            row.place.map(|(lat, _)| lat),
            row.place.map(|(_, lon)| lon)
        );
        Ok(())
    }

    /// Notes that a photo is redacted: its bytes go, and are taken no more.
    pub async fn erase_photo_file(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
        by: Uuid,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, ERASE_FILE, district.0, photo.0.to_vec(), by, now_ms);
        Ok(())
    }

    /// Forgets an upload.
    pub async fn delete_photo_file(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_FILE, district.0, photo.0.to_vec());
        Ok(())
    }

    /// The records that name a photo, by their ids.
    pub async fn records_of_photo(
        &mut self,
        district: DistrictKey,
        photo: PhotoHash,
    ) -> Result<Vec<RecordId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_RECORDS, district.0, photo.0.to_vec());
        let mut records: Vec<RecordId> = rows.into_iter().map(|(record,)| RecordId(record)).collect();
        records.sort_unstable();
        Ok(records)
    }

    /// How many photos of an uploader no record names, and their bytes.
    pub async fn unnamed_photos(
        &mut self,
        district: DistrictKey,
        uploader: Uuid,
    ) -> Result<(u64, u64), StoreError> {
        let row = fetch_optional!(self, (i64, i64), COUNT_UNNAMED, district.0, uploader);
        Ok(row.map_or((0, 0), |(count, bytes)| (unsigned(count), unsigned(bytes))))
    }

    /// Uploads begun and photos completed before these times that nobody needs, and redacted ones, by hash.
    pub async fn stale_photos(
        &mut self,
        district: DistrictKey,
        after: PhotoHash,
        (begun_ms, completed_ms): (i64, i64),
        limit: u32,
    ) -> Result<Vec<StaleRow>, StoreError> {
        let rows = fetch_all!(
            self,
            (Vec<u8>, Option<i64>, Option<i64>),
            SELECT_STALE,
            district.0,
            after.0.to_vec(),
            begun_ms,
            completed_ms,
            i64::from(limit)
        );
        rows.into_iter()
            .map(|(sha256, completed_ms, erased_ms)| {
                Ok(StaleRow { sha256: hash(&sha256)?, completed_ms, erased_ms })
            })
            .collect()
    }

    /// Photos of a record that the server waits for: the device that is asked, and since when.
    pub async fn photos_asked_for(
        &mut self,
        district: DistrictKey,
        record: RecordId,
    ) -> Result<BTreeMap<PhotoHash, (DeviceId, i64)>, StoreError> {
        let rows = fetch_all!(self, (Vec<u8>, Uuid, i64), SELECT_ASKED, district.0, record.0);
        rows.into_iter()
            .map(|(sha256, device, named_ms)| Ok((hash(&sha256)?, (DeviceId(device), named_ms))))
            .collect()
    }

    /// Photos that the server waits for, by record.
    pub async fn outstanding_photos(
        &mut self,
        district: DistrictKey,
        after: OutstandingAt,
        limit: u32,
    ) -> Result<Vec<OutstandingRow>, StoreError> {
        let rows = fetch_all!(
            self,
            (Uuid, Vec<u8>, Uuid, i64),
            SELECT_OUTSTANDING,
            district.0,
            after.0.0,
            after.1.0.to_vec(),
            i64::from(limit)
        );
        rows.into_iter()
            .map(|(record, sha256, device, named_ms)| {
                Ok(OutstandingRow {
                    record: RecordId(record),
                    sha256: hash(&sha256)?,
                    device: DeviceId(device),
                    named_ms,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connect::planned;

    #[tokio::test]
    async fn photos_are_looked_for_by_their_hash() {
        for statement in [SELECT_RECORDS, COUNT_UNNAMED, SELECT_STALE] {
            let plan = planned(statement).await;
            assert!(plan.contains("photos_by_hash (district=? AND <expr>=?)"), "{statement}: {plan}");
        }
    }
}
