//! GeoJSON: a feature collection, one feature at a time. A feature that is not one is a refused row, not a refused file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use ::geojson::{Geometry, GeometryValue, Position};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use sync_protocol::codes::Code;

use super::{FEATURE_BYTES, Feature, FileFault, Point, Read, Shape, own};

/// Reads a feature collection, or one feature.
///
/// # Errors
/// Where it is neither, or has too many features.
pub fn read(bytes: &[u8]) -> Result<Read, FileFault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut read = Read::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let outcome = Collection(&mut read).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match outcome {
        Ok(()) => Ok(read),
        Err(_error) if read.next_row().is_err() => Err(FileFault::TooManyRows),
        Err(error) => Err(FileFault::Unreadable(format!("no GeoJSON feature collection: {error}"))),
    }
}

struct Collection<'r>(&'r mut Read);

impl<'de> DeserializeSeed<'de> for Collection<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Collection<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature collection")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_features = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "type" => {
                    let value: Cow<'de, str> = map.next_value()?;
                    if value != "FeatureCollection" {
                        return Err(A::Error::custom(format!("it is a {value}")));
                    }
                }
                "features" if has_features => return Err(A::Error::custom("it lists its features twice")),
                "features" => {
                    has_features = true;
                    map.next_value_seed(Features(&mut *self.0))?;
                }
                "crs" => {
                    let crs: &RawValue = map.next_value()?;
                    let name = serde_json::from_str::<Value>(crs.get()).ok();
                    let name = name.as_ref().and_then(|crs| crs.pointer("/properties/name")?.as_str());
                    self.0.system = name.map(|name| name.chars().take(100).collect());
                }
                // What a file of ours says of itself.
                "firebreak" => {
                    let about: &RawValue = map.next_value()?;
                    let about = serde_json::from_str::<Value>(about.get()).ok();
                    let datum = about.as_ref().and_then(|about| about.get("datum")?.as_str());
                    self.0.own_datum = datum.map(|name| name.chars().take(100).collect());
                }
                "name" => {
                    let name: &RawValue = map.next_value()?;
                    if let Ok(name) = serde_json::from_str::<String>(name.get()) {
                        self.0.own_datum = self.0.own_datum.take().or_else(|| own::datum_of_name(&name));
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_features { Ok(()) } else { Err(A::Error::custom("it lists no features")) }
    }
}

struct Features<'r>(&'r mut Read);

impl<'de> DeserializeSeed<'de> for Features<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            let row = self.0.next_row().map_err(A::Error::custom)?;
            match feature(row, raw.get()) {
                Ok(feature) => self.0.features.push(feature),
                Err((code, at)) => self.0.refuse(row, code, at),
            }
        }
        Ok(())
    }
}

fn feature(row: u64, text: &str) -> Result<Feature, (Code, String)> {
    if text.len() > FEATURE_BYTES {
        return Err((Code::ImportRowTooLarge, format!("{} bytes", text.len())));
    }
    let unreadable = |error: ::geojson::Error| {
        (Code::ImportRowUnreadable, error.to_string().chars().take(200).collect::<String>())
    };
    let feature: ::geojson::Feature = text.parse().map_err(unreadable)?;
    let id = feature.id.map(|id| match id {
        ::geojson::feature::Id::String(text) => text,
        ::geojson::feature::Id::Number(number) => number.to_string(),
    });
    let mut properties = BTreeMap::new();
    let given = feature.properties.unwrap_or_default();
    let own = own::layer_of(|name| given.contains_key(name));
    for (name, value) in given {
        if let Some(text) = text_of(&value) {
            properties.insert(name, text);
        }
    }
    let shape = feature.geometry.as_ref().map_or(Shape::None, shape);
    let id = id.filter(|id| !id.is_empty() && own.is_none());
    Ok(Feature { row, id, properties, shape, own })
}

/// A value as a table would hold it; none where it is empty, or a map.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null | Value::Object(_) => return None,
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().filter_map(text_of).collect::<Vec<_>>().join(";"),
    };
    (!text.is_empty()).then_some(text)
}

fn shape(geometry: &Geometry) -> Shape {
    match &geometry.value {
        GeometryValue::Point { coordinates } => point(coordinates).map_or(Shape::None, Shape::Point),
        GeometryValue::LineString { coordinates } => Shape::Lines(vec![points(coordinates)]),
        GeometryValue::MultiLineString { coordinates } => {
            Shape::Lines(coordinates.iter().map(|line| points(line)).collect())
        }
        GeometryValue::Polygon { coordinates } => Shape::Polygons(vec![rings(coordinates)]),
        GeometryValue::MultiPolygon { coordinates } => {
            Shape::Polygons(coordinates.iter().map(|polygon| rings(polygon)).collect())
        }
        GeometryValue::MultiPoint { .. } | GeometryValue::GeometryCollection { .. } => Shape::None,
    }
}

fn point(position: &Position) -> Option<Point> {
    match position.as_slice() {
        [x, y, ..] => Some((*x, *y)),
        _ => None,
    }
}

/// A position of fewer than two numbers is no number: it is refused with its line.
fn points(positions: &[Position]) -> Vec<Point> {
    positions.iter().map(|position| point(position).unwrap_or((f64::NAN, f64::NAN))).collect()
}

fn rings(rings: &[Vec<Position>]) -> Vec<Vec<Point>> {
    rings.iter().map(|ring| points(ring)).collect()
}
