//! What the report counts of one record, and everything that a step derives. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::{Kind, RecordType};
use sync_protocol::view::{View, Writer};

use super::pairs::Pairs;
use super::stretches::{LONGEST_DAYS, Walk};
use super::{Context, cases, guarded, hazards, stretches};
use crate::domain::{Collection, DistrictKey};
use crate::lifecycle::Past;
use crate::store::{
    CaseRow, FactRow, FactType, PlacementRow, RecordRow, StoreError, StretchRow, Transaction,
};
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

/// Everything derived of a window of records.
#[derive(Debug, Default)]
pub(super) struct Derived {
    placements: Vec<PlacementRow>,
    cases: Vec<CaseRow>,
    facts: Vec<FactRow>,
    stretches: Vec<StretchRow>,
    /// Records whose stretches are made anew. Whatever they seemed to be before, they are no hazards.
    walked: Vec<RecordId>,
    /// Hazards: they have no stretches.
    no_walks: Vec<RecordId>,
    pairs: Pairs,
    gone: Vec<RecordId>,
}

impl Derived {
    /// Derives a window.
    pub(super) fn of(
        context: &Context,
        rows: &[RecordRow],
        mut walks: BTreeMap<RecordId, Walk>,
        mut pasts: BTreeMap<RecordId, Vec<Past>>,
        pairs: Pairs,
    ) -> Self {
        let mut derived = Self { pairs, ..Self::default() };
        for row in rows {
            if row.is_gone() {
                derived.gone.push(row.record);
                continue;
            }
            if row.collection != Collection::Records.number() {
                continue;
            }
            let Some(view) = View::decode(&row.view) else { continue };
            let walk = walks.remove(&row.record);
            let is_walked = view.record_type != Some(RecordType::Patrol) || walk.is_some();
            let past = pasts.remove(&row.record).unwrap_or_default();
            let whole = || Self::of_record(context, row, &view, walk.unwrap_or_default(), &past);
            // What cannot be placed still counts.
            let unplaced = || Self::unplaced(context, row, &view);
            let one = if is_walked { guarded(row.record, whole) } else { None };
            derived.append(one.or_else(|| guarded(row.record, unplaced)).unwrap_or_default());
        }
        derived
    }

    /// Derives one record; of a patrol, with what it walked.
    fn of_record(context: &Context, row: &RecordRow, view: &View, walk: Walk, past: &[Past]) -> Self {
        let mut derived = Self::default();
        let Some(fact_type) = fact_type(view.record_type) else {
            // What was said of it before it was known to be one made it look like a hazard.
            derived.gone.push(row.record);
            return derived;
        };
        let walk = match fact_type {
            FactType::Hazard => {
                derived.hazard(context, row, view);
                let (case, _) = cases::case_of(context, row, view, past, context.as_of_ms);
                derived.cases.push(cases::row_of(row, view, &case));
                return derived;
            }
            // The office has no act on these: what its author took back counts nowhere.
            _ if is_withdrawn(view) => {
                derived.gone.push(row.record);
                return derived;
            }
            FactType::Patrol => walk,
            FactType::Work => stretches::work(context, row, view),
            FactType::Inspection | FactType::Activity => Walk::default(),
        };
        derived.walk(context, row, view, fact_type, walk);
        derived
    }

    /// Where on the grid it is cannot be told.
    fn unplaced(context: &Context, row: &RecordRow, view: &View) -> Self {
        let mut derived = Self::default();
        let Some(fact_type) = fact_type(view.record_type) else { return derived };
        let amounts = if fact_type == FactType::Hazard { "{}".to_owned() } else { amounts(view, false) };
        derived.facts.push(FactRow {
            subtype: subtype(view, fact_type),
            is_supervised: is_supervised(view, fact_type),
            amounts,
            ..fact_in(context, row, view, fact_type, text(view, "township"))
        });
        derived
    }

    fn append(&mut self, one: Self) {
        self.placements.extend(one.placements);
        self.cases.extend(one.cases);
        self.facts.extend(one.facts);
        self.stretches.extend(one.stretches);
        self.walked.extend(one.walked);
        self.no_walks.extend(one.no_walks);
        self.gone.extend(one.gone);
    }

