//! Districts and townships of features: polygons with a code, a name, a level and the days between which they held.

use std::collections::HashSet;

use jiff::civil::Date;
use sync_protocol::codes::Code;
use sync_protocol::limits;
use sync_protocol::reference::{Reference, RegionLevel, RegionView, Ring};

use super::assemble::{Assembled, NO_VERSION, RETIRED_BYTES};
use super::items::{Fault, checked, text, vertex};
use super::mapping::{Mapping, Role};
use super::{Feature, Point, Refusal, Shape};
use crate::geometry::Converter;

/// The least vertices of a ring: a triangle, and its first vertex again.
const RING_VERTICES: usize = 4;

/// Regions of the features of a file. `level`: what those are that do not say it.
pub fn of(
    features: &[Feature],
    mapping: &Mapping,
    datum: &Converter,
    level: Option<RegionLevel>,
) -> Assembled {
    let mut assembled = Assembled::default();
    let mut known = HashSet::new();
    for feature in features {
        let fault = match region(feature, mapping, datum, level) {
            Ok(region) => {
                if known.insert((region.code.clone(), region.from_day)) {
                    assembled.items.push(Reference::Region(region));
                    continue;
                }
                (Code::ImportIdReused, region.code)
            }
            Err(fault) => fault,
        };
        assembled.refused.push(Refusal { row: feature.row, code: fault.0, at: fault.1 });
    }
    assembled
}

fn region(
    feature: &Feature,
    mapping: &Mapping,
    datum: &Converter,
    level: Option<RegionLevel>,
) -> Result<RegionView, Fault> {
    let Shape::Polygons(polygons) = &feature.shape else {
        return Err((Code::ImportGeometry, "no polygon".to_owned()));
    };
    let vertices: usize = polygons.iter().flatten().map(Vec::len).sum();
    if vertices > limits::REGION_VERTICES {
        return Err((Code::ImportTooManyVertices, vertices.to_string()));
    }
    let code = mapping.value(feature, Role::Code).or(feature.id.as_deref());
    let code = checked(code.ok_or((Code::ImportNoId, String::new()))?)?;
    let level = match mapping.value(feature, Role::Level) {
        Some(text) => Some(level_of(text).ok_or_else(|| (Code::ImportRegion, format!("level {text}")))?),
        None => level,
    };
    let (from_day, until_day) = (day(feature, mapping, Role::From)?, day(feature, mapping, Role::Until)?);
    if let (Some(from), Some(until)) = (from_day, until_day)
        && from >= until
    {
        return Err((Code::ImportRegion, "it ends before it begins".to_owned()));
    }
    let region = RegionView {
        name: text(feature, mapping, Role::RegionName)?.unwrap_or_else(|| code.clone()),
        code,
        level: level.ok_or((Code::ImportRegion, "level".to_owned()))?,
        parent: text(feature, mapping, Role::Parent)?,
        from_day,
        until_day,
        polygons: polygons
            .iter()
            .map(|rings| rings.iter().map(|points| ring(datum, points)).collect())
            .collect::<Result<_, _>>()?,
        is_retired: false,
        version: NO_VERSION,
    };
    if region.encode().len() + RETIRED_BYTES > limits::VIEW_BYTES {
        return Err((Code::ImportTooManyVertices, vertices.to_string()));
    }
    Ok(region)
}

/// A closed ring of at least three corners.
fn ring(datum: &Converter, points: &[Point]) -> Result<Ring, Fault> {
    let mut ring: Ring = points.iter().map(|point| vertex(datum, *point)).collect::<Result<_, _>>()?;
    if ring.first() != ring.last() {
        ring.extend(ring.first().copied());
    }
    if ring.len() < RING_VERTICES {
        return Err((Code::ImportGeometry, format!("a ring of {} vertices", points.len())));
    }
    Ok(ring)
}

/// The level of a word.
pub fn level_of(text: &str) -> Option<RegionLevel> {
    match text {
        "区县" | "县" | "区" | "county" => Some(RegionLevel::District),
        "乡镇" | "乡" | "镇" | "街道" | "town" => Some(RegionLevel::Township),
        _ => RegionLevel::parse(text),
    }
}

/// A date as days from 1970-01-01.
fn day(feature: &Feature, mapping: &Mapping, role: Role) -> Result<Option<i64>, Fault> {
    let Some(text) = mapping.value(feature, role) else { return Ok(None) };
    let date: Date = text
        .get(..10)
        .unwrap_or(text)
        .replace('/', "-")
        .parse()
        .map_err(|_source| (Code::ImportRegion, text.chars().take(40).collect::<String>()))?;
    let days = date.since(Date::constant(1970, 1, 1)).map(|span| i64::from(span.get_days()));
    days.map(Some).map_err(|_source| (Code::ImportRegion, text.chars().take(40).collect()))
}
