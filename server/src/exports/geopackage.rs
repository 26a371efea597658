//! What a GeoPackage holds in its columns: geometries as blobs, moments as texts. The database is written by
//! `store::geopackage_out`.

use geo::{BoundingRect as _, Geometry, Rect};
use wkb::Endianness;
use wkb::writer::{WriteOptions, geometry_wkb_size, write_geometry};

use super::{Outline, Reference, WriteError};
use crate::layers::{Column, ColumnKind, Shape, Value};

/// `srs_id` of coordinates without a registered system: undefined, geographic.
const UNDEFINED: i32 = 0;
/// Little-endian, without an envelope: that of a point is the point.
const PLAIN: u8 = 0b0000_0001;
/// Little-endian, with an envelope of x and y.
const WITH_ENVELOPE: u8 = 0b0000_0011;

/// The number of a coordinate system in a file.
pub fn srs_id(reference: Reference) -> i32 {
    reference.epsg().map_or(UNDEFINED, i32::from)
}

/// The SQL type of a geometry column.
pub const fn geometry_type(shape: Shape) -> &'static str {
    match shape {
        Shape::Point => "POINT",
        Shape::LineString => "LINESTRING",
        Shape::MultiLineString => "MULTILINESTRING",
        Shape::MultiPolygon => "MULTIPOLYGON",
    }
}

/// The SQL type of a column.
pub const fn column_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "TEXT",
        ColumnKind::Integer => "INTEGER",
        ColumnKind::Real => "DOUBLE",
        ColumnKind::Boolean => "BOOLEAN",
        ColumnKind::Time => "DATETIME",
        ColumnKind::Day => "DATE",
    }
}

/// A geometry as it stands in its column, and its box.
///
/// # Errors
/// Where the library refuses it.
pub fn blob(geometry: &Geometry<f64>, srs_id: i32) -> Result<(Vec<u8>, Option<Rect<f64>>), WriteError> {
    let bounds = geometry.bounding_rect();
    let is_point = matches!(geometry, Geometry::Point(_));
    let mut blob = Vec::with_capacity(40 + geometry_wkb_size(geometry));
    blob.extend(*b"GP\0");
    blob.push(if is_point || bounds.is_none() { PLAIN } else { WITH_ENVELOPE });
    blob.extend(srs_id.to_le_bytes());
    if let Some(bounds) = bounds.filter(|_| !is_point) {
        for side in [bounds.min().x, bounds.max().x, bounds.min().y, bounds.max().y] {
            blob.extend(side.to_le_bytes());
        }
    }
    let options = WriteOptions { endianness: Endianness::LittleEndian };
    write_geometry(&mut blob, geometry, &options).map_err(|error| WriteError::Library(error.to_string()))?;
    Ok((blob, bounds))
}

/// A value as a column of a GeoPackage holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not known.
    Null,
    /// Text, moments and days too.
    Text(String),
    /// Whole numbers, yes and no too.
    Integer(i64),
    /// Numbers.
    Real(f64),
}

/// A value of a column.
pub fn cell(outline: &Outline, column: &Column, value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Text(text) => match outline.text(column, &text) {
            same if same == text => Cell::Text(text),
            word => Cell::Text(word.to_owned()),
        },
        Value::Integer(number) => Cell::Integer(number),
        Value::Real(number) => Cell::Real(number),
        Value::Boolean(truth) => Cell::Integer(i64::from(truth)),
        Value::Time(at_ms) => Cell::Text(moment(at_ms)),
        Value::Day(day) => Cell::Text(super::text::day(day)),
    }
}

/// A moment as GeoPackages write it: `2026-11-26T04:30:00.000Z`.
pub fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_beyond| String::new(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use geo::{Point, line_string};

    use super::*;
    use crate::grid;

    #[test]
    fn a_geometry_is_read_back_by_the_reader_of_such_files() {
        let (point, _) = blob(&Point::new(103.25, 30.5).into(), 4326).unwrap();
        assert_eq!(&point[..8], b"GP\0\x01\xe6\x10\0\0");
        assert_eq!(grid::geopackage::shape(&point).unwrap(), grid::Shape::Point((103.25, 30.5)));
        let line = line_string![(x: 1.0, y: 2.0), (x: 3.0, y: 5.0)];
        let (line, bounds) = blob(&line.into(), 4490).unwrap();
        assert_eq!(bounds, Some(Rect::new((1.0, 2.0), (3.0, 5.0))));
        assert_eq!(
            grid::geopackage::shape(&line).unwrap(),
            grid::Shape::Lines(vec![vec![(1.0, 2.0), (3.0, 5.0)]])
        );
    }

    #[test]
    fn a_moment_has_its_milliseconds() {
        assert_eq!(moment(1_795_667_400_000), "2026-11-26T04:30:00.000Z");
        assert_eq!(moment(1_795_667_400_120), "2026-11-26T04:30:00.120Z");
    }
}
