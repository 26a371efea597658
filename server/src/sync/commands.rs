//! Commands of the office on a hazard: judged under the lock against what they were made from, and written as operations.
//!
//! What may be commanded is [`crate::lifecycle`]; here a case is read, what the server knows better than its sender is
//! filled in (number of the order, deadline by the rules, version of the rules), and the operation is written with the
//! row of the order in one transaction. Start at `perform`; [`given`] and [`offered`] are the ways in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::field::{self, FieldType};
use sync_protocol::fold;
use sync_protocol::ids::{Head, Identity, PersonId, RecordId};
use sync_protocol::kind::{Kind, RecordType};
use sync_protocol::operation::{Identified, Photo};
use sync_protocol::view::View;
use utoipa::ToSchema;
use uuid::Uuid;

use super::batch::Batch;
use super::derive::{self, Context};
use super::office::{self, Act, ActOutcome, OwnOperation};
use super::{Engine, SyncError};
use crate::domain::{Collection, District, Roles, UnitId};
use crate::lifecycle::{self, Case, Giving, Past, Profile, Refusal, table, turn};
use crate::rules::Severity;
use crate::rules::deadline::Deadline;
use crate::store::{OrderRow, RecordRow, StoreError, Transaction};

/// A command as an account gives it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which.
    pub command: lifecycle::Command,
    /// On which hazard.
    pub record: RecordId,
    /// What it says.
    pub fields: BTreeMap<String, Raw>,
    /// Photos that it names.
    pub photos: Vec<Photo>,
    /// Who gives it.
    pub person: PersonId,
    /// What they may do.
    pub roles: Roles,
    /// The heads that they saw; none: the hazard as it stands now.
    pub made_from: Option<Vec<Head>>,
    /// What to do where the hazard has moved on since.
    pub moved_on: MovedOn,
}

/// What becomes of a command on a hazard that has moved on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MovedOn {
    /// It is refused, with what changed.
    #[default]
    Refuse,
    /// It is written as it was made: the fold shows where the two do not agree.
    Beside,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Commanded {
    /// The operation that was written.
    pub operation: String,
    /// Where the hazard stands now.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// Its heads now.
    pub heads: Vec<String>,
    /// What waits for a named person now, by subject.
    pub conflicts: Vec<String>,
    /// The number of the order that was issued.
    pub order_number: Option<String>,
    /// Its key in addresses.
    pub order: Option<String>,
    /// The deadline that holds now.
    pub deadline_ms: Option<i64>,
    /// The role whose turn it is now.
    pub turn: Option<&'static str>,
    /// What its sender should know.
    pub warnings: Vec<Warning>,
}

/// Something that its sender should know; nothing is refused for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// A stable code.
    pub code: &'static str,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// Why a command was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It may not be given now: everything that stands against it.
    Command(Vec<Refusal>),
    /// The hazard has moved on.
    MovedOn(Box<Since>),
}

/// What changed since the heads that a command was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Since {
    /// Where the hazard stands now.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// Its heads now.
    pub heads: Vec<String>,
    /// What came since, at most a hundred.
    pub changed: Vec<Change>,
}

/// An operation that its sender had not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// Its head.
    pub head: String,
    /// What happened.
    pub kind: String,
    /// Who says so.
    pub author: String,
}

/// Changes that a refusal lists.
const CHANGES: usize = 100;

/// Gives a command.
///
/// # Errors
/// [`Code::NotFound`] where there is no such hazard; [`Code::BadParameter`] for heads that it never had;
/// [`SyncError::Command`] where it is refused; the store's.
pub async fn given(
    engine: &Arc<Engine>,
    district: &District,
    command: Command,
) -> Result<Commanded, SyncError> {
    let outcome = engine.act(district, Act::Command(Box::new(command))).await?;
    outcome.commanded.map(|commanded| *commanded).ok_or(SyncError::Gone)
}

