//! In which coordinates features are given and asked for: coordinate reference systems by their names, each with the
//! order of its axes.
//!
//! Pure. Everything else of the layers is in degrees, longitude before latitude; here alone the order of axes is another:
//! EPSG puts latitude before longitude in 4326 and 4490, and northing before easting in the zones of CGCS2000. The
//! projections are those of [`crate::geometry`]. Start at [`Crs::parse`].

use geo::{Coord, Geometry, LineString, MapCoords as _, Polygon, Rect};

use crate::geometry::{Converter, Datum, Degrees};

/// The coordinates in which everything is stored: degrees, longitude before latitude, WGS-84.
pub const STORAGE: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
/// What the name of a system of EPSG begins with.
const EPSG: &str = "http://www.opengis.net/def/crs/EPSG/0/";
/// Codes of EPSG besides the zones.
const PLAIN: [u16; 3] = [4326, 4490, 3857];
/// CGCS2000 in zones of 3 degrees: with the number of the zone before the easting, then without.
const ZONES: std::ops::RangeInclusive<u16> = 4513..=4554;
/// Radius of the sphere of web mercator, metres (EPSG method 1024: the semi-major axis of WGS-84).
const MERCATOR_M: f64 = 6_378_137.0;
/// Where web mercator ends, degrees of latitude (EPSG area of use of 3857).
const MERCATOR_LATITUDE: f64 = 85.06;
/// Parts into which the side of a box is cut before it is bent: within 2e-8 of a side of a zone's width, a metre of 800 km.
const SIDE_PARTS: u32 = 128;

/// A coordinate reference system.
#[derive(Debug)]
pub struct Crs {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Longitude before latitude.
    Crs84,
    /// Latitude before longitude, by this code of EPSG.
    Degrees(u16),
    /// Web mercator, easting before northing.
    Mercator,
    /// A Gauss–Krüger zone, northing before easting, by this code of EPSG.
    Zone(u16, Box<Converter>),
}

/// What a box is in degrees.
#[derive(Clone, Debug, PartialEq)]
pub enum Area {
    /// A box.
    Box(Rect<f64>),
    /// What a box of another system is bent to.
    Bent(Polygon<f64>),
}

impl Crs {
    /// What everything is stored in.
    pub const fn storage() -> Self {
        Self { kind: Kind::Crs84 }
    }

