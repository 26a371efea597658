//! What is compared of hazards to find those that are probably one. How they are weighed is in `duplicates`.

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::inserts::insert_rows;
use super::{StoreError, Transaction, each_backend};
use crate::domain::DistrictKey;

/// A row of `traits`: what is compared of a hazard.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TraitRow {
    /// The hazard.
    #[sqlx(try_from = "Uuid")]
    pub record: RecordId,
    /// Its category.
    pub category: String,
    /// The key of its place (`geometry::place`).
    pub place: i64,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i64,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i64,
    /// Accuracy of its position, decimetres; none: not known.
    pub accuracy_dm: Option<i64>,
    /// When it was found, milliseconds since 1970.
    pub found_ms: i64,
    /// Its type.
    pub kind: Option<String>,
    /// The line that it probably stands on.
    pub line: Option<Uuid>,
    /// Millimetres along that line.
    pub chainage_mm: Option<i64>,
    /// The device that reported it.
    pub device: Option<Uuid>,
    /// SHA-256 of its description.
    pub words: Option<Vec<u8>>,
    /// SHA-256 of its photos, one after the other.
    pub photos: Vec<u8>,
}

/// Where and when hazards may be that are one with another.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Ranges of place keys, both ends included; as many each time, so that one statement serves.
    pub places: &'a [(i64, i64)],
    /// The category.
    pub category: &'a str,
    /// Found within these milliseconds since 1970, both ends included.
    pub found_ms: (i64, i64),
    /// So many at most, by record.
    pub limit: u32,
}

const SELECT_NEAR: &str = "SELECT traits.record, traits.category, traits.place, traits.lat_e7, traits.lon_e7, \
     traits.accuracy_dm, traits.found_ms, traits.kind, traits.line, traits.chainage_mm, traits.device, traits.words, \
     traits.photos FROM (";
const OF_NEAR: &str = ") AS ranges CROSS JOIN traits \
     WHERE traits.place BETWEEN ranges.column1 AND ranges.column2 AND traits.district = ";

impl Transaction {
    /// Hazards at places and times, as far as they are derived.
    pub async fn traits_near(
        &mut self,
        district: DistrictKey,
        near: &Near<'_>,
    ) -> Result<Vec<TraitRow>, StoreError> {
        if near.places.is_empty() {
            return Ok(Vec::new());
        }
        Ok(each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_NEAR);
            query.push_values(near.places, |mut row, (low, high)| {
                row.push_bind(*low).push_bind(*high);
            });
            query.push(OF_NEAR).push_bind(district.0);
            query.push(" AND traits.category = ").push_bind(near.category);
            query.push(" AND traits.found_ms >= ").push_bind(near.found_ms.0);
            query.push(" AND traits.found_ms <= ").push_bind(near.found_ms.1);
            query.push(" ORDER BY traits.record LIMIT 0 + ").push_bind(i64::from(near.limit));
            query.build_query_as().fetch_all(connection).await?
        }))
    }

    /// Writes what is compared of hazards.
    pub async fn upsert_traits(
        &mut self,
        district: DistrictKey,
        rows: &[TraitRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "traits (district, record, category, place, lat_e7, lon_e7, accuracy_dm, found_ms, kind, \
             line, chainage_mm, device, words, photos) ",
            " ON CONFLICT (district, record) DO UPDATE SET category = excluded.category, place = excluded.place, \
             lat_e7 = excluded.lat_e7, lon_e7 = excluded.lon_e7, accuracy_dm = excluded.accuracy_dm, \
             found_ms = excluded.found_ms, kind = excluded.kind, line = excluded.line, \
             chainage_mm = excluded.chainage_mm, device = excluded.device, words = excluded.words, \
             photos = excluded.photos",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.category.as_str())
                .push_bind(item.place)
                .push_bind(item.lat_e7)
                .push_bind(item.lon_e7)
                .push_bind(item.accuracy_dm)
                .push_bind(item.found_ms)
                .push_bind(item.kind.as_deref())
                .push_bind(item.line)
                .push_bind(item.chainage_mm)
                .push_bind(item.device)
                .push_bind(item.words.as_deref())
                .push_bind(item.photos.as_slice())
        );
        Ok(())
    }

    /// Deletes what was compared of these records.
    pub async fn delete_traits(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        self.delete_of("DELETE FROM traits WHERE district = ", district, records).await
    }
}
