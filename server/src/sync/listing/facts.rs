//! Patrols, works, inspections and activities as a report counts them; lines with what was walked or done along them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::reference::Reference;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Names, Page, cursor, read_cursor};
use crate::domain::{District, DistrictKey};
use crate::geometry::Intervals;
use crate::report::figures::{MM_PER_DM, is_110_kv};
use crate::report::period::{Period, day_of};
use crate::report::rows::StretchKind;
use crate::store::{FactFilter, FactListed, FactType, StoreError, Transaction, deed};
use crate::sync::{Engine, SyncError};

/// A patrol, work, inspection or activity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fact {
    /// The record.
    pub id: String,
    /// What it is.
    pub record_type: &'static str,
    /// The local day on which it was done; of a hazard, found.
    pub day: Option<String>,
    /// Type of a work or an activity, category of a hazard.
    #[serde(rename = "type")]
    pub subtype: String,
    /// Its township.
    pub township: String,
    /// Its line.
    pub line: Option<String>,
    /// That line's name, where the grid has it.
    pub line_name: Option<String>,
    /// Who recorded it.
    pub person: Option<String>,
    /// Their name.
    pub person_name: Option<String>,
    /// Whole numbers by field name, and its project.
    #[schema(value_type = Object)]
    pub amounts: Value,
    /// Whether it has stretches on lines.
    pub placed: bool,
}

/// Which voltage substations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voltage {
    /// 110 kV, or none stated.
    Kv110,
    /// Another.
    Other,
}

/// A page of facts of a type, by day.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Arc<Engine>,
    district: &District,
    fact_type: FactType,
    filter: &FactFilter,
    voltage: Option<Voltage>,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Fact>, SyncError> {
    let after: Option<(i64, RecordId)> = from.map(read_cursor).transpose()?;
    engine.follow_until_current(district).await?;
    let mut transaction = engine.store.read().await?;
    let mut rows =
        transaction.list_facts(district.key, fact_type, filter, after, limit.saturating_add(1)).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| has_more).map(|last| cursor(&(last.day, last.record)));
    if let Some(voltage) = voltage {
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            let deed = deed(row.subtype.clone(), &row.amounts, row.is_placed)?;
            if is_110_kv(deed.voltage.as_deref()) == (voltage == Voltage::Kv110) {
                kept.push(row);
            }
        }
        rows = kept;
    }
    Ok(Page { rows: told(&mut transaction, district.key, rows).await?, next })
}

/// Facts as the API tells them.
pub(crate) async fn told(
    transaction: &mut Transaction,
    district: DistrictKey,
    rows: Vec<FactListed>,
) -> Result<Vec<Fact>, StoreError> {
    let lines: Vec<Uuid> = rows.iter().filter_map(|row| row.line).collect();
    let line_names = line_names(transaction, district, lines).await?;
    let names = Names::of(transaction, district, rows.iter().filter_map(|row| row.person)).await?;
    let fact = |row: FactListed| Fact {
        id: row.record.to_string(),
        record_type: row.fact_type.as_str(),
        day: day_of(row.day).map(|day| day.to_string()),
        subtype: row.subtype,
        township: row.township,
        line: row.line.map(|line| line.to_string()),
        line_name: row.line.and_then(|line| line_names.get(&line).cloned()),
        person: row.person.map(|person| person.to_string()),
        person_name: row.person.and_then(|person| names.get(person)),
        amounts: serde_json::from_str(&row.amounts).unwrap_or_default(),
        placed: row.is_placed,
    };
    Ok(rows.into_iter().map(fact).collect())
}

/// Names of lines, as the grid has them; a line without one is left out.
pub(crate) async fn line_names(
    transaction: &mut Transaction,
    district: DistrictKey,
    lines: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, String>, StoreError> {
    let distinct: BTreeSet<RecordId> = lines.into_iter().map(RecordId).collect();
    let records: Vec<RecordId> = distinct.into_iter().collect();
    let rows = transaction.records(district, &records).await?;
    let name = |view: &[u8]| match Reference::decode(view)? {
        Reference::Line(line) => Some(line.name.unwrap_or(line.external_id)),
        Reference::Structure(_) | Reference::Region(_) => None,
    };
    Ok(rows.into_iter().filter_map(|(id, row)| Some((id.0, name(&row.view)?))).collect())
}

/// A line with what was walked or done along it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LineLength {
    /// The line; none: works that lie on no known stretch.
    pub line: Option<String>,
    /// Its name, where the grid has it.
    pub name: Option<String>,
    /// How much, each millimetre once.
    pub length_mm: i64,
    /// Where: from and to, millimetres of chainage.
    pub parts: Vec<(i64, i64)>,
    /// The records that say so.
    pub records: Vec<String>,
}