    /// The system of a name: a URI of OGC, in `http` or `https`, or the same shortened, as `EPSG:4543`, `[EPSG:4543]`,
    /// `OGC:CRS84`. None: it is none of those that layers are given in.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let is_storage = |name: &str| STORAGE.strip_prefix("http:") == name.strip_prefix("http:");
        let plain = name.replacen("https:", "http:", 1);
        if is_storage(&plain) || matches!(name, "OGC:CRS84" | "CRS84") {
            return Some(Self::storage());
        }
        let code = plain.strip_prefix(EPSG).or_else(|| name.strip_prefix("EPSG:"))?;
        if !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::of(code.parse().ok()?)
    }

    fn of(code: u16) -> Option<Self> {
        let kind = match code {
            4326 | 4490 => Kind::Degrees(code),
            3857 => Kind::Mercator,
            zone if ZONES.contains(&zone) => {
                Kind::Zone(zone, Box::new(Converter::new(Datum::Epsg(zone)).ok()?))
            }
            _ => return None,
        };
        Some(Self { kind })
    }

    /// The names of all systems, that in which everything is stored first.
    pub fn names() -> Vec<String> {
        let codes = PLAIN.into_iter().chain(ZONES);
        std::iter::once(STORAGE.to_owned()).chain(codes.map(|code| format!("{EPSG}{code}"))).collect()
    }

    /// Its name.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Crs84 => STORAGE.to_owned(),
            Kind::Degrees(code) | Kind::Zone(code, _) => format!("{EPSG}{code}"),
            Kind::Mercator => format!("{EPSG}3857"),
        }
    }

    /// Whether its coordinates are degrees rather than metres.
    pub const fn is_degrees(&self) -> bool {
        matches!(self.kind, Kind::Crs84 | Kind::Degrees(_))
    }

    /// Degrees, longitude before latitude, in the system, in the order of its axes; none where it does not reach there.
    pub fn out(&self, at: Coord<f64>) -> Option<Coord<f64>> {
        match &self.kind {
            Kind::Crs84 => Some(at),
            Kind::Degrees(_) => Some(Coord { x: at.y, y: at.x }),
            Kind::Mercator if at.y.abs() > MERCATOR_LATITUDE => None,
            Kind::Mercator => {
                let northing = MERCATOR_M * at.y.to_radians().tan().asinh();
                Some(Coord { x: MERCATOR_M * at.x.to_radians(), y: northing })
            }
            Kind::Zone(_, converter) => {
                let (easting, northing) = converter.from_wgs84(Degrees { lat: at.y, lon: at.x }).ok()?;
                Some(Coord { x: northing, y: easting })
            }
        }
    }

    /// Coordinates of the system, in the order of its axes, as degrees, longitude before latitude; none where they are
    /// nowhere.
    pub fn into_degrees(&self, at: Coord<f64>) -> Option<Coord<f64>> {
        let found = match &self.kind {
            Kind::Crs84 => at,
            Kind::Degrees(_) => Coord { x: at.y, y: at.x },
            Kind::Mercator => {
                let latitude = (at.y / MERCATOR_M).sinh().atan().to_degrees();
                Coord { x: (at.x / MERCATOR_M).to_degrees(), y: latitude }
            }
            Kind::Zone(_, converter) => {
                let degrees = converter.to_wgs84(at.y, at.x).ok()?;
                Coord { x: degrees.lon, y: degrees.lat }
            }
        };
        // A box of all of the earth in metres ends a rounding beyond it.
        let is_on_earth = found.x.abs() <= 180.0 + 1e-9 && found.y.abs() <= 90.0 + 1e-9;
        is_on_earth.then(|| Coord { x: found.x.clamp(-180.0, 180.0), y: found.y.clamp(-90.0, 90.0) })
    }

    /// A geometry of the system in degrees; none where a position of it is nowhere.
    pub fn geometry_into_degrees(&self, geometry: &Geometry<f64>) -> Option<Geometry<f64>> {
        geometry.try_map_coords(|at| self.into_degrees(at).ok_or(())).ok()
    }

    /// A box of the system, least and most corner in the order of its axes, as areas in degrees: two where it crosses
    /// the 180th meridian, which it says by a least longitude above the most. None where it is no box.
    pub fn box_into_degrees(&self, least: Coord<f64>, most: Coord<f64>) -> Option<Vec<Area>> {
        match &self.kind {
            Kind::Crs84 | Kind::Degrees(_) | Kind::Mercator => {
                let (least, most) = (self.into_degrees(least)?, self.into_degrees(most)?);
                if least.y > most.y {
                    return None;
                }
                let part = |west: f64, east: f64| Area::Box(Rect::new((west, least.y), (east, most.y)));
                Some(if least.x <= most.x {
                    vec![part(least.x, most.x)]
                } else {
                    vec![part(least.x, 180.0), part(-180.0, most.x)]
                })
            }
            Kind::Zone(..) if least.x > most.x || least.y > most.y => None,
            Kind::Zone(..) => {
                let corners = Rect::new(least, most).to_polygon();
                let points: Vec<Coord<f64>> =
                    corners.exterior().lines().flat_map(|side| parts(side.start, side.end)).collect();
                let bent = points.into_iter().map(|at| self.into_degrees(at)).collect::<Option<Vec<_>>>()?;
                Some(vec![Area::Bent(Polygon::new(LineString::new(bent), Vec::new()))])
            }
        }
    }
}

