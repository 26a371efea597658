//! What new operations do to their records: fold, row, dispositions, conflicts, notices, receipts. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sync_protocol::fold;
use sync_protocol::ids::{DeviceId, Head, Identity, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation};
use sync_protocol::view::{Disposition, State, View};

use super::losses::{losses, notices, released_notice};
use super::opening::{Opening, is_settled};
use super::row::Shape;
use super::sorting::{Fresh, Sorted};
use super::{Arrival, Numbers, Plan, Situation, receipts, row};
use crate::domain::disposition_number;
use crate::store::{
    ConflictRow, DispositionUpdate, OperationRow, PhotoRow, PlaceRow, RecordRow, StoredOperation,
};

/// One record of a group.
#[derive(Debug)]
struct Change {
    record: RecordId,
    row: Option<RecordRow>,
    /// None where nothing of the record is in the folded set.
    before: Option<View>,
    fresh: Vec<Fresh>,
    after: After,
}

/// What a record becomes, as far as it could be folded.
#[derive(Debug)]
enum After {
    Opened(Arc<Opening>),
    Folded(Box<View>),
    /// The whole set is needed.
    Wanted,
}

/// A plan in the making.
#[derive(Debug)]
pub struct Draft {
    sorted_plan: Plan,
    flags: BTreeMap<Identity, i64>,
    changes: Vec<Change>,
    /// Operations that leave the folded set.
    removed: BTreeMap<RecordId, BTreeSet<Identity>>,
}

impl Draft {
    /// Folds what can be folded without the earlier operations.
    ///
    /// `removed`: operations that a revocation takes out of the folded set.
    pub fn of(
        situation: &Situation,
        sorted: Sorted,
        removed: BTreeMap<RecordId, BTreeSet<Identity>>,
    ) -> Self {
        let Sorted { plan, mut fresh, mut order, flags, .. } = sorted;
        order
            .extend(removed.keys().filter(|record| !fresh.contains_key(record)).copied().collect::<Vec<_>>());
        let changes = order
            .into_iter()
            .map(|record| {
                let fresh = fresh.remove(&record).unwrap_or_default();
                let row = situation.records.get(&record).cloned();
                let before =
                    row.as_ref().filter(|row| !row.is_gone()).and_then(|row| View::decode(&row.view));
                let after = match (&row, fresh.as_slice()) {
                    _ if removed.contains_key(&record) => After::Wanted,
                    (None, [Fresh { opening: Some(opening), .. }]) => After::Opened(Arc::clone(opening)),
                    _ => step(before.as_ref(), &fresh)
                        .map_or(After::Wanted, |view| After::Folded(Box::new(view))),
                };
                Change { record, row, before, fresh, after }
            })
            .collect();
        Self { sorted_plan: plan, flags, changes, removed }
    }

    /// Records whose whole set of operations must be read.
    pub fn wants(&self) -> Vec<RecordId> {
        self.changes
            .iter()
            .filter(|change| matches!(change.after, After::Wanted) && change.before.is_some())
            .map(|change| change.record)
            .collect()
    }

    /// Finishes the plan with the sets that [`Draft::wants`] named.
    pub fn finish(
        self,
        situation: &Situation,
        arrivals: &[Arrival],
        mut numbers: Numbers,
        sets: &BTreeMap<RecordId, Vec<StoredOperation>>,
    ) -> Plan {
        let mut plan = self.sorted_plan;
        let first_number = numbers.number;
        let mut outcomes: HashMap<RecordId, Outcome> = HashMap::with_capacity(self.changes.len());
        for change in self.changes {
            let removed = self.removed.get(&change.record);
            let set = sets.get(&change.record).map_or(&[][..], Vec::as_slice);
            let record = change.record;
            let outcome = match change.after {
                After::Opened(ref opening) => {
                    open_record(&mut plan, situation, record, &change.fresh, opening, &mut numbers)
                }
                After::Folded(_) | After::Wanted => {
                    finish_record(&mut plan, situation, change, set, removed, &mut numbers)
                }
            };
            outcomes.insert(record, outcome);
        }
        plan.number = (numbers.number != first_number).then_some(numbers.number);
        let received = plan.operations.len() + plan.quarantine.len();
        plan.tally("received", i64::try_from(received).unwrap_or(i64::MAX));
        plan.tally("disposition:quarantined", i64::try_from(plan.quarantine.len()).unwrap_or(i64::MAX));
        receipts::write(&mut plan, situation, arrivals, &outcomes, &self.flags);
        plan
    }
}

/// What became of the operations of a record.
#[derive(Debug)]
pub(super) enum Outcome {
    /// One thing of all.
    All(Disposition),
    /// It is in the view, which is kept for nothing else.
    Each(Box<View>),
}

