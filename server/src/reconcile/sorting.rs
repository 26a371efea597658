//! Which operations of a group are new, which may be folded, which wait in quarantine. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, DeviceId, Identity, OperationId, PersonId, RecordId};
use sync_protocol::operation::{Identified, Operation};
use uuid::Uuid;

use super::losses::{quarantine_notice, re_enrol_notice};
use super::{Arrival, Opening, Plan, Situation, chain};
use crate::domain::{Collection, Device, DeviceStatus, operation_flags};
use crate::store::{QuarantineRow, RunSpan};
use crate::time;
use crate::validate::{self, Content, ReadOperation, SignedBy, Trust};

/// A new operation that may be folded.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// SHA-256 of its bytes.
    pub identity: Identity,
    /// Its id.
    pub id: OperationId,
    /// All of it, where it was kept so.
    pub decoded: Option<Arc<Identified>>,
    /// As it came.
    pub bytes: Bytes,
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// Bits of [`operation_flags`].
    pub flags: i64,
    /// The record that it opens, if it is alone.
    pub opening: Option<Arc<Opening>>,
}

impl Fresh {
    /// The operation, decoded again where it was not kept. What could be read once can be read again.
    pub fn operation(&self) -> Option<Arc<Identified>> {
        self.decoded.clone().or_else(|| {
            let operation = Operation::decode(&self.bytes).ok()?;
            Some(Arc::new(Identified { identity: self.identity, operation }))
        })
    }
}

/// What sorting a group gave.
#[derive(Debug, Default)]
pub struct Sorted {
    /// What is decided so far: quarantine, devices, forks, notices.
    pub plan: Plan,
    /// New operations by record, in order of arrival.
    pub fresh: BTreeMap<RecordId, Vec<Fresh>>,
    /// Records in the order in which they first came.
    pub order: Vec<RecordId>,
    /// Flags by operation.
    pub flags: BTreeMap<Identity, i64>,
}

/// Devices whose runs must be read before [`sort`], each with the sequences that they are to touch: from, and through.
///
/// Only a run that fills a gap from below asks for all that lie beyond it: the gapless prefix may grow over them.
pub fn needs_spans(
    devices: &BTreeMap<DeviceId, Device>,
    arrivals: &[Arrival],
) -> BTreeMap<DeviceId, (u64, u64)> {
    let mut heads = devices.clone();
    let mut needs: BTreeMap<DeviceId, (u64, u64)> = BTreeMap::new();
    for arrival in arrivals {
        let Some(device) = heads.get_mut(&arrival.device) else { continue };
        let is_revoked = matches!(device.status, DeviceStatus::Revoked { .. });
        if is_revoked || !chain::continues(device, arrival.first, arrival.previous) {
            let from = if is_revoked { 0 } else { arrival.first.saturating_sub(1) };
            let is_filling = arrival.first <= device.whole_through + 1 && arrival.last > device.whole_through;
            let through = if is_revoked || is_filling { u64::MAX } else { arrival.last.saturating_add(1) };
            // What the runs before it in this group fill, it may go on from.
            device.whole_through = if is_filling { u64::MAX - 1 } else { device.whole_through };
            let known = needs.entry(arrival.device).or_insert((from, through));
            *known = (known.0.min(from), known.1.max(through));
        } else {
            device.head_sequence = arrival.last;
            device.head_chain = arrival.chain;
            device.whole_through = arrival.last;
        }
    }
    needs
}

/// Sorts a group.
pub fn sort(situation: &Situation, arrivals: &[Arrival]) -> Sorted {
    let mut sorter = Sorter {
        situation,
        sorted: Sorted::default(),
        devices: situation.devices.clone(),
        spans: situation.spans.clone(),
        moved: BTreeSet::new(),
        seen: HashSet::new(),
        used_ids: situation.used_ids.clone(),
    };
    let mut bundles: HashSet<BundleHash> = HashSet::new();
    for arrival in arrivals.iter().filter(|arrival| bundles.insert(arrival.bundle)) {
        sorter.take_arrival(arrival);
    }
    let Sorter { mut sorted, devices, moved, .. } = sorter;
    sorted.plan.devices = moved.iter().filter_map(|id| devices.get(id).cloned()).collect();
    sorted
}

