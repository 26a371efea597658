//! Reading the layers of a district's map: pages of features by ascending id, and how many there are.
//!
//! A page is a snapshot of its own. Ids never change, so a reader that goes on after the last id it has sees every feature
//! that was there throughout once, whatever syncs meanwhile. Hazards and their states are read from the tables that
//! [`super::derive`] keeps (`kept`); the others are few and are put together of the grid in memory, of what was
//! walked and done, and of devices. How an id comes to be stands in `docs/maps.md`. Start at [`page`].

mod extent;
mod kept;
mod reference;
mod unsent;
mod walked;
mod works;

use std::sync::Arc;
use std::time::Duration;

use geo::{BoundingRect as _, Coord, Intersects as _, LineString, Rect};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_protocol::codes::Code;
use sync_protocol::ids::DeviceId;

pub use extent::{Extent, extent};
pub(super) use kept::faults;

use super::derive::{days_since_1970, local_day};
use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::geometry::{Vertex, degrees};
use crate::grid::snapshot::Grid;
use crate::layers::predicate::Predicate;
use crate::layers::{Feature, Layer, Value};
use crate::store::{OfRecord, ReferenceKind, Transaction};

/// Features of one page, at most.
pub const PAGE_MOST: u32 = 10_000;
/// A count of features that a filter names is exact up to here; beyond, it is not told.
pub const COUNT_MOST: u32 = 10_000;
/// How long a first page waits for what has come to be derived, before it tells what is there.
const SETTLE: Duration = Duration::from_secs(10);

/// Which features of a layer: what is none is not asked.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of which this holds.
    pub predicate: Option<Predicate>,
    /// With a geometry that meets this box, ends included, degrees: west, south, east, north, west not beyond east.
    pub bbox: Option<[f64; 4]>,
    /// Of this time, milliseconds since 1970, ends included: hazards found then, states that held then, what was walked or
    /// done on the days of it, regions in force then.
    pub at: Option<(i64, i64)>,
    /// Of [`Layer::NotPatrolled`]: since this local day, counted from 1970-01-01; none: for [`UNPATROLLED_DAYS`].
    pub since: Option<i64>,
    /// Of [`Layer::Hazards`]: what is asked of their records.
    pub of_record: OfRecord,
    /// What whoever asks sees.
    pub sight: Sight,
}

/// Days without a patrol after which a stretch counts as not patrolled, where no day is named.
pub const UNPATROLLED_DAYS: i64 = 30;

impl Selection {
    /// Everything that is seen.
    pub const fn seen_by(sight: Sight) -> Self {
        let of_record = OfRecord::NOTHING;
        Self { predicate: None, bbox: None, at: None, since: None, of_record, sight }
    }

    /// Whether nothing is left out but what is not seen.
    pub(super) const fn is_whole(&self) -> bool {
        self.predicate.is_none() && self.bbox.is_none() && self.at.is_none() && self.of_record.is_nothing()
    }

    /// Whether a feature is named by box and condition.
    fn takes(&self, layer: Layer, feature: &Feature) -> bool {
        self.bbox.is_none_or(|bbox| meets(feature, bbox))
            && self.predicate.as_ref().is_none_or(|predicate| predicate.holds(layer, feature))
    }
}

fn meets(feature: &Feature, [west, south, east, north]: [f64; 4]) -> bool {
    let within = Rect::new(Coord { x: west, y: south }, Coord { x: east, y: north });
    let near = |it: &geo::Geometry<f64>| it.bounding_rect().is_some_and(|bounds| bounds.intersects(&within));
    feature.geometry.as_ref().is_some_and(|geometry| near(geometry) && geometry.intersects(&within))
}

/// What features are put together of besides what is read: the grid in force, the time, the server's own device.
#[derive(Clone, Debug)]
pub struct Moment {
    grid: Arc<Grid>,
    now_ms: i64,
    own: DeviceId,
}

