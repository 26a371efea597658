//! What a file's numbers look like when they do not look like what was said of them.
//!
//! Warnings only: the person who imports decides. From a sample of the file's positions, where the district lies, and
//! the lines that are known already. Start at [`suspicions`].

use super::datum::{Converter, Datum};
use super::line::Vertex;
use super::matching::GridIndex;
use super::place::GeoBox;
use super::units::whole;

/// At most so many positions of a sample are looked at, evenly taken.
const SAMPLE: usize = 500;
/// A datum is held against known lines only where so many positions of the sample are near them.
const LEAST_NEAR: usize = 5;
/// Nearer than this to known lines is near, millimetres: the largest shift between two datums is 923 m.
const NEAR_MM: i64 = 2_000_000;
/// Below this the positions fit the known lines as they are, millimetres: no two of the datums are nearer.
const FITS_MM: i64 = 100_000;
/// Another datum is named where by it the positions are so many times nearer.
const TIMES_NEARER: i64 = 4;
/// China with its islands; where a Chinese datum is expected when no box is.
const CHINA: GeoBox = GeoBox([30_000_000, 730_000_000, 540_000_000, 1_360_000_000]);

/// One thing that does not look right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Most positions are right with their two numbers swapped.
    AxesSwapped,
    /// The numbers are too large for degrees.
    LooksProjected,
    /// The numbers are too small for metres.
    LooksLikeDegrees,
    /// The eastings begin with the number of another zone.
    OtherZone(i64),
    /// Most positions lie outside of where they are expected.
    Outside,
    /// By another datum the positions lie much nearer to the known lines.
    OtherDatum {
        /// That datum.
        datum: Datum,
        /// Median distance to the known lines as it was said, millimetres.
        said_mm: i64,
        /// Median distance by that datum.
        other_mm: i64,
    },
}

impl Suspicion {
    /// In Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::AxesSwapped => "坐标两列似乎颠倒（经度与纬度，或东与北）".to_owned(),
            Self::LooksProjected => "数值似乎是投影坐标（米），不是度".to_owned(),
            Self::LooksLikeDegrees => "数值似乎是度，不是投影坐标（米）".to_owned(),
            Self::OtherZone(zone) => format!("东坐标的带号似乎是 {zone}"),
            Self::Outside => "多数点落在预期范围之外".to_owned(),
            Self::OtherDatum { datum, said_mm, other_mm } => format!(
                "坐标系似乎是 {datum}：按所说坐标系距已有线路 {} 米，按它距 {} 米",
                said_mm / 1000,
                other_mm / 1000
            ),
        }
    }

    /// In English.
    pub fn en(&self) -> String {
        match self {
            Self::AxesSwapped => "the axes look swapped".to_owned(),
            Self::LooksProjected => "the numbers look projected (metres), not degrees".to_owned(),
            Self::LooksLikeDegrees => "the numbers look like degrees, not projected metres".to_owned(),
            Self::OtherZone(zone) => format!("the eastings look like zone {zone}"),
            Self::Outside => "most positions lie outside of where they are expected".to_owned(),
            Self::OtherDatum { datum, said_mm, other_mm } => format!(
                "this looks like {datum}: {} m from known lines as said, {} m by it",
                said_mm / 1000,
                other_mm / 1000
            ),
        }
    }
}

/// What looks wrong about positions (`x` longitude or easting, `y` latitude or northing) that are said to be of a datum.
///
/// `expected` is where they should lie, in WGS-84; without it a Chinese datum expects China. `known` are lines that are
/// trusted already; an earlier import of the same ones is best.
pub fn suspicions(
    datum: Datum,
    positions: &[(f64, f64)],
    expected: Option<GeoBox>,
    known: Option<&GridIndex>,
) -> Vec<Suspicion> {
    let step = positions.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<(f64, f64)> = positions.iter().step_by(step).copied().collect();
    if sample.is_empty() {
        return Vec::new();
    }
    let expected = expected.or(match datum {
        Datum::Wgs84 => None,
        Datum::Cgcs2000 | Datum::Gcj02 | Datum::Bd09 | Datum::Epsg(_) => Some(CHINA),
    });
    if let Some(wrong) = wrong_numbers(datum, &sample, expected) {
        // Of numbers that mean something else nothing further can be said.
        return vec![wrong];
    }
    known.and_then(|known| other_datum(datum, &sample, known)).into_iter().collect()
}

