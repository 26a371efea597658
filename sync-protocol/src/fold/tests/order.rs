//! Law 3: every order of arrival, by the path that the server takes, gives the same bytes.

use super::agreement::arrive;
use super::generate::{Author, Shape, identify, scenario};
use super::met::Met;
use crate::cbor::Raw;
use crate::fold::{fold, oracle};
use crate::ids::Head;
use crate::kind::Kind;
use crate::operation::Identified;
use crate::view::View;

/// Calls `visit` with every order of the items (Heap's method).
pub(super) fn permutations<T: Clone>(items: &[T], visit: &mut impl FnMut(&[T])) {
    let mut order = items.to_vec();
    let mut counters = vec![0; order.len()];
    visit(&order);
    let mut at = 0;
    while at < order.len() {
        if counters[at] < at {
            let other = if at % 2 == 0 { 0 } else { counters[at] };
            order.swap(other, at);
            visit(&order);
            counters[at] += 1;
            at = 0;
        } else {
            counters[at] = 0;
            at += 1;
        }
    }
}

/// All orders give the whole fold's bytes. (What each gives on its way is held to the oracle in `agreement`.)
fn assert_order_free(set: &[Identified], what: &str) -> View {
    let whole = oracle::fold(set);
    let bytes = whole.encode();
    permutations(set, &mut |order| {
        let (view, _) = arrive(order, |view, so_far| {
            if so_far.len() == set.len() {
                assert_eq!(view.encode(), bytes, "{what}: {view:?} instead of {whole:?}");
            }
        });
        assert_eq!(view, whole, "{what}");
    });
    whole
}

#[test]
fn every_order_of_generated_scenarios_gives_the_same_bytes() {
    let mut met = Met::default();
    for seed in 0..220 {
        let operations = if seed % 20 == 0 { 6 } else { 5 };
        let shape = Shape { operations, devices: 4, strange: 14, is_wild: seed % 4 == 3, kinds: &[] };
        let set = scenario(seed, shape);
        met.look(&set, &assert_order_free(&set, &format!("seed {seed}")));
    }
    met.assert_situations_and(&["disputed", "values", "merged", "provisional"]);
}

#[test]
fn every_order_of_six_lifecycle_acts_of_four_devices_gives_the_same_bytes() {
    const ACTS: &[Kind] = &[
        Kind::Observed,
        Kind::Rectified,
        Kind::MadeSafe,
        Kind::NotFound,
        Kind::Verified,
        Kind::Closed,
        Kind::Void,
        Kind::Duplicate,
        Kind::VerificationFailed,
        Kind::Reopened,
        Kind::Released,
    ];
    let mut met = Met::default();
    for seed in 0..40 {
        let shape = Shape { operations: 6, devices: 4, strange: 1_000, is_wild: seed % 4 == 3, kinds: ACTS };
        let set = scenario(seed + 5_000, shape);
        met.look(&set, &assert_order_free(&set, &format!("seed {seed}")));
    }
    met.assert_situations_and(&[]);
}

/// A void and an observation beside a verification, and a closure that knew of the one alone.
fn dispute() -> Vec<Identified> {
    let mut author = Author::new(1);
    let report = identify(author.operation(Kind::Reported, 1, &[]).with("category", &"corridor"));
    let rectified = identify(author.operation(Kind::Rectified, 2, &[report.head()]));
    let verified = identify(author.operation(Kind::Verified, 3, &[rectified.head()]));
    let observed =
        identify(author.operation(Kind::Observed, 4, &[report.head()]).with("severity", &"critical"));
    let void = identify(author.operation(Kind::Void, 5, &[report.head(), observed.head()]));
    let closed = identify(author.operation(Kind::Closed, 5, &[verified.head(), void.head()]));
    vec![report, rectified, verified, observed, void, closed]
}

/// Two closings under one id, of a cure whose author did not have the report yet and of a verification that was
/// released; one of them names what never came.
fn two_closings() -> Vec<Identified> {
    let mut author = Author::new(2);
    let report = identify(author.operation(Kind::Reported, 1, &[]).with("category", &"corridor"));
    let corrected = identify(author.operation(Kind::Corrected, 1, &[report.head()]).with("species", &"杉"));
    let mut rectified = author.operation(Kind::Rectified, 2, &[corrected.head()]);
    rectified.lacking = vec![report.head()];
    let rectified = identify(rectified);
    let mut released = author.operation(Kind::Released, 3, &[rectified.head()]);
    released.fields.insert("effective_kind".to_owned(), Raw::of(&"verified"));
    let released = identify(released);
    let closed = identify(author.operation(Kind::Closed, 4, &[released.head()]));
    let mut again = author.operation(Kind::Closed, 5, &[released.head(), Head([7; 16])]);
    again.id = closed.operation.id;
    vec![report, corrected, rectified, released, closed, identify(again)]
}

#[test]
fn every_order_of_hand_made_records_gives_the_same_bytes() {
    let mut met = Met::default();
    for (what, set) in [("dispute", dispute()), ("two closings", two_closings())] {
        met.look(&set, &assert_order_free(&set, what));
    }
    met.assert_situations_and(&[]);
}

#[test]
fn duplicates_count_once() {
    let set = scenario(3, Shape { operations: 7, devices: 3, strange: 20, is_wild: false, kinds: &[] });
    let twice: Vec<Identified> = set.iter().chain(&set).cloned().collect();
    assert_eq!(fold(&twice), fold(&set));
}
