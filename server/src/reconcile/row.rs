//! The row of a record, from its view: place, class, state, flags, 编号, and what it adds to the tallies. Pure.

use bytes::Bytes;
use sync_protocol::cbor::Raw;
use sync_protocol::field;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::RecordType;
use sync_protocol::operation::Position;
use sync_protocol::view::{Closure, State, View};
use uuid::Uuid;

use super::{Numbers, Plan};
use crate::domain::{self, Class, Collection, record_flags, state_number};
use crate::geometry;
use crate::store::RecordRow;

/// 责任单位编号.
const UNIT_FIELD: &str = "responsible_unit_id";

/// What a view alone says of its record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    collection: i64,
    class: i64,
    state: i64,
    flags: i64,
    place: Option<i64>,
    unit: Option<Uuid>,
    is_hazard: bool,
    /// The encoded view.
    view: Bytes,
}

impl Shape {
    pub(super) fn of(view: &View) -> Self {
        Self {
            collection: collection(view).number(),
            class: class(view).number(),
            state: state_number(view.state),
            flags: flags(view),
            place: place(view),
            unit: unit(view),
            is_hazard: view.record_type == Some(RecordType::Hazard),
            view: view.encode().into(),
        }
    }
}

/// The row of a record whose view has this shape.
pub(super) fn of(
    now_ms: i64,
    record: RecordId,
    row: Option<&RecordRow>,
    shape: Shape,
    change: u64,
    numbers: &mut Numbers,
) -> RecordRow {
    let Shape { collection, class, state, flags, place, unit, is_hazard, view } = shape;
    let number = match row.map_or(0, |row| row.number) {
        0 if is_hazard => numbers.next_number(),
        number => number,
    };
    let place_since = match row {
        Some(row) if row.place == place => row.place_since,
        _ => change,
    };
    let received_ms = row.map_or(now_ms, |row| row.received_ms);
    RecordRow {
        record,
        collection,
        change,
        class,
        state,
        flags,
        number,
        received_ms,
        place,
        place_since,
        unit,
        view,
    }
}

/// What is left of a record when its last operation left the folded set: its number, which is never used again, and
/// where it was, so that devices that hold it are told to let it go.
pub(super) fn gone(row: &RecordRow, change: u64) -> RecordRow {
    RecordRow {
        collection: Collection::Gone.number(),
        change,
        state: state_number(State::Held),
        flags: 0,
        unit: None,
        view: View::default().encode().into(),
        ..row.clone()
    }
}

/// Where a record is, as a key; none where its place is not known.
fn place(view: &View) -> Option<i64> {
    let position: Position = view.shown("position").and_then(Raw::decode)?;
    Some(geometry::place(position.lat_e7, position.lon_e7))
}

/// The unit that is shown to answer for a hazard: its people see it.
fn unit(view: &View) -> Option<Uuid> {
    view.shown(UNIT_FIELD).and_then(Raw::as_byte_string).and_then(|bytes| Uuid::from_slice(bytes).ok())
}

fn collection(view: &View) -> Collection {
    match view.record_type {
        Some(RecordType::Device) => Collection::Devices,
        Some(RecordType::Reference) => Collection::Rules,
        _ => Collection::Records,
    }
}

/// The class of a view, by the severity that shows.
pub(super) fn class(view: &View) -> Class {
    match field::severity_rank(domain::severity(view)) {
        3.. => Class::Critical,
        2 => Class::Serious,
        1 => Class::General,
        0 => Class::Other,
    }
}

fn flags(view: &View) -> i64 {
    let mut flags = 0;
    if view.is_provisional {
        flags |= record_flags::PROVISIONAL;
    }
    if !view.conflicts.is_empty() {
        flags |= record_flags::CONFLICT;
    }
    if view.awaited().next().is_some() {
        flags |= record_flags::MISSING;
    }
    if view.closure == Some(Closure::Pending) {
        flags |= record_flags::CLOSURE_PENDING;
    }
    if !matches!(view.record_type, Some(RecordType::Hazard) | None) {
        flags |= record_flags::NOT_HAZARD;
    }
    flags
}

pub(super) fn plan_tallies(plan: &mut Plan, before: Option<&RecordRow>, after: &RecordRow) {
    for (row, by) in before.map(|row| (row, -1)).into_iter().chain([(after, 1)]) {
        tallies(row.collection, row.flags, row.state, row.class, |name| plan.tally(name, by));
    }
}

/// The tallies in which a row of these numbers is counted, each given once.
pub fn tallies(collection: i64, flags: i64, state: i64, class: i64, mut count: impl FnMut(&str)) {
    if collection != Collection::Records.number() {
        return;
    }
    count("records");
    if flags & record_flags::NOT_HAZARD != 0 {
        return;
    }
    count("hazards");
    if flags & record_flags::PROVISIONAL != 0 {
        count("provisional");
    }
    if flags & record_flags::MISSING != 0 {
        count("missing");
    }
    let state = State::ALL.iter().find(|known| state_number(**known) == state);
    if let Some(state) = state {
        count(&format!("state:{}", state.as_str()));
        if let (true, Some(class)) = (state.is_open(), Class::from_number(class)) {
            count(&format!("open:{}", class.as_str()));
        }
    }
}

/// State, class, flags, place and unit of a row with this view.
pub fn derived(view: &View) -> (i64, i64, i64, Option<i64>, Option<Uuid>) {
    (state_number(view.state), class(view).number(), flags(view), place(view), unit(view))
}
