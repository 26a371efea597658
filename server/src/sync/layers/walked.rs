//! What was walked of the lines in force, and what was not.

use std::collections::HashMap;

use geo::Geometry;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{COUNT_MOST, Moment, Selection, UNPATROLLED_DAYS, chain, days, text};
use crate::domain::District;
use crate::geometry::{Intervals, metres};
use crate::grid::snapshot::{Grid, GridRow};
use crate::layers::{Feature, Layer, Value, apart, id};
use crate::report::rows::StretchKind;
use crate::store::{Transaction, WalkedRow};
use crate::sync::SyncError;

/// Stretches read at a time.
const BATCH: u32 = 1_000;

/// A page of what was walked.
pub(super) async fn page(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    let days = days(district, selection.at);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut after) = (Vec::new(), after);
    while page.len() < wanted {
        let rows = reading.walked(district.key, days, after, BATCH).await?;
        let is_last = u32::try_from(rows.len()).is_ok_and(|read| read < BATCH);
        after = rows.last().map(|row| row.id).or(after);
        let features = rows.iter().map(|row| walked(&moment.grid, row));
        page.extend(features.filter(|feature| selection.takes(Layer::Patrolled, feature)));
        if is_last {
            break;
        }
    }
    page.truncate(wanted);
    Ok(page)
}

/// How many stretches were walked.
pub(super) async fn count(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    selection: &Selection,
) -> Result<Option<u64>, SyncError> {
    let total = reading.count_walked(district.key, days(district, selection.at)).await?;
    if selection.predicate.is_none() && selection.bbox.is_none() {
        return Ok(Some(total));
    }
    if total > u64::from(COUNT_MOST) {
        return Ok(None);
    }
    let found = page(reading, moment, district, selection, None, COUNT_MOST).await?;
    Ok(u64::try_from(found.len()).ok())
}

fn walked(grid: &Grid, row: &WalkedRow) -> Feature {
    let line = grid.line(RecordId(row.line));
    Feature {
        id: row.id,
        record: Some(row.record.0),
        geometry: line.and_then(|line| drawn(line, row.from_mm, row.to_mm)),
        values: along(line, row.line, Value::Day(row.day), (row.from_mm, row.to_mm)),
    }
}

fn drawn(line: &GridRow, from_mm: i64, to_mm: i64) -> Option<Geometry<f64>> {
    chain(&line.line.stretch(from_mm, to_mm)).map(Geometry::from)
}

/// The values of a stretch in the order of [`Layer::columns`], which is one for what was walked and what was not.
fn along(line: Option<&GridRow>, record: Uuid, day: Value, (from_mm, to_mm): (i64, i64)) -> Vec<Value> {
    vec![
        Value::Text(record.to_string()),
        text(line.and_then(|line| line.view.name.as_deref())),
        day,
        Value::Real(metres(from_mm)),
        Value::Real(metres(to_mm)),
        Value::Real(metres(to_mm - from_mm)),
    ]
}

/// Every stretch of the lines in force that nobody walked since a day.
pub(super) async fn not_patrolled(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    selection: &Selection,
) -> Result<Vec<Feature>, SyncError> {
    let grid = &moment.grid;
    let since = selection.since.unwrap_or(moment.today(district) - UNPATROLLED_DAYS);
    let mut walked: HashMap<Uuid, Intervals> = HashMap::new();
    let rows =
        reading.stretches_of(district.key, StretchKind::Patrol, (since, i64::MAX), (None, None)).await?;
    for row in rows {
        walked.entry(row.stretch.line).or_default().insert(row.stretch.from_mm, row.stretch.to_mm);
    }
    let nothing = Intervals::new();
    let parts = grid.lines.iter().flat_map(|line| {
        let left = walked.get(&line.record.0).unwrap_or(&nothing).complement(line.line.length_mm());
        let parts: Vec<(i64, i64)> = left.parts().to_vec();
        parts.into_iter().map(move |part| (named(line.record, since, part.0), (line, part)))
    });
    let feature = |(id, (line, part)): (i64, (&GridRow, (i64, i64)))| Feature {
        id,
        record: Some(line.record.0),
        geometry: drawn(line, part.0, part.1),
        values: along(Some(line), line.record.0, Value::Day(since), part),
    };
    Ok(apart(parts).into_iter().map(feature).collect())
}

/// The id of a stretch that was not walked since a day, by where it begins.
fn named(line: RecordId, since: i64, from_mm: i64) -> i64 {
    id(&[line.0.as_bytes().as_slice(), &since.to_be_bytes(), &from_mm.to_be_bytes()].concat())
}
