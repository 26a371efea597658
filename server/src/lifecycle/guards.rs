//! What a command must not run against beside its row of the table: persons, a major hazard's plan. Deadlines and dates
//! are in [`super::times`].

use std::collections::BTreeSet;

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{Head, PersonId, PhotoHash, RecordId};
use sync_protocol::view::State;

use super::{Case, Command, Giving, Reason, Refusal, times};
use crate::domain::Role;

/// Adds every refusal of the guards.
pub(super) fn check(case: &Case, command: Command, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    times::check(case, command, giving, refusals);
    match command {
        Command::Resubmit => author(case, giving, refusals),
        Command::Duplicate => duplicate(case, giving, refusals),
        Command::Order => confirmed(case, refusals),
        Command::AskExtension => unasked(case, refusals),
        Command::GrantExtension => {
            asked(case, refusals);
            let asker = case.asked.map(|asked| asked.by).into_iter().collect();
            persons(("申请人", "who asked for it"), &asker, giving, refusals);
        }
        Command::RefuseExtension => asked(case, refusals),
        Command::Rectify => {
            commitments(case, refusals);
            after_photo(case, giving, refusals);
        }
        Command::Verify | Command::FailVerification | Command::Uphold => {
            persons(("整改人", "who rectified it"), &case.rectifiers, giving, refusals);
            if command == Command::Verify && giving.profile.closer_is_not_reinspector {
                persons(("销号人", "who closed it"), &case.closers, giving, refusals);
            }
        }
        Command::Close => close(case, giving, refusals),
        Command::Grade => major(case, giving, refusals),
        Command::WriteOff => write_off(case, giving, refusals),
        Command::Return
        | Command::Void
        | Command::NotOurs
        | Command::ConfirmMajor
        | Command::PlanMajor
        | Command::Reorder
        | Command::Receipt
        | Command::Dispute
        | Command::Carry
        | Command::ReviewCarried
        | Command::MakeSafe
        | Command::NotFound
        | Command::Reopen
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

/// What is written off is named: otherwise nothing would be.
fn write_off(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let names = ["photo", "predecessor"];
    if names.iter().all(|name| giving.value(name).is_none()) {
        refusals.push(Refusal::of_field(
            Reason::Needed,
            "photo",
            "要指明核销哪张照片或哪项前序操作",
            "what is written off is named: a photo or a predecessor",
        ));
    }
    let photo: Option<PhotoHash> = giving.value("photo").and_then(Raw::decode);
    if photo.is_some_and(|photo| !case.photos.contains(&photo)) {
        refusals.push(Refusal::of_field(
            Reason::Unknown,
            "photo",
            "该隐患没有登记这张照片",
            "the hazard names no such photo",
        ));
    }
    let missing: Option<Head> = giving.value("predecessor").and_then(Raw::decode);
    if missing.is_some_and(|missing| !case.missing.contains(&missing)) {
        refusals.push(Refusal::of_field(
            Reason::Unknown,
            "predecessor",
            "该隐患不缺这项前序操作",
            "the hazard does not lack this operation",
        ));
    }
}

/// A photo shows how it looks after: not one that was there before, or was named as something else.
fn after_photo(case: &Case, giving: &Giving<'_>, refusals: &mut Vec<Refusal>) {
    let after = || giving.photos.iter().filter(|photo| photo.role == "after");
    if after().next().is_some() && after().all(|photo| case.round.spent.contains(&photo.sha256)) {
        refusals.push(Refusal::new(
            Reason::Evidence,
            "整改后照片须为本次整改后拍摄，不能使用该隐患已登记的照片",
            "a photo of after the work is needed: this one was registered with the hazard before",
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

fn confirmed(case: &Case, refusals: &mut Vec<Refusal>) {
    if case.is_major && !case.is_confirmed {
        refusals.push(Refusal::new(
            Reason::MajorUnconfirmed,
            "重大事故隐患须先由领导确认",
            "a leader must confirm a major hazard first",
        ));
    }
}

fn unasked(case: &Case, refusals: &mut Vec<Refusal>) {
    if case.asked.is_some() {
        refusals.push(Refusal::new(
            Reason::Extension,
            "已有待批的延期申请",
            "an extension was asked for already and waits",
        ));
    }
}

fn asked(case: &Case, refusals: &mut Vec<Refusal>) {
    if case.asked.is_none() {
        refusals.push(Refusal::new(Reason::Extension, "没有待批的延期申请", "no extension was asked for"));
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
    (zh, en): (&str, &str),
    others: &BTreeSet<PersonId>,
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
    persons(("整改人", "who rectified it"), &case.rectifiers, giving, refusals);
    if giving.profile.closer_is_not_reinspector {
        persons(("复查人", "who verified it"), &case.reinspectors, giving, refusals);
    }
    // Nobody closes by their own word alone that there was nothing to be found.
    let visitors = case.visitors();
    if case.state == State::NotFound && visitors.len() == 1 {
        persons(("唯一登记现场未发现的人", "who alone did not find it"), &visitors, giving, refusals);
    }
    if case.state == State::Verified {
        commitments(case, refusals);
        if case.round.reinspectors.is_subset(&case.round.rectifiers) {
            refusals.push(Refusal::new(
                Reason::Evidence,
                "须由整改人以外的人员复查",
                "nobody but who rectified it has verified it",
            ));
        }
        if !case.round.has_after_photo() {
            refusals.push(Refusal::new(
                Reason::Evidence,
                "缺少整改后照片",
                "no photo shows it after it was rectified",
            ));
        }
        if !case.round.has_site_record {
            refusals.push(Refusal::new(
                Reason::Evidence,
                "验收缺少复查结论或实测距离，须补充验收",
                "the verification has no verdict or no measured distance: it is verified again with them",
            ));
        }
    }
}
