//! Hazards as maps show them: one row each, clustered by id, replaced as they are derived. What stands in a row is
//! decided in `sync::derive::map`; reading them for a layer is in `store::layers`, how they are handed over in
//! `store::map_rows`.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::fold::BLANK;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::{StoreError, Transaction, each_backend, execute, fetch_optional};
use crate::domain::{DistrictKey, UnitId};
use crate::tiles::counts::Deltas;
use crate::tiles::points::{Point, Texts};
use crate::tiles::strips::{self, Changes, Spot};

/// Ids from here on are of hazards that have no number; the numbers are below.
pub const UNNUMBERED: i64 = 1 << 52;

/// A row of `map_hazards`. Flags are 1 or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapHazardRow {
    /// The hazard.
    pub record: RecordId,
    /// The number of its record; from [`UNNUMBERED`] on where it has none.
    pub id: i64,
    /// The key of its place; -1: no place is known.
    pub place: i64,
    /// Latitude, degrees × 1e7.
    pub lat_e7: Option<i64>,
    /// Longitude, degrees × 1e7.
    pub lon_e7: Option<i64>,
    /// 编号
    pub number: Option<String>,
    /// When it was found, as far as that is believed, milliseconds since 1970.
    pub found: Option<i64>,
    /// 区县
    pub county: Option<String>,
    /// 乡镇
    pub township: Option<String>,
    /// The name of its line: as it was written, else of the line that it stands on.
    pub line_name: Option<String>,
    /// The line that it stands on.
    pub line: Option<String>,
    /// Voltage of that line, volts.
    pub voltage_v: Option<i64>,
    /// 小号侧
    pub structure_from: Option<String>,
    /// 大号侧
    pub structure_to: Option<String>,
    /// Millimetres along the line.
    pub chainage_mm: Option<i64>,
    /// Millimetres beside it.
    pub offset_mm: Option<i64>,
    /// Inside the protection zone.
    pub in_zone: Option<i64>,
    /// Accuracy of its position, millimetres.
    pub accuracy_mm: Option<i64>,
    /// 隐患类别
    pub category: Option<String>,
    /// 隐患类型
    pub kind: Option<String>,
    /// 描述
    pub description: Option<String>,
    /// 0 none, 1 general, 2 serious, 3 critical.
    pub severity_rank: i64,
    /// The severity that shows.
    pub severity: Option<String>,
    /// A major hazard.
    pub major: i64,
    /// The name of its state.
    pub state: String,
    /// It counts as open.
    pub open: i64,
    /// It has an open conflict.
    pub conflict: i64,
    /// Its report has not come.
    pub provisional: i64,
    /// 责任单位, as it was written; where `unit_id` is a unit of the district, that unit's name is kept instead.
    pub unit: Option<String>,
    /// The unit whose people see it.
    pub unit_id: Option<Uuid>,
    /// 整改通知书编号
    pub order_number: Option<String>,
    /// The moment by which it must be acted on.
    pub due: Option<i64>,
    /// The role whose turn it is.
    pub turn: Option<String>,
    /// When something of it last came, server time.
    pub updated: i64,
    /// The change of the record that this row is of.
    pub change: i64,
}

/// What aggregates count of a hazard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key of its place; -1: no place is known.
    pub place: i64,
    /// 0 none, 1 general, 2 serious, 3 critical.
    pub severity_rank: i64,
    /// 隐患类别
    pub category: Option<String>,
    /// It counts as open.
    pub open: bool,
    /// The moment by which it must be acted on.
    pub due: Option<i64>,
}

/// A hazard of the map that came, went or was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What it was; none: it was not there.
    pub old: Option<Shown>,
    /// What it is; none: it is gone.
    pub new: Option<Shown>,
}

impl From<&MapHazardRow> for Shown {
    fn from(row: &MapHazardRow) -> Self {
        Self {
            place: row.place,
            severity_rank: row.severity_rank,
            category: row.category.clone(),
            open: row.open != 0,
            due: row.due,
        }
    }
}

/// What the map shows of records, and the index that they are looked up in.
pub(super) const SHOWN: (&str, &str) = (
    "SELECT record, id, place, severity_rank, category, open, due FROM map_hazards",
    "map_hazards_by_record",
);
const SELECT_NAMES: &str = "SELECT unit, name FROM units WHERE district = ";
const SELECT_OF_ID: &str = "SELECT record FROM map_hazards WHERE district = $1 AND id = $2";
const RENAME_UNIT: &str = "UPDATE map_hazards SET unit = $3 \
     WHERE district = $1 AND unit_id = $2 AND (unit IS NULL OR unit <> $4)";
