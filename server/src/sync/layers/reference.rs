//! Lines, structures, districts and townships: of the grid that is in force, in memory.

use geo::{BoundingRect as _, Geometry, Intersects as _, MultiPolygon, Point, Rect};
use sync_protocol::ids::RecordId;
use sync_protocol::reference::RegionView;

use super::{Moment, Selection, chain, days, kilovolts, real, text};
use crate::domain::District;
use crate::geometry::{Vertex, degrees, metres};
use crate::grid::snapshot::{Grid, GridRow, StructureAt, is_in_force};
use crate::layers::{Feature, Layer, Value};
use crate::rules::voltage::Assumption;

/// A page of a layer of the grid.
pub(super) fn page(
    moment: &Moment,
    district: &District,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Vec<Feature> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let in_force = in_force(moment, district, selection);
    let found = features(&moment.grid, layer, in_force, after, selection.bbox);
    found.filter(|feature| selection.takes(layer, feature)).take(limit).collect()
}

/// How many there are.
pub(super) fn count(moment: &Moment, district: &District, layer: Layer, selection: &Selection) -> u64 {
    let ids = moment.grid.ids();
    let is_all = selection.predicate.is_none() && selection.bbox.is_none();
    let found = match layer {
        Layer::Lines if is_all => ids.lines.len(),
        Layer::Structures if is_all => ids.structures.len(),
        _ => {
            let in_force = in_force(moment, district, selection);
            let found = features(&moment.grid, layer, in_force, None, selection.bbox);
            found.filter(|feature| selection.takes(layer, feature)).count()
        }
    };
    u64::try_from(found).unwrap_or(u64::MAX)
}

/// The days on one of which a region must be in force, ends included: those asked for, else today.
fn in_force(moment: &Moment, district: &District, selection: &Selection) -> (i64, i64) {
    if selection.at.is_some() {
        return days(district, selection.at);
    }
    let today = moment.today(district);
    (today, today)
}

/// The features of a layer of the grid after an id, ascending; none of another layer. Of a box none but those that may meet
/// it: to put a feature together costs many times what looking at its place does, and a tile asks for few of them.
fn features(
    grid: &Grid,
    layer: Layer,
    in_force: (i64, i64),
    after: Option<i64>,
    bbox: Option<[f64; 4]>,
) -> Box<dyn Iterator<Item = Feature> + '_> {
    let ids = grid.ids();
    match layer {
        Layer::Lines => Box::new(
            rest(&ids.lines, after)
                .iter()
                .filter_map(move |(id, nth)| Some((*id, grid.lines.get(*nth)?)))
                .filter(move |(_, row)| may_meet(bbox, row.line.vertices()))
                .map(|(id, row)| line(id, row)),
        ),
        Layer::Structures => Box::new(
            rest(&ids.structures, after)
                .iter()
                .filter(move |(_, at)| bbox.is_none() || may_meet(bbox, position(grid, *at).as_slice()))
                .filter_map(move |(id, at)| structure(*id, grid, *at)),
        ),
        Layer::Regions => Box::new(rest(&ids.regions, after).iter().filter_map(move |(id, nth)| {
            let (record, view, shape) = grid.region_at(*nth)?;
            let is_near = bbox.is_none_or(|[west, south, east, north]| {
                let within = Rect::new((west, south), (east, north));
                shape.bounding_rect().is_some_and(|bounds| bounds.intersects(&within))
            });
            (is_near && overlaps(view, in_force)).then(|| region(*id, record, view, shape))
        })),
        Layer::Hazards
        | Layer::HazardStates
        | Layer::Patrolled
        | Layer::NotPatrolled
        | Layer::Works
        | Layer::Unsent => Box::new(std::iter::empty()),
    }
}

/// Whether the box of these positions meets this one: west, south, east, north in degrees.
fn may_meet(bbox: Option<[f64; 4]>, positions: &[Vertex]) -> bool {
    let Some([west, south, east, north]) = bbox else { return true };
    let Some(first) = positions.first() else { return false };
    let (mut low, mut high) = (*first, *first);
    for (lat, lon) in positions {
        low = (low.0.min(*lat), low.1.min(*lon));
        high = (high.0.max(*lat), high.1.max(*lon));
    }
    degrees(low.0) <= north && degrees(high.0) >= south && degrees(low.1) <= east && degrees(high.1) >= west
}

/// Where a structure stands.
fn position(grid: &Grid, at: StructureAt) -> Option<Vertex> {
    match at {
        StructureAt::OnLine(nth, ordinal) => {
            let row = grid.lines.get(nth)?;
            let vertex = usize::try_from(row.view.structures.get(ordinal)?.vertex).ok()?;
            row.line.vertices().get(vertex).copied()
        }
        StructureAt::Alone(nth) => grid.structures.get(nth).map(|(_, view)| view.position),
    }
}