/// A hazard with everything that a command on it is judged by.
pub(super) struct Judged {
    pub(super) row: RecordRow,
    pub(super) view: View,
    pub(super) case: Case,
    pub(super) by_rule: Option<Deadline>,
}

/// Reads a hazard of the district.
///
/// # Errors
/// [`Code::NotFound`].
pub(super) async fn judged(
    transaction: &mut Transaction,
    district: &District,
    context: &Context,
    record: RecordId,
    now_ms: i64,
) -> Result<Judged, SyncError> {
    let (row, view) = hazard(transaction, district, record).await?;
    let past = past(transaction, district, context, record).await?;
    let (case, by_rule) = derive::case_of(context, &row, &view, &past, now_ms);
    Ok(Judged { row, view, case, by_rule })
}

async fn hazard(
    transaction: &mut Transaction,
    district: &District,
    record: RecordId,
) -> Result<(RecordRow, View), SyncError> {
    let row = transaction.records(district.key, &[record]).await?.remove(&record);
    let row = row.filter(|row| row.collection == Collection::Records.number());
    let found = row.and_then(|row| {
        let view = View::decode(&row.view)?;
        Some((row, view))
    });
    let is_hazard = |view: &View| matches!(view.record_type, None | Some(RecordType::Hazard));
    found.filter(|(_, view)| is_hazard(view)).ok_or(SyncError::Refused(Code::NotFound))
}

async fn past(
    transaction: &mut Transaction,
    district: &District,
    context: &Context,
    record: RecordId,
) -> Result<Vec<Past>, SyncError> {
    let operations = transaction.past_operations(district.key, &[record]).await?.remove(&record);
    Ok(derive::past(context.own(), operations.unwrap_or_default()))
}

/// Judges and writes a command within a group.
pub(super) async fn perform(batch: &mut Batch<'_>, command: &Command) -> Result<ActOutcome, SyncError> {
    let (district, now_ms) = (batch.district, batch.now_ms);
    require_sayable(command)?;
    let context = Context::of(batch.engine, district).await?;
    let mut judged = judged(batch.transaction, district, &context, command.record, now_ms).await?;
    let has_moved = command.made_from.as_ref().is_some_and(|heads| *heads != judged.view.heads);
    let beside = if has_moved { Some(seen(batch, &context, command, &mut judged).await?) } else { None };
    let ordinal = next_order(batch, &context).await?;
    let fields = filled(command, &judged, &context, district, ordinal, now_ms);
    let giving = giving(command, &fields, batch.engine.profile, now_ms);
    lifecycle::allowed(&judged.case, command.command, &giving)
        .map_err(|refusals| SyncError::Command(Refused::Command(refusals)))?;
    require_other(batch, command, &fields).await?;
    require_unit(batch, &fields).await?;
    let draft = OwnOperation {
        kind: command.command.kind(),
        record: command.record,
        fields: &fields,
        photos: &command.photos,
        author: command.person,
    };
    let operation = match &beside {
        Some(lacking) => {
            let heads = command.made_from.as_deref().unwrap_or_default();
            office::write_beside(batch, &draft, heads, lacking).await?
        }
        None => office::write_own(batch, &draft, None).await?,
    };
    let is_order = command.command == lifecycle::Command::Order;
    if is_order {
        let order = order_row(command, &fields, operation, ordinal, now_ms)?;
        batch.transaction.add_order(district.key, &order).await?;
    }
    let after = self::judged(batch.transaction, district, &context, command.record, now_ms).await?;
    let commanded = Commanded {
        operation: operation.to_string(),
        state: after.view.state.as_str(),
        state_zh: after.view.state.zh(),
        heads: after.view.heads.iter().map(ToString::to_string).collect(),
        conflicts: after.view.conflicts.iter().map(|conflict| conflict.subject.clone()).collect(),
        order_number: is_order.then(|| text(&fields, "order_number")),
        order: is_order.then(|| format!("{}-{}", ordinal.0, ordinal.1)),
        deadline_ms: turn::due_ms(&after.case),
        turn: turn::turn(&after.case).map(crate::domain::Role::as_str),
        warnings: warnings(command, &judged, has_moved, now_ms),
    };
    Ok(ActOutcome { operation: Some(operation), persons: Vec::new(), commanded: Some(Box::new(commanded)) })
}

