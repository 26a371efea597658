//! The table, walked whole, and the guards on persons.

mod history;
mod times;

use std::collections::BTreeSet;

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{PersonId, PhotoHash};
use sync_protocol::named::Fields;
use sync_protocol::operation::{Photo, Position};
use sync_protocol::view::State;
use uuid::Uuid;

use super::*;
use crate::domain::Role;

const NOW_MS: i64 = 1_790_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn person(number: u128) -> PersonId {
    PersonId(Uuid::from_u128(number))
}

/// Everything that any command needs.
fn everything() -> (Fields, Vec<Photo>) {
    let text = |name: &str| (name.to_owned(), Raw::of(&"x"));
    let mut fields: Fields =
        ["reason", "severity", "responsible_unit", "measures", "plan", "verdict", "supervision_level"]
            .into_iter()
            .map(text)
            .collect();
    for (name, value) in [
        ("deadline_ms", NOW_MS + 20 * DAY_MS),
        ("review_at_ms", NOW_MS + DAY_MS),
        ("completed_at_ms", NOW_MS),
        ("verified_at_ms", NOW_MS),
        ("quantity", 3),
        ("measured_dm", 64),
    ] {
        fields.insert(name, Raw::of(&value));
    }
    fields.insert("duplicate_of", Raw::of(&PersonId(Uuid::from_u128(9))));
    fields.insert("position", Raw::of(&Position::default()));
    fields.insert("photo", Raw::of(&PhotoHash([1; 32])));
    let photo = |role: &str| Photo { role: role.to_owned(), bytes: 1, sha256: PhotoHash([1; 32]) };
    (fields, vec![photo("after"), photo("site")])
}

fn giving<'a>(role: Role, fields: &'a Fields, photos: &'a [Photo]) -> Giving<'a> {
    Giving {
        person: person(1),
        roles: role.into(),
        now_ms: NOW_MS,
        fields,
        photos,
        profile: Profile::default(),
    }
}

/// A round in which one rectified it and these verified it, with all that it needs.
fn round(rectifier: u128, reinspectors: &[u128]) -> Round {
    Round {
        rectifiers: BTreeSet::from([person(rectifier)]),
        reinspectors: reinspectors.iter().copied().map(person).collect(),
        after: BTreeSet::from([PhotoHash([8; 32])]),
        has_site_record: true,
        ..Round::default()
    }
}

/// A case on which nothing but the state stands against any command.
fn ready(state: State, command: Command) -> Case {
    let told_days = if command == Command::Reorder { 20 } else { 10 };
    let decides = matches!(command, Command::GrantExtension | Command::RefuseExtension);
    Case {
        reporter: Some(person(1)),
        rectifiers: BTreeSet::from([person(2)]),
        reinspectors: BTreeSet::from([person(3)]),
        round: round(2, &[3]),
        photos: BTreeSet::from([PhotoHash([1; 32])]),
        is_ordered: true,
        deadline_ms: Some(NOW_MS + told_days * DAY_MS),
        rule_ms: Some(NOW_MS + 30 * DAY_MS),
        asked: decides.then_some(case::Asked { until_ms: None, by: person(4) }),
        ..Case::in_state(state)
    }
}

#[test]
fn every_command_is_decided_in_every_state_for_every_role_as_the_table_says() {
    let (fields, photos) = everything();
    let mut allowed_pairs = 0;
    for command in Command::ALL {
        let rule = table::rule(*command);
        assert!(!rule.from.is_empty() && !rule.who.is_empty(), "{command:?}");
        for state in State::ALL {
            for role in Role::ALL {
                let case = ready(*state, *command);
                let found = allowed(&case, *command, &giving(*role, &fields, &photos));
                let codes: Vec<Reason> =
                    found.as_ref().err().into_iter().flatten().map(|refusal| refusal.code).collect();
                let mut expected = Vec::new();
                if !rule.who.contains(role) {
                    expected.push(Reason::Role);
                }
                if !rule.from.contains(&case.at()) {
                    expected.push(Reason::State);
                }
                assert_eq!(codes, expected, "{command:?} {state:?} {role:?}");
                allowed_pairs += usize::from(found.is_ok());
            }
        }
    }
    assert!(allowed_pairs > 200, "{allowed_pairs}");
}

