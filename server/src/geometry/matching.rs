//! Which line, which span, how far along and how far off: the index of a grid and the match of a position to it.
//!
//! Lines are named by their place in the list that the index was built of. The rule of [`Certainty`] is written down in
//! `docs/geometry.md`. It does not know what a person named by hand. Start at [`GridIndex::locate`].

use std::sync::Arc;

use super::ecef::{
    Point3, add, arc_m, chord_m, cross, dot, from_degrees, length, onto_ellipsoid, scale, subtract, unit,
};
use super::line::{Line, Span};
use super::pieces::{Near, Piece, Pieces};
use super::units::{degrees, metres, mm};

/// Beyond this no line is named, unless told otherwise.
pub const REACH_MM: i64 = 1_000_000;
/// A second line is a rival where it is at most so much further off than the best.
pub const RIVAL_HORIZON_MM: i64 = 200_000;
/// The accuracy of a fix that says none, decimetres: the upper end of fixes under canopy.
pub const UNKNOWN_ACCURACY_DM: i64 = 300;
/// A certain match needs a fix at least so good, decimetres: phones warn above it.
pub const CERTAIN_ACCURACY_DM: i64 = 150;
/// A probable match needs a fix at least so good, decimetres: above it a fix is unreliable.
pub const PROBABLE_ACCURACY_DM: i64 = 500;
/// A certain match is nearer than this even where the fix is off by twice its accuracy.
pub const CERTAIN_WITHIN_MM: i64 = 60_000;
/// A probable match is nearer than this and the accuracy of its fix together.
pub const PROBABLE_WITHIN_MM: i64 = 100_000;
/// Worse than this an accuracy means the same, decimetres.
const WORST_DM: i64 = 1_000_000;
/// Nearer to the line than this there is no side.
const ON_LINE_MM: i64 = 100;

/// A line and the half-width of its protection zone.
#[derive(Clone, Debug)]
pub struct GridLine {
    /// The line.
    pub line: Arc<Line>,
    /// From the middle of the line to the edge of the zone, each side; none where it is not known.
    pub zone_mm: Option<i64>,
}

/// An index of lines. Clones share it.
#[derive(Clone, Debug)]
pub struct GridIndex {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pieces: Pieces,
    lines: Vec<GridLine>,
}

/// The nearest point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which line.
    pub line: usize,
    /// Which segment, by its first vertex. At a vertex, the lower of the two.
    pub segment: usize,
    /// Where along it.
    pub chainage_mm: i64,
    /// Distance on the ground: within 1 cm of the geodesic up to 100 km.
    pub offset_mm: i64,
}

/// Of the line, looking along ascending chainage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To the left.
    Left,
    /// Less than a decimetre off.
    On,
    /// To the right.
    Right,
}

impl Side {
    /// -1 left, 0 on the line, 1 right: how it is stored.
    pub const fn number(self) -> i64 {
        match self {
            Self::Left => -1,
            Self::On => 0,
            Self::Right => 1,
        }
    }
}

/// How sure a match is. None at all is no [`Located`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// In reach, but the fix, the distance or a rival leaves it open.
    Doubtful,
    /// The fix may be off by its accuracy without another line becoming the nearest.
    Probable,
    /// The fix may be off by twice its accuracy without another line becoming the nearest.
    Certain,
}

impl Certainty {
    /// 1 doubtful, 2 probable, 3 certain: how it is stored; 0 is none.
    pub const fn number(self) -> i64 {
        match self {
            Self::Doubtful => 1,
            Self::Probable => 2,
            Self::Certain => 3,
        }
    }
}

/// What may be told to [`GridIndex::locate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchOptions {
    /// Beyond this no line is named.
    pub reach_mm: i64,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self { reach_mm: REACH_MM }
    }
}

/// Where a position stands on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Which line.
    pub line: usize,
    /// The span, with the structures at its ends.
    pub span: Span,
    /// Where along the line.
    pub chainage_mm: i64,
    /// Distance on the ground.
    pub offset_mm: i64,
    /// Left or right of ascending chainage.
    pub side: Side,
    /// Whether it is inside the protection zone; none where the zone is not known.
    pub in_zone: Option<bool>,
    /// How sure.
    pub certainty: Certainty,
    /// The nearest other line and its distance, where it is at most [`RIVAL_HORIZON_MM`] further off.
    pub rival: Option<(usize, i64)>,
}

/// The nearest point of a piece.
struct Foot<'a> {
    hit: Hit,
    piece: &'a Piece,
    fraction: f64,
    /// From the foot to the position.
    off: Point3,
    at: Point3,
}

impl GridIndex {
    /// An index of lines. Building takes about 1 s a million segments; it is never changed.
    pub fn new(lines: Vec<GridLine>) -> Self {
        let pieces = Pieces::new(lines.iter().map(|line| &*line.line));
        Self { inner: Arc::new(Inner { pieces, lines }) }
    }

