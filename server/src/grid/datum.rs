//! A position of a file as a vertex: degrees × 1e7 in WGS-84.

use std::fmt;

/// The datum of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Datum {
    /// WGS-84.
    #[default]
    Wgs84,
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wgs84")
    }
}

impl Datum {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        (text == "wgs84").then_some(Self::Wgs84)
    }

    /// The vertex of a position.
    pub fn to_wgs84_e7(self, x: f64, y: f64) -> Option<(i64, i64)> {
        (x.abs() <= 180.0 && y.abs() <= 90.0).then(|| (e7(y), e7(x)))
    }
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "within ±180 before the cast")]
fn e7(degrees: f64) -> i64 {
    (degrees * 1e7).round() as i64
}
