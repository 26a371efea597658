//! The fold against the oracle, and the server's incremental path against the fold.

use super::generate::{Random, Shape, scenario};
use super::met::Met;
use crate::fold::{advance, disposition, fold, oracle};
use crate::operation::Identified;
use crate::view::{Disposition, State, View};

const MIXED: Shape = Shape { operations: 8, devices: 4, strange: 12, is_wild: false, kinds: &[] };

/// The set in another order, some operations twice.
fn shuffled(random: &mut Random, operations: &[Identified]) -> Vec<Identified> {
    let mut order = operations.to_vec();
    for _ in 0..random.below(3) {
        order.push(random_item(random, operations));
    }
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at + 1));
    }
    order
}

fn random_item(random: &mut Random, operations: &[Identified]) -> Identified {
    operations[random.below(operations.len())].clone()
}

/// What the server does with operations as they come: one more where that is enough, else the set so far.
pub(super) fn arrive(order: &[Identified], check: impl Fn(&View, &[Identified])) -> (View, usize) {
    let mut view: Option<View> = None;
    let mut advanced = 0;
    for (at, operation) in order.iter().enumerate() {
        let next = advance(view.as_ref(), operation);
        advanced += usize::from(next.is_some());
        let next = next.unwrap_or_else(|| fold(&order[..=at]));
        check(&next, &order[..=at]);
        view = Some(next);
    }
    (view.unwrap(), advanced)
}

fn same(view: &View, set: &[Identified], what: &str) {
    let whole = oracle::fold(set);
    if view.encode() != whole.encode() || *view != whole {
        for operation in set {
            println!("{} {:?}", operation.head(), operation.operation);
        }
        assert_eq!(*view, whole, "{what}");
    }
}

#[test]
fn fold_equals_the_oracle_on_thousands_of_graphs_in_any_order() {
    let mut met = Met::default();
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let operations = 1 + random.below(14);
        let shape = Shape { operations, devices: 1 + random.below(4), is_wild: random.one_in(3), ..MIXED };
        let set = scenario(seed, shape);
        let view = fold(&shuffled(&mut random, &set));
        same(&view, &set, &format!("seed {seed}"));
        assert_eq!(View::decode(&view.encode()).as_ref(), Some(&view), "seed {seed}");
        met.look(&set, &view);
    }
    met.assert_all();
}

#[test]
fn incremental_path_equals_the_fold_after_every_arrival() {
    let (mut met, mut advanced) = (Met::default(), 0);
    for seed in 0..4_000 {
        let mut random = Random::new(seed + 1_000_000);
        let shape = Shape {
            operations: 1 + random.below(9),
            devices: 1 + random.below(4),
            is_wild: random.one_in(6),
            ..MIXED
        };
        let set = scenario(seed, shape);
        let mut order = set.clone();
        if random.one_in(2) {
            for at in (1..order.len()).rev() {
                order.swap(at, random.below(at + 1));
            }
        }
        let (view, steps) = arrive(&order, |view, so_far| same(view, so_far, &format!("seed {seed}")));
        advanced += steps;
        met.look(&set, &view);
    }
    met.assert_all();
    println!("{advanced} steps without a fold");
    assert!(advanced > 5_000, "{advanced}");
}

#[test]
fn every_operation_has_one_disposition_and_only_writers_have_another_than_applied() {
    let mut met = Met::default();
    for seed in 0..500 {
        let set = scenario(seed, Shape { operations: 10, is_wild: seed % 4 == 3, ..MIXED });
        let view = fold(&set);
        met.look(&set, &view);
        let applied = set
            .iter()
            .filter(|operation| disposition(&view, operation.head()) == Disposition::Applied)
            .count();
        let expected = if view.state == State::Held { 0 } else { set.len() - view.dispositions.len() };
        assert_eq!(applied, expected, "seed {seed}");
    }
    met.assert_situations_and(&["held operation", "joined", "merged", "values"]);
}
