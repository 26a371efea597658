//! The pair table against the fold.

use super::generate::{Author, identify};
use super::order::permutations;
use crate::fold::pairs::{KINDS, Outcome, PAIRS, find};
use crate::fold::{advance, fold, lifecycle};
use crate::kind::Kind;
use crate::operation::Identified;
use crate::view::{State, View};

/// A reported hazard, or one that was rectified and verified too.
fn base(author: &mut Author, is_verified: bool) -> Vec<Identified> {
    let report = identify(author.operation(Kind::Reported, 1, &[]).with("category", &"corridor"));
    if !is_verified {
        return vec![report];
    }
    let rectified = identify(author.operation(Kind::Rectified, 2, &[report.head()]));
    let verified = identify(author.operation(Kind::Verified, 3, &[rectified.head()]));
    vec![report, rectified, verified]
}

/// The base and then these kinds, none of which has seen another.
fn beside(is_verified: bool, kinds: &[Kind]) -> (Vec<Identified>, Vec<Identified>) {
    let mut author = Author::new(1);
    let base = base(&mut author, is_verified);
    let tip = base.last().unwrap().head();
    let acts =
        (4..).zip(kinds).map(|(person, kind)| identify(author.operation(*kind, person, &[tip]))).collect();
    (base, acts)
}

fn folded(is_verified: bool, kinds: &[Kind]) -> View {
    let (mut all, acts) = beside(is_verified, kinds);
    all.extend(acts);
    fold(&all)
}

fn outcome(view: &View) -> (State, Vec<&str>) {
    (view.state, view.conflicts.iter().map(|conflict| conflict.reason.as_str()).collect())
}

fn expected(outcome: Outcome) -> (State, Vec<&'static str>) {
    (outcome.state, outcome.conflicts.to_vec())
}

#[test]
fn the_table_has_every_pair_once_and_is_what_the_fold_gives_in_either_order() {
    let mut rows = Vec::new();
    for (at, one) in KINDS.iter().enumerate() {
        for other in &KINDS[at..] {
            let [reported, verified] = [false, true].map(|is_verified| folded(is_verified, &[*one, *other]));
            let back = [false, true].map(|is_verified| folded(is_verified, &[*other, *one]));
            assert_eq!(
                back.each_ref().map(outcome),
                [outcome(&reported), outcome(&verified)],
                "{one}, {other}"
            );
            let (on_reported, waits) = outcome(&reported);
            let (on_verified, also) = outcome(&verified);
            println!("    {one:?} {other:?}: {on_reported:?} {waits:?} {on_verified:?} {also:?}");
            rows.push((*one, *other, (on_reported, waits.join(" ")), (on_verified, also.join(" "))));
        }
    }
    assert_eq!(PAIRS.len(), rows.len(), "one row a pair");
    for (one, other, reported, verified) in rows {
        let row = find(one, other).unwrap();
        assert_eq!(find(other, one), Some(row));
        let (state, conflicts) = expected(row.on_reported);
        assert_eq!((state, conflicts.join(" ")), reported, "{one} beside {other} on a reported hazard");
        let (state, conflicts) = expected(row.on_verified);
        assert_eq!((state, conflicts.join(" ")), verified, "{one} beside {other} on a verified hazard");
    }
}

#[test]
fn the_table_names_every_kind_that_moves_a_hazard_and_no_other() {
    for kind in Kind::ALL {
        let moves = lifecycle::role(*kind).is_some() || lifecycle::stage(*kind).is_some();
        assert_eq!(KINDS.contains(kind), moves, "{kind}");
        assert_eq!(find(*kind, Kind::Closed).is_some(), moves, "{kind}");
    }
}

#[test]
fn any_three_come_to_the_same_in_every_order() {
    let mut triples = 0;
    for (i, a) in KINDS.iter().enumerate() {
        for (j, b) in KINDS.iter().enumerate().skip(i) {
            for c in &KINDS[j..] {
                let (base, acts) = beside((i + j) % 2 == 0, &[*a, *b, *c]);
                let all: Vec<Identified> = base.iter().chain(&acts).cloned().collect();
                let whole = fold(&all).encode();
                let start = fold(&base);
                permutations(&acts, &mut |order| {
                    let mut view = start.clone();
                    let mut so_far = base.clone();
                    for act in order {
                        so_far.push(act.clone());
                        view = advance(Some(&view), act).unwrap_or_else(|| fold(&so_far));
                    }
                    assert_eq!(view.encode(), whole, "{a}, {b}, {c}");
                });
                triples += 1;
            }
        }
    }
    println!("{triples} triples");
}
