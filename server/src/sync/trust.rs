//! Trust that changes: what a revocation takes out of the folded set, and what a later event lets back in.
//!
//! Both are functions of what is known, not of when it came: the order of arrival does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, Chain, DeviceId, Identity, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::Operation;

use super::batch::Batch;
use super::office::{ActOutcome, OwnOperation, known_device, write_own};
use super::{Engine, SyncError};
use crate::domain::{Device, DeviceStatus, District, disposition_of};
use crate::reconcile::{self, Draft, Fresh, Numbers, Situation, Sorted};
use crate::store::{PlacedOperation, QuarantineRow, RunSpan};
use crate::validate::{self, Content, SignedBy, Trust};

/// Operations that a revocation looks at together: they are in memory, and all runs are read once for them.
const OPERATIONS: u32 = 2_000;
/// Every sequence.
const WHOLE_CHAIN: (u64, u64) = (0, u64::MAX);

pub(super) async fn revoke(
    batch: &mut Batch<'_>,
    device: DeviceId,
    trusted: Option<(u64, Chain)>,
    author: PersonId,
) -> Result<ActOutcome, SyncError> {
    let row = known_device(batch, device).await?;
    if device == batch.engine.own_device(batch.district) {
        return Err(SyncError::RefusedFor(Code::BadParameter, "this is the server's own device".to_owned()));
    }
    let (sequence, chain) = trusted.unwrap_or((row.head_sequence, row.head_chain));
    let fields = Fields::from([
        ("device", Raw::of(&device)),
        ("sequence", Raw::of(&sequence)),
        ("chain", Raw::of(&chain)),
    ]);
    let draft = OwnOperation {
        kind: Kind::DeviceRevoked,
        record: RecordId(device.0),
        fields: &fields,
        photos: &[],
        author,
    };
    let operation = write_own(batch, &draft, None).await?;
    let status = DeviceStatus::Revoked { sequence, chain };
    batch.transaction.set_device_status(batch.district.key, device, status).await?;
    expel(batch, device, sequence, chain).await?;
    requalify(batch, device).await?;
    Ok(ActOutcome { operation: Some(operation), persons: Vec::new(), commanded: None })
}

/// Writes off what a device lacks up to a sequence that was received: it is owed no longer, and counts where it comes after
/// all. Its chain goes on from there.
pub(super) async fn give_up(
    batch: &mut Batch<'_>,
    (device, through): (DeviceId, u64),
    reason: &str,
    author: PersonId,
) -> Result<ActOutcome, SyncError> {
    let key = batch.district.key;
    let mut known = known_device(batch, device).await?;
    if through > known.head_sequence || through <= known.whole_through {
        return Err(SyncError::RefusedFor(
            Code::BadParameter,
            "through: nothing is missing up to there".to_owned(),
        ));
    }
    let held = batch.transaction.held_ranges(key, device, through).await?;
    known.whole_through = through;
    for (first, last) in &held {
        if *first <= known.whole_through + 1 {
            known.whole_through = known.whole_through.max(*last);
        }
    }
    let fields = Fields::from([
        ("device", Raw::of(&device)),
        ("sequence", Raw::of(&through)),
        ("reason", Raw::of(&reason)),
    ]);
    let draft = OwnOperation {
        kind: Kind::WrittenOff,
        record: RecordId(device.0),
        fields: &fields,
        photos: &[],
        author,
    };
    let operation = write_own(batch, &draft, None).await?;
    batch.transaction.update_device_heads(key, &[known]).await?;
    Ok(ActOutcome { operation: Some(operation), persons: Vec::new(), commanded: None })
}

/// The point of a device's chain that a person names, by its sequence alone or with the chain there.
///
/// A chain that is none of those held at that sequence would expel all that the device recorded. A sequence that is not held
/// may be named with its chain: others may still carry it.
///
/// # Errors
/// [`Code::NotFound`] of the device; [`Code::BadParameter`] where the ledger holds that sequence under other chains alone, or
/// no chain is said and it does not hold that sequence or the chain forks before it.
pub async fn point_at(
    engine: &Engine,
    district: &District,
    device: DeviceId,
    (sequence, chain): (u64, Option<Chain>),
) -> Result<(u64, Chain), SyncError> {
    let mut transaction = engine.store.read().await?;
    if transaction.device(district.key, device).await?.is_none() {
        return Err(SyncError::RefusedFor(Code::NotFound, format!("device {device}")));
    }
    let spans = transaction.run_spans(district.key, device, WHOLE_CHAIN).await?;
    let held = reconcile::chains_at(&spans, sequence);
    match (chain, held.first()) {
        (Some(chain), None) => Ok((sequence, chain)),
        (Some(chain), Some(_)) if held.contains(&chain) => Ok((sequence, chain)),
        (Some(_), Some(_)) => {
            let held: Vec<String> = held.iter().map(ToString::to_string).collect();
            let what = format!(
                "chain: 序号 {sequence} 处是另一链值 (at sequence {sequence} the chain is another): {}",
                held.join(", ")
            );
            Err(SyncError::RefusedFor(Code::BadParameter, what))
        }
        (None, Some(chain)) if held.len() == 1 => Ok((sequence, *chain)),
        (None, _) => {
            Err(SyncError::RefusedFor(Code::BadParameter, "sequence: its chain must be said too".to_owned()))
        }
    }
}

