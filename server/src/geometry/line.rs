//! A line of the grid: its vertices, the chainage of each, and the spans between its structures.
//!
//! Chainage is the geodesic distance along the vertices from the first one, in millimetres. Nothing here knows
//! where a line came from or searches among lines ([`super::GridIndex`] does). Start at [`Line::new`].

use geo::{Destination as _, Distance as _, Geodesic, InterpolatePoint as _, Point};
use thiserror::Error;

use super::units::{degrees, e7, metres, mm};

/// A span longer than this has been drawn without its structures, millimetres. The longest true spans of mountain
/// grids are 2 to 3 km; 11 km between two points is a line that nobody traced.
pub const UNTRACED_SPAN_MM: i64 = 3_000_000;

/// The longest line, millimetres. The longest on earth have 3,000 km; a longer one has a vertex at a wrong place, and
/// the index holds two pieces a kilometre.
pub const LONGEST_LINE_MM: i64 = 10_000_000_000;

/// Latitude and longitude in degrees × 1e7.
pub type Vertex = (i64, i64);

/// Why vertices are no line.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LineError {
    /// Fewer than two vertices.
    #[error("a line has at least 2 vertices, this has {0}")]
    TooShort(usize),
    /// A coordinate outside of the earth.
    #[error("vertex {0} is no position on earth")]
    OffEarth(usize),
    /// All vertices are at one place.
    #[error("the line has no length")]
    NoLength,
    /// Longer than [`LONGEST_LINE_MM`].
    #[error("the line is {} km long, at most {} km are believed", .0 / 1_000_000, LONGEST_LINE_MM / 1_000_000)]
    TooLong(i64),
    /// Structures must be indices of vertices, ascending, each once.
    #[error("structure {0} is no vertex of the line or is out of order")]
    BadStructure(usize),
}

/// A line of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    vertices: Vec<Vertex>,
    /// Of every vertex, ascending; the first is 0.
    chainages_mm: Vec<i64>,
    /// The vertices that end spans, and which structure stands there.
    ends: Vec<SpanEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SpanEnd {
    vertex: usize,
    chainage_mm: i64,
    structure: Option<usize>,
}

/// What lies between two adjacent structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Counted from 0 along the line.
    pub index: usize,
    /// The structure at the lower end, counted from 0 among the structures that were given; none at a line's end
    /// without one.
    pub structure_from: Option<usize>,
    /// The structure at the upper end.
    pub structure_to: Option<usize>,
    /// Chainage of the lower end.
    pub from_mm: i64,
    /// Chainage of the upper end.
    pub to_mm: i64,
}

impl Span {
    /// Its length along the line.
    pub const fn length_mm(&self) -> i64 {
        self.to_mm - self.from_mm
    }

    /// Whether it is too long to be one span: see [`UNTRACED_SPAN_MM`].
    pub const fn is_untraced(&self) -> bool {
        self.length_mm() > UNTRACED_SPAN_MM
    }
}

impl Line {
    /// A line through `vertices` (latitude, longitude, degrees × 1e7) with structures at some of them, by index,
    /// ascending. A vertex that is no structure ends no span; the ends of the line always do.
    pub fn new(vertices: Vec<Vertex>, structures: &[usize]) -> Result<Self, LineError> {
        if vertices.len() < 2 {
            return Err(LineError::TooShort(vertices.len()));
        }
        let off_earth = |(lat, lon): &Vertex| {
            !(-900_000_000..=900_000_000).contains(lat) || !(-1_800_000_000..=1_800_000_000).contains(lon)
        };
        if let Some(at) = vertices.iter().position(off_earth) {
            return Err(LineError::OffEarth(at));
        }
        let chainages_mm = chainages(&vertices);
        match chainages_mm.last().copied().unwrap_or_default() {
            0 => return Err(LineError::NoLength),
            long_mm if long_mm > LONGEST_LINE_MM => return Err(LineError::TooLong(long_mm)),
            _ => {}
        }
        let ends = span_ends(&chainages_mm, structures)?;
        Ok(Self { vertices, chainages_mm, ends })
    }

    /// Geodesic length along the vertices.
    pub fn length_mm(&self) -> i64 {
        self.chainages_mm.last().copied().unwrap_or_default()
    }