/// What a command must say of a hazard in the corridor, and the photo that it rests on: written anew from domain §5.
const NEEDS: &[(Command, &[&str], Option<&str>)] = &[
    (Command::Grade, &["severity"], None),
    (Command::Return, &["reason"], None),
    (Command::Void, &["reason"], None),
    (Command::Duplicate, &["duplicate_of", "reason"], None),
    (Command::NotOurs, &["reason"], None),
    (Command::ConfirmMajor, &["supervision_level"], None),
    (Command::Order, &["responsible_unit", "measures", "deadline_ms"], None),
    (Command::Reorder, &["responsible_unit", "measures", "deadline_ms", "reason"], None),
    (Command::Receipt, &[], None),
    (Command::Dispute, &["reason"], None),
    (Command::AskExtension, &["deadline_ms", "reason"], None),
    (Command::GrantExtension, &["deadline_ms"], None),
    (Command::RefuseExtension, &["reason"], None),
    (Command::Carry, &["plan", "review_at_ms"], None),
    (Command::ReviewCarried, &["reason"], None),
    (Command::MakeSafe, &["measures"], Some("site")),
    (Command::NotFound, &["position"], Some("site")),
    (Command::Rectify, &["completed_at_ms", "quantity"], Some("after")),
    (Command::Verify, &["verified_at_ms", "verdict", "measured_dm"], None),
    (Command::Uphold, &["reason"], None),
    (Command::FailVerification, &["verified_at_ms", "verdict", "measured_dm"], None),
    (Command::Close, &[], None),
    (Command::Reopen, &["reason"], None),
    (Command::WriteOff, &["reason", "photo"], None),
    (Command::Redact, &["reason"], None),
];

#[test]
fn each_command_needs_what_the_bureau_asks_for_and_nothing_else() {
    let (all, photos) = everything();
    for command in Command::ALL {
        // Any field will do for these.
        if matches!(command, Command::Resubmit | Command::PlanMajor) {
            continue;
        }
        let (_, names, photo) = NEEDS.iter().find(|(known, ..)| known == command).unwrap();
        let rule = table::rule(*command);
        let case = Case { is_clearance: true, ..ready(*rule.from.first().unwrap(), *command) };
        let codes = |fields: &Fields, photos: &[Photo]| -> Vec<Reason> {
            let found = allowed(&case, *command, &giving(*rule.who.first().unwrap(), fields, photos));
            found.err().unwrap_or_default().iter().map(|it| it.code).collect()
        };
        let only: Fields = all
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let of_role: Vec<Photo> =
            photos.iter().filter(|it| Some(it.role.as_str()) == *photo).cloned().collect();
        assert!(codes(&only, &of_role).is_empty(), "{command:?} needs more: {:?}", codes(&only, &of_role));
        for name in *names {
            let mut less = only.clone();
            less.remove(name);
            assert_eq!(codes(&less, &of_role), [Reason::Needed], "{command:?} without {name}");
        }
        let others: Vec<Photo> =
            photos.iter().filter(|it| Some(it.role.as_str()) != *photo).cloned().collect();
        let expected: &[Reason] = if photo.is_some() { &[Reason::Needed] } else { &[] };
        assert_eq!(codes(&only, &others), expected, "{command:?} with other photos");
    }
}

#[test]
fn nothing_happens_to_what_has_ended_but_closing_again_reopening_and_tidying() {
    for state in [State::Closed, State::Void, State::Duplicate, State::NotOurs, State::Recorded] {
        for command in Command::ALL {
            let may = table::rule(*command).from.contains(&state);
            let expected = match command {
                Command::WriteOff | Command::Redact => state != State::Recorded,
                Command::Close => state == State::Closed,
                Command::Reopen => !matches!(state, State::Closed | State::Recorded),
                _ => false,
            };
            assert_eq!(may, expected, "{command:?} {state:?}");
        }
    }
}

