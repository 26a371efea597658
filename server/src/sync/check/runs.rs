//! Proving where operations came from: every run's chain, proof and receipt, and that runs and operations are of each other.
//!
//! Which operations are signed and which are stored is compared for some of them at a time, so that memory does not grow
//! with the ledger. Signatures are not verified again: that would need each run's bytes side by side, and they were verified
//! before they were taken.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};
use sync_protocol::exchange::Receipt;
use sync_protocol::ids::{BundleHash, DeviceId, Identity, RecordId};
use sync_protocol::{bundle, cbor};
use uuid::Uuid;

use super::{PAGE, Report};
use crate::domain::DistrictKey;
use crate::store::{CheckedPlace, CheckedRun, StoreError, Transaction};

/// Operations compared at a time: some 50 MB.
const COMPARED: u64 = 500_000;
/// Operations read at a time, without their bytes.
const ROWS: u32 = 4_096;

/// Compares the runs of a district with its operations, of which there are so many, in quarantine or out of it. Gives the
/// highest sequence that each device signed.
pub(super) async fn check(
    report: &mut Report,
    transaction: &mut Transaction,
    district: DistrictKey,
    operations: u64,
) -> Result<HashMap<DeviceId, u64>, StoreError> {
    copies(report, transaction, district).await?;
    let mut heads = HashMap::new();
    let parts = operations.div_ceil(COMPARED).max(1);
    for number in 0..parts {
        let mut part = Part { number, parts, placed: HashSet::new(), signed: HashMap::new() };
        for device in transaction.signers(district).await? {
            let mut after = (0, BundleHash([0; 32]));
            loop {
                let runs = transaction.checked_runs(district, device, after, PAGE).await?;
                let Some(last) = runs.last() else { break };
                after = (last.last, last.bundle);
                for run in &runs {
                    if number == 0
                        && let Some(fault) = fault(run)
                    {
                        report.fault(fault);
                    }
                    part.sign(run);
                }
            }
            heads.insert(device, after.0);
        }
        part.compare(report, transaction, district).await?;
    }
    Ok(heads)
}

/// Runs that are another signature of a known one.
async fn copies(
    report: &mut Report,
    transaction: &mut Transaction,
    district: DistrictKey,
) -> Result<(), StoreError> {
    let mut after = BundleHash([0; 32]);
    loop {
        let copies = transaction.checked_copies(district, after, PAGE).await?;
        let Some(last) = copies.last() else { break };
        after = last.bundle;
        copies.iter().filter_map(fault).for_each(|fault| report.fault(fault));
    }
    let lone = transaction.lone_copies(district).await?;
    if lone > 0 {
        report.fault(format!("{lone} runs are copies of none that is known"));
    }
    Ok(())
}

/// A number of where an operation stands.
fn key(place: &CheckedPlace) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(place.identity.0);
    hasher.update(place.device.0.as_bytes());
    hasher.update(place.sequence.to_be_bytes());
    first(&hasher.finalize().into())
}

/// The first half of a hash.
fn first(hash: &[u8; 32]) -> u128 {
    hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

/// Some of the operations, by their identities.
#[derive(Debug)]
struct Part {
    number: u64,
    parts: u64,
    /// Where devices signed them.
    placed: HashSet<u128>,
    /// Those that were signed, and whether they are stored.
    signed: HashMap<u128, bool>,
}

impl Part {
    fn holds(&self, identity: &Identity) -> bool {
        let last = identity.0.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
        last % self.parts == self.number
    }

    fn sign(&mut self, run: &CheckedRun) {
        for (sequence, identity) in (run.first..).zip(&run.members) {
            if self.holds(identity) {
                self.placed.insert(key(&CheckedPlace { identity: *identity, device: run.device, sequence }));
                self.signed.entry(first(&identity.0)).or_default();
            }
        }
    }

    /// A stored operation was signed where it stands.
    fn meet(&mut self, report: &mut Report, stored: &CheckedPlace) {
        if !self.holds(&stored.identity) {
            return;
        }
        if let Some(is_stored) = self.signed.get_mut(&first(&stored.identity.0)) {
            *is_stored = true;
        }
        if !self.placed.contains(&key(stored)) {
            report.fault(format!("operation {} was not signed where it stands", stored.identity));
        }
    }

    async fn compare(
        mut self,
        report: &mut Report,
        transaction: &mut Transaction,
        district: DistrictKey,
    ) -> Result<(), StoreError> {
        let mut after = (RecordId(Uuid::nil()), Identity([0; 32]));
        loop {
            let rows = transaction.operations_after(district, after, ROWS).await?;
            let Some((record, last)) = rows.last() else { break };
            after = (*record, last.identity);
            for (_, stored) in &rows {
                self.meet(report, stored);
            }
        }
        let mut after = Identity([0; 32]);
        loop {
            let rows = transaction.quarantine_after(district, after, PAGE).await?;
            let Some((last, _)) = rows.last() else { break };
            after = last.identity;
            for (stored, _) in &rows {
                self.meet(report, stored);
            }
        }
        let lost = self.signed.values().filter(|is_stored| !**is_stored).count();
        if lost > 0 {
            report.fault(format!("{lost} operations were signed and are not there"));
        }
        Ok(())
    }
}

/// What is wrong with a run by itself. A copy has no members.
fn fault(run: &CheckedRun) -> Option<String> {
    let count = (run.last + 1).saturating_sub(run.first);
    let wrong = if !run.is_copy && !is_chain(run, count) {
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
