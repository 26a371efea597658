//! Deadlines and dates: at each edge, by each role.

use super::*;

fn codes(case: &Case, command: Command, role: Role, fields: &Fields) -> Vec<Reason> {
    let (_, photos) = everything();
    let found = allowed(case, command, &giving(role, fields, &photos));
    found.err().unwrap_or_default().iter().map(|it| it.code).collect()
}

/// Everything that a command needs, and this.
fn saying(values: &[(&str, i64)]) -> Fields {
    let (mut fields, _) = everything();
    fields.extend(values.iter().map(|(name, value)| (*name, Raw::of(value))));
    fields
}

#[test]
fn a_deadline_moves_by_a_granted_extension_before_it_passes_and_by_nothing_else() {
    let (fields, _) = everything();
    let codes = |case: &Case, command: Command, role: Role| codes(case, command, role, &fields);
    let asked = |until: i64| Some(case::Asked { until_ms: Some(until), by: person(4) });
    let open = ready(State::Rectifying, Command::AskExtension);
    assert!(codes(&open, Command::AskExtension, Role::Unit).is_empty());
    let past = Case { deadline_ms: Some(NOW_MS), ..open.clone() };
    assert_eq!(codes(&past, Command::AskExtension, Role::Unit), [Reason::DeadlinePassed]);
    let waiting = Case { asked: asked(NOW_MS + 20 * DAY_MS), ..open.clone() };
    assert_eq!(codes(&waiting, Command::AskExtension, Role::Unit), [Reason::Extension]);
    assert!(codes(&waiting, Command::GrantExtension, Role::Reviewer).is_empty());
    assert_eq!(codes(&open, Command::GrantExtension, Role::Reviewer), [Reason::Extension]);
    assert_eq!(codes(&open, Command::RefuseExtension, Role::Reviewer), [Reason::Extension]);
    let less = Case { asked: asked(NOW_MS + 19 * DAY_MS), ..open.clone() };
    assert_eq!(codes(&less, Command::GrantExtension, Role::Reviewer), [Reason::TooLate]);
    let late = Case { deadline_ms: Some(NOW_MS - 1), ..waiting.clone() };
    assert_eq!(codes(&late, Command::GrantExtension, Role::Reviewer), [Reason::DeadlinePassed]);
    let beyond = Case { latest_ms: Some(NOW_MS + 15 * DAY_MS), ..open.clone() };
    assert_eq!(codes(&beyond, Command::AskExtension, Role::Unit), [Reason::TooLate]);
    let order = Case { rule_ms: Some(NOW_MS + 19 * DAY_MS), ..ready(State::Graded, Command::Order) };
    assert_eq!(codes(&order, Command::Order, Role::Clerk), [Reason::TooLate]);
}

#[test]
fn an_order_sets_a_deadline_behind_its_issue_and_no_later_than_the_rules() {
    let case = Case { deadline_ms: None, ..ready(State::Graded, Command::Order) };
    let order = |case: &Case, at_ms: i64| {
        codes(case, Command::Order, Role::Clerk, &saying(&[("deadline_ms", at_ms)]))
    };
    assert_eq!(order(&case, NOW_MS), [Reason::TooEarly]);
    assert!(order(&case, NOW_MS + 1).is_empty());
    assert!(order(&case, NOW_MS + 30 * DAY_MS).is_empty());
    assert_eq!(order(&case, NOW_MS + 30 * DAY_MS + 1), [Reason::TooLate]);
    // An order on paper is measured by the day on which it was issued.
    let paper = |issued_ms: i64, at_ms: i64| {
        let fields = saying(&[("ordered_at_ms", issued_ms), ("deadline_ms", at_ms)]);
        codes(&case, Command::Order, Role::Clerk, &fields)
    };
    let issued_ms = NOW_MS - 400 * DAY_MS;
    assert!(paper(issued_ms, issued_ms + DAY_MS).is_empty());
    assert_eq!(paper(issued_ms, issued_ms), [Reason::TooEarly]);
    assert_eq!(paper(NOW_MS + 2 * DAY_MS, NOW_MS + 3 * DAY_MS), [Reason::TooLate]);
    assert_eq!(paper(0, DAY_MS), [Reason::TooEarly], "1970 was mistyped");
}

