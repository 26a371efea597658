//! Tiles of the map: who may be shown which, what they are made of, and the version that says whether one is still the same.
//!
//! What a tile looks like is in [`crate::tiles`], the rows behind it in `store::tiles`. Start at [`made`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;
use tokio::sync::Mutex;

use super::audit::Entry;
use super::sessions::Sight;
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::layers::Layer;
use crate::store::{StoreError, TileFilter, Transaction};
use crate::tiles::counts::{self, LEVELS};
use crate::tiles::points::{self, Point};
use crate::tiles::{COUNTED_ZOOM, MvtError, TILE_FEATURES, Tile};

/// A tile that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Of which layer.
    pub layer: Layer,
    /// Which tile.
    pub tile: Tile,
    /// Which of its features.
    pub filter: TileFilter,
}

/// What a tile holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its bytes; none where nothing lies in it.
    pub bytes: Option<Vec<u8>>,
    /// It holds counts of hazards and not the hazards.
    pub is_counted: bool,
}

/// Layers that a unit's people are shown: hazards, of which they see their own, and what stands on the ground.
pub fn is_shown(layer: Layer, sight: &Sight) -> bool {
    match layer {
        Layer::Hazards | Layer::Lines | Layer::Structures | Layer::Regions => true,
        Layer::HazardStates | Layer::Patrolled | Layer::NotPatrolled | Layer::Works | Layer::Unsent => {
            *sight == Sight::District
        }
    }
}

/// The version of what tiles of a layer are made of: the same as long as none of them can change. It is read before what
/// the tile is made of, so that a tile is never older than what its tag says.
///
/// # Errors
/// The store's.
pub async fn version(engine: &Engine, district: &District) -> Result<String, SyncError> {
    let (epoch, version) = engine.store.glance().await?.map_version(district.key).await?;
    Ok(format!("{}.{version}", hex::encode(epoch)))
}

/// Makes a tile of [`TILE_FEATURES`] features at most.
///
/// # Errors
/// The store's.
pub async fn made(engine: &Arc<Engine>, district: &District, wanted: &Wanted) -> Result<Made, SyncError> {
    made_within(engine, district, wanted, TILE_FEATURES).await
}

/// Makes a tile of so many features at most: more hazards are counted, so that none is left out.
///
/// # Errors
/// The store's.
pub async fn made_within(
    engine: &Arc<Engine>,
    district: &District,
    wanted: &Wanted,
    limit: u32,
) -> Result<Made, SyncError> {
    let Wanted { tile, filter, .. } = wanted;
    let (tile, key) = (*tile, district.key);
    let mut reading = engine.store.glance().await?;
    if tile.zoom() > COUNTED_ZOOM {
        let (amount, lines) = reading.tile_lines(key, tile, filter, limit.saturating_add(1)).await?;
        if amount <= i64::from(limit) {
            drop(reading);
            let make = move || points::encode(tile, lines.split(points::LINE).filter_map(Point::parse));
            return Ok(Made { bytes: encoded(make).await?, is_counted: false });
        }
    }
    // A unit's hazards are few, and what too many hazards come to is counted when it is asked for.
    let counted = if tile.zoom() > COUNTED_ZOOM || filter.units.is_some() {
        reading.tile_groups(key, tile, filter).await?
    } else {
        let mut kept = reading.tile_counts(key, tile).await?;
        kept.retain(|count| filter.shows(count));
        kept
    };
    drop(reading);
    let make = move || counts::encode(tile, &counted);
    Ok(Made { bytes: encoded(make).await?, is_counted: true })
}

/// Where the counts that are kept are not what the hazards come to.
///
/// # Errors
/// The store's.
pub(super) async fn faults(
    transaction: &mut Transaction,
    district: DistrictKey,
) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    for level in LEVELS {
        let kept = transaction.kept_tile_counts(district, level).await?;
        let counted = transaction.recounted_tile_counts(district, level).await?;
        if kept != counted {
            let odd = kept.iter().zip(&counted).find(|(kept, counted)| kept != counted);
            faults.push(format!(
                "counts of the map at zoom {level}: {} are kept, {} are counted, first {odd:?}",
                kept.len(),
                counted.len()
            ));
        }
    }
    Ok(faults)
}

/// Encodes away from the threads that wait for others.
async fn encoded(
    make: impl FnOnce() -> Result<Option<Vec<u8>>, MvtError> + Send + 'static,
) -> Result<Option<Vec<u8>>, SyncError> {
    let made = tokio::task::spawn_blocking(make).await.map_err(|_source| SyncError::Gone)?;
    made.map_err(|error| SyncError::RefusedFor(Code::Internal, error.to_string()))
}

/// What of the map was read by whom, so that the audit log tells it once an hour and not once a tile.
#[derive(Debug, Default)]
pub struct MapReads(Mutex<BTreeMap<(DistrictKey, PersonId, &'static str, Layer), i64>>);

/// How long one row of the audit log stands for whatever else is read of the same layer.
const TOLD_FOR_MS: i64 = 3_600_000;
/// Reads that are remembered: beyond them, those that are past are forgotten.
const REMEMBERED: usize = 4_096;

impl Engine {
    /// Notes in the audit log that somebody reads a layer of the map, unless that was noted within the hour.
    ///
    /// # Errors
    /// The store's: then nothing may be read.
    pub async fn note_map_read(
        &self,
        district: &District,
        person: PersonId,
        action: &'static str,
        layer: Layer,
    ) -> Result<(), SyncError> {
        let now_ms = self.clock.now_ms();
        let key = (district.key, person, action, layer);
        let mut reads = self.map_reads.0.lock().await;
        if reads.get(&key).is_some_and(|told_ms| now_ms - told_ms < TOLD_FOR_MS) {
            return Ok(());
        }
        self.audit_alone(district, Entry::of(person, action, layer.name(), json!({}))).await?;
        if reads.len() >= REMEMBERED {
            reads.retain(|_, told_ms| now_ms - *told_ms < TOLD_FOR_MS);
        }
        reads.insert(key, now_ms);
        Ok(())
    }
}
