//! One more operation on a view, without the operations behind it.
//!
//! A view is enough for that where the operation has seen everything in it: then it replaces what it writes, and
//! answers what it answers. [`advance`] takes the step only where its result is byte for byte that of the whole
//! fold; [`overlay`] takes it always.

use smallvec::smallvec;

use super::assemble::{self, has_opening, has_place, may_be_hazard, says_more};
use super::effective::{Effective, GRADED_SEVERITY, LIFECYCLE, SEVERITY};
use super::fields::is_null_silent;
use super::lifecycle::{self, Evidence, Role, Unseen, is_closing, is_end, path, role, rung};
use super::photos;
use crate::ids::Head;
use crate::kind::{Kind, RecordType};
use crate::operation::Identified;
use crate::view::{
    Act, FieldValue, FieldView, PhotoState, Stage, Standing, State, View, Writer, WriterIndex,
};

/// Folds one more operation, which the view does not hold yet. `None` where the record must be folded from its
/// set: the operation has not seen everything, or what it does needs more than the view holds.
pub fn advance(view: Option<&View>, operation: &Identified) -> Option<View> {
    let effective = Effective::of(&operation.operation);
    let Some(view) = view else {
        return Some(step(&View::default(), operation, &effective, names(operation)));
    };
    let head = operation.head();
    let said = &operation.operation;
    if view.missing.binary_search(&head).is_ok()
        || view.heads.binary_search(&head).is_ok()
        || !said.lacking.is_empty()
    {
        return None;
    }
    let record_type = next_type(view, effective.kind);
    if view.record_type.is_some() && record_type != view.record_type {
        // What was folded before is to be looked at again, as of another type.
        return None;
    }
    if said.heads != view.heads {
        return beside(view, operation, &effective, record_type);
    }
    if matches!(effective.kind, Some(Kind::Retracted | Kind::Redacted)) {
        // What it takes back is not in the view, nor what shows again without that; what it blanks is somewhere in it.
        return None;
    }
    if !is_decidable(view, &effective) {
        return None;
    }
    let next = step(view, operation, &effective, view.missing.clone());
    // Whether anything before said more than a report is not in a view whose place was just emptied.
    let is_place_lost = has_place(view) && !has_place(&next) && may_be_hazard(record_type);
    let is_clear = !is_place_lost || effective.kind.is_some_and(says_more);
    is_clear.then_some(next)
}

/// As [`advance`], but always: the operation counts as the newest, which has seen everything. A device puts its
/// unsent operations on top of the server's view so.
pub fn overlay(view: Option<&View>, operation: &Identified) -> View {
    let effective = Effective::of(&operation.operation);
    let head = operation.head();
    match view {
        None => step(&View::default(), operation, &effective, names(operation)),
        Some(view) => {
            let missing = view.missing.iter().copied().filter(|name| *name != head).collect();
            step(view, operation, &effective, missing)
        }
    }
}

