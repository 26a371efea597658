//! Who must act on a hazard and until when: the case of a record and its deadline by the rules. Pure.
//!
//! It takes the operations behind a hazard: what became of its deadline is in them, and so are the times from which that
//! counts. A view holds none, since it says nothing that depends on the order of arrival.

use jiff::tz::TimeZone;
use sync_protocol::cbor::Raw;
use sync_protocol::field::severity_rank;
use sync_protocol::ids::{DeviceId, Identity};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::Operation;
use sync_protocol::prepass;
use sync_protocol::view::View;

use super::facts::{found_ms, text, township};
use super::{Context, hazards};
use crate::domain::{self, state_number};
use crate::lifecycle::{Case, Past, turn};
use crate::rules::deadline::{self, Danger, Deadline, DeadlineReason, Situation};
use crate::rules::{Rules, Severity};
use crate::store::{CaseRow, DangerRow, PastOperation, RecordRow};
use crate::time;

/// What the operations behind a hazard say, in the order in which it is told: what phones signed as it came, then what
/// the server signed in its own order.
pub(in crate::sync) fn past(own: DeviceId, mut operations: Vec<PastOperation>) -> Vec<Past> {
    operations.sort_by_key(|it| {
        let is_own = it.device == own;
        (is_own, if is_own { 0 } else { it.received_ms }, it.device, it.sequence)
    });
    operations.iter().filter_map(one).collect()
}

fn one(stored: &PastOperation) -> Option<Past> {
    let operation = Operation::decode(&stored.bytes).ok()?;
    let interval = time::interval(&operation.at, stored.received_ms, None);
    let known_after = operation.at.after_ms.is_some();
    let not_before_ms = if known_after { interval.not_before_ms } else { stored.received_ms };
    let (received_ms, head) = (stored.received_ms, Identity::of(&stored.bytes).head());
    let kind = operation.kind.known()?;
    let photos = operation.photos;
    if kind != Kind::Released {
        let (author, fields) = (operation.author, operation.fields);
        return Some(Past { head, kind, author, fields, photos, received_ms, not_before_ms });
    }
    // What took effect, in the name of its author.
    let field = |name: &str| operation.fields.get(name);
    let kind = Kind::parse(field("effective_kind")?.as_text()?)?;
    let author = field("effective_author").and_then(Raw::decode).unwrap_or(operation.author);
    let fields = field("effective_fields").map(entries).unwrap_or_default();
    Some(Past { head, kind, author, fields, photos, received_ms, not_before_ms })
}

/// The entries of a map.
fn entries(map: &Raw) -> Fields {
    let entries = prepass::entries(map.as_bytes()).unwrap_or_default();
    entries.into_iter().map(|(name, value)| (name, Raw::from_checked(value))).collect()
}

/// The levels that held since a time in the areas that a place lies in, or in the whole district.
fn dangers_since(rows: &[DangerRow], areas: &[String], from_ms: i64) -> Vec<Danger> {
    let here: Vec<&DangerRow> =
        rows.iter().filter(|row| row.area.is_empty() || areas.contains(&row.area)).collect();
    let is_over = |row: &DangerRow| {
        let next = here.iter().filter(|other| other.area == row.area && other.since_ms > row.since_ms);
        next.map(|other| other.since_ms).min().is_some_and(|ended_ms| ended_ms <= from_ms)
    };
    let held = here.iter().filter(|row| !is_over(row));
    held.filter_map(|row| Some(Danger { level: u8::try_from(row.level).ok()?, since_ms: row.since_ms }))
        .collect()
}

/// Where a hazard stands, as far as a deadline depends on it.
struct Standing {
    class: Option<String>,
    areas: Vec<String>,
    dangers: Vec<Danger>,
    /// The lower bound of its time.
    from_ms: i64,
    /// When the rules were set, where people were told its deadline under others.
    rules_since_ms: Option<i64>,
}

impl Standing {
    /// As it was found.
    fn of(context: &Context, row: &RecordRow, view: &View, case: &Case) -> Self {
        // What the server knows, or earlier where its author says so.
        let said_ms = found_ms(view, row.received_ms);
        Self::since(context, row, view, case.found_from_ms.unwrap_or(row.received_ms).min(said_ms))
    }

    /// As if it was found at this moment.
    fn since(context: &Context, row: &RecordRow, view: &View, from_ms: i64) -> Self {
        let mut areas = vec![township(context, row, view), text(view, "county")];
        areas.retain(|area| !area.is_empty());
        let class = hazards::class(context, row, view);
        let dangers = dangers_since(&context.dangers, &areas, from_ms);
        Self { class, areas, dangers, from_ms, rules_since_ms: None }
    }

