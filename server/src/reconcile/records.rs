//! What new operations do to their records: fold, row, dispositions, conflicts, notices, receipts. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sync_protocol::cbor;
use sync_protocol::exchange::Receipt;
use sync_protocol::field;
use sync_protocol::fold;
use sync_protocol::ids::{DeviceId, Head, Identity, RecordId};
use sync_protocol::kind::{Kind, RecordType};
use sync_protocol::operation::{Identified, Operation, Position};
use sync_protocol::view::{Closure, Disposition, PhotoState, State, View};

use super::losses::{losses, notices, released_notice};
use super::sorting::{Fresh, Sorted};
use super::{Arrival, Numbers, Plan, Situation};
use crate::domain::{
    Class, Collection, disposition_number, operation_flags, record_flags, state_number,
};
use crate::geometry;
use crate::store::{
    ConflictRow, DispositionUpdate, OperationRow, PhotoRow, PlaceRow, RecordRow, RunRow, StoredOperation,
};

/// One record of a group, before and after, as far as it could be folded.
#[derive(Debug)]
struct Change {
    record: RecordId,
    before: Option<(RecordRow, View)>,
    fresh: Vec<Fresh>,
    /// None: the whole set is needed.
    after: Option<View>,
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
        order.extend(removed.keys().filter(|record| !fresh.contains_key(record)).copied().collect::<Vec<_>>());
        let changes = order
            .into_iter()
            .map(|record| {
                let fresh = fresh.remove(&record).unwrap_or_default();
                let before = situation
                    .records
                    .get(&record)
                    .and_then(|row| Some((row.clone(), View::decode(&row.view)?)));
                let after = if removed.contains_key(&record) {
                    None
                } else {
                    step(before.as_ref().map(|(_, view)| view), &fresh)
                };
                Change { record, before, fresh, after }
            })
            .collect();
        Self { sorted_plan: plan, flags, changes, removed }
    }

    /// Records whose whole set of operations must be read.
    pub fn wants(&self) -> Vec<RecordId> {
        self.changes
            .iter()
            .filter(|change| change.after.is_none() && change.before.is_some())
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
        let mut views: HashMap<RecordId, View> = HashMap::new();
        for change in self.changes {
            let removed = self.removed.get(&change.record);
            let set = sets.get(&change.record).map_or(&[][..], Vec::as_slice);
            let view = finish_record(&mut plan, situation, change, set, removed, &mut numbers);
            views.insert(view.0, view.1);
        }
        plan.number = (numbers.number != first_number).then_some(numbers.number);
        let received = plan.operations.len() + plan.quarantine.len();
        plan.tally("received", i64::try_from(received).unwrap_or(i64::MAX));
        plan.tally("disposition:quarantined", i64::try_from(plan.quarantine.len()).unwrap_or(i64::MAX));
        write_receipts(&mut plan, situation, arrivals, &views, &self.flags);
        plan
    }
}

/// Folds the new operations one after the other onto the view; None where the set is needed.
fn step(before: Option<&View>, fresh: &[Fresh]) -> Option<View> {
    let mut view: Option<View> = before.cloned();
    for operation in fresh {
        match fold::advance(view.as_ref(), &operation.operation) {
            Some(next) => view = Some(next),
            // A record of this group alone needs no other operations than these.
            None if before.is_none() => {
                let set: Vec<Identified> = fresh.iter().map(|fresh| fresh.operation.as_ref().clone()).collect();
                return Some(fold::fold(&set));
            }
            None => return None,
        }
    }
    let view = view?;
    // A record that leaves the held state changes every disposition: they must be read.
    let was_held = before.is_some_and(|view| view.state == State::Held);
    (before.is_none() || was_held == (view.state == State::Held)).then_some(view)
}

