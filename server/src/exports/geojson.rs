//! GeoJSON (RFC 7946) and GeoJSON text sequences (RFC 8142).
//!
//! Other coordinates than WGS-84 are named by the member `crs`, which RFC 7946 took out and readers still follow; those
//! without a registered system by the name of the layer alone. The member `firebreak` says what the file is of: of a
//! collection at its head, of a sequence in its first feature. A sequence without features is an empty collection and no
//! separator: readers take any text behind one for a feature, and cannot open a file of nothing.

use std::io::{BufWriter, Write};

use geo::{Coord, Geometry, LineString, Polygon};
use serde_json::json;

use super::{FeatureWriter, Outline, Output, WriteError, text};
use crate::layers::{Feature, Value};

/// Before each text of a sequence.
const RECORD_SEPARATOR: &[u8] = b"\x1e";

/// A `FeatureCollection`.
pub(super) struct Collection {
    outline: Outline,
    out: BufWriter<Box<dyn Output>>,
    is_first: bool,
}

impl Collection {
    pub(super) fn new(outline: &Outline, out: Box<dyn Output>) -> Result<Self, WriteError> {
        Self::begin(outline, BufWriter::new(out))
    }

    fn begin(outline: &Outline, mut out: BufWriter<Box<dyn Output>>) -> Result<Self, WriteError> {
        write!(out, "{{\"type\":\"FeatureCollection\",\"name\":{},", json!(outline.layer_name()))?;
        if let Some(code) = outline.reference.epsg().filter(|code| *code != 4326) {
            let name = format!("urn:ogc:def:crs:EPSG::{code}");
            write!(out, "\"crs\":{},", json!({ "type": "name", "properties": { "name": name } }))?;
        }
        write!(out, "\"firebreak\":{},\"features\":[", outline.about_json())?;
        Ok(Self { outline: outline.clone(), out, is_first: true })
    }
}

impl FeatureWriter for Collection {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        write_feature(&mut self.out, &self.outline, feature, None)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.out.write_all(if self.is_first { b"]}\n" } else { b"\n]}\n" })?;
        Ok(self.out.flush()?)
    }
}

/// Features one by one, each a text of its own.
pub(super) struct Sequence {
    outline: Outline,
    out: BufWriter<Box<dyn Output>>,
    /// What the file is of, until it is written.
    about: Option<serde_json::Value>,
}

impl Sequence {
    pub(super) fn new(outline: &Outline, out: Box<dyn Output>) -> Self {
        Self { outline: outline.clone(), out: BufWriter::new(out), about: Some(outline.about_json()) }
    }
}

impl FeatureWriter for Sequence {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        self.out.write_all(RECORD_SEPARATOR)?;
        write_feature(&mut self.out, &self.outline, feature, self.about.take().as_ref())?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        let Self { outline, mut out, about } = *self;
        if about.is_some() {
            return Box::new(Collection::begin(&outline, out)?).finish();
        }
        Ok(out.flush()?)
    }
}

/// One feature; what comes out of a library that fails is what the output said.
fn write_feature(
    out: &mut impl Write,
    outline: &Outline,
    feature: &Feature,
    about: Option<&serde_json::Value>,
) -> Result<(), WriteError> {
    write!(out, "{{\"type\":\"Feature\",\"id\":{},", feature.id)?;
    if let Some(about) = about {
        write!(out, "\"firebreak\":{about},")?;
    }
    out.write_all(b"\"geometry\":")?;
    match &feature.geometry {
        Some(geometry) => write_geometry(out, geometry)?,
        None => out.write_all(b"null")?,
    }
    out.write_all(b",\"properties\":{")?;
    for (at, (column, value)) in outline.columns(&feature.values).enumerate() {
        out.write_all(if at == 0 { b"\"" } else { b",\"" })?;
        // Headings are ours: nothing in them needs escaping.
        out.write_all(outline.field(column).as_bytes())?;
        out.write_all(b"\":")?;
        match value {
            Value::Null => out.write_all(b"null")?,
            Value::Text(it) => string(out, outline.text(column, it))?,
            Value::Integer(number) => write!(out, "{number}")?,
            Value::Real(number) => real(out, *number)?,
            Value::Boolean(truth) => write!(out, "{truth}")?,
            Value::Time(at_ms) => string(out, &text::utc(*at_ms))?,
            Value::Day(day) => string(out, &text::day(*day))?,
        }
    }
    Ok(out.write_all(b"}}")?)
}

fn string(out: &mut impl Write, text: &str) -> Result<(), WriteError> {
    serde_json::to_writer(out, text).map_err(|error| WriteError::Io(error.into()))
}

/// A number that JSON has; what it has not (infinite, none) is null.
fn real(out: &mut impl Write, number: f64) -> Result<(), WriteError> {
    serde_json::to_writer(out, &number).map_err(|error| WriteError::Io(error.into()))
}

fn write_geometry(out: &mut impl Write, geometry: &Geometry<f64>) -> Result<(), WriteError> {
    match geometry {
        Geometry::Point(point) => {
            out.write_all(b"{\"type\":\"Point\",\"coordinates\":")?;
            coord(out, point.0)?;
        }
        Geometry::LineString(line) => {
            out.write_all(b"{\"type\":\"LineString\",\"coordinates\":")?;
            coords(out, line)?;
        }
        Geometry::MultiLineString(lines) => {
            out.write_all(b"{\"type\":\"MultiLineString\",\"coordinates\":")?;
            list(out, lines.iter(), |out, line| coords(out, line))?;
        }
        Geometry::Polygon(polygon) => {
            out.write_all(b"{\"type\":\"Polygon\",\"coordinates\":")?;
            rings(out, polygon)?;
        }
        Geometry::MultiPolygon(polygons) => {
            out.write_all(b"{\"type\":\"MultiPolygon\",\"coordinates\":")?;
            list(out, polygons.iter(), rings)?;
        }
        // No layer has them.
        Geometry::Line(_)
        | Geometry::MultiPoint(_)
        | Geometry::GeometryCollection(_)
        | Geometry::Rect(_)
        | Geometry::Triangle(_) => return Ok(out.write_all(b"null")?),
    }
    Ok(out.write_all(b"}")?)
}

fn coord(out: &mut impl Write, Coord { x, y }: Coord<f64>) -> Result<(), WriteError> {
    out.write_all(b"[")?;
    real(out, x)?;
    out.write_all(b",")?;
    real(out, y)?;
    Ok(out.write_all(b"]")?)
}

fn coords(out: &mut impl Write, line: &LineString<f64>) -> Result<(), WriteError> {
    list(out, line.coords(), |out, it| coord(out, *it))
}

fn rings(out: &mut impl Write, polygon: &Polygon<f64>) -> Result<(), WriteError> {
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    list(out, rings, |out, ring| coords(out, ring))
}

fn list<W: Write, T>(
    out: &mut W,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut W, T) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    out.write_all(b"[")?;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write(out, item)?;
    }
    Ok(out.write_all(b"]")?)
}
