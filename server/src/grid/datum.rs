//! Which datum a file's numbers are in: what its reader says, else what the file says; and what they look like.

use super::report::Warning;
use super::{Feature, FileFault, Point, Shape};
use crate::geometry::{Converter, Datum, GeoBox, GridIndex, Suspicion, suspicions};

/// The datum of a file, and where it comes from.
#[derive(Debug)]
pub struct Chosen {
    /// It.
    pub converter: Converter,
    /// What the file says otherwise.
    pub warning: Option<Warning>,
    /// Nothing but a file of ours says it: its name there.
    pub assumed: Option<String>,
}

/// The datum of a file: as its reader says, else its coordinate system, else what a file of ours says in words.
///
/// # Errors
/// Where the file names a coordinate system that is none of ours, and its reader says nothing.
pub fn choose(said: Option<Datum>, system: Option<&str>, own: Option<&str>) -> Result<Chosen, FileFault> {
    let named = system.and_then(of_system);
    let own_datum = own.and_then(|own| own.parse::<Datum>().ok());
    let is_assumed = said.is_none() && named.is_none();
    let datum = match (said, &named) {
        (Some(said), _) => said,
        (None, Some(Ok(named))) => *named,
        (None, Some(Err(()))) => {
            let system = system.unwrap_or_default();
            return Err(FileFault::Unreadable(format!(
                "its coordinate system {system} is unknown: say its datum"
            )));
        }
        (None, None) => own_datum.unwrap_or(Datum::Wgs84),
    };
    let of_system = named.and_then(Result::ok).filter(|named| *named != datum).and(system);
    let differs = of_system.or_else(|| own_datum.filter(|own| *own != datum).and(own));
    let warning = differs.map(|system| {
        Warning::new(
            "datum-differs",
            format!("文件称坐标系为 {system}，按 {datum} 读取"),
            format!("the file says {system}; it was read as {datum}"),
            1,
        )
    });
    let converter = Converter::new(datum).map_err(|error| FileFault::Unreadable(error.to_string()))?;
    let assumed = own_datum.filter(|own| is_assumed && *own != Datum::Wgs84).map(|own| own.to_string());
    Ok(Chosen { converter, warning, assumed })
}

/// What a file calls its coordinate system: `urn:ogc:def:crs:EPSG::4490`, `epsg:4326`, `CRS84`. None where it says
/// nothing, an error where it is none of ours.
fn of_system(system: &str) -> Option<Result<Datum, ()>> {
    let system = system.trim().to_ascii_lowercase();
    if system.is_empty() || system.starts_with("none:") || system == ":0" {
        return None;
    }
    if system.contains("crs84") {
        return Some(Ok(Datum::Wgs84));
    }
    let code: String = system.rsplit(':').next().unwrap_or_default().to_owned();
    Some(format!("epsg:{code}").parse().map_err(|_unknown| ()))
}

/// What looks wrong about the positions of features that are said to be of a datum.
pub fn warnings(
    datum: Datum,
    features: &[Feature],
    expected: Option<GeoBox>,
    known: Option<&GridIndex>,
) -> Vec<Warning> {
    let found = suspicions(datum, &sample(features), expected, known);
    found.into_iter().map(|it| Warning::new(code(&it), it.zh(), it.en(), 1)).collect()
}

const fn code(suspicion: &Suspicion) -> &'static str {
    match suspicion {
        Suspicion::AxesSwapped => "axes-swapped",
        Suspicion::LooksProjected => "looks-projected",
        Suspicion::LooksLikeDegrees => "looks-like-degrees",
        Suspicion::OtherZone(_) => "other-zone",
        Suspicion::Outside => "outside",
        Suspicion::OtherDatum { .. } => "other-datum",
    }
}

/// Positions of a feature that are looked at.
const OF_A_FEATURE: usize = 20;

fn sample(features: &[Feature]) -> Vec<Point> {
    let of = |feature: &Feature| -> Vec<Point> {
        let points: Vec<Point> = match &feature.shape {
            Shape::None => Vec::new(),
            Shape::Point(point) => vec![*point],
            Shape::Lines(lines) => lines.iter().flatten().copied().collect(),
            Shape::Polygons(polygons) => polygons.iter().flatten().flatten().copied().collect(),
        };
        let step = points.len().div_ceil(OF_A_FEATURE).max(1);
        points.into_iter().step_by(step).collect()
    };
    features.iter().flat_map(of).collect()
}