fn giving<'a>(
    command: &'a Command,
    fields: &'a BTreeMap<String, Raw>,
    profile: Profile,
    now_ms: i64,
) -> Giving<'a> {
    Giving { person: command.person, roles: command.roles, now_ms, fields, photos: &command.photos, profile }
}

/// The hazard as its sender saw it takes the place of the one that is there; gives what that copy lacked.
///
/// # Errors
/// [`Refused::MovedOn`] unless it is to be written beside; [`Code::BadParameter`] for heads that it never had.
async fn seen(
    batch: &mut Batch<'_>,
    context: &Context,
    command: &Command,
    judged: &mut Judged,
) -> Result<Vec<Head>, SyncError> {
    let stored = batch.transaction.past_operations(batch.district.key, &[command.record]).await?;
    let stored = stored.into_values().next().unwrap_or_default();
    let all: Vec<Identified> =
        stored.iter().filter_map(|stored| Identified::decode(&stored.bytes).ok()).collect();
    let by_head: BTreeMap<Head, &Identified> = all.iter().map(|one| (one.head(), one)).collect();
    let heads = command.made_from.as_deref().unwrap_or_default();
    if heads.is_empty() || !heads.iter().all(|head| by_head.contains_key(head)) {
        return Err(SyncError::RefusedFor(Code::BadParameter, "heads".to_owned()));
    }
    let mut known = BTreeSet::new();
    let mut waiting: Vec<Head> = heads.to_vec();
    while let Some(head) = waiting.pop() {
        if let Some(one) = by_head.get(&head)
            && known.insert(head)
        {
            waiting.extend(one.operation.heads.iter().copied());
        }
    }
    if command.moved_on == MovedOn::Refuse {
        let unseen = all.iter().filter(|one| !known.contains(&one.head())).take(CHANGES);
        let changed = unseen.map(|one| Change {
            head: one.head().to_string(),
            kind: one.operation.kind.as_str().to_owned(),
            author: one.operation.author.to_string(),
        });
        return Err(SyncError::Command(Refused::MovedOn(Box::new(Since {
            state: judged.view.state.as_str(),
            state_zh: judged.view.state.zh(),
            heads: judged.view.heads.iter().map(ToString::to_string).collect(),
            changed: changed.collect(),
        }))));
    }
    let subset: Vec<Identified> = all.iter().filter(|one| known.contains(&one.head())).cloned().collect();
    judged.view = fold::fold(&subset);
    let mut past = derive::past(context.own(), stored);
    past.retain(|past| known.contains(&past.head));
    let (mut case, by_rule) = derive::case_of(context, &judged.row, &judged.view, &past, batch.now_ms);
    // Who has signed, and which deadline holds, is so whatever its sender had seen.
    let whole = &judged.case;
    case.rectifiers.extend(&whole.rectifiers);
    case.reinspectors.extend(&whole.reinspectors);
    case.round_rectifiers.extend(&whole.round_rectifiers);
    case.is_major |= whole.is_major;
    case.is_confirmed |= whole.is_confirmed;
    (case.asked, case.deadline_ms) = (whole.asked, whole.deadline_ms);
    (case.rule_ms, case.latest_ms) = (whole.rule_ms, whole.latest_ms);
    (judged.case, judged.by_rule) = (case, by_rule);
    Ok(judged.view.missing.clone())
}

