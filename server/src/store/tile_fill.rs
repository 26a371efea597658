//! What tiles are made of, made anew of the hazards of ledgers that are from before it was kept.

use super::{Store, StoreError, fetch_all};
use crate::domain::DistrictKey;

const SELECT_BARE: &str = "SELECT district FROM districts WHERE \
     (NOT EXISTS (SELECT 1 FROM tile_strips s WHERE s.district = districts.district) \
      OR NOT EXISTS (SELECT 1 FROM tile_counts c WHERE c.district = districts.district)) \
     AND EXISTS (SELECT 1 FROM map_hazards m WHERE m.district = districts.district AND m.place >= 0)";

impl Store {
    /// Makes the strips and the counts of districts whose map has hazards and lacks either.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) async fn fill_tiles(&self) -> Result<(), StoreError> {
        // Not by a glance, whose connection would be kept before anybody asks for one.
        let bare = fetch_all!(&mut self.read().await?, (i64,), SELECT_BARE);
        for (district,) in bare {
            let district = DistrictKey(district);
            let mut transaction = self.begin().await?;
            transaction.take_counter(district, 0).await?;
            // Another process may have been first.
            let is_bare = fetch_all!(&mut transaction, (i64,), SELECT_BARE).contains(&(district.0,));
            if is_bare {
                tracing::info!(
                    district = district.0,
                    "strips and counts of the map are made from its hazards"
                );
                transaction.refill_strips(district).await?;
                transaction.refill_counts(district).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}