fn wrong_numbers(datum: Datum, sample: &[(f64, f64)], expected: Option<GeoBox>) -> Option<Suspicion> {
    let is_most = |test: &dyn Fn(f64, f64) -> bool| {
        sample.iter().filter(|(x, y)| test(*x, *y)).count() * 2 > sample.len()
    };
    let converter = Converter::new(datum).ok()?;
    let fits = |x: f64, y: f64| fits(&converter, x, y, expected);
    if is_most(&|x, y| fits(x, y).is_some()) {
        return None;
    }
    if is_most(&|x, y| fits(y, x).is_some()) {
        return Some(Suspicion::AxesSwapped);
    }
    let is_small = |x: f64, y: f64| x.abs() <= 180.0 && y.abs() <= 180.0;
    match datum.zone() {
        None if is_most(&|x, y| x.abs() > 180.0 || y.abs() > 180.0) => Some(Suspicion::LooksProjected),
        Some(_) if is_most(&is_small) => Some(Suspicion::LooksLikeDegrees),
        Some(zone) => {
            let mut prefixes: Vec<i64> = sample.iter().map(|(x, _)| whole((x / 1e6).floor())).collect();
            prefixes.sort_unstable();
            let found = prefixes.get(prefixes.len() / 2).copied().unwrap_or_default();
            let said = if zone.is_prefixed { i64::from(zone.number) } else { 0 };
            let is_zone = found == 0 || (13..=45).contains(&found);
            Some(if found != said && is_zone { Suspicion::OtherZone(found) } else { Suspicion::Outside })
        }
        None => Some(Suspicion::Outside),
    }
}

/// The position where it is where it should be.
fn fits(converter: &Converter, x: f64, y: f64, expected: Option<GeoBox>) -> Option<Vertex> {
    let (lat, lon) = converter.to_wgs84(x, y).ok()?.vertex();
    let inside = expected.is_none_or(|GeoBox([lat_min, lon_min, lat_max, lon_max])| {
        (lat_min..=lat_max).contains(&lat) && (lon_min..=lon_max).contains(&lon)
    });
    inside.then_some((lat, lon))
}

fn other_datum(said: Datum, sample: &[(f64, f64)], known: &GridIndex) -> Option<Suspicion> {
    if !said.is_degrees() {
        return None;
    }
    let said_mm = median_mm(said, sample, known)?;
    if said_mm <= FITS_MM {
        return None;
    }
    let others = [Datum::Wgs84, Datum::Gcj02, Datum::Bd09].into_iter().filter(|other| *other != said);
    let distances = others.filter_map(|other| Some((median_mm(other, sample, known)?, other)));
    let (other_mm, datum) = distances.min_by_key(|(distance_mm, _)| *distance_mm)?;
    (other_mm * TIMES_NEARER <= said_mm).then_some(Suspicion::OtherDatum { datum, said_mm, other_mm })
}

