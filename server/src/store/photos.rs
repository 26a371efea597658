//! Photos that operations named, as far as their files are concerned.

use std::collections::BTreeMap;

use sync_protocol::ids::{DeviceId, PhotoHash, RecordId};
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{COLUMN_ROWS, column};
use super::values::PhotoRow;
use super::{StoreError, Transaction, execute, fetch_all, unsigned};
use crate::domain::DistrictKey;

const PHOTOS_BY_COLUMN: &str = "INSERT INTO photos (district, sha256, record, device, is_settled, named_ms) \
     SELECT $1, * FROM UNNEST($2::bytea[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[]) \
     ON CONFLICT (district, record, sha256) DO UPDATE SET is_settled = \
     CASE WHEN photos.is_settled = 1 THEN 1 ELSE excluded.is_settled END";
const SETTLE: &str = " ON CONFLICT (district, record, sha256) DO UPDATE SET is_settled = \
     CASE WHEN photos.is_settled = 1 THEN 1 ELSE excluded.is_settled END";
const ASK_ANOTHER: &str = "UPDATE photos SET device = $4 WHERE district = $1 AND record = $2 AND sha256 = $3";
const DELETE_PHOTO: &str = "DELETE FROM photos WHERE district = $1 AND record = $2 AND sha256 = $3";
const COUNT_MISSING_PHOTOS: &str =
    "SELECT device, count(*) FROM photos WHERE district = $1 AND is_settled = 0 GROUP BY device";

impl Transaction {
    /// Notes photos that were named or settled; a settled one stays settled.
    pub async fn upsert_photos(
        &mut self,
        district: DistrictKey,
        rows: &[PhotoRow],
    ) -> Result<(), StoreError> {
        self.put_photos(district, rows, SETTLE).await
    }

    /// Notes photos of records that are new.
    pub async fn insert_photos(
        &mut self,
        district: DistrictKey,
        rows: &[PhotoRow],
    ) -> Result<(), StoreError> {
        self.put_photos(district, rows, "").await
    }

    async fn put_photos(
        &mut self,
        district: DistrictKey,
        rows: &[PhotoRow],
        settle: &'static str,
    ) -> Result<(), StoreError> {
        if let Self::Postgres(transaction) = self {
            for rows in rows.chunks(COLUMN_ROWS) {
                sqlx::query(PHOTOS_BY_COLUMN)
                    .bind(district.0)
                    .bind(column(rows, |row| &row.sha256.0[..]))
                    .bind(column(rows, |row| row.record.0))
                    .bind(column(rows, |row| row.device.0))
                    .bind(column(rows, |row| i64::from(row.is_settled)))
                    .bind(column(rows, |row| row.named_ms))
                    .execute(&mut **transaction)
                    .await?;
            }
            return Ok(());
        }
        insert_rows!(
            self,
            rows,
            "photos (district, sha256, record, device, is_settled, named_ms) ",
            settle,
            |row, item| row
                .push_bind(district.0)
                .push_bind(&item.sha256.0[..])
                .push_bind(item.record.0)
                .push_bind(item.device.0)
                .push_bind(i64::from(item.is_settled))
                .push_bind(item.named_ms)
        );
        Ok(())
    }

    /// Asks another device for a photo.
    pub async fn ask_for_photo(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        photo: PhotoHash,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        execute!(self, ASK_ANOTHER, district.0, record.0, photo.0.to_vec(), device.0);
        Ok(())
    }

    /// Forgets a photo that nothing in the folded set names any more.
    pub async fn remove_photo(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        photo: PhotoHash,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_PHOTO, district.0, record.0, photo.0.to_vec());
        Ok(())
    }

    /// How many photos each device named that the server lacks.
    pub async fn missing_photo_counts(
        &mut self,
        district: DistrictKey,
    ) -> Result<BTreeMap<DeviceId, u64>, StoreError> {
        let rows = fetch_all!(self, (Uuid, i64), COUNT_MISSING_PHOTOS, district.0);
        Ok(rows.into_iter().map(|(device, count)| (DeviceId(device), unsigned(count))).collect())
    }
}