impl Moment {
    /// Now.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(engine: &Arc<Engine>, district: &District) -> Result<Self, SyncError> {
        let grid = engine.grid(district).await?;
        Ok(Self { grid, now_ms: engine.clock.now_ms(), own: engine.own_device(district) })
    }

    /// The versions of lines and of regions.
    pub fn grid(&self) -> (u64, u64) {
        self.grid.basis
    }

    /// The local day of it, counted from 1970-01-01.
    pub fn today(&self, district: &District) -> i64 {
        let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
        days_since_1970(local_day(self.now_ms, &zone))
    }
}

/// A snapshot of the store, and the grid that is in force in it.
///
/// # Errors
/// The store's.
pub async fn snapshot(engine: &Arc<Engine>, district: &District) -> Result<(Transaction, Moment), SyncError> {
    loop {
        let moment = Moment::of(engine, district).await?;
        let mut reading = engine.store.read().await?;
        let lines = reading.reference_version(district.key, ReferenceKind::Grid).await?;
        let regions = reading.reference_version(district.key, ReferenceKind::Regions).await?;
        // Another where something was imported in between: that is rare, and takes seconds.
        if (lines.unwrap_or_default().0, regions.unwrap_or_default().0) == moment.grid() {
            return Ok((reading, moment));
        }
    }
}

/// The features after an id, ascending, at most `limit` and at most [`PAGE_MOST`]; fewer only where there are no more.
/// The first page waits a little for what has come to be derived.
///
/// # Errors
/// [`Code::Forbidden`] where the layer is not seen; the store's.
pub async fn page(
    engine: &Arc<Engine>,
    district: &District,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    require(layer, &selection.sight)?;
    if after.is_none() {
        settle(engine, district).await?;
    }
    match layer {
        Layer::Hazards | Layer::HazardStates => {
            kept::page(engine, district, layer, selection, after, limit.min(PAGE_MOST)).await
        }
        Layer::Lines
        | Layer::Structures
        | Layer::Patrolled
        | Layer::NotPatrolled
        | Layer::Works
        | Layer::Regions
        | Layer::Unsent => {
            let moment = Moment::of(engine, district).await?;
            let mut reading = engine.store.read().await?;
            page_in(&mut reading, &moment, district, layer, selection, after, limit).await
        }
    }
}

/// A page of the snapshot that is being read, with the grid of a moment. Waits for nothing.
///
/// # Errors
/// [`Code::Forbidden`] where the layer is not seen; the store's.
pub async fn page_in(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    require(layer, &selection.sight)?;
    let limit = limit.min(PAGE_MOST);
    match layer {
        Layer::Hazards | Layer::HazardStates => {
            kept::page_in(reading, district, layer, selection, after, limit).await
        }
        Layer::Lines | Layer::Structures | Layer::Regions => {
            Ok(reference::page(moment, district, layer, selection, after, limit))
        }
        Layer::Patrolled => walked::page(reading, moment, district, selection, after, limit).await,
        Layer::NotPatrolled => {
            let all = walked::not_patrolled(reading, moment, district, selection).await?;
            Ok(cut(all, layer, selection, after, limit))
        }
        Layer::Works => works::page(reading, moment, district, selection, after, limit).await,
        Layer::Unsent => {
            Ok(cut(unsent::features(reading, moment, district).await?, layer, selection, after, limit))
        }
    }
}

/// The feature of an id; none where there is none that is seen.
///
/// # Errors
/// [`Code::Forbidden`] where the layer is not seen; the store's.
pub async fn one(
    engine: &Arc<Engine>,
    district: &District,
    layer: Layer,
    sight: &Sight,
    id: i64,
) -> Result<Option<Feature>, SyncError> {
    let selection = Selection::seen_by(sight.clone());
    let after = Some(id.saturating_sub(1));
    let found = page(engine, district, layer, &selection, after, 1).await?;
    Ok(found.into_iter().find(|feature| feature.id == id))
}

