//! What the server knows better than who gives a command: the number of an order, the deadline by the rules, the version
//! of the rules, the time; and what its sender should know.

use jiff::tz::TimeZone;
use sync_protocol::cbor::Raw;
use sync_protocol::ids::Identity;
use sync_protocol::named::Fields;
use sync_protocol::view::View;
use uuid::Uuid;

use super::{Command, Judged, Warning};
use crate::domain::District;
use crate::lifecycle::{self, Case, turn};
use crate::orders::Shown;
use crate::rules::Severity;
use crate::store::{OrderRow, StoreError, UnitRow};
use crate::sync::SyncError;
use crate::sync::batch::Batch;
use crate::sync::derive::{self, Context};
use crate::sync::listing::{Calendar, Names};

/// The local year, and the next number of an order in it: under the counter row nobody else takes it.
pub(super) async fn next_order(batch: &mut Batch<'_>, context: &Context) -> Result<(i64, i64), SyncError> {
    let now = jiff::Timestamp::from_millisecond(batch.now_ms).unwrap_or_default();
    let year = i64::from(now.to_zoned_datetime(context.zone().clone()).year());
    batch.transaction.take_counter(batch.district.key, 0).await?;
    Ok((year, batch.transaction.last_order(batch.district.key, year).await? + 1))
}

/// What the server knows when a command is given.
pub(super) struct Known<'a> {
    pub(super) context: &'a Context,
    pub(super) district: &'a District,
    /// The next number of an order, where the command issues one.
    pub(super) ordinal: Option<(i64, i64)>,
    /// The unit that it names by its id.
    pub(super) unit: Option<&'a UnitRow>,
    pub(super) now_ms: i64,
}

/// Writes a value where a command says none.
fn default(fields: &mut Fields, name: &str, value: Option<i64>) {
    if let Some(value) = value
        && fields.get(name).is_none_or(Raw::is_null)
    {
        fields.insert(name, Raw::of(&value));
    }
}

