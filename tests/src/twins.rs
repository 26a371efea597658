//! Hazards that two phones saw, and near ones that are others: what duplicates are measured on.
//!
//! [`seeded`] makes a corridor of hazards with the errors of fixes; [`found`] weighs every pair of a list as a follower of
//! the ledger would, record by record.

use std::collections::BTreeSet;

use firebreak::duplicates::{self, Candidate, Spot};
use fixtures::dice::Dice;
use sync_protocol::ids::{DeviceId, RecordId};
use uuid::Uuid;

use crate::phone::MORNING_MS;

/// Two records.
pub type Pair = (RecordId, RecordId);

/// Candidates, and which pairs of them are one hazard.
pub struct Twins {
    /// In no order that says anything.
    pub candidates: Vec<Candidate>,
    /// The truth.
    pub pairs: BTreeSet<Pair>,
}

/// A pair, the smaller id first.
pub fn pair(one: RecordId, two: RecordId) -> Pair {
    (one.min(two), one.max(two))
}

const TYPES: &[&str] = &["tree", "tree", "tree", "bamboo", "flammables", "stacked_material"];
/// Accuracies of phones, decimetres: in the open and under canopy.
const ACCURACIES_DM: &[u64] = &[30, 50, 80, 150, 300];

/// So many hazards along a corridor, 10 to 80 m from one to the next, most of them trees; each is seen by one phone of five, and
/// every second one by another phone within 20 days.
pub fn seeded(seed: u64, hazards: u32) -> Twins {
    let mut dice = Dice::new(seed);
    let mut twins = Twins { candidates: Vec::new(), pairs: BTreeSet::new() };
    let mut along_dm = 0;
    for number in 0..hazards {
        along_dm += dice.between(100, 800);
        let place = (along_dm, dice.between(-60, 60));
        let kind = dice.pick(TYPES).copied().unwrap_or("tree");
        let found_ms = MORNING_MS + dice.between(0, 20 * 86_400_000);
        let device = dice.between(1, 5);
        let first = seen(&mut dice, u128::from(number) * 2 + 1, place, kind, found_ms, device);
        if number % 2 == 0 {
            let again_ms = found_ms + dice.between(0, 20 * 86_400_000);
            let other = seen(&mut dice, u128::from(number) * 2 + 2, place, kind, again_ms, device % 5 + 1);
            twins.pairs.insert(pair(first.record, other.record));
            twins.candidates.push(other);
        }
        twins.candidates.push(first);
    }
    twins
}

/// What a phone records of a hazard: its place is off by what its accuracy says, two times of three at most.
fn seen(
    dice: &mut Dice,
    number: u128,
    (north_dm, east_dm): (i64, i64),
    kind: &str,
    found_ms: i64,
    device: i64,
) -> Candidate {
    let accuracy_dm = dice.pick(ACCURACIES_DM).copied().unwrap_or(50);
    // Each axis 1/1.5 of the accuracy: 68% of normal errors in the plane lie within 1.5 of their axes'.
    let mut error_dm = || normal_thousandths(dice) * i64::try_from(accuracy_dm).unwrap_or(0) / 1_500;
    let (north_dm, east_dm) = (north_dm + error_dm(), east_dm + error_dm());
    Candidate {
        record: RecordId(Uuid::from_u128(number)),
        category: Some("corridor".to_owned()),
        kind: Some(kind.to_owned()),
        found_ms,
        // A decimetre is 9 units of latitude, and here 10.4 of longitude.
        spot: Some(Spot {
            lat_e7: 300_000_000 + north_dm * 9,
            lon_e7: 1_030_000_000 + east_dm * 104 / 10,
            accuracy_dm: Some(accuracy_dm),
        }),
        line: None,
        device: Some(DeviceId(Uuid::from_u128(u128::try_from(device).unwrap_or(0)))),
        photos: Vec::new(),
        text: None,
    }
}

/// A normal number in thousandths: the sum of twelve even ones.
fn normal_thousandths(dice: &mut Dice) -> i64 {
    (0..12).map(|_| dice.between(-500, 500)).sum()
}

/// Every pair that is proposed, whichever comes first.
pub fn found(candidates: &[Candidate]) -> BTreeSet<Pair> {
    let mut found = BTreeSet::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let before = candidates.get(..at).unwrap_or_default();
        let proposals = duplicates::propose(candidate, before);
        found.extend(proposals.iter().map(|proposal| (proposal.record, proposal.other)));
    }
    found
}
