//! The partial order of a record's operations, and the two passes that every question about it is asked with.
//!
//! No reachability is stored. Operations stand in an order in which ancestors come first; a question is put as
//! bits that flow from operations to what they see, in one pass down that order. So memory is a few words an
//! operation, whatever the graph, and the cost of a pass is nodes plus edges:
//! - [`Graph::seen_by`] carries up to 64 *properties* at once (of any number of operations);
//! - [`Graph::sweep`] carries up to 64 *operations* at once, each cut at what it was lacking.

use std::cell::Cell;

pub(super) use super::ancestry::Node;
use super::ancestry::{Lists, Named, above, in_order};
use super::effective::Effective;
use super::sorted::Sorted;
use crate::ids::Head;
use crate::operation::Identified;

/// A set of up to 64 things, one a bit.
pub(super) type Bits = u64;

/// How many bits there are.
pub(super) const WIDTH: usize = 64;

/// The operations of a record in an order in which ancestors come first.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    /// The operations, ancestors first.
    pub(super) operations: Vec<&'a Identified>,
    /// What they say, in the same order.
    pub(super) effective: Vec<Effective<'a>>,
    parents: Lists,
    lacking: Lists,
    /// Operations that no other one names, ascending by head.
    pub(super) heads: Vec<Head>,
    /// Names that the set does not hold, ascending.
    pub(super) missing: Vec<Head>,
    steps: Cell<u64>,
}

/// Adds bits to an entry. An index out of range changes nothing.
pub(super) fn add(masks: &mut [Bits], node: Node, bits: Bits) {
    if let Some(mask) = masks.get_mut(node) {
        *mask |= bits;
    }
}

/// The bits of an entry.
pub(super) fn bits_of(masks: &[Bits], node: Node) -> Bits {
    masks.get(node).copied().unwrap_or(0)
}

/// The indices of the bits that are set.
pub(super) fn each_bit(mut bits: Bits) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = usize::try_from(bits.trailing_zeros()).ok().filter(|_| bits != 0)?;
        bits &= bits - 1;
        Some(index)
    })
}

impl<'a> Graph<'a> {
    /// Puts a set in order.
    pub(super) fn new(operations: &'a [Identified]) -> Self {
        let sorted = Sorted::of(operations.iter().map(|operation| (operation.head(), operation)));
        let named = Named::of(&sorted);
        let (order, places) = in_order(&named.parents);
        let mut graph = Self {
            operations: Vec::with_capacity(order.len()),
            effective: Vec::with_capacity(order.len()),
            parents: Lists::default(),
            lacking: Lists::default(),
            heads: Vec::new(),
            missing: named.missing,
            steps: Cell::new(0),
        };
        let mut is_named = vec![false; order.len()];
        for (place, &old) in order.iter().enumerate() {
            let Some((_, identified)) = sorted.set().get(old) else {
                continue;
            };
            graph.parents.push(above(place, named.parents.of(old), &places));
            graph.lacking.push(above(place, named.lacking.of(old), &places));
            for parent in graph.parents.of(place) {
                if let Some(is_named) = is_named.get_mut(*parent) {
                    *is_named = true;
                }
            }
            graph.operations.push(identified);
            graph.effective.push(Effective::of(&identified.operation));
        }
        graph.heads = (graph.operations.iter().zip(&is_named))
            .filter(|(_, is_named)| !**is_named)
            .map(|(operation, _)| operation.head())
            .collect();
        graph.heads.sort_unstable();
        graph
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// The operations that a node names and the set holds.
    pub(super) fn parents(&self, node: Node) -> &[Node] {
        self.parents.of(node)
    }

    /// The operations of the set that a node's author lacked.
    pub(super) fn lacking(&self, node: Node) -> &[Node] {
        self.lacking.of(node)
    }

    /// Whether the node's author lacked something that the set holds.
    pub(super) fn is_lacking(&self, node: Node) -> bool {
        !self.lacking(node).is_empty()
    }

    /// Nodes and edges walked so far: the cost of a fold, for tests.
    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(super) fn count(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(u64::try_from(steps).unwrap_or(u64::MAX)));
    }

