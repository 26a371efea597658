//! Features of any layer as a tile: points where they are, chains and areas cut to the tile with a margin, and every
//! column that has a value as a tag of its name.
//!
//! Hazards have [`super::points`] of their own, which is faster and the same for each of them.

use fast_mvt::{MvtCoord, MvtFeatureBuilder, MvtGeomType, MvtLayerBuilder, MvtResult, MvtValueRef};
use geo::{BooleanOps as _, BoundingRect as _, Geometry, LineString, MapCoords as _, Polygon, Rect, coord};

use super::clip::{Window, whole};
use super::{EXTENT, Tile};
use crate::geometry::place;
use crate::layers::{Feature, Layer, Value};

/// Units around a tile in which chains and areas go on, so that no edge of a tile shows: 4 pixels of 256.
pub const MARGIN: f64 = 64.0;

/// The tile of features of a layer; none where none of them shows in it.
///
/// # Errors
/// The encoder's, where a table of a layer overflows.
pub fn encode<'f>(
    tile: Tile,
    layer: Layer,
    features: impl IntoIterator<Item = &'f Feature>,
) -> MvtResult<Option<Vec<u8>>> {
    let mut builder = MvtLayerBuilder::new(layer.name())?;
    for feature in features {
        let Some(geometry) = &feature.geometry else { continue };
        let Some(shape) = Shape::of(tile, geometry) else { continue };
        let mut building = builder.feature_of(shape.kind());
        shape.write(&mut building)?;
        building.id(u64::try_from(feature.id).ok());
        for (column, value) in layer.columns().iter().zip(&feature.values) {
            tag(&mut building, column.name, value)?;
        }
        builder = building.end();
    }
    Ok((builder.num_features() > 0).then(|| builder.encode()))
}

fn tag(feature: &mut MvtFeatureBuilder, name: &str, value: &Value) -> MvtResult<()> {
    let value = match value {
        Value::Null => MvtValueRef::Null,
        Value::Text(text) => MvtValueRef::String(text),
        Value::Integer(whole) | Value::Time(whole) | Value::Day(whole) => MvtValueRef::Int(*whole),
        Value::Real(real) => MvtValueRef::Double(*real),
        Value::Boolean(is) => MvtValueRef::Bool(*is),
    };
    feature.tag_ref(name, value)?;
    Ok(())
}

/// What shows of a geometry, in units of the tile.
enum Shape {
    Points(Vec<(i32, i32)>),
    Chains(Vec<Vec<(i32, i32)>>),
    /// Rings of polygons: an outer one, then its holes.
    Areas(Vec<Vec<Vec<(i32, i32)>>>),
}

