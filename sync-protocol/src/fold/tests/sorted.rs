//! A set by its heads, whatever they begin with.

use super::generate::{Author, Random, identify};
use crate::fold::sorted::Sorted;
use crate::ids::Head;
use crate::kind::Kind;
use crate::operation::Identified;

const COUNTS: [u64; 10] = [0, 1, 2, 3, 4, 7, 64, 65, 1_000, 1_024];

fn head(beginning: u64, rest: u64) -> Head {
    Head(((u128::from(beginning) << 64) | u128::from(rest)).to_be_bytes())
}

/// Beginnings that are scattered, that are one, and that are few.
const BEGINNINGS: [fn(u64) -> u64; 3] =
    [|number| Random::new(number).next(), |_| u64::MAX, |number| number % 3];

/// Odd heads in no order.
fn heads(count: u64, beginning: fn(u64) -> u64) -> Vec<Head> {
    let mut heads: Vec<Head> = (0..count).map(|number| head(beginning(number), 2 * number + 1)).collect();
    heads.sort_unstable_by_key(|head| Random::new(u64::from(head.0[15])).next());
    heads
}

#[test]
fn every_head_is_found_where_it_stands_and_no_other() {
    let operation = identify(Author::new(1).operation(Kind::Reported, 1, &[]));
    for count in COUNTS {
        for beginning in BEGINNINGS {
            let mut heads = heads(count, beginning);
            let sorted = Sorted::of(heads.iter().map(|head| (*head, &operation)));
            heads.sort_unstable();
            assert!(sorted.set().iter().map(|(head, _)| head).eq(&heads), "{count} heads");
            for (place, head) in heads.iter().enumerate() {
                assert_eq!(sorted.find(head), Some(place), "{count} heads");
            }
            for number in 0..count + 2 {
                assert_eq!(sorted.find(&head(beginning(number), 2 * number)), None, "{count} heads");
            }
        }
    }
}

#[test]
fn of_several_with_one_head_the_smallest_identity_counts() {
    let mut author = Author::new(1);
    let mut operations: Vec<Identified> =
        (1..4).map(|person| identify(author.operation(Kind::Reported, person, &[]))).collect();
    operations.sort_unstable_by_key(|operation| operation.identity);
    assert!(operations.is_sorted_by(|one, next| one.identity < next.identity));
    for count in COUNTS {
        for beginning in BEGINNINGS {
            let mut heads = heads(count, beginning);
            // Each of the heads once, some of them thrice, the smallest identity last.
            let several = |(nth, head): (usize, &Head)| {
                [*head; 3].into_iter().take(if nth % 4 == 0 { 3 } else { 1 }).collect()
            };
            let all: Vec<Vec<Head>> = heads.iter().enumerate().map(several).collect();
            let given: Vec<_> =
                all.iter().flat_map(|head| head.iter().copied().zip(operations.iter().rev())).collect();
            let sorted = Sorted::of(given.iter().copied());
            let expected = |head: &Head| {
                let nth = heads.iter().position(|known| known == head);
                let first = if nth.is_some_and(|nth| nth % 4 == 0) { &operations[0] } else { &operations[2] };
                first.identity
            };
            for (head, operation) in sorted.set() {
                assert_eq!(operation.identity, expected(head), "{count} heads");
            }
            heads.sort_unstable();
            assert!(sorted.set().iter().map(|(head, _)| head).eq(&heads), "{count} heads");
            assert!(heads.iter().enumerate().all(|(place, head)| sorted.find(head) == Some(place)));
        }
    }
}
