//! Tracks: fixes in any order become pieces that somebody really walked.
//!
//! The rules are in `docs/geometry.md`. They depend on the fixes alone, not on the order in which they came or on how
//! often: a track that was shuffled, sent twice or cut anew gives the same pieces, so long as its fixes have times.
//! Which line was walked is [`super::follow()`]'s. Start at [`clean`].

use std::collections::BTreeSet;

use super::ecef::{from_degrees, length, subtract};
#[cfg(test)]
use super::line::destination;
use super::line::{Vertex, distance_mm};
use super::units::{degrees, mm};

/// A fix less accurate than this says nothing of where somebody walked, decimetres.
pub const WORST_ACCURACY_DM: i64 = 500;
/// Nobody is known to have walked between two fixes further apart than this, millimetres: a patrol that is recorded
/// every two minutes makes 180 m between fixes.
pub const LONGEST_HOP_MM: i64 = 300_000;
/// Faster than this is no patrol, metres a second: 45 km/h, a vehicle on the maintenance road.
pub const FASTEST_M_S: i64 = 12;
/// Fixes nearer than this to the one before are standing still, millimetres; also where half the accuracy is more.
pub const STANDING_MM: i64 = 5_000;
/// Of standing still by half the accuracy at most, millimetres.
pub const STANDING_AT_MOST_MM: i64 = 25_000;
/// A clock that gives so many places one time, on the average, stands still and orders nothing.
const PLACES_A_TIME: usize = 4;
/// Pieces that grow at the same time: where a clock was set back, two walks lie in the same minutes.
const OPEN_PIECES: usize = 8;
/// Distance between the points of a drawn stretch, millimetres.
const DRAWN_STEP_MM: i64 = 25_000;
/// Points of a drawn stretch, at most.
const DRAWN_POINTS: i64 = 100_000;

/// A position that a device took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fix {
    /// When, milliseconds since 1970; none where the file has none.
    pub time_ms: Option<i64>,
    /// Radius of two thirds of fixes, decimetres; none where it is not known.
    pub accuracy_dm: Option<i64>,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i64,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i64,
    /// The segment of a file, which only matters for fixes without time; 0 for a device.
    pub segment: u32,
}

impl Fix {
    /// Where.
    pub const fn vertex(&self) -> Vertex {
        (self.lat_e7, self.lon_e7)
    }
}

/// Fixes between which somebody walked; at least two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// In the order in which they were walked.
    pub fixes: Vec<Fix>,
}

impl Piece {
    /// A stretch that was drawn on a map, as fixes every 25 m: what it follows is where the work was done.
    pub fn drawn(vertices: &[Vertex]) -> Self {
        let fix =
            |(lat_e7, lon_e7): Vertex| Fix { time_ms: None, accuracy_dm: None, lat_e7, lon_e7, segment: 0 };
        let mut fixes: Vec<Fix> = vertices.first().copied().map(fix).into_iter().collect();
        let mut left = DRAWN_POINTS;
        for (from, to) in vertices.iter().zip(vertices.iter().skip(1)) {
            let steps = (distance_mm(*from, *to) / DRAWN_STEP_MM + 1).min(left);
            left -= steps;
            let part = |a: i64, b: i64, step: i64| a + (b - a) * step / steps;
            fixes.extend((1..=steps).map(|step| fix((part(from.0, to.0, step), part(from.1, to.1, step)))));
        }
        Self { fixes }
    }
}

/// The fixes of pieces that a device numbered, in order of number, each number once. Only matters where fixes have no
/// time: [`clean`] orders the others.
pub fn assembled(mut batches: Vec<(u64, Vec<Fix>)>) -> Vec<Fix> {
    batches.sort_by_key(|(number, _)| *number);
    batches.dedup_by_key(|(number, _)| *number);
    batches.into_iter().flat_map(|(_, fixes)| fixes).collect()
}

/// The pieces that were walked.
///
/// Fixes of segments in which every fix has a time are pooled and ordered by it; of the others the order is kept.
pub fn clean(mut fixes: Vec<Fix>) -> Vec<Piece> {
    if has_stopped_clock(&fixes) {
        for fix in &mut fixes {
            fix.time_ms = None;
        }
    }
    let mut untimed: Vec<u32> =
        fixes.iter().filter(|fix| fix.time_ms.is_none()).map(|fix| fix.segment).collect();
    untimed.sort_unstable();
    untimed.dedup();
    let is_good = |fix: &Fix| fix.accuracy_dm.is_none_or(|accuracy_dm| accuracy_dm <= WORST_ACCURACY_DM);
    let (kept, mut pooled): (Vec<Fix>, Vec<Fix>) =
        fixes.into_iter().filter(is_good).partition(|fix| untimed.binary_search(&fix.segment).is_ok());
    // Of one fix that came twice, the better accuracy; none given is worst.
    pooled.sort_by_key(|fix| (fix.time_ms, fix.vertex(), fix.accuracy_dm.unwrap_or(i64::MAX), fix.segment));
    pooled.dedup_by_key(|fix| (fix.time_ms, fix.vertex()));
    let mut pieces = grown(pooled);
    pieces.extend(kept.chunk_by(|a, b| a.segment == b.segment).flat_map(split));
    pieces.retain_mut(|piece| {
        stand_still(&mut piece.fixes);
        piece.fixes.len() >= 2
    });
    pieces
}

