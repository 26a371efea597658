//! Proving the ledger: every record folded again from its operations and compared with what is stored, and every run,
//! receipt and quarantined operation compared with what it must be. Start at [`check`].
//!
//! What depends on the order in which things came is not proved: where a record was before it moved, notices, flags,
//! times of receipt.

mod runs;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sync_protocol::fold;
use sync_protocol::ids::{DeviceId, Head, Identity, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation};
use sync_protocol::view::{Disposition, PhotoState, PhotoView, View};

use super::{Engine, SyncError, layers, tiles};
use crate::domain::{Collection, District, disposition_of};
use crate::geometry;
use crate::reconcile;
use crate::store::{CheckedDevice, CheckedRecord, NumberGap, Restore, StoredOperation};

/// Lines of a list in the report.
const LISTED: usize = 100;
/// Operations listed that name one missing operation.
const NAMED: usize = 8;
/// Records checked at a time.
const PAGE: u32 = 256;

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Distinct operations received.
    pub received: u64,
    /// How many have each disposition.
    pub dispositions: BTreeMap<String, u64>,
    /// Records of devices' and the office's making.
    pub records: u64,
    /// SHA-256 over every record's id and view, in the order of ids.
    pub state_hash: String,
    /// Nothing disagrees.
    pub ok: bool,
    /// What disagrees, at most a hundred lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Operations that others name and the ledger does not hold, at most a hundred: on their way still, or the
    /// office's own, lost by a restore.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Restores from a backup that devices have proved, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restores: Vec<Restore>,
    /// Numbers of orders that no order has, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_gaps: Vec<NumberGap>,
    /// Numbers of work reports that no report has, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub report_gaps: Vec<NumberGap>,
}

/// An operation that others name and the ledger does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The record it is of.
    pub record: String,
    /// Its head, hexadecimal.
    pub operation: String,
    /// Who names it: they, or their phones' copies, know what it was.
    pub named_by: Vec<Naming>,
}

/// An operation that names a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Naming {
    /// Its head, hexadecimal.
    pub operation: String,
    /// Its kind.
    pub kind: String,
    /// Its author.
    pub author: String,
}

impl Missing {
    fn of(record: RecordId, head: Head, set: &[Identified]) -> Self {
        let names =
            |it: &&Identified| it.operation.heads.contains(&head) || it.operation.lacking.contains(&head);
        let naming = |it: &Identified| Naming {
            operation: it.head().to_string(),
            kind: it.operation.kind.as_str().to_owned(),
            author: it.operation.author.to_string(),
        };
        Self {
            record: record.to_string(),
            operation: head.to_string(),
            named_by: set.iter().filter(names).take(NAMED).map(naming).collect(),
        }
    }
}

impl Report {
    fn fault(&mut self, text: String) {
        if self.faults.len() < LISTED {
            self.faults.push(text);
        }
    }
}