struct Sorter<'a> {
    situation: &'a Situation,
    sorted: Sorted,
    devices: BTreeMap<DeviceId, Device>,
    spans: BTreeMap<DeviceId, Vec<RunSpan>>,
    moved: BTreeSet<DeviceId>,
    seen: HashSet<Identity>,
    used_ids: HashSet<Uuid>,
}

impl Sorter<'_> {
    /// Places the run in its device's chain, then sorts its operations.
    fn take_arrival(&mut self, arrival: &Arrival) {
        let Some(device) = self.devices.get_mut(&arrival.device) else { return };
        let run = span(arrival);
        let runs = self.spans.entry(arrival.device).or_default();
        let placement = if chain::continues(device, run.first, run.previous) {
            chain::Placement::default()
        } else {
            chain::place(runs, &run)
        };
        if placement.is_fork && !device.is_forked {
            device.is_forked = true;
            self.sorted.plan.forked.insert(arrival.device);
            for person in &device.persons {
                let notice = re_enrol_notice(*person, arrival.device, self.situation.now_ms);
                self.sorted.plan.notices.insert(notice);
            }
        }
        if runs.iter().any(|known| known.is_copy_of(&run)) {
            // Its header and signature are kept; what it names, the first one names.
            self.sorted.plan.copies.insert(arrival.bundle);
        } else {
            chain::advance(device, runs, &run);
            runs.push(run);
        }
        self.moved.insert(arrival.device);
        let trusted = match device.status {
            DeviceStatus::Revoked { sequence, chain } => Some(chain::trusted(runs, sequence, chain)),
            DeviceStatus::Active | DeviceStatus::Lost => None,
        };
        let device = device.clone();
        let signer = if arrival.is_own { SignedBy::Server } else { SignedBy::Device(&device) };
        let situation = self.situation;
        for (offset, read) in arrival.operations.iter().enumerate() {
            if self.situation.known.contains(&read.identity) || self.seen.contains(&read.identity) {
                continue;
            }
            // What waits because its signer was not trusted with it is folded once any signer is.
            let waiting = self.situation.waiting_code(&read.identity).or_else(|| {
                let mut here = self.sorted.plan.quarantine.iter();
                here.find(|row| row.identity == read.identity).map(|row| row.code)
            });
            let is_released =
                self.situation.quarantined.get(&read.identity).is_some_and(|row| row.is_released);
            if is_released || waiting.is_some_and(|code| !validate::is_of_trust(code)) {
                continue;
            }
            let is_trusted = trusted.as_ref().is_none_or(|trusted| trusted.contains(&read.identity));
            let trust = if is_trusted { Trust::Trusted } else { Trust::Untrusted };
            match admitted(situation, read, trust, signer) {
                Ok(operation) => {
                    if waiting.is_some() {
                        self.let_out(read.identity);
                    }
                    self.seen.insert(read.identity);
                    let flags = chain_flags(&placement, offset) | self.flags(read, operation);
                    take(&mut self.sorted, arrival, read, operation, flags);
                }
                Err(_) if waiting.is_some() => {}
                Err(fault) => self.quarantine(&device, read, fault),
            }
        }
    }

    /// Takes an operation out of quarantine, where it came to before or in this group: it was received already.
    fn let_out(&mut self, identity: Identity) {
        let here = self.sorted.plan.quarantine.len();
        self.sorted.plan.quarantine.retain(|row| row.identity != identity);
        if self.sorted.plan.quarantine.len() == here {
            self.sorted.plan.let_out.push(identity);
            self.sorted.plan.tally("received", -1);
            self.sorted.plan.tally("disposition:quarantined", -1);
        }
    }

    fn flags(&mut self, read: &ReadOperation, operation: &Content) -> i64 {
        let mut flags = operation.flags;
        let is_used = !self.used_ids.insert(operation.id.0);
        if is_used || is_report_id_reused(self.situation, &self.sorted, read, operation) {
            flags |= operation_flags::bit(Code::FlagIdReused);
        }
        if time::interval(&operation.at, self.situation.now_ms, None).is_clock_suspect {
            flags |= operation_flags::bit(Code::FlagClock);
        }
        flags
    }

    fn quarantine(&mut self, device: &Device, read: &ReadOperation, fault: Fault) {
        let (code, at, record, author) = fault;
        let holders = device.holders();
        let author = author.filter(|author| holders.contains(author));
        let told = author.map_or(holders, |author| vec![author]);
        for person in told {
            let now_ms = self.situation.now_ms;
            let notice = quarantine_notice(person, code, &at, record, read.identity, now_ms);
            self.sorted.plan.notices.insert(notice);
        }
        self.sorted.plan.quarantine.push(QuarantineRow {
            identity: read.identity,
            device: device.id,
            sequence: read.sequence,
            record,
            author,
            code: code.as_str(),
            at,
            received_ms: self.situation.now_ms,
            bytes: read.bytes.clone(),
        });
    }
}

