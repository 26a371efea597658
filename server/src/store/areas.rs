//! Areas of persons, every version kept: a device may hold an old one.

use sync_protocol::ids::PersonId;

use super::{StoreError, Transaction, execute, fetch_all, signed, unsigned};
use crate::domain::DistrictKey;
use crate::geometry::GeoBox;

/// One version of a person's area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaVersion {
    /// Counts from 1.
    pub version: u64,
    /// Empty: the whole district.
    pub boxes: Vec<GeoBox>,
}

const SELECT_AREAS: &str =
    "SELECT version, boxes FROM areas WHERE district = $1 AND person = $2 ORDER BY version";
const INSERT_AREA: &str = "INSERT INTO areas (district, person, version, boxes) VALUES ($1, $2, $3, $4)";

impl Transaction {
    /// Every version of a person's area, oldest first.
    pub async fn areas(&mut self, district: DistrictKey, person: PersonId) -> Result<Vec<AreaVersion>, StoreError> {
        let rows = fetch_all!(self, (i64, String), SELECT_AREAS, district.0, person.0);
        rows.into_iter()
            .map(|(version, boxes)| {
                let boxes = serde_json::from_str(&boxes).map_err(|_source| StoreError::Damaged("area boxes"))?;
                Ok(AreaVersion { version: unsigned(version), boxes })
            })
            .collect()
    }

    /// Adds a version of a person's area.
    pub async fn add_area(
        &mut self,
        district: DistrictKey,
        person: PersonId,
        area: &AreaVersion,
    ) -> Result<(), StoreError> {
        let boxes = serde_json::to_string(&area.boxes).map_err(|_source| StoreError::Damaged("area boxes"))?;
        execute!(self, INSERT_AREA, district.0, person.0, signed(area.version), boxes);
        Ok(())
    }
}
