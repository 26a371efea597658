//! Law 3: every order of arrival, by the path that the server takes, gives the same bytes.

use super::agreement::{Met, arrive};
use super::generate::{Author, Shape, identify, scenario};
use crate::fold::{fold, oracle};
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

/// All orders give the whole fold's bytes, at the end and on the way.
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
    println!("{:?}", met.0);
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
    ];
    for seed in 0..40 {
        let shape = Shape { operations: 6, devices: 4, strange: 1_000, is_wild: seed % 4 == 3, kinds: ACTS };
        assert_order_free(&scenario(seed + 5_000, shape), &format!("seed {seed}"));
    }
}

#[test]
fn every_order_of_a_hand_made_dispute_gives_the_same_bytes() {
    let mut author = Author::new(1);
    let report = identify(author.operation(Kind::Reported, 1, &[]).with("category", &"corridor"));
    let rectified = identify(author.operation(Kind::Rectified, 2, &[report.head()]));
    let verified = identify(author.operation(Kind::Verified, 3, &[rectified.head()]));
    let observed =
        identify(author.operation(Kind::Observed, 4, &[report.head()]).with("severity", &"critical"));
    let void = identify(author.operation(Kind::Void, 5, &[report.head(), observed.head()]));
    let closed = identify(author.operation(Kind::Closed, 5, &[verified.head(), void.head()]));
    assert_order_free(&[report, rectified, verified, observed, void, closed], "dispute, void and closure");
}

#[test]
fn duplicates_count_once() {
    let set = scenario(3, Shape { operations: 7, devices: 3, strange: 20, is_wild: false, kinds: &[] });
    let twice: Vec<Identified> = set.iter().chain(&set).cloned().collect();
    assert_eq!(fold(&twice), fold(&set));
}
