//! Files in, lines out: what is read, joined, refused and assumed; limits at n and n + 1.

mod assembly;
mod columns;
mod limits;
mod own;
mod regions;

use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::reference::{LineView, Reference, StructureView};

use super::assemble::{Assembled, assemble};
use super::items::{self, Items};
use super::mapping::Mapping;
use super::{Format, Read, Refusal, read};
use crate::geometry::{Converter, Datum};

fn wgs84() -> Converter {
    Converter::new(Datum::Wgs84).expect("degrees")
}

fn collection(features: &[Value]) -> Vec<u8> {
    json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes()
}

fn line(properties: &Value, points: &[(f64, f64)]) -> Value {
    let points: Vec<Value> = points.iter().map(|(lon, lat)| json!([lon, lat])).collect();
    let geometry = json!({"type": "LineString", "coordinates": points});
    json!({"type": "Feature", "properties": properties, "geometry": geometry})
}

fn point(properties: &Value, (lon, lat): (f64, f64)) -> Value {
    let geometry = json!({"type": "Point", "coordinates": [lon, lat]});
    json!({"type": "Feature", "properties": properties, "geometry": geometry})
}

fn geojson(features: &[Value]) -> Read {
    read(&collection(features), Format::GeoJson, &Mapping::default()).expect("a collection")
}

fn table(text: &str) -> Read {
    read(text.as_bytes(), Format::Csv, &Mapping::default()).expect("a table")
}

fn items_of(read: &Read, mapping: &Mapping) -> Items {
    let mut items = items::of(&read.features, mapping, &wgs84());
    items.refused.extend(read.refused.iter().cloned());
    items
}

fn assembled(read: &Read) -> Assembled {
    assemble(items_of(read, &Mapping::default()))
}

fn lines(assembled: &Assembled) -> Vec<&LineView> {
    let items = assembled.items.iter();
    items.filter_map(|item| if let Reference::Line(line) = item { Some(line) } else { None }).collect()
}

fn alone(assembled: &Assembled) -> Vec<&StructureView> {
    let items = assembled.items.iter();
    items.filter_map(|item| if let Reference::Structure(it) = item { Some(it) } else { None }).collect()
}

fn codes(refused: &[Refusal]) -> Vec<(u64, Code)> {
    refused.iter().map(|it| (it.row, it.code)).collect()
}

/// Vertex and number of each structure of a line.
fn at(line: &LineView) -> Vec<(u32, &str)> {
    line.structures
        .iter()
        .map(|it| (it.vertex, it.number.as_deref().or(it.external_id.as_deref()).unwrap_or_default()))
        .collect()
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_heading() {
    let table = "\u{feff}name,lon,lat\n青杠线,103.0,30.0\n";
    let read = super::csv::read(table.as_bytes(), &super::mapping::Mapping::default()).unwrap();
    let names: Vec<&String> = read.features.iter().flat_map(|feature| feature.properties.keys()).collect();
    assert!(names.iter().any(|name| *name == "name"), "{names:?}");
}