/// Which part of each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Where it was done.
    Done,
    /// Where it was not, of every line in force: 未排查.
    NotDone,
}

/// Which lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthFilter {
    /// Which part of them.
    pub part: Part,
    /// What was done.
    pub kind: StretchKind,
    /// In these days.
    pub period: Period,
    /// By this person.
    pub person: Option<PersonId>,
    /// Of this line.
    pub line: Option<Uuid>,
    /// At least so much of the line.
    pub at_least_mm: i64,
    /// Conversions that lie on no known stretch, by their own length, in a last row.
    pub with_unplaced: bool,
}

/// A page of lines, by id.
///
/// # Errors
/// The cursor's, the store's.
pub async fn lengths(
    engine: &Arc<Engine>,
    district: &District,
    filter: LengthFilter,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<LineLength>, SyncError> {
    let after: Option<RecordId> = from.map(read_cursor).transpose()?;
    engine.follow_until_current(district).await?;
    let mut transaction = engine.store.read().await?;
    let days = filter.period.numbers();
    let mut by_line: BTreeMap<Uuid, (Intervals, BTreeSet<RecordId>)> = BTreeMap::new();
    for row in transaction.stretches_of(district.key, filter.kind, days, (filter.person, filter.line)).await?
    {
        let (parts, records) = by_line.entry(row.stretch.line).or_default();
        parts.insert(row.stretch.from_mm, row.stretch.to_mm);
        records.insert(row.record);
    }
    if filter.part == Part::NotDone {
        let mut done = std::mem::take(&mut by_line);
        let grid = engine.grid(district).await?;
        let is_asked = |line: Uuid| filter.line.is_none_or(|asked| asked == line);
        for row in grid.lines.iter().filter(|row| is_asked(row.record.0)) {
            let (parts, _) = done.remove(&row.record.0).unwrap_or_default();
            by_line.insert(row.record.0, (parts.complement(row.line.length_mm()), BTreeSet::new()));
        }
    }
    by_line.retain(|line, (parts, _)| {
        !parts.is_empty()
            && parts.total_mm() >= filter.at_least_mm
            && after.is_none_or(|after| *line > after.0)
    });
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = by_line.len() > wanted;
    let shown: Vec<Uuid> = by_line.keys().take(wanted).copied().collect();
    let next = shown.last().filter(|_| has_more).map(|line| cursor(&RecordId(*line)));
    let names = line_names(&mut transaction, district.key, shown).await?;
    let row = |(line, (parts, records)): (Uuid, (Intervals, BTreeSet<RecordId>))| LineLength {
        line: Some(line.to_string()),
        name: names.get(&line).cloned(),
        length_mm: parts.total_mm(),
        parts: parts.parts().to_vec(),
        records: records.iter().map(RecordId::to_string).collect(),
    };
    let mut rows: Vec<LineLength> = by_line.into_iter().take(wanted).map(row).collect();
    let wants_unplaced = filter.with_unplaced && filter.part == Part::Done;
    if next.is_none() && wants_unplaced && filter.kind == StretchKind::Conversion {
        rows.extend(unplaced(&mut transaction, district.key, days).await?);
    }
    Ok(Page { rows, next })
}

/// Conversions on no known stretch: what they say of their own length.
async fn unplaced(
    transaction: &mut Transaction,
    district: DistrictKey,
    (from_day, to_day): (i64, i64),
) -> Result<Option<LineLength>, StoreError> {
    let filter = FactFilter {
        from_day: Some(from_day),
        to_day: Some(to_day),
        subtypes: vec![StretchKind::Conversion.as_str().to_owned()],
        is_placed: Some(false),
        ..FactFilter::default()
    };
    let mut found =
        LineLength { line: None, name: None, length_mm: 0, parts: Vec::new(), records: Vec::new() };
    let mut after = None;
    loop {
        let rows = transaction.list_facts(district, FactType::Work, &filter, after, ROWS).await?;
        after = rows.last().map(|last| (last.day, last.record));
        let is_last = u32::try_from(rows.len()).is_ok_and(|read| read < ROWS);
        for row in rows {
            let length_dm = deed(row.subtype, &row.amounts, row.is_placed)?.amount("length_dm");
            found.length_mm = found.length_mm.saturating_add(length_dm.saturating_mul(MM_PER_DM));
            found.records.push(row.record.to_string());
        }
        if is_last {
            return Ok((!found.records.is_empty()).then_some(found));
        }
    }
}

/// Rows read at a time.
const ROWS: u32 = 500;
