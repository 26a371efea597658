//! What patrols walked and works treated along lines. Pure.
//!
//! A patrol's stretches come of its track, whatever the order in which the pieces came; a work's of its drawing, its
//! chainages or the structures it names, in that order.

use jiff::ToSpan as _;
use jiff::civil::Date;
use sync_protocol::cbor::Raw;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;
use sync_protocol::prepass;
use sync_protocol::view::View;
use uuid::Uuid;

use super::Context;
use super::facts::{day_of, days_since_1970, is_believed, local_day, text};
use super::hazards::{named_line, structure_named};
use crate::geometry::{Fix, Intervals, Piece, Walked, clean, follow};
use crate::layers;
use crate::report::rows::StretchKind;
use crate::store::{RecordRow, StoredOperation, StretchRow};

/// A walk longer than this in days is no walk but a clock that stood wrong; it counts on its first day.
pub(super) const LONGEST_DAYS: i64 = 7;

/// What a patrol or a work comes to.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) rows: Vec<StretchRow>,
    /// The line of most of it.
    pub(super) line: Option<Uuid>,
    /// Who opened the record, where its operations were read.
    pub(super) person: Option<PersonId>,
    /// Whether it was found on the grid.
    pub(super) is_located: bool,
}

impl Walk {
    fn of(rows: Vec<StretchRow>, person: Option<PersonId>) -> Self {
        let line = rows.iter().max_by_key(|row| (row.to_mm - row.from_mm, row.line)).map(|row| row.line);
        Self { line, person, is_located: !rows.is_empty(), rows }
    }
}

/// The stretches that a patrol's track followed.
pub(super) fn patrol(
    context: &Context,
    row: &RecordRow,
    view: &View,
    operations: &[StoredOperation],
) -> Walk {
    let mut pieces = Vec::new();
    let mut person = None;
    for stored in operations {
        let Ok(operation) = Operation::decode(&stored.bytes) else { continue };
        match operation.kind.known() {
            Some(Kind::PatrolStarted) => person = Some(operation.author),
            Some(Kind::PatrolTrack) if !view.withdrawn.contains(&stored.identity.head()) => {
                let number = operation.fields.get("piece").and_then(Raw::as_integer);
                let points = operation.fields.get("points").map(track).unwrap_or_default();
                pieces.push((number, stored.identity, points));
            }
            _ => {}
        }
    }
    let Some(index) = context.grid.index() else { return Walk { person, ..Walk::default() } };
    // Where a clock stands still the order of the pieces is all there is.
    pieces.sort_unstable_by_key(|(number, identity, _)| (*number, *identity));
    let fixes = pieces.into_iter().flat_map(|(_, _, points)| points).collect();
    let walked = follow(index, &clean(fixes));
    let rows = rows_of(context, row, StretchKind::Patrol, &walked, day_of(context, row, view));
    Walk::of(rows, person)
}

/// The stretches of a work; none where its type has none or nothing says where.
pub(super) fn work(context: &Context, row: &RecordRow, view: &View) -> Walk {
    let Some(kind) = StretchKind::parse(&text(view, "work_type")).filter(|kind| *kind != StretchKind::Patrol)
    else {
        return Walk::default();
    };
    let day = day_of(context, row, view);
    let drawn = view.shown("drawing").map(path).unwrap_or_default();
    if drawn.len() >= 2
        && let Some(index) = context.grid.index()
    {
        let walked = follow(index, &[Piece::drawn(&drawn)]);
        return Walk::of(rows_of(context, row, kind, &walked, day), None);
    }
    let stretch = named_line(context, view, None, &mut Vec::new())
        .and_then(|key| Some((context.grid.lines.get(key)?, between(context, key, view)?)));
    let rows = stretch.map(|(line, (from_mm, to_mm))| StretchRow {
        id: None,
        record: row.record,
        line: line.record.0,
        kind: kind.number(),
        day: days_since_1970(day),
        from_mm,
        to_mm,
        person: None,
    });
    Walk::of(rows.into_iter().collect(), None)
}

/// From and to along a line: by chainage, else by the structures named.
fn between(context: &Context, key: usize, view: &View) -> Option<(i64, i64)> {
    let line = context.grid.lines.get(key)?;
    let chainage = |field: &str| {
        view.shown(field)
            .and_then(Raw::as_integer)
            .and_then(|dm| i64::try_from(dm).ok())
            .map(|dm| dm.saturating_mul(100))
    };
    let structure =
        |field: &str| structure_named(line, &text(view, field)).map(|(_, chainage_mm)| chainage_mm);
    let ends = chainage("chainage_from_dm")
        .zip(chainage("chainage_to_dm"))
        .or_else(|| structure("structure_from").zip(structure("structure_to")))?;
    let length_mm = line.line.length_mm();
    let (from_mm, to_mm) = (ends.0.min(ends.1).max(0), ends.0.max(ends.1).min(length_mm));
    (from_mm < to_mm).then_some((from_mm, to_mm))
}

