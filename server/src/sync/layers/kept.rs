//! Hazards and their states: pages and counts of the tables that the map keeps.

use geo::Point;

use super::{COUNT_MOST, Selection, real, text};
use crate::domain::{District, DistrictKey};
use crate::geometry::{Area, GeoBox, degrees, metres};
use crate::layers::{Feature, Layer, Value};
use crate::store::{MapFilter, MapHazardRow, MapStateRow, MapTable, StoreError, Transaction, is_exact};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// Ranges of place keys that hold a box: as many each time, so that one statement serves.
const RANGES: usize = 32;
/// A box is looked up by place where fewer rows lie in its ranges than this; otherwise rows are walked by id.
const NARROW: u32 = 20_000;
/// A filter that no index answers is counted in districts of so many rows at most.
const LOOKED_AT: u64 = 100_000;
/// Rows read at a time, at most, where a condition is looked at beside the store.
const BATCH: u32 = 1_000;

/// A page of hazards or of their states.
pub(super) async fn page(
    engine: &Engine,
    district: &District,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    let is_one_statement = selection.bbox.is_none() && selection.predicate.is_none();
    let mut reading =
        if is_one_statement { engine.store.glance().await? } else { engine.store.read().await? };
    page_in(&mut reading, district, layer, selection, after, limit).await
}

/// The same of the snapshot that is being read.
pub(super) async fn page_in(
    reading: &mut Transaction,
    district: &District,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    let Some(filter) = filter(reading, district, layer, selection).await? else { return Ok(Vec::new()) };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    // What the store cannot say of a condition is looked at here.
    let doubtful = selection.predicate.as_ref().filter(|predicate| !is_exact(predicate));
    let batch = if doubtful.is_some() { limit.clamp(1, BATCH) } else { limit };
    let (mut page, mut after) = (Vec::new(), after);
    while page.len() < wanted {
        let read = features(reading, district, layer, &filter, after, batch).await?;
        let is_last = u32::try_from(read.len()).is_ok_and(|read| read < batch);
        after = read.last().map(|feature| feature.id).or(after);
        let holds = |feature: &Feature| doubtful.is_none_or(|predicate| predicate.holds(layer, feature));
        page.extend(read.into_iter().filter(holds));
        if is_last {
            break;
        }
    }
    page.truncate(wanted);
    Ok(page)
}

/// How many there are: exact where all are meant or few are, none where that would cost much.
pub(super) async fn count(
    engine: &Engine,
    district: &District,
    layer: Layer,
    selection: &Selection,
) -> Result<Option<u64>, SyncError> {
    if selection.is_whole() && selection.sight == Sight::District {
        return Ok(Some(engine.store.glance().await?.map_total(district.key, layer).await?));
    }
    let mut reading = engine.store.read().await?;
    let total = reading.map_total(district.key, layer).await?;
    let Some(filter) = filter(&mut reading, district, layer, selection).await? else { return Ok(Some(0)) };
    let is_cheap = filter.ranges.is_some() || filter.units.is_some() || total <= LOOKED_AT;
    if !is_cheap {
        return Ok(None);
    }
    if selection.predicate.as_ref().is_some_and(|predicate| !is_exact(predicate)) {
        drop(reading);
        let found = page(engine, district, layer, selection, None, COUNT_MOST + 1).await?;
        return Ok(bounded_count(u64::try_from(found.len()).unwrap_or(u64::MAX)));
    }
    let found = reading.count_on_map(district.key, table(layer), &filter, COUNT_MOST + 1).await?;
    Ok(bounded_count(found))
}

/// Where the totals that are kept are not what the rows come to.
///
/// # Errors
/// The store's.
pub(in crate::sync) async fn faults(
    transaction: &mut Transaction,
    district: DistrictKey,
) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    for layer in [Layer::Hazards, Layer::HazardStates] {
        let kept = transaction.map_total(district, layer).await?;
        let counted = transaction.counted_map_total(district, table(layer)).await?;
        if kept != counted {
            faults.push(format!("the total of {} on the map is {kept}, counted {counted}", layer.name()));
        }
    }
    Ok(faults)
}

fn bounded_count(found: u64) -> Option<u64> {
    (found <= u64::from(COUNT_MOST)).then_some(found)
}

const fn table(layer: Layer) -> MapTable {
    match layer {
        Layer::HazardStates => MapTable::States,
        Layer::Hazards
        | Layer::Lines
        | Layer::Structures
        | Layer::Patrolled
        | Layer::NotPatrolled
        | Layer::Works
        | Layer::Regions
        | Layer::Unsent => MapTable::Hazards,
    }
}

