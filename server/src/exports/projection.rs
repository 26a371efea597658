//! From the ledger's degrees to the numbers of a file.

use geo::{Coord, Geometry, LineString, Polygon};

use super::{Reference, WriteError};
use crate::geometry::{Converter, Degrees};
use crate::layers::Feature;

/// Radius of the sphere of web mercator, metres (EPSG:3857).
const RADIUS_M: f64 = 6_378_137.0;
/// Degrees of latitude at which the square of web mercator ends.
const MERCATOR_EDGE: f64 = 85.051_128_779_806_59;

/// Converts WGS-84 degrees to the coordinates of a file: degrees to 1e-9 (0.1 mm), metres to 1e-4.
#[derive(Debug)]
pub struct Projection {
    reference: Reference,
    /// None of what is written as it is, and of web mercator.
    converter: Option<Converter>,
}

impl Projection {
    /// To a coordinate system.
    ///
    /// # Errors
    /// Where it is none of ours.
    pub fn new(reference: Reference) -> Result<Self, WriteError> {
        let converter = match (reference, reference.datum()) {
            (Reference::Wgs84 | Reference::Cgcs2000, _) | (_, None) => None,
            (_, Some(datum)) => {
                Some(Converter::new(datum).map_err(|error| WriteError::Library(error.to_string()))?)
            }
        };
        Ok(Self { reference, converter })
    }

    /// Its coordinate system.
    pub const fn reference(&self) -> Reference {
        self.reference
    }

    /// Gives a feature the coordinates of the file; where these do not reach all of it, it has no place there.
    pub fn place(&self, feature: &mut Feature) {
        let Some(geometry) = &mut feature.geometry else { return };
        if self.converter.is_none() && self.reference != Reference::WebMercator {
            return;
        }
        let mut placed = || match geometry {
            Geometry::Point(point) => self.all(std::iter::once(&mut point.0)),
            Geometry::LineString(line) => self.all(line.coords_mut()),
            Geometry::MultiLineString(lines) => self.all(lines.iter_mut().flat_map(LineString::coords_mut)),
            Geometry::Polygon(polygon) => self.polygon(polygon),
            Geometry::MultiPolygon(polygons) => polygons.iter_mut().try_for_each(|it| self.polygon(it)),
            // No layer has them.
            Geometry::Line(_)
            | Geometry::MultiPoint(_)
            | Geometry::GeometryCollection(_)
            | Geometry::Rect(_)
            | Geometry::Triangle(_) => None,
        };
        if placed().is_none() {
            feature.geometry = None;
        }
    }

    fn all<'c>(&self, mut coords: impl Iterator<Item = &'c mut Coord<f64>>) -> Option<()> {
        coords.try_for_each(|coord| {
            *coord = self.coord(*coord)?;
            Some(())
        })
    }

    fn polygon(&self, polygon: &mut Polygon<f64>) -> Option<()> {
        let mut placed = Some(());
        polygon.exterior_mut(|ring| placed = self.all(ring.coords_mut()));
        let mut holes = Some(());
        polygon.interiors_mut(|rings| holes = self.all(rings.iter_mut().flat_map(LineString::coords_mut)));
        placed.and(holes)
    }

    /// The coordinates of one place; none where they do not reach it.
    pub fn coord(&self, Coord { x: lon, y: lat }: Coord<f64>) -> Option<Coord<f64>> {
        let steps = if self.reference.is_degrees() { 1e9 } else { 1e4 };
        let (x, y) = match (&self.converter, self.reference) {
            (Some(converter), _) => converter.from_wgs84(Degrees { lat, lon }).ok()?,
            (None, Reference::WebMercator) => mercator(lon, lat)?,
            (None, _) => return Some(Coord { x: lon, y: lat }),
        };
        let rounded = |number: f64| (number * steps).round() / steps;
        Some(Coord { x: rounded(x), y: rounded(y) })
    }
}

fn mercator(lon: f64, lat: f64) -> Option<(f64, f64)> {
    if lat.abs() > MERCATOR_EDGE {
        return None;
    }
    let y = (std::f64::consts::FRAC_PI_4 + lat.to_radians() / 2.0).tan().ln() * RADIUS_M;
    Some((lon.to_radians() * RADIUS_M, y))
}

#[cfg(test)]
mod tests {
    use geo::Point;

    use super::*;

    fn placed(name: &str) -> Option<(f64, f64)> {
        let projection = Projection::new(name.parse().unwrap()).unwrap();
        projection.coord(Coord { x: 103.01, y: 29.98 }).map(|coord| (coord.x, coord.y))
    }

    #[test]
    fn the_known_point_has_its_known_numbers() {
        assert_eq!(placed("wgs84"), Some((103.01, 29.98)));
        assert_eq!(placed("cgcs2000"), Some((103.01, 29.98)));
        // Domain §6, computed by another library.
        assert_eq!(placed("epsg:4543"), Some((597_473.224_2, 3_318_325.681)));
        assert_eq!(placed("epsg:4522"), Some((34_597_473.224_2, 3_318_325.681)));
        assert_eq!(placed("epsg:3857"), Some((11_467_020.746_6, 3_500_979.289)));
        // The formulas of domain §6, computed by another program; a metre is 1e-5 of a degree.
        for (name, lon, lat) in
            [("gcj02", 103.011_853_514, 29.977_330_139), ("bd09", 103.018_417_582, 29.983_043_612)]
        {
            let (x, y) = placed(name).unwrap();
            assert!((x - lon).abs() < 2e-9 && (y - lat).abs() < 2e-9, "{name}: {x} {y}");
        }
    }

    #[test]
    fn a_feature_beyond_the_zone_has_no_place_in_the_file() {
        let projection = Projection::new("epsg:4543".parse().unwrap()).unwrap();
        let geometry = Some(Point::new(-30.0, 30.0).into());
        let mut feature = Feature { id: 7, record: None, geometry, values: Vec::new() };
        projection.place(&mut feature);
        assert_eq!((feature.id, &feature.geometry), (7, &None));
        let nowhere = Projection::new("epsg:3857".parse().unwrap()).unwrap();
        assert_eq!(nowhere.coord(Coord { x: 0.0, y: 89.0 }), None);
    }
}
