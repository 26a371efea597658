//! A view that is too large to send whole, abridged: what shows, where the record stands and what waits for a person,
//! with counts of what was left out.
//!
//! The stored view stays whole: nothing here is lost, it is only not sent. What a device must not take for seen is
//! kept: so many missing ancestors that it can tell that they are too many to name.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::smallvec;

use super::{Act, Conflict, FieldView, View, Writer, WriterIndex};
use crate::limits;
use crate::named::{Name, Named};

/// What an abridged view leaves out, counted by the view's keys; empty where it is whole.
pub type Omitted = BTreeMap<String, u64>;

/// Entries of a list that are kept: the first that gives a view small enough. With the last, nothing but the shown
/// values takes room, and those are taken while there is some.
const KEPT: [usize; 4] = [256, 32, 4, 0];
/// Operations of one conflict, and pending photos of one closure, that are kept.
const NAMED: usize = 8;
/// A writer, and what surrounds a value, take no more.
const AROUND_BYTES: usize = 160;

impl View {
    /// As much of the view as encodes to at most so many bytes, at least 8 KiB; what was left out is counted.
    pub fn abridged(&self, bytes: usize) -> (Self, Omitted) {
        if self.encode().len() <= bytes {
            return (self.clone(), Omitted::new());
        }
        let mut fewer = KEPT.into_iter().map(|kept| self.within(kept, bytes));
        let view = fewer.find(|view| view.encode().len() <= bytes);
        let view = view.unwrap_or_else(|| self.within(0, bytes));
        let omitted = self.left_out(&view);
        (view, omitted)
    }

    /// The view with lists of at most so many entries, and as many shown values as there is room for.
    fn within(&self, kept: usize, bytes: usize) -> Self {
        let first = |set: &BTreeSet<WriterIndex>| set.iter().copied().take(kept).collect();
        let mut view = Self {
            heads: self.heads.iter().copied().take(limits::HEADS).collect(),
            missing: self.missing.iter().copied().take(limits::LACKING + 1).collect(),
            given_up: self.given_up.iter().copied().take(kept).collect(),
            fields: Named::new(),
            unanswered: first(&self.unanswered),
            dangers: first(&self.dangers),
            acts: self.decisive_acts(kept),
            stage: self.stage.iter().take(kept).cloned().collect(),
            conflicts: self.conflicts.iter().take(kept).map(few_writers).collect(),
            photos: self.photos.iter().map(|(hash, photo)| (*hash, photo.clone())).take(kept).collect(),
            held: first(&self.held),
            withdrawn: self.withdrawn.iter().copied().take(kept).collect(),
            dispositions: BTreeMap::new(),
            ..self.clone()
        };
        let named: BTreeSet<WriterIndex> = view.named().collect();
        view.writers = named.iter().filter_map(|index| self.writer(*index).cloned()).collect();
        let mut room = bytes.saturating_sub(view.encode().len() + AROUND_BYTES);
        for (name, field) in self.fields_in_order() {
            let Some(shown) = field.values.first() else { continue };
            let size = name.len() + shown.value.as_bytes().len() + AROUND_BYTES;
            if size <= room {
                room -= size;
                let field = FieldView { values: smallvec![shown.clone()], base: None };
                view.fields.insert(name.clone(), field);
            }
        }
        view.renumbered(&self.writers)
    }

    /// Acts that had seen every danger and that nothing outranks come first.
    fn decisive_acts(&self, kept: usize) -> Vec<Act> {
        let mut acts: Vec<&Act> = self.acts.iter().collect();
        acts.sort_by_key(|act| !act.is_sound || act.is_outranked);
        acts.truncate(kept);
        acts.sort_by_key(|act| act.writer);
        acts.into_iter()
            .map(|act| Act { pending: act.pending.iter().copied().take(NAMED).collect(), ..act.clone() })
            .collect()
    }

    /// Fields of this version before those that it does not know.
    fn fields_in_order(&self) -> impl Iterator<Item = (&Name, &FieldView)> {
        let known = |name: &Name| name.known().is_some();
        let fields = || self.fields.iter();
        fields().filter(move |(name, _)| known(name)).chain(fields().filter(move |(name, _)| !known(name)))
    }

    /// Every operation that a part of the view names, `dispositions` apart.
    fn named(&self) -> impl Iterator<Item = WriterIndex> {
        let values = self.fields.values().flat_map(|field| &field.values).map(|value| value.writer);
        let sets = [&self.unanswered, &self.dangers, &self.held].into_iter().flatten().copied();
        let acts = self.acts.iter().map(|act| act.writer);
        let stage = self.stage.iter().map(|stage| stage.writer);
        let conflicts = self.conflicts.iter().flat_map(|conflict| conflict.writers.iter().copied());
        values.chain(sets).chain(acts).chain(stage).chain(conflicts)
    }

    /// The same view over the writers that it names alone; so far its indices are those of `all`.
    fn renumbered(mut self, all: &[Writer]) -> Self {
        let named: BTreeSet<WriterIndex> = self.named().collect();
        let places: BTreeMap<WriterIndex, WriterIndex> = named.iter().copied().zip(0..).collect();
        let place = |index: WriterIndex| places.get(&index).copied().unwrap_or(index);
        let set = |set: &BTreeSet<WriterIndex>| set.iter().map(|index| place(*index)).collect();
        (self.unanswered, self.dangers, self.held) =
            (set(&self.unanswered), set(&self.dangers), set(&self.held));
        for value in self.fields.values_mut().flat_map(|field| &mut field.values) {
            value.writer = place(value.writer);
        }
        for act in &mut self.acts {
            act.writer = place(act.writer);
        }
        for stage in &mut self.stage {
            stage.writer = place(stage.writer);
        }
        for writer in self.conflicts.iter_mut().flat_map(|conflict| &mut conflict.writers) {
            *writer = place(*writer);
        }
        let writer = |index: &WriterIndex| all.get(usize::try_from(*index).ok()?).cloned();
        self.writers = named.iter().filter_map(writer).collect();
        self
    }

    fn left_out(&self, view: &Self) -> Omitted {
        self.sizes()
            .into_iter()
            .zip(view.sizes())
            .map(|((name, all), (_, kept))| (name.to_owned(), all.saturating_sub(kept)))
            .filter_map(|(name, left)| Some((name, u64::try_from(left).ok().filter(|left| *left > 0)?)))
            .collect()
    }

    /// How many entries each part has, by its key; `values` are those of all fields.
    fn sizes(&self) -> [(&'static str, usize); 13] {
        [
            ("acts", self.acts.len()),
            ("held", self.held.len()),
            ("heads", self.heads.len()),
            ("stage", self.stage.len()),
            ("fields", self.fields.len()),
            ("photos", self.photos.len()),
            ("values", self.fields.values().map(|field| field.values.len()).sum()),
            ("dangers", self.dangers.len()),
            ("missing", self.missing.len()),
            ("given_up", self.given_up.len()),
            ("conflicts", self.conflicts.len()),
            ("withdrawn", self.withdrawn.len()),
            ("unanswered", self.unanswered.len()),
        ]
    }
}

fn few_writers(conflict: &Conflict) -> Conflict {
    Conflict { writers: conflict.writers.iter().copied().take(NAMED).collect(), ..conflict.clone() }
}