/// Checks a district.
///
/// # Errors
/// The store's. What disagrees is no error but in the report.
pub async fn check(engine: &Arc<Engine>, district: &District) -> Result<Report, SyncError> {
    let mut transaction = engine.store.read().await?;
    let (stored, quarantined) = transaction.operation_counts(district.key).await?;
    let mut checker = Checker { change: transaction.last_change(district.key).await?, ..Checker::default() };
    let mut after = RecordId(uuid::Uuid::nil());
    loop {
        let records = transaction.records_after(district.key, after, PAGE).await?;
        let Some(last) = records.last() else { break };
        after = last.record;
        let ids: Vec<RecordId> = records.iter().map(|record| record.record).collect();
        let mut sets = transaction.operation_sets(district.key, &ids).await?;
        let mut conflicts = transaction.checked_conflicts(district.key, &ids).await?;
        let mut photos = transaction.checked_photos(district.key, &ids).await?;
        for record in records {
            let beside = Beside {
                conflicts: conflicts.remove(&record.record).unwrap_or_default(),
                photos: photos.remove(&record.record).unwrap_or_default(),
            };
            checker.record(&record, &sets.remove(&record.record).unwrap_or_default(), &beside);
        }
    }
    let beside = transaction.beside_counts(district.key).await?;
    if beside != checker.beside {
        let (conflicts, photos) = beside;
        checker
            .report
            .fault(format!("{conflicts} conflicts and {photos} photos are stored, but not of records"));
    }
    let mut after = Identity([0; 32]);
    loop {
        let held = transaction.quarantine_after(district.key, after, PAGE).await?;
        let Some((last, _)) = held.last() else { break };
        after = last.identity;
        for (operation, bytes) in &held {
            checker.stored(operation.identity, bytes);
        }
    }
    let operations = stored.saturating_add(quarantined);
    let heads = runs::check(&mut checker.report, &mut transaction, district.key, operations).await?;
    checker.devices(&heads, &transaction.checked_devices(district.key).await?);
    let released = transaction.released(district.key).await?;
    let tallies = transaction.tallies(district.key).await?;
    checker.report.restores = transaction.restores(district.key).await?;
    let gaps = transaction.order_gaps(district.key).await?;
    checker.numbers("order", &transaction.order_counts(district.key).await?, &gaps);
    checker.report.order_gaps = gaps;
    let gaps = transaction.report_gaps(district.key).await?;
    checker.numbers("report", &transaction.report_counts(district.key).await?, &gaps);
    checker.report.report_gaps = gaps;

    let counts = tiles::faults(&mut transaction, district.key).await?;
    let totals = layers::faults(&mut transaction, district.key).await?;
    counts.into_iter().chain(totals).for_each(|fault| checker.report.fault(fault));
    Ok(checker.finish(stored, quarantined, &released, &tallies))
}

#[derive(Default)]
struct Checker {
    report: Report,
    hasher: Sha256,
    tally: BTreeMap<Disposition, u64>,
    /// Dispositions of releases: what they released has the same.
    effective: BTreeMap<Identity, Disposition>,
    folded: u64,
    /// What the tallies must be, as far as they count records and conflicts.
    tallies: BTreeMap<String, i64>,
    /// Decisions that wrote off what can never be released.
    written_off: BTreeSet<Identity>,
    /// The last change of the district.
    change: u64,
    /// Conflicts and photos of records so far.
    beside: (u64, u64),
    /// Devices that an operation revoked.
    revoked: BTreeSet<DeviceId>,
}

/// What stands beside the row of a record.
struct Beside {
    conflicts: Vec<(String, String)>,
    photos: BTreeMap<PhotoHash, bool>,
}

impl Checker {
    fn record(&mut self, record: &CheckedRecord, set: &[StoredOperation], beside: &Beside) {
        self.beside.0 += u64::try_from(beside.conflicts.len()).unwrap_or(0);
        self.beside.1 += u64::try_from(beside.photos.len()).unwrap_or(0);
        if record.change > self.change {
            self.report.fault(format!("record {} is of a change that is still to come", record.record));
        }
        let is_folded = matches!(
            Collection::from_number(record.collection),
            Some(Collection::Records | Collection::Devices | Collection::Rules)
        );
        if !is_folded {
            if !set.is_empty() {
                self.report.fault(format!("record {} is gone and has operations", record.record));
            }
            if !beside.conflicts.is_empty() || !beside.photos.is_empty() {
                self.report.fault(format!("record {} is gone and has conflicts or photos", record.record));
            }
            return;
        }
        let mut operations = Vec::with_capacity(set.len());
        for stored in set {
            if !self.stored(stored.identity, &stored.bytes) {
                continue;
            }
            match Operation::decode(&stored.bytes) {
                Ok(operation) => operations.push(Identified { identity: stored.identity, operation }),
                Err(_) => self.report.fault(format!("operation {} cannot be read", stored.identity)),
            }
        }
        self.folded += u64::try_from(set.len()).unwrap_or(0);
        let view = fold::fold(&operations);
        let room = LISTED.saturating_sub(self.report.missing.len());
        let missing = view.awaited().take(room);
        self.report.missing.extend(missing.map(|head| Missing::of(record.record, *head, &operations)));
        if view.encode() != record.view {
            self.report.fault(format!("record {} differs from its operations", record.record));
        }
        self.row(record, &view);
        self.beside(record, &view, beside);
        for stored in set {
            let expected = fold::disposition(&view, stored.identity.head());
            *self.tally.entry(expected).or_default() += 1;
            if disposition_of(stored.disposition) != Some(expected) {
                self.report.fault(format!(
                    "operation {} of record {} is stored with another disposition than {}",
                    stored.identity,
                    record.record,
                    expected.as_str()
                ));
            }
            match kind_of(&operations, stored.identity) {
                Some(Kind::Released) => drop(self.effective.insert(stored.identity, expected)),
                Some(Kind::WrittenOff) => drop(self.written_off.insert(stored.identity)),
                Some(Kind::DeviceRevoked) => drop(self.revoked.insert(DeviceId(record.record.0))),
                _ => {}
            }
        }
        if record.collection == Collection::Records.number() {
            self.report.records += 1;
            self.hasher.update(record.record.0.as_bytes());
            self.hasher.update(Sha256::digest(&record.view));
        }
    }

