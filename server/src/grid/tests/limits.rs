//! Each limit at n and at n + 1.

use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::limits;
use sync_protocol::reference::RegionLevel;

use super::super::mapping::Mapping;
use super::super::{FEATURE_BYTES, FEATURES, FILE_BYTES, FileFault, Format, read, regions};
use super::{assembled, codes, geojson, line, lines, table, wgs84};

/// A zigzag of so many vertices.
fn zigzag(vertices: usize) -> Vec<(f64, f64)> {
    let at = |n: u32| (103.0 + f64::from(n) * 0.000_1, if n.is_multiple_of(2) { 29.9 } else { 29.900_1 });
    (0..u32::try_from(vertices).unwrap()).map(at).collect()
}

#[test]
fn a_line_has_at_most_so_many_vertices() {
    for (vertices, refused) in [(limits::LINE_VERTICES, 0), (limits::LINE_VERTICES + 1, 1)] {
        let found = assembled(&geojson(&[line(&json!({"osm_id": 1, "power": "line"}), &zigzag(vertices))]));
        assert_eq!((lines(&found).len(), found.refused.len()), (1 - refused, refused), "{vertices}");
    }
    // A table of structures makes lines by the same limit; what stands on each vertex must fit into the view too.
    for (vertices, expected) in
        [(3_000, None), (limits::LINE_VERTICES + 1, Some(Code::ImportTooManyVertices))]
    {
        let rows = zigzag(vertices).into_iter().enumerate();
        let rows = rows.map(|(n, (lon, lat))| format!("L,{n},{n},{lon:.7},{lat:.7}\n"));
        let found = assembled(&table(&format!("线路名称,序号,杆号,经度,纬度\n{}", rows.collect::<String>())));
        assert_eq!(found.refused.first().map(|it| it.code), expected, "{vertices}");
    }
}

#[test]
fn the_view_of_a_line_fits_into_a_frame() {
    let long = "x".repeat(limits::REFERENCE_TEXT_BYTES);
    let rows = zigzag(2_000).into_iter().enumerate();
    let rows = rows.map(|(n, (lon, lat))| format!("L,{n},{n}{},{lon:.7},{lat:.7}\n", &long[10..]));
    let found = assembled(&table(&format!("线路名称,序号,杆号,经度,纬度\n{}", rows.collect::<String>())));
    assert_eq!(codes(&found.refused), [(1, Code::ImportTooManyVertices)]);
}

fn ring(vertices: usize) -> Value {
    let mut ring: Vec<Value> = zigzag(vertices - 1).into_iter().map(|(lon, lat)| json!([lon, lat])).collect();
    ring.push(ring[0].clone());
    json!({"type": "Feature", "properties": {"code": "1", "name": "镇"},
        "geometry": {"type": "Polygon", "coordinates": [ring]}})
}

#[test]
fn a_region_has_at_most_so_many_vertices() {
    for (vertices, expected) in [(limits::REGION_VERTICES, 0), (limits::REGION_VERTICES + 1, 1)] {
        let read = geojson(&[ring(vertices)]);
        let found = regions::of(&read.features, &Mapping::default(), &wgs84(), Some(RegionLevel::Township));
        assert_eq!((found.items.len(), found.refused.len()), (1 - expected, expected), "{vertices}");
    }
}

#[test]
fn a_text_has_at_most_so_many_bytes_and_no_control_characters() {
    let points = [(103.0, 29.9), (103.1, 29.9)];
    for (name, is_refused) in [
        ("x".repeat(limits::REFERENCE_TEXT_BYTES), false),
        ("x".repeat(limits::REFERENCE_TEXT_BYTES + 1), true),
        ("a\u{0}b".to_owned(), true),
        ("a\tb".to_owned(), true),
    ] {
        let found =
            assembled(&geojson(&[line(&json!({"osm_id": 1, "power": "line", "name": name}), &points)]));
        let code = found.refused.first().map(|it| it.code);
        assert_eq!(code, is_refused.then_some(Code::ImportText), "{name:?}");
    }
}

#[test]
fn a_feature_has_at_most_so_many_bytes() {
    let points = [(103.0, 29.9), (103.1, 29.9)];
    let bare = line(&json!({"osm_id": 1, "power": "line", "x": ""}), &points).to_string().len();
    for (room, is_refused) in [(FEATURE_BYTES - bare, false), (FEATURE_BYTES - bare + 1, true)] {
        let found = geojson(&[line(&json!({"osm_id": 1, "power": "line", "x": "x".repeat(room)}), &points)]);
        let code = found.refused.first().map(|it| it.code);
        assert_eq!(code, is_refused.then_some(Code::ImportRowTooLarge));
    }
}

#[test]
fn a_file_has_at_most_so_many_bytes_and_rows() {
    for (bytes, is_refused) in [(FILE_BYTES, false), (FILE_BYTES + 1, true)] {
        let found = read(&vec![b' '; bytes], Format::GeoJson, &Mapping::default());
        assert_eq!(found == Err(FileFault::TooLarge), is_refused);
    }
    for (rows, is_refused) in [(FEATURES, false), (FEATURES + 1, true)] {
        let csv = format!("a,b\n{}", "1,2\n".repeat(rows));
        let found = read(csv.as_bytes(), Format::Csv, &Mapping::default());
        assert_eq!(found == Err(FileFault::TooManyRows), is_refused, "{rows}");
        let json = format!("{{\"features\": [{}0]}}", "0,".repeat(rows - 1));
        let found = read(json.as_bytes(), Format::GeoJson, &Mapping::default());
        assert_eq!(found == Err(FileFault::TooManyRows), is_refused, "{rows}");
    }
}
