//! Commands of the office on a hazard: judged under the lock against what they were made from, and written as operations.
//!
//! What may be commanded is [`crate::lifecycle`]; here a case is read, what the server knows better than its sender is
//! filled in (number of the order, deadline by the rules, version of the rules), and the operation is written with the
//! row of the order in one transaction. Start at `perform`; [`given`] and [`offered`] are the ways in.

mod checks;
mod duplicates;
mod filling;
mod offering;
mod seen;

use std::sync::Arc;

use serde::Serialize;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, PersonId, RecordId};
use sync_protocol::kind::RecordType;
use sync_protocol::named::Fields;
use sync_protocol::operation::Photo;
use sync_protocol::view::View;
use utoipa::ToSchema;

pub use offering::{Needed, Offered, may_act, offered};

use super::batch::Batch;
use super::derive::{self, Context};
use super::office::{self, Act, ActOutcome, OwnOperation};
use super::{Engine, SyncError};
use crate::domain::{Collection, District, Roles};
use crate::lifecycle::{self, Case, Giving, Past, Profile, Refusal, turn};
use crate::rules::deadline::Deadline;
use crate::store::{RecordRow, Transaction};
use checks::{named_unit, require_other, require_sayable, require_unit};
use duplicates::keep_of_duplicate;
use filling::{Known, filled, next_order, order_row, shown, text, warnings};
use seen::seen;

/// A command as an account gives it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which.
    pub command: lifecycle::Command,
    /// On which hazard.
    pub record: RecordId,
    /// What it says.
    pub fields: Fields,
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
    let mut ordinal = None;
    let mut unit = None;
    if command.command.issues_order() {
        ordinal = Some(next_order(batch, &context).await?);
        unit = named_unit(batch, &command.fields).await?;
        let issued_ms = lifecycle::issued_ms(&command.fields, now_ms);
        judged.case.fresh_ms = derive::fresh_ms(&context, &judged.row, &judged.view, &judged.case, issued_ms);
    }
    let has_moved = command.made_from.as_ref().is_some_and(|heads| *heads != judged.view.heads);
    let beside = if has_moved { Some(seen(batch, &context, command, &mut judged).await?) } else { None };
    let known = Known { context: &context, district, ordinal, unit: unit.as_ref(), now_ms };
    let fields = filled(command, &judged, &known);
    let giving = giving(command, &fields, batch.engine.profile, now_ms);
    lifecycle::allowed(&judged.case, command.command, &giving)
        .map_err(|refusals| SyncError::Command(Refused::Command(refusals)))?;
    require_other(batch, command, &judged.view, &fields).await?;
    require_unit(&fields, unit.as_ref())?;
    let draft = OwnOperation {
        kind: command.command.kind(),
        record: command.record,
        fields: &fields,
        photos: &command.photos,
        author: command.person,
    };
    let operation = match &beside {
        Some(seen) => {
            let heads = command.made_from.as_deref().unwrap_or_default();
            office::write_beside(batch, &draft, heads, &seen.lacking).await?
        }
        None => office::write_own(batch, &draft, None).await?,
    };
    let after = self::judged(batch.transaction, district, &context, command.record, now_ms).await?;
    if let Some(seen) = beside {
        seen.require_visible(&after.view.conflicts)?;
    }
    keep_of_duplicate(batch, command, (&context, &judged), &fields).await?;
    // What follows from it for who must act is there with it: nobody reads an older case after the reply.
    let row = derive::row_of(&after.row, &after.view, &after.case);
    batch.transaction.upsert_cases(district.key, &[row]).await?;
    if let Some(ordinal) = ordinal {
        let shown = shown(batch, command, (&judged, &after), (&fields, context.zone())).await?;
        let order = order_row(command, &fields, operation, ordinal, (shown, now_ms))?;
        batch.transaction.add_order(district.key, &order).await?;
    }
    let commanded = Commanded {
        operation: operation.to_string(),
        state: after.view.state.as_str(),
        state_zh: after.view.state.zh(),
        heads: after.view.heads.iter().map(ToString::to_string).collect(),
        conflicts: after.view.conflicts.iter().map(|conflict| conflict.subject.clone()).collect(),
        order_number: ordinal.map(|_| text(&fields, "order_number")),
        order: ordinal.map(|(year, ordinal)| format!("{year}-{ordinal}")),
        deadline_ms: turn::due_ms(&after.case),
        turn: turn::turn(&after.case).map(crate::domain::Role::as_str),
        warnings: warnings(command, (&judged, &fields), has_moved, now_ms),
    };
    Ok(ActOutcome { operation: Some(operation), persons: Vec::new(), commanded: Some(Box::new(commanded)) })
}

fn giving<'a>(command: &'a Command, fields: &'a Fields, profile: Profile, now_ms: i64) -> Giving<'a> {
    Giving { person: command.person, roles: command.roles, now_ms, fields, photos: &command.photos, profile }
}