/// Over the whole track, so that it does not matter how it was cut.
fn has_stopped_clock(fixes: &[Fix]) -> bool {
    let read = || fixes.iter().filter_map(|fix| Some((fix.time_ms?, fix.vertex())));
    let places: BTreeSet<(i64, Vertex)> = read().collect();
    let times: BTreeSet<i64> = read().map(|(time_ms, _)| time_ms).collect();
    places.len() >= PLACES_A_TIME && times.len() * PLACES_A_TIME <= places.len()
}

/// Every fix, in order of time, joins the piece that grew last of those whose end it can have come from, or begins one.
/// So a fix far off stays alone, a hop ends a piece, and two walks in the same minutes stay two walks.
fn grown(fixes: Vec<Fix>) -> Vec<Piece> {
    let mut done: Vec<Piece> = Vec::new();
    // The one that grew last comes last.
    let mut open: Vec<Piece> = Vec::new();
    for fix in fixes {
        let reaches = |piece: &Piece| piece.fixes.last().is_some_and(|last| step_mm(last, &fix).is_some());
        let mut piece = match open.iter().rposition(reaches) {
            Some(at) => open.remove(at),
            None if open.len() >= OPEN_PIECES => {
                done.push(open.remove(0));
                Piece::default()
            }
            None => Piece::default(),
        };
        piece.fixes.push(fix);
        open.push(piece);
    }
    done.append(&mut open);
    done.sort_by_key(|piece| piece.fixes.first().copied());
    done
}

/// Fixes in the order of a file, cut at hops.
fn split(fixes: &[Fix]) -> impl Iterator<Item = Piece> + '_ {
    fixes.chunk_by(|a, b| step_mm(a, b).is_some()).map(|fixes| Piece { fixes: fixes.to_vec() })
}

/// The distance between two fixes, where somebody can have walked it.
fn step_mm(from: &Fix, to: &Fix) -> Option<i64> {
    let step_mm = straight_mm(from.vertex(), to.vertex());
    let is_in_time = match (from.time_ms, to.time_ms) {
        // A fix may be off by its accuracy: a second is given for it.
        (Some(from_ms), Some(to_ms)) => {
            let after_ms = to_ms.saturating_sub(from_ms);
            after_ms >= 0 && step_mm <= after_ms.saturating_add(1_000).saturating_mul(FASTEST_M_S)
        }
        (None, _) | (_, None) => true,
    };
    (is_in_time && step_mm <= LONGEST_HOP_MM).then_some(step_mm)
}

/// Within millimetres of the geodesic for steps that can be walked, and quicker.
pub(super) fn straight_mm(a: Vertex, b: Vertex) -> i64 {
    let at = |(lat, lon): Vertex| from_degrees(degrees(lat), degrees(lon));
    mm(length(subtract(at(a), at(b))))
}

/// Leaves out the fixes of standing still, but for the last of the piece.
fn stand_still(fixes: &mut Vec<Fix>) {
    let Some(last) = fixes.last().copied() else { return };
    let mut kept: Vec<Fix> = Vec::with_capacity(fixes.len());
    for fix in fixes.iter() {
        let half_mm = fix.accuracy_dm.unwrap_or_default().saturating_mul(50);
        let standing_mm = half_mm.clamp(STANDING_MM, STANDING_AT_MOST_MM);
        if kept.last().is_none_or(|kept| straight_mm(kept.vertex(), fix.vertex()) >= standing_mm) {
            kept.push(*fix);
        }
    }
    if kept.last() != Some(&last) {
        kept.push(last);
    }
    *fixes = kept;
}