/// Every text that somebody may have written.
const BLANK_TEXT: &str = "UPDATE map_hazards SET county = CASE WHEN county = $3 THEN $4 ELSE county END, \
     township = CASE WHEN township = $3 THEN $4 ELSE township END, \
     line_name = CASE WHEN line_name = $3 THEN $4 ELSE line_name END, \
     structure_from = CASE WHEN structure_from = $3 THEN $4 ELSE structure_from END, \
     structure_to = CASE WHEN structure_to = $3 THEN $4 ELSE structure_to END, \
     kind = CASE WHEN kind = $3 THEN $4 ELSE kind END, \
     description = CASE WHEN description = $3 THEN $4 ELSE description END, \
     unit = CASE WHEN unit = $3 THEN $4 ELSE unit END \
     WHERE district = $1 AND record = $2";

impl Transaction {
    /// Writes hazards of the map in the place of what stood there of them. What changed by it, in the order of `rows`,
    /// which name each record once.
    pub async fn replace_map_hazards(
        &mut self,
        district: DistrictKey,
        rows: &[MapHazardRow],
    ) -> Result<Vec<Changed>, StoreError> {
        let records: Vec<RecordId> = rows.iter().map(|row| row.record).collect();
        let mut known = self.shown_hazards(district, &records).await?;
        let units = self.unit_names(district, rows.iter().filter_map(|row| row.unit_id)).await?;
        let rows = self.with_own_ids(district, rows, &known).await?;
        self.insert_map_hazards(district, &rows, &units).await?;
        let points: Vec<Point<'_>> = rows.iter().map(|(row, id)| point(row, *id)).collect();
        let texts: Vec<Texts> = points.iter().map(Point::texts).collect();
        let mut in_strips: Changes<'_> = spots(known.values()).map(|spot| (spot, None)).collect();
        in_strips
            .extend(strips::come(points.iter().zip(&texts).filter_map(|(point, texts)| point.entry(texts))));
        self.change_strips(district, &in_strips).await?;
        let changed = rows.iter().map(|(row, _)| {
            let old = known.remove(&row.record).map(|(_, old)| old);
            Changed { old, new: Some(Shown::from(*row)) }
        });
        Ok(changed.collect())
    }