/// A command says what belongs to it, in terms that are known: whatever else a hazard holds has its own command.
fn require_sayable(command: &Command) -> Result<(), SyncError> {
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
async fn require_unit(batch: &mut Batch<'_>, fields: &BTreeMap<String, Raw>) -> Result<(), SyncError> {
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
async fn require_other(
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

fn text(fields: &BTreeMap<String, Raw>, name: &str) -> String {
    fields.get(name).and_then(Raw::as_text).unwrap_or_default().to_owned()
}

/// The local year, and the next number of an order in it: under the counter row nobody else takes it.
async fn next_order(batch: &mut Batch<'_>, context: &Context) -> Result<(i64, i64), SyncError> {
    let now = jiff::Timestamp::from_millisecond(batch.now_ms).unwrap_or_default();
    let year = i64::from(now.to_zoned_datetime(context.zone().clone()).year());
    batch.transaction.take_counter(batch.district.key, 0).await?;
    Ok((year, batch.transaction.last_order(batch.district.key, year).await? + 1))
}

/// What a command says, with what the server knows better.
fn filled(
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

fn order_row(
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

fn warnings(command: &Command, judged: &Judged, has_moved: bool, now_ms: i64) -> Vec<Warning> {
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

/// A command that an account may think of.
#[derive(Debug, Serialize, ToSchema)]
pub struct Offered {
    /// Its name.
    pub command: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Whether it may be given now, once it says what it needs.
    pub allowed: bool,
    /// Fields and photo roles that it needs.
    pub needs: Vec<Needed>,
    /// What stands against it beside what it does not say yet.
    pub refusals: Vec<Refusal>,
}

/// A field or a photo that a command needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Needed {
    /// The field, or none.
    pub field: Option<&'static str>,
    /// The role of a photo, or none.
    pub photo: Option<&'static str>,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// Every command on a hazard: whether an account may give it now, and what it needs.
///
/// # Errors
/// [`Code::NotFound`], the store's.
pub async fn offered(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    (person, roles): (PersonId, Roles),
) -> Result<(Vec<String>, Vec<Offered>), SyncError> {
    let context = Context::of(engine, district).await?;
    let now_ms = engine.clock.now_ms();
    let mut reading = engine.store.read().await?;
    let judged = judged(&mut reading, district, &context, record, now_ms).await?;
    let ordinal = (0, 0);
    let offered = lifecycle::Command::ALL.iter().map(|command| {
        let (fields, photos) = (BTreeMap::new(), Vec::new());
        let (made_from, moved_on) = (None, MovedOn::Refuse);
        let given = Command { command: *command, record, fields, photos, person, roles, made_from, moved_on };
        let fields = filled(&given, &judged, &context, district, ordinal, now_ms);
        let giving = giving(&given, &fields, engine.profile, now_ms);
        let refusals = lifecycle::allowed(&judged.case, *command, &giving).err().unwrap_or_default();
        let refusals: Vec<Refusal> =
            refusals.into_iter().filter(|refusal| refusal.code != lifecycle::Reason::Needed).collect();
        let needs = table::needs(*command, &judged.case).into_iter().filter(|need| !need.is_met(&giving));
        Offered {
            command: command.as_str(),
            zh: command.zh(),
            en: command.en(),
            allowed: refusals.is_empty(),
            needs: needs.map(needed).collect(),
            refusals,
        }
    });
    let offered = offered.collect();
    Ok((judged.view.heads.iter().map(ToString::to_string).collect(), offered))
}

fn needed(need: table::Need) -> Needed {
    match need {
        table::Need::Field(name) => {
            let (zh, en) =
                sync_protocol::field::find(name).map_or((name, name), |field| (field.zh, field.en));
            Needed { field: Some(name), photo: None, zh, en }
        }
        table::Need::Photo(role) => Needed { field: None, photo: Some(role), zh: "照片", en: "a photo" },
        table::Need::Anything => Needed { field: None, photo: None, zh: "任一字段", en: "any field" },
    }
}

/// Whether an act of this kind may be given by these roles: the commands that write it.
pub fn may_act(kind: Kind, roles: Roles) -> bool {
    let commands = lifecycle::Command::ALL.iter().filter(|command| command.kind() == kind);
    commands.map(|command| table::rule(*command)).any(|rule| roles.has_any(rule.who))
}
