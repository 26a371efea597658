//! What became of a hazard before, and what no other table asks for: an author, a photo, another hazard.

use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::view::View;

use super::*;

fn codes(case: &Case, command: Command, role: Role, said: &[(&str, Raw)]) -> Vec<Reason> {
    let (mut fields, photos) = everything();
    fields.extend(said.iter().map(|(name, value)| (*name, value.clone())));
    let found = allowed(case, command, &giving(role, &fields, &photos));
    found.err().unwrap_or_default().iter().map(|it| it.code).collect()
}

/// An operation of person 4 that says this deadline, a second later than the one before.
fn past(number: u8, kind: Kind, deadline_ms: i64) -> Past {
    Past {
        head: Head([number; 16]),
        kind,
        author: person(4),
        fields: Fields::from([("deadline_ms", Raw::of(&deadline_ms))]),
        photos: Vec::new(),
        received_ms: NOW_MS + i64::from(number) * 1_000,
        not_before_ms: NOW_MS,
    }
}

/// The case that is left of operations of these kinds, each with this deadline.
fn after(operations: &[(Kind, i64)]) -> Case {
    let past: Vec<Past> =
        (1..).zip(operations).map(|(number, (kind, at_ms))| past(number, *kind, *at_ms)).collect();
    Case::of(RecordId(Uuid::from_u128(9)), &View::default(), &past)
}

#[test]
fn asking_for_an_extension_moves_nothing_and_granting_it_does_until_the_next_word() {
    let (first, later) = (NOW_MS + 10 * DAY_MS, NOW_MS + 20 * DAY_MS);
    let asked = after(&[(Kind::Ordered, first), (Kind::ExtensionAsked, later)]);
    assert_eq!(asked.deadline_ms, Some(first));
    assert_eq!(asked.asked, Some(case::Asked { until_ms: Some(later), by: person(4) }));
    let granted =
        after(&[(Kind::Ordered, first), (Kind::ExtensionAsked, later), (Kind::ExtensionGranted, later)]);
    assert_eq!((granted.deadline_ms, granted.asked, granted.extensions), (Some(later), None, 1));
    for kind in [Kind::ExtensionRefused, Kind::Carried, Kind::Disputed, Kind::Rectified] {
        let ended = after(&[(Kind::Ordered, first), (Kind::ExtensionAsked, later), (kind, later)]);
        assert_eq!((ended.deadline_ms, ended.asked), (Some(first), None), "{kind:?}");
    }
    let tightened =
        after(&[(Kind::Ordered, later), (Kind::ExtensionAsked, later), (Kind::DeadlineTightened, first)]);
    assert_eq!(tightened.deadline_ms, Some(first));
    assert!(tightened.asked.is_some(), "what was asked for still waits for a word");
}

#[test]
fn who_rectified_it_once_did_so_for_good_and_each_round_is_signed_anew() {
    for again in [Kind::VerificationFailed, Kind::Reopened] {
        let case = after(&[(Kind::Rectified, 0), (Kind::Verified, 0), (again, 0)]);
        let all = BTreeSet::from([person(4)]);
        assert_eq!((&case.rectifiers, &case.reinspectors), (&all, &all), "{again:?}");
        assert!(case.round.rectifiers.is_empty() && case.round.reinspectors.is_empty(), "{again:?}");
    }
}

#[test]
fn a_hazard_is_a_duplicate_of_another_one() {
    let itself = RecordId(Uuid::from_u128(9));
    let case = |record: RecordId| Case { record: Some(record), ..ready(State::Reported, Command::Duplicate) };
    let said = [("duplicate_of", Raw::of(&itself))];
    assert_eq!(codes(&case(itself), Command::Duplicate, Role::Reviewer, &said), [Reason::Unknown]);
    let other = case(RecordId(Uuid::from_u128(8)));
    assert!(codes(&other, Command::Duplicate, Role::Reviewer, &said).is_empty());
}

#[test]
fn what_a_leader_confirmed_as_major_a_leader_alone_makes_less() {
    let less = [("major", Raw::of(&false))];
    let confirmed = Case { is_major: true, is_confirmed: true, ..ready(State::Graded, Command::Grade) };
    assert_eq!(codes(&confirmed, Command::Grade, Role::Reviewer, &less), [Reason::LeaderOnly]);
    assert!(codes(&confirmed, Command::Grade, Role::Leader, &less).is_empty());
    assert!(codes(&confirmed, Command::Grade, Role::Reviewer, &[("major", Raw::of(&true))]).is_empty());
    let said = Case { is_confirmed: false, ..confirmed };
    assert!(codes(&said, Command::Grade, Role::Reviewer, &less).is_empty());
}

#[test]
fn what_was_verified_is_closed_with_a_photo_of_how_it_looks_after() {
    let unseen = Round { after: BTreeSet::new(), ..round(2, &[3]) };
    let bare = Case { round: unseen.clone(), ..ready(State::Verified, Command::Close) };
    assert_eq!(codes(&bare, Command::Close, Role::Reviewer, &[]), [Reason::Evidence]);
    // One that was there before shows nothing.
    let spent = Round { spent: round(2, &[3]).after, ..round(2, &[3]) };
    let old = Case { round: spent, ..ready(State::Verified, Command::Close) };
    assert_eq!(codes(&old, Command::Close, Role::Reviewer, &[]), [Reason::Evidence]);
    let not_found = Case { round: unseen, ..ready(State::NotFound, Command::Close) };
    assert!(codes(&not_found, Command::Close, Role::Reviewer, &[]).is_empty(), "there was nothing to see");
}

#[test]
fn a_report_that_was_returned_is_sent_in_again_by_its_author_or_by_the_office() {
    let of_another = Case { reporter: Some(person(5)), ..ready(State::Returned, Command::Resubmit) };
    assert_eq!(codes(&of_another, Command::Resubmit, Role::Inspector, &[]), [Reason::NotAuthor]);
    assert!(codes(&of_another, Command::Resubmit, Role::Clerk, &[]).is_empty());
    assert!(
        codes(&ready(State::Returned, Command::Resubmit), Command::Resubmit, Role::Inspector, &[]).is_empty()
    );
}

#[test]
fn what_its_author_has_withdrawn_counts_for_nothing() {
    let (first, later) = (NOW_MS + 10 * DAY_MS, NOW_MS + 20 * DAY_MS);
    let operations = [past(1, Kind::Ordered, first), past(2, Kind::ExtensionAsked, later)];
    let view = View { withdrawn: BTreeSet::from([operations[1].head]), ..View::default() };
    let case = Case::of(RecordId(Uuid::from_u128(9)), &view, &operations);
    assert_eq!((case.deadline_ms, case.asked, case.deadlines.len()), (Some(first), None, 1));
}
