//! A device's chain: where a run lies in it, whether it forks, what a revocation still trusts. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sync_protocol::ids::{Chain, Identity};

use crate::domain::Device;
use crate::store::RunSpan;

/// What placing a run in its device's chain showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// The chain has two branches.
    pub(super) is_fork: bool,
    /// Offsets of operations whose sequence was used with other bytes.
    pub(super) reused: BTreeSet<usize>,
}

/// Whether a run continues exactly where its device's chain ends.
pub(super) fn continues(device: &Device, first: u64, previous: Chain) -> bool {
    first == device.head_sequence + 1
        && previous == device.head_chain
        && device.whole_through == device.head_sequence
}

/// Places a run that may overlap or leave a gap, among the runs known so far.
pub(super) fn place(spans: &[RunSpan], run: &RunSpan) -> Placement {
    let mut known: BTreeMap<u64, Vec<(Option<Identity>, Chain)>> = BTreeMap::new();
    let touching = |span: &&RunSpan| {
        span.last.saturating_add(1) >= run.first && span.first <= run.last.saturating_add(1)
    };
    for span in spans.iter().filter(touching) {
        known.entry(span.first.saturating_sub(1)).or_default().push((None, span.previous));
        for (sequence, identity, chain) in links(span) {
            known.entry(sequence).or_default().push((Some(identity), chain));
        }
    }
    let differs = |sequence: u64, chain: Chain| {
        known.get(&sequence).is_some_and(|links| links.iter().any(|(_, other)| *other != chain))
    };
    let mut placement =
        Placement { is_fork: differs(run.first.saturating_sub(1), run.previous), ..Placement::default() };
    for (offset, (sequence, identity, chain)) in links(run).enumerate() {
        placement.is_fork |= differs(sequence, chain);
        let is_reused = known
            .get(&sequence)
            .is_some_and(|links| links.iter().any(|(other, _)| other.is_some_and(|other| other != identity)));
        if is_reused {
            placement.reused.insert(offset);
        }
    }
    placement
}

/// Sequence, identity and chain after each operation of a run.
fn links(span: &RunSpan) -> impl Iterator<Item = (u64, Identity, Chain)> {
    let mut chain = span.previous;
    (span.first..).zip(&span.members).map(move |(sequence, identity)| {
        chain = chain.next(identity);
        (sequence, *identity, chain)
    })
}

/// The chains that a device's runs have at a sequence: none where it is not known, several where they fork.
pub fn chains_at(spans: &[RunSpan], sequence: u64) -> BTreeSet<Chain> {
    if sequence == 0 {
        return BTreeSet::from([Chain::START]);
    }
    let after = spans.iter().flat_map(links).filter(|(at, ..)| *at == sequence).map(|(.., chain)| chain);
    // What a run goes on from is signed as well.
    let before = spans.iter().filter(|span| span.first == sequence + 1).map(|span| span.previous);
    after.chain(before).collect()
}

/// Moves a device's head and its gapless prefix after a run was placed.
pub(super) fn advance(device: &mut Device, spans: &[RunSpan], run: &RunSpan) {
    if run.last > device.head_sequence {
        device.head_sequence = run.last;
        device.head_chain = run.chain;
    }
    // Beyond a gap nothing joins the gapless prefix.
    if run.first > device.whole_through + 1 || run.last <= device.whole_through {
        return;
    }
    let mut ranges: Vec<(u64, u64)> = spans.iter().chain([run]).map(|span| (span.first, span.last)).collect();
    ranges.sort_unstable();
    for (first, last) in ranges {
        if first <= device.whole_through + 1 {
            device.whole_through = device.whole_through.max(last);
        }
    }
}

/// Operations of a revoked device that chain up to its last trusted point, over the runs known so far.
///
/// Walked backwards from the trusted point; what lies before a gap is not known to chain up to it and waits.
pub fn trusted(spans: &[RunSpan], sequence: u64, chain: Chain) -> HashSet<Identity> {
    let mut by_end: BTreeMap<(u64, Chain), (Identity, Chain)> = BTreeMap::new();
    for span in spans {
        let mut before = span.previous;
        for (sequence, identity, after) in links(span) {
            by_end.insert((sequence, after), (identity, before));
            before = after;
        }
    }
    let mut trusted = HashSet::new();
    let mut point = (sequence, chain);
    while let Some((identity, before)) = by_end.get(&point) {
        trusted.insert(*identity);
        point = (point.0.saturating_sub(1), *before);
    }
    trusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, previous: Chain, members: &[u8]) -> RunSpan {
        let members: Vec<Identity> = members.iter().map(|byte| Identity([*byte; 32])).collect();
        let chain = members.iter().fold(previous, |chain, identity| chain.next(identity));
        let last = first + u64::try_from(members.len()).unwrap() - 1;
        RunSpan { first, last, previous, chain, members }
    }

    #[test]
    fn a_recut_run_is_no_fork_and_a_cloned_phone_is() {
        let whole = span(1, Chain::START, &[1, 2, 3, 4]);
        let head = span(1, Chain::START, &[1, 2]);
        let recut = span(3, head.chain, &[3]);
        assert_eq!(place(std::slice::from_ref(&whole), &recut), Placement::default());
        let clone = span(3, head.chain, &[9, 4]);
        let placement = place(&[whole], &clone);
        assert!(placement.is_fork);
        assert_eq!(placement.reused, BTreeSet::from([0]));
    }

    #[test]
    fn the_gapless_prefix_grows_over_what_came_before_the_gap_was_filled() {
        let first = span(1, Chain::START, &[1, 2]);
        let second = span(3, first.chain, &[3]);
        let third = span(4, second.chain, &[4, 5]);
        let beyond = span(8, Chain([9; 32]), &[8]);
        let mut device = Device {
            id: sync_protocol::ids::DeviceId(uuid::Uuid::nil()),
            public_key: Vec::new(),
            status: crate::domain::DeviceStatus::Active,
            is_forked: false,
            persons: Vec::new(),
            former: Vec::new(),
            head_sequence: 0,
            head_chain: Chain::START,
            whole_through: 0,
        };
        let mut held: Vec<RunSpan> = Vec::new();
        for (run, whole_through) in [(third, 0), (beyond, 0), (first, 2), (second, 5)] {
            advance(&mut device, &held, &run);
            held.push(run);
            assert_eq!(device.whole_through, whole_through);
        }
        assert_eq!(device.head_sequence, 8);
    }

    #[test]
    fn a_run_that_does_not_meet_its_successor_is_a_fork() {
        let first = span(1, Chain::START, &[1]);
        let third = span(3, span(2, first.chain, &[2]).chain, &[3]);
        assert!(!place(std::slice::from_ref(&third), &first).is_fork);
        assert!(place(&[first.clone(), third.clone()], &span(2, first.chain, &[7])).is_fork);
        assert!(!place(&[first.clone(), third], &span(2, first.chain, &[2])).is_fork);
    }

    #[test]
    fn a_revocation_trusts_the_branch_of_its_point_and_nothing_before_a_gap() {
        let first = span(1, Chain::START, &[1, 2]);
        let second = span(3, first.chain, &[3, 4]);
        let branch = span(3, first.chain, &[8, 9]);
        let spans = [first.clone(), second.clone(), branch];
        let point = first.chain.next(&Identity([3; 32]));
        let expected: HashSet<Identity> = [1, 2, 3].map(|byte| Identity([byte; 32])).into();
        assert_eq!(trusted(&spans, 3, point), expected);
        let expected: HashSet<Identity> = [3].map(|byte| Identity([byte; 32])).into();
        assert_eq!(trusted(&[second], 3, point), expected);
    }
}
