//! Which operations of a set name which, and an order of them in which ancestors come first: both cost nodes plus edges.

use super::sorted::Sorted;
use crate::ids::Head;

/// An operation's place: in the sorted set here, in the order of a graph everywhere else, where ancestors have smaller ones.
pub(super) type Node = usize;

/// A list of nodes for each node, in one allocation.
#[derive(Debug, Default)]
pub(super) struct Lists {
    ends: Vec<usize>,
    items: Vec<Node>,
}

impl Lists {
    pub(super) fn push(&mut self, items: impl IntoIterator<Item = Node>) {
        self.items.extend(items);
        self.ends.push(self.items.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// For each node those whose lists hold it, ascending.
    pub(super) fn inverted(&self) -> Self {
        let mut counts = vec![0; self.len()];
        for item in &self.items {
            if let Some(count) = counts.get_mut(*item) {
                *count += 1;
            }
        }
        let mut sum = 0;
        let ends: Vec<usize> = (counts.iter())
            .map(|count| {
                sum += count;
                sum
            })
            .collect();
        // What of each list is still empty, from its end.
        let mut empty = counts;
        let mut items = vec![0; sum];
        for node in 0..self.len() {
            for item in self.of(node) {
                let Some((empty, end)) = empty.get_mut(*item).zip(ends.get(*item)) else { continue };
                if let Some(place) = items.get_mut(end - *empty) {
                    *place = node;
                }
                *empty -= 1;
            }
        }
        Self { ends, items }
    }

    pub(super) fn of(&self, node: Node) -> &[Node] {
        let start = node.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(node).copied().unwrap_or(0);
        self.items.get(start..end).unwrap_or(&[])
    }
}

/// What the operations of a sorted set name, each by its place in the set.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) parents: Lists,
    pub(super) lacking: Lists,
    /// Names that the set does not hold, ascending.
    pub(super) missing: Vec<Head>,
}

impl Named {
    pub(super) fn of(sorted: &Sorted<'_>) -> Self {
        let (mut parents, mut lacking, mut missing) = (Lists::default(), Lists::default(), Vec::new());
        for (head, identified) in sorted.set() {
            let operation = &identified.operation;
            for (names, list) in [(&operation.heads, &mut parents), (&operation.lacking, &mut lacking)] {
                let others = names.iter().filter(|name| *name != head);
                list.push(others.filter_map(|name| {
                    let found = sorted.find(name);
                    missing.extend(found.is_none().then_some(*name));
                    found
                }));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        Self { parents, lacking, missing }
    }
}

/// The places of what is named by an operation at this place, as far as they come before it.
pub(super) fn above(place: Node, named: &[Node], places: &[Node]) -> impl Iterator<Item = Node> {
    named.iter().filter_map(|old| places.get(*old)).copied().filter(move |above| *above < place)
}

/// An order of a set in which ancestors come first, and each one's place in it, by the parents of each. Operations on a cycle
/// (no one can make one: a head is a hash) come last, as they are sorted, and then an edge upwards counts as absent.
pub(super) fn in_order(parents: &Lists) -> (Vec<usize>, Vec<Node>) {
    let children = parents.inverted();
    let mut waits_for: Vec<usize> = (0..parents.len()).map(|node| parents.of(node).len()).collect();
    let mut order: Vec<usize> =
        waits_for.iter().enumerate().filter(|(_, waits)| **waits == 0).map(|(old, _)| old).collect();
    let mut places = vec![usize::MAX; parents.len()];
    let mut at = 0;
    while let Some(&old) = order.get(at) {
        if let Some(place) = places.get_mut(old) {
            *place = at;
        }
        at += 1;
        for child in children.of(old) {
            if let Some(waits) = waits_for.get_mut(*child) {
                *waits -= 1;
                if *waits == 0 {
                    order.push(*child);
                }
            }
        }
    }
    for (old, place) in places.iter_mut().enumerate() {
        if *place == usize::MAX {
            *place = order.len();
            order.push(old);
        }
    }
    (order, places)
}