/// Median distance to the known lines, of the positions that are near them.
fn median_mm(datum: Datum, sample: &[(f64, f64)], known: &GridIndex) -> Option<i64> {
    let converter = Converter::new(datum).ok()?;
    let mut distances: Vec<i64> = sample
        .iter()
        .filter_map(|(x, y)| converter.to_wgs84(*x, *y).ok())
        .filter_map(|degrees| known.nearest(degrees.vertex().0, degrees.vertex().1))
        .map(|hit| hit.offset_mm)
        .filter(|offset_mm| *offset_mm <= NEAR_MM)
        .collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied().filter(|_| distances.len() >= LEAST_NEAR)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::datum::Degrees;
    use crate::geometry::units::degrees;
    use crate::geometry::{GridLine, Line, destination};

    const ORIGIN: (i64, i64) = (300_000_000, 1_030_000_000);

    fn vertices() -> Vec<Vertex> {
        (0..40)
            .map(|n| destination(destination(ORIGIN, 20.0, n * 300_000), 110.0, (n % 5) * 40_000))
            .collect()
    }

    fn as_datum(datum: Datum) -> Vec<(f64, f64)> {
        let converter = Converter::new(datum).unwrap();
        let degrees =
            vertices().into_iter().map(|(lat, lon)| Degrees { lat: degrees(lat), lon: degrees(lon) });
        degrees.map(|degrees| converter.from_wgs84(degrees).unwrap()).collect()
    }

    fn known() -> GridIndex {
        GridIndex::new(vec![GridLine { line: Arc::new(Line::new(vertices(), &[]).unwrap()), zone_mm: None }])
    }

    fn swapped(positions: &[(f64, f64)]) -> Vec<(f64, f64)> {
        positions.iter().map(|(x, y)| (*y, *x)).collect()
    }

    #[test]
    fn what_is_as_it_was_said_raises_nothing() {
        let known = known();
        for datum in
            [Datum::Wgs84, Datum::Cgcs2000, Datum::Gcj02, Datum::Bd09, Datum::Epsg(4543), Datum::Epsg(4522)]
        {
            assert_eq!(suspicions(datum, &as_datum(datum), None, Some(&known)), [], "{datum}");
        }
        assert_eq!(suspicions(Datum::Wgs84, &[], None, Some(&known)), []);
    }

    #[test]
    fn swapped_axes_are_seen_in_degrees_and_in_metres() {
        for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Epsg(4543), Datum::Epsg(4522)] {
            let found = suspicions(datum, &swapped(&as_datum(datum)), None, None);
            assert_eq!(found, [Suspicion::AxesSwapped], "{datum}");
        }
        let nepal = [(27.7, 85.3), (27.8, 85.4)];
        assert_eq!(suspicions(Datum::Wgs84, &nepal, None, None), [], "both are places");
        let expected = GeoBox([260_000_000, 800_000_000, 310_000_000, 890_000_000]);
        assert_eq!(suspicions(Datum::Wgs84, &nepal, Some(expected), None), [Suspicion::AxesSwapped]);
    }

    #[test]
    fn metres_are_no_degrees_and_a_zone_is_no_other_zone() {
        assert_eq!(
            suspicions(Datum::Wgs84, &as_datum(Datum::Epsg(4543)), None, None),
            [Suspicion::LooksProjected]
        );
        assert_eq!(
            suspicions(Datum::Epsg(4543), &as_datum(Datum::Wgs84), None, None),
            [Suspicion::LooksLikeDegrees]
        );
        let prefixed = as_datum(Datum::Epsg(4522));
        assert_eq!(suspicions(Datum::Epsg(4543), &prefixed, None, None), [Suspicion::OtherZone(34)]);
        assert_eq!(suspicions(Datum::Epsg(4523), &prefixed, None, None), [Suspicion::OtherZone(34)]);
        assert_eq!(
            suspicions(Datum::Epsg(4522), &as_datum(Datum::Epsg(4543)), None, None),
            [Suspicion::OtherZone(0)]
        );
        let far = [(-70.0, 40.0), (-71.0, 41.0)];
        assert_eq!(suspicions(Datum::Gcj02, &far, None, None), [Suspicion::Outside]);
    }

    #[test]
    fn a_systematic_shift_against_known_lines_names_the_datum() {
        let known = known();
        for (said, really) in [
            (Datum::Wgs84, Datum::Gcj02),
            (Datum::Wgs84, Datum::Bd09),
            (Datum::Gcj02, Datum::Wgs84),
            (Datum::Cgcs2000, Datum::Gcj02),
            (Datum::Bd09, Datum::Gcj02),
        ] {
            let found = suspicions(said, &as_datum(really), None, Some(&known));
            assert!(
                matches!(found.as_slice(), [Suspicion::OtherDatum { datum, other_mm, .. }] if *datum == really && *other_mm < 1_000),
                "{said} {really}: {found:?}"
            );
            assert_eq!(suspicions(said, &as_datum(really), None, None), [], "nothing to hold it against");
        }
        let few = as_datum(Datum::Gcj02);
        assert_eq!(suspicions(Datum::Wgs84, &few[..4], None, Some(&known)), [], "4 positions are too few");
    }
}
