//! Taking back: the record shows, byte for byte, what it showed before the decision.

use super::agreement::arrive;
use super::generate::{Author, Shape, identify, scenario};
use super::met::Met;
use super::order::permutations;
use crate::fold::{advance, fold, oracle};
use crate::ids::Head;
use crate::kind::Kind;
use crate::operation::{Identified, Operation};
use crate::view::{State, View};

/// The kinds that can be taken back.
const DECISIONS: &[Kind] = &[Kind::Void, Kind::Duplicate, Kind::NotOurs, Kind::Resolved, Kind::Restored];

/// A view without its heads: they necessarily grow.
fn shown(view: &View) -> Vec<u8> {
    View { heads: Vec::new(), ..view.clone() }.encode()
}

fn taking_back(mut retraction: Operation, decision: &Identified) -> Operation {
    retraction.fields.clear();
    retraction.with("operation", &decision.identity)
}

/// A decision of the office on everything that a record has.
fn decide(author: &mut Author, kind: Kind, before: &[Identified]) -> Operation {
    let view = fold(before);
    let mut decision = author.operation(kind, 90, &view.heads);
    decision.lacking.clone_from(&view.missing);
    match kind {
        Kind::Resolved | Kind::Restored => decision.with("field", &"species").with("value", &"杉"),
        _ => decision.with("reason", &"误报").with("description", &"与另一处相同"),
    }
}

#[test]
fn a_decision_taken_back_leaves_every_record_as_it_was() {
    let mut met = Met::default();
    for seed in 0..400 {
        let shape = Shape { operations: 9, devices: 3, strange: 20, is_wild: seed % 4 == 3, kinds: &[] };
        let before = scenario(seed, shape);
        met.look(&before, &fold(&before));
        for kind in DECISIONS {
            let mut author = Author::new(seed + 1_000_000);
            let mut set = before.clone();
            let decision = identify(decide(&mut author, *kind, &set));
            set.push(decision.clone());
            let decided = fold(&set);
            // What was not a hazard, or was as it is now, shows nothing of the decision.
            met.count(
                kind.as_str(),
                decided.state != fold(&before).state || decided.fields != fold(&before).fields,
            );
            let mut retraction = author.operation(Kind::Retracted, 91, &decided.heads);
            retraction.lacking = decided.missing;
            set.push(identify(taking_back(retraction, &decision)));
            let (mut was, is) = (fold(&before), fold(&set));
            // Where nothing said so yet, the decision says that it is a hazard.
            was.record_type = is.record_type;
            assert_eq!(shown(&is), shown(&was), "seed {seed}, {kind}");
            assert_eq!(is, oracle::fold(&set), "seed {seed}, {kind}");
        }
    }
    met.assert_situations_and(&DECISIONS.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
}

#[test]
fn it_takes_effect_whatever_the_order_of_arrival() {
    let mut author = Author::new(2);
    let report = identify(author.operation(Kind::Reported, 1, &[]).with("category", &"corridor"));
    let observed = identify(author.operation(Kind::Observed, 2, &[report.head()]));
    let rectified = identify(author.operation(Kind::Rectified, 3, &[report.head()]));
    let duplicate = identify(author.operation(Kind::Duplicate, 4, &[report.head()]));
    let retracted = author.operation(Kind::Retracted, 4, &[duplicate.head(), observed.head()]);
    let retracted = identify(taking_back(retracted, &duplicate));
    let set = [report, observed, rectified, duplicate, retracted];
    let whole = fold(&set);
    let without: Vec<Identified> = set[..3].to_vec();
    assert_eq!(shown(&whole), shown(&fold(&without)));
    permutations(&set, &mut |order| {
        let (view, _) = arrive(order, |_, _| {});
        assert_eq!(view.encode(), whole.encode());
    });
}

struct Case {
    author: Author,
    set: Vec<Identified>,
}

impl Case {
    fn reported() -> Self {
        let mut author = Author::new(3);
        let report = author.operation(Kind::Reported, 1, &[]).with("category", &"corridor");
        Self { set: vec![identify(report.with("severity", &"serious"))], author }
    }

    fn after(&mut self, kind: Kind, heads: &[Head], with: impl FnOnce(Operation) -> Operation) -> Identified {
        let made = identify(with(self.author.operation(kind, 5, heads)));
        self.set.push(made.clone());
        made
    }

    fn next(&mut self, kind: Kind, with: impl FnOnce(Operation) -> Operation) -> Identified {
        let heads = fold(&self.set).heads;
        self.after(kind, &heads, with)
    }

    fn state(&self) -> State {
        fold(&self.set).state
    }
}

#[test]
fn what_was_seen_graded_ordered_or_closed_cannot_be_taken_back() {
    let mut case = Case::reported();
    for kind in [Kind::Graded, Kind::Ordered, Kind::Rectified, Kind::Verified, Kind::Closed, Kind::Reopened] {
        let made = case.next(kind, |made| made.with("severity", &"general"));
        let before = fold(&case.set);
        case.next(Kind::Retracted, |retraction| taking_back(retraction, &made));
        assert_eq!(shown(&fold(&case.set)), shown(&before), "{kind}");
    }
}

#[test]
fn only_what_it_sees_is_taken_back() {
    let mut case = Case::reported();
    let report = case.set[0].clone();
    let void = case.next(Kind::Void, |void| void);
    case.after(Kind::Retracted, &[report.head()], |retraction| taking_back(retraction, &void));
    assert_eq!(case.state(), State::Void);
    case.next(Kind::Retracted, |retraction| taking_back(retraction, &void));
    assert_eq!(case.state(), State::Reported);
    // Decided again, it stands again.
    case.next(Kind::Void, |void| void.with("reason", &"再次作废"));
    assert_eq!(case.state(), State::Void);
}

#[test]
fn an_end_that_was_replaced_stands_again() {
    let mut case = Case::reported();
    case.next(Kind::NotOurs, |end| end);
    let duplicate = case.next(Kind::Duplicate, |end| end);
    assert_eq!(case.state(), State::Duplicate);
    case.next(Kind::Retracted, |retraction| taking_back(retraction, &duplicate));
    assert_eq!(case.state(), State::NotOurs);
}

#[test]
fn a_conflict_that_was_settled_is_open_again() {
    let mut case = Case::reported();
    let heads = fold(&case.set).heads;
    case.after(Kind::Corrected, &heads, |entry| entry.with("species", &"松"));
    case.after(Kind::Corrected, &heads, |entry| entry.with("species", &"柏"));
    let before = fold(&case.set);
    assert_eq!(before.conflicts.len(), 1);
    let resolved = case.next(Kind::Resolved, |it| it.with("field", &"species").with("value", &"松"));
    assert!(fold(&case.set).conflicts.is_empty());
    case.next(Kind::Retracted, |retraction| taking_back(retraction, &resolved));
    assert_eq!(shown(&fold(&case.set)), shown(&before));
}

#[test]
fn an_unfounded_closure_waits_again_once_what_superseded_it_is_answered() {
    let mut case = Case::reported();
    case.next(Kind::Closed, |closed| closed);
    case.next(Kind::MadeSafe, |safe| safe);
    let before = fold(&case.set);
    assert!(before.conflicts.is_empty());
    let observed = case.next(Kind::Observed, |observed| observed);
    let whole = fold(&case.set);
    assert_eq!(whole.conflicts[0].reason, "closure-unfounded");
    assert_eq!(advance(Some(&before), &observed).unwrap_or_else(|| whole.clone()), whole);
}
