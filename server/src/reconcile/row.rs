//! The row of a record, from its view: place, class, state, flags, 编号, and what it adds to the tallies. Pure.

use bytes::Bytes;
use sync_protocol::field;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::RecordType;
use sync_protocol::operation::Position;
use sync_protocol::view::{Closure, State, View};

use super::{Numbers, Plan};
use crate::domain::{Class, Collection, record_flags, state_number};
use crate::geometry;
use crate::store::RecordRow;

/// What a view alone says of its record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    collection: i64,
    class: i64,
    state: i64,
    flags: i64,
    place: Option<i64>,
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
            place: view
                .shown("position")
                .and_then(sync_protocol::cbor::Raw::decode::<Position>)
                .map(|position| geometry::place(position.lat_e7, position.lon_e7)),
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
    let Shape { collection, class, state, flags, place, is_hazard, view } = shape;
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
        view,
    }
}

fn collection(view: &View) -> Collection {
    match view.record_type {
        Some(RecordType::Device) => Collection::Devices,
        Some(RecordType::Reference) => Collection::Rules,
        _ => Collection::Records,
    }
}

/// The class of a view: a fire sighting is always critical.
pub(super) fn class(view: &View) -> Class {
    if view.shown("category").and_then(|value| value.as_text()) == Some("fire_sighting") {
        return Class::Critical;
    }
    match field::severity_rank(view.severity.as_deref()) {
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
    if !view.missing.is_empty() {
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
    let mut count = |row: &RecordRow, by: i64| {
        if row.collection != Collection::Records.number() {
            return;
        }
        plan.tally("records", by);
        if row.flags & record_flags::NOT_HAZARD != 0 {
            return;
        }
        plan.tally("hazards", by);
        if row.flags & record_flags::PROVISIONAL != 0 {
            plan.tally("provisional", by);
        }
        if row.flags & record_flags::MISSING != 0 {
            plan.tally("missing", by);
        }
        let state = State::ALL.iter().find(|state| state_number(**state) == row.state);
        if let Some(state) = state {
            plan.tally(&format!("state:{}", state.as_str()), by);
            if let (true, Some(class)) = (state.is_open(), Class::from_number(row.class)) {
                plan.tally(&format!("open:{}", class.as_str()), by);
            }
        }
    };
    if let Some(before) = before {
        count(before, -1);
    }
    count(after, 1);
}
