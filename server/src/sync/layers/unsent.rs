//! Where the map may be blind: the areas of people whose phones hold what they have not sent, or have been silent.

use std::collections::BTreeMap;

use geo::{Coord, MapCoords as _, MultiPolygon, Polygon, Rect, unary_union};
use sync_protocol::ids::{DeviceId, PersonId};

use super::{Moment, text};
use crate::domain::{DeviceRow, DeviceStatus, District};
use crate::geometry::{GeoBox, degrees};
use crate::grid::snapshot::Grid;
use crate::layers::{Feature, Value, apart, id};
use crate::store::{AreaVersion, Transaction};
use crate::sync::listing::Names;
use crate::sync::{SyncError, pull};

/// A phone that was not heard of for so long may hold anything.
const SILENT_MS: i64 = 3 * 24 * 3_600 * 1_000;
/// A box without height or width grows so much on each side, degrees × 1e7: some 100 m, so that it can be seen.
const THIN_E7: i64 = 10_000;

/// Every device in use that owes what it says it recorded, or that has been silent.
pub(super) async fn features(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
) -> Result<Vec<Feature>, SyncError> {
    let silent_before_ms = moment.now_ms - SILENT_MS;
    let mut ids = reading.device_ids(district.key).await?;
    ids.retain(|device| *device != moment.own);
    let mut devices = reading.devices(district.key, &ids).await?;
    devices.retain(|_, row| {
        row.device.status == DeviceStatus::Active && (owes(row) || heard_ms(row) < silent_before_ms)
    });
    let persons: Vec<PersonId> = devices.values().flat_map(|row| row.device.persons.clone()).collect();
    let areas = reading.areas(district.key, &persons).await?;
    let names = Names::of(reading, district.key, persons).await?;
    let mut held = BTreeMap::new();
    for (device, row) in &devices {
        held.insert(*device, outstanding(reading, district, row).await?);
    }
    let feature = |(id, device): (i64, DeviceId)| {
        let row = devices.get(&device)?;
        let holders = &row.device.persons;
        let people: Vec<String> = holders.iter().filter_map(|person| names.get(*person)).collect();
        Some(Feature {
            id,
            record: None,
            geometry: place(&moment.grid, holders, &areas).map(Into::into),
            values: vec![
                Value::Text(if row.name.is_empty() { device.to_string() } else { row.name.clone() }),
                text((!people.is_empty()).then(|| people.join("、"))),
                held.get(&device).copied().flatten().map_or(Value::Null, Value::Integer),
                Value::Time(heard_ms(row)),
            ],
        })
    };
    let numbered = apart(devices.keys().map(|device| (id(device.0.as_bytes()), *device)));
    Ok(numbered.into_iter().filter_map(feature).collect())
}

/// It says that it recorded what is not here.
const fn owes(row: &DeviceRow) -> bool {
    row.device.whole_through < row.claimed_sequence || row.device.whole_through < row.device.head_sequence
}

fn heard_ms(row: &DeviceRow) -> i64 {
    row.contact_ms.unwrap_or(row.enrolled_ms)
}

/// How many operations it is known to hold; none where it only was silent.
async fn outstanding(
    reading: &mut Transaction,
    district: &District,
    row: &DeviceRow,
) -> Result<Option<i64>, SyncError> {
    if !owes(row) {
        return Ok(None);
    }
    let (device, whole) = (&row.device, row.device.whole_through);
    let held = reading.held_ranges(district.key, device.id, whole).await?;
    let missing = pull::missing(whole, row.claimed_sequence.max(device.head_sequence), &held);
    let operations: u64 = missing.iter().map(|(first, last)| last - first + 1).sum();
    Ok(i64::try_from(operations).ok())
}

/// The areas of people as they were last set; of who works everywhere, the box of the district.
fn place(
    grid: &Grid,
    holders: &[PersonId],
    areas: &BTreeMap<PersonId, Vec<AreaVersion>>,
) -> Option<MultiPolygon<f64>> {
    let boxes = |person: &PersonId| {
        let last = areas.get(person).and_then(|versions| versions.last());
        last.map(|version| version.boxes.as_slice()).unwrap_or_default()
    };
    let is_everywhere = holders.is_empty() || holders.iter().any(|person| boxes(person).is_empty());
    let boxes: Vec<GeoBox> = if is_everywhere {
        vec![grid.extent()?]
    } else {
        holders.iter().flat_map(|person| boxes(person).iter().copied()).collect()
    };
    // Boxes of several people may overlap: an area holds no place twice.
    let boxes: Vec<Polygon<f64>> = boxes.iter().map(polygon).collect();
    // Putting boxes together leaves corners a little off what was said.
    Some(unary_union(&boxes).map_coords(|Coord { x, y }| Coord { x: said(x), y: said(y) }))
}

/// The nearest degrees that can be said: whole steps of 1e-7.
fn said(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

fn polygon(GeoBox([south, west, north, east]): &GeoBox) -> Polygon<f64> {
    let wide = |low: i64, high: i64| if low < high { (low, high) } else { (low - THIN_E7, high + THIN_E7) };
    let ((south, north), (west, east)) = (wide(*south, *north), wide(*west, *east));
    let corner = |lat: i64, lon: i64| Coord { x: degrees(lon), y: degrees(lat) };
    Rect::new(corner(south, west), corner(north, east)).to_polygon()
}
