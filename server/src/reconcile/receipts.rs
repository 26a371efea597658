//! Receipts: what became of each bundle of a group. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use sync_protocol::cbor;
use sync_protocol::exchange::Receipt;
use sync_protocol::fold;
use sync_protocol::ids::{Identity, RecordId};
use sync_protocol::view::{Disposition, View};

use super::records::Outcome;
use super::{Arrival, Plan, Situation};
use crate::domain::operation_flags;
use crate::store::RunRow;

/// Receipts: what became of each bundle, written in the transaction that took it.
pub(super) fn write(
    plan: &mut Plan,
    situation: &Situation,
    arrivals: &[Arrival],
    outcomes: &HashMap<RecordId, Outcome>,
    flags: &BTreeMap<Identity, i64>,
) {
    let quarantined: HashMap<Identity, &str> =
        plan.quarantine.iter().map(|row| (row.identity, row.code)).collect();
    let let_out: HashSet<Identity> = plan.let_out.iter().copied().collect();
    for arrival in arrivals {
        if plan.receipts.contains_key(&arrival.bundle) {
            continue;
        }
        let mut receipt = Receipt {
            chain: arrival.chain,
            count: u64::try_from(arrival.operations.len()).unwrap_or(u64::MAX),
            first: arrival.first,
            flags: Vec::new(),
            bundle: arrival.bundle,
            device: arrival.device,
            exceptions: Vec::new(),
            received_ms: situation.now_ms,
        };
        for (offset, read) in (0..).zip(&arrival.operations) {
            let code = quarantined.get(&read.identity).copied();
            let code = code.or_else(|| {
                situation.waiting_code(&read.identity).filter(|_| !let_out.contains(&read.identity))
            });
            let disposition = match (code, &read.content) {
                (None, Ok(operation)) => match outcomes.get(&operation.record) {
                    None => stored_disposition(situation, operation.record, read.identity),
                    Some(outcome) => outcome.disposition(read.identity.head()),
                },
                (Some(_), _) | (None, Err(_)) => Disposition::Quarantined,
            };
            if disposition != Disposition::Applied {
                let code = code.map(str::to_owned);
                receipt.exceptions.push((offset, disposition.as_str().to_owned(), code));
            }
            for code in operation_flags::codes(flags.get(&read.identity).copied().unwrap_or(0)) {
                receipt.flags.push((offset, code.as_str().to_owned()));
            }
        }
        let receipt = cbor::encode(&receipt);
        let is_copy = plan.copies.contains(&arrival.bundle);
        let members = arrival.operations.iter().filter(|_| !is_copy);
        plan.runs.push(RunRow {
            bundle: arrival.bundle,
            device: arrival.device,
            first: arrival.first,
            last: arrival.last,
            previous: arrival.previous,
            chain: arrival.chain,
            members: members.flat_map(|operation| operation.identity.0).collect(),
            is_copy,
            proof: arrival.proof.clone(),
            presenter: arrival.presenter,
            received_ms: situation.now_ms,
            receipt: receipt.clone(),
        });
        plan.receipts.insert(arrival.bundle, receipt);
    }
}

fn stored_disposition(situation: &Situation, record: RecordId, identity: Identity) -> Disposition {
    situation
        .records
        .get(&record)
        .and_then(|row| View::decode(&row.view))
        .map_or(Disposition::Applied, |view| fold::disposition(&view, identity.head()))
}