    /// Takes records off the map. What changed by it.
    pub async fn remove_map_hazards(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<Vec<Changed>, StoreError> {
        let known = self.shown_hazards(district, records).await?;
        let there: Vec<RecordId> = known.keys().copied().collect();
        self.delete_of("DELETE FROM map_hazards WHERE district = ", district, &there).await?;
        let changes = spots(known.values()).map(|spot| (spot, None)).collect();
        self.change_strips(district, &changes).await?;
        Ok(known.into_values().map(|(_, old)| Changed { old: Some(old), new: None }).collect())
    }

    /// Gives the hazards of a unit its name; a name that was redacted stays away.
    pub async fn rename_unit_on_map(
        &mut self,
        district: DistrictKey,
        unit: UnitId,
        name: &str,
    ) -> Result<(), StoreError> {
        execute!(self, RENAME_UNIT, district.0, unit.0, name, BLANK);
        // Tiles that are narrowed by the name of a unit are others now.
        self.keep_tile_counts(district, &Deltas::default()).await
    }

    /// Blanks a text of a hazard wherever the map shows it, before the hazard is derived anew.
    pub async fn blank_on_map(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        text: &str,
    ) -> Result<(), StoreError> {
        execute!(self, BLANK_TEXT, district.0, record.0, text, BLANK);
        self.refresh_strip(district, record).await?;
        self.keep_tile_counts(district, &Deltas::default()).await
    }

    async fn shown_hazards(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, (i64, Shown)>, StoreError> {
        type Row = (Uuid, i64, i64, i64, Option<String>, i64, Option<i64>);
        let mut known = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<Row> = each_backend!(self, connection => {
                let keys = chunk.iter().map(|key| key.0);
                let mut query = Db::by_ids_in(SHOWN.0, SHOWN.1, district, "record", keys);
                query.build_query_as().fetch_all(connection).await?
            });
            known.extend(rows.into_iter().map(|(record, id, place, severity_rank, category, open, due)| {
                (RecordId(record), (id, Shown { place, severity_rank, category, open: open != 0, due }))
            }));
        }
        Ok(known)
    }

    async fn unit_names(
        &mut self,
        district: DistrictKey,
        units: impl Iterator<Item = Uuid>,
    ) -> Result<BTreeMap<Uuid, String>, StoreError> {
        let units: Vec<Uuid> = units.collect::<BTreeSet<Uuid>>().into_iter().collect();
        let mut names = BTreeMap::new();
        for chunk in units.chunks(KEYS) {
            let rows: Vec<(Uuid, String)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(SELECT_NAMES, district, "unit", chunk.iter().copied());
                query.build_query_as().fetch_all(connection).await?
            });
            names.extend(rows);
        }
        Ok(names)
    }

    /// Each row with the id under which it is kept: that which it has, so that pages find it where it was; where another
    /// record has that of one without a number, the next.
    async fn with_own_ids<'r>(
        &mut self,
        district: DistrictKey,
        rows: &'r [MapHazardRow],
        known: &BTreeMap<RecordId, (i64, Shown)>,
    ) -> Result<Vec<(&'r MapHazardRow, i64)>, StoreError> {
        let mut kept = Vec::with_capacity(rows.len());
        let mut given = BTreeSet::new();
        for row in rows {
            if let Some((id, _)) = known.get(&row.record) {
                kept.push((row, *id));
                continue;
            }
            let mut id = row.id;
            while id >= UNNUMBERED {
                let found = fetch_optional!(self, (Uuid,), SELECT_OF_ID, district.0, id);
                let is_taken = found.is_some_and(|(record,)| record != row.record.0);
                if !is_taken && given.insert(id) {
                    break;
                }
                id += 1;
            }
            kept.push((row, id));
        }
        Ok(kept)
    }

    async fn insert_map_hazards(
        &mut self,
        district: DistrictKey,
        rows: &[(&MapHazardRow, i64)],
        units: &BTreeMap<Uuid, String>,
    ) -> Result<(), StoreError> {
        let unit = |row: &MapHazardRow| match (row.unit.as_deref(), row.unit_id) {
            (Some(BLANK), _) => Some(BLANK.to_owned()),
            (written, id) => id.and_then(|id| units.get(&id).cloned()).or(written.map(str::to_owned)),
        };
        insert_rows!(
            self,
            rows,
            "map_hazards (district, place, id, record, lat_e7, lon_e7, number, found, county, township, \
             line_name, line, voltage_v, structure_from, structure_to, chainage_mm, offset_mm, in_zone, accuracy_mm, \
             category, kind, description, severity_rank, severity, major, state, open, conflict, provisional, unit, \
             unit_id, order_number, due, turn, updated, change) ",
            " ON CONFLICT (district, id) DO UPDATE SET record = excluded.record, place = excluded.place, \
             lat_e7 = excluded.lat_e7, \
             lon_e7 = excluded.lon_e7, number = excluded.number, found = excluded.found, county = excluded.county, \
             township = excluded.township, line_name = excluded.line_name, line = excluded.line, \
             voltage_v = excluded.voltage_v, structure_from = excluded.structure_from, \
             structure_to = excluded.structure_to, chainage_mm = excluded.chainage_mm, \
             offset_mm = excluded.offset_mm, in_zone = excluded.in_zone, accuracy_mm = excluded.accuracy_mm, \
             category = excluded.category, kind = excluded.kind, description = excluded.description, \
             severity_rank = excluded.severity_rank, severity = excluded.severity, major = excluded.major, \
             state = excluded.state, open = excluded.open, conflict = excluded.conflict, \
             provisional = excluded.provisional, unit = excluded.unit, unit_id = excluded.unit_id, \
             order_number = excluded.order_number, due = excluded.due, turn = excluded.turn, \
             updated = excluded.updated, change = excluded.change",
            |row, item| {
                let (it, id) = item;
                row.push_bind(district.0)
                    .push_bind(it.place)
                    .push_bind(*id)
                    .push_bind(it.record.0)
                    .push_bind(it.lat_e7)
                    .push_bind(it.lon_e7)
                    .push_bind(it.number.as_deref())
                    .push_bind(it.found)
                    .push_bind(it.county.as_deref())
                    .push_bind(it.township.as_deref())
                    .push_bind(it.line_name.as_deref())
                    .push_bind(it.line.as_deref())
                    .push_bind(it.voltage_v)
                    .push_bind(it.structure_from.as_deref())
                    .push_bind(it.structure_to.as_deref())
                    .push_bind(it.chainage_mm)
                    .push_bind(it.offset_mm)
                    .push_bind(it.in_zone)
                    .push_bind(it.accuracy_mm)
                    .push_bind(it.category.as_deref())
                    .push_bind(it.kind.as_deref())
                    .push_bind(it.description.as_deref())
                    .push_bind(it.severity_rank)
                    .push_bind(it.severity.as_deref())
                    .push_bind(it.major)
                    .push_bind(it.state.as_str())
                    .push_bind(it.open)
                    .push_bind(it.conflict)
                    .push_bind(it.provisional)
                    .push_bind(unit(it))
                    .push_bind(it.unit_id)
                    .push_bind(it.order_number.as_deref())
                    .push_bind(it.due)
                    .push_bind(it.turn.as_deref())
                    .push_bind(it.updated)
                    .push_bind(it.change)
            }
        );
        Ok(())
    }
}

/// What tiles show of a hazard that is kept under this id.
fn point(row: &MapHazardRow, id: i64) -> Point<'_> {
    Point {
        id,
        place: row.place,
        severity_rank: row.severity_rank,
        is_open: row.open != 0,
        due_ms: row.due,
        category: row.category.as_deref().unwrap_or_default(),
        kind: row.kind.as_deref().unwrap_or_default(),
        state: &row.state,
        number: row.number.as_deref().unwrap_or_default(),
    }
}

/// Where hazards stand in the strips.
fn spots<'s>(hazards: impl Iterator<Item = &'s (i64, Shown)>) -> impl Iterator<Item = Spot> {
    hazards.filter(|(_, shown)| shown.place >= 0).map(|(id, shown)| Spot { place: shown.place, id: *id })
}