#[test]
fn everything_that_is_missing_is_said_at_once_in_the_words_of_the_field() {
    let nothing = Fields::new();
    let case = Case { is_clearance: true, ..Case::in_state(State::Reported) };
    let refusals = allowed(&case, Command::Verify, &giving(Role::Clerk, &nothing, &[])).unwrap_err();
    let codes: Vec<Reason> = refusals.iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, [Reason::Role, Reason::State, Reason::Needed, Reason::Needed, Reason::Needed]);
    let words: Vec<&str> = refusals.iter().map(|refusal| refusal.zh.as_str()).collect();
    assert_eq!(
        words,
        [
            "「复查通过」须由复查员、管理员执行",
            "当前为「待审核」，不能复查通过；须处于：整改完成待复查、已验收、销号存疑",
            "请填写「验收时间」",
            "请填写「验收结论」",
            "请填写「复测距离」",
        ]
    );
}

#[test]
fn who_rectified_it_neither_verifies_nor_closes_it_and_who_verified_it_does_not_close_it() {
    let (fields, photos) = everything();
    let refused = |case: &Case, command: Command, role: Role, profile: Profile| {
        let giving = Giving { profile, ..giving(role, &fields, &photos) };
        allowed(case, command, &giving)
            .err()
            .unwrap_or_default()
            .iter()
            .any(|it| it.code == Reason::SamePerson)
    };
    let strict = Profile::default();
    let lenient = Profile { closer_is_not_reinspector: false };
    let rectifier =
        |state| Case { rectifiers: BTreeSet::from([person(7), person(1)]), ..ready(state, Command::Verify) };
    for profile in [strict, lenient] {
        assert!(refused(&rectifier(State::Rectified), Command::Verify, Role::Reinspector, profile));
        assert!(refused(&rectifier(State::Rectified), Command::FailVerification, Role::Admin, profile));
        assert!(refused(&rectifier(State::Verified), Command::Close, Role::Reviewer, profile));
    }
    let verifier = Case {
        reinspectors: BTreeSet::from([person(1), person(3)]),
        round: round(2, &[1, 3]),
        ..ready(State::Verified, Command::Close)
    };
    assert!(refused(&verifier, Command::Close, Role::Reviewer, strict));
    assert!(!refused(&verifier, Command::Close, Role::Reviewer, lenient));
    // Who else rectified and verified in one person is no second pair of eyes.
    let alone = Case {
        rectifiers: BTreeSet::from([person(2)]),
        reinspectors: BTreeSet::from([person(2)]),
        round: round(2, &[2]),
        ..ready(State::Verified, Command::Close)
    };
    let refusals = allowed(&alone, Command::Close, &giving(Role::Reviewer, &fields, &photos)).unwrap_err();
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), [Reason::Evidence]);
}

#[test]
fn who_asked_for_an_extension_does_not_grant_it() {
    let (fields, photos) = everything();
    let asked = case::Asked { until_ms: None, by: person(1) };
    let case = Case { asked: Some(asked), ..ready(State::Rectifying, Command::GrantExtension) };
    let giving = giving(Role::Leader, &fields, &photos);
    let refusals = allowed(&case, Command::GrantExtension, &giving).unwrap_err();
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), [Reason::SamePerson]);
    assert!(allowed(&case, Command::RefuseExtension, &giving).is_ok());
}

