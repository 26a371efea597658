//! Deadlines and dates that a command says: what may lie where.
//!
//! A deadline lies ahead of the order that sets it and no later than the rules, or than people were told; a later one is
//! an extension, asked for and granted before the old one has passed. What happened lies in the past, what is planned not
//! further ahead than anybody plans. Start at `check`.

use super::{Case, Command, Giving, Reason, Refusal, table};
use crate::domain::Role;

const DAY_MS: i64 = 86_400_000;
/// What happened may be dated so far ahead of the server's clock: a day is typed as its end, clocks differ.
const AHEAD_MS: i64 = DAY_MS;
/// 2000-01-01T00:00:00Z: what is said to have happened earlier was mistyped.
const EARLIEST_MS: i64 = 946_684_800_000;
/// What is carried forward is looked at again within a year.
const REVIEW_MS: i64 = 366 * DAY_MS;
/// No deadline and no date of a plan lies further ahead: three years, six times the longest term of the rules.
const FURTHEST_MS: i64 = 3 * 366 * DAY_MS;

/// Adds every refusal for a date.
pub(super) fn check(case: &Case, command: Command, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    match command {
        Command::Order => {
            happened("ordered_at_ms", giving, refusals);
            let is_reasoned = giving.value("reason").is_some();
            if term(case, case.rule_ms, giving, refusals) && !is_reasoned {
                refusals.push(Refusal::needed(table::Need::Field("reason")));
            }
        }
        Command::Reorder => {
            term(case, case.deadline_ms.or(case.rule_ms), giving, refusals);
        }
        Command::AskExtension => {
            before_deadline(case, giving, refusals);
            later(case, giving, refusals);
        }
        Command::GrantExtension => {
            before_deadline(case, giving, refusals);
            later(case, giving, refusals);
            as_asked(case, giving, refusals);
        }
        Command::Carry => ahead("review_at_ms", REVIEW_MS, giving, refusals),
        Command::ReviewCarried => {
            ahead("review_at_ms", REVIEW_MS, giving, refusals);
            ahead("deadline_ms", FURTHEST_MS, giving, refusals);
            at_latest(case, giving, refusals);
        }
        Command::PlanMajor => {
            for (_, name, _, _) in super::case::COMMITMENTS {
                within(name, (EARLIEST_MS, giving.now_ms.saturating_add(FURTHEST_MS)), giving, refusals);
            }
        }
        Command::Rectify => happened("completed_at_ms", giving, refusals),
        Command::Verify | Command::FailVerification => happened("verified_at_ms", giving, refusals),
        Command::Close => happened("closed_at_ms", giving, refusals),
        Command::Grade
        | Command::Return
        | Command::Resubmit
        | Command::Void
        | Command::Duplicate
        | Command::NotOurs
        | Command::ConfirmMajor
        | Command::Receipt
        | Command::Dispute
        | Command::RefuseExtension
        | Command::MakeSafe
        | Command::NotFound
        | Command::Uphold
        | Command::Reopen
        | Command::WriteOff
        | Command::Redact => {}
    }
}

