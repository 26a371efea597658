//! A transaction that holds a district's counter row: read what bundles touch, plan, apply.
//!
//! Who waits for it and when it commits is in [`super::group`]; what to write is decided in `reconcile`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sync_protocol::ids::{BundleHash, DeviceId, Identity, RecordId};

use super::delivery::Receipts;
use super::group::{Aside, is_of_all};
use super::news::News;
use super::office::{self, Act};
use super::{Engine, SyncError};
use super::{photos, trust};
use crate::domain::{Device, DeviceStatus, District};
use crate::reconcile::{self, Arrival, Draft, Numbers, Plan, Situation};
use crate::store::{Counter, StoreError, Transaction, Visit};
use crate::validate::Content;

/// A transaction that holds a district's counter row.
pub(super) struct Batch<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) district: &'a District,
    pub(super) transaction: &'a mut Transaction,
    pub(super) now_ms: i64,
    /// What is told once it is committed.
    pub(super) news: News,
}

impl Batch<'_> {
    /// Writes a group without a savepoint: SQLite would copy every page that it touches aside first.
    pub(super) async fn write_whole(
        &mut self,
        arrivals: &[Arrival],
        counter: &Counter,
    ) -> Result<Receipts, SyncError> {
        if arrivals.is_empty() {
            return Ok(Receipts::new());
        }
        let mut plan = self.write_together(arrivals, counter).await?;
        self.note_forks(&plan.forked).await?;
        let receipts = std::mem::take(&mut plan.receipts);
        tokio::task::spawn_blocking(move || drop(plan));
        Ok(receipts)
    }

    /// Writes each bundle behind a savepoint of its own, with the note of a fork that it shows, after the group as a
    /// whole had failed. Each takes its numbers anew from the counter row: what another wrote moved it.
    pub(super) async fn write_one_by_one(&mut self, arrivals: &[Arrival]) -> Result<Receipts, SyncError> {
        let mut receipts = Receipts::new();
        for arrival in arrivals {
            self.transaction.savepoint().await?;
            let mark = self.news.mark();
            match self.write_one(arrival).await {
                Ok(written) => {
                    self.transaction.release().await?;
                    receipts.extend(written);
                }
                Err(error) if is_of_all(&error) => return Err(error),
                Err(error) => {
                    tracing::error!(error = %error, "one bundle could not be written: {error}");
                    self.transaction.rollback_to_savepoint().await?;
                    self.news.forget_since(mark);
                }
            }
        }
        Ok(receipts)
    }

    async fn write_one(&mut self, arrival: &Arrival) -> Result<Receipts, SyncError> {
        let operations = u64::try_from(arrival.operations.len()).unwrap_or(u64::MAX);
        let counter = self.transaction.take_counter(self.district.key, operations).await?;
        let plan = self.write_together(std::slice::from_ref(arrival), &counter).await?;
        self.note_forks(&plan.forked).await?;
        Ok(plan.receipts)
    }

    /// A fork is seen once: its note is written with it, or a crash between the two would lose the note.
    async fn note_forks(&mut self, forked: &BTreeSet<DeviceId>) -> Result<(), SyncError> {
        for device in forked {
            office::perform(self, &Act::device_forked(*device)).await?;
            self.news.forked(*device);
        }
        Ok(())
    }

    /// Writes what stands beside bundles: what was refused, who was in contact, what was acknowledged.
    pub(super) async fn write_aside(&mut self, aside: &[Aside]) -> Result<(), SyncError> {
        let key = self.district.key;
        for (refused, _, (persons, notices)) in aside {
            self.transaction.insert_refused(key, refused).await?;
            self.transaction.acknowledge(key, persons, notices, self.now_ms).await?;
        }
        let visits: Vec<Visit> = aside.iter().filter_map(|(_, visit, _)| visit.clone()).collect();
        self.transaction.note_visits(key, &visits).await?;
        Ok(())
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
        self.news.received(&plan);
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
        for (device, sequences) in reconcile::needs_spans(&devices, arrivals) {
            spans.insert(device, self.transaction.run_spans(key, device, sequences).await?);
        }
        let mut named: BTreeSet<RecordId> = BTreeSet::new();
        let mut candidates: Vec<(RecordId, Identity)> = Vec::new();
        let mut ids = Vec::new();
        let mut unreadable: Vec<Identity> = Vec::new();
        for read in arrivals.iter().flat_map(|arrival| &arrival.operations) {
            match &read.content {
                Ok(Content { record, id, .. }) => {
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
        Ok(Situation { now_ms: self.now_ms, devices, spans, known, quarantined, used_ids, records })
    }

    /// Writes a plan, and verifies the photos that it names and that are held already.
    pub(super) async fn apply(&mut self, plan: &Plan) -> Result<(), SyncError> {
        self.write(plan).await?;
        self.news.quarantined(plan);
        photos::verify_named(self, plan.new_photos.iter().chain(&plan.photos)).await
    }

    /// Writes a plan. Nothing is decided here.
    async fn write(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let key = self.district.key;
        let transaction = &mut *self.transaction;
        for identity in &plan.let_out {
            transaction.remove_quarantined(key, *identity).await?;
        }
        transaction.insert_operations(key, &plan.operations).await?;
        transaction.insert_records(key, &plan.new_records).await?;
        transaction.upsert_records(key, &plan.records).await?;
        transaction.insert_runs(key, &plan.runs).await?;
        transaction.insert_quarantine(key, &plan.quarantine).await?;
        transaction.insert_places(key, &plan.places).await?;
        transaction.insert_photos(key, &plan.new_photos).await?;
        transaction.upsert_photos(key, &plan.photos).await?;
        for (record, photo) in &plan.dropped_photos {
            transaction.remove_photo(key, *record, *photo).await?;
        }
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
