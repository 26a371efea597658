//! Who must act on a hazard and until when, as it is told beside its line. Overdue is the clock's, never stored.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_protocol::ids::RecordId;
use utoipa::ToSchema;

use super::Names;
use crate::domain::{DistrictKey, Role};
use crate::lifecycle::case::DeadlineStep;
use crate::store::{CaseRow, StoreError, Transaction};

/// A case.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Case)]
pub struct CaseTold {
    /// The moment by which it must be acted on.
    pub due_ms: Option<i64>,
    /// The deadline that people were told; none before the order.
    pub notified_ms: Option<i64>,
    /// Whether that moment has passed.
    pub overdue: bool,
    /// The role whose turn it is.
    pub turn: Option<&'static str>,
    /// The same in Chinese.
    pub turn_zh: Option<&'static str>,
    /// Since when.
    pub since_ms: i64,
    /// The responsible unit, where it is a record.
    pub unit: Option<String>,
    /// A major hazard.
    pub major: bool,
    /// The number of its order.
    pub order_number: Option<String>,
    /// Extensions that were granted.
    pub extensions: i64,
}

pub(super) fn told(row: &CaseRow, now_ms: i64) -> CaseTold {
    let role = row.turn.and_then(Role::from_number);
    CaseTold {
        due_ms: row.due_ms,
        notified_ms: row.notified_ms,
        overdue: row.is_open && row.due_ms.is_some_and(|due_ms| due_ms <= now_ms),
        turn: role.map(Role::as_str),
        turn_zh: role.map(Role::zh),
        since_ms: row.since_ms,
        unit: row.unit.map(|unit| unit.to_string()),
        major: row.is_major,
        order_number: row.order_number.clone(),
        extensions: row.extensions,
    }
}

/// The cases of these hazards.
pub(super) async fn of(
    transaction: &mut Transaction,
    district: DistrictKey,
    records: &[RecordId],
    now_ms: i64,
) -> Result<BTreeMap<RecordId, CaseTold>, StoreError> {
    let rows = transaction.cases(district, records).await?;
    Ok(rows.iter().map(|(record, row)| (*record, told(row, now_ms))).collect())
}

/// How a deadline came to be what it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadlineTold {
    /// The kind that says it.
    pub kind: &'static str,
    /// The same in Chinese.
    pub kind_zh: &'static str,
    /// The deadline after it; of what was asked for, the one that was wanted.
    pub at_ms: Option<i64>,
    /// Who.
    pub author: String,
    /// Their name.
    pub author_name: Option<String>,
    /// When it came to the server.
    pub received_ms: i64,
}

pub(super) fn step(step: &DeadlineStep, names: &Names) -> DeadlineTold {
    DeadlineTold {
        kind: step.kind.as_str(),
        kind_zh: step.kind.zh(),
        at_ms: step.at_ms,
        author: step.author.to_string(),
        author_name: names.get(step.author),
        received_ms: step.received_ms,
    }
}
