//! What the bytes of a file come from besides what was asked for, read in one snapshot: files are named by it, and most of
//! it stands in them. Start at [`Basis::read`].

use std::sync::Arc;
use std::time::Duration;

use geo::BoundingRect as _;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::Request;
use crate::domain::District;
use crate::exports::about::{About, Unsent};
use crate::layers::{Feature, Layer, Value};
use crate::store::Transaction;
use crate::sync::layers::{self, Selection};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// Devices named in a file.
const DEVICES: u32 = 1_000;
/// How long a file waits for what has come to be derived, before it has what is there.
const SETTLE: Duration = Duration::from_secs(20);

/// What our writers write: another number where the same features come to other bytes than before.
const WRITERS: u32 = 3;

/// A moment of the ledger, as far as a file depends on it.
pub(super) struct Basis {
    /// The snapshot of it.
    pub(super) reading: Transaction,
    /// What a snapshot is read with.
    pub(super) moment: layers::Moment,
    /// Everything that the bytes of a file come from: the same text, the same bytes.
    pub(super) text: String,
    /// What a file says of it.
    pub(super) about: About,
}

impl Basis {
    /// Waits until what has come is derived, but not for ever, and reads the moment that is then.
    pub(super) async fn read(
        engine: &Arc<Engine>,
        district: &District,
        request: &Request,
    ) -> Result<Self, SyncError> {
        tokio::time::timeout(SETTLE, engine.follow_until_current(district)).await.unwrap_or(Ok(()))?;
        let rules = engine.rules(district).await?.version().to_owned();
        let (mut reading, moment) = layers::snapshot(engine, district).await?;
        let lineage = reading.lineage(district.key).await?;
        // The last change that is derived, of the history that the ledger is of.
        let change = reading.derivation(district.key).await?.through.min(lineage.change);
        let change_ms = reading.moment_of_change(district.key, change).await?;
        let all = Selection::seen_by(Sight::District);
        let devices =
            layers::page_in(&mut reading, &moment, district, Layer::Unsent, &all, None, DEVICES).await?;
        let unsent: Vec<Unsent> = devices.iter().map(told).collect();
        let (_, map) = reading.map_version(district.key).await?;
        let names = names(&mut reading, district).await?;
        let wanted = request.layers();
        // When a phone was last heard of stands in that layer alone.
        let devices = wanted.contains(&Layer::Unsent).then_some(&devices);
        let of_days = wanted.iter().any(|layer| matches!(layer, Layer::Regions | Layer::NotPatrolled));
        let day = of_days.then(|| moment.today(district));
        let (of_district, grid) = ((&district.code, &district.name, &district.time_zone), moment.grid());
        let text = format!(
            "{WRITERS} {:?} {change} {map} {rules:?} {grid:?} {day:?} {of_district:?} {names} {unsent:?} {devices:?} {:?}",
            lineage.epoch, request.as_of_ms,
        );
        let about = About {
            district: district.name.clone(),
            code: district.code.clone(),
            zone: TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC),
            change,
            change_ms,
            rules,
            grid: format!("{}/{}", grid.0, grid.1),
            filters: said(request),
            unsent: seen(unsent, &request.sight),
        };
        Ok(Self { reading, moment, text, about })
    }
}

/// The filters as a file says them, with the moment that they depend on.
fn said(request: &Request) -> String {
    match request.as_of_ms {
        Some(at_ms) => format!("{}&overdue_at={at_ms}", request.filters),
        None => request.filters.clone(),
    }
}

/// A hash of the names of units and people, which change without a change of the ledger.
async fn names(reading: &mut Transaction, district: &District) -> Result<String, SyncError> {
    let units = reading.units(district.key).await?.into_iter().map(|unit| (unit.id, unit.name));
    let persons = reading.persons(district.key).await?.into_iter().map(|(it, _)| (it.id, it.name));
    let (units, persons): (Vec<_>, Vec<_>) = (units.collect(), persons.collect());
    Ok(hex::encode(Sha256::digest(format!("{units:?} {persons:?}"))))
}

/// What is not sent yet. A unit's people are told how much it is, not whose.
fn seen(mut unsent: Vec<Unsent>, sight: &Sight) -> Vec<Unsent> {
    if matches!(sight, Sight::Units(_)) {
        for it in &mut unsent {
            (it.device, it.people, it.boxes) = (String::new(), String::new(), Vec::new());
        }
    }
    unsent
}

fn told(feature: &Feature) -> Unsent {
    let value = |name: &str| {
        let at = Layer::Unsent.columns().iter().position(|column| column.name == name);
        at.and_then(|at| feature.values.get(at))
    };
    let text = |name: &str| match value(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let operations = match value("operations") {
        Some(Value::Integer(count)) => Some(*count),
        _ => None,
    };
    let boxes = match &feature.geometry {
        Some(geo::Geometry::MultiPolygon(polygons)) => polygons.iter().filter_map(bounds).collect(),
        _ => Vec::new(),
    };
    Unsent { device: text("device"), people: text("people"), operations, boxes }
}

fn bounds(polygon: &geo::Polygon<f64>) -> Option<[f64; 4]> {
    let bounds = polygon.bounding_rect()?;
    Some([bounds.min().x, bounds.min().y, bounds.max().x, bounds.max().y])
}