/// The deadline of an order: behind the moment of its issue, and no later than a limit (the rules' own, or the one that
/// people were told). True where that limit had passed before the order was issued, so that a term counted from the issue
/// takes its place: a major hazard's, and one that people were told before, is then a leader's to give.
fn term(case: &Case, limit_ms: Option<i64>, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) -> bool {
    let Some(at_ms) = giving.number("deadline_ms") else { return false };
    let issued_ms = giving.issued_ms();
    if at_ms <= issued_ms {
        refusals.push(Refusal::of_field(
            Reason::TooEarly,
            "deadline_ms",
            "整改期限须晚于签发时间",
            "the deadline must lie behind the moment at which the order is issued",
        ));
        return false;
    }
    let Some(limit_ms) = limit_ms.filter(|limit_ms| at_ms > *limit_ms) else { return false };
    if limit_ms > issued_ms {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "整改期限晚于规则期限或已通知的期限；确需延长须走延期申请",
            "the deadline is later than that of the rules, or than people were told; a later one takes an extension",
        ));
        return false;
    }
    if case.fresh_ms.is_none_or(|fresh_ms| at_ms > fresh_ms) {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "原期限已过；新期限不得晚于自签发起按规则计算的期限",
            "the deadline had passed: a new one is no later than the rules' term counted from the issue",
        ));
    }
    if (case.is_major || case.deadline_ms.is_some()) && !giving.roles.has(Role::Leader) {
        refusals.push(Refusal::new(
            Reason::LeaderOnly,
            "原期限已过，重大事故隐患或已通知过期限的，须由领导重新下达",
            "the deadline had passed: of a major hazard, or where people were told it, a leader sets a new one",
        ));
    }
    true
}

/// Both asking and deciding come before the deadline.
fn before_deadline(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if case.deadline_ms.is_none_or(|at_ms| giving.now_ms >= at_ms) {
        refusals.push(Refusal::new(
            Reason::DeadlinePassed,
            "已过整改期限（或尚无期限），不能延期",
            "the deadline has passed, or there is none: it cannot be extended",
        ));
    }
}

/// An extended deadline is later than the one before, and no later than it may ever be.
fn later(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let Some(at_ms) = giving.number("deadline_ms") else { return };
    if case.deadline_ms.is_some_and(|before| at_ms <= before) {
        refusals.push(Refusal::of_field(
            Reason::TooEarly,
            "deadline_ms",
            "延期后的期限须晚于现期限",
            "an extended deadline is later than the one before",
        ));
    }
    not_beyond("deadline_ms", FURTHEST_MS, giving, refusals);
    at_latest(case, giving, refusals);
}

/// A major hazard has a latest deadline.
fn at_latest(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let given = giving.number("deadline_ms");
    if given.zip(case.latest_ms).is_some_and(|(at_ms, latest_ms)| at_ms > latest_ms) {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "超过重大事故隐患的最长期限",
            "it is later than a major hazard's deadline may ever be",
        ));
    }
}

fn as_asked(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let asked_ms = case.asked.and_then(|asked| asked.until_ms);
    if giving.number("deadline_ms").zip(asked_ms).is_some_and(|(at_ms, asked_ms)| at_ms > asked_ms) {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "不得晚于申请的期限",
            "it is later than what was asked for",
        ));
    }
}

/// Of what happened, where its date is given.
fn happened(name: &'static str, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    within(name, (EARLIEST_MS, giving.now_ms.saturating_add(AHEAD_MS)), giving, refusals);
}

/// Of a moment that must lie ahead, where it is given.
fn ahead(name: &'static str, furthest_ms: i64, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if giving.number(name).is_some_and(|at_ms| at_ms <= giving.now_ms) {
        refusals.push(Refusal::of_field(Reason::TooEarly, name, "日期须晚于现在", "the date must lie ahead"));
    }
    not_beyond(name, furthest_ms, giving, refusals);
}

fn not_beyond(name: &'static str, furthest_ms: i64, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    within(name, (i64::MIN, giving.now_ms.saturating_add(furthest_ms)), giving, refusals);
}

fn within(
    name: &'static str,
    (earliest_ms, latest_ms): (i64, i64),
    giving: &Giving<'_>,
    refusals: &mut Vec<Refusal>,
) {
    let Some(at_ms) = giving.number(name) else { return };
    if at_ms < earliest_ms {
        let (zh, en) = ("日期过早，请核对", "the date is too early to be true");
        refusals.push(Refusal::of_field(Reason::TooEarly, name, zh, en));
    }
    if at_ms > latest_ms {
        let (zh, en) = ("日期过晚，请核对", "the date is too late to be true");
        refusals.push(Refusal::of_field(Reason::TooLate, name, zh, en));
    }
}
