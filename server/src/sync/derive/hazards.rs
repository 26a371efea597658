//! Where a hazard stands on the grid, and what its measured clearance suggests. Pure.
//!
//! What the inspector named by hand wins: line, then span. A contradiction with the position is a note for the office.
//! The rules of matching are in `docs/geometry.md`, those of clearance in `rules`.

use sync_protocol::cbor::Raw;
use sync_protocol::operation::Position;
use sync_protocol::reference::LineView;
use sync_protocol::view::View;

use super::Context;
use super::facts::{day_of, text};
use super::notes::Note;
use crate::geometry::{Certainty, GridIndex, MatchOptions, Side, Span};
use crate::grid::snapshot::GridRow;
use crate::rules::clearance::{self, Measured, Suggestion};
use crate::rules::voltage::{self, Assumption, VoltageReading};
use crate::rules::{Cover, Severity};
use crate::store::{OnLine, PlacementRow, RecordRow};

/// Further from the line that was named than this and twice the accuracy of the fix, while another line is near,
/// is a contradiction.
const CONTRADICTION_MM: i64 = 100_000;
/// A fix whose accuracy is not known is taken to be so good: a phone under canopy (domain §6).
const UNKNOWN_ACCURACY_DM: i64 = 300;
/// An accuracy worse than this means no more than this.
const WORST_ACCURACY_DM: i64 = 1_000_000;

/// Where a record shows itself to be, unless that is a position that means "place unknown".
pub(super) fn position(context: &Context, view: &View) -> Option<Position> {
    let position: Position = view.shown("position")?.decode()?;
    let is_default = context.default_positions.contains(&(position.lat_e7, position.lon_e7));
    (!is_default).then_some(position)
}

/// Where a hazard stands.
pub(in crate::sync) fn placement(context: &Context, row: &RecordRow, view: &View) -> PlacementRow {
    let mut notes = Vec::new();
    let position = position(context, view);
    if position.is_none() && view.shown("position").is_some_and(|value| !value.is_null()) {
        notes.push(Note::PositionDefault);
    }
    let named = named_line(context, view, position.as_ref(), &mut notes);
    let by_position = position.as_ref().and_then(|position| located(context, position));
    let mut on_line = match (named, position.as_ref()) {
        (Some(key), Some(position)) => {
            let mut own = on_named(context, key, position);
            if let (Some(own), Some(other)) = (&mut own, &by_position)
                && other.line != own.line
            {
                own.rival = Some((other.line, other.offset_mm));
                let reach_mm = CONTRADICTION_MM + 2 * accuracy_mm(position);
                if own.offset_mm > reach_mm && other.offset_mm < own.offset_mm {
                    notes.push(Note::LineContradicts);
                }
            }
            own
        }
        (Some(key), None) => named_alone(context, key),
        (None, _) => by_position,
    };
    let line = on_line.as_ref().and_then(|at| context.line(at.line));
    if let (Some(at), Some(line)) = (&mut on_line, line) {
        apply_named_span(at, line, view, position.as_ref(), &mut notes);
        at.in_zone = zone(context, row, view, line, position.is_some().then_some(at.offset_mm));
        let is_long = line.line.span_at(at.chainage_mm).is_some_and(|span| span.is_untraced());
        if is_long && position.is_some() {
            notes.push(Note::Untraced);
        }
    }
    let in_zone = on_line.as_ref().and_then(|at| at.in_zone);
    let suggestion = suggestion(context, row, view, line.map(|line| &line.view), in_zone);
    let notes: Vec<&str> = notes.into_iter().map(Note::code).collect();
    PlacementRow {
        record: row.record,
        on_line,
        is_named: named.is_some(),
        notes: notes.join(" "),
        suggested: suggestion.as_ref().map(|suggestion| suggestion.severity.as_str().to_owned()),
        reasons: suggestion.and_then(|suggestion| serde_json::to_string(&suggestion).ok()),
    }
}

/// The line that was named by number or name, as its key.
pub(super) fn named_line(
    context: &Context,
    view: &View,
    position: Option<&Position>,
    notes: &mut Vec<Note>,
) -> Option<usize> {
    let (number, name) = (text(view, "line_id"), text(view, "line_name"));
    let lines = context.grid.lines.iter().enumerate();
    let of_number: Vec<usize> = lines
        .clone()
        .filter(|(_, line)| !number.is_empty() && line.view.external_id == number)
        .map(|(key, _)| key)
        .collect();
    if let [only] = of_number.as_slice() {
        return Some(*only);
    }
    let of_name: Vec<usize> = lines
        .filter(|(_, line)| !name.is_empty() && line.view.name.as_deref().map(str::trim) == Some(name.trim()))
        .map(|(key, _)| key)
        .collect();
    match of_name.as_slice() {
        [] => {
            if !(number.is_empty() && name.is_empty()) {
                notes.push(Note::LineUnknown);
            }
            None
        }
        [only] => Some(*only),
        several => {
            notes.push(Note::LineAmbiguous);
            let index = context.grid.index()?;
            let offset = |key: &usize| {
                let hit = position.and_then(|at| index.on_line(*key, at.lat_e7, at.lon_e7));
                hit.map_or(i64::MAX, |hit| hit.offset_mm)
            };
            several.iter().copied().min_by_key(|key| (offset(key), *key))
        }
    }
}

