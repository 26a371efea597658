//! FlatGeobuf, with its spatial index. The library keeps features in a temporary file of its own until they are sorted,
//! and 140 bytes of each in memory.
//!
//! A feature without a place cannot stand in an index, and readers refuse a file that has some: it is left out.

use ::flatgeobuf::geozero::{self, ColumnValue, GeomProcessor, GeozeroGeometry, PropertyProcessor as _};
use ::flatgeobuf::{ColumnType, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType};
use geo::{Coord, Geometry, LineString, MultiLineString, Polygon};
use serde_json::json;

use std::io::{BufWriter, Write as _};

use super::{FeatureWriter, Outline, Output, WriteError, text};
use crate::layers::{ColumnKind, Feature, Shape, Value, Words};

/// What a reader must know of a file.
const LEFT_OUT: Words = Words {
    zh: "没有位置的要素不在此文件内。",
    en: "Features without a place are not in this file.",
};

/// A file that is written at its end.
pub(super) struct FlatGeobuf {
    outline: Outline,
    writer: FgbWriter<'static>,
    out: Box<dyn Output>,
    is_empty: bool,
}

fn refused(error: ::flatgeobuf::Error) -> WriteError {
    match error {
        ::flatgeobuf::Error::IO(error) => WriteError::Io(error),
        other => WriteError::Library(other.to_string()),
    }
}

impl FlatGeobuf {
    pub(super) fn new(outline: &Outline, out: Box<dyn Output>) -> Result<Self, WriteError> {
        let writer = begun(outline, Index::Yes)?;
        Ok(Self { outline: outline.clone(), writer, out, is_empty: true })
    }
}

/// Whether a file has a spatial index: of no features there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Yes,
    No,
}

fn begun(outline: &Outline, index: Index) -> Result<FgbWriter<'static>, WriteError> {
    let wkt = outline.reference.wkt();
    let title = outline.reference.title();
    let code = outline.reference.epsg().map_or(0, i32::from);
    let mut metadata = outline.about_json();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("left_out".to_owned(), json!({ "zh": LEFT_OUT.zh, "en": LEFT_OUT.en }));
    }
    let metadata = metadata.to_string();
    let description = format!("{}{}\r\n", outline.about_text(), outline.says(LEFT_OUT));
    let options = FgbWriterOptions {
        crs: FgbCrs {
            org: outline.reference.epsg().map(|_| "EPSG"),
            code,
            name: Some(&title),
            wkt: wkt.as_deref(),
            ..FgbCrs::default()
        },
        detect_type: false,
        promote_to_multi: false,
        write_index: index == Index::Yes,
        title: Some(outline.says(outline.schema.title)),
        description: Some(&description),
        metadata: Some(&metadata),
        ..FgbWriterOptions::default()
    };
    let shape = match outline.schema.shape {
        Shape::Point => GeometryType::Point,
        Shape::LineString => GeometryType::LineString,
        // Each feature names its own: see where they are written.
        Shape::MultiLineString => GeometryType::Unknown,
        Shape::MultiPolygon => GeometryType::MultiPolygon,
    };
    let mut writer =
        FgbWriter::create_with_options(&outline.layer_name(), shape, options).map_err(refused)?;
    writer.add_column("id", ColumnType::Long, |_, column| column.nullable = false);
    for column in outline.schema.columns {
        let kind = match column.kind {
            ColumnKind::Text => ColumnType::String,
            ColumnKind::Integer => ColumnType::Long,
            ColumnKind::Real => ColumnType::Double,
            ColumnKind::Boolean => ColumnType::Bool,
            ColumnKind::Time | ColumnKind::Day => ColumnType::DateTime,
        };
        writer.add_column(outline.field(column), kind, |builder, arguments| {
            arguments.title = Some(builder.create_string(outline.heading(column)));
        });
    }
    Ok(writer)
}

