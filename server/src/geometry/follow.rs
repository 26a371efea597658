//! Which lines a track followed, and from where to where.
//!
//! The rules are in `docs/geometry.md`: a corridor that is wider where the fix is worse, one line at a time but for lines
//! on the same structures, and no crossing. What was really walked is [`super::clean`]'s. Start at [`follow`].

use std::collections::BTreeMap;

use super::ecef::{Point3, length, subtract};
use super::intervals::Intervals;
use super::matching::{GridIndex, Hit};
use super::track::{Fix, Piece, straight_mm};
use super::units::mm;

/// Half-width of the corridor in which a line is followed, millimetres; the accuracy of the fix is added.
pub const CORRIDOR_MM: i64 = 50_000;
/// Accuracy of a fix that says none, millimetres.
const UNKNOWN_ACCURACY_MM: i64 = 10_000;
/// A run that covers less of a line crossed it, millimetres; a line that is shorter is followed to nine tenths. What
/// crosses the corridor of an accurate fix at 40 degrees or more covers less.
pub const SHORTEST_RUN_MM: i64 = 150_000;
/// Lines whose nearest points are so near to each other stand on the same structures, and are followed together.
pub const SAME_STRUCTURES_MM: i64 = 10_000;
/// A run that leaves the corridor and comes back so little further on was never off the line.
pub const LAPSE_MM: i64 = 50_000;
/// Fixes before and after one over which the distance to a line is averaged, so that of two lines side by side one is
/// followed rather than now this and now that.
const WINDOW: usize = 4;
/// Distance of a fix that is outside of the corridor, for the average, millimetres.
const OUTSIDE_MM: i64 = 150_000;

/// A stretch of a line that was walked without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Walked {
    /// Which line.
    pub line: usize,
    /// From this chainage on.
    pub from_mm: i64,
    /// Up to this, which is more.
    pub to_mm: i64,
    /// When the run began of which it is a part, where the fixes have times.
    pub start_ms: Option<i64>,
    /// When the run ended.
    pub end_ms: Option<i64>,
    /// The run ended at a lower chainage than it began.
    pub is_descending: bool,
}

/// A line near a fix.
#[derive(Clone, Copy)]
struct Beside {
    hit: Hit,
    foot: Point3,
}

/// A line that is being followed.
#[derive(Default)]
struct Run {
    covered: Intervals,
    /// Chainage of its first fix.
    from_mm: i64,
    /// Chainage of its last fix.
    at_mm: i64,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
}

/// The stretches that pieces of a track followed, ordered by line and chainage. Stretches may overlap: their union is
/// what was walked ([`Intervals`]).
pub fn follow(index: &GridIndex, pieces: &[Piece]) -> Vec<Walked> {
    let mut walked: Vec<Walked> = pieces.iter().flat_map(|piece| follow_piece(index, piece)).collect();
    walked.sort_unstable();
    walked.dedup();
    walked
}

fn follow_piece(index: &GridIndex, piece: &Piece) -> Vec<Walked> {
    let beside: Vec<Vec<Beside>> = piece.fixes.iter().map(|fix| lines_beside(index, fix)).collect();
    let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
    let mut walked = Vec::new();
    let steps = piece.fixes.iter().zip(&beside);
    for (at, ((from, before), (to, after))) in steps.clone().zip(steps.skip(1)).enumerate() {
        let step_mm = straight_mm(from.vertex(), to.vertex());
        for (start, end) in followed(&beside, at, step_mm, before, after) {
            extend(index, &mut runs, &mut walked, (start, from), (end, to));
        }
    }
    for (line, run) in runs {
        close(index, line, &run, &mut walked);
    }
    walked
}

fn lines_beside(index: &GridIndex, fix: &Fix) -> Vec<Beside> {
    let accuracy_mm =
        fix.accuracy_dm.map_or(UNKNOWN_ACCURACY_MM, |accuracy_dm| accuracy_dm.saturating_mul(100));
    let found = index.feet_around(fix.lat_e7, fix.lon_e7, CORRIDOR_MM + accuracy_mm.clamp(0, CORRIDOR_MM));
    found.into_iter().map(|(hit, foot)| Beside { hit, foot }).collect()
}

