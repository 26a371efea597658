//! Which records are probably one hazard: a score for two reports that different people made.
//!
//! Pure. [`weigh`] is a function of two candidates, the same whichever comes first, so the proposals of a district do not
//! depend on the order of arrival; [`block`] says where and when to look for the other one. A proposal is for the office
//! to decide: nothing is merged here. Every figure is our own, measured in `docs/benchmarks.md`.

mod reasons;
#[cfg(test)]
mod tests;

use geo::{Distance as _, Haversine, Point};
use sync_protocol::ids::{DeviceId, PhotoHash, RecordId};
use uuid::Uuid;

use crate::geometry::{Area, GeoBox};

pub use reasons::Reason;

/// A score from which two records are proposed as one, of 1000.
pub const LEAST_SCORE: u16 = 600;
/// Ranges of places that a block is covered by, at most.
pub const RANGES: usize = 16;

/// What is known of a record that may have a twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The record.
    pub record: RecordId,
    /// Its category; without one nothing is proposed.
    pub category: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// When it was found, milliseconds since 1970.
    pub found_ms: i64,
    /// Where it is; none where that is not known, or is a position that means "not known" ([`is_place_known`]).
    pub spot: Option<Spot>,
    /// The line that it stands on, and the chainage there in millimetres; none where there is none for certain.
    pub line: Option<(Uuid, i64)>,
    /// The device that reported it.
    pub device: Option<DeviceId>,
    /// Photos that it names.
    pub photos: Vec<PhotoHash>,
    /// SHA-256 of what its description says, where it says more than its type; none: nothing.
    pub text: Option<[u8; 32]>,
}

/// A position and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Latitude, degrees × 1e7.
    pub lat_e7: i64,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i64,
    /// Accuracy, decimetres; none: not known.
    pub accuracy_dm: Option<u64>,
}

/// Whether a position says where something is: not 0/0, and not one of those that stand for "place unknown".
pub fn is_place_known(lat_e7: i64, lon_e7: i64, default_positions: &[(i64, i64)]) -> bool {
    (lat_e7, lon_e7) != (0, 0) && !default_positions.contains(&(lat_e7, lon_e7))
}

/// Two records that are probably one hazard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The smaller id.
    pub record: RecordId,
    /// The greater id.
    pub other: RecordId,
    /// How probable, up to 1000.
    pub score: u16,
    /// How far they are apart, millimetres; 0 where a photo alone says so.
    pub distance_mm: i64,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// How far and how long two reports of one hazard may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    window_ms: u64,
    radius_mm: u64,
    /// What an unknown accuracy counts as, decimetres.
    accuracy_dm: u64,
    /// One device reports two things within this time because they are two.
    round_ms: u64,
}

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Hazards stay: another round may find them a month later. A fire moves and ends, and a satellite's pixel is a kilometre.
fn reach(category: &str) -> Reach {
    if category == "fire_sighting" {
        Reach { window_ms: DAY_MS, radius_mm: 3_000_000, accuracy_dm: 5_000, round_ms: 30 * MINUTE_MS }
    } else {
        Reach { window_ms: 30 * DAY_MS, radius_mm: 150_000, accuracy_dm: 300, round_ms: DAY_MS / 2 }
    }
}

/// Where and when a record's twin may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Ranges of place keys, ascending, both ends included.
    pub places: Vec<(i64, i64)>,
    /// Found no earlier than this, milliseconds since 1970.
    pub from_ms: i64,
    /// Found no later than this.
    pub to_ms: i64,
}

/// The block to look through for a record's twin; none where its place or category is not known.
pub fn block(candidate: &Candidate) -> Option<Block> {
    let reach = reach(candidate.category.as_deref()?);
    let spot = candidate.spot?;
    let window = i64::try_from(reach.window_ms).unwrap_or(i64::MAX);
    Some(Block {
        places: Area::of(&[around(spot, reach.radius_mm)]).ranges(RANGES),
        from_ms: candidate.found_ms.saturating_sub(window),
        to_ms: candidate.found_ms.saturating_add(window),
    })
}

/// Millimetres of a degree × 1e-7 of latitude, less than it is anywhere: 110.5 km a degree.
const MM_PER_E7: f64 = 11.05;

/// A box that holds a circle.
fn around(spot: Spot, radius_mm: u64) -> GeoBox {
    let north = whole_e7(f64::from(u32::try_from(radius_mm).unwrap_or(u32::MAX)) / MM_PER_E7);
    let shrink = (degrees(spot.lat_e7).abs() + degrees(north)).min(89.0).to_radians().cos();
    let east = whole_e7(f64::from(u32::try_from(radius_mm).unwrap_or(u32::MAX)) / (MM_PER_E7 * shrink));
    let clamp = |value: i64, most: i64| value.clamp(-most, most);
    GeoBox([
        clamp(spot.lat_e7 - north, 900_000_000),
        clamp(spot.lon_e7 - east, 1_800_000_000),
        clamp(spot.lat_e7 + north, 900_000_000),
        clamp(spot.lon_e7 + east, 1_800_000_000),
    ])
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a box of at most 180 degrees, rounded up"
)]
fn whole_e7(value: f64) -> i64 {
    value.min(1.8e9).ceil() as i64
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "|e7| ≤ 1.8e9 is exact in f64")]
fn degrees(e7: i64) -> f64 {
    e7 as f64 / 1e7
}

/// The proposals of a record with those near it, the likeliest first.
pub fn propose(candidate: &Candidate, nearby: &[Candidate]) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = nearby.iter().filter_map(|other| weigh(candidate, other)).collect();
    proposals.sort_by_key(|proposal| (std::cmp::Reverse(proposal.score), proposal.record, proposal.other));
    proposals.dedup();
    proposals
}