/// What the store is asked; none where nothing can be there.
async fn filter(
    reading: &mut Transaction,
    district: &District,
    layer: Layer,
    selection: &Selection,
) -> Result<Option<MapFilter>, SyncError> {
    let units = match &selection.sight {
        Sight::District => None,
        Sight::Units(units) => Some(units.iter().copied().collect()),
    };
    let predicate = selection.predicate.clone();
    let of_record = selection.of_record;
    let mut filter = MapFilter { at_ms: selection.at, units, predicate, of_record, ..MapFilter::default() };
    // A condition's own box serves as well to find rows by.
    let of_predicate = || {
        let bounds = selection.predicate.as_ref()?.bounds()?;
        Some([bounds.min().x, bounds.min().y, bounds.max().x, bounds.max().y])
    };
    let Some(bbox) = selection.bbox.or_else(of_predicate) else { return Ok(Some(filter)) };
    let Some(within) = whole(bbox) else { return Ok(None) };
    filter.within = Some(within);
    let mut ranges = Area::of(&[GeoBox(within)]).ranges(RANGES);
    // No key lies between these.
    ranges.resize(RANGES, (1, 0));
    let narrow = MapFilter { ranges: Some(ranges), ..MapFilter::default() };
    let near = reading.count_on_map(district.key, table(layer), &narrow, NARROW).await?;
    if near < u64::from(NARROW) {
        filter.ranges = narrow.ranges;
    }
    Ok(Some(filter))
}

/// The positions of a box that the store can have, degrees × 1e7: south, west, north, east; none where there are none.
fn whole([west, south, east, north]: [f64; 4]) -> Option<[i64; 4]> {
    // A thousandth of what the store tells apart: what a product of two floats may be off by, and no more.
    let low = |degrees: f64| whole_number((degrees * 1e7 - 1e-3).ceil());
    let high = |degrees: f64| whole_number((degrees * 1e7 + 1e-3).floor());
    let within = [
        low(south).max(-900_000_000),
        low(west).max(-1_800_000_000),
        high(north).min(900_000_000),
        high(east).min(1_800_000_000),
    ];
    GeoBox(within).is_valid().then_some(within)
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
const fn whole_number(value: f64) -> i64 {
    value as i64
}

async fn features(
    reading: &mut Transaction,
    district: &District,
    layer: Layer,
    filter: &MapFilter,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    Ok(match table(layer) {
        MapTable::Hazards => {
            let rows = reading.map_hazards(district.key, filter, after, limit).await?;
            rows.into_iter().map(hazard).collect()
        }
        MapTable::States => {
            let rows = reading.map_states(district.key, filter, after, limit).await?;
            rows.into_iter().map(state).collect()
        }
    })
}

fn point(lat_e7: Option<i64>, lon_e7: Option<i64>) -> Option<geo::Geometry<f64>> {
    Some(Point::new(degrees(lon_e7?), degrees(lat_e7?)).into())
}

fn time(at_ms: Option<i64>) -> Value {
    at_ms.map_or(Value::Null, Value::Time)
}

fn flag(flag: i64) -> Value {
    Value::Boolean(flag != 0)
}

/// A hazard, its values in the order of [`Layer::columns`].
fn hazard(row: MapHazardRow) -> Feature {
    let kilovolts = |volts: i64| u32::try_from(volts).ok().map(super::kilovolts);
    Feature {
        id: row.id,
        record: Some(row.record.0),
        geometry: point(row.lat_e7, row.lon_e7),
        values: vec![
            Value::Text(row.record.to_string()),
            text(row.number),
            time(row.found),
            text(row.county),
            text(row.township),
            text(row.line_name),
            text(row.line),
            real(row.voltage_v.and_then(kilovolts)),
            text(row.structure_from),
            text(row.structure_to),
            real(row.chainage_mm.map(metres)),
            real(row.offset_mm.map(metres)),
            row.in_zone.map_or(Value::Null, flag),
            real(row.accuracy_mm.map(metres)),
            text(row.category),
            text(row.kind),
            text(row.description),
            text(row.severity),
            flag(row.major),
            Value::Text(row.state),
            flag(row.open),
            flag(row.conflict),
            flag(row.provisional),
            text(row.unit),
            text(row.order_number),
            time(row.due),
            text(row.turn),
            time(Some(row.updated)),
        ],
    }
}

/// A state of a hazard, its values in the order of [`Layer::columns`].
fn state(row: MapStateRow) -> Feature {
    Feature {
        id: row.id,
        record: Some(row.record.0),
        geometry: point(row.lat_e7, row.lon_e7),
        values: vec![
            Value::Text(row.record.to_string()),
            text(row.number),
            text(row.category),
            text(row.kind),
            Value::Text(row.state),
            flag(row.open),
            time(Some(row.valid_from)),
            time(row.valid_to),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_the_positions_on_its_edges_and_none_beyond() {
        let within = whole([103.0, 29.98, 103.01, 30.1]).unwrap();
        assert_eq!(within, [299_800_000, 1_030_000_000, 301_000_000, 1_030_100_000]);
        let within = whole([103.000_000_05, 29.98, 103.01, 30.1]).unwrap();
        assert_eq!(within[1], 1_030_000_001);
        assert_eq!(whole([1.0, 2.0, 1.0, 1.0]), None);
        assert_eq!(
            whole([-200.0, -100.0, 200.0, 100.0]).unwrap(),
            [-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000]
        );
    }
}
