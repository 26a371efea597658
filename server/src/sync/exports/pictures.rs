//! Small pictures of hazards for a KMZ: one each, of the first photo that shows it as it was found.
//!
//! A picture is seen by who sees the photo; what was redacted has none. Start at [`Pictures::of`].

use std::sync::Arc;

use bytes::Bytes;
use sync_protocol::ids::{PhotoHash, RecordId};
use sync_protocol::view::{PhotoState, View};

use crate::domain::District;
use crate::layers::Feature;
use crate::store::Transaction;
use crate::sync::photos::serving::{Seen, small};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// Pictures of one file, at most: making one may take half a second.
pub const PICTURES: usize = 300;
/// Bytes of them together, at most: they wait in memory for the end of the document.
pub const PICTURES_BYTES: usize = 16 << 20;
/// Their longer side, pixels.
const SIDE: u32 = 320;

/// The pictures of a file, as far as it may have some still.
pub(super) struct Pictures<'p> {
    engine: &'p Arc<Engine>,
    district: &'p District,
    sight: &'p Sight,
    left: usize,
    bytes_left: usize,
}

impl<'p> Pictures<'p> {
    pub(super) const fn new(engine: &'p Arc<Engine>, district: &'p District, sight: &'p Sight) -> Self {
        Self { engine, district, sight, left: PICTURES, bytes_left: PICTURES_BYTES }
    }

    /// The pictures of hazards, by the ids of their features.
    ///
    /// # Errors
    /// The store's. A photo of which no picture can be made has none.
    pub(super) async fn of(
        &mut self,
        reading: &mut Transaction,
        hazards: &[Feature],
    ) -> Result<Vec<(i64, Bytes)>, SyncError> {
        let mut made = Vec::new();
        if self.left == 0 {
            return Ok(made);
        }
        let records: Vec<RecordId> = hazards.iter().filter_map(|it| it.record.map(RecordId)).collect();
        let rows = reading.records(self.district.key, &records).await?;
        for hazard in hazards {
            let row = hazard.record.and_then(|record| rows.get(&RecordId(record)));
            let Some(photo) = row.and_then(|row| shown(&View::decode(&row.view)?)) else { continue };
            match small(self.engine, self.district, Seen { photo, sight: self.sight }, SIDE).await {
                Ok(picture) if self.left > 0 && picture.len() <= self.bytes_left => {
                    self.left -= 1;
                    self.bytes_left -= picture.len();
                    made.push((hazard.id, picture));
                }
                Ok(_) => self.left = 0,
                // It is not here, or of a format of which none is made.
                Err(SyncError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
            if self.left == 0 {
                break;
            }
        }
        Ok(made)
    }
}

/// The photo that shows a hazard: as it was found, else any other that was verified.
fn shown(view: &View) -> Option<PhotoHash> {
    let verified = || view.photos.iter().filter(|(_, photo)| photo.state == PhotoState::Verified);
    let before = verified().find(|(_, photo)| photo.named.as_ref().is_some_and(|(role, _)| role == "before"));
    before.or_else(|| verified().next()).map(|(hash, _)| *hash)
}