    /// Whether a stored operation is the one that its identity names.
    fn stored(&mut self, identity: Identity, bytes: &[u8]) -> bool {
        let is_whole = Identity::of(bytes) == identity;
        if !is_whole {
            self.report.fault(format!("operation {identity} is damaged"));
        }
        is_whole
    }

    /// The conflicts and photos of a record are those of its view.
    fn beside(&mut self, record: &CheckedRecord, view: &View, beside: &Beside) {
        let open = view.conflicts.iter().map(|it| (it.subject.as_str(), it.reason.as_str()));
        let stored = beside.conflicts.iter().map(|(subject, reason)| (subject.as_str(), reason.as_str()));
        if stored.collect::<BTreeSet<_>>() != open.collect::<BTreeSet<_>>() {
            self.report.fault(format!("the open conflicts of record {} differ from its view", record.record));
        }
        let waits = |settled: &bool, photo: &PhotoView| *settled || photo.state == PhotoState::Named;
        let is_same = beside.photos.keys().eq(view.photos.keys())
            && beside.photos.values().zip(view.photos.values()).all(|(settled, photo)| waits(settled, photo));
        if !is_same {
            self.report.fault(format!("the photos of record {} differ from its view", record.record));
        }
    }

    /// Devices stand as their operations and runs say.
    fn devices(&mut self, heads: &HashMap<DeviceId, u64>, devices: &[CheckedDevice]) {
        for CheckedDevice { device, is_revoked, head_sequence } in devices {
            if *is_revoked != self.revoked.contains(device) {
                self.report.fault(format!("whether device {device} is revoked differs from its operations"));
            }
            if heads.get(device).copied().unwrap_or(0) != *head_sequence {
                self.report.fault(format!("the head of device {device} is not that of its runs"));
            }
        }
    }

    /// Numbers have no gap but those that are named.
    fn numbers(&mut self, series: &str, counts: &[(i64, i64, i64)], gaps: &[NumberGap]) {
        let years: BTreeSet<i64> =
            counts.iter().map(|(year, ..)| *year).chain(gaps.iter().map(|gap| gap.year)).collect();
        for year in years {
            let count = counts.iter().find(|(known, ..)| *known == year);
            let (given, last) = count.map_or((0, 0), |(_, given, last)| (*given, *last));
            let of_year = || gaps.iter().filter(|gap| gap.year == year);
            let left_out: i64 = of_year().map(|gap| gap.last - gap.first + 1).sum();
            let last = of_year().map(|gap| gap.last).fold(last, i64::max);
            if given + left_out != last {
                self.report.fault(format!(
                    "of the {series} numbers of {year} up to {last}, {given} are given and {left_out} left out with a reason"
                ));
            }
        }
    }