    fn hazard(&mut self, context: &Context, row: &RecordRow, view: &View) {
        let placement = hazards::placement(context, row, view);
        let line = placement.on_line.as_ref().map(|at| at.line);
        self.facts.push(FactRow {
            line,
            subtype: subtype(view, FactType::Hazard),
            is_supervised: is_supervised(view, FactType::Hazard),
            amounts: "{}".to_owned(),
            ..fact(context, row, view, FactType::Hazard)
        });
        self.placements.push(placement);
        self.no_walks.push(row.record);
    }

    fn walk(&mut self, context: &Context, row: &RecordRow, view: &View, fact_type: FactType, walk: Walk) {
        self.walked.push(row.record);
        let person = walk.person.or_else(|| opener(view));
        self.stretches.extend(walk.rows.into_iter().map(|stretch| StretchRow { person, ..stretch }));
        self.facts.push(FactRow {
            line: walk.line,
            subtype: subtype(view, fact_type),
            person,
            amounts: amounts(view, walk.is_located),
            ..fact(context, row, view, fact_type)
        });
    }

    /// Writes everything.
    pub(super) async fn write(
        &self,
        transaction: &mut Transaction,
        district: DistrictKey,
    ) -> Result<(), StoreError> {
        transaction.delete_derived(district, &self.gone).await?;
        transaction.upsert_placements(district, &self.placements).await?;
        transaction.upsert_cases(district, &self.cases).await?;
        transaction.upsert_facts(district, &self.facts).await?;
        transaction.delete_cases(district, &self.walked).await?;
        transaction.delete_placements(district, &self.walked).await?;
        transaction.delete_stretches(district, &self.walked).await?;
        transaction.delete_stretches(district, &self.no_walks).await?;
        transaction.insert_stretches(district, &self.stretches).await?;
        let Pairs { compared, bare, traits, proposals } = &self.pairs;
        transaction.delete_traits(district, bare).await?;
        transaction.upsert_traits(district, traits).await?;
        transaction.delete_proposals(district, compared).await?;
        transaction.upsert_proposals(district, proposals).await
    }
}

/// A hazard that was found by a supervisory inspection.
fn is_supervised(view: &View, fact_type: FactType) -> bool {
    fact_type == FactType::Hazard && view.shown("inspection").is_some_and(|value| !value.is_null())
}

/// The category of a hazard, the type of a work or an activity.
fn subtype(view: &View, fact_type: FactType) -> String {
    match fact_type {
        FactType::Hazard => text(view, "category"),
        FactType::Work => text(view, "work_type"),
        FactType::Activity => text(view, "activity_type"),
        FactType::Patrol | FactType::Inspection => String::new(),
    }
}

fn fact(context: &Context, row: &RecordRow, view: &View, fact_type: FactType) -> FactRow {
    fact_in(context, row, view, fact_type, township(context, row, view))
}

fn fact_in(
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
const fn fact_type(record_type: Option<RecordType>) -> Option<FactType> {
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
pub(super) fn found_ms(view: &View, received_ms: i64) -> i64 {
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
pub(super) fn local_day(at_ms: i64, zone: &TimeZone) -> Date {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned_datetime(zone.clone()).date()
}

/// A day, counted from 1970-01-01.
pub(super) fn days_since_1970(day: Date) -> i64 {
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
fn opener(view: &View) -> Option<PersonId> {
    opening(view).map(|writer| writer.author)
}

fn opening(view: &View) -> Option<&Writer> {
    let opens = |kind: &str| Kind::parse(kind).is_some_and(Kind::opens);
    view.writers.iter().find(|writer| opens(writer.kind.as_str()))
}

/// Its author took the whole record back.
fn is_withdrawn(view: &View) -> bool {
    opening(view).is_some_and(|opening| view.withdrawn.contains(&opening.head))
}

fn amounts(view: &View, is_located: bool) -> String {
    let mut amounts = serde_json::Map::new();
    for name in AMOUNTS {
        if let Some(value) = view.shown(name).filter(|value| !value.is_null()) {
            amounts.insert((*name).to_owned(), json::from_raw(value));
        }
    }
    amounts.insert("located".to_owned(), is_located.into());
    serde_json::Value::Object(amounts).to_string()
}
