//! The index of heads and the lists of nodes, whatever a set holds.

use super::generate::{Author, Random, identify};
use crate::fold::ancestry::{Index, Lists};
use crate::ids::Head;
use crate::kind::Kind;

fn head(beginning: u64, rest: u64) -> Head {
    Head(((u128::from(beginning) << 64) | u128::from(rest)).to_be_bytes())
}

#[test]
fn every_head_is_found_whatever_it_begins_with_and_no_other() {
    let operation = identify(Author::new(1).operation(Kind::Reported, 1, &[]));
    let scattered = |number| Random::new(number).next();
    let same = |_| u64::MAX;
    let few = |number| number % 3;
    for count in [0, 1, 2, 3, 7, 64, 65, 1_000] {
        for beginning in [scattered, same, few] {
            let mut heads: Vec<Head> =
                (0..count).map(|number| head(beginning(number), 2 * number + 1)).collect();
            heads.sort_unstable();
            let set: Vec<_> = heads.iter().map(|head| (*head, &operation)).collect();
            let index = Index::of(&set);
            for (place, head) in heads.iter().enumerate() {
                assert_eq!(index.find(head), Some(place), "{count} heads");
            }
            for number in 0..count + 2 {
                assert_eq!(index.find(&head(beginning(number), 2 * number)), None, "{count} heads");
            }
        }
    }
}

#[test]
fn lists_turn_around() {
    let mut lists = Lists::default();
    for items in [&[1, 2][..], &[], &[1, 0, 1]] {
        lists.push(items.iter().copied());
    }
    let inverted = lists.inverted();
    assert_eq!([inverted.of(0), inverted.of(1), inverted.of(2)], [&[2][..], &[0, 2, 2], &[0]]);
    assert_eq!(inverted.inverted().of(2), [0, 1, 1]);
}