/// The start of a side and the points that cut it.
fn parts(start: Coord<f64>, end: Coord<f64>) -> impl Iterator<Item = Coord<f64>> {
    (0..SIDE_PARTS).map(move |part| start + (end - start) * (f64::from(part) / f64::from(SIDE_PARTS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known point of zone 34 (docs/geometry.md).
    const POINT: Coord<f64> = Coord { x: 103.01, y: 29.98 };

    fn crs(name: &str) -> Crs {
        Crs::parse(name).unwrap()
    }

    #[test]
    fn the_axes_stand_in_the_order_of_the_register() {
        for (name, first, second, tolerance) in [
            ("OGC:CRS84", 103.01, 29.98, 1e-12),
            ("EPSG:4326", 29.98, 103.01, 1e-12),
            ("EPSG:4490", 29.98, 103.01, 1e-12),
            // Of the formula of EPSG method 1024.
            ("EPSG:3857", 11_467_020.746_6, 3_500_979.289_0, 1e-3),
            ("EPSG:4543", 3_318_325.681_0, 597_473.224_2, 1e-3),
            ("EPSG:4522", 3_318_325.681_0, 34_597_473.224_2, 1e-3),
        ] {
            let found = crs(name).out(POINT).unwrap();
            assert!(
                (found.x - first).abs() <= tolerance && (found.y - second).abs() <= tolerance,
                "{name}: {found:?}"
            );
            let back = crs(name).into_degrees(found).unwrap();
            assert!((back.x - POINT.x).abs() < 1e-10 && (back.y - POINT.y).abs() < 1e-10, "{name}: {back:?}");
        }
    }

    #[test]
    fn every_name_that_is_told_is_understood() {
        let names = Crs::names();
        assert_eq!((names.len(), names.first().map(String::as_str)), (46, Some(STORAGE)));
        for name in names {
            assert_eq!(crs(&name).name(), name);
            assert_eq!(crs(&name.replacen("http:", "https:", 1)).name(), name);
        }
        for name in [
            "",
            "EPSG:4512",
            "EPSG:4555",
            "EPSG:+4326",
            "epsg:4326",
            "http://www.opengis.net/def/crs/EPSG/0/",
        ] {
            assert!(Crs::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_box_that_crosses_the_180th_meridian_is_two() {
        let (least, most) = (Coord { x: 170.0, y: -10.0 }, Coord { x: -170.0, y: 10.0 });
        let areas = Crs::storage().box_into_degrees(least, most).unwrap();
        let expected = [((170.0, -10.0), (180.0, 10.0)), ((-180.0, -10.0), (-170.0, 10.0))];
        assert_eq!(areas, expected.map(|(least, most)| Area::Box(Rect::new(least, most))));
        assert_eq!(Crs::storage().box_into_degrees(Coord { x: 0.0, y: 1.0 }, Coord { x: 1.0, y: 0.0 }), None);
        assert_eq!(
            crs("EPSG:4326").box_into_degrees(Coord { x: 91.0, y: 0.0 }, Coord { x: 92.0, y: 1.0 }),
            None
        );
    }

    #[test]
    fn a_box_of_a_zone_holds_what_is_within_it() {
        use geo::Contains as _;
        let zone = crs("EPSG:4543");
        let at = zone.out(POINT).unwrap();
        let step = Coord { x: 1_000.0, y: 1_000.0 };
        let areas = zone.box_into_degrees(at - step, at + step).unwrap();
        let [Area::Bent(bent)] = areas.as_slice() else { panic!("{areas:?}") };
        assert!(bent.contains(&geo::Point::from(POINT)));
        let beside = zone.into_degrees(at + Coord { x: 0.0, y: 1_001.0 }).unwrap();
        assert!(!bent.contains(&geo::Point::from(beside)));
        assert_eq!(zone.box_into_degrees(at + step, at - step), None);
    }
}