#[test]
fn what_was_not_found_is_closed_after_another_visit_or_with_a_reason_and_not_by_who_alone_says_so() {
    let (mut fields, photos) = everything();
    let visit = |who: u128, days: i64, photo: u8| case::Visit {
        person: person(who),
        at_ms: NOW_MS + days * DAY_MS,
        photos: vec![PhotoHash([photo; 32])],
    };
    let codes = |visits: &[case::Visit], fields: &Fields| -> Vec<Reason> {
        let case = Case { visits: visits.to_vec(), ..ready(State::NotFound, Command::Close) };
        let found = allowed(&case, Command::Close, &giving(Role::Reviewer, fields, &photos));
        found.err().unwrap_or_default().iter().map(|it| it.code).collect()
    };
    // Who closes is person 1.
    assert!(codes(&[visit(5, 0, 1)], &fields).is_empty(), "with a reason");
    assert_eq!(codes(&[visit(1, 0, 1)], &fields), [Reason::SamePerson]);
    assert_eq!(codes(&[visit(1, 0, 1), visit(1, 2, 2)], &fields), [Reason::SamePerson]);
    fields.remove("reason");
    assert_eq!(codes(&[visit(5, 0, 1)], &fields), [Reason::Needed]);
    assert_eq!(codes(&[visit(5, 0, 1), visit(5, 0, 2)], &fields), [Reason::Needed], "the same day");
    assert_eq!(codes(&[visit(5, 0, 1), visit(5, 2, 1)], &fields), [Reason::Needed], "the same photo");
    assert!(codes(&[visit(5, 0, 1), visit(5, 2, 2)], &fields).is_empty());
    assert!(codes(&[visit(5, 0, 1), visit(6, 0, 1)], &fields).is_empty());
    assert!(codes(&[visit(1, 0, 1), visit(6, 0, 1)], &fields).is_empty());
}

#[test]
fn a_major_hazard_is_confirmed_planned_and_closed_by_a_leader() {
    let (fields, photos) = everything();
    let codes = |case: &Case, command: Command, role: Role| -> Vec<Reason> {
        let found = allowed(case, command, &giving(role, &fields, &photos));
        found.err().unwrap_or_default().iter().map(|it| it.code).collect()
    };
    let major = |state| Case {
        is_major: true,
        commitments_missing: vec![("funds_text", "资金", "funds")],
        ..ready(state, Command::Order)
    };
    assert_eq!(codes(&major(State::Graded), Command::Order, Role::Clerk), [Reason::MajorUnconfirmed]);
    let confirmed = |state| Case { is_confirmed: true, ..major(state) };
    assert!(codes(&confirmed(State::Graded), Command::Order, Role::Clerk).is_empty());
    assert_eq!(codes(&confirmed(State::Rectifying), Command::Rectify, Role::Unit), [Reason::Commitments]);
    assert_eq!(
        codes(&confirmed(State::Verified), Command::Close, Role::Reviewer),
        [Reason::LeaderOnly, Reason::Commitments]
    );
    let whole = Case { commitments_missing: Vec::new(), ..confirmed(State::Verified) };
    assert!(codes(&whole, Command::Close, Role::Leader).is_empty());
}

#[test]
fn only_a_photo_that_the_hazard_names_is_written_off_and_a_photo_of_after_is_a_new_one() {
    let (fields, photos) = everything();
    let codes = |case: &Case, command: Command| -> Vec<Reason> {
        let found = allowed(case, command, &giving(Role::Leader, &fields, &photos));
        found.err().unwrap_or_default().iter().map(|it| it.code).collect()
    };
    let named = ready(State::Closed, Command::WriteOff);
    assert!(codes(&named, Command::WriteOff).is_empty());
    let unnamed = Case { photos: BTreeSet::new(), ..named };
    assert_eq!(codes(&unnamed, Command::WriteOff), [Reason::Unknown]);
    let mut spent = ready(State::Rectifying, Command::Rectify);
    assert!(codes(&spent, Command::Rectify).is_empty());
    spent.round.spent.insert(PhotoHash([1; 32]));
    assert_eq!(codes(&spent, Command::Rectify), [Reason::Evidence]);
}

#[test]
fn who_closed_it_does_not_verify_it_afterwards_where_the_bureau_keeps_the_two_apart() {
    let (fields, photos) = everything();
    let closed = Case { closers: BTreeSet::from([person(1)]), ..ready(State::Disputed, Command::Verify) };
    let by = |profile: Profile| {
        let giving = Giving { profile, ..giving(Role::Reinspector, &fields, &photos) };
        let found = allowed(&closed, Command::Verify, &giving);
        found.err().unwrap_or_default().iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert_eq!(by(Profile::default()), [Reason::SamePerson]);
    assert!(by(Profile { closer_is_not_reinspector: false }).is_empty());
}
