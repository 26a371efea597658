//! What a command may not say or name, whatever the hazard: fields that are not its own, a unit or hazard that is not there.

use std::collections::BTreeMap;

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::field::{self, FieldType};
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{Command, Refused, hazard};
use crate::domain::UnitId;
use crate::lifecycle::{self, Refusal, table};
use crate::sync::SyncError;
use crate::sync::batch::Batch;

/// A command says what belongs to it, in terms that are known: whatever else a hazard holds has its own command.
pub(super) fn require_sayable(command: &Command) -> Result<(), SyncError> {
    let bad =
        |name: &str, what: String| Err(SyncError::RefusedFor(Code::BadParameter, format!("{name}: {what}")));
    for (name, value) in &command.fields {
        if !table::may_say(command.command, name) {
            let (zh, command) = (command.command.zh(), command.command.as_str());
            return bad(name, format!("「{zh}」不填此项 (is not said by {command})"));
        }
        if let Some(FieldType::Term(terms)) = field::find(name).map(|field| field.value)
            && value.as_text().is_some_and(|text| !terms.contains(&text))
        {
            return bad(name, format!("不在可选值之内 (is none of the terms: {})", terms.join(", ")));
        }
    }
    Ok(())
}

/// An order goes to a unit that is there and in force.
pub(super) async fn require_unit(batch: &mut Batch<'_>, fields: &BTreeMap<String, Raw>) -> Result<(), SyncError> {
    let Some(id) = fields.get("responsible_unit_id").filter(|value| !value.is_null()) else { return Ok(()) };
    let id = id.as_byte_string().and_then(|bytes| Uuid::from_slice(bytes).ok());
    let unit = match id {
        Some(id) => batch.transaction.unit(batch.district.key, UnitId(id)).await?,
        None => None,
    };
    if unit.is_some_and(|unit| unit.retired_ms.is_none()) {
        return Ok(());
    }
    let refusal = Refusal::of_field(
        lifecycle::Reason::Unknown,
        "responsible_unit_id",
        "没有这个责任单位，或已停用",
        "there is no such unit, or it is retired",
    );
    Err(SyncError::Command(Refused::Command(vec![refusal])))
}

/// A duplicate is one of a hazard that is there.
pub(super) async fn require_other(
    batch: &mut Batch<'_>,
    command: &Command,
    fields: &BTreeMap<String, Raw>,
) -> Result<(), SyncError> {
    if command.command != lifecycle::Command::Duplicate {
        return Ok(());
    }
    let other: Option<RecordId> = fields.get("duplicate_of").and_then(Raw::decode);
    let found = match other {
        Some(other) => hazard(batch.transaction, batch.district, other).await.is_ok(),
        None => false,
    };
    if found {
        return Ok(());
    }
    let refusal = Refusal::of_field(
        lifecycle::Reason::Unknown,
        "duplicate_of",
        "没有这条隐患",
        "there is no such hazard",
    );
    Err(SyncError::Command(Refused::Command(vec![refusal])))
}