/// What a command says, with what the server knows better.
pub(super) fn filled(command: &Command, judged: &Judged, known: &Known<'_>) -> Fields {
    use lifecycle::Command as C;
    let mut fields = command.fields.clone();
    let (case, now_ms) = (&judged.case, known.now_ms);
    match command.command {
        C::Grade => {
            fields.insert("rule_version", Raw::of(&known.context.rules_version()));
            tighten(&mut fields, judged, known.context, now_ms);
        }
        C::Order => order(&mut fields, judged, known, case.rule_ms),
        C::Reorder => order(&mut fields, judged, known, case.deadline_ms.or(case.rule_ms)),
        C::ConfirmMajor => {
            fields.insert("major", Raw::of(&true));
        }
        C::GrantExtension => {
            default(&mut fields, "deadline_ms", case.asked.and_then(|asked| asked.until_ms));
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

/// An order: its number, the name of its unit, its deadline (a limit, or the term of the rules where that has passed).
fn order(fields: &mut Fields, judged: &Judged, known: &Known<'_>, limit_ms: Option<i64>) {
    fields.remove("order_number");
    if let Some((year, ordinal)) = known.ordinal {
        let number = format!("{}整改〔{year}〕{ordinal}号", known.district.code);
        fields.insert("order_number", Raw::of(&number));
    }
    fields.insert("rule_version", Raw::of(&known.context.rules_version()));
    let issued_ms = lifecycle::issued_ms(fields, known.now_ms);
    default(
        fields,
        "deadline_ms",
        limit_ms.filter(|limit_ms| *limit_ms > issued_ms).or(judged.case.fresh_ms),
    );
    let is_named =
        fields.get("responsible_unit").and_then(Raw::as_text).is_some_and(|name| !name.trim().is_empty());
    if let Some(unit) = known.unit.filter(|_| !is_named) {
        fields.insert("responsible_unit", Raw::of(&unit.name));
    }
    // What is shown of another unit does not go on showing beside this one.
    let shown = |name: &str| judged.view.shown(name).filter(|value| !value.is_null());
    let is_other = ["responsible_unit", "responsible_unit_id"]
        .iter()
        .any(|name| shown(name).is_some_and(|before| fields.get(name) != Some(before)));
    for name in ["responsible_unit_id", "responsible_person", "phone"] {
        if is_other && shown(name).is_some() && !fields.contains_key(name) {
            fields.insert(name, Raw::of(&()));
        }
    }
}

/// Graded worse after people were told a deadline: the earlier one of the rules holds from now on.
fn tighten(fields: &mut Fields, judged: &Judged, context: &Context, now_ms: i64) {
    let Some(severity) = fields.get("severity").and_then(Raw::as_text).map(Severity::of_term) else { return };
    fields.remove("deadline_ms");
    let case = Case { graded_ms: Some(now_ms), ..judged.case.clone() };
    let hazard = (&judged.row, &judged.view, &case);
    if let Some(deadline) =
        derive::tightened(context, (context.rules(), None), hazard, Some(severity), now_ms)
    {
        fields.insert("deadline_ms", Raw::of(&deadline.at_ms));
    }
}

/// The row of an order that was written as this operation, with what it shows of the hazard from now on.
pub(super) fn order_row(
    command: &Command,
    fields: &Fields,
    operation: Identity,
    (year, ordinal): (i64, i64),
    (shown, now_ms): (Shown, i64),
) -> Result<OrderRow, SyncError> {
    let deadline_ms = number(fields, "deadline_ms").ok_or(StoreError::Damaged("deadline of an order"))?;
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
        deadline_ms,
        issued_ms: now_ms,
        issued_by: command.person,
        ordered_ms: number(fields, "ordered_at_ms"),
        shown: shown.encode(),
    })
}

/// What an order shows of the hazard when it is issued.
pub(super) async fn shown(
    batch: &mut Batch<'_>,
    command: &Command,
    (judged, after): (&Judged, &Judged),
    (fields, zone): (&Fields, &TimeZone),
) -> Result<Shown, SyncError> {
    let key = batch.district.key;
    let names = Names::of(batch.transaction, key, [command.person]).await?;
    let before = batch.transaction.orders_of(key, command.record).await?;
    let view = &after.view;
    let text_of = |name: &str| {
        let text = view.shown(name).and_then(Raw::as_text).unwrap_or_default();
        (!text.is_empty()).then(|| (name.to_owned(), text.to_owned()))
    };
    let deadline_ms = number(fields, "deadline_ms").unwrap_or(i64::MAX);
    let number = Calendar::of(batch.district).number(after.row.number, after.row.received_ms);
    Ok(Shown {
        bureau: batch.district.name.clone(),
        issued_by: names.get(command.person).unwrap_or_default(),
        number: number.unwrap_or_default(),
        severity: after.case.severity.map(|severity| severity.zh().to_owned()).unwrap_or_default(),
        is_major: after.case.is_major,
        fields: Shown::FIELDS.iter().filter_map(|name| text_of(name)).collect(),
        basis: basis(judged, deadline_ms, zone),
        reason: text(fields, "reason"),
        replaces: before.last().map(|order| order.number.clone()),
    })
}

/// What the deadline of an order follows from, in Chinese.
fn basis(judged: &Judged, deadline_ms: i64, zone: &TimeZone) -> String {
    let Some(rule) = &judged.by_rule else { return String::new() };
    let why = rule.reasons.last().map(|reason| reason.zh(zone)).unwrap_or_default();
    let version: String = rule.rules.chars().take(8).collect();
    let words = if deadline_ms <= rule.at_ms {
        why
    } else if judged.case.deadline_ms.is_some_and(|told_ms| deadline_ms <= told_ms) {
        "沿用已通知的期限".to_owned()
    } else {
        format!("规则期限已过（{why}），自签发起重新计算")
    };
    format!("{words}（规则 {version}）")
}

/// What is odd about a command that is done nevertheless.
pub(super) fn warnings(
    command: &Command,
    (judged, fields): (&Judged, &Fields),
    has_moved: bool,
    now_ms: i64,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if has_moved {
        warnings.push(Warning {
            code: "moved-on",
            zh: "记录在您查看之后已有变化，本操作按您所见写入，请核对记录与冲突",
            en: "the hazard has moved on since; this was written as you saw it: look at it and at its conflicts",
        });
    }
    if turn::due_ms(&judged.case).is_some_and(|due_ms| due_ms <= now_ms) {
        warnings.push(Warning { code: "overdue", zh: "已逾期", en: "it is overdue" });
    }
    if !is_in_order(&judged.view, fields) {
        warnings.push(Warning {
            code: "dates-order",
            zh: "日期先后不符：发现、整改完成、复查、销号应依次",
            en: "dates are out of order: found, rectified, verified, closed follow one another",
        });
    }
    if command.command.issues_order() && !command.fields.contains_key("responsible_unit_id") {
        warnings.push(Warning {
            code: "unit-unnamed",
            zh: "未选择责任单位编号，单位账号看不到该隐患",
            en: "no responsible_unit_id: no account of the unit sees it",
        });
    }
    warnings
}

/// Whether what a command says and what shows of the hazard follow one another: found, rectified, verified, closed.
fn is_in_order(view: &View, fields: &Fields) -> bool {
    const STEPS: [&str; 4] = ["found_at_ms", "completed_at_ms", "verified_at_ms", "closed_at_ms"];
    let shown = |name: &str| view.shown(name)?.as_integer().and_then(|at_ms| i64::try_from(at_ms).ok());
    let Some(said) = STEPS.iter().position(|name| number(fields, name).is_some()) else { return true };
    // What shows of later steps is of an earlier round.
    let steps = STEPS.iter().take(said + 1);
    steps.filter_map(|name| number(fields, name).or_else(|| shown(name))).is_sorted()
}

/// A text that a command says; empty where it says none.
pub(super) fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(Raw::as_text).unwrap_or_default().to_owned()
}

/// A whole number that a command says.
fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.get(name)?.as_integer().and_then(|number| i64::try_from(number).ok())
}