/// How many features a selection names: always where it names all of a layer, otherwise where they are at most
/// [`COUNT_MOST`] and few enough rows must be looked at to know.
///
/// # Errors
/// [`Code::Forbidden`] where the layer is not seen; the store's.
pub async fn count(
    engine: &Arc<Engine>,
    district: &District,
    layer: Layer,
    selection: &Selection,
) -> Result<Option<u64>, SyncError> {
    require(layer, &selection.sight)?;
    if matches!(layer, Layer::Hazards | Layer::HazardStates) {
        return kept::count(engine, district, layer, selection).await;
    }
    let moment = Moment::of(engine, district).await?;
    let mut reading = engine.store.read().await?;
    let counted = |features: Vec<Feature>| {
        let found = features.iter().filter(|feature| selection.takes(layer, feature)).count();
        Some(u64::try_from(found).unwrap_or(u64::MAX))
    };
    match layer {
        Layer::Hazards | Layer::HazardStates => Ok(None),
        Layer::Lines | Layer::Structures | Layer::Regions => {
            Ok(Some(reference::count(&moment, district, layer, selection)))
        }
        Layer::Patrolled => walked::count(&mut reading, &moment, district, selection).await,
        Layer::NotPatrolled => {
            Ok(counted(walked::not_patrolled(&mut reading, &moment, district, selection).await?))
        }
        Layer::Works => works::count(&mut reading, &moment, district, selection).await,
        Layer::Unsent => Ok(counted(unsent::features(&mut reading, &moment, district).await?)),
    }
}

/// Whether a layer is seen at all: a unit's people see their hazards, and the grid.
pub const fn is_seen(layer: Layer, sight: &Sight) -> bool {
    match layer {
        Layer::Hazards | Layer::Lines | Layer::Structures | Layer::Regions => true,
        Layer::HazardStates | Layer::Patrolled | Layer::NotPatrolled | Layer::Works | Layer::Unsent => {
            matches!(sight, Sight::District)
        }
    }
}

fn require(layer: Layer, sight: &Sight) -> Result<(), SyncError> {
    if is_seen(layer, sight) { Ok(()) } else { Err(SyncError::Refused(Code::Forbidden)) }
}

/// Waits until what has come is derived, but not for ever.
async fn settle(engine: &Arc<Engine>, district: &District) -> Result<(), SyncError> {
    match tokio::time::timeout(SETTLE, engine.follow_until_current(district)).await {
        Ok(followed) => followed,
        // Much has come: the map is as it is.
        Err(_elapsed) => Ok(()),
    }
}

/// A page of features that are all there.
fn cut(
    mut all: Vec<Feature>,
    layer: Layer,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Vec<Feature> {
    all.retain(|feature| after.is_none_or(|after| feature.id > after) && selection.takes(layer, feature));
    all.sort_by_key(|feature| feature.id);
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    all
}

/// The local days of an interval of milliseconds, ends included; from what no calendar has, on or before everything.
fn days(district: &District, at: Option<(i64, i64)>) -> (i64, i64) {
    let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
    let day = |at_ms: i64| match Timestamp::from_millisecond(at_ms) {
        Ok(_) => days_since_1970(local_day(at_ms, &zone)),
        Err(_source) if at_ms < 0 => i64::MIN,
        Err(_source) => i64::MAX,
    };
    at.map_or((i64::MIN, i64::MAX), |(from_ms, to_ms)| (day(from_ms), day(to_ms)))
}

/// A chain of positions; none where there are fewer than two.
fn chain(vertices: &[Vertex]) -> Option<LineString<f64>> {
    (vertices.len() > 1)
        .then(|| vertices.iter().map(|(lat, lon)| Coord { x: degrees(*lon), y: degrees(*lat) }).collect())
}

fn text(text: Option<impl Into<String>>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

fn real(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Real)
}

/// Kilovolts of volts.
fn kilovolts(volts: u32) -> f64 {
    f64::from(volts) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_sees_hazards_and_the_grid_and_a_district_everything() {
        let unit = Sight::Units(std::collections::BTreeSet::new());
        let seen: Vec<&str> =
            Layer::ALL.iter().filter(|layer| is_seen(**layer, &unit)).map(|layer| layer.name()).collect();
        assert_eq!(seen, ["hazards", "lines", "structures", "regions"]);
        assert!(Layer::ALL.iter().all(|layer| is_seen(*layer, &Sight::District)));
    }
}