/// Points for being near: all of them at no distance, half at √2 of the expected error.
const NEAR: u64 = 600;
/// Points for being found together.
const SOON: u64 = 250;
/// Points for one type.
const TYPE: u64 = 150;
/// Points where one type is not known.
const TYPE_UNKNOWN: u64 = 50;
/// Points for the same words.
const TEXT: u64 = 150;
/// Points for the same photo: it shows one thing.
const PHOTO: u64 = 600;
/// Points off where they stand on two lines.
const OTHER_LINE: u64 = 250;
/// Beyond this many expected errors, squared and in thousandths, two positions are two places: 2.5².
const MOST_ERRORS: u64 = 6_250;

/// Weighs two records; none where they are not probably one. The same in either order.
pub fn weigh(one: &Candidate, two: &Candidate) -> Option<Proposal> {
    if one.record == two.record {
        return None;
    }
    let (one, two) = if one.record < two.record { (one, two) } else { (two, one) };
    let category = one.category.as_deref()?;
    if two.category.as_deref() != Some(category) {
        return None;
    }
    let reach = reach(category);
    let apart_ms = one.found_ms.abs_diff(two.found_ms);
    let has_photo = one.photos.iter().any(|photo| two.photos.contains(photo));
    let is_round = one.device.is_some() && one.device == two.device && apart_ms <= reach.round_ms;
    if apart_ms > reach.window_ms || (is_round && !has_photo) {
        return None;
    }
    let mut points: u64 = 0;
    let mut reasons = Vec::new();
    points += match (&one.kind, &two.kind) {
        (Some(a), Some(b)) if a == b => {
            reasons.push(Reason::SameType { category: category.to_owned(), kind: a.clone() });
            TYPE
        }
        (Some(_), Some(_)) => return None,
        (Some(_) | None, None) | (None, Some(_)) => {
            reasons.push(Reason::TypeUnknown { category: category.to_owned() });
            TYPE_UNKNOWN
        }
    };
    let distance_mm = match near(one, two, reach, &mut reasons) {
        Some((distance_mm, near)) => {
            points += near;
            distance_mm
        }
        // The same photo is of one place, whatever the fixes say.
        None if has_photo => apart_mm(one, two).unwrap_or(0),
        None => return None,
    };
    points += SOON - SOON.saturating_mul(apart_ms) / reach.window_ms.max(1);
    reasons.push(Reason::Found { apart_ms });
    if one.line.zip(two.line).is_some_and(|(a, b)| a.0 != b.0) {
        points = points.saturating_sub(OTHER_LINE);
        reasons.push(Reason::OtherLine);
    }
    if one.text.is_some() && one.text == two.text {
        points += TEXT;
        reasons.push(Reason::SameText);
    }
    if has_photo {
        points += PHOTO;
        reasons.push(Reason::SamePhoto);
    }
    let score = u16::try_from(points.min(1_000)).unwrap_or(1_000);
    (score >= LEAST_SCORE).then(|| Proposal {
        record: one.record,
        other: two.record,
        score,
        distance_mm: i64::try_from(distance_mm).unwrap_or(i64::MAX),
        reasons,
    })
}

/// How far apart they are, and the points for it; none where they are too far, or a place is not known.
fn near(one: &Candidate, two: &Candidate, reach: Reach, reasons: &mut Vec<Reason>) -> Option<(u64, u64)> {
    let straight_mm = apart_mm(one, two)?;
    if straight_mm > reach.radius_mm {
        return None;
    }
    let error_mm = |spot: Option<Spot>| {
        let known = spot.and_then(|spot| spot.accuracy_dm).unwrap_or(reach.accuracy_dm);
        known.saturating_mul(100).min(reach.radius_mm)
    };
    let (first, second) = (error_mm(one.spot), error_mm(two.spot));
    // Two people who point at one thing stand some metres apart, however good their fixes are.
    let squared = first.pow(2).saturating_add(second.pow(2)).saturating_add(STANCE_MM.pow(2));
    let errors = |apart_mm: u64| apart_mm.saturating_pow(2).saturating_mul(1_000) / squared.max(1);
    if errors(straight_mm) > MOST_ERRORS {
        return None;
    }
    let counted_mm = match one.line.zip(two.line) {
        Some((a, b)) if a.0 == b.0 => {
            let along_mm = a.1.abs_diff(b.1);
            reasons.push(Reason::AlongLine { along_mm });
            // A hazard is where it is along its line; which side of it a fix falls on says little.
            along_mm.max(straight_mm / 2)
        }
        Some(_) | None => straight_mm,
    };
    reasons.push(Reason::Near { distance_mm: straight_mm, error_mm: squared.isqrt() });
    Some((straight_mm, NEAR.saturating_mul(2_000) / errors(counted_mm).saturating_add(2_000)))
}

/// How far two people stand apart who point at one thing, millimetres.
const STANCE_MM: u64 = 5_000;

/// The distance of two places, millimetres, on a sphere: good to half a percent, which no fix is.
fn apart_mm(one: &Candidate, two: &Candidate) -> Option<u64> {
    let (a, b) = one.spot.zip(two.spot)?;
    let point = |spot: Spot| Point::new(degrees(spot.lon_e7), degrees(spot.lat_e7));
    Some(whole_mm(Haversine.distance(point(a), point(b)) * 1_000.0))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a distance on the earth: 0 to 2.1e10 mm"
)]
fn whole_mm(value: f64) -> u64 {
    value.round().clamp(0.0, 3e10) as u64
}