impl Outcome {
    fn of(view: View) -> Self {
        match view.state {
            State::Held => Self::All(Disposition::Held),
            _ if view.dispositions.is_empty() => Self::All(Disposition::Applied),
            _ => Self::Each(Box::new(view)),
        }
    }

    pub(super) fn disposition(&self, head: Head) -> Disposition {
        match self {
            Self::All(disposition) => *disposition,
            Self::Each(view) => fold::disposition(view, head),
        }
    }
}

/// Beyond so many operations on one record, its set is folded once: a step costs as much as the view is large.
const STEPS: usize = 16;

/// Folds the new operations one after the other onto the view; None where the set is needed.
fn step(before: Option<&View>, fresh: &[Fresh]) -> Option<View> {
    if fresh.len() > STEPS {
        return before.is_none().then(|| whole(&[], fresh));
    }
    let mut view: Option<View> = before.cloned();
    for operation in fresh.iter().filter_map(Fresh::operation) {
        match fold::advance(view.as_ref(), &operation) {
            Some(next) => view = Some(next),
            // A record of this group alone needs no other operations than these.
            None if before.is_none() => return Some(whole(&[], fresh)),
            None => return None,
        }
    }
    let view = view?;
    // A record that leaves the held state changes every disposition: they must be read.
    let was_held = before.is_some_and(|view| view.state == State::Held);
    (before.is_none() || was_held == (view.state == State::Held)).then_some(view)
}

fn open_record(
    plan: &mut Plan,
    situation: &Situation,
    record: RecordId,
    fresh: &[Fresh],
    opening: &Opening,
    numbers: &mut Numbers,
) -> Outcome {
    let Opening { shape, disposition, photos } = opening;
    let change = numbers.next_change();
    let next = row::of(situation.now_ms, record, None, shape.clone(), change, numbers);
    row::plan_tallies(plan, None, &next);
    plan.new_records.push(next);
    for fresh in fresh {
        let device = fresh.device;
        let rows = photos.iter().map(|(sha256, is_settled)| PhotoRow {
            sha256: *sha256,
            record,
            device,
            is_settled: *is_settled,
            named_ms: situation.now_ms,
        });
        plan.new_photos.extend(rows);
        append(plan, situation, record, fresh, *disposition);
    }
    Outcome::All(*disposition)
}

fn append(plan: &mut Plan, situation: &Situation, record: RecordId, fresh: &Fresh, disposition: Disposition) {
    plan.tally(&format!("disposition:{}", disposition.as_str()), 1);
    plan.operations.push(OperationRow {
        record,
        identity: fresh.identity,
        operation: fresh.id,
        device: fresh.device,
        sequence: fresh.sequence,
        disposition: disposition_number(disposition),
        flags: fresh.flags,
        received_ms: situation.now_ms,
        bytes: fresh.bytes.clone(),
    });
}

fn finish_record(
    plan: &mut Plan,
    situation: &Situation,
    change: Change,
    set: &[StoredOperation],
    removed: Option<&BTreeSet<Identity>>,
    numbers: &mut Numbers,
) -> Outcome {
    let Change { record, row, before: view_before, fresh, after } = change;
    let kept: Vec<&StoredOperation> = set
        .iter()
        .filter(|stored| removed.is_none_or(|removed| !removed.contains(&stored.identity)))
        .collect();
    let view = match after {
        After::Folded(view) => *view,
        After::Opened(_) | After::Wanted => whole(&kept, &fresh),
    };
    let change = numbers.next_change();
    let is_gone = kept.is_empty() && fresh.is_empty() && removed.is_some();
    if !is_gone {
        plan_dispositions(plan, record, view_before.as_ref(), &view, &fresh, &kept);
    }
    plan_conflicts(plan, record, view_before.as_ref(), &view, change);
    plan_notices(plan, (situation.now_ms, change), record, view_before.as_ref(), &view, &fresh);
    plan_photos(plan, situation.now_ms, (record, &fresh), view_before.as_ref(), &view);
    let next = match &row {
        Some(row) if is_gone => row::gone(row, change),
        _ => row::of(situation.now_ms, record, row.as_ref(), Shape::of(&view), change, numbers),
    };
    if let Some(row) = &row
        && row.place != next.place
    {
        let (since_change, place) = (row.place_since, row.place);
        plan.places.push(PlaceRow { record, until_change: change, since_change, place });
    }
    row::plan_tallies(plan, row.as_ref(), &next);
    plan.records.push(next);
    for fresh in fresh {
        append(plan, situation, record, &fresh, fold::disposition(&view, fresh.identity.head()));
    }
    Outcome::of(view)
}

/// The fold of a record's whole set.
fn whole(kept: &[&StoredOperation], fresh: &[Fresh]) -> View {
    let stored = kept.iter().filter_map(|stored| {
        let operation = Operation::decode(&stored.bytes).ok()?;
        Some(Identified { identity: stored.identity, operation })
    });
    let fresh = fresh.iter().filter_map(Fresh::operation).map(|operation| operation.as_ref().clone());
    fold::fold(&stored.chain(fresh).collect::<Vec<_>>())
}

