//! The search among pieces of lines: which piece is nearest, and which of another line.
//!
//! A segment is cut into pieces of at most [`MAX_PIECE_M`], straight in space. A piece then lies nowhere more than
//! 5 mm below the ground (L²/8R), less than the 11 mm in which positions are kept, so that the nearest in space is the
//! nearest on the ground. The tree is rstar's; it is walked here because the best *and* the best of another line are
//! wanted in one walk, and the same ones whatever the order in which the tree keeps them. Start at [`Pieces::new`].

use rstar::{AABB, ParentNode, RStarInsertionStrategy, RTree, RTreeNode, RTreeObject, RTreeParams};

use super::ecef::{Point3, add, dot, from_degrees, onto_ellipsoid, scale, subtract};
use super::line::Line;
use super::units::{count, degrees, metres, whole};

/// Longest piece, metres.
const MAX_PIECE_M: f64 = 500.0;

/// A straight piece of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) from: Point3,
    /// From its start to its end.
    pub(super) along: Point3,
    /// 1 / square of its length, 0 where it has none.
    inverse_2: f64,
    pub(super) line: u32,
    /// Its place among all pieces, which are kept line by line along each.
    pub(super) index: u32,
}

impl Piece {
    /// How much of it lies before the foot of a point, 0 to 1.
    pub(super) fn fraction(&self, point: &Point3) -> f64 {
        (dot(subtract(*point, self.from), self.along) * self.inverse_2).clamp(0.0, 1.0)
    }

    fn distance_2(&self, point: &Point3) -> f64 {
        let foot = add(self.from, scale(self.along, self.fraction(point)));
        let off = subtract(*point, foot);
        dot(off, off)
    }
}

impl RTreeObject for Piece {
    type Envelope = AABB<Point3>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.from, add(self.from, self.along))
    }
}

/// Wide nodes: fewer steps, and the children of one lie side by side.
#[derive(Debug)]
struct Wide;

impl RTreeParams for Wide {
    const MIN_SIZE: usize = 4;
    const MAX_SIZE: usize = 8;
    const REINSERTION_COUNT: usize = 1;
    type DefaultInsertionStrategy = RStarInsertionStrategy;
}

/// Where a piece lies on its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The segment, by its first vertex.
    pub(super) segment: usize,
    /// Chainage of its start, metres.
    pub(super) start_m: f64,
    pub(super) length_m: f64,
}

/// A piece and the square of its straight distance, ordered so: nearest first, then by line and along it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Near {
    pub(super) distance_2: f64,
    pub(super) line: u32,
    pub(super) index: u32,
}

/// All pieces of all lines.
#[derive(Debug)]
pub(super) struct Pieces {
    tree: RTree<Piece, Wide>,
    pieces: Vec<(Piece, Place)>,
}