fn finish_record(
    plan: &mut Plan,
    situation: &Situation,
    change: Change,
    set: &[StoredOperation],
    removed: Option<&BTreeSet<Identity>>,
    numbers: &mut Numbers,
) -> (RecordId, View) {
    let Change { record, before, fresh, after } = change;
    let kept: Vec<&StoredOperation> = set
        .iter()
        .filter(|stored| removed.is_none_or(|removed| !removed.contains(&stored.identity)))
        .collect();
    let view = after.unwrap_or_else(|| {
        let mut operations: Vec<Identified> = kept
            .iter()
            .filter_map(|stored| {
                let operation = Operation::decode(&stored.bytes).ok()?;
                Some(Identified { identity: stored.identity, operation })
            })
            .collect();
        operations.extend(fresh.iter().map(|fresh| fresh.operation.as_ref().clone()));
        fold::fold(&operations)
    });
    let change = numbers.next_change();
    let (row, view_before) = match before {
        Some((row, view)) => (Some(row), Some(view)),
        None => (None, None),
    };
    plan_dispositions(plan, record, view_before.as_ref(), &view, &fresh, &kept);
    plan_conflicts(plan, record, view_before.as_ref(), &view, change);
    plan_notices(plan, situation, record, view_before.as_ref(), &view, &fresh);
    plan_photos(plan, record, view_before.as_ref(), &view, &fresh);
    let next = record_row(situation, record, row.as_ref(), &view, change, numbers);
    if let Some(row) = &row
        && let Some(place) = row.place
        && row.place != next.place
    {
        plan.places.push(PlaceRow { record, until_change: change, since_change: row.place_since, place });
    }
    plan_tallies(plan, row.as_ref(), &next);
    plan.records.push(next);
    for fresh in fresh {
        let disposition = fold::disposition(&view, fresh.operation.head());
        plan.tally(&format!("disposition:{}", disposition.as_str()), 1);
        plan.operations.push(OperationRow {
            record,
            identity: fresh.operation.identity,
            operation: fresh.operation.operation.id,
            device: fresh.device,
            sequence: fresh.sequence,
            disposition: disposition_number(disposition),
            flags: fresh.flags,
            received_ms: situation.now_ms,
            bytes: fresh.bytes,
        });
    }
    (record, view)
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
        .filter(|head| fresh.iter().all(|fresh| fresh.operation.head() != *head))
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
    situation: &Situation,
    record: RecordId,
    before: Option<&View>,
    after: &View,
    fresh: &[Fresh],
) {
    let has_contention = |view: &View| {
        !view.conflicts.is_empty() || view.fields.values().any(|field| field.values.len() > 1)
    };
    if has_contention(after) || before.is_some_and(has_contention) {
        let before = before.map(losses).unwrap_or_default();
        plan.notices.extend(notices(record, &before, &losses(after), situation.now_ms));
    }
    for fresh in fresh {
        let operation = &fresh.operation.operation;
        if operation.kind.known() != Some(Kind::Released) {
            continue;
        }
        let author = operation.fields.get("effective_author").and_then(sync_protocol::cbor::Raw::decode);
        let released = operation.fields.get("operation").and_then(sync_protocol::cbor::Raw::decode);
        if let (Some(author), Some(released)) = (author, released) {
            plan.notices.insert(released_notice(author, record, released, situation.now_ms));
        }
    }
}

fn plan_photos(plan: &mut Plan, record: RecordId, before: Option<&View>, after: &View, fresh: &[Fresh]) {
    let named: HashMap<_, DeviceId> = fresh
        .iter()
        .flat_map(|fresh| fresh.operation.operation.photos.iter().map(|photo| (photo.sha256, fresh.device)))
        .collect();
    for (sha256, photo) in &after.photos {
        if before.and_then(|view| view.photos.get(sha256)) == Some(photo) {
            continue;
        }
        let device = named.get(sha256).copied().or_else(|| fresh.first().map(|fresh| fresh.device));
        if let Some(device) = device {
            let is_settled = photo.state != PhotoState::Named;
            plan.photos.push(PhotoRow { sha256: *sha256, record, device, is_settled });
        }
    }
}

