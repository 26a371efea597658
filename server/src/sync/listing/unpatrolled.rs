//! What was *not* patrolled since a day, line by line: the rest of each line in force when every patrol since is taken
//! off it, whoever walked.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{Page, cursor, read_cursor};
use crate::domain::District;
use crate::geometry::Intervals;
use crate::report::rows::StretchKind;
use crate::sync::{Engine, SyncError};

/// A line of which something was not patrolled.
#[derive(Debug, Serialize)]
pub struct Unpatrolled {
    /// The line.
    pub line: String,
    /// Its id where it came from.
    pub external_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its length.
    pub length_mm: i64,
    /// How much of it was not patrolled.
    pub unpatrolled_mm: i64,
    /// Where: from and to, millimetres of chainage.
    pub parts: Vec<(i64, i64)>,
}

/// A page of the lines of which something was not patrolled since a local day, counted from 1970-01-01, that day
/// included. By id.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Arc<Engine>,
    district: &District,
    since: i64,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Unpatrolled>, SyncError> {
    let after: Option<RecordId> = from.map(read_cursor).transpose()?;
    engine.follow_until_current(district).await?;
    let grid = engine.grid(district).await?;
    let mut reading = engine.store.read().await?;
    let mut walked: HashMap<Uuid, Intervals> = HashMap::new();
    for row in reading.stretches_of(district.key, StretchKind::Patrol, (since, i64::MAX)).await? {
        walked.entry(row.stretch.line).or_default().insert(row.stretch.from_mm, row.stretch.to_mm);
    }
    drop(reading);
    let mut rows: Vec<(RecordId, Unpatrolled)> = grid
        .lines
        .iter()
        .filter(|line| after.is_none_or(|after| line.record > after))
        .filter_map(|line| {
            let length_mm = line.line.length_mm();
            let walked = walked.get(&line.record.0).cloned().unwrap_or_default();
            let rest = walked.complement(length_mm);
            let unpatrolled = Unpatrolled {
                line: line.record.to_string(),
                external_id: line.view.external_id.clone(),
                name: line.view.name.clone(),
                length_mm,
                unpatrolled_mm: rest.total_mm(),
                parts: rest.parts().to_vec(),
            };
            (!rest.is_empty()).then_some((line.record, unpatrolled))
        })
        .collect();
    rows.sort_by_key(|(record, _)| *record);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| has_more).map(|(record, _)| cursor(record));
    Ok(Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next })
}
