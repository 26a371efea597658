//! Proving where operations came from: every run's chain, proof and receipt, and that runs and operations are of each other.
//!
//! A run may have been cut anew and signed again, so an operation may stand in several. Both sides are summed up, each
//! operation once, and the sums compared: that takes no more memory however many operations there are. Signatures are
//! not verified again: that would need each run's bytes side by side, and they were verified before they were taken.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use sync_protocol::exchange::Receipt;
use sync_protocol::ids::{BundleHash, DeviceId, Identity};
use sync_protocol::{bundle, cbor, limits};

use super::PAGE;
use crate::domain::DistrictKey;
use crate::store::{CheckedRun, StoreError, Transaction};

/// The sum of a set of operations: equal for equal sets, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    count: u64,
    lanes: [u64; 4],
}

impl Sum {
    pub(super) fn add(&mut self, identity: Identity, device: DeviceId, sequence: u64) {
        let mut hasher = Sha256::new();
        hasher.update(identity.0);
        hasher.update(device.0.as_bytes());
        hasher.update(sequence.to_be_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        self.count += 1;
        for (lane, bytes) in self.lanes.iter_mut().zip(hash.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_be_bytes(*bytes));
        }
    }
}

/// What the runs of a district say.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// What they hold.
    pub(super) signed: Sum,
    /// The highest sequence of each device.
    pub(super) heads: Vec<(DeviceId, u64)>,
    /// What is wrong with them.
    pub(super) faults: Vec<String>,
}

impl Runs {
    /// Reads all runs of a district.
    pub(super) async fn read(
        transaction: &mut Transaction,
        district: DistrictKey,
    ) -> Result<Self, StoreError> {
        let mut runs = Self::default();
        for device in transaction.signers(district).await? {
            runs.device(transaction, district, device).await?;
        }
        let mut after = BundleHash([0; 32]);
        loop {
            let copies = transaction.checked_copies(district, after, PAGE).await?;
            let Some(last) = copies.last() else { break };
            after = last.bundle;
            runs.faults.extend(copies.iter().filter_map(fault));
        }
        let lone = transaction.lone_copies(district).await?;
        if lone > 0 {
            runs.faults.push(format!("{lone} runs are copies of none that is known"));
        }
        Ok(runs)
    }

    async fn device(
        &mut self,
        transaction: &mut Transaction,
        district: DistrictKey,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let mut after = (0, BundleHash([0; 32]));
        // What a later run may hold again: none is longer than a bundle may be.
        let mut recent: BTreeSet<(u64, Identity)> = BTreeSet::new();
        loop {
            let runs = transaction.checked_runs(district, device, after, PAGE).await?;
            let Some(last) = runs.last() else { break };
            after = (last.last, last.bundle);
            for run in &runs {
                self.faults.extend(fault(run));
                let longest = u64::try_from(limits::OPERATIONS_PER_BUNDLE).unwrap_or(u64::MAX);
                let behind = recent.split_off(&(run.last.saturating_sub(longest), Identity([0; 32])));
                self.add(device, std::mem::replace(&mut recent, behind));
                recent.extend((run.first..).zip(run.members.iter().copied()));
            }
        }
        self.heads.push((device, after.0));
        self.add(device, recent);
        Ok(())
    }

    fn add(&mut self, device: DeviceId, operations: BTreeSet<(u64, Identity)>) {
        for (sequence, identity) in operations {
            self.signed.add(identity, device, sequence);
        }
    }
}

/// What is wrong with a run by itself. A copy has no members.
fn fault(run: &CheckedRun) -> Option<String> {
    let count = (run.last + 1).saturating_sub(run.first);
    let wrong = if !run.members.is_empty() && !is_chain(run, count) {
        "its operations are not those of its chain"
    } else if bundle::proof_device(&run.proof) != Some(run.device) {
        "its proof is damaged"
    } else if !is_receipt(run, count) {
        "its receipt is damaged"
    } else {
        return None;
    };
    Some(format!("run {}: {wrong}", run.bundle))
}

/// Whether its members lead from one end of its chain to the other.
fn is_chain(run: &CheckedRun, count: u64) -> bool {
    let end = run.previous.map(|previous| run.members.iter().fold(previous, |chain, next| chain.next(next)));
    end.is_some() && end == run.chain && u64::try_from(run.members.len()) == Ok(count)
}

fn is_receipt(run: &CheckedRun, count: u64) -> bool {
    cbor::decode::<Receipt>(&run.receipt).is_ok_and(|receipt| {
        (receipt.bundle, receipt.device, receipt.first, receipt.count, Some(receipt.chain))
            == (run.bundle, run.device, run.first, count, run.chain)
    })
}