/// Takes what lies beyond a revocation's trusted point out of the folded set, where nobody else vouches for it.
async fn expel(
    batch: &mut Batch<'_>,
    device: DeviceId,
    sequence: u64,
    chain: Chain,
) -> Result<(), SyncError> {
    let key = batch.district.key;
    let spans = batch.transaction.run_spans(key, device, WHOLE_CHAIN).await?;
    let trusted = reconcile::trusted(&spans, sequence, chain);
    let mut after = (RecordId(uuid::Uuid::nil()), Identity([0; 32]));
    loop {
        let mut rows = batch.transaction.operations_of_device(key, device, after, OPERATIONS).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.record, last.identity);
        rows.retain(|row| !trusted.contains(&row.identity));
        if !rows.is_empty() {
            expel_some(batch, device, rows).await?;
        }
    }
}

/// Takes these operations out, those for which nobody else vouches.
async fn expel_some(
    batch: &mut Batch<'_>,
    device: DeviceId,
    rows: Vec<PlacedOperation>,
) -> Result<(), SyncError> {
    let key = batch.district.key;
    let candidates: HashMap<Identity, Operation> =
        rows.iter().filter_map(|row| Some((row.identity, Operation::decode(&row.bytes).ok()?))).collect();
    let vouchers = vouchers(batch, &candidates).await?;
    let mut removed: BTreeMap<RecordId, BTreeSet<Identity>> = BTreeMap::new();
    let mut sorted = Sorted::default();
    for row in rows {
        if let Some(voucher) = vouchers.get(&row.identity) {
            batch.transaction.attribute(key, (row.record, row.identity), *voucher).await?;
            // Who vouches for an operation is asked for its photos.
            for photo in candidates.get(&row.identity).iter().flat_map(|operation| &operation.photos) {
                batch.transaction.ask_for_photo(key, row.record, photo.sha256, voucher.0).await?;
            }
            continue;
        }
        batch.transaction.remove_operation(key, row.record, row.identity).await?;
        removed.entry(row.record).or_default().insert(row.identity);
        if let Some(disposition) = disposition_of(row.disposition) {
            *sorted.plan.tallies.entry(format!("disposition:{}", disposition.as_str())).or_default() -= 1;
        }
        sorted.plan.quarantine.push(QuarantineRow {
            identity: row.identity,
            device,
            sequence: row.sequence,
            record: Some(row.record),
            author: candidates.get(&row.identity).map(|operation| operation.author),
            code: Code::AfterRevocation.as_str(),
            at: String::new(),
            received_ms: row.received_ms,
            bytes: row.bytes.into(),
        });
    }
    if removed.is_empty() {
        return Ok(());
    }
    let moved = i64::try_from(sorted.plan.quarantine.len()).unwrap_or(i64::MAX);
    rewrite(batch, sorted, removed, moved).await
}

/// A device with what it is trusted with.
struct Signer {
    device: Device,
    is_own: bool,
    /// Of a revoked device: what chains up to its trusted point.
    trusted: Option<HashSet<Identity>>,
}

impl Signer {
    fn of(batch: &Batch<'_>, device: Device, spans: &[RunSpan]) -> Self {
        let trusted = match device.status {
            DeviceStatus::Revoked { sequence, chain } => Some(reconcile::trusted(spans, sequence, chain)),
            DeviceStatus::Active | DeviceStatus::Lost => None,
        };
        Self { is_own: device.id == batch.engine.own_device(batch.district), device, trusted }
    }

    /// The same, trusted with the authors who left too. What was taken while they were bound stays what it was, whatever
    /// becomes of another signer: leaving takes nothing back.
    fn of_all_times(mut self) -> Self {
        self.device.persons = self.device.holders();
        self
    }

    fn vouches(&self, identity: &Identity, operation: &Operation, sequence: u64) -> bool {
        let is_trusted = self.trusted.as_ref().is_none_or(|trusted| trusted.contains(identity));
        let trust = if is_trusted { Trust::Trusted } else { Trust::Untrusted };
        let signer = if self.is_own { SignedBy::Server } else { SignedBy::Device(&self.device) };
        validate::admit(&operation.kind, operation.author, sequence, trust, signer).is_ok()
    }
}

/// Runs read at a time, while signers are looked for.
const RUNS: u32 = 256;

