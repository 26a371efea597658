//! The grid of a district in memory, made anew where a later version is in force.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_protocol::ids::RecordId;
use sync_protocol::reference::{LineView, Reference};

use super::blocking;
use crate::domain::District;
use crate::grid::snapshot::Grid;
use crate::rules::Rules;
use crate::store::{ReferenceKind, StoreError};
use crate::sync::{Engine, SyncError};

impl Engine {
    /// The grid and the regions of a district as they are in force. Cheap where they are as when they were last asked
    /// for.
    ///
    /// # Errors
    /// The store's.
    pub async fn grid(self: &Arc<Self>, district: &District) -> Result<Arc<Grid>, SyncError> {
        let key = district.key;
        let mut reading = self.store.read().await?;
        let grid = reading.reference_version(key, ReferenceKind::Grid).await?.unwrap_or_default();
        let regions = reading.reference_version(key, ReferenceKind::Regions).await?.unwrap_or_default();
        let basis = (grid.0, regions.0);
        if let Some(known) = self.grids.lock().await.get(&key).filter(|known| known.basis == basis) {
            return Ok(Arc::clone(known));
        }
        let mut rows = reading.reference_rows(key, ReferenceKind::Grid).await?;
        rows.extend(reading.reference_rows(key, ReferenceKind::Regions).await?);
        drop(reading);
        let now_ms = self.clock.now_ms();
        let snapshot = blocking(move || {
            let decoded: Option<Vec<(RecordId, Reference)>> =
                rows.iter().map(|row| Some((row.record, Reference::decode(&row.view)?))).collect();
            let mut snapshot = Grid::of(decoded?, |line| zone_mm(line, now_ms));
            (snapshot.basis, snapshot.versions) = (basis, (grid.1, regions.1));
            Some(snapshot)
        })
        .await?;
        let snapshot = Arc::new(snapshot.ok_or(StoreError::Damaged("reference view"))?);
        self.grids.lock().await.insert(key, Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

/// The protection zone of a line by the standard rules, each side.
fn zone_mm(line: &LineView, now_ms: i64) -> Option<i64> {
    let class = line.class.as_deref()?;
    let day = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(now_ms).ok()?).date();
    Rules::standard().zone_dm(class, day).map(|width| i64::from(width) * 100)
}
