//! Datums: what the two numbers of a position mean, and their WGS-84 degrees.
//!
//! Everywhere `x` is the longitude or the easting and `y` the latitude or the northing, as GeoJSON writes them and as
//! columns are named. EPSG lists the axes of CGCS2000 the other way about: for a file in that order say
//! [`AxisOrder::YFirst`]. Guessing what a file really holds is [`super::suspicions`]. Start at [`Converter::new`].

use std::fmt;
use std::str::FromStr;

use coordtransform::{bd09_to_wgs84, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02};
use proj4rs::proj::Proj;
use proj4rs::transform::transform;
use thiserror::Error;

use super::line::Vertex;
use super::units::e7;

/// What the numbers of a position mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// WGS-84 degrees; also EPSG:4326.
    Wgs84,
    /// CGCS2000 degrees, EPSG:4490: equal to WGS-84 below the accuracy of a phone.
    Cgcs2000,
    /// The datum of Chinese map apps. Equal to WGS-84 outside of China, where nothing is shifted; so within 1 km of its
    /// edge two places can have the same numbers, and the one inside is taken.
    Gcj02,
    /// Baidu's datum, made from GCJ-02; likewise.
    Bd09,
    /// CGCS2000 in Gauss–Krüger zones, metres: 6 degrees wide with zone prefix EPSG:4491–4501, without 4502–4512;
    /// 3 degrees wide with zone prefix 4513–4533, without 4534–4554.
    Epsg(u16),
}

/// Why numbers have no position.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DatumError {
    /// A name that is none of ours.
    #[error(
        "{0:?} is no datum: wgs84, cgcs2000, gcj02, bd09, epsg:4326, epsg:4490 or epsg:4491 to epsg:4554"
    )]
    Unknown(String),
    /// Numbers that are nowhere in this datum.
    #[error("({x}, {y}) is no position in {datum}")]
    Nowhere {
        /// The datum.
        datum: Datum,
        /// Longitude or easting.
        x: f64,
        /// Latitude or northing.
        y: f64,
    },
}

/// Which number of a pair comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AxisOrder {
    /// Longitude or easting first: GeoJSON, `GeoPackage`, most tables.
    #[default]
    XFirst,
    /// Latitude or northing first: EPSG's own order, survey tables.
    YFirst,
}

impl AxisOrder {
    /// A pair as (x, y).
    pub const fn x_y(self, first: f64, second: f64) -> (f64, f64) {
        match self {
            Self::XFirst => (first, second),
            Self::YFirst => (second, first),
        }
    }
}

/// WGS-84 degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degrees {
    /// Latitude, northward.
    pub lat: f64,
    /// Longitude, eastward.
    pub lon: f64,
}

impl Degrees {
    /// As positions are stored: latitude and longitude, degrees × 1e7.
    pub fn vertex(self) -> Vertex {
        (e7(self.lat), e7(self.lon))
    }
}

/// A Gauss–Krüger zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its number, 13–23 of 6 degrees or 25–45 of 3.
    pub number: u16,
    /// Longitude of its central meridian, degrees.
    pub meridian: u16,
    /// How wide it is, degrees.
    pub width: u16,
    /// Whether eastings begin with its number.
    pub is_prefixed: bool,
}

impl Zone {
    /// The zone of an EPSG code.
    pub fn of(code: u16) -> Option<Self> {
        let (first, number, width, is_prefixed) = match code {
            4491..=4501 => (4491, 13, 6, true),
            4502..=4512 => (4502, 13, 6, false),
            4513..=4533 => (4513, 25, 3, true),
            4534..=4554 => (4534, 25, 3, false),
            _ => return None,
        };
        let steps = code - first;
        Some(Self { number: number + steps, meridian: 75 + steps * width, width, is_prefixed })
    }

    /// Easting of the central meridian, metres.
    pub fn false_easting(self) -> f64 {
        let prefix = if self.is_prefixed { f64::from(self.number) * 1e6 } else { 0.0 };
        prefix + 500_000.0
    }
}

impl Datum {
    /// Whether the numbers are degrees rather than metres.
    pub fn is_degrees(self) -> bool {
        self.zone().is_none()
    }

    pub(super) fn zone(self) -> Option<Zone> {
        match self {
            Self::Wgs84 | Self::Cgcs2000 | Self::Gcj02 | Self::Bd09 => None,
            Self::Epsg(code) => Zone::of(code),
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wgs84 => f.write_str("wgs84"),
            Self::Cgcs2000 => f.write_str("cgcs2000"),
            Self::Gcj02 => f.write_str("gcj02"),
            Self::Bd09 => f.write_str("bd09"),
            Self::Epsg(code) => write!(f, "epsg:{code}"),
        }
    }
}