/// None where it is not known. A device may say any number: beyond a hundred kilometres all mean the same.
pub(super) fn accuracy_dm(position: &Position) -> Option<i64> {
    position
        .accuracy_dm
        .map(|accuracy| i64::try_from(accuracy).unwrap_or(WORST_ACCURACY_DM).min(WORST_ACCURACY_DM))
}

fn accuracy_mm(position: &Position) -> i64 {
    accuracy_dm(position).unwrap_or(UNKNOWN_ACCURACY_DM) * 100
}

fn located(context: &Context, position: &Position) -> Option<OnLine> {
    let accuracy_dm = accuracy_dm(position);
    let index: &GridIndex = context.grid.index()?;
    let found = index.locate(position.lat_e7, position.lon_e7, accuracy_dm, MatchOptions::default())?;
    let line = context.grid.lines.get(found.line)?;
    let rival = found
        .rival
        .and_then(|(key, offset_mm)| context.grid.lines.get(key).map(|line| (line.record.0, offset_mm)));
    let span = found.span;
    Some(OnLine {
        certainty: found.certainty.number(),
        side: found.side.number(),
        rival,
        ..on(line, span, found.chainage_mm, found.offset_mm)
    })
}

/// On the line that was named, at the point nearest to the position.
fn on_named(context: &Context, key: usize, position: &Position) -> Option<OnLine> {
    let line = context.grid.lines.get(key)?;
    let index = context.grid.index()?;
    let hit = index.on_line(key, position.lat_e7, position.lon_e7)?;
    let side = index.side_of(key, position.lat_e7, position.lon_e7).map_or(0, Side::number);
    let span = line.line.span_at(hit.chainage_mm)?;
    let certainty = Certainty::Certain.number();
    Some(OnLine { side, certainty, ..on(line, span, hit.chainage_mm, hit.offset_mm) })
}

/// On the line that was named, with nothing known of where.
fn named_alone(context: &Context, key: usize) -> Option<OnLine> {
    let line = context.grid.lines.get(key)?;
    let span = line.line.span_at(0)?;
    let nowhere = OnLine { structure_from: None, structure_to: None, ..on(line, span, 0, 0) };
    Some(OnLine { certainty: Certainty::Doubtful.number(), ..nowhere })
}

fn on(line: &GridRow, span: Span, chainage_mm: i64, offset_mm: i64) -> OnLine {
    OnLine {
        line: line.record.0,
        span: i64::try_from(span.index).unwrap_or(i64::MAX),
        structure_from: number_of(&line.view, span.structure_from),
        structure_to: number_of(&line.view, span.structure_to),
        chainage_mm,
        offset_mm,
        side: 0,
        in_zone: None,
        certainty: Certainty::Doubtful.number(),
        rival: None,
    }
}

/// 杆号; where the structure has none, what it is called where it came from.
fn number_of(line: &LineView, structure: Option<usize>) -> Option<String> {
    let structure = line.structures.get(structure?)?;
    structure.number.clone().or_else(|| structure.external_id.clone())
}

/// The span between structures that were named, where the line has them.
fn apply_named_span(
    at: &mut OnLine,
    line: &GridRow,
    view: &View,
    position: Option<&Position>,
    notes: &mut Vec<Note>,
) {
    let numbers = [text(view, "structure_from"), text(view, "structure_to")];
    if numbers.iter().all(String::is_empty) {
        return;
    }
    let found: Vec<(usize, i64)> = numbers
        .iter()
        .filter(|number| !number.is_empty())
        .filter_map(|number| structure_named(line, number))
        .collect();
    let wanted = numbers.iter().filter(|number| !number.is_empty()).count();
    if found.len() < wanted {
        notes.push(Note::StructureUnknown);
    }
    let chainages = found.iter().map(|(_, chainage_mm)| *chainage_mm);
    let Some((from_mm, to_mm)) = chainages.clone().min().zip(chainages.max()) else { return };
    let (low_mm, high_mm) = if from_mm < to_mm { (from_mm, to_mm) } else { beside(line, from_mm) };
    let slack_mm = position.map_or(0, accuracy_mm);
    let is_beside = (low_mm - slack_mm..=high_mm + slack_mm).contains(&at.chainage_mm);
    at.chainage_mm = match position {
        // What the fix may be off by is no contradiction.
        Some(_) if is_beside => at.chainage_mm.clamp(low_mm, high_mm),
        // By hand it is between these: half-way, where the position does not say better.
        Some(_) | None => from_mm + (to_mm - from_mm) / 2,
    };
    if position.is_some() && !is_beside {
        notes.push(Note::SpanContradicts);
    }
    // At a structure the lower span is given: the one that was named lies above its own lower end.
    if let Some(span) = line.line.span_at(at.chainage_mm.max(low_mm + 1)) {
        at.span = i64::try_from(span.index).unwrap_or(i64::MAX);
        at.structure_from = number_of(&line.view, span.structure_from);
        at.structure_to = number_of(&line.view, span.structure_to);
    }
    if position.is_none() {
        at.certainty = Certainty::Certain.number();
    }
}