/// The lines that one step followed: the nearest by the average, and those on the same structures.
fn followed<'a>(
    beside: &[Vec<Beside>],
    at: usize,
    step_mm: i64,
    before: &'a [Beside],
    after: &'a [Beside],
) -> Vec<(&'a Beside, &'a Beside)> {
    let both: Vec<(&Beside, &Beside)> = before
        .iter()
        .filter_map(|start| Some((start, after.iter().find(|end| end.hit.line == start.hit.line)?)))
        .filter(|(start, end)| is_along(step_mm, &start.hit, &end.hit))
        .collect();
    let best = match both.as_slice() {
        [] | [_] => return both,
        several => {
            several.iter().min_by_key(|(start, _)| (average_mm(beside, at, start.hit.line), start.hit.line))
        }
    };
    let Some((best_start, best_end)) = best.copied() else { return both };
    let are_near = |a: &Beside, b: &Beside| mm(length(subtract(a.foot, b.foot))) <= SAME_STRUCTURES_MM;
    both.into_iter().filter(|(start, end)| are_near(start, best_start) && are_near(end, best_end)).collect()
}

/// Whether the chainage went on by what the step can account for. Around a bend it goes on by up to twice that; where it
/// jumps further the step went from one leg of a hairpin to the other.
fn is_along(step_mm: i64, start: &Hit, end: &Hit) -> bool {
    (end.chainage_mm - start.chainage_mm).abs() <= 2 * (step_mm + start.offset_mm + end.offset_mm)
}

/// The distance to a line, averaged over the fixes around a step.
fn average_mm(beside: &[Vec<Beside>], at: usize, line: usize) -> i64 {
    let (first, last) = (at.saturating_sub(WINDOW), (at + 2 + WINDOW).min(beside.len()));
    let around = beside.get(first..last).unwrap_or_default();
    let offset_mm = |near: &Vec<Beside>| {
        near.iter().find(|beside| beside.hit.line == line).map_or(OUTSIDE_MM, |beside| beside.hit.offset_mm)
    };
    let sum: i64 = around.iter().map(offset_mm).sum();
    sum / i64::try_from(around.len()).unwrap_or(1).max(1)
}

fn extend(
    index: &GridIndex,
    runs: &mut BTreeMap<usize, Run>,
    walked: &mut Vec<Walked>,
    (start, from): (&Beside, &Fix),
    (end, to): (&Beside, &Fix),
) {
    let line = start.hit.line;
    let (start_mm, end_mm) = (start.hit.chainage_mm, end.hit.chainage_mm);
    let begun = || Run { start_ms: from.time_ms, from_mm: start_mm, at_mm: start_mm, ..Run::default() };
    let run = runs.entry(line).or_insert_with(begun);
    if (start_mm - run.at_mm).abs() > LAPSE_MM {
        close(index, line, run, walked);
        *run = begun();
    }
    let ends = [run.at_mm, start_mm, end_mm];
    let (low, high) = ends.iter().fold((i64::MAX, i64::MIN), |(low, high), at| (low.min(*at), high.max(*at)));
    run.covered.insert(low, high);
    run.at_mm = end_mm;
    run.end_ms = to.time_ms.or(run.end_ms);
}

