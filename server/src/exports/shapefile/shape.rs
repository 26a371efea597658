//! The bytes of `.shp` and `.shx` (ESRI Shapefile Technical Description, July 1998).

use geo::{BoundingRect as _, Coord, Geometry, LineString, Orient as _, Polygon, orient::Direction};

use crate::layers::Shape;

/// Bytes of the head of either file.
pub(super) const HEAD_BYTES: u64 = 100;
/// Bytes before the content of a record.
const RECORD_HEAD_BYTES: u64 = 8;

const NULL: i32 = 0;
const POINT: i32 = 1;
const POLY_LINE: i32 = 3;
const POLYGON: i32 = 5;

/// The type of shapes of a layer.
pub(super) const fn kind(shape: Shape) -> i32 {
    match shape {
        Shape::Point => POINT,
        Shape::LineString | Shape::MultiLineString => POLY_LINE,
        Shape::MultiPolygon => POLYGON,
    }
}

/// The box of everything in a file; 0 where there is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent(Option<[f64; 4]>);

impl Extent {
    pub(super) fn take(&mut self, geometry: Option<&Geometry<f64>>) {
        let Some(bounds) = geometry.and_then(geo::BoundingRect::bounding_rect) else { return };
        let ([x, y], [to_x, to_y]) =
            (<[f64; 2]>::from(bounds.min().x_y()), <[f64; 2]>::from(bounds.max().x_y()));
        self.0 = Some(match self.0 {
            None => [x, y, to_x, to_y],
            Some([west, south, east, north]) => [west.min(x), south.min(y), east.max(to_x), north.max(to_y)],
        });
    }
}

/// Lengths and offsets are counted in words of 16 bits.
fn words(bytes: u64) -> [u8; 4] {
    i32::try_from(bytes / 2).unwrap_or(i32::MAX).to_be_bytes()
}

/// The head of a file of so many bytes.
pub(super) fn head(kind: i32, bytes: u64, Extent(extent): Extent) -> Vec<u8> {
    let mut head = 9_994_i32.to_be_bytes().to_vec();
    head.extend([0; 20]);
    head.extend(words(bytes));
    head.extend(1_000_i32.to_le_bytes());
    head.extend(kind.to_le_bytes());
    head.extend(extent.unwrap_or_default().into_iter().flat_map(f64::to_le_bytes));
    head.extend([0; 32]);
    head
}

/// What stands before the content of a record.
pub(super) fn record_head(number: u32, content: usize) -> Vec<u8> {
    let mut head = number.to_be_bytes().to_vec();
    head.extend(words(u64::try_from(content).unwrap_or(u64::MAX)));
    head
}

/// Bytes of a record whose content has so many.
pub(super) fn record_bytes(content: u32) -> u64 {
    RECORD_HEAD_BYTES + u64::from(content)
}

/// Bytes of an index of so many records.
pub(super) fn index_bytes(count: u32) -> u64 {
    HEAD_BYTES + RECORD_HEAD_BYTES * u64::from(count)
}

/// Where a record stands.
pub(super) fn index_entry(offset: u64, content: u32) -> Vec<u8> {
    [words(offset), words(u64::from(content))].concat()
}

/// The content of a record.
pub(super) fn content(geometry: Option<&Geometry<f64>>) -> Vec<u8> {
    match geometry {
        Some(Geometry::Point(point)) => [POINT.to_le_bytes().as_slice(), &pair(point.0)].concat(),
        Some(Geometry::LineString(line)) => parts(POLY_LINE, std::slice::from_ref(line)),
        Some(Geometry::MultiLineString(lines)) => parts(POLY_LINE, &lines.0),
        Some(Geometry::Polygon(polygon)) => parts(POLYGON, &rings(polygon)),
        Some(Geometry::MultiPolygon(polygons)) => {
            parts(POLYGON, &polygons.iter().flat_map(rings).collect::<Vec<_>>())
        }
        // No layer has them.
        Some(
            Geometry::Line(_)
            | Geometry::MultiPoint(_)
            | Geometry::GeometryCollection(_)
            | Geometry::Rect(_)
            | Geometry::Triangle(_),
        )
        | None => NULL.to_le_bytes().to_vec(),
    }
}

fn pair(Coord { x, y }: Coord<f64>) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&x.to_le_bytes());
    second.copy_from_slice(&y.to_le_bytes());
    bytes
}

/// Outer rings clockwise, holes the other way.
fn rings(polygon: &Polygon<f64>) -> Vec<LineString<f64>> {
    let (outer, holes) = polygon.orient(Direction::Reversed).into_inner();
    std::iter::once(outer).chain(holes).collect()
}

fn parts(kind: i32, lines: &[LineString<f64>]) -> Vec<u8> {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX).to_le_bytes();
    let mut extent = Extent::default();
    for line in lines {
        extent.take(line.bounding_rect().map(Geometry::Rect).as_ref());
    }
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(extent.0.unwrap_or_default().into_iter().flat_map(f64::to_le_bytes));
    bytes.extend(count(lines.len()));
    bytes.extend(count(lines.iter().map(|line| line.0.len()).sum()));
    let mut first = 0;
    for line in lines {
        bytes.extend(count(first));
        first += line.0.len();
    }
    bytes.extend(lines.iter().flat_map(LineString::coords).flat_map(|coord| pair(*coord)));
    bytes
}

#[cfg(test)]
mod tests {
    use geo::{Point, polygon};

    use super::*;

    #[test]
    fn a_point_is_twenty_bytes_and_no_place_is_a_null_shape() {
        let bytes = content(Some(&Point::new(103.0, 30.0).into()));
        assert_eq!((bytes.len(), &bytes[..4]), (20, &[1, 0, 0, 0][..]));
        assert_eq!(content(None), [0; 4]);
    }

    #[test]
    fn outer_rings_are_written_clockwise_and_holes_the_other_way() {
        let square = polygon!(exterior: [(x: 0., y: 0.), (x: 9., y: 0.), (x: 9., y: 9.), (x: 0., y: 9.)],
            interiors: [[(x: 1., y: 1.), (x: 1., y: 2.), (x: 2., y: 2.)]]);
        let signed = |ring: &LineString<f64>| -> f64 {
            ring.lines().map(|line| (line.end.x - line.start.x) * (line.end.y + line.start.y)).sum()
        };
        let turns: Vec<bool> = rings(&square).iter().map(|ring| signed(ring) > 0.0).collect();
        assert_eq!(turns, [true, false]);
    }
}
