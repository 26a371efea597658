//! Trust that changes: what a revocation takes out of the folded set, and what a later event lets back in.
//!
//! Both are functions of what is known, not of when it came: the order of arrival does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, DeviceId, Identity, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation};

use super::SyncError;
use super::batch::Batch;
use super::office::{ActOutcome, OwnOperation, known_device, write_own};
use crate::domain::{DeviceStatus, disposition_of};
use crate::reconcile::{self, Draft, Fresh, Numbers, Situation, Sorted};
use crate::store::QuarantineRow;
use crate::validate::{self, Trust};

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
    let fields = BTreeMap::from([
        ("device".to_owned(), Raw::of(&device)),
        ("sequence".to_owned(), Raw::of(&sequence)),
        ("chain".to_owned(), Raw::of(&chain)),
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
    Ok(ActOutcome { operation: Some(operation), persons: Vec::new() })
}

/// Takes what lies beyond a revocation's trusted point out of the folded set.
async fn expel(
    batch: &mut Batch<'_>,
    device: DeviceId,
    sequence: u64,
    chain: Chain,
) -> Result<(), SyncError> {
    let key = batch.district.key;
    let spans = batch.transaction.run_spans(key, device, 0).await?;
    let trusted = reconcile::trusted(&spans, sequence, chain);
    let mut removed: BTreeMap<RecordId, BTreeSet<Identity>> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut dispositions: Vec<i64> = Vec::new();
    for row in batch.transaction.operations_of_device(key, device).await? {
        if trusted.contains(&row.identity) {
            continue;
        }
        removed.entry(row.record).or_default().insert(row.identity);
        dispositions.push(row.disposition);
        let author = Operation::decode(&row.bytes).ok().map(|operation| operation.author);
        rows.push(QuarantineRow {
            identity: row.identity,
            device,
            sequence: row.sequence,
            record: Some(row.record),
            author,
            code: Code::AfterRevocation.as_str(),
            at: String::new(),
            received_ms: row.received_ms,
            bytes: row.bytes.into(),
        });
    }
    if removed.is_empty() {
        return Ok(());
    }
    let mut sorted = Sorted::default();
    let moved = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    sorted.plan.quarantine = rows;
    for disposition in dispositions.into_iter().filter_map(disposition_of) {
        *sorted.plan.tallies.entry(format!("disposition:{}", disposition.as_str())).or_default() -= 1;
    }
    for (record, identities) in &removed {
        for identity in identities {
            batch.transaction.remove_operation(key, *record, *identity).await?;
        }
    }
    rewrite(batch, sorted, removed, moved).await
}

/// Codes of quarantine that say who was not trusted, not what was wrong: trust may come later.
const TRUST_CODES: [Code; 2] = [Code::AfterRevocation, Code::AuthorNotBound];

/// Folds what was not trusted when it came and is now: a gap's filling connected it to a revoked device's trusted
/// point, or its author was bound to the device. So the order of arrival does not matter.
pub(super) async fn requalify(batch: &mut Batch<'_>, device: DeviceId) -> Result<(), SyncError> {
    let key = batch.district.key;
    let mut waiting = Vec::new();
    for code in TRUST_CODES {
        waiting.extend(batch.transaction.waiting_of_device(key, device, code.as_str()).await?);
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let device_row = known_device(batch, device).await?;
    let trusted = match device_row.status {
        DeviceStatus::Revoked { sequence, chain } => {
            Some(reconcile::trusted(&batch.transaction.run_spans(key, device, 0).await?, sequence, chain))
        }
        DeviceStatus::Active | DeviceStatus::Lost => None,
    };
    let mut sorted = Sorted::default();
    let mut moved = 0;
    for row in waiting {
        let Ok(operation) = Operation::decode(&row.bytes) else { continue };
        let is_trusted = trusted.as_ref().is_none_or(|trusted| trusted.contains(&row.identity));
        let trust = if is_trusted { Trust::Trusted } else { Trust::Untrusted };
        let signer = validate::SignedBy::Device(&device_row);
        if validate::admit(&operation, row.sequence, trust, signer).is_err() {
            continue;
        }
        moved += 1;
        batch.transaction.remove_quarantined(key, row.identity).await?;
        let record = operation.record;
        sorted.fresh.entry(record).or_default().push(Fresh {
            operation: Arc::new(Identified { identity: row.identity, operation }),
            bytes: row.bytes.into(),
            device,
            sequence: row.sequence,
            flags: 0,
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