fn rest<T>(ids: &[(i64, T)], after: Option<i64>) -> &[(i64, T)] {
    let begin = after.map_or(0, |after| ids.partition_point(|(id, _)| *id <= after));
    ids.get(begin..).unwrap_or_default()
}

fn line(id: i64, row: &GridRow) -> Feature {
    let view = &row.view;
    let assumed: Vec<&str> = Assumption::ALL
        .iter()
        .filter(|known| view.assumptions.iter().any(|code| code == known.code()))
        .map(|known| known.zh())
        .collect();
    Feature {
        id,
        record: Some(row.record.0),
        geometry: chain(row.line.vertices()).map(Geometry::from),
        values: vec![
            Value::Text(row.record.to_string()),
            Value::Text(view.external_id.clone()),
            text(view.name.as_deref()),
            real(view.volts.first().copied().map(kilovolts)),
            text((!assumed.is_empty()).then(|| assumed.join("；"))),
            Value::Real(metres(row.line.length_mm())),
            Value::Integer(i64::try_from(view.structures.len()).unwrap_or(i64::MAX)),
            Value::Text(view.kind.as_str().to_owned()),
            text(view.voltage.as_deref()),
            text(view.owner.as_deref()),
            text(view.operator.as_deref()),
        ],
    }
}

fn structure(id: i64, grid: &Grid, at: StructureAt) -> Option<Feature> {
    let geometry = position(grid, at).map(|(lat, lon)| Point::new(degrees(lon), degrees(lat)).into());
    match at {
        StructureAt::OnLine(nth, ordinal) => {
            let row = grid.lines.get(nth)?;
            let structure = row.view.structures.get(ordinal)?;
            let number = structure.number.as_deref().or(structure.external_id.as_deref());
            Some(Feature {
                id,
                record: None,
                geometry,
                values: vec![
                    Value::Text(row.record.to_string()),
                    text(row.view.name.as_deref()),
                    text(number),
                    real(i64::try_from(structure.chainage_mm).ok().map(metres)),
                    text(structure.external_id.as_deref()),
                    text(structure.number.as_deref()),
                    Value::Text(structure.kind.clone()),
                ],
            })
        }
        StructureAt::Alone(nth) => {
            let (record, view) = grid.structures.get(nth)?;
            let number = view.number.as_deref().unwrap_or(&view.external_id);
            Some(Feature {
                id,
                record: Some(record.0),
                geometry,
                values: vec![
                    Value::Null,
                    Value::Null,
                    text(Some(number)),
                    Value::Null,
                    Value::Text(view.external_id.clone()),
                    text(view.number.as_deref()),
                    Value::Text(view.kind.clone()),
                ],
            })
        }
    }
}

/// Whether a version of a region is in force on one of these days.
fn overlaps(view: &RegionView, (from, to): (i64, i64)) -> bool {
    is_in_force(view, from)
        || is_in_force(view, to)
        || view.from_day.is_some_and(|day| from <= day && day <= to)
}

fn region(id: i64, record: RecordId, view: &RegionView, shape: &MultiPolygon<f64>) -> Feature {
    Feature {
        id,
        record: Some(record.0),
        geometry: Some(shape.clone().into()),
        values: vec![
            Value::Text(record.to_string()),
            Value::Text(view.name.clone()),
            Value::Text(view.level.as_str().to_owned()),
            Value::Text(view.code.clone()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::reference::RegionLevel;

    use super::*;

    #[test]
    fn a_region_is_of_every_interval_that_has_a_day_of_it() {
        let of = |from_day: Option<i64>, until_day: Option<i64>| RegionView {
            code: "511800".to_owned(),
            name: "名山区".to_owned(),
            level: RegionLevel::District,
            parent: None,
            from_day,
            until_day,
            polygons: Vec::new(),
            is_retired: false,
            version: [0; 32],
        };
        // Of the days 10 to 19.
        let region = of(Some(10), Some(20));
        for (days, expected) in [
            ((0, 9), false),
            ((0, 10), true),
            ((10, 10), true),
            ((12, 13), true),
            // It begins and ends within.
            ((5, 25), true),
            ((i64::MIN, i64::MAX), true),
            ((19, 40), true),
            ((20, 40), false),
        ] {
            assert_eq!(overlaps(&region, days), expected, "{days:?}");
        }
        assert!(overlaps(&of(None, None), (3, 3)) && overlaps(&of(None, Some(20)), (-5, 40)));
        assert!(!overlaps(&of(None, Some(20)), (20, 20)) && overlaps(&of(Some(10), None), (0, 10)));
    }
}
