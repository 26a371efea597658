//! Copies of the ledger: making one of a SQLite file while it is served, and what copies that were found whole hold.

use std::path::Path;

use sync_protocol::ids::{DeviceId, PhotoHash};

use super::{Store, StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// A copy that was read and found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRow {
    /// When that was.
    pub verified_ms: i64,
    /// The change up to which it holds everything.
    pub change: u64,
    /// The hash of its state.
    pub state_hash: String,
}

/// A photo whose bytes are held, or were until it was redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPhoto {
    /// SHA-256 of its bytes.
    pub sha256: PhotoHash,
    /// It was redacted.
    pub is_erased: bool,
}

/// It reads one snapshot, waits for no writer and keeps none waiting.
const COPY: &str = "VACUUM INTO $1";
const INSERT: &str = "INSERT INTO backups (district, verified_ms, change, state_hash) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (district, verified_ms) DO NOTHING";
const SELECT_LAST: &str = "SELECT verified_ms, change, state_hash FROM backups WHERE district = $1 \
     ORDER BY verified_ms DESC LIMIT 1";
/// An older copy that is read again takes nothing back: the newer one still holds it.
const SET_SAFE: &str = "UPDATE devices SET safe_through = $3 WHERE district = $1 AND device = $2 \
     AND (safe_through IS NULL OR safe_through < $3)";
const SELECT_PHOTOS: &str = "SELECT sha256, CAST(CASE WHEN erased_ms IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM photo_files \
     WHERE district = $1 AND sha256 > $2 AND (completed_ms IS NOT NULL OR erased_ms IS NOT NULL) \
     ORDER BY sha256 LIMIT $3 + 0";

impl Store {
    /// Writes a copy of a SQLite file as it is at one moment, and syncs it. Nothing may be at the path yet.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] on PostgreSQL, which has means of its own; the database's.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let Self::Sqlite { readers, .. } = self else {
            return Err(StoreError::Unfit("PostgreSQL is copied by its own means".to_owned()));
        };
        let target = path.to_str().ok_or_else(|| StoreError::Unfit("its path is no text".to_owned()))?;
        sqlx::query(COPY).bind(target).execute(readers).await?;
        tokio::fs::File::open(path).await?.sync_all().await?;
        Ok(())
    }
}

impl Transaction {
    /// Notes a copy that was found whole, under the counter row.
    pub async fn add_backup(&mut self, district: DistrictKey, row: &BackupRow) -> Result<(), StoreError> {
        let (change, hash) = (signed(row.change), row.state_hash.as_str());
        execute!(self, INSERT, district.0, row.verified_ms, change, hash);
        Ok(())
    }

    /// The last copy that was found whole.
    pub async fn last_backup(&mut self, district: DistrictKey) -> Result<Option<BackupRow>, StoreError> {
        let row = fetch_optional!(self, (i64, i64, String), SELECT_LAST, district.0);
        Ok(row.map(|(verified_ms, change, state_hash)| BackupRow {
            verified_ms,
            change: unsigned(change),
            state_hash,
        }))
    }

    /// Notes up to which sequence of a device such a copy holds everything.
    pub async fn set_safe_through(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        sequence: u64,
    ) -> Result<(), StoreError> {
        execute!(self, SET_SAFE, district.0, device.0, signed(sequence));
        Ok(())
    }

    /// Photos behind one of them, by hash.
    pub async fn held_photos(
        &mut self,
        district: DistrictKey,
        after: PhotoHash,
        limit: u32,
    ) -> Result<Vec<HeldPhoto>, StoreError> {
        let rows =
            fetch_all!(self, (Vec<u8>, i64), SELECT_PHOTOS, district.0, after.0.to_vec(), i64::from(limit));
        rows.into_iter()
            .map(|(sha256, is_erased)| {
                let sha256 = PhotoHash::try_from(sha256.as_slice());
                let sha256 = sha256.map_err(|_length| StoreError::Damaged("photo hash"))?;
                Ok(HeldPhoto { sha256, is_erased: is_erased != 0 })
            })
            .collect()
    }
}
