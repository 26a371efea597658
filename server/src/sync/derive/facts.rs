//! What the report counts of one record. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sync_protocol::ids::PersonId;
use sync_protocol::kind::{Kind, RecordType};
use sync_protocol::view::{View, Writer};

use super::stretches::LONGEST_DAYS;
use super::{Context, hazards};
use crate::store::{FactRow, FactType, RecordRow};
use crate::sync::json;

/// 2000-01-01T00:00:00Z: what is said to be older was said by a clock that stood at its beginning.
pub(in crate::sync) const EARLIEST_MS: i64 = 946_684_800_000;
/// A phone's clock may be ahead of the server's by so much before its time is not believed.
const AHEAD_MS: i64 = 24 * 3_600 * 1_000;
/// Fields of works, inspections and activities that are whole numbers the report sums, or that it groups by.
const AMOUNTS: &[&str] = &[
    "length_dm", "quantity", "funds_fen", "findings", "sessions", "people", "material", "households",
    "enterprises", "cases", "amount_fen", "project", "voltage", "unit",
];

/// A hazard that was found by a supervisory inspection.
pub(super) fn is_supervised(view: &View, fact_type: FactType) -> bool {
    fact_type == FactType::Hazard && view.shown("inspection").is_some_and(|value| !value.is_null())
}

/// The category of a hazard, the type of a work or an activity.
pub(super) fn subtype(view: &View, fact_type: FactType) -> String {
    match fact_type {
        FactType::Hazard => text(view, "category"),
        FactType::Work => text(view, "work_type"),
        FactType::Activity => text(view, "activity_type"),
        FactType::Patrol | FactType::Inspection => String::new(),
    }
}

pub(super) fn fact(context: &Context, row: &RecordRow, view: &View, fact_type: FactType) -> FactRow {
    fact_in(context, row, view, fact_type, township(context, row, view))
}

pub(super) fn fact_in(
    context: &Context,
    row: &RecordRow,
    view: &View,
    fact_type: FactType,
    township: String,
) -> FactRow {
    let day = days_since_1970(day_of(context, row, view));
    FactRow {
        record: row.record,
        record_type: fact_type.number(),
        day,
        subtype: String::new(),
        state: row.state,
        flags: row.flags,
        township,
        line: None,
        person: opener(view),
        is_supervised: false,
        amounts: String::new(),
    }
}

/// What a fact about this type of record is; none of what is no record of people's.
pub(super) const fn fact_type(record_type: Option<RecordType>) -> Option<FactType> {
    match record_type {
        None | Some(RecordType::Hazard) => Some(FactType::Hazard),
        Some(RecordType::Patrol) => Some(FactType::Patrol),
        Some(RecordType::Work) => Some(FactType::Work),
        Some(RecordType::Inspection) => Some(FactType::Inspection),
        Some(RecordType::Activity) => Some(FactType::Activity),
        Some(RecordType::Device | RecordType::Reference) => None,
    }
}

/// The time that a record says of itself, the first of these fields that it has, where that can be true: not before
/// 2000, not after its receipt by more than a day. Otherwise its receipt.
fn believed_ms(view: &View, fields: &[&str], received_ms: i64) -> i64 {
    let said = fields.iter().find_map(|name| view.shown(name)?.as_integer());
    said.and_then(|at| i64::try_from(at).ok())
        .filter(|at| (EARLIEST_MS..=received_ms.saturating_add(AHEAD_MS)).contains(at))
        .unwrap_or(received_ms)
}

/// Whether a moment of a track can be true. Its last pieces may be recorded days after the patrol began and its
/// beginning was received.
pub(super) fn is_believed(at_ms: i64, received_ms: i64) -> bool {
    (EARLIEST_MS..=received_ms.saturating_add(AHEAD_MS + LONGEST_DAYS * AHEAD_MS)).contains(&at_ms)
}

/// When a hazard was found, as far as it is believed.
pub(in crate::sync) fn found_ms(view: &View, received_ms: i64) -> i64 {
    believed_ms(view, &["found_at_ms"], received_ms)
}

/// The local day on which a record says that it was found or done.
pub(super) fn day_of(context: &Context, row: &RecordRow, view: &View) -> Date {
    let times: &[&str] = match view.record_type {
        None | Some(RecordType::Hazard) => &["found_at_ms"],
        Some(RecordType::Patrol) => &["started_at_ms", "finished_at_ms"],
        Some(_) => &["completed_at_ms", "finished_at_ms", "started_at_ms"],
    };
    local_day(believed_ms(view, times, row.received_ms), &context.zone)
}

/// The local day of a moment.
pub(in crate::sync) fn local_day(at_ms: i64, zone: &TimeZone) -> Date {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned_datetime(zone.clone()).date()
}

/// A day, counted from 1970-01-01.
pub(in crate::sync) fn days_since_1970(day: Date) -> i64 {
    Date::constant(1970, 1, 1).until(day).map_or(0, |span| i64::from(span.get_days()))
}

/// The township that a record is counted in: as it was written, else that of its position.
pub(in crate::sync) fn township(context: &Context, row: &RecordRow, view: &View) -> String {
    let day = days_since_1970(day_of(context, row, view));
    let named = text(view, "township");
    if !named.is_empty() {
        return named;
    }
    hazards::position(context, view)
        .and_then(|position| context.grid.township_of(position.lat_e7, position.lon_e7, day))
        .map(|township| township.name.clone())
        .unwrap_or_default()
}

pub(super) fn text(view: &View, field: &str) -> String {
    view.shown(field).and_then(|value| value.as_text()).unwrap_or_default().to_owned()
}

/// The author of the operation that opened the record, where the view still names it.
pub(super) fn opener(view: &View) -> Option<PersonId> {
    opening(view).map(|writer| writer.author)
}

fn opening(view: &View) -> Option<&Writer> {
    let opens = |kind: &str| Kind::parse(kind).is_some_and(Kind::opens);
    view.writers.iter().find(|writer| opens(writer.kind.as_str()))
}

/// Its author took the whole record back.
pub(super) fn is_withdrawn(view: &View) -> bool {
    opening(view).is_some_and(|opening| view.withdrawn.contains(&opening.head))
}

pub(super) fn amounts(view: &View, is_located: bool) -> String {
    let mut amounts = serde_json::Map::new();
    for name in AMOUNTS {
        if let Some(value) = view.shown(name).filter(|value| !value.is_null()) {
            amounts.insert((*name).to_owned(), json::from_raw(value));
        }
    }
    amounts.insert("located".to_owned(), is_located.into());
    serde_json::Value::Object(amounts).to_string()
}