/// What a record's only operation names.
fn names(operation: &Identified) -> Vec<Head> {
    let head = operation.head();
    let said = &operation.operation;
    let mut names: Vec<Head> =
        said.heads.iter().chain(&said.lacking).copied().filter(|name| *name != head).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether an opening operation has come.
fn is_opened(view: &View) -> bool {
    !view.is_provisional && view.record_type.is_some_and(has_opening)
}

/// The record's type with one more operation.
fn next_type(view: &View, kind: Option<Kind>) -> Option<RecordType> {
    let Some(said) = kind.and_then(Kind::record_type) else { return view.record_type };
    let Some(known) = view.record_type else { return Some(said) };
    let opens = kind.is_some_and(Kind::opens);
    Some(match (is_opened(view), opens) {
        (true, false) => known,
        (false, true) => said,
        (true, true) | (false, false) => known.min(said),
    })
}

/// Whether the view holds all that the operation's effect depends on.
fn is_decidable(view: &View, effective: &Effective<'_>) -> bool {
    if let Some(target) = photos::withdraws(effective) {
        // The author of what is withdrawn is known of the frontier only.
        return writer_of(view, target).is_some();
    }
    let is_plain = view.acts.iter().all(|act| act.is_sound && !act.has_unseen)
        && view.conflicts.iter().all(|conflict| conflict.subject != LIFECYCLE);
    match effective.kind.and_then(role) {
        None | Some(Role::AuthoritativeDanger) => true,
        // It answers what was made safe: an unfounded closure that this superseded would wait again.
        Some(Role::Danger) => is_plain && view.acts.iter().all(|act| act.standing != Standing::MadeSafe),
        Some(Role::Cure | Role::End(_)) => is_plain,
    }
}

fn writer_of(view: &View, head: Head) -> Option<&Writer> {
    let index = view.writers.binary_search_by(|writer| writer.head.cmp(&head)).ok()?;
    view.writers.get(index)
}

/// A row of a grow-only set need not have seen everything.
fn beside(
    view: &View,
    operation: &Identified,
    effective: &Effective<'_>,
    record_type: Option<RecordType>,
) -> Option<View> {
    let heads = &operation.operation.heads;
    let is_row = matches!(
        effective.kind,
        Some(Kind::Commented | Kind::Photographed | Kind::PatrolTrack | Kind::PhotoVerified)
    );
    let is_below = heads.iter().all(|head| view.heads.binary_search(head).is_ok());
    // A track piece on a held hazard says more of it than a report.
    let is_released = view.state == State::Held && effective.kind.is_some_and(says_more);
    if !is_row || !is_below || is_released || record_type != view.record_type {
        return None;
    }
    let mut view = view.clone();
    view.heads.retain(|head| !heads.contains(head));
    view.heads.push(operation.head());
    view.heads.sort_unstable();
    photos::add(&mut view, operation, effective);
    view.closure = lifecycle::closure(&view);
    Some(view)
}

/// The view after an operation that has seen all of it.
fn step(before: &View, operation: &Identified, effective: &Effective<'_>, missing: Vec<Head>) -> View {
    let mut view = before.clone();
    let new = WriterIndex::try_from(view.writers.len()).unwrap_or(WriterIndex::MAX);
    view.heads = vec![operation.head()];
    view.missing = missing;
    take_type(&mut view, effective.kind);
    write(&mut view, effective, new);
    photos::add(&mut view, operation, effective);
    if effective.kind.is_none() {
        view.held.insert(new);
    }
    let is_own =
        |head: &Head| writer_of(before, *head).is_some_and(|writer| writer.author == effective.author);
    view.withdrawn.extend(photos::withdraws(effective).filter(is_own));
    let unseen = Unseen::of(before);
    view.conflicts.clear();
    let is_hazard = may_be_hazard(view.record_type);
    if is_hazard {
        live(&mut view, effective.kind, new, unseen);
    } else {
        view.dangers.clear();
        view.acts.clear();
        view.stage.clear();
        view.evidence.clear();
        view.state = State::Recorded;
    }
    let was_held = before.state == State::Held;
    let is_more = effective.kind.is_some_and(says_more);
    let is_held = is_hazard && was_held && !is_more && !has_place(&view);
    let author = Writer { head: operation.head(), kind: effective.kind_name(), author: effective.author };
    assemble::finish(view, is_held, |index| {
        let known = usize::try_from(index).ok().and_then(|index| before.writers.get(index));
        Some(known.unwrap_or(&author).clone())
    })
}

fn take_type(view: &mut View, kind: Option<Kind>) {
    let is_opened = is_opened(view) || kind.is_some_and(Kind::opens);
    view.record_type = next_type(view, kind);
    view.is_provisional = !is_opened && view.record_type.is_none_or(has_opening);
}

/// Replaces what the operation writes.
fn write(view: &mut View, effective: &Effective<'_>, new: WriterIndex) {
    let mut written = Vec::new();
    for write in effective.writes() {
        let is_null = write.value.is_null();
        if is_null
            && is_null_silent(&write.field)
            && view.shown(&write.field).is_some_and(|old| !old.is_null())
        {
            continue;
        }
        match write.field.as_str() {
            SEVERITY => {
                view.unanswered.clear();
                view.unanswered.extend((!is_null).then_some(new));
            }
            GRADED_SEVERITY if !is_null => view.unanswered.clear(),
            _ => {}
        }
        let values = smallvec![FieldValue { writer: new, value: write.value.clone() }];
        written.push((write.field, FieldView { values, base: None }));
    }
    view.fields.extend(written);
}

impl Unseen {
    /// What a view's conflicts say that its acts had not seen. Where no conflict says it, nothing depends on it.
    fn of(view: &View) -> Self {
        let named = view
            .conflicts
            .iter()
            .filter(|conflict| matches!(conflict.reason.as_str(), "disputed" | "office-act-waits"))
            .flat_map(|conflict| conflict.writers.iter().copied());
        let cures = || view.acts.iter().filter(|act| path(act.standing).is_some());
        let mut unseen = Self::default();
        for writer in named {
            if view.dangers.contains(&writer) {
                unseen.dangers.insert(writer);
            }
            if cures().any(|act| act.writer == writer) {
                unseen.cures.insert(writer);
            }
        }
        unseen
    }
}

/// Takes the lifecycle one step on.
fn live(view: &mut View, kind: Option<Kind>, new: WriterIndex, mut unseen: Unseen) {
    let evidence = Evidence::of(&view.evidence);
    let standing = kind.and_then(|kind| lifecycle::standing(kind, evidence));
    match kind.and_then(role) {
        None => {}
        Some(Role::AuthoritativeDanger) => {
            view.dangers = [new].into();
            view.acts.clear();
        }
        Some(Role::Danger) => {
            view.dangers = [new].into();
            view.acts.retain(|act| act.standing != Standing::MadeSafe);
            for act in &mut view.acts {
                act.is_sound = false;
            }
            unseen.dangers = [new].into();
        }
        Some(Role::Cure) => {
            let standing = standing.unwrap_or(Standing::Unfounded);
            view.acts.retain(|act| !supersedes(standing, act.standing));
            let is_founded = path(standing).is_some();
            if is_founded {
                for end in view.acts.iter_mut().filter(|act| is_end(act.standing)) {
                    end.has_unseen = true;
                }
                unseen.cures.insert(new);
            }
            add_act(view, new, standing);
        }
        Some(Role::End(standing)) => {
            view.acts.retain(|act| !is_end(act.standing));
            add_act(view, new, standing);
        }
    }
    if let Some((state, is_forced)) = kind.and_then(lifecycle::stage) {
        let rank = state.progress();
        view.stage.retain(|stage| !is_forced && stage.state.progress() > rank);
        view.stage.push(Stage { writer: new, state });
    }
    view.evidence = evidence.after(kind, standing).standings();
    unseen.cures.retain(|writer| view.acts.iter().any(|act| act.writer == *writer));
    lifecycle::decide(view, &unseen);
}

/// Whether a cure takes the place of an act that it sees.
fn supersedes(new: Standing, old: Standing) -> bool {
    if is_end(old) {
        return is_closing(new);
    }
    path(old).is_none() || (path(new).is_some() && rung(old) <= rung(new))
}

/// Adds an act that has seen everything.
fn add_act(view: &mut View, writer: WriterIndex, standing: Standing) {
    let is_open = |state: PhotoState| state == PhotoState::Named;
    let open = view.photos.iter().filter(|(_, photo)| is_open(photo.state)).map(|(hash, _)| *hash);
    let pending = if is_closing(standing) { open.collect() } else { [].into() };
    view.acts.push(Act { writer, standing, is_sound: true, has_unseen: false, is_outranked: false, pending });
}
