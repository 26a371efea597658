//! Decisions of a named person on what waits: settling a conflict, restoring a value that lost.
//!
//! Each is made from the heads that the person saw: once the record has moved on, it is refused and looked at again.

use std::sync::Arc;

use sync_protocol::cbor::Raw;
use sync_protocol::check;
use sync_protocol::codes::Code;
use sync_protocol::field;
use sync_protocol::ids::{Head, Identity, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::Operation;
use sync_protocol::view::View;

use super::listing::conflicts::{ConflictId, LIFECYCLE};
use super::listing::operations::blank_redacted;
use super::listing::record::writes;
use super::office::Act;
use super::{Engine, SyncError};
use crate::domain::District;

/// How a conflict is settled.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A field gets this value.
    Value(Raw),
    /// The lifecycle gets this act.
    Act(Kind, Fields),
}

/// What a decision came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The operation that was written.
    pub operation: Option<Identity>,
    /// Whether the conflict is open all the same: the act did not answer it.
    pub is_open: bool,
}

/// Kinds that may answer a conflict of the lifecycle: what says that the hazard is there, or that it is none. What says
/// that it is cured or closed needs its evidence, and every other step its guard: those are commands.
pub const fn answers(kind: Kind) -> bool {
    matches!(kind, Kind::Returned | Kind::Reopened | Kind::Void | Kind::Duplicate | Kind::NotOurs)
}

/// Settles a conflict.
///
/// # Errors
/// [`Code::ConflictClosed`] where it is not open any more, or the record's heads are others than `heads`.
pub async fn resolve(
    engine: &Arc<Engine>,
    district: &District,
    conflict: &ConflictId,
    decision: Decision,
    heads: Option<Vec<Head>>,
    author: PersonId,
) -> Result<Decided, SyncError> {
    let view = view(engine, district, conflict.record).await?;
    if !is_open(&view, conflict) {
        return Err(SyncError::Refused(Code::ConflictClosed));
    }
    let (kind, fields) = match (decision, conflict.subject == LIFECYCLE) {
        (Decision::Value(value), false) => {
            let value = fitting(&conflict.subject, value)?;
            (Kind::Resolved, assigned(&conflict.subject, value))
        }
        (Decision::Act(kind, fields), true) if answers(kind) => {
            // As the command would need it.
            let says = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
            if !says("reason") {
                return Err(bad("reason"));
            }
            if kind == Kind::Duplicate {
                let other: Option<RecordId> = fields.get("duplicate_of").and_then(Raw::decode);
                let other =
                    other.filter(|other| *other != conflict.record).ok_or_else(|| bad("duplicate_of"))?;
                self::view(engine, district, other).await.map_err(|_missing| bad("duplicate_of"))?;
            }
            (kind, fields)
        }
        (Decision::Act(..) | Decision::Value(_), true) => return Err(bad("act")),
        (Decision::Act(..), false) => return Err(bad("value")),
    };
    let act = Act::Operation {
        kind,
        record: conflict.record,
        fields,
        photos: Vec::new(),
        author,
        made_from: Some(heads.unwrap_or_else(|| view.heads.clone())),
    };
    let outcome = engine.act(district, act).await?;
    let after = self::view(engine, district, conflict.record).await?;
    let is_open = is_open(&after, conflict);
    let (record, by) = (conflict.record, outcome.operation.map(|operation| operation.to_string()));
    let (by, stands) = (by.unwrap_or_default(), if is_open { ", and is open all the same" } else { "" });
    tracing::info!(%record, "a conflict of record {record} is answered by operation {by}{stands}");
    Ok(Decided { operation: outcome.operation, is_open })
}

/// Restores the value that an operation wrote.
///
/// # Errors
/// [`Code::NotFound`] where the record has no such operation, [`Code::BadParameter`] where that did not write
/// the field.
pub async fn restore(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    operation: Head,
    field: &str,
    heads: Option<Vec<Head>>,
    author: PersonId,
) -> Result<Option<Identity>, SyncError> {
    let view = view(engine, district, record).await?;
    let mut transaction = engine.store.read().await?;
    let operations = transaction.ledger_operations(district.key, record).await?;
    drop(transaction);
    let mut known: Vec<(Identity, Operation)> = operations
        .iter()
        .filter_map(|stored| Some((stored.identity, Operation::decode(&stored.bytes).ok()?)))
        .collect();
    // What was redacted is not brought back.
    let mut said: Vec<_> = known.iter_mut().map(|(identity, said)| (*identity, said)).collect();
    blank_redacted(&mut said);
    let found = known.iter().find(|(identity, _)| identity.head() == operation);
    let (_, found) = found.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, "operation".to_owned()))?;
    let value = writes(found).remove(field);
    let act = Act::Operation {
        kind: Kind::Restored,
        record,
        fields: assigned(field, value.ok_or_else(|| bad("field"))?),
        photos: Vec::new(),
        author,
        made_from: Some(heads.unwrap_or_else(|| view.heads.clone())),
    };
    Ok(engine.act(district, act).await?.operation)
}

fn bad(what: &str) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, what.to_owned())
}

fn is_open(view: &View, conflict: &ConflictId) -> bool {
    view.conflicts.iter().any(|open| open.subject == conflict.subject && open.reason == conflict.reason)
}

fn assigned(field: &str, value: Raw) -> Fields {
    Fields::from([("field", Raw::of(&field)), ("value", value)])
}

/// A value of the type that its field has.
fn fitting(name: &str, value: Raw) -> Result<Raw, SyncError> {
    let known = field::find(name);
    match known.map_or(Ok(()), |known| check::check_value(&value, known.value)) {
        Ok(()) => Ok(value),
        Err(code) => Err(SyncError::RefusedFor(Code::BadParameter, format!("value: {code}"))),
    }
}

async fn view(engine: &Arc<Engine>, district: &District, record: RecordId) -> Result<View, SyncError> {
    let mut transaction = engine.store.read().await?;
    let row = transaction.records(district.key, &[record]).await?.remove(&record);
    row.filter(|row| !row.is_gone())
        .and_then(|row| View::decode(&row.view))
        .ok_or(SyncError::Refused(Code::NotFound))
}
