//! What a command may not say or name, whatever the hazard: fields that are not its own, a unit or hazard that is not there.

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::field::{self, FieldType};
use sync_protocol::ids::RecordId;
use sync_protocol::named::Fields;
use sync_protocol::view::{State, View};
use uuid::Uuid;

use super::{Command, Refused, hazard};
use crate::domain::UnitId;
use crate::lifecycle::{self, Refusal, table};
use crate::store::UnitRow;
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

/// The unit that an order names by its id, where there is one.
pub(super) async fn named_unit(batch: &mut Batch<'_>, fields: &Fields) -> Result<Option<UnitRow>, SyncError> {
    let id = fields.get("responsible_unit_id").and_then(Raw::as_byte_string);
    match id.and_then(|bytes| Uuid::from_slice(bytes).ok()) {
        Some(id) => Ok(batch.transaction.unit(batch.district.key, UnitId(id)).await?),
        None => Ok(None),
    }
}

/// An order goes to a unit that is in force, by the name that the unit goes by.
pub(super) fn require_unit(fields: &Fields, unit: Option<&UnitRow>) -> Result<(), SyncError> {
    if fields.get("responsible_unit_id").is_none_or(Raw::is_null) {
        return Ok(());
    }
    let refused = |refusal: Refusal| Err(SyncError::Command(Refused::Command(vec![refusal])));
    let Some(unit) = unit.filter(|unit| unit.retired_ms.is_none()) else {
        return refused(Refusal::of_field(
            lifecycle::Reason::Unknown,
            "responsible_unit_id",
            "没有这个责任单位，或已停用",
            "there is no such unit, or it is retired",
        ));
    };
    let name = fields.get("responsible_unit").and_then(Raw::as_text).unwrap_or_default();
    if name == unit.name {
        return Ok(());
    }
    refused(Refusal::of_field(
        lifecycle::Reason::Differs,
        "responsible_unit",
        format!("与所选责任单位「{}」不一致", unit.name),
        format!("the unit of this id goes by another name: {}", unit.name),
    ))
}

/// A duplicate is one of a hazard that is there and stands for both: neither void nor itself a duplicate, and open where
/// this one is. One that was closed and is seen again is a new hazard, linked to it.
pub(super) async fn require_other(
    batch: &mut Batch<'_>,
    command: &Command,
    view: &View,
    fields: &Fields,
) -> Result<(), SyncError> {
    if command.command != lifecycle::Command::Duplicate {
        return Ok(());
    }
    let refused = |reason, zh: &str, en: &str| {
        let refusal = Refusal::of_field(reason, "duplicate_of", zh, en);
        Err(SyncError::Command(Refused::Command(vec![refusal])))
    };
    let other: Option<RecordId> = fields.get("duplicate_of").and_then(Raw::decode);
    let Some(other) = other else {
        return refused(lifecycle::Reason::Unknown, "没有这条隐患", "there is no such hazard");
    };
    let state = match hazard(batch.transaction, batch.district, other).await {
        Ok((_, other)) => other.state,
        Err(SyncError::Refused(Code::NotFound)) => {
            return refused(lifecycle::Reason::Unknown, "没有这条隐患", "there is no such hazard");
        }
        Err(error) => return Err(error),
    };
    match state {
        State::Void | State::Duplicate | State::NotOurs => refused(
            lifecycle::Reason::State,
            "所指隐患已作废、已判重复或非本单位，不能代表本条",
            "that hazard is void, a duplicate itself or not ours: it cannot stand for this one",
        ),
        State::Closed if view.state.is_open() => refused(
            lifecycle::Reason::State,
            "所指隐患已销号；再次出现应按新隐患处理并关联原隐患",
            "that hazard is closed: what is seen again is a new hazard, linked to it",
        ),
        _ => Ok(()),
    }
}
