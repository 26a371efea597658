//! The last step of every fold: what follows from the frontier alone, and the view in its one canonical form.

use std::collections::{BTreeMap, BTreeSet};

use super::effective::Effective;
use super::fields::{differ, shown_severity};
use super::lifecycle::{is_end, path};
use crate::field::{self, Rule};
use crate::ids::Head;
use crate::kind::{Kind, RecordType};
use crate::view::{Conflict, Disposition, State, View, Writer, WriterIndex};

/// The fields that make a hazard more than a bare report.
const PLACE: [&str; 3] = ["position", "category", "type"];

/// Whether position or kind is known.
pub(super) fn has_place(view: &View) -> bool {
    PLACE.iter().any(|name| view.shown(name).is_some_and(|value| !value.is_null()))
}

/// Whether a kind says more of a record than that something was found: it is then no longer held.
pub(super) const fn says_more(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Reported
            | Kind::Observed
            | Kind::Corrected
            | Kind::Withdrawn
            | Kind::Commented
            | Kind::Photographed
            | Kind::Resolved
            | Kind::Restored
            | Kind::Released
            | Kind::WrittenOff
            | Kind::Redacted
            | Kind::Retracted
            | Kind::PhotoVerified
            | Kind::DeviceEnrolled
            | Kind::DeviceRevoked
            | Kind::DeviceForked
            | Kind::RuleVersion
            | Kind::GridVersion
    )
}

/// Whether an operation says more, as long as it stands.
pub(super) fn operation_says_more(effective: &Effective<'_>) -> bool {
    !effective.is_retracted && effective.kind.is_some_and(says_more)
}

/// Whether a type of record is opened by an operation of its own. The server's logs are not.
pub(super) const fn has_opening(record_type: RecordType) -> bool {
    !matches!(record_type, RecordType::Device | RecordType::Reference)
}

/// Whether a record of this type has a lifecycle. One of which nothing says what it is may be a hazard.
pub(super) fn may_be_hazard(record_type: Option<RecordType>) -> bool {
    record_type.is_none_or(|known| known == RecordType::Hazard)
}

/// Completes a view of which fields, acts, state and lifecycle conflicts are known: severity, conflicts of
/// values, dispositions. Then gives it its canonical form. `writer` says who an index is.
pub(super) fn finish(mut view: View, is_held: bool, writer: impl Fn(WriterIndex) -> Option<Writer>) -> View {
    view.severity = shown_severity(&view);
    // One that came after all is given up no more.
    let View { missing, given_up, .. } = &mut view;
    given_up.retain(|head| missing.binary_search(head).is_ok());
    if is_held {
        view.state = State::Held;
        view.closure = None;
        view.conflicts.clear();
    } else {
        add_value_conflicts(&mut view);
        dispose(&mut view);
    }
    canonical(view, writer)
}

fn add_value_conflicts(view: &mut View) {
    for (name, field) in &view.fields {
        let is_conflict = field.values.len() > 1
            && field::rule(name) == Rule::Agree
            && differ(field.values.iter().map(|value| &value.value));
        if is_conflict {
            let writers: BTreeSet<WriterIndex> = field.values.iter().map(|value| value.writer).collect();
            view.conflicts.push(Conflict {
                subject: name.to_string(),
                reason: "values".to_owned(),
                writers: writers.into_iter().collect(),
            });
        }
    }
}

/// Gives every operation of the frontier its disposition; the first that fits holds.
fn dispose(view: &mut View) {
    let mut dispositions = BTreeMap::new();
    for writer in &view.held {
        dispositions.entry(*writer).or_insert(Disposition::Held);
    }
    for writer in view.conflicts.iter().flat_map(|conflict| &conflict.writers) {
        dispositions.entry(*writer).or_insert(Disposition::Conflict);
    }
    let mut results: BTreeMap<_, u32> = BTreeMap::new();
    for act in &view.acts {
        *results.entry(act.standing).or_default() += 1;
    }
    for act in &view.acts {
        let is_result = path(act.standing).is_some() || is_end(act.standing);
        if is_result && results.get(&act.standing).is_some_and(|count| *count > 1) {
            dispositions.entry(act.writer).or_insert(Disposition::Joined);
        }
    }
    for (name, field) in &view.fields {
        let is_ruled = field.values.len() > 1
            && field::rule(name) != Rule::Agree
            && differ(field.values.iter().map(|value| &value.value));
        if is_ruled {
            for value in &field.values {
                dispositions.entry(value.writer).or_insert(Disposition::Merged);
            }
        }
    }
    for act in view.acts.iter().filter(|act| act.is_outranked) {
        dispositions.entry(act.writer).or_insert(Disposition::Merged);
    }
    view.dispositions = dispositions;
}

/// Numbers the writers anew, ascending by head, leaves out those that nothing refers to, and orders every list.
fn canonical(mut view: View, writer: impl Fn(WriterIndex) -> Option<Writer>) -> View {
    let mut writers: Vec<(Head, WriterIndex, Writer)> = referred(&view)
        .into_iter()
        .filter_map(|index| writer(index).map(|writer| (writer.head, index, writer)))
        .collect();
    writers.sort_unstable_by_key(|(head, ..)| *head);
    let is_settled = writers.iter().enumerate().all(|(new, (_, old, _))| usize::try_from(*old) == Ok(new));
    if !is_settled {
        let numbers: BTreeMap<WriterIndex, WriterIndex> =
            writers.iter().zip(0..).map(|((_, old, _), new)| (*old, new)).collect();
        renumber(&mut view, |old| numbers.get(&old).copied().unwrap_or(WriterIndex::MAX));
    }
    view.writers = writers.into_iter().map(|(_, _, writer)| writer).collect();
    for field in view.fields.values_mut() {
        if let Some((_, rest)) = field.values.split_first_mut() {
            rest.sort_unstable_by_key(|value| value.writer);
        }
    }
    view.acts.sort_unstable_by_key(|act| act.writer);
    view.stage.sort_unstable();
    for conflict in &mut view.conflicts {
        conflict.writers.sort_unstable();
    }
    view.conflicts.sort_unstable();
    view
}

/// Every index in use, ascending.
fn referred(view: &View) -> Vec<WriterIndex> {
    let mut all: Vec<WriterIndex> = Vec::new();
    all.extend(view.fields.values().flat_map(|field| &field.values).map(|value| value.writer));
    all.extend(&view.unanswered);
    all.extend(&view.dangers);
    all.extend(view.acts.iter().map(|act| act.writer));
    all.extend(view.stage.iter().map(|stage| stage.writer));
    all.extend(view.conflicts.iter().flat_map(|conflict| &conflict.writers));
    all.extend(&view.held);
    all.extend(view.dispositions.keys());
    all.sort_unstable();
    all.dedup();
    all
}

fn renumber(view: &mut View, number: impl Fn(WriterIndex) -> WriterIndex) {
    let set = |set: &mut BTreeSet<WriterIndex>| *set = set.iter().map(|old| number(*old)).collect();
    for value in view.fields.values_mut().flat_map(|field| &mut field.values) {
        value.writer = number(value.writer);
    }
    set(&mut view.unanswered);
    set(&mut view.dangers);
    set(&mut view.held);
    for act in &mut view.acts {
        act.writer = number(act.writer);
    }
    for stage in &mut view.stage {
        stage.writer = number(stage.writer);
    }
    for writer in view.conflicts.iter_mut().flat_map(|conflict| &mut conflict.writers) {
        *writer = number(*writer);
    }
    view.dispositions =
        view.dispositions.iter().map(|(old, disposition)| (number(*old), *disposition)).collect();
}
