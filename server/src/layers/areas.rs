//! Geometries as conditions: what is a box is asked for as one, since a database can say it exactly.
//!
//! Start at [`Predicate::meets`].

use geo::{BoundingRect as _, Coord, Geometry, Polygon, Rect};

use super::crs::Area;
use super::predicate::Predicate;

impl Predicate {
    /// The geometry meets this one, degrees; a polygon that is a box is one.
    pub fn meets(geometry: Geometry<f64>) -> Self {
        let as_box = match &geometry {
            Geometry::Polygon(polygon) => box_of(polygon),
            _ => None,
        };
        Self::Intersects(Box::new(as_box.map_or(geometry, Geometry::Rect)))
    }

    /// The geometry meets one of these areas.
    pub fn meets_one_of(areas: Vec<Area>) -> Self {
        let mut each: Vec<Self> = areas
            .into_iter()
            .map(|area| match area {
                Area::Box(of) => Self::Intersects(Box::new(Geometry::Rect(of))),
                Area::Bent(polygon) => Self::Intersects(Box::new(Geometry::Polygon(polygon))),
            })
            .collect();
        match each.pop() {
            Some(only) if each.is_empty() => only,
            Some(last) => {
                each.push(last);
                Self::Or(each)
            }
            None => Self::Always(false),
        }
    }
}

/// The box that a polygon is, where it is one.
fn box_of(polygon: &Polygon<f64>) -> Option<Rect<f64>> {
    let bounds = polygon.bounding_rect().filter(|_| polygon.interiors().is_empty())?;
    let [a, b, c, d, last] = polygon.exterior().0.as_slice() else { return None };
    let is_corner = |at: &Coord<f64>| {
        (same(at.x, bounds.min().x) || same(at.x, bounds.max().x))
            && (same(at.y, bounds.min().y) || same(at.y, bounds.max().y))
    };
    let are_corners = [a, b, c, d].into_iter().all(is_corner) && a == last;
    let turns = [(a, b), (b, c), (c, d), (d, a)];
    let is_side = |(one, other): (&Coord<f64>, &Coord<f64>)| (same(one.x, other.x)) != (same(one.y, other.y));
    let crosses = (!same(a.x, c.x) && !same(a.y, c.y)) && (!same(b.x, d.x) && !same(b.y, d.y));
    (are_corners && turns.into_iter().all(is_side) && crosses).then_some(bounds)
}

fn same(one: f64, other: f64) -> bool {
    one.total_cmp(&other).is_eq()
}
