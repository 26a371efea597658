//! Works along lines: what was done, when, and where as far as it was found on the grid.

use std::collections::BTreeMap;

use geo::{Geometry, MultiLineString};
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{COUNT_MOST, Moment, Selection, chain, days, real, text};
use crate::domain::District;
use crate::geometry::metres;
use crate::grid::snapshot::Grid;
use crate::layers::{Feature, Layer, Value, apart, id};
use crate::store::{FactListed, FactType, Transaction};
use crate::sync::SyncError;

/// Works read at a time.
const BATCH: usize = 500;

/// A page of works.
pub(super) async fn page(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    selection: &Selection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Feature>, SyncError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    // All of them: which of two with one hash comes first must not depend on the days that are asked for.
    let all = reading.fact_records(district.key, FactType::Work, (i64::MIN, i64::MAX)).await?;
    let days = days(district, selection.at);
    let mut page = Vec::new();
    let rest: Vec<(i64, RecordId)> =
        numbered(all).into_iter().filter(|(id, _)| after.is_none_or(|after| *id > after)).collect();
    for batch in rest.chunks(BATCH) {
        if page.len() >= wanted {
            break;
        }
        let features = features(reading, district, &moment.grid, batch, days).await?;
        page.extend(features.into_iter().filter(|feature| selection.takes(Layer::Works, feature)));
    }
    page.truncate(wanted);
    Ok(page)
}

/// How many works there are.
pub(super) async fn count(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    selection: &Selection,
) -> Result<Option<u64>, SyncError> {
    let days = days(district, selection.at);
    let total = reading.fact_records(district.key, FactType::Work, days).await?.len();
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    if selection.predicate.is_none() && selection.bbox.is_none() {
        return Ok(Some(total));
    }
    if total > u64::from(COUNT_MOST) {
        return Ok(None);
    }
    let found = page(reading, moment, district, selection, None, COUNT_MOST).await?;
    Ok(u64::try_from(found.len()).ok())
}

/// Works with their ids, ascending.
fn numbered(mut records: Vec<RecordId>) -> Vec<(i64, RecordId)> {
    records.sort_unstable();
    apart(records.into_iter().map(|record| (id(record.0.as_bytes()), record)))
}

/// The features of works on these days, in the order of their ids.
async fn features(
    reading: &mut Transaction,
    district: &District,
    grid: &Grid,
    batch: &[(i64, RecordId)],
    (from_day, to_day): (i64, i64),
) -> Result<Vec<Feature>, SyncError> {
    let records: Vec<RecordId> = batch.iter().map(|(_, record)| *record).collect();
    let facts = reading.facts_of(district.key, &records).await?;
    let mut facts: BTreeMap<RecordId, FactListed> =
        facts.into_iter().map(|fact| (fact.record, fact)).collect();
    let mut parts: BTreeMap<RecordId, Vec<Part>> = BTreeMap::new();
    for (record, line, from_mm, to_mm) in reading.stretches_of_records(district.key, &records).await? {
        parts.entry(record).or_default().push((line, from_mm, to_mm));
    }
    let of_days = |fact: &FactListed| from_day <= fact.day && fact.day <= to_day;
    let features = batch.iter().filter_map(|(id, record)| {
        let fact = facts.remove(record).filter(of_days)?;
        Some(feature(*id, grid, &fact, &parts.remove(record).unwrap_or_default()))
    });
    Ok(features.collect())
}

/// A line, and from where to where along it in millimetres.
type Part = (Uuid, i64, i64);

fn feature(id: i64, grid: &Grid, fact: &FactListed, parts: &[Part]) -> Feature {
    let drawn = parts.iter().filter_map(|(line, from_mm, to_mm)| {
        chain(&grid.line(RecordId(*line))?.line.stretch(*from_mm, *to_mm))
    });
    let drawn: Vec<_> = drawn.collect();
    let line = fact.line.and_then(|line| grid.line(RecordId(line)));
    Feature {
        id,
        record: Some(fact.record.0),
        geometry: (!drawn.is_empty()).then(|| Geometry::from(MultiLineString::new(drawn))),
        values: vec![
            Value::Text(fact.record.to_string()),
            Value::Null,
            text(Some(fact.subtype.as_str()).filter(|kind| !kind.is_empty())),
            Value::Day(fact.day),
            text(Some(fact.township.as_str()).filter(|name| !name.is_empty())),
            text(line.and_then(|line| line.view.name.as_deref())),
            real(length_m(fact, parts)),
        ],
    }
}

/// Along lines, where it was found there; else as it was written.
fn length_m(fact: &FactListed, parts: &[Part]) -> Option<f64> {
    if !parts.is_empty() {
        return Some(metres(parts.iter().map(|(_, from_mm, to_mm)| to_mm - from_mm).sum()));
    }
    let amounts: serde_json::Value = serde_json::from_str(&fact.amounts).ok()?;
    Some(metres(amounts.get("length_dm")?.as_i64()?.checked_mul(100)?))
}
