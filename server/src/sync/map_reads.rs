//! That a map was read is told in the audit log: at most once an hour for an account and a layer, since programs that show
//! maps ask without end.
//!
//! Start at [`Engine::note_map_read`].

use std::collections::BTreeMap;

use serde_json::json;
use sync_protocol::ids::PersonId;
use tokio::sync::Mutex;

use super::audit::Entry;
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::layers::Layer;

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