/// Who is trusted with these operations, by device and sequence: every run of the district is looked at, since the
/// first to sign an operation need not be the one who is trusted with it.
async fn vouchers(
    batch: &mut Batch<'_>,
    wanted: &HashMap<Identity, Operation>,
) -> Result<BTreeMap<Identity, (DeviceId, u64)>, SyncError> {
    let key = batch.district.key;
    let mut found = BTreeMap::new();
    let mut by_device: BTreeMap<DeviceId, BTreeSet<(u64, Identity)>> = BTreeMap::new();
    let mut after = BundleHash([0; 32]);
    while !wanted.is_empty() {
        let runs = batch.transaction.runs_after(key, after, RUNS).await?;
        let Some(last) = runs.last() else { break };
        after = last.bundle;
        for run in &runs {
            let named = (run.first..).zip(run.members.iter().copied());
            let named: Vec<(u64, Identity)> =
                named.filter(|(_, identity)| wanted.contains_key(identity)).collect();
            if !named.is_empty() {
                by_device.entry(run.device).or_default().extend(named);
            }
        }
    }
    for (id, runs) in by_device {
        let Some(row) = batch.transaction.device(key, id).await? else { continue };
        let spans = match row.device.status {
            DeviceStatus::Revoked { .. } => batch.transaction.run_spans(key, id, WHOLE_CHAIN).await?,
            DeviceStatus::Active | DeviceStatus::Lost => Vec::new(),
        };
        let signer = Signer::of(batch, row.device, &spans).of_all_times();
        for (sequence, identity) in runs {
            let is_trusted =
                wanted.get(&identity).is_some_and(|operation| signer.vouches(&identity, operation, sequence));
            if is_trusted {
                found.entry(identity).or_insert((id, sequence));
            }
        }
    }
    Ok(found)
}

/// Folds what was not trusted when it came and is now: a gap's filling connected it to a revoked device's trusted
/// point, or its author was bound to the device. So the order of arrival does not matter.
pub(super) async fn requalify(batch: &mut Batch<'_>, device: DeviceId) -> Result<(), SyncError> {
    let key = batch.district.key;
    let mut unbound = batch.transaction.waiting(key, Code::AuthorNotBound.as_str()).await?;
    let mut revoked = batch.transaction.waiting(key, Code::AfterRevocation.as_str()).await?;
    if unbound.is_empty() && revoked.is_empty() {
        return Ok(());
    }
    let device = known_device(batch, device).await?;
    // Whoever was first to sign it waits in the row; this device may be another.
    let spans = batch.transaction.run_spans(key, device.id, WHOLE_CHAIN).await?;
    let now = Signer::of(batch, device.clone(), &spans);
    let ever = Signer::of(batch, device, &spans).of_all_times();
    let mut sorted = Sorted::default();
    let mut moved = 0;
    for (sequence, identity) in spans.iter().flat_map(|span| (span.first..).zip(&span.members)) {
        let signer = match (unbound.contains(identity), revoked.contains(identity)) {
            (true, _) => &now,
            (false, true) => &ever,
            (false, false) => continue,
        };
        let Some((bytes, _)) = batch.transaction.quarantined(key, *identity).await? else { continue };
        let Ok(operation) = Operation::decode(&bytes) else { continue };
        if !signer.vouches(identity, &operation, sequence) {
            continue;
        }
        moved += 1;
        unbound.remove(identity);
        revoked.remove(identity);
        batch.transaction.remove_quarantined(key, *identity).await?;
        let record = operation.record;
        let content = Content::of(*identity, operation, &batch.engine.default_positions);
        sorted.fresh.entry(record).or_default().push(Fresh {
            identity: *identity,
            id: content.id,
            decoded: content.decoded,
            bytes: bytes.into(),
            device: signer.device.id,
            sequence,
            flags: content.flags,
            opening: None,
        });
        if !sorted.order.contains(&record) {
            sorted.order.push(record);
        }
    }
    if moved == 0 {
        return Ok(());
    }
    *sorted.plan.tallies.entry("disposition:quarantined".to_owned()).or_default() -= moved;
    rewrite(batch, sorted, BTreeMap::new(), moved).await
}

/// Refolds records whose set changed by a move into or out of quarantine: nothing was received.
async fn rewrite(
    batch: &mut Batch<'_>,
    sorted: Sorted,
    removed: BTreeMap<RecordId, BTreeSet<Identity>>,
    moved: i64,
) -> Result<(), SyncError> {
    let key = batch.district.key;
    let touched: BTreeSet<RecordId> = sorted.order.iter().chain(removed.keys()).copied().collect();
    let counter =
        batch.transaction.take_counter(key, u64::try_from(touched.len()).unwrap_or(u64::MAX)).await?;
    let touched: Vec<RecordId> = touched.into_iter().collect();
    let situation = Situation {
        now_ms: batch.now_ms,
        records: batch.transaction.records(key, &touched).await?,
        ..Situation::default()
    };
    let draft = Draft::of(&situation, sorted, removed);
    let sets = batch.transaction.operation_sets(key, &draft.wants()).await?;
    let mut plan = draft.finish(&situation, &[], Numbers::from(&counter), &sets);
    *plan.tallies.entry("received".to_owned()).or_default() -= moved;
    batch.apply(&plan).await?;
    Ok(())
}