    /// Its deadline by some rules.
    fn deadline(
        &self,
        (rules, zone): (&Rules, &TimeZone),
        (view, case, severity): (&View, &Case, Severity),
        known: &[DeadlineReason],
        as_of_ms: i64,
    ) -> Option<Deadline> {
        let areas: Vec<&str> = self.areas.iter().map(String::as_str).collect();
        let observed = domain::severity_where(view, view.shown("severity").and_then(Raw::as_text));
        let was_raised = severity_rank(Some(severity.as_str())) > severity_rank(observed);
        let situation = Situation {
            severity,
            severity_since_ms: if was_raised { case.graded_ms } else { None },
            class: self.class.as_deref(),
            forest: view.shown("forest").and_then(Raw::as_bool),
            areas: &areas,
            dangers: &self.dangers,
            is_major: case.is_major,
            from_ms: self.from_ms,
            as_of_ms,
            notified_ms: case.deadline_ms,
            known,
            rules_since_ms: self.rules_since_ms,
        };
        deadline::deadline(rules, &situation, zone)
    }
}

/// The deadline of a hazard by the rules, as of a time, whatever people were told; none while nobody has said how severe
/// it is.
fn by_rule(context: &Context, row: &RecordRow, view: &View, case: &Case, as_of_ms: i64) -> Option<Deadline> {
    let untold = Case { deadline_ms: None, ..case.clone() };
    let rules = (&*context.rules, &context.zone);
    Standing::of(context, row, view, case).deadline(rules, (view, &untold, case.severity?), &[], as_of_ms)
}

/// The term of the rules counted from the moment at which an order is issued.
pub(in crate::sync) fn fresh_ms(
    context: &Context,
    row: &RecordRow,
    view: &View,
    case: &Case,
    issued_ms: i64,
) -> Option<i64> {
    let untold = Case { deadline_ms: None, graded_ms: None, ..case.clone() };
    let rules = (&*context.rules, &context.zone);
    let standing = Standing::since(context, row, view, issued_ms);
    let deadline = standing.deadline(rules, (view, &untold, case.severity?), &[], issued_ms)?;
    Some(deadline.at_ms)
}

/// The deadline of a hazard by the rules, where it is earlier than the one that people were told by what came since: a
/// season or a danger level that was raised, a worse severity, other rules than those of `then`. What was known to whoever
/// told it tightens nothing: an extension stands against the term that it extends. `then`: the rules when it was told, and
/// since when there are others, whose terms do not begin before that.
pub(in crate::sync) fn tightened(
    context: &Context,
    (then, rules_since_ms): (&Rules, Option<i64>),
    (row, view, case): (&RecordRow, &View, &Case),
    severity: Option<Severity>,
    as_of_ms: i64,
) -> Option<Deadline> {
    let told_ms = case.told_ms?;
    let severity = severity.or(case.severity)?;
    let standing = Standing::of(context, row, view, case);
    let untold = Case {
        deadline_ms: None,
        is_major: case.major_ms.is_some_and(|major_ms| major_ms <= told_ms),
        ..case.clone()
    };
    let told_severity = case.told_severity.unwrap_or(severity);
    // Whatever a fire sighting was graded, people were told a deadline of what is critical.
    let told_severity = domain::severity_where(view, Some(told_severity.as_str())).map(Severity::of_term);
    let told = (view, &untold, told_severity.unwrap_or(severity));
    let known = standing.deadline((then, &context.zone), told, &[], told_ms);
    let known = known.map(|known| known.reasons).unwrap_or_default();
    let now = (view, case, severity);
    let standing = Standing { rules_since_ms, ..standing };
    let deadline = standing.deadline((&context.rules, &context.zone), now, &known, as_of_ms)?;
    deadline.is_tightened.then_some(deadline)
}

/// The case of a hazard with its deadline by the rules.
pub(in crate::sync) fn case_of(
    context: &Context,
    row: &RecordRow,
    view: &View,
    past: &[Past],
    as_of_ms: i64,
) -> (Case, Option<Deadline>) {
    let mut case = Case::of(row.record, view, past);
    let by_rule = by_rule(context, row, view, &case, as_of_ms);
    case.rule_ms = by_rule.as_ref().map(|deadline| deadline.at_ms);
    case.latest_ms = by_rule.as_ref().and_then(|deadline| deadline.latest_ms);
    let asked_ms = case.round.rectified_ms.filter(|_| case.is_major);
    case.acceptance_ms =
        asked_ms.and_then(|asked_ms| deadline::acceptance_ms(&context.rules, asked_ms, &context.zone));
    (case, by_rule)
}

/// What is kept of a case.
pub(in crate::sync) fn row_of(row: &RecordRow, view: &View, case: &Case) -> CaseRow {
    CaseRow {
        record: row.record,
        state: state_number(view.state),
        is_open: view.state.is_open(),
        severity: i64::from(severity_rank(domain::severity(view))),
        is_major: case.is_major,
        due_ms: turn::due_ms(case),
        notified_ms: case.deadline_ms,
        unit: case.unit,
        turn: turn::turn(case).map(crate::domain::Role::number),
        since_ms: case.moved_ms.unwrap_or(row.received_ms),
        order_number: case.order_number.clone(),
        extensions: i64::from(case.extensions),
        change: row.change,
    }
}
