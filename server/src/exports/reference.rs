//! Coordinate systems of files: what they are called, and how formats name them.
//!
//! Numbers are always written easting or longitude first, as GeoPackage, shapefiles and GeoJSON want them, whatever order
//! of axes EPSG lists. GCJ-02 and BD-09 have no registered system: a file in them names none, and says so in the name of
//! its layer. How degrees become such numbers is [`super::Projection`].

use std::fmt;
use std::str::FromStr;

use crate::geometry::{Datum, Zone};

/// The coordinates of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// WGS-84 degrees, EPSG:4326.
    Wgs84,
    /// CGCS2000 degrees, EPSG:4490.
    Cgcs2000,
    /// The datum of Chinese map apps, degrees.
    Gcj02,
    /// Baidu's datum, degrees.
    Bd09,
    /// Web mercator, EPSG:3857, metres.
    WebMercator,
    /// CGCS2000 in a Gauss–Krüger zone, EPSG:4491–4554, metres.
    Zone(u16),
}

/// A name that is none of ours.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?}: wgs84, cgcs2000, gcj02, bd09, epsg:4326, epsg:4490, epsg:3857 or epsg:4491 to epsg:4554")]
pub struct UnknownReference(String);

impl FromStr for Reference {
    type Err = UnknownReference;

    /// As [`Datum`] reads it, and `epsg:3857`.
    fn from_str(name: &str) -> Result<Self, UnknownReference> {
        if name.trim().eq_ignore_ascii_case("epsg:3857") {
            return Ok(Self::WebMercator);
        }
        match name.parse::<Datum>() {
            Ok(Datum::Wgs84) => Ok(Self::Wgs84),
            Ok(Datum::Cgcs2000) => Ok(Self::Cgcs2000),
            Ok(Datum::Gcj02) => Ok(Self::Gcj02),
            Ok(Datum::Bd09) => Ok(Self::Bd09),
            Ok(Datum::Epsg(code)) => Ok(Self::Zone(code)),
            Err(_unknown) => Err(UnknownReference(name.to_owned())),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.datum() {
            Some(datum) => datum.fmt(f),
            None => f.write_str("epsg:3857"),
        }
    }
}

/// The ellipsoid of WGS-84 as WKT has it.
const WGS84: &str = r#"GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]"#;
/// CGCS2000 as WKT has it.
const CGCS2000: &str = r#"GEOGCS["China Geodetic Coordinate System 2000",DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101,AUTHORITY["EPSG","1024"]],AUTHORITY["EPSG","1043"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4490"]]"#;
/// The same as shapefiles have them: Esri's names.
const WGS84_ESRI: &str = r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#;
const CGCS2000_ESRI: &str = r#"GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#;
/// GDAL's proj4 extension says that the ellipsoid is used as a sphere.
const WEB_MERCATOR: &str = r#"PROJECTION["Mercator_1SP"],PARAMETER["central_meridian",0],PARAMETER["scale_factor",1],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],EXTENSION["PROJ4","+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +wktext +no_defs"],AUTHORITY["EPSG","3857"]]"#;
const WEB_MERCATOR_ESRI: &str = r#"PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",0.0],PARAMETER["Standard_Parallel_1",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]"#;

impl Reference {
    /// The datum of its numbers; none of web mercator.
    pub const fn datum(self) -> Option<Datum> {
        match self {
            Self::Wgs84 => Some(Datum::Wgs84),
            Self::Cgcs2000 => Some(Datum::Cgcs2000),
            Self::Gcj02 => Some(Datum::Gcj02),
            Self::Bd09 => Some(Datum::Bd09),
            Self::WebMercator => None,
            Self::Zone(code) => Some(Datum::Epsg(code)),
        }
    }

    /// Its number at EPSG; none where it is not registered.
    pub const fn epsg(self) -> Option<u16> {
        match self {
            Self::Wgs84 => Some(4326),
            Self::Cgcs2000 => Some(4490),
            Self::Gcj02 | Self::Bd09 => None,
            Self::WebMercator => Some(3857),
            Self::Zone(code) => Some(code),
        }
    }

    /// Whether its numbers are degrees.
    pub const fn is_degrees(self) -> bool {
        match self {
            Self::Wgs84 | Self::Cgcs2000 | Self::Gcj02 | Self::Bd09 => true,
            Self::WebMercator | Self::Zone(_) => false,
        }
    }

