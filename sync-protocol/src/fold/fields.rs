//! The maximal writes of every field, their order, and the base of a conflict.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::effective::{GRADED_SEVERITY, SEVERITY};
use super::graph::{Bits, Graph, Node, WIDTH, add, bits_of};
use crate::cbor::Raw;
use crate::field::{self, Rule};
use crate::named::Name;
use crate::view::{FieldValue, FieldView, View, WriterIndex};

/// One write of a field that counts.
#[derive(Clone, Copy, Debug)]
struct Written<'g> {
    node: Node,
    value: &'g Raw,
}

/// The writes of a field, ascending by node, and those among them that no other sees.
#[derive(Debug)]
struct Group<'g> {
    field: Name,
    rule: Rule,
    writes: Vec<Written<'g>>,
    maximal: Vec<Written<'g>>,
    base: Option<&'g Raw>,
}

impl Group<'_> {
    fn is_conflict(&self) -> bool {
        self.rule == Rule::Agree && differ(self.maximal.iter().map(|write| write.value))
    }
}

/// Whether these are not all the same value.
pub(super) fn differ<'a>(mut values: impl Iterator<Item = &'a Raw>) -> bool {
    values.next().is_some_and(|first| values.any(|value| value != first))
}

/// Whether a field's null says nothing while there is a value: ignorance never lowers a severity.
pub(super) fn is_null_silent(name: &str) -> bool {
    matches!(name, SEVERITY | GRADED_SEVERITY)
}

/// Folds the fields into a view whose writers are nodes.
pub(super) fn fold_fields(graph: &Graph<'_>, view: &mut View) {
    let mut groups = group(graph);
    find_maximal(graph, &mut groups);
    find_bases(graph, &mut groups);
    find_unanswered(graph, &groups, view);
    let mut folded = Vec::with_capacity(groups.len());
    for group in groups {
        let heads = |node: Node| graph.operations.get(node).map(|operation| operation.head());
        let mut values = group.maximal;
        values.sort_by_cached_key(|write| heads(write.node));
        let first = values
            .iter()
            .enumerate()
            .min_by_key(|(_, write)| (preference(group.rule, write.value), heads(write.node)))
            .map(|(first, _)| first);
        if let Some(range) = first.and_then(|first| values.get_mut(..=first)) {
            range.rotate_right(1);
        }
        let values = values
            .into_iter()
            .filter_map(|write| Some(FieldValue { writer: index(write.node)?, value: write.value.clone() }))
            .collect();
        folded.push((group.field, FieldView { values, base: group.base.cloned() }));
    }
    view.fields.extend(folded);
}

/// A node as the index of a writer.
pub(super) fn index(node: Node) -> Option<WriterIndex> {
    WriterIndex::try_from(node).ok()
}

/// All writes that count, by field.
fn group<'g>(graph: &'g Graph<'_>) -> Vec<Group<'g>> {
    let mut all: BTreeMap<Name, Vec<Written<'g>>> = BTreeMap::new();
    for (node, effective) in graph.effective.iter().enumerate() {
        for write in effective.writes() {
            graph.count(1);
            all.entry(write.field).or_default().push(Written { node, value: write.value });
        }
    }
    all.into_iter()
        .map(|(field, mut writes)| {
            if is_null_silent(&field) && writes.iter().any(|write| !write.value.is_null()) {
                writes.retain(|write| !write.value.is_null());
            }
            let rule = field::rule(&field);
            Group { field, rule, writes, maximal: Vec::new(), base: None }
        })
        .collect()
}

/// Finds the writes that no other write of their field sees: 64 fields a pass.
fn find_maximal(graph: &Graph<'_>, groups: &mut [Group<'_>]) {
    let (single, several): (Vec<_>, Vec<_>) = groups.iter_mut().partition(|group| group.writes.len() < 2);
    for group in single {
        group.maximal.clone_from(&group.writes);
    }
    let mut several = several;
    for columns in several.chunks_mut(WIDTH) {
        let seen =
            columns_seen(graph, columns.iter().map(|group| group.writes.iter().map(|write| write.node)));
        for (column, group) in columns.iter_mut().enumerate() {
            let is_maximal = |write: &&Written<'_>| bits_of(&seen, write.node) & (1 << column) == 0;
            group.maximal = group.writes.iter().filter(is_maximal).copied().collect();
        }
    }
}

/// For each node the columns (bit i: the i-th) that have an operation which sees it.
fn columns_seen(graph: &Graph<'_>, columns: impl Iterator<Item = impl Iterator<Item = Node>>) -> Vec<Bits> {
    let mut own: Vec<Bits> = vec![0; graph.len()];
    for (column, nodes) in columns.enumerate() {
        for node in nodes {
            add(&mut own, node, 1 << column);
        }
    }
    graph.seen_by(&own)
}

