//! A set of operations by their heads. Heads are hashes, so how one begins says where it stands but for a few places: a set is
//! put in order, and one of it found, at a cost that grows with its operations alone.

use std::cmp::Ordering;

use crate::ids::Head;
use crate::operation::Identified;

/// An operation and its head.
pub(super) type Headed<'a> = (Head, &'a Identified);

/// Operations, ascending by head, no two of one head. Where somebody made many heads that begin alike, it costs what sorting
/// those costs.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    set: Vec<Headed<'a>>,
    /// For each beginning where in the set its heads end.
    ends: Vec<usize>,
    /// Bits of a head that are its beginning.
    bits: u32,
}

impl<'a> Sorted<'a> {
    /// Puts operations in order. Duplicates count once; of two operations with one head (no one can make them) the
    /// smaller identity counts.
    pub(super) fn of(operations: impl ExactSizeIterator<Item = Headed<'a>> + Clone) -> Self {
        let bits = operations.len().max(1).ilog2();
        let mut sorted = Self { set: Vec::new(), ends: Vec::new(), bits };
        let beginnings: Vec<usize> = operations.clone().map(|(head, _)| sorted.beginning(&head)).collect();
        sorted.ends = ends(bits, beginnings.iter().copied());
        // What of each beginning is still empty begins here.
        let mut empty = sorted.ends.clone();
        empty.rotate_right(1);
        if let Some(first) = empty.first_mut() {
            *first = 0;
        }
        if let Some(any) = operations.clone().next() {
            sorted.set = vec![any; operations.len()];
        }
        for (operation, beginning) in operations.zip(beginnings) {
            let Some(empty) = empty.get_mut(beginning) else { continue };
            if let Some(place) = sorted.set.get_mut(*empty) {
                *place = operation;
            }
            *empty += 1;
        }
        for beginning in 0..sorted.ends.len() {
            let (start, end) = sorted.range(beginning);
            if let Some(alike @ [_, _, ..]) = sorted.set.get_mut(start..end) {
                alike.sort_unstable_by(by_head_and_identity);
            }
        }
        let before = sorted.set.len();
        sorted.set.dedup_by(|later, earlier| later.0 == earlier.0);
        if sorted.set.len() < before {
            sorted.ends = ends(bits, sorted.set.iter().map(|(head, _)| sorted.beginning(head)));
        }
        sorted
    }

    /// The operations, ascending by head.
    pub(super) fn set(&self) -> &[Headed<'a>] {
        &self.set
    }

    /// Where in the set a head stands.
    pub(super) fn find(&self, head: &Head) -> Option<usize> {
        let (start, end) = self.range(self.beginning(head));
        let found = self.set.get(start..end)?.binary_search_by(|(known, _)| known.cmp(head)).ok()?;
        Some(start + found)
    }

    fn beginning(&self, head: &Head) -> usize {
        let first = head.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        usize::try_from(first.checked_shr(u64::BITS - self.bits).unwrap_or(0)).unwrap_or(0)
    }

    /// Where the heads of a beginning start and end.
    fn range(&self, beginning: usize) -> (usize, usize) {
        let end_of = |beginning: usize| self.ends.get(beginning).copied().unwrap_or(0);
        (beginning.checked_sub(1).map_or(0, end_of), end_of(beginning))
    }
}

fn by_head_and_identity((head, operation): &Headed<'_>, (other_head, other): &Headed<'_>) -> Ordering {
    head.cmp(other_head).then_with(|| operation.identity.cmp(&other.identity))
}

/// For each beginning of so many bits how many there are up to it.
fn ends(bits: u32, beginnings: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut ends = vec![0; 1 << bits];
    for beginning in beginnings {
        if let Some(count) = ends.get_mut(beginning) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    ends
}
