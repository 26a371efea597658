//! What the server knows better than who gives a command: the number of an order, the deadline by the rules, the version
//! of the rules, the time; and what its sender should know.

use std::collections::BTreeMap;

use sync_protocol::cbor::Raw;
use sync_protocol::ids::Identity;
use uuid::Uuid;

use super::{Command, Judged, Warning};
use crate::domain::District;
use crate::lifecycle::{self, turn};
use crate::rules::Severity;
use crate::store::{OrderRow, StoreError};
use crate::sync::SyncError;
use crate::sync::batch::Batch;
use crate::sync::derive::{self, Context};

/// The local year, and the next number of an order in it: under the counter row nobody else takes it.
pub(super) async fn next_order(batch: &mut Batch<'_>, context: &Context) -> Result<(i64, i64), SyncError> {
    let now = jiff::Timestamp::from_millisecond(batch.now_ms).unwrap_or_default();
    let year = i64::from(now.to_zoned_datetime(context.zone().clone()).year());
    batch.transaction.take_counter(batch.district.key, 0).await?;
    Ok((year, batch.transaction.last_order(batch.district.key, year).await? + 1))
}

/// What a command says, with what the server knows better.
pub(super) fn filled(
    command: &Command,
    judged: &Judged,
    context: &Context,
    district: &District,
    (year, ordinal): (i64, i64),
    now_ms: i64,
) -> BTreeMap<String, Raw> {
    use lifecycle::Command as C;
    let mut fields = command.fields.clone();
    let default = |fields: &mut BTreeMap<String, Raw>, name: &str, value: Option<i64>| {
        if let Some(value) = value
            && fields.get(name).is_none_or(Raw::is_null)
        {
            fields.insert(name.to_owned(), Raw::of(&value));
        }
    };
    let rules = Raw::of(&context.rules_version());
    match command.command {
        C::Grade => {
            fields.insert("rule_version".to_owned(), rules);
            tighten(&mut fields, judged, context, now_ms);
        }
        C::Order => {
            let number = format!("{}整改〔{year}〕{ordinal}号", district.code);
            fields.insert("order_number".to_owned(), Raw::of(&number));
            fields.insert("rule_version".to_owned(), rules);
            default(&mut fields, "deadline_ms", judged.case.rule_ms);
        }
        C::ConfirmMajor => {
            fields.insert("major".to_owned(), Raw::of(&true));
        }
        C::GrantExtension => {
            default(&mut fields, "deadline_ms", judged.case.asked.and_then(|asked| asked.until_ms));
        }
        C::Verify | C::FailVerification => default(&mut fields, "verified_at_ms", Some(now_ms)),
        C::Rectify => default(&mut fields, "completed_at_ms", Some(now_ms)),
        C::Close => default(&mut fields, "closed_at_ms", Some(now_ms)),
        C::Return
        | C::Resubmit
        | C::Void
        | C::Duplicate
        | C::NotOurs
        | C::PlanMajor
        | C::Receipt
        | C::Dispute
        | C::AskExtension
        | C::RefuseExtension
        | C::Carry
        | C::ReviewCarried
        | C::MakeSafe
        | C::NotFound
        | C::Uphold
        | C::Reopen
        | C::WriteOff
        | C::Redact => {}
    }
    fields
}

/// Graded worse after people were told a deadline: the earlier one of the rules holds from now on.
fn tighten(fields: &mut BTreeMap<String, Raw>, judged: &Judged, context: &Context, now_ms: i64) {
    let Some(severity) = fields.get("severity").and_then(Raw::as_text).map(Severity::of_term) else { return };
    fields.remove("deadline_ms");
    let mut case = judged.case.clone();
    case.graded_ms = Some(now_ms);
    let deadline = derive::deadline_of(context, &judged.row, &judged.view, &case, Some(severity), now_ms);
    if let Some(deadline) = deadline.filter(|deadline| deadline.is_tightened) {
        fields.insert("deadline_ms".to_owned(), Raw::of(&deadline.at_ms));
    }
}

/// The row of an order that was written as this operation.
pub(super) fn order_row(
    command: &Command,
    fields: &BTreeMap<String, Raw>,
    operation: Identity,
    (year, ordinal): (i64, i64),
    now_ms: i64,
) -> Result<OrderRow, SyncError> {
    let deadline = fields.get("deadline_ms").and_then(Raw::as_integer);
    let deadline_ms = deadline.and_then(|at| i64::try_from(at).ok());
    let unit = fields.get("responsible_unit_id").and_then(Raw::as_byte_string);
    Ok(OrderRow {
        year,
        ordinal,
        number: text(fields, "order_number"),
        record: command.record,
        operation,
        unit: unit.and_then(|bytes| Uuid::from_slice(bytes).ok()),
        unit_name: text(fields, "responsible_unit"),
        measures: text(fields, "measures"),
        deadline_ms: deadline_ms.ok_or(StoreError::Damaged("deadline of an order"))?,
        issued_ms: now_ms,
        issued_by: command.person,
    })
}

/// What is odd about a command that is done nevertheless.
pub(super) fn warnings(command: &Command, judged: &Judged, has_moved: bool, now_ms: i64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if has_moved {
        warnings.push(Warning {
            code: "moved-on",
            zh: "记录在您查看之后已有变化，本操作按您所见写入，请核对冲突",
            en: "the hazard has moved on since; this was written as you saw it: look at its conflicts",
        });
    }
    if turn::due_ms(&judged.case).is_some_and(|due_ms| due_ms <= now_ms) {
        warnings.push(Warning { code: "overdue", zh: "已逾期", en: "it is overdue" });
    }
    if command.command == lifecycle::Command::Order && !command.fields.contains_key("responsible_unit_id") {
        warnings.push(Warning {
            code: "unit-unnamed",
            zh: "未选择责任单位编号，单位账号看不到该隐患",
            en: "no responsible_unit_id: no account of the unit sees it",
        });
    }
    warnings
}

/// A text that a command says; empty where it says none.
pub(super) fn text(fields: &BTreeMap<String, Raw>, name: &str) -> String {
    fields.get(name).and_then(Raw::as_text).unwrap_or_default().to_owned()
}