impl Pieces {
    /// Of lines, which are named by their place among them.
    pub(super) fn new<'a>(lines: impl Iterator<Item = &'a Line>) -> Self {
        let mut pieces = Vec::new();
        for (key, line) in lines.enumerate() {
            let Ok(key) = u32::try_from(key) else { break };
            cut(key, line, &mut pieces);
        }
        let tree = RTree::bulk_load_with_params(pieces.iter().map(|(piece, _)| *piece).collect());
        Self { tree, pieces }
    }

    pub(super) fn get(&self, index: u32) -> Option<&(Piece, Place)> {
        self.pieces.get(usize::try_from(index).ok()?)
    }

    /// The piece before or after another on the same line.
    pub(super) fn beside(&self, piece: &Piece, step: i64) -> Option<&(Piece, Place)> {
        let index = u32::try_from(i64::from(piece.index) + step).ok()?;
        self.get(index).filter(|(beside, _)| beside.line == piece.line)
    }

    /// The nearest piece.
    pub(super) fn nearest(&self, point: &Point3) -> Option<Near> {
        let mut best: Option<Near> = None;
        let mut bound = f64::INFINITY;
        walk(self.tree.root(), point, &mut bound, &mut |near, bound| {
            if best.is_none_or(|best| near < best) {
                best = Some(near);
                *bound = near.distance_2;
            }
        });
        best
    }

    /// The nearest piece within `reach_m`, and the nearest of another line that is at most `horizon_m` further off.
    pub(super) fn nearest_two(
        &self,
        point: &Point3,
        reach_m: f64,
        horizon_m: f64,
    ) -> (Option<Near>, Option<Near>) {
        let (mut best, mut rival): (Option<Near>, Option<Near>) = (None, None);
        let mut bound = reach_m * reach_m;
        walk(self.tree.root(), point, &mut bound, &mut |near, bound| {
            if best.is_none_or(|best| near < best) {
                if best.is_some_and(|best| best.line != near.line) {
                    rival = best;
                }
                best = Some(near);
                let horizon = near.distance_2.sqrt() + horizon_m;
                *bound = bound.min(horizon * horizon);
            } else if best.is_some_and(|best| best.line != near.line)
                && rival.is_none_or(|rival| near < rival)
            {
                rival = Some(near);
            }
            if let Some(rival) = rival {
                *bound = bound.min(rival.distance_2);
            }
        });
        let limit = best.map_or(0.0, |best| (best.distance_2.sqrt() + horizon_m).powi(2));
        (best, rival.filter(|rival| rival.distance_2 <= limit))
    }

    /// The nearest piece of one line. Looks at each of them.
    pub(super) fn nearest_of(&self, line: u32, point: &Point3) -> Option<Near> {
        let start = self.pieces.partition_point(|(piece, _)| piece.line < line);
        let end = self.pieces.partition_point(|(piece, _)| piece.line <= line);
        let near = self.pieces.get(start..end)?.iter().map(|(piece, _)| Near {
            distance_2: piece.distance_2(point),
            line,
            index: piece.index,
        });
        near.min_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    }

    /// The nearest piece of every line within `radius_m`, nearest first.
    pub(super) fn around(&self, point: &Point3, radius_m: f64) -> Vec<Near> {
        let mut found: Vec<Near> = Vec::new();
        let mut bound = radius_m * radius_m;
        walk(self.tree.root(), point, &mut bound, &mut |near, _| match found
            .iter_mut()
            .find(|known| known.line == near.line)
        {
            Some(known) if near < *known => *known = near,
            Some(_) => {}
            None => found.push(near),
        });
        found.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        found
    }
}

/// Visits every piece whose squared distance is at most `bound`, which the visitor may lower, near ones early.
fn walk(node: &ParentNode<Piece>, point: &Point3, bound: &mut f64, visit: &mut impl FnMut(Near, &mut f64)) {
    let mut inner: [(f64, Option<&ParentNode<Piece>>); Wide::MAX_SIZE] =
        [(f64::INFINITY, None); Wide::MAX_SIZE];
    let mut used = 0;
    for child in node.children() {
        match child {
            RTreeNode::Leaf(piece) => {
                let distance_2 = piece.distance_2(point);
                if distance_2 <= *bound {
                    visit(Near { distance_2, line: piece.line, index: piece.index }, bound);
                }
            }
            RTreeNode::Parent(parent) => {
                let distance_2 = parent.envelope().distance_2(point);
                if let Some(slot) = inner.get_mut(used).filter(|_| distance_2 <= *bound) {
                    *slot = (distance_2, Some(parent));
                    used += 1;
                }
            }
        }
    }
    let Some(inner) = inner.get_mut(..used) else { return };
    inner.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    for (distance_2, parent) in inner.iter() {
        if let Some(parent) = parent.filter(|_| *distance_2 <= *bound) {
            walk(parent, point, bound, visit);
        }
    }
}

/// Cuts a line into pieces along the ground.
fn cut(key: u32, line: &Line, pieces: &mut Vec<(Piece, Place)>) {
    let at = |(lat, lon): (i64, i64)| from_degrees(degrees(lat), degrees(lon));
    let ends = line.vertices().iter().zip(line.chainages_mm());
    for (segment, ((from, from_mm), (to, to_mm))) in ends.clone().zip(ends.skip(1)).enumerate() {
        let (start, end) = (at(*from), at(*to));
        let (start_m, long_m) = (metres(*from_mm), metres(to_mm - from_mm));
        let parts = usize::try_from(whole((long_m / MAX_PIECE_M).ceil())).unwrap_or(1).max(1);
        let mut from = start;
        for part in 0..parts {
            let length_m = long_m / count(parts);
            let done = count(part + 1) / count(parts);
            let to = if part + 1 == parts {
                end
            } else {
                onto_ellipsoid(add(start, scale(subtract(end, start), done)))
            };
            let along = subtract(to, from);
            let long_2 = dot(along, along);
            let inverse_2 = if long_2 > 0.0 { long_2.recip() } else { 0.0 };
            let Ok(index) = u32::try_from(pieces.len()) else { return };
            let place = Place { segment, start_m: start_m + length_m * count(part), length_m };
            pieces.push((Piece { from, along, inverse_2, line: key, index }, place));
            from = to;
        }
    }
}