impl Shape {
    /// None where nothing of it lies in the tile.
    fn of(tile: Tile, geometry: &Geometry<f64>) -> Option<Self> {
        let window = Window { least: -MARGIN, most: f64::from(EXTENT) + MARGIN };
        let points = |points: &[geo::Point<f64>]| {
            let (first, last) = tile.places();
            let keys = points.iter().map(|point| place(e7(point.y()), e7(point.x())));
            keys.filter(|key| (first..=last).contains(key)).map(|key| tile.pixel(key)).collect()
        };
        let chains = |chains: &[LineString<f64>]| {
            let projected = |chain: &LineString<f64>| {
                window.chains(chain.0.iter().map(|corner| tile.project(corner.x, corner.y)))
            };
            chains.iter().flat_map(projected).collect()
        };
        let areas = |areas: &[Polygon<f64>]| areas.iter().flat_map(|area| cut(tile, window, area)).collect();
        let shape = match geometry {
            Geometry::Point(point) => Self::Points(points(&[*point])),
            Geometry::MultiPoint(many) => Self::Points(points(&many.0)),
            Geometry::Line(line) => Self::Chains(chains(&[LineString::from(line)])),
            Geometry::LineString(chain) => Self::Chains(chains(std::slice::from_ref(chain))),
            Geometry::MultiLineString(many) => Self::Chains(chains(&many.0)),
            Geometry::Polygon(area) => Self::Areas(areas(std::slice::from_ref(area))),
            Geometry::MultiPolygon(many) => Self::Areas(areas(&many.0)),
            Geometry::Rect(area) => Self::Areas(areas(&[area.to_polygon()])),
            Geometry::Triangle(area) => Self::Areas(areas(&[area.to_polygon()])),
            // No layer has one.
            Geometry::GeometryCollection(_) => return None,
        };
        (!shape.is_empty()).then_some(shape)
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Points(points) => points.is_empty(),
            Self::Chains(chains) => chains.is_empty(),
            Self::Areas(areas) => areas.is_empty(),
        }
    }

    const fn kind(&self) -> MvtGeomType {
        match self {
            Self::Points(_) => MvtGeomType::Point,
            Self::Chains(_) => MvtGeomType::LineString,
            Self::Areas(_) => MvtGeomType::Polygon,
        }
    }

    fn write(&self, feature: &mut MvtFeatureBuilder) -> MvtResult<()> {
        fn coords(corners: &[(i32, i32)]) -> impl Iterator<Item = MvtCoord> {
            corners.iter().map(|(x, y)| MvtCoord { x: *x, y: *y })
        }
        match self {
            Self::Points(points) => {
                feature.points(coords(points))?;
            }
            Self::Chains(chains) => {
                for chain in chains {
                    feature.line(coords(chain))?;
                }
            }
            Self::Areas(areas) => {
                for rings in areas {
                    for (nth, ring) in rings.iter().enumerate() {
                        feature.ring(coords(ring), nth == 0)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// An area cut to a window: its rings, as far as they enclose anything.
fn cut(tile: Tile, window: Window, area: &Polygon<f64>) -> Vec<Vec<Vec<(i32, i32)>>> {
    let projected = area.map_coords(|corner| {
        let (x, y) = tile.project(corner.x, corner.y);
        coord! { x: x, y: y }
    });
    let Some(bounds) = projected.bounding_rect() else { return Vec::new() };
    let is_outside = bounds.max().x < window.least
        || bounds.max().y < window.least
        || bounds.min().x > window.most
        || bounds.min().y > window.most;
    if is_outside {
        return Vec::new();
    }
    let inner = [bounds.min().x, bounds.min().y, bounds.max().x, bounds.max().y];
    let is_inside = inner.iter().all(|side| (window.least..=window.most).contains(side));
    let parts = if is_inside {
        vec![projected]
    } else {
        let frame = Rect::new((window.least, window.least), (window.most, window.most)).to_polygon();
        projected.intersection(&frame).0
    };
    parts.iter().filter_map(rings).collect()
}

/// The rings of a polygon in whole units; none where its outer one encloses nothing.
fn rings(area: &Polygon<f64>) -> Option<Vec<Vec<(i32, i32)>>> {
    let outer = ring(area.exterior())?;
    let holes = area.interiors().iter().filter_map(ring);
    Some(std::iter::once(outer).chain(holes).collect())
}

/// A ring without its closing corner; none where it encloses nothing.
fn ring(ring: &LineString<f64>) -> Option<Vec<(i32, i32)>> {
    let mut corners: Vec<(i32, i32)> = ring.0.iter().map(|corner| whole((corner.x, corner.y))).collect();
    corners.dedup();
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    let next = corners.iter().cycle().skip(1);
    let doubled: i64 = corners
        .iter()
        .zip(next)
        .map(|(one, other)| i64::from(one.0) * i64::from(other.1) - i64::from(other.0) * i64::from(one.1))
        .sum();
    (corners.len() > 2 && doubled != 0).then_some(corners)
}

/// Degrees × 1e7, nearest: positions of layers are such numbers.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "degrees × 1e7 fit by far")]
pub(super) fn e7(degrees: f64) -> i64 {
    (degrees * 1e7).round() as i64
}

#[cfg(test)]
mod tests {
    use fast_mvt::{MvtGeometry, MvtReaderRef};
    use geo::{MultiPolygon, Point};

    use super::*;

    fn feature(layer: Layer, geometry: impl Into<Geometry<f64>>) -> Feature {
        let values = layer.columns().iter().map(|column| Value::Text(column.name.to_owned())).collect();
        Feature { id: 7, record: None, geometry: Some(geometry.into()), values }
    }

    /// The geometries of the only layer of a tile.
    fn shown(tile: Tile, layer: Layer, features: &[Feature]) -> Vec<MvtGeometry> {
        let Some(bytes) = encode(tile, layer, features).unwrap() else { return Vec::new() };
        let reader = MvtReaderRef::new(&bytes).unwrap();
        let layer = reader.layers().next().unwrap();
        layer.features().map(|feature| feature.geometry().unwrap()).collect()
    }

    #[test]
    fn a_point_is_in_one_tile_of_a_zoom_and_in_no_margin() {
        // The second stands on the corner of four tiles of every zoom.
        for (lat, lon) in [(29.98, 103.0), (0.0, 0.0)] {
            let features = [feature(Layer::Structures, Point::new(lon, lat))];
            let home = Tile::of_place(place(e7(lat), e7(lon)), 14).unwrap();
            let mut tiles = 0;
            for x in home.x() - 1..=home.x() + 1 {
                for y in home.y() - 1..=home.y() + 1 {
                    let tile = Tile::new(14, x, y).unwrap();
                    let here = shown(tile, Layer::Structures, &features).len();
                    assert_eq!(here, usize::from(tile == home));
                    tiles += here;
                }
            }
            assert_eq!(tiles, 1, "{lat} {lon}");
        }
    }

    #[test]
    fn a_line_goes_on_in_every_tile_that_it_crosses() {
        let chain = LineString::from(vec![(102.0, 29.98), (104.0, 29.98)]);
        let features = [feature(Layer::Lines, chain)];
        let first = Tile::of_place(place(299_800_000, 1_020_000_000), 10).unwrap();
        let last = Tile::of_place(place(299_800_000, 1_040_000_000), 10).unwrap();
        assert!(last.x() > first.x() + 3);
        for x in first.x()..=last.x() {
            assert_eq!(shown(Tile::new(10, x, first.y()).unwrap(), Layer::Lines, &features).len(), 1);
        }
        let between = shown(Tile::new(10, first.x() + 1, first.y()).unwrap(), Layer::Lines, &features);
        let MvtGeometry::LineString(chain) = &between[0] else { panic!("{between:?}") };
        let ends: Vec<i32> = chain.0.iter().map(|corner| corner.x).collect();
        assert_eq!(ends, [-64, EXTENT + 64], "no seam shows between two tiles");
        assert!(shown(Tile::new(10, first.x(), first.y() + 1).unwrap(), Layer::Lines, &features).is_empty());
    }

    #[test]
    fn an_area_larger_than_the_tile_fills_it_and_its_hole_stays_one() {
        let around = |half: f64| {
            LineString::from(vec![
                (103.0 - half, 30.0 - half),
                (103.0 + half, 30.0 - half),
                (103.0 + half, 30.0 + half),
                (103.0 - half, 30.0 + half),
            ])
        };
        let area = MultiPolygon::new(vec![Polygon::new(around(5.0), vec![around(0.001)])]);
        let features = [feature(Layer::Regions, area)];
        let tile = Tile::of_place(place(300_000_000, 1_030_000_000), 12).unwrap();
        let geometries = shown(tile, Layer::Regions, &features);
        let MvtGeometry::Polygon(polygon) = &geometries[0] else { panic!("{geometries:?}") };
        assert_eq!((polygon.exterior().0.len(), polygon.interiors().len()), (5, 1));
        let tile = Tile::new(3, 0, 0).unwrap();
        assert!(shown(tile, Layer::Regions, &features).is_empty());
    }

    #[test]
    fn what_is_smaller_than_a_unit_or_has_no_place_is_left_out() {
        let speck = LineString::from(vec![(103.0, 30.0), (103.000_01, 30.0)]);
        let nowhere = Feature { geometry: None, ..feature(Layer::Lines, speck.clone()) };
        let tile = Tile::of_place(place(300_000_000, 1_030_000_000), 3).unwrap();
        assert!(shown(tile, Layer::Lines, &[feature(Layer::Lines, speck), nowhere]).is_empty());
    }
}