fn record_row(
    situation: &Situation,
    record: RecordId,
    row: Option<&RecordRow>,
    view: &View,
    change: u64,
    numbers: &mut Numbers,
) -> RecordRow {
    let is_hazard = view.record_type == Some(RecordType::Hazard);
    let place = view
        .shown("position")
        .and_then(sync_protocol::cbor::Raw::decode::<Position>)
        .map(|position| geometry::place(position.lat_e7, position.lon_e7));
    let number = match row.map_or(0, |row| row.number) {
        0 if is_hazard => numbers.next_number(),
        number => number,
    };
    let place_since = match row {
        Some(row) if row.place == place => row.place_since,
        _ => change,
    };
    RecordRow {
        record,
        collection: collection(view).number(),
        change,
        class: class(view).number(),
        state: state_number(view.state),
        flags: flags(view),
        number,
        received_ms: row.map_or(situation.now_ms, |row| row.received_ms),
        place,
        place_since,
        view: view.encode(),
    }
}

fn collection(view: &View) -> Collection {
    match view.record_type {
        Some(RecordType::Device) => Collection::Devices,
        Some(RecordType::Reference) => Collection::Rules,
        _ => Collection::Records,
    }
}

/// The class of a view: a fire sighting is always critical.
pub(super) fn class(view: &View) -> Class {
    if view.shown("category").and_then(|value| value.as_text()) == Some("fire_sighting") {
        return Class::Critical;
    }
    match field::severity_rank(view.severity.as_deref()) {
        3.. => Class::Critical,
        2 => Class::Serious,
        1 => Class::General,
        0 => Class::Other,
    }
}

fn flags(view: &View) -> i64 {
    let mut flags = 0;
    if view.is_provisional {
        flags |= record_flags::PROVISIONAL;
    }
    if !view.conflicts.is_empty() {
        flags |= record_flags::CONFLICT;
    }
    if view.closure == Some(Closure::Pending) {
        flags |= record_flags::CLOSURE_PENDING;
    }
    if !matches!(view.record_type, Some(RecordType::Hazard) | None) {
        flags |= record_flags::NOT_HAZARD;
    }
    flags
}

fn plan_tallies(plan: &mut Plan, before: Option<&RecordRow>, after: &RecordRow) {
    let mut count = |row: &RecordRow, by: i64| {
        if row.collection != Collection::Records.number() {
            return;
        }
        plan.tally("records", by);
        if row.flags & record_flags::NOT_HAZARD != 0 {
            return;
        }
        plan.tally("hazards", by);
        if row.flags & record_flags::PROVISIONAL != 0 {
            plan.tally("provisional", by);
        }
        let state = State::ALL.iter().find(|state| state_number(**state) == row.state);
        if let Some(state) = state {
            plan.tally(&format!("state:{}", state.as_str()), by);
            if let (true, Some(class)) = (state.is_open(), Class::from_number(row.class)) {
                plan.tally(&format!("open:{}", class.as_str()), by);
            }
        }
    };
    if let Some(before) = before {
        count(before, -1);
    }
    count(after, 1);
}

/// Receipts: what became of each bundle, written in the transaction that took it.
fn write_receipts(
    plan: &mut Plan,
    situation: &Situation,
    arrivals: &[Arrival],
    views: &HashMap<RecordId, View>,
    flags: &BTreeMap<Identity, i64>,
) {
    let quarantined: HashMap<Identity, &str> =
        plan.quarantine.iter().map(|row| (row.identity, row.code)).collect();
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
            let code = code.or_else(|| situation.quarantined.get(&read.identity).map(String::as_str));
            let disposition = match (code, &read.content) {
                (None, Ok(identified)) => views.get(&identified.operation.record).map_or_else(
                    || stored_disposition(situation, &identified.operation, read.identity),
                    |view| fold::disposition(view, read.identity.head()),
                ),
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
        plan.runs.push(RunRow {
            bundle: arrival.bundle,
            device: arrival.device,
            first: arrival.first,
            last: arrival.last,
            previous: arrival.previous,
            chain: arrival.chain,
            members: arrival.operations.iter().flat_map(|operation| operation.identity.0).collect(),
            proof: arrival.proof.clone(),
            presenter: arrival.presenter,
            received_ms: situation.now_ms,
            receipt: receipt.clone(),
        });
        plan.receipts.insert(arrival.bundle, receipt);
    }
}

fn stored_disposition(situation: &Situation, operation: &Operation, identity: Identity) -> Disposition {
    situation
        .records
        .get(&operation.record)
        .and_then(|row| View::decode(&row.view))
        .map_or(Disposition::Applied, |view| fold::disposition(&view, identity.head()))
}
