//! What is thrown away: uploads that nobody goes on with, photos that no record came to name, redacted ones.

use std::sync::Arc;
use std::time::Duration;

use sync_protocol::ids::PhotoHash;
use sync_protocol::limits;

use crate::domain::District;
use crate::photos::SIDES;
use crate::store::Place;
use crate::sync::{Engine, SyncError};

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// Rows looked at in one statement.
const ROWS: u32 = 500;
const DAY_MS: i64 = 24 * 3_600_000;

/// Throws away what nobody needs: at the start, every hour, and after a redaction.
pub async fn follow(engine: Arc<Engine>) {
    loop {
        for district in engine.districts().await {
            if let Err(error) = sweep(&engine, &district).await {
                tracing::warn!(error = %error, "photos could not be swept: {error}");
            }
        }
        let redacted = engine.photos.swept.notified();
        let _sooner = tokio::time::timeout(EVERY, redacted).await;
    }
}

fn days_ms(days: u64) -> i64 {
    i64::try_from(days).unwrap_or(i64::MAX / DAY_MS).saturating_mul(DAY_MS)
}

async fn sweep(engine: &Arc<Engine>, district: &District) -> Result<(), SyncError> {
    let now_ms = engine.clock.now_ms();
    let begun_ms = now_ms - days_ms(limits::UPLOAD_DAYS);
    let completed_ms = now_ms - days_ms(limits::UNNAMED_PHOTO_DAYS);
    engine.photos.blobs.discard_apart(district.id, begun_ms).await?;
    let mut after = PhotoHash([0; 32]);
    loop {
        let before = (begun_ms, completed_ms);
        let rows = engine.store.read().await?.stale_photos(district.key, after, before, ROWS).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.sha256;
        for row in &rows {
            let place = Place { district: district.id, photo: row.sha256, apart: None };
            let photos = &engine.photos;
            let _alone = photos.alone(place).await;
            let grew_ms = photos.blobs.touched_ms(place).await?;
            let is_upload = row.completed_ms.is_none() && row.erased_ms.is_none();
            if is_upload && grew_ms.is_some_and(|grew_ms| grew_ms >= begun_ms) {
                continue;
            }
            photos.blobs.erase(place, &SIDES).await?;
            if row.erased_ms.is_none() {
                let mut transaction = engine.store.begin().await?;
                transaction.take_counter(district.key, 0).await?;
                transaction.delete_photo_file(district.key, row.sha256).await?;
                transaction.commit().await?;
                tracing::info!(photo = %row.sha256, "photo {} was thrown away: nobody needs it", row.sha256);
            }
        }
    }
}