    /// A line by its key.
    pub fn line(&self, key: usize) -> Option<&Line> {
        self.inner.lines.get(key).map(|line| &*line.line)
    }

    /// How many lines it holds.
    pub fn len(&self) -> usize {
        self.inner.lines.len()
    }

    /// Whether it holds no line.
    pub fn is_empty(&self) -> bool {
        self.inner.lines.is_empty()
    }

    /// The nearest point of any line, however far; none where there is no line.
    pub fn nearest(&self, lat_e7: i64, lon_e7: i64) -> Option<Hit> {
        let point = at(lat_e7, lon_e7);
        let near = self.inner.pieces.nearest(&point)?;
        self.foot(near, point).map(|foot| foot.hit)
    }

    /// The nearest point of every line within `radius_mm`, nearest first.
    pub fn around(&self, lat_e7: i64, lon_e7: i64, radius_mm: i64) -> Vec<Hit> {
        self.feet_around(lat_e7, lon_e7, radius_mm).into_iter().map(|(hit, _)| hit).collect()
    }

    /// Likewise, each with its place in space.
    pub(super) fn feet_around(&self, lat_e7: i64, lon_e7: i64, radius_mm: i64) -> Vec<(Hit, Point3)> {
        let point = at(lat_e7, lon_e7);
        let found = self.inner.pieces.around(&point, chord_m(metres(radius_mm)));
        found.into_iter().filter_map(|near| self.foot(near, point)).map(|foot| (foot.hit, foot.at)).collect()
    }

    /// The nearest point of one line, however far.
    pub fn on_line(&self, line: usize, lat_e7: i64, lon_e7: i64) -> Option<Hit> {
        let point = at(lat_e7, lon_e7);
        let near = self.inner.pieces.nearest_of(u32::try_from(line).ok()?, &point)?;
        self.foot(near, point).map(|foot| foot.hit)
    }

    /// On which side of a line a position is.
    pub fn side_of(&self, line: usize, lat_e7: i64, lon_e7: i64) -> Option<Side> {
        let point = at(lat_e7, lon_e7);
        let near = self.inner.pieces.nearest_of(u32::try_from(line).ok()?, &point)?;
        self.foot(near, point).map(|foot| self.side(&foot))
    }

    /// Matches a position of a given accuracy to the grid; none where no line is in reach.
    pub fn locate(
        &self,
        lat_e7: i64,
        lon_e7: i64,
        accuracy_dm: Option<i64>,
        options: MatchOptions,
    ) -> Option<Located> {
        let point = at(lat_e7, lon_e7);
        let (reach, horizon) = (chord_m(metres(options.reach_mm)), metres(RIVAL_HORIZON_MM));
        let (best, rival) = self.inner.pieces.nearest_two(&point, reach, horizon);
        let mut best = self.foot(best?, point)?;
        let mut rival = rival.and_then(|rival| self.foot(rival, point));
        // Two lines of one structure are equally near: the lower key, so that every run says the same.
        if let Some(rival) = &mut rival
            && (rival.hit.offset_mm, rival.hit.line) < (best.hit.offset_mm, best.hit.line)
        {
            std::mem::swap(&mut best, rival);
        }
        let rival = rival.map(|rival| (rival.hit.line, rival.hit.offset_mm));
        let Hit { line, chainage_mm, offset_mm, .. } = best.hit;
        let known = self.inner.lines.get(line)?;
        Some(Located {
            line,
            span: known.line.span_at(chainage_mm)?,
            chainage_mm,
            offset_mm,
            side: self.side(&best),
            in_zone: known.zone_mm.map(|zone_mm| offset_mm <= zone_mm),
            certainty: certainty(offset_mm, rival.map(|(_, offset_mm)| offset_mm), accuracy_dm),
            rival,
        })
    }

    /// The foot of a position on a piece. At a vertex it belongs to the piece before.
    fn foot(&self, near: Near, point: Point3) -> Option<Foot<'_>> {
        let (mut piece, mut place) =
            self.inner.pieces.get(near.index).map(|(piece, place)| (piece, place))?;
        let mut fraction = piece.fraction(&point);
        if fraction <= 0.0
            && let Some((before, its_place)) = self.inner.pieces.beside(piece, -1)
        {
            (piece, place, fraction) = (before, its_place, 1.0);
        }
        let at = onto_ellipsoid(add(piece.from, scale(piece.along, fraction)));
        let off = subtract(point, at);
        let hit = Hit {
            line: usize::try_from(piece.line).ok()?,
            segment: place.segment,
            chainage_mm: mm(place.start_m + place.length_m * fraction),
            offset_mm: mm(arc_m(length(off))),
        };
        Some(Foot { hit, piece, fraction, off, at })
    }

    /// At a bend, by the direction half-way between the two pieces that meet there.
    fn side(&self, foot: &Foot<'_>) -> Side {
        let mut along = unit(foot.piece.along);
        if foot.fraction >= 1.0
            && let Some((after, _)) = self.inner.pieces.beside(foot.piece, 1)
        {
            along = add(along, unit(after.along));
        }
        let left = dot(unit(cross(unit(foot.at), along)), foot.off);
        match mm(left) {
            left if left > ON_LINE_MM => Side::Left,
            left if left < -ON_LINE_MM => Side::Right,
            _ => Side::On,
        }
    }
}

