//! What a command must not run against beside its row of the table: persons, times, a major hazard's plan.

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::view::State;

use super::{Case, Command, Giving, Reason, Refusal};
use crate::domain::Role;

/// Adds every refusal of the guards.
pub(super) fn check(case: &Case, command: Command, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    match command {
        Command::Resubmit => author(case, giving, refusals),
        Command::Duplicate => duplicate(case, giving, refusals),
        Command::Order => order(case, giving, refusals),
        Command::AskExtension => ask(case, giving, refusals),
        Command::GrantExtension => {
            pending(case, giving, refusals);
            grant(case, giving, refusals);
        }
        Command::RefuseExtension => pending(case, giving, refusals),
        Command::Carry => future("review_at_ms", giving, refusals),
        Command::ReviewCarried => future("deadline_ms", giving, refusals),
        Command::Rectify => commitments(case, refusals),
        Command::Verify | Command::FailVerification | Command::Uphold => {
            persons("整改人", "who rectified it", &case.rectifiers, giving, refusals);
        }
        Command::Close => close(case, giving, refusals),
        Command::Grade => major(case, giving, refusals),
        Command::Return
        | Command::Void
        | Command::NotOurs
        | Command::ConfirmMajor
        | Command::PlanMajor
        | Command::Receipt
        | Command::Dispute
        | Command::MakeSafe
        | Command::NotFound
        | Command::Reopen
        | Command::WriteOff
        | Command::Redact => {}
    }
}

/// An inspector sends in again what they reported themselves; the office may for anyone.
fn author(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let is_office = giving.roles.has_any(&[Role::Reviewer, Role::Clerk, Role::Leader, Role::Admin]);
    if !is_office && case.reporter != Some(giving.person) {
        refusals.push(Refusal::new(
            Reason::NotAuthor,
            "只有上报人本人可以补充后重新上报",
            "only its author sends a report in again",
        ));
    }
}

fn duplicate(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let other: Option<RecordId> = giving.value("duplicate_of").and_then(Raw::decode);
    if other.is_some() && other == case.record {
        refusals.push(Refusal::of_field(
            Reason::Unknown,
            "duplicate_of",
            "不能与自身重复",
            "it cannot be a duplicate of itself",
        ));
    }
}

/// What a leader has confirmed as major, a leader alone makes less.
fn major(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let is_less = giving.value("major").and_then(Raw::as_bool) == Some(false);
    if case.is_confirmed && is_less && !giving.roles.has(Role::Leader) {
        refusals.push(Refusal::new(
            Reason::LeaderOnly,
            "已由领导确认为重大事故隐患，须由领导变更",
            "a leader confirmed it as major: a leader changes that",
        ));
    }
}

fn order(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if case.is_major && !case.is_confirmed {
        refusals.push(Refusal::new(
            Reason::MajorUnconfirmed,
            "重大事故隐患须先由领导确认",
            "a leader must confirm a major hazard first",
        ));
    }
    let Some(at_ms) = giving.number("deadline_ms") else { return };
    if let Some(rule_ms) = case.rule_ms
        && at_ms > rule_ms
    {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "整改期限晚于规则期限；确需延长须走延期申请",
            "the deadline is later than that of the rules; a later one takes an extension",
        ));
    }
}

/// Of a moment that must lie ahead, where it is given.
fn future(name: &'static str, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if giving.number(name).is_some_and(|at_ms| at_ms <= giving.now_ms) {
        refusals.push(Refusal::of_field(Reason::TooEarly, name, "日期须晚于现在", "the date must lie ahead"));
    }
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
    if case.latest_ms.is_some_and(|latest| at_ms > latest) {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "超过重大事故隐患的最长期限",
            "it is later than a major hazard's deadline may ever be",
        ));
    }
}

fn ask(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if case.asked.is_some() {
        refusals.push(Refusal::new(
            Reason::Extension,
            "已有待批的延期申请",
            "an extension was asked for already and waits",
        ));
    }
    before_deadline(case, giving, refusals);
    later(case, giving, refusals);
}

fn pending(case: &Case, _giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if case.asked.is_none() {
        refusals.push(Refusal::new(Reason::Extension, "没有待批的延期申请", "no extension was asked for"));
    }
}

fn grant(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    before_deadline(case, giving, refusals);
    later(case, giving, refusals);
    let given = giving.number("deadline_ms");
    if let (Some(asked), Some(at_ms)) = (case.asked.and_then(|asked| asked.until_ms), given)
        && at_ms > asked
    {
        refusals.push(Refusal::of_field(
            Reason::TooLate,
            "deadline_ms",
            "不得晚于申请的期限",
            "it is later than what was asked for",
        ));
    }
}

fn commitments(case: &Case, refusals: &mut Vec<Refusal>) {
    if !case.is_major {
        return;
    }
    for (name, zh, en) in &case.commitments_missing {
        refusals.push(Refusal::of_field(
            Reason::Commitments,
            name,
            format!("五落实尚缺「{zh}」"),
            format!("of the five commitments, {en} is missing"),
        ));
    }
}

fn persons(
    zh: &str,
    en: &str,
    others: &std::collections::BTreeSet<PersonId>,
    giving: &Giving<'_>,
    refusals: &mut Vec<Refusal>,
) {
    if others.contains(&giving.person) {
        refusals.push(Refusal::new(
            Reason::SamePerson,
            format!("您是{zh}，须由他人执行"),
            format!("you are {en}: another person must do this"),
        ));
    }
}

fn close(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    if case.is_major && !giving.roles.has(Role::Leader) {
        refusals.push(Refusal::new(
            Reason::LeaderOnly,
            "重大事故隐患须由领导销号",
            "a leader closes a major hazard",
        ));
    }
    persons("整改人", "who rectified it", &case.rectifiers, giving, refusals);
    if giving.profile.closer_is_not_reinspector {
        persons("复查人", "who verified it", &case.reinspectors, giving, refusals);
    }
    if case.state == State::Verified {
        commitments(case, refusals);
        if case.round_reinspectors.is_subset(&case.round_rectifiers) {
            refusals.push(Refusal::new(
                Reason::Evidence,
                "须由整改人以外的人员复查",
                "nobody but who rectified it has verified it",
            ));
        }
        if !case.has_after_photo {
            refusals.push(Refusal::new(
                Reason::Evidence,
                "缺少整改后照片",
                "no photo shows it after it was rectified",
            ));
        }
    }
}