impl FromStr for Datum {
    type Err = DatumError;

    /// In any case of letters: `wgs84`, `cgcs2000`, `gcj02`, `bd09`, each also with a hyphen, or `epsg:` and a code.
    fn from_str(name: &str) -> Result<Self, DatumError> {
        let plain = name.trim().to_ascii_lowercase().replace('-', "");
        let code = plain.strip_prefix("epsg:").and_then(|code| code.parse::<u16>().ok());
        match (plain.as_str(), code) {
            ("wgs84", _) | (_, Some(4326)) => Ok(Self::Wgs84),
            ("cgcs2000", _) | (_, Some(4490)) => Ok(Self::Cgcs2000),
            ("gcj02", _) => Ok(Self::Gcj02),
            ("bd09", _) => Ok(Self::Bd09),
            (_, Some(code)) if Zone::of(code).is_some() => Ok(Self::Epsg(code)),
            _ => Err(DatumError::Unknown(name.to_owned())),
        }
    }
}

/// Converts positions of one datum to WGS-84 and back.
#[derive(Debug)]
pub struct Converter {
    datum: Datum,
    /// Of a Gauss–Krüger zone: its projection and the degrees that it projects.
    projection: Option<(Proj, Proj)>,
}

/// Farthest from the central meridian that the projection is asked for, metres: a zone is 3 degrees wide at most, and a
/// file may run over into the next one.
const WIDEST_M: f64 = 700_000.0;
/// Northing of the pole, metres, rounded up.
const NORTHERNMOST_M: f64 = 10_002_000.0;

impl Converter {
    /// For a datum. A code that is none of ours is unknown.
    pub fn new(datum: Datum) -> Result<Self, DatumError> {
        let unknown = || DatumError::Unknown(datum.to_string());
        let projection = match (datum, datum.zone()) {
            (Datum::Epsg(_), None) => return Err(unknown()),
            (_, None) => None,
            (_, Some(zone)) => {
                let grid = format!(
                    "+proj=tmerc +lat_0=0 +lon_0={} +k=1 +x_0={} +y_0=0 +ellps=GRS80 +units=m +no_defs",
                    zone.meridian,
                    zone.false_easting()
                );
                let made = |text: &str| Proj::from_proj_string(text).map_err(|_refused| unknown());
                Some((made(&grid)?, made("+proj=longlat +ellps=GRS80 +no_defs")?))
            }
        };
        Ok(Self { datum, projection })
    }

    /// What it converts.
    pub const fn datum(&self) -> Datum {
        self.datum
    }

    /// WGS-84 degrees of `x` (longitude or easting) and `y` (latitude or northing).
    pub fn to_wgs84(&self, x: f64, y: f64) -> Result<Degrees, DatumError> {
        let nowhere = || DatumError::Nowhere { datum: self.datum, x, y };
        let (lon, lat) = if let Some((grid, degrees)) = &self.projection {
            let middle = self.datum.zone().map_or(0.0, Zone::false_easting);
            if !((x - middle).abs() <= WIDEST_M && y.abs() <= NORTHERNMOST_M) {
                return Err(nowhere());
            }
            let mut point = (x, y, 0.0);
            transform(grid, degrees, &mut point).map_err(|_refused| nowhere())?;
            (point.0.to_degrees(), point.1.to_degrees())
        } else {
            if !is_on_earth(x, y) {
                return Err(nowhere());
            }
            match self.datum {
                Datum::Wgs84 | Datum::Cgcs2000 | Datum::Epsg(_) => (x, y),
                Datum::Gcj02 => gcj02_to_wgs84(x, y),
                Datum::Bd09 => bd09_to_wgs84(x, y),
            }
        };
        if is_on_earth(lon, lat) { Ok(Degrees { lat, lon }) } else { Err(nowhere()) }
    }