/// Dispositions of earlier operations that this group changed.
fn plan_dispositions(
    plan: &mut Plan,
    record: RecordId,
    before: Option<&View>,
    after: &View,
    fresh: &[Fresh],
    set: &[&StoredOperation],
) {
    let mut update = |head: Head, from: Disposition, to: Disposition| {
        if from != to {
            plan.dispositions.push(DispositionUpdate { record, head, disposition: disposition_number(to) });
            plan.tally(&format!("disposition:{}", from.as_str()), -1);
            plan.tally(&format!("disposition:{}", to.as_str()), 1);
        }
    };
    if !set.is_empty() {
        for stored in set {
            let from = crate::domain::disposition_of(stored.disposition).unwrap_or(Disposition::Applied);
            update(stored.identity.head(), from, fold::disposition(after, stored.identity.head()));
        }
        return;
    }
    let Some(before) = before else { return };
    let heads: BTreeSet<Head> = before
        .dispositions
        .keys()
        .filter_map(|index| before.writer(*index))
        .chain(after.dispositions.keys().filter_map(|index| after.writer(*index)))
        .map(|writer| writer.head)
        .filter(|head| fresh.iter().all(|fresh| fresh.identity.head() != *head))
        .collect();
    for head in heads {
        update(head, fold::disposition(before, head), fold::disposition(after, head));
    }
}

fn plan_conflicts(plan: &mut Plan, record: RecordId, before: Option<&View>, after: &View, change: u64) {
    let rows = |view: &View| -> BTreeSet<ConflictRow> {
        view.conflicts
            .iter()
            .map(|conflict| ConflictRow {
                record,
                subject: conflict.subject.clone(),
                reason: conflict.reason.clone(),
            })
            .collect()
    };
    let before = before.map(rows).unwrap_or_default();
    let after = rows(after);
    plan.opened.extend(after.difference(&before).map(|row| (row.clone(), change)));
    plan.closed.extend(before.difference(&after).cloned());
    let opened = i64::try_from(after.len()).unwrap_or(i64::MAX);
    let closed = i64::try_from(before.len()).unwrap_or(i64::MAX);
    plan.tally("conflicts", opened - closed);
}

fn plan_notices(
    plan: &mut Plan,
    (now_ms, change): (i64, u64),
    record: RecordId,
    before: Option<&View>,
    after: &View,
    fresh: &[Fresh],
) {
    let has_contention =
        |view: &View| !view.conflicts.is_empty() || view.fields.values().any(|field| field.values.len() > 1);
    if has_contention(after) || before.is_some_and(has_contention) {
        let before = before.map(losses).unwrap_or_default();
        plan.notices.extend(notices(record, &before, &losses(after), (change, now_ms)));
    }
    // A release opens nothing, so that it was kept as it was decoded.
    for identified in fresh.iter().filter_map(|fresh| fresh.decoded.as_deref()) {
        let operation = &identified.operation;
        if operation.kind.known() != Some(Kind::Released) {
            continue;
        }
        let author = operation.fields.get("effective_author").and_then(sync_protocol::cbor::Raw::decode);
        let released = operation.fields.get("operation").and_then(sync_protocol::cbor::Raw::decode);
        if let (Some(author), Some(released)) = (author, released) {
            plan.notices.insert(released_notice(author, record, released, now_ms));
        }
    }
}

fn plan_photos(
    plan: &mut Plan,
    now_ms: i64,
    (record, fresh): (RecordId, &[Fresh]),
    before: Option<&View>,
    after: &View,
) {
    let named_before = before.into_iter().flat_map(|view| view.photos.keys());
    let dropped = named_before.filter(|sha256| !after.photos.contains_key(*sha256));
    plan.dropped_photos.extend(dropped.map(|sha256| (record, *sha256)));
    let named: HashMap<_, DeviceId> = fresh
        .iter()
        .filter_map(|fresh| Some((fresh.operation()?, fresh.device)))
        .flat_map(|(identified, device)| {
            let photos = identified.operation.photos.iter().map(|photo| (photo.sha256, device));
            photos.collect::<Vec<_>>()
        })
        .collect();
    for (sha256, photo) in &after.photos {
        if before.and_then(|view| view.photos.get(sha256)) == Some(photo) {
            continue;
        }
        let device = named.get(sha256).copied().or_else(|| fresh.first().map(|fresh| fresh.device));
        if let Some(device) = device {
            let is_settled = is_settled(photo);
            plan.photos.push(PhotoRow { sha256: *sha256, record, device, is_settled, named_ms: now_ms });
        }
    }
}
