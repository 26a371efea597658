//! The fold against the oracle, and the server's incremental path against the fold.

use std::collections::BTreeMap;

use super::generate::{Random, Shape, scenario};
use crate::fold::{advance, disposition, fold, oracle};
use crate::kind::Kind;
use crate::operation::Identified;
use crate::view::{Closure, Disposition, State, View};

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

/// How often each thing that must be met was met.
#[derive(Default)]
pub(super) struct Met(pub(super) BTreeMap<&'static str, u64>);

impl Met {
    fn count(&mut self, name: &'static str, is_met: bool) {
        *self.0.entry(name).or_default() += u64::from(is_met);
    }

    pub(super) fn look(&mut self, set: &[Identified], view: &View) {
        for reason in ["disputed", "ends-differ", "office-act-waits", "closure-unfounded"] {
            self.count(reason, view.conflicts.iter().any(|conflict| conflict.reason == reason));
        }
        self.count("conflict with base", view.fields.values().any(|field| field.base.is_some()));
        let has = |disposition| view.dispositions.values().any(|other| *other == disposition);
        self.count("joined", has(Disposition::Joined));
        self.count("merged", has(Disposition::Merged));
        self.count("held operation", has(Disposition::Held));
        self.count("held record", view.state == State::Held);
        self.count("pending closure", view.closure == Some(Closure::Pending));
        self.count("final closure", view.closure == Some(Closure::Final));
        self.count("provisional", view.is_provisional);
        self.count("not a hazard", view.state == State::Recorded);
        self.count("withdrawn", !view.withdrawn.is_empty());
        let kind = |operation: &Identified| operation.operation.kind.known();
        self.count("release", set.iter().any(|operation| kind(operation) == Some(Kind::Released)));
        let holds = |head| set.iter().any(|operation| operation.head() == head);
        let lacks = |operation: &Identified| operation.operation.lacking.iter().any(|head| holds(*head));
        self.count("lacking ancestor", set.iter().any(lacks));
        let is = |kinds: &'static [Kind]| move |k: Option<Kind>| k.is_some_and(|k| kinds.contains(&k));
        let cure = is(&[Kind::Rectified, Kind::MadeSafe, Kind::NotFound, Kind::Verified, Kind::Closed]);
        let danger = is(&[Kind::Observed, Kind::VerificationFailed, Kind::Returned, Kind::Reopened]);
        let (void, verify) = (is(&[Kind::Void]), is(&[Kind::Verified]));
        let mut concurrent = |name, a: &dyn Fn(Option<Kind>) -> bool, b: &dyn Fn(Option<Kind>) -> bool| {
            let is_met = set.iter().enumerate().any(|(at, one)| {
                a(kind(one))
                    && set.iter().enumerate().any(|(other, two)| {
                        other != at
                            && b(kind(two))
                            && !oracle::sees(set, one, two)
                            && !oracle::sees(set, two, one)
                    })
            });
            self.count(name, is_met);
        };
        concurrent("concurrent cures", &cure, &cure);
        concurrent("danger beside cure", &danger, &cure);
        concurrent("void beside verify", &void, &verify);
    }

    pub(super) fn assert_all(&self) {
        println!("{:?}", self.0);
        assert!(self.0.values().all(|count| *count > 0), "not met: {:?}", self.0);
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
    let mut advanced = 0;
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
        let (_, steps) = arrive(&order, |view, so_far| same(view, so_far, &format!("seed {seed}")));
        advanced += steps;
    }
    println!("{advanced} steps without a fold");
    assert!(advanced > 5_000, "{advanced}");
}

#[test]
fn every_operation_has_one_disposition_and_only_writers_have_another_than_applied() {
    for seed in 0..500 {
        let set = scenario(seed, Shape { operations: 10, ..MIXED });
        let view = fold(&set);
        let applied = set
            .iter()
            .filter(|operation| disposition(&view, operation.head()) == Disposition::Applied)
            .count();
        let expected = if view.state == State::Held { 0 } else { set.len() - view.dispositions.len() };
        assert_eq!(applied, expected, "seed {seed}");
    }
}