/// A fix some way along a bearing from another, some time later: for tests of what follows tracks.
#[cfg(test)]
pub(super) fn walked(from: &Fix, bearing_deg: f64, mm: i64, after_ms: i64) -> Fix {
    let (lat_e7, lon_e7) = destination(from.vertex(), bearing_deg, mm);
    Fix { lat_e7, lon_e7, time_ms: from.time_ms.map(|time_ms| time_ms + after_ms), ..*from }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Fix {
        Fix {
            time_ms: Some(1_000_000),
            accuracy_dm: Some(50),
            lat_e7: 300_000_000,
            lon_e7: 1_030_000_000,
            segment: 0,
        }
    }

    /// So many fixes northward, 20 m and 15 s apart.
    fn walk(from: Fix, fixes: i64) -> Vec<Fix> {
        (0..fixes).map(|n| walked(&from, 0.0, n * 20_000, n * 15_000)).collect()
    }

    fn lengths(pieces: &[Piece]) -> Vec<usize> {
        pieces.iter().map(|piece| piece.fixes.len()).collect()
    }

    #[test]
    fn a_walk_is_one_piece_however_it_came() {
        let fixes = walk(start(), 40);
        let expected = clean(fixes.clone());
        assert_eq!(lengths(&expected), [40]);
        let mut shuffled: Vec<Fix> = fixes.iter().rev().chain(&fixes).copied().collect();
        shuffled.rotate_left(17);
        assert_eq!(clean(shuffled), expected);
    }

    #[test]
    fn a_hop_is_not_walked_however_long_it_took() {
        let far = walked(&start(), 90.0, 12_700_000, 8 * 3_600_000);
        let fixes: Vec<Fix> = walk(start(), 10).into_iter().chain(walk(far, 10)).collect();
        assert_eq!(lengths(&clean(fixes)), [10, 10]);
        for (hop_mm, expected) in [(LONGEST_HOP_MM - 1_000, vec![2]), (LONGEST_HOP_MM + 1_000, vec![])] {
            let two = vec![start(), walked(&start(), 0.0, hop_mm, 600_000)];
            assert_eq!(lengths(&clean(two)), expected, "{hop_mm}");
        }
    }

    #[test]
    fn faster_than_a_slow_vehicle_is_no_patrol() {
        for (after_ms, expected) in [(15_800, vec![2]), (15_400, vec![])] {
            let two = vec![start(), walked(&start(), 0.0, 200_000, after_ms)];
            assert_eq!(lengths(&clean(two)), expected, "200 m in {after_ms} ms");
        }
    }

    #[test]
    fn a_spike_and_an_unreliable_fix_are_left_out() {
        let mut fixes = walk(start(), 20);
        let expected = clean(fixes.clone());
        let spike = walked(&fixes[9], 90.0, 250_000, 7_000);
        let unreliable = Fix { accuracy_dm: Some(501), ..walked(&fixes[9], 90.0, 30_000, 8_000) };
        fixes.extend([spike, unreliable]);
        assert_eq!(clean(fixes), expected);
    }

    #[test]
    fn standing_still_is_one_place() {
        let mut fixes = walk(start(), 5);
        let stand = fixes[4];
        fixes.extend((1..200).map(|n| walked(&stand, f64::from(n) * 77.0, 2_000, i64::from(n) * 10_000)));
        let pieces = clean(fixes);
        assert_eq!(lengths(&pieces), [6], "5 and the end of the pause");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_two_walks_of_the_same_minutes() {
        let first = walk(start(), 60);
        let set_back = Fix { time_ms: Some(1_004_000), ..walked(&first[59], 0.0, 20_000, 0) };
        let both: Vec<Fix> = first.iter().copied().chain(walk(set_back, 60)).collect();
        assert_eq!(lengths(&clean(both)), [60, 60]);
    }

    #[test]
    fn without_times_the_order_is_kept_and_a_segment_ends_a_piece() {
        let untimed = |fix: &Fix, segment| Fix { time_ms: None, segment, ..*fix };
        let fixes = walk(start(), 20);
        let first = fixes[..10].iter().map(|fix| untimed(fix, 1));
        let second = fixes[10..].iter().map(|fix| untimed(fix, 2));
        assert_eq!(lengths(&clean(first.chain(second).collect())), [10, 10]);
        // One fix without a time, and the segment is walked in the order given.
        let mut mixed = fixes.clone();
        mixed[3].time_ms = None;
        assert_eq!(lengths(&clean(mixed.clone())), [20]);
        mixed.swap(10, 11);
        assert_eq!(lengths(&clean(mixed)), [11, 9], "backwards in time nobody walked");
    }

    #[test]
    fn a_clock_that_stands_still_orders_nothing() {
        let stopped: Vec<Fix> =
            walk(start(), 40).iter().map(|fix| Fix { time_ms: Some(7), ..*fix }).collect();
        assert_eq!(lengths(&clean(stopped)), [40]);
    }

    #[test]
    fn numbered_pieces_are_put_in_order_and_counted_once() {
        let fixes = walk(start(), 6);
        let batches = vec![(2, fixes[4..].to_vec()), (1, fixes[..4].to_vec()), (2, fixes[4..].to_vec())];
        assert_eq!(assembled(batches), fixes);
    }

    #[test]
    fn a_drawn_stretch_has_points_close_together() {
        let line = [start().vertex(), destination(start().vertex(), 45.0, 1_000_000)];
        let drawn = Piece::drawn(&line);
        assert_eq!(drawn.fixes.len(), 41, "{:?}", drawn.fixes.len());
        assert_eq!(drawn.fixes.last().map(Fix::vertex), Some(line[1]));
        assert_eq!(Piece::drawn(&[]).fixes, []);
        assert!(Piece::drawn(&[(0, 0), (0, 1_800_000_000)]).fixes.len() <= 100_001);
    }
}