    /// Latitude and longitude of every vertex.
    pub fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }

    /// Chainage of every vertex.
    pub fn chainages_mm(&self) -> &[i64] {
        &self.chainages_mm
    }

    /// The spans, along the line; at least one.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.ends.iter().zip(self.ends.iter().skip(1)).enumerate().map(|(index, (from, to))| Span {
            index,
            structure_from: from.structure,
            structure_to: to.structure,
            from_mm: from.chainage_mm,
            to_mm: to.chainage_mm,
        })
    }

    /// The length of the longest span.
    pub fn longest_span_mm(&self) -> i64 {
        self.spans().map(|span| span.length_mm()).max().unwrap_or_default()
    }

    /// Whether a span is too long to be one: see [`UNTRACED_SPAN_MM`].
    pub fn is_untraced(&self) -> bool {
        self.spans().any(|span| span.is_untraced())
    }

    /// The span at a chainage, clamped to the line. At a structure, the lower of the two.
    pub fn span_at(&self, chainage_mm: i64) -> Option<Span> {
        let upper = self.ends.partition_point(|end| end.chainage_mm < chainage_mm);
        let upper = upper.clamp(1, self.ends.len().saturating_sub(1).max(1));
        let (from, to) = (self.ends.get(upper - 1)?, self.ends.get(upper)?);
        Some(Span {
            index: upper - 1,
            structure_from: from.structure,
            structure_to: to.structure,
            from_mm: from.chainage_mm,
            to_mm: to.chainage_mm,
        })
    }

    /// The chainage of a structure, counted from 0 among those that were given.
    pub fn structure_chainage_mm(&self, structure: usize) -> Option<i64> {
        self.ends.iter().find(|end| end.structure == Some(structure)).map(|end| end.chainage_mm)
    }

    /// The position at a chainage, clamped to the line.
    pub fn at(&self, chainage_mm: i64) -> Vertex {
        let upper = self.chainages_mm.partition_point(|chainage| *chainage < chainage_mm);
        let Some((to, to_mm)) = self.vertices.get(upper).zip(self.chainages_mm.get(upper)) else {
            return self.vertices.last().copied().unwrap_or_default();
        };
        let lower = upper.checked_sub(1);
        let Some((from, from_mm)) =
            lower.and_then(|lower| self.vertices.get(lower).zip(self.chainages_mm.get(lower)))
        else {
            return *to;
        };
        if chainage_mm == *to_mm {
            return *to;
        }
        let found =
            Geodesic.point_at_distance_between(point(*from), point(*to), metres(chainage_mm - from_mm));
        (e7(found.y()), e7(found.x()))
    }

    /// The vertices of a stretch, its two ends included: what a map draws. Empty where the stretch is.
    pub fn stretch(&self, from_mm: i64, to_mm: i64) -> Vec<Vertex> {
        let (from_mm, to_mm) = (from_mm.max(0), to_mm.min(self.length_mm()));
        if from_mm >= to_mm {
            return Vec::new();
        }
        let inner = self.vertices.iter().zip(&self.chainages_mm);
        let inner = inner.filter(|(_, chainage)| (from_mm + 1..to_mm).contains(chainage)).map(|(at, _)| *at);
        std::iter::once(self.at(from_mm)).chain(inner).chain(std::iter::once(self.at(to_mm))).collect()
    }
}

/// Geodesic distance between two positions, millimetres.
pub fn distance_mm(a: Vertex, b: Vertex) -> i64 {
    mm(Geodesic.distance(point(a), point(b)))
}

/// The position `distance_mm` from another along a bearing of `bearing_deg` degrees clockwise from north.
pub fn destination(from: Vertex, bearing_deg: f64, distance_mm: i64) -> Vertex {
    let found = Geodesic.destination(point(from), bearing_deg, metres(distance_mm));
    (e7(found.y()), e7(found.x()))
}

fn point((lat, lon): Vertex) -> Point {
    Point::new(degrees(lon), degrees(lat))
}

/// Rounded from the running sum, so that errors of rounding do not add up.
fn chainages(vertices: &[Vertex]) -> Vec<i64> {
    let mut sum = 0.0;
    let mut chainages = vec![0];
    for (from, to) in vertices.iter().zip(vertices.iter().skip(1)) {
        sum += Geodesic.distance(point(*from), point(*to));
        chainages.push(mm(sum));
    }
    chainages
}

