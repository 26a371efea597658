//! Where and when the features of a layer are: a box and an interval that hold all of them, told without reading them.
//!
//! The box of hazards is that of the cells that hold one, some tens of kilometres wide; that of what stands along lines is
//! the grid's. Start at [`extent`].

use std::sync::Arc;

use geo::{BoundingRect as _, Geometry};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Moment, require, settle, unsent};
use crate::domain::District;
use crate::geometry::{GeoBox, degrees};
use crate::layers::{Feature, Layer, geojson};
use crate::report::rows::StretchKind;
use crate::store::{FactType, Transaction};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};
use crate::tiles::Tile;
use crate::tiles::count_pages::PAGE_ZOOM;

/// What holds every feature of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// West, south, east, north in degrees, WGS-84; none: nothing has a place, or it is not told.
    pub bbox: Option<[f64; 4]>,
    /// From when until when, milliseconds since 1970, both included; none of the second: until now and on. None of both:
    /// the layer has no time, nothing is in it, or it is not told.
    pub interval: Option<(i64, Option<i64>)>,
}

/// The extent of a layer, once what has come is derived, as of a first page. People of a unit are told none of the hazards': it would tell of others'.
///
/// # Errors
/// [`sync_protocol::codes::Code::Forbidden`] where the layer is not seen; the store's.
pub async fn extent(
    engine: &Arc<Engine>,
    district: &District,
    layer: Layer,
    sight: &Sight,
) -> Result<Extent, SyncError> {
    require(layer, sight)?;
    if layer == Layer::Hazards && *sight != Sight::District {
        return Ok(Extent::default());
    }
    settle(engine, district).await?;
    let moment = Moment::of(engine, district).await?;
    let mut reading = engine.store.read().await?;
    let bbox = match layer {
        Layer::Hazards | Layer::HazardStates => cells(&mut reading, district).await?,
        Layer::Lines
        | Layer::Structures
        | Layer::Patrolled
        | Layer::NotPatrolled
        | Layer::Works
        | Layer::Regions => moment.grid.reach().map(sides),
        Layer::Unsent => unsent::features(&mut reading, &moment, district).await?.iter().fold(None, grown),
    };
    let key = district.key;
    let days = match layer {
        Layer::Hazards => reading.fact_days(key, FactType::Hazard).await?,
        Layer::Patrolled => reading.stretch_days(key, StretchKind::Patrol).await?,
        Layer::Works => reading.fact_days(key, FactType::Work).await?,
        Layer::HazardStates
        | Layer::Lines
        | Layer::Structures
        | Layer::NotPatrolled
        | Layer::Regions
        | Layer::Unsent => None,
    };
    let interval = match layer {
        // Receipts: none is older than the district's first change, and the last state goes on.
        Layer::HazardStates if bbox.is_some() => Some((reading.moment_of_change(key, 1).await?, None)),
        _ => days.and_then(|days| moments(district, days)),
    };
    Ok(Extent { bbox, interval })
}

/// The box of the cells that hold a hazard.
async fn cells(reading: &mut Transaction, district: &District) -> Result<Option<[f64; 4]>, SyncError> {
    let pages = reading.hazard_pages(district.key).await?;
    let down = 62 - 2 * u32::from(PAGE_ZOOM);
    let tiles = pages.into_iter().filter_map(|page| Tile::of_place(page << down, PAGE_ZOOM));
    Ok(tiles.map(|tile| tile.bounds(0.0)).reduce(both))
}

fn sides(GeoBox(sides): GeoBox) -> [f64; 4] {
    let [south, west, north, east] = sides.map(degrees);
    [west, south, east, north]
}

fn both(one: [f64; 4], other: [f64; 4]) -> [f64; 4] {
    let ([w, s, e, n], [west, south, east, north]) = (one, other);
    [w.min(west), s.min(south), e.max(east), n.max(north)]
}

fn grown(known: Option<[f64; 4]>, feature: &Feature) -> Option<[f64; 4]> {
    let Some(bounds) = feature.geometry.as_ref().and_then(Geometry::bounding_rect) else { return known };
    let own = [bounds.min().x, bounds.min().y, bounds.max().x, bounds.max().y];
    Some(known.map_or(own, |known| both(known, own)))
}

/// The first and the last millisecond of local days; none beyond the calendar.
fn moments(district: &District, (first, last): (i64, i64)) -> Option<(i64, Option<i64>)> {
    let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
    let start = |day: Date| Some(day.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond());
    let end = geojson::date(last)?.tomorrow().ok()?;
    Some((start(geojson::date(first)?)?, Some(start(end)? - 1)))
}