/// How sure a match is: see `docs/geometry.md`. A fix that is off by e changes the difference between two distances by
/// at most 2e; e is the accuracy in 2 of 3 fixes and twice that in 19 of 20.
pub fn certainty(offset_mm: i64, rival_mm: Option<i64>, accuracy_dm: Option<i64>) -> Certainty {
    let accuracy_dm = accuracy_dm.unwrap_or(UNKNOWN_ACCURACY_DM).clamp(0, WORST_DM);
    let error_mm = accuracy_dm.saturating_mul(100);
    let lead_mm = rival_mm.map_or(i64::MAX, |rival_mm| rival_mm - offset_mm);
    let is_certain = accuracy_dm <= CERTAIN_ACCURACY_DM
        && offset_mm + 2 * error_mm <= CERTAIN_WITHIN_MM
        && lead_mm > 4 * error_mm;
    let is_probable = accuracy_dm <= PROBABLE_ACCURACY_DM
        && offset_mm <= PROBABLE_WITHIN_MM + error_mm
        && lead_mm > 2 * error_mm;
    match (is_certain, is_probable) {
        (true, _) => Certainty::Certain,
        (false, true) => Certainty::Probable,
        (false, false) => Certainty::Doubtful,
    }
}

fn at(lat_e7: i64, lon_e7: i64) -> Point3 {
    from_degrees(degrees(lat_e7), degrees(lon_e7))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{destination, distance_mm};

    const ORIGIN: (i64, i64) = (300_000_000, 1_030_000_000);

    /// A line that runs east from a point, with a structure every 100 m.
    fn eastward(from: (i64, i64), structures: i64) -> GridLine {
        let vertices = (0..structures).map(|n| destination(from, 90.0, n * 100_000)).collect();
        let all: Vec<usize> = (0..usize::try_from(structures).unwrap()).collect();
        GridLine { line: Arc::new(Line::new(vertices, &all).unwrap()), zone_mm: Some(10_000) }
    }

    fn locate(index: &GridIndex, at: (i64, i64), accuracy_dm: i64) -> Option<Located> {
        index.locate(at.0, at.1, Some(accuracy_dm), MatchOptions::default())
    }

    #[test]
    fn a_hazard_beside_a_span_knows_its_side_its_chainage_and_its_zone() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5)]);
        let on_line = destination(ORIGIN, 90.0, 250_000);
        for (bearing, side) in [(0.0, Side::Left), (180.0, Side::Right)] {
            let found = locate(&index, destination(on_line, bearing, 8_000), 40).unwrap();
            assert_eq!((found.side, found.in_zone, found.certainty), (side, Some(true), Certainty::Certain));
            assert_eq!((found.span.structure_from, found.span.structure_to), (Some(2), Some(3)));
            assert!((found.offset_mm - 8_000).abs() <= 20, "{}", found.offset_mm);
            assert!((found.chainage_mm - 250_000).abs() <= 20, "{}", found.chainage_mm);
        }
        assert_eq!(locate(&index, on_line, 40).unwrap().side, Side::On);
        let outside = locate(&index, destination(on_line, 0.0, 12_000), 40).unwrap();
        assert_eq!(outside.in_zone, Some(false));
    }

    #[test]
    fn at_a_structure_the_span_before_it_is_named() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5)]);
        let at = destination(destination(ORIGIN, 90.0, 200_000), 0.0, 5_000);
        let found = locate(&index, at, 40).unwrap();
        assert!((found.chainage_mm - 200_000).abs() <= 20 && found.span.index <= 2);
        let exactly = index.line(0).unwrap().vertices()[2];
        let found = locate(&index, exactly, 40).unwrap();
        assert_eq!((found.span.index, found.offset_mm), (1, 0));
        assert_eq!(index.nearest(exactly.0, exactly.1).unwrap().segment, 1);
    }

    #[test]
    fn beyond_its_reach_no_line_is_named() {
        let index = GridIndex::new(vec![eastward(ORIGIN, 5)]);
        assert!(locate(&index, destination(ORIGIN, 0.0, 999_900), 40).is_some());
        assert_eq!(locate(&index, destination(ORIGIN, 0.0, 1_000_100), 40), None);
        assert_eq!(GridIndex::new(Vec::new()).nearest(0, 0), None);
    }

    #[test]
    fn certainty_falls_with_the_fix_the_distance_and_a_rival() {
        let cases = [
            ((5_000, None, Some(40)), Certainty::Certain),
            ((52_001, None, Some(40)), Certainty::Probable),
            ((5_000, None, Some(151)), Certainty::Probable),
            ((5_000, None, None), Certainty::Probable),
            ((5_000, None, Some(501)), Certainty::Doubtful),
            ((104_001, None, Some(40)), Certainty::Doubtful),
            ((5_000, Some(21_000), Some(40)), Certainty::Probable),
            ((5_000, Some(21_001), Some(40)), Certainty::Certain),
            ((5_000, Some(13_000), Some(40)), Certainty::Doubtful),
            ((5_000, Some(5_000), Some(0)), Certainty::Doubtful),
            ((5_000, Some(i64::MAX), Some(i64::MAX)), Certainty::Doubtful),
            ((5_000, None, Some(-1)), Certainty::Certain),
        ];
        for ((offset, rival, accuracy), expected) in cases {
            assert_eq!(certainty(offset, rival, accuracy), expected, "{offset} {rival:?} {accuracy:?}");
        }
    }

    #[test]
    fn the_second_best_line_is_the_rival_and_of_two_equal_lines_the_first_wins() {
        let near = destination(ORIGIN, 0.0, 30_000);
        let index = GridIndex::new(vec![eastward(ORIGIN, 40), eastward(near, 40), eastward(ORIGIN, 40)]);
        let at = destination(destination(ORIGIN, 90.0, 1_234_000), 0.0, 10_000);
        let found = locate(&index, at, 40).unwrap();
        assert_eq!(found.line, 0);
        let (line, offset_mm) = found.rival.unwrap();
        assert_eq!((line, offset_mm), (2, found.offset_mm));
        let alone = GridIndex::new(vec![eastward(ORIGIN, 40), eastward(near, 40)]);
        let (line, offset_mm) = locate(&alone, at, 40).unwrap().rival.unwrap();
        assert!(line == 1 && (offset_mm - 20_000).abs() < 50, "{line} {offset_mm}");
        assert_eq!(alone.around(at.0, at.1, 15_000).len(), 1);
        assert_eq!(alone.around(at.0, at.1, 25_000).len(), 2);
    }

    #[test]
    fn the_side_at_a_bend_is_that_of_the_bend() {
        // East, then sharply back north-west: a point south of the corner is to the right of both.
        let corner = destination(ORIGIN, 90.0, 500_000);
        let vertices = vec![ORIGIN, corner, destination(corner, 300.0, 500_000)];
        let line = GridLine { line: Arc::new(Line::new(vertices, &[0, 1, 2]).unwrap()), zone_mm: None };
        let index = GridIndex::new(vec![line]);
        let found = locate(&index, destination(corner, 105.0, 20_000), 40).unwrap();
        assert_eq!((found.side, found.in_zone), (Side::Right, None));
        let found = locate(&index, destination(corner, 75.0, 20_000), 40).unwrap();
        assert_eq!(found.side, Side::Right);
    }

    #[test]
    fn the_nearest_is_what_looking_at_every_line_finds() {
        let lines: Vec<GridLine> = (0..30)
            .map(|n| {
                let from = destination(ORIGIN, f64::from(n) * 37.0, i64::from(n) * 900_000);
                let vertices = (0..8)
                    .map(|v| {
                        destination(
                            from,
                            f64::from(n * 53 + v * 9),
                            i64::from(v) * (200_000 + 1_000_000 * i64::from(n % 3)),
                        )
                    })
                    .collect();
                GridLine { line: Arc::new(Line::new(vertices, &[]).unwrap()), zone_mm: None }
            })
            .collect();
        let index = GridIndex::new(lines);
        for n in 0..400 {
            let at = destination(ORIGIN, f64::from(n) * 11.3, i64::from(n) * 80_000);
            let each: Vec<Hit> =
                (0..index.len()).filter_map(|line| index.on_line(line, at.0, at.1)).collect();
            let expected = each.iter().min_by_key(|hit| (hit.offset_mm, hit.line)).unwrap();
            let found = index.nearest(at.0, at.1).unwrap();
            assert!(found.offset_mm - expected.offset_mm <= 5, "{found:?} {expected:?}");
            let foot = index.line(found.line).unwrap().at(found.chainage_mm);
            let geodesic = distance_mm(foot, at);
            assert!((geodesic - found.offset_mm).abs() <= 15, "{geodesic} {found:?}");
        }
    }
}
