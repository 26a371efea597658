//! A transaction that holds a district's counter row: read what bundles touch, plan, apply.
//!
//! Who waits for it and when it commits is in [`super::group`]; what to write is decided in `reconcile`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sync_protocol::ids::{BundleHash, DeviceId, Identity, RecordId};
use sync_protocol::operation::Operation;

use super::group::Receipts;
use super::office::{self};
use super::trust;
use super::{Engine, SyncError};
use crate::domain::{Device, DeviceStatus, District};
use crate::reconcile::{self, Arrival, Draft, Numbers, Plan, Situation};
use crate::store::{Counter, StoreError, Transaction};

/// A transaction that holds a district's counter row.
pub(super) struct Batch<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) district: &'a District,
    pub(super) transaction: &'a mut Transaction,
    pub(super) now_ms: i64,
}

impl Batch<'_> {
    /// Writes a group without a savepoint: SQLite would copy every page that it touches aside first.
    pub(super) async fn write_whole(
        &mut self,
        arrivals: &[Arrival],
        counter: &Counter,
    ) -> Result<(Receipts, BTreeSet<DeviceId>), SyncError> {
        if arrivals.is_empty() {
            return Ok((Receipts::new(), BTreeSet::new()));
        }
        let mut plan = self.write_together(arrivals, counter).await?;
        let written = (std::mem::take(&mut plan.receipts), std::mem::take(&mut plan.forked));
        tokio::task::spawn_blocking(move || drop(plan));
        Ok(written)
    }

    /// Writes each bundle behind a savepoint of its own, after the group as a whole had failed.
    pub(super) async fn write_one_by_one(
        &mut self,
        arrivals: &[Arrival],
        counter: Counter,
    ) -> Result<(Receipts, BTreeSet<DeviceId>), SyncError> {
        let (mut receipts, mut forked) = (Receipts::new(), BTreeSet::new());
        let mut counter = counter;
        for arrival in arrivals {
            self.transaction.savepoint().await?;
            match self.write_together(std::slice::from_ref(arrival), &counter).await {
                Ok(plan) => {
                    self.transaction.release().await?;
                    counter.before += u64::try_from(arrival.operations.len()).unwrap_or(0);
                    counter.number = plan.number.unwrap_or(counter.number);
                    receipts.extend(plan.receipts);
                    forked.extend(plan.forked);
                }
                Err(error @ SyncError::Store(StoreError::Full(_) | StoreError::Unavailable(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!(error = %error, "one bundle could not be written: {error}");
                    self.transaction.rollback_to_savepoint().await?;
                }
            }
        }
        Ok((receipts, forked))
    }

    /// Reads, plans and applies.
    pub(super) async fn write_together(
        &mut self,
        arrivals: &[Arrival],
        counter: &Counter,
    ) -> Result<Plan, SyncError> {
        let key = self.district.key;
        let mut receipts = Receipts::new();
        let hashes: Vec<BundleHash> = arrivals.iter().map(|arrival| arrival.bundle).collect();
        // The same bundle may have been committed since it was opened.
        receipts.extend(self.transaction.receipts(key, &hashes).await?);
        let new: Vec<Arrival>;
        let arrivals = if receipts.is_empty() {
            arrivals
        } else {
            new =
                arrivals.iter().filter(|arrival| !receipts.contains_key(&arrival.bundle)).cloned().collect();
            &new
        };
        let situation = self.situation(arrivals).await?;
        let sorted = reconcile::sort(&situation, arrivals);
        let draft = Draft::of(&situation, sorted, BTreeMap::new());
        let sets = self.transaction.operation_sets(key, &draft.wants()).await?;
        let mut plan = draft.finish(&situation, arrivals, Numbers::from(counter), &sets);
        self.apply(&plan).await?;
        let revoked: Vec<Device> = situation
            .devices
            .values()
            .filter(|device| matches!(device.status, DeviceStatus::Revoked { .. }))
            .cloned()
            .collect();
        for device in revoked {
            trust::requalify(self, device.id).await?;
        }
        plan.receipts.extend(receipts);
        Ok(plan)
    }

    async fn situation(&mut self, arrivals: &[Arrival]) -> Result<Situation, SyncError> {
        let key = self.district.key;
        let signers: BTreeSet<DeviceId> = arrivals.iter().map(|arrival| arrival.device).collect();
        let signers: Vec<DeviceId> = signers.into_iter().collect();
        let mut devices: BTreeMap<DeviceId, Device> = self
            .transaction
            .devices(key, &signers)
            .await?
            .into_iter()
            .map(|(id, row)| (id, row.device))
            .collect();
        if arrivals.iter().any(|arrival| arrival.is_own) {
            let own = office::own_device(self).await?;
            devices.insert(own.id, own);
        }
        let mut spans = BTreeMap::new();
        for (device, from) in reconcile::needs_spans(&devices, arrivals) {
            spans.insert(device, self.transaction.run_spans(key, device, from).await?);
        }
        let mut named: BTreeSet<RecordId> = BTreeSet::new();
        let mut candidates: Vec<(RecordId, Identity)> = Vec::new();
        let mut ids = Vec::new();
        let mut unreadable: Vec<Identity> = Vec::new();
        for read in arrivals.iter().flat_map(|arrival| &arrival.operations) {
            match &read.content {
                Ok(identified) => {
                    let Operation { record, id, .. } = &identified.operation;
                    named.insert(*record);
                    candidates.push((*record, read.identity));
                    if id.0 != record.0 {
                        ids.push(id.0);
                    }
                }
                Err(_) => unreadable.push(read.identity),
            }
        }
        let named: Vec<RecordId> = named.into_iter().collect();
        let records = self.transaction.records(key, &named).await?;
        candidates.retain(|(record, _)| records.contains_key(record));
        let known = self.transaction.known_operations(key, &candidates).await?;
        // Readable operations wait in quarantine too, when their signer was not trusted with them.
        let mut quarantined = HashMap::new();
        if self.transaction.has_quarantine(key).await? {
            let readable = arrivals.iter().flat_map(|arrival| &arrival.operations);
            unreadable.extend(readable.map(|read| read.identity));
            quarantined = self.transaction.known_quarantined(key, &unreadable).await?;
        }
        let used_ids = self.transaction.used_operation_ids(key, &ids).await?;
        Ok(Situation {
            now_ms: self.now_ms,
            devices,
            spans,
            known,
            quarantined,
            used_ids,
            records,
            default_positions: self.engine.default_positions.clone(),
        })
    }

    /// Writes a plan. Nothing is decided here.
    pub(super) async fn apply(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let key = self.district.key;
        let transaction = &mut *self.transaction;
        for identity in &plan.let_out {
            transaction.remove_quarantined(key, *identity).await?;
        }
        transaction.insert_operations(key, &plan.operations).await?;
        transaction.upsert_records(key, &plan.records).await?;
        transaction.insert_runs(key, &plan.runs).await?;
        transaction.insert_quarantine(key, &plan.quarantine).await?;
        transaction.insert_places(key, &plan.places).await?;
        transaction.upsert_photos(key, &plan.photos).await?;
        for update in &plan.dispositions {
            transaction.update_disposition(key, update).await?;
        }
        transaction.update_device_heads(key, &plan.devices).await?;
        for conflict in &plan.closed {
            transaction.close_conflict(key, conflict).await?;
        }
        for (conflict, change) in &plan.opened {
            transaction.open_conflict(key, conflict, *change, self.now_ms).await?;
        }
        for notice in &plan.notices {
            transaction.add_notice(key, notice.person, notice.id, self.now_ms, &notice.body).await?;
        }
        if let Some(number) = plan.number {
            transaction.set_number(key, number).await?;
        }
        let tallies = plan.tallies.iter().filter(|(_, amount)| **amount != 0);
        let tallies: Vec<(&str, i64)> = tallies.map(|(name, amount)| (name.as_str(), *amount)).collect();
        transaction.add_tallies(key, &tallies).await
    }
}