fn close(index: &GridIndex, line: usize, run: &Run, walked: &mut Vec<Walked>) {
    let length_mm = index.line(line).map_or(0, super::Line::length_mm);
    if run.covered.total_mm() < SHORTEST_RUN_MM.min(length_mm / 10 * 9) {
        return;
    }
    let &Run { start_ms, end_ms, .. } = run;
    let is_descending = run.at_mm < run.from_mm;
    let parts = run.covered.parts().iter();
    walked.extend(parts.map(|(from_mm, to_mm)| Walked {
        line,
        from_mm: *from_mm,
        to_mm: *to_mm,
        start_ms,
        end_ms,
        is_descending,
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::line::{Line, Vertex, destination};
    use crate::geometry::matching::GridLine;
    use crate::geometry::track::{clean, walked};

    const ORIGIN: Vertex = (300_000_000, 1_030_000_000);

    fn eastward(from: Vertex, length_mm: i64) -> GridLine {
        let line = Line::new(vec![from, destination(from, 90.0, length_mm)], &[]).unwrap();
        GridLine { line: Arc::new(line), zone_mm: None }
    }

    /// Fixes every 20 m and 15 s along a bearing.
    fn walk(from: Vertex, bearing_deg: f64, fixes: i64) -> Vec<Fix> {
        let start =
            Fix { time_ms: Some(5_000), accuracy_dm: Some(50), lat_e7: from.0, lon_e7: from.1, segment: 0 };
        (0..fixes).map(|n| walked(&start, bearing_deg, n * 20_000, n * 15_000)).collect()
    }

    fn ends(walked: &[Walked]) -> Vec<(usize, i64, i64)> {
        let metres = |mm: i64| (mm + 500) / 1_000;
        walked.iter().map(|part| (part.line, metres(part.from_mm), metres(part.to_mm))).collect()
    }

    #[test]
    fn a_walk_beside_a_line_is_its_interval() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5_000_000)]);
        let from = destination(destination(ORIGIN, 90.0, 1_000_000), 0.0, 30_000);
        let found = follow(&index, &clean(walk(from, 90.0, 51)));
        assert_eq!(ends(&found), [(0, 1_000, 2_000)]);
        assert_eq!((found[0].start_ms, found[0].end_ms), (Some(5_000), Some(755_000)));
        // There and back is the same kilometre.
        let back: Vec<Fix> = walk(from, 90.0, 51)
            .iter()
            .map(|fix| Fix { time_ms: Some(2_000_000 - fix.time_ms.unwrap()), ..*fix })
            .collect();
        let both: Vec<Fix> = walk(from, 90.0, 51).into_iter().chain(back).collect();
        let union: Intervals =
            follow(&index, &clean(both)).iter().map(|part| (part.from_mm, part.to_mm)).collect();
        assert!((union.total_mm() - 1_000_000).abs() < 200, "{union:?}");
    }

    #[test]
    fn outside_of_the_corridor_nothing_is_followed() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5_000_000)]);
        for (off_mm, expected) in [(54_000, 1), (56_000, 0)] {
            let from = destination(destination(ORIGIN, 90.0, 1_000_000), 0.0, off_mm);
            assert_eq!(follow(&index, &clean(walk(from, 90.0, 51))).len(), expected, "{off_mm}");
        }
    }

    #[test]
    fn a_crossing_is_no_patrol() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5_000_000)]);
        let middle = destination(ORIGIN, 90.0, 2_000_000);
        for bearing in [0.0_f64, 20.0, 45.0, 135.0, 180.0] {
            let from = destination(middle, bearing + 180.0, 600_000);
            assert_eq!(follow(&index, &clean(walk(from, bearing, 61))), [], "{bearing}");
        }
    }

    #[test]
    fn of_two_lines_side_by_side_the_nearer_is_followed_and_of_two_on_one_row_of_structures_both() {
        let beside = destination(ORIGIN, 0.0, 30_000);
        let index = GridIndex::new(vec![eastward(ORIGIN, 3_000_000), eastward(beside, 3_000_000)]);
        // Now nearer to this, now to the other, on the whole to the first.
        let from = destination(ORIGIN, 0.0, 12_000);
        let fixes: Vec<Fix> = walk(from, 90.0, 51)
            .iter()
            .enumerate()
            .map(|(n, fix)| if n % 4 == 0 { walked(fix, 0.0, 8_000, 0) } else { *fix })
            .collect();
        assert_eq!(ends(&follow(&index, &clean(fixes.clone()))), [(0, 0, 1_000)]);
        let near = destination(ORIGIN, 0.0, 6_000);
        let index = GridIndex::new(vec![eastward(ORIGIN, 3_000_000), eastward(near, 3_000_000)]);
        assert_eq!(ends(&follow(&index, &clean(fixes))), [(0, 0, 1_000), (1, 0, 1_000)]);
    }

    #[test]
    fn a_short_line_is_followed_and_a_hop_along_a_line_is_not() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 80_000)]);
        assert_eq!(ends(&follow(&index, &clean(walk(ORIGIN, 90.0, 9)))), [(0, 0, 80)]);
        let index = GridIndex::new(vec![eastward(ORIGIN, 20_000_000)]);
        let first = walk(ORIGIN, 90.0, 20);
        let far = walked(&first[19], 90.0, 12_700_000, 8 * 3_600_000);
        let fixes: Vec<Fix> = first
            .iter()
            .copied()
            .chain((0..20).map(|n| walked(&far, 90.0, n * 20_000, n * 15_000)))
            .collect();
        assert_eq!(ends(&follow(&index, &clean(fixes))), [(0, 0, 380), (0, 13_080, 13_460)]);
    }

    #[test]
    fn a_lapse_of_one_fix_is_bridged_and_a_detour_is_not() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5_000_000)]);
        let mut fixes = walk(ORIGIN, 90.0, 51);
        fixes[20] = walked(&fixes[20], 0.0, 90_000, 0);
        assert_eq!(ends(&follow(&index, &clean(fixes.clone()))), [(0, 0, 1_000)]);
        for fix in &mut fixes[20..30] {
            *fix = walked(fix, 0.0, 90_000, 0);
        }
        assert_eq!(ends(&follow(&index, &clean(fixes))), [(0, 0, 380), (0, 600, 1_000)]);
    }

    #[test]
    fn a_drawn_stretch_is_where_it_was_drawn() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5_000_000)]);
        let drawn = [destination(ORIGIN, 90.0, 500_000), destination(ORIGIN, 90.0, 2_300_000)];
        assert_eq!(ends(&follow(&index, &[Piece::drawn(&drawn)])), [(0, 500, 2_300)]);
    }
}
