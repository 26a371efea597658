//! What a row of a GeoPackage holds: a header and well-known binary in its geometry column. The database itself is read
//! by `store::geopackage`; here are the bytes of one blob, which are somebody else's.

use geo_traits::{
    CoordTrait, GeometryTrait as _, GeometryType, LineStringTrait, MultiLineStringTrait as _,
    MultiPolygonTrait as _, PointTrait as _, PolygonTrait,
};
use sync_protocol::codes::Code;
use wkb::reader::read_wkb;

use super::items::Fault;
use super::{FEATURE_BYTES, Point, Shape};

/// Bytes of the header before the envelope: magic, version, flags, reference system.
const HEADER_BYTES: usize = 8;
/// The geometry types that are read: point, line, polygon, and the collections of one of them.
const TYPES: [u32; 5] = [1, 2, 3, 5, 6];

/// The geometry of a blob.
///
/// # Errors
/// Where it is none, or is of a type that no line or region has.
pub fn shape(blob: &[u8]) -> Result<Shape, Fault> {
    let fault = |at: &str| (Code::ImportGeometry, at.to_owned());
    if blob.len() > FEATURE_BYTES {
        return Err((Code::ImportRowTooLarge, format!("{} bytes", blob.len())));
    }
    let flags = match blob {
        [b'G', b'P', 0, flags, ..] => *flags,
        _ => return Err(fault("no GeoPackage geometry")),
    };
    if flags & 0b0010_0000 != 0 {
        return Err(fault("an extended geometry"));
    }
    if flags & 0b0001_0000 != 0 {
        return Ok(Shape::None);
    }
    let envelope = match (flags >> 1) & 0b111 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return Err(fault("an unknown envelope")),
    };
    let bytes = blob.get(HEADER_BYTES + envelope..).ok_or_else(|| fault("it is cut short"))?;
    // Collections of anything nest without bound.
    let kind = geometry_type(bytes).ok_or_else(|| fault("it is cut short"))?;
    if !TYPES.contains(&kind) {
        return Err((Code::ImportGeometry, format!("geometry type {kind}")));
    }
    let geometry = read_wkb(bytes).map_err(|error| (Code::ImportGeometry, short(&error.to_string())))?;
    Ok(match geometry.as_type() {
        GeometryType::Point(it) => it.coord().map_or(Shape::None, |coord| Shape::Point(point(&coord))),
        GeometryType::LineString(it) => Shape::Lines(vec![line(it)]),
        GeometryType::MultiLineString(it) => {
            Shape::Lines(it.line_strings().map(|part| line(&part)).collect())
        }
        GeometryType::Polygon(it) => Shape::Polygons(vec![rings(it)]),
        GeometryType::MultiPolygon(it) => Shape::Polygons(it.polygons().map(|part| rings(&part)).collect()),
        _ => Shape::None,
    })
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The type of a geometry without its dimensions (ISO: thousands; extended: high bits).
fn geometry_type(bytes: &[u8]) -> Option<u32> {
    let (order, rest) = bytes.split_first()?;
    let word = rest.first_chunk::<4>()?;
    let number = if *order == 0 { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
    Some((number & 0x0fff_ffff) % 1_000)
}

fn point(coord: &impl CoordTrait<T = f64>) -> Point {
    (coord.x(), coord.y())
}

fn line(line: &impl LineStringTrait<T = f64>) -> Vec<Point> {
    line.coords().map(|coord| point(&coord)).collect()
}

fn rings(polygon: &impl PolygonTrait<T = f64>) -> Vec<Vec<Point>> {
    polygon.exterior().iter().map(line).chain(polygon.interiors().map(|ring| line(&ring))).collect()
}