fn span_ends(all_mm: &[i64], structures: &[usize]) -> Result<Vec<SpanEnd>, LineError> {
    let mut ends: Vec<SpanEnd> = Vec::with_capacity(structures.len() + 2);
    let mut previous: Option<usize> = None;
    for (ordinal, vertex) in structures.iter().copied().enumerate() {
        let Some(chainage_mm) =
            all_mm.get(vertex).copied().filter(|_| previous.is_none_or(|previous| previous < vertex))
        else {
            return Err(LineError::BadStructure(ordinal));
        };
        previous = Some(vertex);
        ends.push(SpanEnd { vertex, chainage_mm, structure: Some(ordinal) });
    }
    if ends.first().is_none_or(|end| end.vertex != 0) {
        ends.insert(0, SpanEnd { vertex: 0, chainage_mm: 0, structure: None });
    }
    let last = all_mm.len() - 1;
    if ends.last().is_none_or(|end| end.vertex != last) {
        let chainage_mm = all_mm.last().copied().unwrap_or_default();
        ends.push(SpanEnd { vertex: last, chainage_mm, structure: None });
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three vertices about 1 km apart, northward.
    fn vertices() -> Vec<Vertex> {
        vec![(300_000_000, 1_030_000_000), (300_100_000, 1_030_000_000), (300_200_000, 1_030_000_000)]
    }

    #[test]
    fn a_vertex_that_is_no_structure_ends_no_span() {
        let bare = Line::new(vertices(), &[]).unwrap();
        assert_eq!(bare.spans().count(), 1);
        assert_eq!(bare.span_at(1_500_000).unwrap().structure_from, None);
        let ends = Line::new(vertices(), &[0, 2]).unwrap();
        let span = ends.span_at(10).unwrap();
        assert_eq!(
            (span.structure_from, span.structure_to, span.to_mm),
            (Some(0), Some(1), ends.length_mm())
        );
        let middle = Line::new(vertices(), &[1]).unwrap();
        let spans: Vec<_> = middle.spans().map(|span| (span.structure_from, span.structure_to)).collect();
        assert_eq!(spans, [(None, Some(0)), (Some(0), None)]);
    }

    #[test]
    fn at_a_structure_the_lower_span_wins_and_what_lies_outside_is_clamped() {
        let line = Line::new(vertices(), &[0, 1, 2]).unwrap();
        let middle = line.structure_chainage_mm(1).unwrap();
        assert_eq!(line.span_at(middle).unwrap().index, 0);
        assert_eq!(line.span_at(middle + 1).unwrap().index, 1);
        assert_eq!(line.span_at(-5).unwrap().index, 0);
        assert_eq!(line.span_at(i64::MAX).unwrap().index, 1);
    }

    #[test]
    fn a_position_on_the_line_is_found_by_its_chainage() {
        let line = Line::new(vertices(), &[]).unwrap();
        assert_eq!(line.at(0), (300_000_000, 1_030_000_000));
        assert_eq!(line.at(i64::MAX), (300_200_000, 1_030_000_000));
        let (lat, lon) = line.at(line.length_mm() / 4);
        assert!((lat - 300_050_000).abs() < 100 && lon == 1_030_000_000, "{lat} {lon}");
        let stretch = line.stretch(500_000, 1_500_000);
        assert_eq!(stretch.len(), 3);
        assert!(line.stretch(7, 7).is_empty());
    }

    #[test]
    fn eleven_kilometres_between_two_structures_are_flagged() {
        let long =
            Line::new(vec![(300_000_000, 1_030_000_000), (301_000_000, 1_030_000_000)], &[0, 1]).unwrap();
        assert!(long.is_untraced() && long.longest_span_mm() > 11_000_000);
        assert!(!Line::new(vertices(), &[]).unwrap().is_untraced());
    }

    #[test]
    fn what_is_no_line_is_refused_with_the_reason() {
        assert_eq!(Line::new(vec![(0, 0)], &[]), Err(LineError::TooShort(1)));
        assert_eq!(Line::new(vec![(0, 0), (900_000_001, 0)], &[]), Err(LineError::OffEarth(1)));
        assert_eq!(Line::new(vec![(5, 5), (5, 5)], &[]), Err(LineError::NoLength));
        let longest = |lon_e7| Line::new(vec![(0, 0), (0, lon_e7)], &[]);
        assert!(longest(898_315_000).is_ok(), "9,999.9 km of the equator");
        assert!(matches!(longest(898_316_000), Err(LineError::TooLong(10_000_000_001..))));
        assert_eq!(Line::new(vertices(), &[0, 3]), Err(LineError::BadStructure(1)));
        assert_eq!(Line::new(vertices(), &[2, 1]), Err(LineError::BadStructure(1)));
    }
}