/// From the structure before one to the structure after it: where a hazard is that was named by one structure alone.
fn beside(line: &GridRow, chainage_mm: i64) -> (i64, i64) {
    let before = line.line.span_at(chainage_mm).map_or(chainage_mm, |span| span.from_mm);
    let after = line.line.span_at(chainage_mm + 1).map_or(chainage_mm, |span| span.to_mm);
    (before.min(chainage_mm), after.max(chainage_mm))
}

/// The structure of a number on a line: its ordinal and chainage. `045#`, `N045` and `45` are one number.
pub(super) fn structure_named(line: &GridRow, number: &str) -> Option<(usize, i64)> {
    let wanted = plain_number(number);
    let is_wanted = |known: &Option<String>| {
        known.as_deref().is_some_and(|known| known == number || plain_number(known) == wanted)
    };
    let (ordinal, structure) = line
        .view
        .structures
        .iter()
        .enumerate()
        .find(|(_, it)| is_wanted(&it.number) || it.external_id.as_deref() == Some(number))?;
    Some((ordinal, i64::try_from(structure.chainage_mm).ok()?))
}

/// A structure number without what people write around it: `N045`, `045#`, `45号` are `45`; `45+1` stays apart.
fn plain_number(number: &str) -> String {
    let kept = number.trim().trim_start_matches(['N', 'n', '#']).trim_end_matches(['#', '号', '杆', '塔']);
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() { "0".to_owned() } else { kept.to_owned() }
}

/// Whether a place beside a line is inside the protection zone of its voltage.
fn zone(
    context: &Context,
    row: &RecordRow,
    view: &View,
    line: &GridRow,
    offset_mm: Option<i64>,
) -> Option<bool> {
    let class = line.view.class.as_deref()?;
    let width_dm = context.rules.zone_dm(class, day_of(context, row, view))?;
    Some(offset_mm? <= i64::from(width_dm) * 100)
}

fn suggestion(
    context: &Context,
    row: &RecordRow,
    view: &View,
    line: Option<&LineView>,
    is_in_zone: Option<bool>,
) -> Option<Suggestion> {
    let whole =
        |field: &str| view.shown(field).and_then(Raw::as_integer).and_then(|value| u32::try_from(value).ok());
    let said = text(view, "voltage");
    let voltage = if said.is_empty() {
        line.map_or_else(VoltageReading::default, of_line)
    } else {
        voltage::read_by(&context.rules, &said)
    };
    let forest = view.shown("forest").and_then(Raw::as_bool);
    let measured = Measured {
        kind: Some(text(view, "type")).filter(|kind| !kind.is_empty()),
        cover: forest.map(|is_forest| if is_forest { Cover::Forest } else { Cover::Street }),
        conductor: Some(text(view, "conductor")).filter(|conductor| !conductor.is_empty()),
        vertical_dm: whole("vertical_dm"),
        horizontal_dm: whole("horizontal_dm"),
        tree_height_dm: whole("tree_height_dm"),
        is_in_zone,
        ..Measured::on(day_of(context, row, view), voltage)
    };
    clearance::grade(&context.rules, &measured)
}

/// The voltage class of the line that a hazard stands on: as it was said, else as its line has it.
pub(super) fn class(context: &Context, row: &RecordRow, view: &View) -> Option<String> {
    let said = text(view, "voltage");
    if !said.is_empty() {
        return voltage::read_by(&context.rules, &said).class;
    }
    let line = placement(context, row, view).on_line?.line;
    context.line(line)?.view.class.clone()
}

/// What the import read of a line's voltage.
fn of_line(line: &LineView) -> VoltageReading {
    let assumptions = Assumption::ALL.iter().copied();
    VoltageReading {
        volts: line.volts.clone(),
        taken_v: line.volts.first().copied(),
        class: line.class.clone(),
        assumptions: assumptions.filter(|it| line.assumptions.iter().any(|code| code == it.code())).collect(),
    }
}

/// What shows, where the rules suggest a severity: never less than what a person set.
pub(in crate::sync) fn worse(set: Option<&str>, suggested: Option<&str>) -> Option<Severity> {
    clearance::worse(set.map(Severity::of_term), suggested.map(Severity::of_term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_is_known_by_its_number_however_it_is_written() {
        for number in ["N045", "045#", "45", "45号", " 045 "] {
            assert_eq!(plain_number(number), "45", "{number}");
        }
        assert_ne!(plain_number("45+1"), plain_number("45"));
        assert_eq!(plain_number("000"), "0");
    }
}
