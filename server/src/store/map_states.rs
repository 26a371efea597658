//! The states that hazards were in, as maps show them, and how many rows the map has of a layer. What stands in a row
//! is decided in `sync::derive::states`; reading them for a layer is in `store::layers`.

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::{MapTable, StoreError, Transaction, each_backend, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;
use crate::layers::Layer;

/// A row of `map_states`.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MapStateRow {
    /// The hazard.
    #[sqlx(try_from = "Uuid")]
    pub record: RecordId,
    /// Its own id.
    pub id: i64,
    /// The key of the place of the hazard; -1: no place is known.
    pub place: i64,
    /// Latitude, degrees × 1e7.
    pub lat_e7: Option<i64>,
    /// Longitude, degrees × 1e7.
    pub lon_e7: Option<i64>,
    /// 编号
    pub number: Option<String>,
    /// 隐患类别
    pub category: Option<String>,
    /// 隐患类型
    pub kind: Option<String>,
    /// The name of the state.
    pub state: String,
    /// 1: it counts as open.
    pub open: i64,
    /// The receipt of what led to it, milliseconds since 1970.
    pub valid_from: i64,
    /// The receipt of what ended it; none: it is in that state now.
    pub valid_to: Option<i64>,
}

/// Every column behind the district, in the order of [`MapStateRow`].
pub(super) const STATE_COLUMNS: &str =
    "record, id, place, lat_e7, lon_e7, number, category, kind, state, open, valid_from, valid_to";
const SELECT_TOTAL: &str = "SELECT features FROM map_totals WHERE district = $1 AND layer = $2";
const COUNT_HAZARDS: &str = "SELECT count(*) FROM map_hazards WHERE district = $1";
const COUNT_STATES: &str = "SELECT count(*) FROM map_states WHERE district = $1";

impl Transaction {
    /// Writes the states of hazards in the place of those that stood there of these records.
    pub async fn replace_map_states(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
        rows: &[MapStateRow],
    ) -> Result<(), StoreError> {
        let mut gone = 0;
        for chunk in records.chunks(KEYS) {
            gone += each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new("DELETE FROM map_states WHERE district = ");
                query.push_bind(district.0).push(" AND record");
                Db::push_ids(&mut query, chunk.iter().map(|record| record.0));
                query.build().execute(connection).await?.rows_affected()
            });
        }
        insert_rows!(
            self,
            rows,
            "map_states (district, place, id, record, lat_e7, lon_e7, number, category, kind, state, \
             open, valid_from, valid_to) ",
            "",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.place)
                .push_bind(item.id)
                .push_bind(item.record.0)
                .push_bind(item.lat_e7)
                .push_bind(item.lon_e7)
                .push_bind(item.number.as_deref())
                .push_bind(item.category.as_deref())
                .push_bind(item.kind.as_deref())
                .push_bind(item.state.as_str())
                .push_bind(item.open)
                .push_bind(item.valid_from)
                .push_bind(item.valid_to)
        );
        let come = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        self.add_to_map_total(district, Layer::HazardStates, come - signed(gone)).await
    }

    /// Counts rows of a layer that came or, below 0, went.
    pub async fn add_to_map_total(
        &mut self,
        district: DistrictKey,
        layer: Layer,
        by: i64,
    ) -> Result<(), StoreError> {
        let changed = if by == 0 { Vec::new() } else { vec![(layer.name(), by)] };
        insert_rows!(
            self,
            &changed,
            "map_totals (district, layer, features) ",
            " ON CONFLICT (district, layer) DO UPDATE SET features = map_totals.features + excluded.features",
            |row, item| row.push_bind(district.0).push_bind(item.0).push_bind(item.1)
        );
        Ok(())
    }

    /// How many rows the map has of hazards or of their states.
    pub async fn map_total(&mut self, district: DistrictKey, layer: Layer) -> Result<u64, StoreError> {
        let row = fetch_optional!(self, (i64,), SELECT_TOTAL, district.0, layer.name());
        Ok(row.map_or(0, |(features,)| unsigned(features)))
    }

    /// How many rows there are, counted one by one.
    pub async fn counted_map_total(
        &mut self,
        district: DistrictKey,
        table: MapTable,
    ) -> Result<u64, StoreError> {
        let count = match table {
            MapTable::Hazards => COUNT_HAZARDS,
            MapTable::States => COUNT_STATES,
        };
        let row = fetch_optional!(self, (i64,), count, district.0);
        Ok(row.map_or(0, |(features,)| unsigned(features)))
    }
}
