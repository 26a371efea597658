//! What a fold costs, in nodes and edges walked: about linear on the graphs that devices make.

use super::generate::{Author, Random, identify};
use crate::fold::fold_counted;
use crate::ids::Head;
use crate::kind::Kind;
use crate::operation::Identified;

const KINDS: &[Kind] = &[
    Kind::Observed,
    Kind::Corrected,
    Kind::Commented,
    Kind::Rectified,
    Kind::Verified,
    Kind::VerificationFailed,
    Kind::Graded,
    Kind::Ordered,
    Kind::Photographed,
    Kind::MadeSafe,
];

/// Parallel branches that all begin at the report; `meet` operations apart they all meet.
fn branches(count: usize, branches: usize, meet: usize) -> Vec<Identified> {
    let mut random = Random::new(7);
    let mut author = Author::new(7);
    let report = identify(author.operation(Kind::Reported, 0, &[]).with("category", &"corridor"));
    let mut tips: Vec<Head> = vec![report.head(); branches];
    let mut made = vec![report];
    while made.len() < count {
        let branch = made.len() % branches;
        let after = if made.len().is_multiple_of(meet) { tips.clone() } else { vec![tips[branch]] };
        let person = u128::try_from(branch).unwrap();
        let text = random.pick(&["a", "b"]);
        let kind = random.pick(KINDS);
        let operation =
            author.operation(kind, person, &after).with("description", &text).with("severity", &"general");
        let operation = identify(operation);
        if made.len().is_multiple_of(meet) {
            tips.fill(operation.head());
        } else {
            tips[branch] = operation.head();
        }
        made.push(operation);
    }
    made
}

fn steps(operations: &[Identified]) -> u64 {
    let (_, steps) = fold_counted(operations);
    steps
}

fn assert_linear(name: &str, make: impl Fn(usize) -> Vec<Identified>) {
    let (small, large) = (make(1_000), make(10_000));
    let (few, many) = (steps(&small), steps(&large));
    println!("{name}: {few} steps for 1,000 operations, {many} for 10,000");
    assert!(many < few * 12, "{name}: {few} for 1,000 and {many} for 10,000");
    assert!(many < 10_000 * 60, "{name}: {many}");
}

#[test]
fn a_long_chain_costs_linear() {
    assert_linear("chain", |count| branches(count, 1, usize::MAX));
}

#[test]
fn a_chain_in_reverse_order_costs_what_the_chain_costs() {
    let chain = branches(10_000, 1, usize::MAX);
    let mut reverse = chain.clone();
    reverse.reverse();
    assert_eq!(steps(&reverse), steps(&chain));
    assert_eq!(fold_counted(&reverse).0, fold_counted(&chain).0);
}

#[test]
fn a_few_parallel_branches_cost_linear() {
    assert_linear("four branches", |count| branches(count, 4, usize::MAX));
    assert_linear("four branches that meet at times", |count| branches(count, 4, count / 10));
}

#[test]
fn the_worst_graphs_stay_within_a_pass_for_every_64_operations() {
    // All beside each other: every one is of the frontier.
    let flat = branches(4_000, 4_000, usize::MAX);
    // Histories that meet all the time, so that every verification must look for itself.
    let knots = branches(4_000, 4, 3);
    for (name, set) in [("flat", flat), ("knots", knots)] {
        let edges: usize = set.iter().map(|operation| operation.operation.heads.len()).sum();
        let size = u64::try_from(set.len() + edges).unwrap();
        let steps = steps(&set);
        println!("{name}: {steps} steps for {size} nodes and edges");
        assert!(steps < size * (60 + 3 * size / 64), "{name}: {steps} of {size}");
    }
}
