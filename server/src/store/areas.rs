//! Areas of persons, every version kept: a device may hold an old one.

use std::collections::BTreeMap;

use sync_protocol::ids::PersonId;
use uuid::Uuid;

use super::rows::Keys as _;
use super::{StoreError, Transaction, each_backend, execute, signed, unsigned};
use crate::domain::DistrictKey;
use crate::geometry::GeoBox;

/// One version of a person's area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaVersion {
    /// A person's counts from 1; a device's ascends.
    pub version: u64,
    /// Empty: the whole district.
    pub boxes: Vec<GeoBox>,
}

const INSERT_AREA: &str = "INSERT INTO areas (district, person, version, boxes) VALUES ($1, $2, $3, $4)";

impl Transaction {
    /// Every version of these holders' areas, oldest first.
    pub async fn areas(
        &mut self,
        district: DistrictKey,
        holders: &[PersonId],
    ) -> Result<BTreeMap<PersonId, Vec<AreaVersion>>, StoreError> {
        let mut areas: BTreeMap<PersonId, Vec<AreaVersion>> = BTreeMap::new();
        if holders.is_empty() {
            return Ok(areas);
        }
        let rows: Vec<(Uuid, i64, String)> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(
                "SELECT person, version, boxes FROM areas WHERE district = ",
            );
            query.push_bind(district.0).push(" AND person");
            Db::push_ids(&mut query, holders.iter().map(|holder| holder.0));
            query.push(" ORDER BY version");
            query.build_query_as().fetch_all(connection).await?
        });
        for (person, version, boxes) in rows {
            let boxes = serde_json::from_str(&boxes).map_err(|_source| StoreError::Damaged("area boxes"))?;
            areas
                .entry(PersonId(person))
                .or_default()
                .push(AreaVersion { version: unsigned(version), boxes });
        }
        Ok(areas)
    }

    /// Adds a version of a person's area.
    pub async fn add_area(
        &mut self,
        district: DistrictKey,
        person: PersonId,
        area: &AreaVersion,
    ) -> Result<(), StoreError> {
        let boxes =
            serde_json::to_string(&area.boxes).map_err(|_source| StoreError::Damaged("area boxes"))?;
        execute!(self, INSERT_AREA, district.0, person.0, signed(area.version), boxes);
        Ok(())
    }
}