/// Flags that follow from where an operation stands in its device's chain.
fn chain_flags(placement: &chain::Placement, offset: usize) -> i64 {
    let mut flags = 0;
    if placement.reused.contains(&offset) {
        flags |= operation_flags::bit(Code::FlagSequenceReused);
    }
    if placement.is_fork {
        flags |= operation_flags::bit(Code::FlagFork);
    }
    flags
}

type Fault = (Code, String, Option<RecordId>, Option<PersonId>);

fn admitted<'a>(
    situation: &Situation,
    read: &'a ReadOperation,
    trust: Trust,
    signer: SignedBy<'_>,
) -> Result<&'a Content, Fault> {
    match &read.content {
        Err(fault) => Err((fault.code, fault.at.clone(), fault.record, fault.author)),
        Ok(operation) => {
            if matches!(signer, SignedBy::Device(_)) && !is_open_to_devices(situation, operation.record) {
                return Err((Code::OperationShape, "record".to_owned(), None, Some(operation.author)));
            }
            validate::admit(&operation.kind, operation.author, read.sequence, trust, signer)
                .map(|()| operation)
                .map_err(|code| (code, String::new(), Some(operation.record), Some(operation.author)))
        }
    }
}

/// People, areas and the server's own logs share the feed's name space; no device writes them.
fn is_open_to_devices(situation: &Situation, record: RecordId) -> bool {
    situation
        .records
        .get(&record)
        .is_none_or(|row| row.is_gone() || row.collection == Collection::Records.number())
}

/// Whether a record was opened already, by an operation with the same id and other bytes.
fn is_report_id_reused(
    situation: &Situation,
    sorted: &Sorted,
    read: &ReadOperation,
    operation: &Content,
) -> bool {
    let opens = operation.id.0 == operation.record.0;
    let is_opened_before = || {
        let view = situation.records.get(&operation.record);
        view.and_then(|row| sync_protocol::view::View::decode(&row.view))
            .is_some_and(|view| !view.is_provisional)
    };
    let is_opened_here = || {
        sorted.fresh.get(&operation.record).is_some_and(|fresh| {
            fresh.iter().any(|other| other.id == operation.id && other.identity != read.identity)
        })
    };
    opens && (is_opened_here() || is_opened_before())
}

fn take(sorted: &mut Sorted, arrival: &Arrival, read: &ReadOperation, operation: &Content, flags: i64) {
    let record = operation.record;
    if flags != 0 {
        sorted.flags.insert(read.identity, flags);
    }
    let fresh = sorted.fresh.entry(record).or_insert_with(|| {
        sorted.order.push(record);
        Vec::new()
    });
    fresh.push(Fresh {
        identity: read.identity,
        id: operation.id,
        decoded: operation.decoded.clone(),
        bytes: read.bytes.clone(),
        device: arrival.device,
        sequence: read.sequence,
        flags,
        opening: arrival.openings.get(&read.identity).cloned(),
    });
}

fn span(arrival: &Arrival) -> RunSpan {
    RunSpan {
        first: arrival.first,
        last: arrival.last,
        previous: arrival.previous,
        chain: arrival.chain,
        members: arrival.operations.iter().map(|operation| operation.identity).collect(),
    }
}