    /// For each node the properties of the operations that see it, where `own` gives each operation's.
    pub(super) fn seen_by(&self, own: &[Bits]) -> Vec<Bits> {
        let mut seen: Vec<Bits> = vec![0; self.len()];
        let mut cut_short: Vec<Node> = Vec::new();
        for node in (0..self.len()).rev() {
            let mut flow = bits_of(&seen, node);
            let properties = bits_of(own, node);
            if self.is_lacking(node) && properties != 0 {
                cut_short.push(node);
            } else {
                flow |= properties;
            }
            self.count(1 + self.parents(node).len());
            if flow != 0 {
                for parent in self.parents(node) {
                    add(&mut seen, *parent, flow);
                }
            }
        }
        for sources in cut_short.chunks(WIDTH) {
            let masks = self.sweep(sources, 0);
            for (node, mask) in masks.iter().enumerate() {
                for bit in each_bit(*mask) {
                    if let Some(source) = sources.get(bit) {
                        add(&mut seen, node, bits_of(own, *source));
                    }
                }
            }
        }
        seen
    }

    /// The operations that others name by an argument and see, where both fit: a withdrawal and its target.
    pub(super) fn named_and_seen(
        &self,
        target: impl Fn(&Effective<'_>) -> Option<Head>,
        fits: impl Fn(Node, Node) -> bool,
    ) -> Vec<Node> {
        self.pairs_seen(target, fits).into_iter().map(|(_, target)| target).collect()
    }

    /// As [`Graph::named_and_seen`], with who names each.
    pub(super) fn pairs_seen(
        &self,
        target: impl Fn(&Effective<'_>) -> Option<Head>,
        fits: impl Fn(Node, Node) -> bool,
    ) -> Vec<(Node, Node)> {
        let named: Vec<(Node, Head)> = (self.effective.iter().enumerate())
            .filter_map(|(node, effective)| Some((node, target(effective)?)))
            .collect();
        if named.is_empty() {
            return Vec::new();
        }
        let mut by_head: Vec<(Head, Node)> =
            self.operations.iter().enumerate().map(|(node, operation)| (operation.head(), node)).collect();
        by_head.sort_unstable();
        let node_of = |head: &Head| {
            let found = by_head.binary_search_by_key(head, |(known, _)| *known).ok()?;
            by_head.get(found).map(|(_, node)| *node)
        };
        // That the one sees the other is left to find.
        let pairs: Vec<(Node, Node)> = named
            .iter()
            .filter_map(|(node, head)| Some((*node, node_of(head)?)))
            .filter(|(node, target)| fits(*node, *target))
            .collect();
        let floor = pairs.iter().map(|(_, target)| *target).min().unwrap_or(0);
        let mut seen = Vec::new();
        for chunk in pairs.chunks(WIDTH) {
            let sources: Vec<Node> = chunk.iter().map(|(node, _)| *node).collect();
            let masks = self.sweep(&sources, floor);
            for (bit, (node, target)) in chunk.iter().enumerate() {
                if each_bit(bits_of(&masks, *target)).any(|seen| seen == bit) {
                    seen.push((*node, *target));
                }
            }
        }
        seen
    }

    /// For each node from `floor` on, which of up to 64 operations see it (bit i: `sources[i]`).
    pub(super) fn sweep(&self, sources: &[Node], floor: Node) -> Vec<Bits> {
        let top = sources.iter().copied().max().map_or(0, |top| top + 1);
        let mut masks: Vec<Bits> = vec![0; self.len()];
        let mut own: Vec<Bits> = vec![0; top];
        let mut cuts: Vec<Bits> = vec![0; top];
        for (index, source) in sources.iter().take(WIDTH).enumerate() {
            add(&mut own, *source, 1 << index);
            for lacking in self.lacking(*source) {
                add(&mut cuts, *lacking, 1 << index);
            }
        }
        for node in (floor..top).rev() {
            let seen = bits_of(&masks, node) & !bits_of(&cuts, node);
            if let Some(mask) = masks.get_mut(node) {
                *mask = seen;
            }
            let flow = seen | bits_of(&own, node);
            self.count(1);
            if flow != 0 {
                self.count(self.parents(node).len());
                for parent in self.parents(node) {
                    add(&mut masks, *parent, flow);
                }
            }
        }
        // What lies below the floor was not followed to its end.
        if let Some(below) = masks.get_mut(..floor) {
            below.fill(0);
        }
        masks
    }
}