    /// What stands beside a view in its row follows from it, and is counted in the tallies.
    fn row(&mut self, record: &CheckedRecord, view: &View) {
        let (state, class, flags, place, unit) = reconcile::derived(view);
        let row = (record.state, record.class, record.flags, record.unit);
        if row != (state, class, flags, unit) || !is_one_place(record.place, place) {
            self.report.fault(format!("the row of record {} differs from its view", record.record));
        }
        let mut count = |name: &str, by: i64| *self.tallies.entry(name.to_owned()).or_default() += by;
        reconcile::tallies(record.collection, record.flags, record.state, record.class, |name| {
            count(name, 1);
        });
        let conflicts: BTreeSet<(&str, &str)> =
            view.conflicts.iter().map(|it| (it.subject.as_str(), it.reason.as_str())).collect();
        count("conflicts", i64::try_from(conflicts.len()).unwrap_or(i64::MAX));
    }

    fn finish(
        mut self,
        stored: u64,
        quarantined: u64,
        released: &[(Vec<u8>, Vec<u8>, Option<RecordId>)],
        tallies: &[(String, i64)],
    ) -> Report {
        let folded = self.folded;
        if folded != stored {
            self.report.fault(format!("{stored} operations are stored, {folded} belong to a record"));
        }
        let waiting = quarantined.saturating_sub(u64::try_from(released.len()).unwrap_or(0));
        *self.tally.entry(Disposition::Quarantined).or_default() += waiting;
        let is_written_off =
            |by: &[u8]| Identity::try_from(by).is_ok_and(|by| self.written_off.contains(&by));
        let written_off = released.iter().filter(|(_, by, _)| is_written_off(by)).count();
        *self.tally.entry(Disposition::Quarantined).or_default() += u64::try_from(written_off).unwrap_or(0);
        // The tallies leave out what was released; pages add it.
        for disposition in Disposition::ALL {
            let counted = self.tally.get(disposition).copied().unwrap_or(0);
            let name = format!("disposition:{}", disposition.as_str());
            self.tallies.insert(name, i64::try_from(counted).unwrap_or(i64::MAX));
        }
        for (identity, by, _) in released.iter().filter(|(_, by, _)| !is_written_off(by)) {
            let by = Identity::try_from(by.as_slice()).ok().and_then(|by| self.effective.get(&by));
            match by {
                Some(disposition) => *self.tally.entry(*disposition).or_default() += 1,
                None => self
                    .report
                    .fault(format!("quarantined operation {} names no release", hex::encode(identity))),
            }
        }
        let mut report = self.report;
        report.received = stored + quarantined;
        self.tallies.insert("received".to_owned(), i64::try_from(report.received).unwrap_or(i64::MAX));
        check_tallies(&mut report, tallies, &self.tallies);
        let sum: u64 = self.tally.values().sum();
        if sum != report.received {
            report.fault(format!("{} received, but the dispositions sum to {sum}", report.received));
        }
        report.dispositions = Disposition::ALL
            .iter()
            .map(|name| (name.as_str().to_owned(), *self.tally.get(name).unwrap_or(&0)))
            .collect();
        report.state_hash = hex::encode(self.hasher.finalize());
        report.ok = report.faults.is_empty();
        report
    }
}

/// Whether two keys are of one place: what another machine computed of the same position may lie in the next cell.
fn is_one_place(one: Option<i64>, other: Option<i64>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one == other };
    let ((x, y), (other_x, other_y)) = (geometry::grid_of_key(one), geometry::grid_of_key(other));
    x.abs_diff(other_x) <= 1 && y.abs_diff(other_y) <= 1
}

fn kind_of(operations: &[Identified], identity: Identity) -> Option<Kind> {
    let found = operations.iter().find(|operation| operation.identity == identity);
    found.and_then(|found| found.operation.kind.known())
}

/// Every tally that is kept or must be.
fn check_tallies(report: &mut Report, kept: &[(String, i64)], counted: &BTreeMap<String, i64>) {
    let kept: BTreeMap<&str, i64> = kept.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    let names: BTreeSet<&str> = kept.keys().copied().chain(counted.keys().map(String::as_str)).collect();
    for name in names {
        let (kept, counted) = (kept.get(name).copied().unwrap_or(0), counted.get(name).copied().unwrap_or(0));
        if kept != counted {
            report.fault(format!("the tally of {name} is {kept}, counted {counted}"));
        }
    }
}
