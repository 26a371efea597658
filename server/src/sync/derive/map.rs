//! The row of a hazard on the map: what shows of it, where it stands, who must act on it. Pure.
//!
//! A hazard that was voided or is a duplicate keeps its row, and its state says so. What is written by hand comes before
//! what follows from the position, as everywhere. Start at [`row`].

use sync_protocol::cbor::Raw;
use sync_protocol::field::severity_rank;
use sync_protocol::kind::Kind;
use sync_protocol::reference::RegionLevel;
use sync_protocol::view::View;

use super::facts::{day_of, days_since_1970, found_ms, text};
use super::{Context, hazards};
use crate::domain::{self, Role};
use crate::geometry::place;
use crate::layers;
use crate::rules::voltage;
use crate::store::{CaseRow, MapHazardRow, OnLine, PastOperation, PlacementRow, RecordRow, UNNUMBERED};

/// What is derived of a hazard besides; the last two are none where deriving it failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside<'a> {
    /// Its township; empty where none is known.
    pub(super) township: &'a str,
    /// Where it stands.
    pub(super) placement: Option<&'a PlacementRow>,
    /// Who must act on it.
    pub(super) case: Option<&'a CaseRow>,
}

/// The row of a hazard. `behind`: its operations, where there are several.
pub(super) fn row(
    context: &Context,
    row: &RecordRow,
    view: &View,
    beside: Beside<'_>,
    behind: &[PastOperation],
) -> MapHazardRow {
    let position = hazards::position(context, view);
    let on_line = beside.placement.and_then(|placement| placement.on_line.as_ref());
    // Named by hand and nothing else known: the line alone is.
    let at =
        on_line.filter(|at| position.is_some() || at.structure_from.is_some() || at.structure_to.is_some());
    let case = beside.case;
    let written = |field: &str| Some(text(view, field)).filter(|text| !text.is_empty());
    let structure = |of_line: Option<String>, field: &str| of_line.or_else(|| written(field));
    MapHazardRow {
        record: row.record,
        id: id(row),
        place: position.as_ref().map_or(-1, |position| place(position.lat_e7, position.lon_e7)),
        lat_e7: position.as_ref().map(|position| position.lat_e7),
        lon_e7: position.as_ref().map(|position| position.lon_e7),
        number: context.calendar.number(row.number, row.received_ms),
        found: Some(found_ms(view, row.received_ms)),
        county: county(context, row, view),
        township: Some(beside.township.to_owned()).filter(|name| !name.is_empty()),
        line_name: written("line_name").or_else(|| context.line(on_line?.line)?.view.name.clone()),
        line: on_line.map(|at| at.line.to_string()),
        voltage_v: voltage_v(context, view, on_line),
        structure_from: structure(at.and_then(|at| at.structure_from.clone()), "structure_from"),
        structure_to: structure(at.and_then(|at| at.structure_to.clone()), "structure_to"),
        chainage_mm: at.map(|at| at.chainage_mm),
        offset_mm: at.filter(|_| position.is_some()).map(|at| at.offset_mm),
        in_zone: at.and_then(|at| at.in_zone).map(i64::from),
        accuracy_mm: position.and_then(|position| hazards::accuracy_dm(&position)).map(|dm| dm * 100),
        category: written("category"),
        kind: written("type"),
        description: written("description"),
        severity_rank: i64::from(severity_rank(domain::severity(view))),
        severity: domain::severity(view).map(str::to_owned),
        major: i64::from(view.shown("major").and_then(Raw::as_bool).unwrap_or(false)),
        state: view.state.as_str().to_owned(),
        open: i64::from(view.state.is_open()),
        conflict: i64::from(!view.conflicts.is_empty()),
        provisional: i64::from(view.is_provisional),
        unit: written("responsible_unit"),
        unit_id: row.unit,
        order_number: case.and_then(|case| case.order_number.clone()),
        due: case.and_then(|case| case.due_ms),
        turn: case
            .and_then(|case| case.turn)
            .and_then(Role::from_number)
            .map(|role| role.as_str().to_owned()),
        updated: behind.iter().map(|one| one.received_ms).chain([row.received_ms]).max().unwrap_or_default(),
        change: i64::try_from(row.change).unwrap_or(i64::MAX),
    }
}

/// Its number; where it has none, because nothing says yet that it is a hazard, one that its record gives it.
fn id(row: &RecordRow) -> i64 {
    match i64::try_from(row.number) {
        Ok(0) | Err(_) => UNNUMBERED + layers::id(row.record.0.as_bytes()) / 2,
        Ok(number) => number,
    }
}

/// The county as it was written, else that of the position.
fn county(context: &Context, row: &RecordRow, view: &View) -> Option<String> {
    let written = text(view, "county");
    if !written.is_empty() {
        return Some(written);
    }
    let position = hazards::position(context, view)?;
    let day = days_since_1970(day_of(context, row, view));
    let region = context.grid.region_of(RegionLevel::District, position.lat_e7, position.lon_e7, day)?;
    Some(region.name.clone())
}

/// The voltage as it was written, else that of the line.
fn voltage_v(context: &Context, view: &View, on_line: Option<&OnLine>) -> Option<i64> {
    let said = text(view, "voltage");
    if !said.is_empty() {
        return voltage::read_by(&context.rules, &said).taken_v.map(i64::from);
    }
    context.line(on_line?.line)?.view.volts.first().copied().map(i64::from)
}

/// Whether the operations behind a hazard are needed: there are several, or the one that is there does not open it.
pub(super) fn has_several(view: &View) -> bool {
    let [head] = view.heads.as_slice() else { return true };
    let [only] = view.writers.as_slice() else { return true };
    let opens = Kind::parse(only.kind.as_str()).is_some_and(Kind::opens);
    only.head != *head || !opens
}