#[test]
fn where_the_term_had_passed_before_the_order_another_counts_from_the_issue_with_a_reason() {
    let late = Case {
        deadline_ms: None,
        rule_ms: Some(NOW_MS - DAY_MS),
        fresh_ms: Some(NOW_MS + DAY_MS),
        ..ready(State::Graded, Command::Order)
    };
    let mut fields = saying(&[("deadline_ms", NOW_MS + DAY_MS)]);
    assert!(codes(&late, Command::Order, Role::Clerk, &fields).is_empty());
    let beyond = saying(&[("deadline_ms", NOW_MS + DAY_MS + 1)]);
    assert_eq!(codes(&late, Command::Order, Role::Clerk, &beyond), [Reason::TooLate]);
    let told = Case { deadline_ms: Some(NOW_MS - DAY_MS), ..late.clone() };
    let major = Case { is_major: true, is_confirmed: true, ..late.clone() };
    for case in [&told, &major] {
        assert_eq!(codes(case, Command::Order, Role::Clerk, &fields), [Reason::LeaderOnly]);
        assert!(codes(case, Command::Order, Role::Leader, &fields).is_empty());
    }
    fields.remove("reason");
    assert_eq!(codes(&late, Command::Order, Role::Clerk, &fields), [Reason::Needed]);
}

#[test]
fn an_order_that_is_issued_anew_is_no_later_than_people_were_told() {
    let told_ms = NOW_MS + 20 * DAY_MS;
    let case = ready(State::Rectifying, Command::Reorder);
    let reorder = |case: &Case, role: Role, at_ms: i64| {
        codes(case, Command::Reorder, role, &saying(&[("deadline_ms", at_ms)]))
    };
    assert!(reorder(&case, Role::Clerk, told_ms).is_empty());
    assert_eq!(reorder(&case, Role::Clerk, told_ms + 1), [Reason::TooLate], "though the rules leave more");
    assert_eq!(reorder(&case, Role::Clerk, NOW_MS), [Reason::TooEarly]);
    let late = Case {
        deadline_ms: Some(NOW_MS - 1),
        fresh_ms: Some(NOW_MS + DAY_MS),
        ..ready(State::Ordered, Command::Reorder)
    };
    assert_eq!(reorder(&late, Role::Clerk, NOW_MS + DAY_MS), [Reason::LeaderOnly]);
    assert!(reorder(&late, Role::Leader, NOW_MS + DAY_MS).is_empty());
    assert_eq!(reorder(&late, Role::Leader, NOW_MS + 2 * DAY_MS), [Reason::TooLate]);
}

#[test]
fn dates_that_cannot_be_true_are_refused_at_the_edge() {
    let year = 366 * DAY_MS;
    let past_2000 = 946_684_800_000;
    let asked = Some(case::Asked { until_ms: None, by: person(4) });
    for (command, role, name, earliest_ms, latest_ms) in [
        (Command::Rectify, Role::Clerk, "completed_at_ms", past_2000, NOW_MS + DAY_MS),
        (Command::Verify, Role::Reinspector, "verified_at_ms", past_2000, NOW_MS + DAY_MS),
        (Command::FailVerification, Role::Reinspector, "verified_at_ms", past_2000, NOW_MS + DAY_MS),
        (Command::Close, Role::Leader, "closed_at_ms", past_2000, NOW_MS + DAY_MS),
        (Command::Carry, Role::Leader, "review_at_ms", NOW_MS + 1, NOW_MS + year),
        (Command::ReviewCarried, Role::Leader, "review_at_ms", NOW_MS + 1, NOW_MS + year),
        (Command::ReviewCarried, Role::Leader, "deadline_ms", NOW_MS + 1, NOW_MS + 3 * year),
        (Command::AskExtension, Role::Unit, "deadline_ms", NOW_MS + 10 * DAY_MS + 1, NOW_MS + 3 * year),
        (Command::GrantExtension, Role::Leader, "deadline_ms", NOW_MS + 10 * DAY_MS + 1, NOW_MS + 3 * year),
        (Command::PlanMajor, Role::Clerk, "funds_at_ms", past_2000, NOW_MS + 3 * year),
    ] {
        let state = *table::rule(command).from.first().unwrap();
        let case =
            Case { asked: asked.filter(|_| command == Command::GrantExtension), ..ready(state, command) };
        let said = |at_ms: i64| codes(&case, command, role, &saying(&[(name, at_ms)]));
        assert!(said(earliest_ms).is_empty() && said(latest_ms).is_empty(), "{command:?} {name}");
        assert_eq!(said(earliest_ms - 1), [Reason::TooEarly], "{command:?} {name}");
        assert_eq!(said(latest_ms + 1), [Reason::TooLate], "{command:?} {name}");
    }
}

#[test]
fn a_carried_hazard_that_is_major_gets_no_later_deadline_than_it_may_have() {
    let latest_ms = NOW_MS + 20 * DAY_MS;
    let case =
        Case { is_major: true, latest_ms: Some(latest_ms), ..ready(State::Carried, Command::ReviewCarried) };
    let review =
        |at_ms: i64| codes(&case, Command::ReviewCarried, Role::Leader, &saying(&[("deadline_ms", at_ms)]));
    assert!(review(latest_ms).is_empty());
    assert_eq!(review(latest_ms + 1), [Reason::TooLate]);
}