/// The union of what was walked, a row for each part of each line and day.
fn rows_of(
    context: &Context,
    of: &RecordRow,
    kind: StretchKind,
    walked: &[Walked],
    day: Date,
) -> Vec<StretchRow> {
    let mut by_line: std::collections::BTreeMap<(usize, i64), Intervals> = std::collections::BTreeMap::new();
    for part in walked {
        for (day, from_mm, to_mm) in by_day(context, part, day, of.received_ms) {
            by_line.entry((part.line, days_since_1970(day))).or_default().insert(from_mm, to_mm);
        }
    }
    let row = |line: Uuid, day: i64, (from_mm, to_mm): (i64, i64)| StretchRow {
        id: (kind == StretchKind::Patrol).then(|| id(of.record, line, day, from_mm)),
        record: of.record,
        line,
        kind: kind.number(),
        day,
        from_mm,
        to_mm,
        person: None,
    };
    by_line
        .iter()
        .filter_map(|((key, day), parts)| Some((context.grid.lines.get(*key)?.record.0, *day, parts)))
        .flat_map(|(line, day, parts)| parts.parts().iter().map(move |part| row(line, day, *part)))
        .collect()
}

/// The number under which maps show what was walked: 52 bits of a hash of where it begins, and of whose it is.
fn id(record: RecordId, line: Uuid, day: i64, from_mm: i64) -> i64 {
    let parts = [record.0.as_bytes().as_slice(), line.as_bytes(), &day.to_be_bytes(), &from_mm.to_be_bytes()];
    layers::id(&parts.concat())
}

/// A stretch walked past midnight, cut where the days meet: as much of it to a day as that day has of its time. What
/// has no time that can be true is of `day`.
fn by_day(context: &Context, part: &Walked, day: Date, received_ms: i64) -> Vec<(Date, i64, i64)> {
    let can_be_true =
        |(start_ms, end_ms): &(i64, i64)| [start_ms, end_ms].iter().all(|at| is_believed(**at, received_ms));
    let Some((start_ms, end_ms)) = part.start_ms.zip(part.end_ms).filter(can_be_true) else {
        return vec![(day, part.from_mm, part.to_mm)];
    };
    let (first, last) = (local_day(start_ms, &context.zone), local_day(end_ms, &context.zone));
    let days = days_since_1970(last) - days_since_1970(first);
    if !(1..=LONGEST_DAYS).contains(&days) {
        return vec![(first, part.from_mm, part.to_mm)];
    }
    let length_mm = part.to_mm - part.from_mm;
    let took = i128::from((end_ms - start_ms).max(1));
    // How much of it was walked by the end of each day.
    let mut walked_mm = 0;
    let mut parts = Vec::new();
    let mut day = first;
    while day <= last && walked_mm < length_mm {
        let next = day.checked_add(1.day()).ok();
        let midnight = next.and_then(|next| next.to_zoned_datetime(context.zone.clone()).ok());
        let until_ms = midnight.map_or(end_ms, |at| at.timestamp().as_millisecond()).min(end_ms);
        let share = i128::from(length_mm) * i128::from(until_ms - start_ms) / took;
        let by_then_mm = i64::try_from(share).unwrap_or(length_mm).clamp(walked_mm, length_mm);
        if walked_mm < by_then_mm {
            parts.push(if part.is_descending {
                (day, part.to_mm - by_then_mm, part.to_mm - walked_mm)
            } else {
                (day, part.from_mm + walked_mm, part.from_mm + by_then_mm)
            });
        }
        walked_mm = by_then_mm;
        let Some(next) = next else { break };
        day = next;
    }
    parts
}

/// The points of a track piece; what is no point is left out.
fn track(points: &Raw) -> Vec<Fix> {
    let number = |item: &[u8]| prepass::integer(item).and_then(|number| i64::try_from(number).ok());
    let fix = |point: &[u8]| {
        let parts = prepass::elements(point)?;
        let [latitude, longitude, time, rest @ ..] = parts.as_slice() else { return None };
        Some(Fix {
            time_ms: number(time),
            accuracy_dm: rest.first().and_then(|accuracy| number(accuracy)),
            lat_e7: number(latitude)?,
            lon_e7: number(longitude)?,
            segment: 0,
        })
    };
    prepass::elements(points.as_bytes()).unwrap_or_default().into_iter().filter_map(fix).collect()
}

/// The points of a drawing.
fn path(points: &Raw) -> Vec<(i64, i64)> {
    let number = |item: &&[u8]| prepass::integer(item).and_then(|number| i64::try_from(number).ok());
    let point = |point: &[u8]| match prepass::elements(point)?.as_slice() {
        [latitude, longitude] => number(latitude).zip(number(longitude)),
        _ => None,
    };
    prepass::elements(points.as_bytes()).unwrap_or_default().into_iter().filter_map(point).collect()
}