/// Finds, for every conflict, the one value that all its maximal writes had seen and replaced.
fn find_bases(graph: &Graph<'_>, groups: &mut [Group<'_>]) {
    let mut open: Vec<(&mut Group<'_>, Vec<usize>)> = groups
        .iter_mut()
        .filter(|group| group.is_conflict())
        .map(|group| {
            let all = (0..group.writes.len()).collect();
            (group, all)
        })
        .collect();
    let mut sources: Vec<Node> =
        open.iter().flat_map(|(group, _)| group.maximal.iter().map(|write| write.node)).collect();
    sources.sort_unstable();
    sources.dedup();
    let floor = open.iter().filter_map(|(group, _)| group.writes.first()).map(|write| write.node).min();
    for chunk in sources.chunks(WIDTH) {
        let masks = graph.sweep(chunk, floor.unwrap_or(0));
        for (group, candidates) in &mut open {
            let mut required: Bits = 0;
            for (bit, source) in chunk.iter().enumerate() {
                if group.maximal.binary_search_by_key(source, |write| write.node).is_ok() {
                    required |= 1 << bit;
                }
            }
            graph.count(candidates.len());
            candidates.retain(|candidate| {
                let node = group.writes.get(*candidate).map_or(usize::MAX, |write| write.node);
                bits_of(&masks, node) & required == required
            });
        }
    }
    open.retain(|(_, candidates)| !candidates.is_empty());
    for columns in open.chunks_mut(WIDTH) {
        let nodes = columns.iter().map(|(group, candidates)| {
            candidates.iter().filter_map(|candidate| group.writes.get(*candidate)).map(|write| write.node)
        });
        let seen = columns_seen(graph, nodes);
        for (column, (group, candidates)) in columns.iter_mut().enumerate() {
            let last: Vec<&Raw> = candidates
                .iter()
                .filter_map(|candidate| group.writes.get(*candidate))
                .filter(|write| bits_of(&seen, write.node) & (1 << column) == 0)
                .map(|write| write.value)
                .collect();
            group.base = last.first().copied().filter(|_| !differ(last.iter().copied()));
        }
    }
}

/// Finds the maximal observations of severity that no grading sees.
fn find_unanswered(graph: &Graph<'_>, groups: &[Group<'_>], view: &mut View) {
    let find = |name: &str| groups.iter().find(|group| *group.field == *name);
    let Some(observed) = find(SEVERITY) else {
        return;
    };
    let gradings = find(GRADED_SEVERITY).map_or(&[][..], |graded| &graded.writes);
    let gradings = || gradings.iter().filter(|write| !write.value.is_null()).map(|write| write.node);
    let seen = gradings().next().map(|_| columns_seen(graph, std::iter::once(gradings())));
    view.unanswered = observed
        .maximal
        .iter()
        .filter(|write| !write.value.is_null())
        .filter(|write| seen.as_ref().is_none_or(|seen| bits_of(seen, write.node) == 0))
        .filter_map(|write| index(write.node))
        .collect();
}

/// What decides which of several values shows, the smallest first; the identity decides among equals.
type Preference = (bool, Reverse<u8>, u64);

fn preference(rule: Rule, value: &Raw) -> Preference {
    match rule {
        Rule::Worse => (false, Reverse(rank(value)), 0),
        Rule::SmallerAccuracy => (value.is_null(), Reverse(0), accuracy(value)),
        Rule::Agree => (false, Reverse(0), 0),
    }
}

/// The accuracy of a position, decimetres; the largest number where it is not known.
fn accuracy(position: &Raw) -> u64 {
    let known = position.get("accuracy_dm").and_then(|accuracy| accuracy.as_integer());
    known.and_then(|accuracy| u64::try_from(accuracy).ok()).unwrap_or(u64::MAX)
}

/// The name of a severity that is not even text.
const NO_TERM: &str = "unknown";

fn term(value: &Raw) -> Option<&str> {
    if value.is_null() { None } else { Some(value.as_text().unwrap_or(NO_TERM)) }
}

fn rank(value: &Raw) -> u8 {
    field::severity_rank(term(value))
}

/// The severity that shows: the worst of the unanswered observations and of the maximal gradings.
pub(super) fn shown_severity(view: &View) -> Option<String> {
    let observed = view.fields.get(SEVERITY).into_iter().flat_map(|field| &field.values);
    let observed = observed.filter(|value| view.unanswered.contains(&value.writer));
    let graded = view.fields.get(GRADED_SEVERITY).into_iter().flat_map(|field| &field.values);
    let terms = observed.chain(graded).filter_map(|value| term(&value.value));
    // A known term goes before unknown ones of its rank.
    terms
        .min_by_key(|term| {
            (Reverse(field::severity_rank(Some(term))), !field::SEVERITIES.contains(term), *term)
        })
        .map(str::to_owned)
}