    /// What the name of a layer ends with, where the file can name no system.
    pub const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Gcj02 => Some("gcj02"),
            Self::Bd09 => Some("bd09"),
            Self::Wgs84 | Self::Cgcs2000 | Self::WebMercator | Self::Zone(_) => None,
        }
    }

    /// What it is called.
    pub fn title(self) -> String {
        match self {
            Self::Wgs84 => "WGS 84".to_owned(),
            Self::Cgcs2000 => "China Geodetic Coordinate System 2000".to_owned(),
            Self::Gcj02 => "GCJ-02".to_owned(),
            Self::Bd09 => "BD-09".to_owned(),
            Self::WebMercator => "WGS 84 / Pseudo-Mercator".to_owned(),
            Self::Zone(code) => match Zone::of(code) {
                Some(zone) => format!("CGCS2000 / {}", zone_title(zone)),
                None => format!("EPSG:{code}"),
            },
        }
    }

    /// Well-known text (OGC, version 1); none where it is not registered.
    pub fn wkt(self) -> Option<String> {
        match self {
            Self::Wgs84 => Some(WGS84.to_owned()),
            Self::Cgcs2000 => Some(CGCS2000.to_owned()),
            Self::Gcj02 | Self::Bd09 => None,
            Self::WebMercator => Some(format!("PROJCS[\"{}\",{WGS84},{WEB_MERCATOR}", self.title())),
            Self::Zone(code) => Zone::of(code).map(|zone| {
                format!(
                    "PROJCS[\"{}\",{CGCS2000},PROJECTION[\"Transverse_Mercator\"],\
                     PARAMETER[\"latitude_of_origin\",0],PARAMETER[\"central_meridian\",{}],\
                     PARAMETER[\"scale_factor\",1],PARAMETER[\"false_easting\",{}],\
                     PARAMETER[\"false_northing\",0],UNIT[\"metre\",1,AUTHORITY[\"EPSG\",\"9001\"]],\
                     AUTHORITY[\"EPSG\",\"{code}\"]]",
                    self.title(),
                    zone.meridian,
                    zone.false_easting(),
                )
            }),
        }
    }

    /// Well-known text as `.prj` files have it; none where it is not registered.
    pub fn esri_wkt(self) -> Option<String> {
        match self {
            Self::Wgs84 => Some(WGS84_ESRI.to_owned()),
            Self::Cgcs2000 => Some(CGCS2000_ESRI.to_owned()),
            Self::Gcj02 | Self::Bd09 => None,
            Self::WebMercator => Some(format!(
                "PROJCS[\"WGS_1984_Web_Mercator_Auxiliary_Sphere\",{WGS84_ESRI},{WEB_MERCATOR_ESRI}"
            )),
            Self::Zone(code) => Zone::of(code).map(|zone| {
                format!(
                    "PROJCS[\"{}\",{CGCS2000_ESRI},PROJECTION[\"Gauss_Kruger\"],\
                     PARAMETER[\"False_Easting\",{:.1}],PARAMETER[\"False_Northing\",0.0],\
                     PARAMETER[\"Central_Meridian\",{:.1}],PARAMETER[\"Scale_Factor\",1.0],\
                     PARAMETER[\"Latitude_Of_Origin\",0.0],UNIT[\"Meter\",1.0]]",
                    esri_name(zone),
                    zone.false_easting(),
                    f64::from(zone.meridian),
                )
            }),
        }
    }
}

fn zone_title(zone: Zone) -> String {
    let width = if zone.width == 3 { "3-degree Gauss-Kruger" } else { "Gauss-Kruger" };
    if zone.is_prefixed {
        format!("{width} zone {}", zone.number)
    } else {
        format!("{width} CM {}E", zone.meridian)
    }
}

fn esri_name(zone: Zone) -> String {
    let width = if zone.width == 3 { "CGCS2000_3_Degree_GK" } else { "CGCS2000_GK" };
    if zone.is_prefixed {
        format!("{width}_Zone_{}", zone.number)
    } else {
        format!("{width}_CM_{}E", zone.meridian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_is_read_by_the_name_that_it_writes() {
        for name in ["wgs84", "cgcs2000", "gcj02", "bd09", "epsg:3857", "epsg:4543", "epsg:4522", "epsg:4499"]
        {
            let reference: Reference = name.parse().unwrap();
            assert_eq!(reference.to_string(), name);
            assert_eq!(reference.epsg().is_some(), reference.wkt().is_some(), "{name}");
            assert_eq!(reference.epsg().is_some(), reference.esri_wkt().is_some(), "{name}");
            assert_eq!(reference.epsg().is_none(), reference.suffix().is_some(), "{name}");
        }
        assert_eq!("EPSG:4490".parse(), Ok(Reference::Cgcs2000));
        assert!("epsg:32648".parse::<Reference>().is_err());
    }

    #[test]
    fn zones_are_called_as_their_registers_call_them() {
        for (code, title, esri) in [
            (4543, "CGCS2000 / 3-degree Gauss-Kruger CM 102E", "CGCS2000_3_Degree_GK_CM_102E"),
            (4522, "CGCS2000 / 3-degree Gauss-Kruger zone 34", "CGCS2000_3_Degree_GK_Zone_34"),
            (4496, "CGCS2000 / Gauss-Kruger zone 18", "CGCS2000_GK_Zone_18"),
            (4507, "CGCS2000 / Gauss-Kruger CM 105E", "CGCS2000_GK_CM_105E"),
        ] {
            assert_eq!(Reference::Zone(code).title(), title);
            assert!(Reference::Zone(code).esri_wkt().unwrap().starts_with(&format!("PROJCS[\"{esri}\"")));
        }
    }
}