    /// `x` and `y` of WGS-84 degrees.
    pub fn from_wgs84(&self, degrees: Degrees) -> Result<(f64, f64), DatumError> {
        let Degrees { lat, lon } = degrees;
        let nowhere = || DatumError::Nowhere { datum: self.datum, x: lon, y: lat };
        if !is_on_earth(lon, lat) {
            return Err(nowhere());
        }
        let Some((grid, geographic)) = &self.projection else {
            return Ok(match self.datum {
                Datum::Wgs84 | Datum::Cgcs2000 | Datum::Epsg(_) => (lon, lat),
                Datum::Gcj02 => wgs84_to_gcj02(lon, lat),
                Datum::Bd09 => wgs84_to_bd09(lon, lat),
            });
        };
        let mut point = (lon.to_radians(), lat.to_radians(), 0.0);
        transform(geographic, grid, &mut point).map_err(|_refused| nowhere())?;
        let middle = self.datum.zone().map_or(0.0, Zone::false_easting);
        if (point.0 - middle).abs() <= WIDEST_M { Ok((point.0, point.1)) } else { Err(nowhere()) }
    }
}

fn is_on_earth(lon: f64, lat: f64) -> bool {
    (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converter(name: &str) -> Converter {
        Converter::new(name.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_known_point_of_zone_34_is_found_with_and_without_prefix() {
        let point = Degrees { lat: 29.98, lon: 103.01 };
        for (name, prefix) in [("epsg:4543", 0.0), ("EPSG:4522", 34e6)] {
            let (x, y) = converter(name).from_wgs84(point).unwrap();
            assert!(
                (x - prefix - 597_473.224_2).abs() < 1e-4 && (y - 3_318_325.681_0).abs() < 1e-4,
                "{x} {y}"
            );
            let back = converter(name).to_wgs84(x, y).unwrap();
            assert!((back.lat - point.lat).abs() < 1e-11 && (back.lon - point.lon).abs() < 1e-11, "{back:?}");
        }
    }

    #[test]
    fn every_zone_has_its_meridian_and_its_number() {
        for (code, number, meridian, width, is_prefixed) in [
            (4491, 13, 75, 6, true),
            (4512, 23, 135, 6, false),
            (4513, 25, 75, 3, true),
            (4533, 45, 135, 3, true),
            (4554, 45, 135, 3, false),
        ] {
            assert_eq!(Zone::of(code), Some(Zone { number, meridian, width, is_prefixed }), "{code}");
        }
        assert_eq!((Zone::of(4490), Zone::of(4555)), (None, None));
    }

    #[test]
    fn a_datum_is_named_in_any_case_and_an_unknown_one_is_refused() {
        for (name, datum) in [
            ("WGS-84", Datum::Wgs84),
            ("epsg:4326", Datum::Wgs84),
            ("CGCS2000", Datum::Cgcs2000),
            ("epsg:4490", Datum::Cgcs2000),
            ("GCJ-02", Datum::Gcj02),
            ("bd09", Datum::Bd09),
            ("epsg:4513", Datum::Epsg(4513)),
        ] {
            assert_eq!(name.parse(), Ok(datum), "{name}");
            assert_eq!(datum.to_string().parse(), Ok(datum));
        }
        for name in ["", "epsg:4555", "epsg:3857", "epsg:", "wgs72", "epsg:99999"] {
            assert_eq!(name.parse::<Datum>(), Err(DatumError::Unknown(name.to_owned())));
        }
        assert!(Converter::new(Datum::Epsg(3857)).is_err());
    }

    #[test]
    fn numbers_that_are_nowhere_are_refused() {
        for (name, x, y) in [
            ("wgs84", 29.98, 103.01),
            ("gcj02", f64::NAN, 30.0),
            ("wgs84", 181.0, 0.0),
            ("epsg:4543", 3_318_325.0, 597_473.0),
            ("epsg:4522", 597_473.0, 3_318_325.0),
            ("epsg:4543", f64::INFINITY, 0.0),
        ] {
            assert!(
                matches!(converter(name).to_wgs84(x, y), Err(DatumError::Nowhere { .. })),
                "{name} {x} {y}"
            );
        }
        assert!(converter("epsg:4543").from_wgs84(Degrees { lat: 30.0, lon: -30.0 }).is_err());
    }

    #[test]
    fn outside_of_china_nothing_is_shifted() {
        for name in ["gcj02", "bd09"] {
            let (x, y) = converter(name).from_wgs84(Degrees { lat: 27.7, lon: 85.3 }).unwrap();
            assert_eq!((x, y), (85.3, 27.7));
            assert_eq!(converter(name).to_wgs84(x, y).unwrap(), Degrees { lat: 27.7, lon: 85.3 });
        }
        let (x, y) = converter("gcj02").from_wgs84(Degrees { lat: 29.98, lon: 103.01 }).unwrap();
        assert!((x - 103.01).abs() > 0.001 && (y - 29.98).abs() > 0.001, "shifted by some 350 m: {x} {y}");
    }
}
