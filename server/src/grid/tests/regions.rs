//! Districts and townships: what is read of them, and which holds a position on a day.

use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::{DistrictId, RecordId};
use sync_protocol::reference::{Reference, RegionLevel};
use uuid::Uuid;

use super::super::mapping::Mapping;
use super::super::plan::record_of;
use super::super::regions;
use super::super::snapshot::Grid;
use super::{codes, geojson, wgs84};

fn square(properties: &Value, west: f64, south: f64) -> Value {
    let (east, north) = (west + 0.1, south + 0.1);
    let ring = json!([[west, south], [east, south], [east, north], [west, north], [west, south]]);
    json!({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}})
}

fn grid(features: &[Value]) -> Grid {
    let read = geojson(features);
    let found = regions::of(&read.features, &Mapping::default(), &wgs84(), Some(RegionLevel::Township));
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let district = DistrictId(Uuid::from_u128(1));
    let rows: Vec<(RecordId, Reference)> =
        found.items.into_iter().map(|item| (record_of(district, &item), item)).collect();
    Grid::of(rows, |_line| None)
}

fn at(grid: &Grid, lat_e7: i64, lon_e7: i64, day: i64) -> Option<String> {
    grid.township_of(lat_e7, lon_e7, day).map(|region| region.name.clone())
}

/// 2024-01-01, counted from 1970-01-01.
const NEW_YEAR: i64 = 19_723;

#[test]
fn a_township_holds_a_position_from_its_first_day_to_its_last() {
    let grid = grid(&[
        square(&json!({"code": "1", "name": "老镇", "until": "2024-01-01"}), 103.0, 29.9),
        square(&json!({"code": "1", "name": "新镇", "from": "2024-01-01"}), 103.0, 29.9),
        square(&json!({"code": "2", "name": "东乡"}), 103.1, 29.9),
        square(&json!({"code": "9", "name": "县", "level": "区县"}), 103.0, 29.9),
    ]);
    assert_eq!(at(&grid, 299_500_000, 1_030_500_000, NEW_YEAR - 1).as_deref(), Some("老镇"));
    assert_eq!(at(&grid, 299_500_000, 1_030_500_000, NEW_YEAR).as_deref(), Some("新镇"));
    assert_eq!(at(&grid, 299_500_000, 1_031_500_000, NEW_YEAR).as_deref(), Some("东乡"));
    assert_eq!(at(&grid, 299_500_000, 1_032_500_000, NEW_YEAR), None);
    // On the border the lower code.
    assert_eq!(at(&grid, 299_500_000, 1_031_000_000, NEW_YEAR - 1).as_deref(), Some("老镇"));
    let county = grid.region_of(RegionLevel::District, 299_500_000, 1_030_500_000, 0);
    assert_eq!(county.map(|region| region.code.as_str()), Some("9"));
}

#[test]
fn a_hole_is_no_part_of_a_region() {
    let outer = json!([[103.0, 29.0], [104.0, 29.0], [104.0, 30.0], [103.0, 30.0], [103.0, 29.0]]);
    let hole = json!([[103.4, 29.4], [103.6, 29.4], [103.6, 29.6], [103.4, 29.6]]);
    let grid = grid(&[json!({"type": "Feature", "properties": {"code": "1", "name": "镇"},
        "geometry": {"type": "Polygon", "coordinates": [outer, hole]}})]);
    assert_eq!(at(&grid, 292_000_000, 1_032_000_000, 0).as_deref(), Some("镇"));
    assert_eq!(at(&grid, 295_000_000, 1_035_000_000, 0), None);
}

#[test]
fn a_region_that_says_too_little_or_something_odd_is_refused() {
    let refused = |feature: Value, level| {
        let read = geojson(&[feature]);
        let found = regions::of(&read.features, &Mapping::default(), &wgs84(), level);
        codes(&found.refused).first().map(|(_, code)| *code)
    };
    let township = Some(RegionLevel::Township);
    let good = |properties: Value| square(&properties, 103.0, 29.0);
    assert_eq!(refused(good(json!({"code": "1"})), township), None);
    assert_eq!(refused(good(json!({"code": "1"})), None), Some(Code::ImportRegion));
    assert_eq!(refused(good(json!({"code": "1", "level": "省"})), township), Some(Code::ImportRegion));
    assert_eq!(refused(good(json!({})), township), Some(Code::ImportNoId));
    let ends = json!({"code": "1", "from": "2024-01-02", "until": "2024-01-02"});
    assert_eq!(refused(good(ends), township), Some(Code::ImportRegion));
    assert_eq!(refused(good(json!({"code": "1", "from": "soon"})), township), Some(Code::ImportRegion));
    let thin = json!({"type": "Feature", "properties": {"code": "1"},
        "geometry": {"type": "Polygon", "coordinates": [[[103.0, 29.0], [103.1, 29.0]]]}});
    assert_eq!(refused(thin, township), Some(Code::ImportGeometry));
    let read = geojson(&[good(json!({"code": "1"})), good(json!({"code": "1"}))]);
    let found = regions::of(&read.features, &Mapping::default(), &wgs84(), township);
    assert_eq!(codes(&found.refused), [(2, Code::ImportIdReused)]);
}