impl FeatureWriter for FlatGeobuf {
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let Some(geometry) = &feature.geometry else { return Ok(()) };
        self.is_empty = false;
        let outline = &self.outline;
        let mut failed = None;
        let added = self.writer.add_feature_geom(Shown(geometry), |row| {
            let mut property = |at: usize, name: &str, value: ColumnValue<'_>| {
                if let Err(error) = row.property(at, name, &value) {
                    failed = Some(error);
                }
            };
            property(0, "id", ColumnValue::Long(feature.id));
            for (at, (column, value)) in outline.columns(&feature.values).enumerate() {
                let (at, name) = (at + 1, column.name);
                match value {
                    Value::Null => {}
                    Value::Text(it) => property(at, name, ColumnValue::String(outline.text(column, it))),
                    Value::Integer(number) => property(at, name, ColumnValue::Long(*number)),
                    Value::Real(number) => property(at, name, ColumnValue::Double(*number)),
                    Value::Boolean(truth) => property(at, name, ColumnValue::Bool(*truth)),
                    Value::Time(at_ms) => property(at, name, ColumnValue::DateTime(&text::utc(*at_ms))),
                    Value::Day(day) => property(at, name, ColumnValue::DateTime(&text::day(*day))),
                }
            }
        });
        match (added, failed) {
            (Ok(()), None) => Ok(()),
            (Err(error), _) | (Ok(()), Some(error)) => Err(WriteError::Library(error.to_string())),
        }
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        let mut out = BufWriter::new(self.out);
        let writer = if self.is_empty { begun(&self.outline, Index::No)? } else { self.writer };
        writer.write(&mut out).map_err(refused)?;
        Ok(out.flush()?)
    }
}

/// A geometry as the library reads it.
struct Shown<'g>(&'g Geometry<f64>);

impl GeozeroGeometry for Shown<'_> {
    fn process_geom<P: GeomProcessor>(&self, to: &mut P) -> geozero::error::Result<()> {
        match self.0 {
            Geometry::Point(point) => {
                to.point_begin(0)?;
                to.xy(point.x(), point.y(), 0)?;
                to.point_end(0)
            }
            Geometry::LineString(line) => chain(to, line, Tagged::Yes, 0),
            // GDAL before 3.7 reads no chains of one: it is written as that one.
            Geometry::MultiLineString(MultiLineString(lines)) if lines.len() == 1 => {
                lines.iter().try_for_each(|line| chain(to, line, Tagged::Yes, 0))
            }
            Geometry::MultiLineString(lines) => {
                to.multilinestring_begin(lines.0.len(), 0)?;
                for (at, line) in lines.iter().enumerate() {
                    chain(to, line, Tagged::No, at)?;
                }
                to.multilinestring_end(0)
            }
            Geometry::Polygon(polygon) => rings(to, polygon, Tagged::Yes, 0),
            Geometry::MultiPolygon(polygons) => {
                to.multipolygon_begin(polygons.0.len(), 0)?;
                for (at, polygon) in polygons.iter().enumerate() {
                    rings(to, polygon, Tagged::No, at)?;
                }
                to.multipolygon_end(0)
            }
            Geometry::Line(_)
            | Geometry::MultiPoint(_)
            | Geometry::GeometryCollection(_)
            | Geometry::Rect(_)
            | Geometry::Triangle(_) => {
                Err(geozero::error::GeozeroError::Geometry("no layer has this type".to_owned()))
            }
        }
    }
}

/// Whether a part is a geometry of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tagged {
    Yes,
    No,
}

fn chain<P: GeomProcessor>(
    to: &mut P,
    line: &LineString<f64>,
    tagged: Tagged,
    index: usize,
) -> geozero::error::Result<()> {
    to.linestring_begin(tagged == Tagged::Yes, line.0.len(), index)?;
    for (at, Coord { x, y }) in line.coords().enumerate() {
        to.xy(*x, *y, at)?;
    }
    to.linestring_end(tagged == Tagged::Yes, index)
}

fn rings<P: GeomProcessor>(
    to: &mut P,
    polygon: &Polygon<f64>,
    tagged: Tagged,
    index: usize,
) -> geozero::error::Result<()> {
    let all = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    to.polygon_begin(tagged == Tagged::Yes, polygon.interiors().len() + 1, index)?;
    for (at, ring) in all.enumerate() {
        chain(to, ring, Tagged::No, at)?;
    }
    to.polygon_end(tagged == Tagged::Yes, index)
}
