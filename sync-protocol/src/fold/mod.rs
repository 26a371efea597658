//! The fold: a record is a pure function of the set of its operations.
//!
//! [`fold()`] takes a whole set; [`advance()`] takes one more operation where that gives the same bytes;
//! [`overlay`] shows a device its unsent work on top of the server's view. The rules, word for word, are in
//! `docs/decisions/0002-fold.md`; `oracle` does them again naively, and the two must agree.
//!
//! Start at `lifecycle` (the rules as values) and `fields`; `graph` says how questions about ancestry are put.
//! Not here: arrival, time, district, who may do what. Nothing in a view depends on them.

mod acts;
mod advance;
mod ancestry;
mod assemble;
mod effective;
mod evidence;
mod fields;
mod graph;
mod lifecycle;
#[cfg(any(test, feature = "oracle"))]
#[doc(hidden)]
pub mod oracle;
pub mod pairs;
mod photos;
mod redaction;
mod retraction;
mod sorted;
#[cfg(test)]
mod tests;

use crate::ids::Head;
use crate::kind::{Kind, RecordType};
use crate::operation::Identified;
use crate::view::{Disposition, State, View, Writer, WriterIndex};

pub use advance::{advance, overlay};
use graph::Graph;
pub use redaction::{BLANK, blank, is_redactable, redacted, said_text};

/// Folds a whole set. The order of `operations` is irrelevant; duplicates (equal identity) count once. Total: it
/// does not fail on any input.
pub fn fold(operations: &[Identified]) -> View {
    fold_counted(operations).0
}

/// Folds, and says how many nodes and edges of the graph were walked.
pub(crate) fn fold_counted(operations: &[Identified]) -> (View, u64) {
    let mut graph = Graph::new(operations);
    retraction::take_back(&mut graph);
    redaction::blank_out(&mut graph);
    let graph = graph;
    let mut view = View {
        record_type: record_type(&graph),
        heads: graph.heads.clone(),
        missing: graph.missing.clone(),
        ..View::default()
    };
    view.is_provisional = is_provisional(&graph, view.record_type);
    fields::fold_fields(&graph, &mut view);
    for (node, (operation, effective)) in graph.operations.iter().zip(&graph.effective).enumerate() {
        photos::add(&mut view, operation, effective);
        if effective.kind.is_none() {
            view.held.extend(fields::index(node));
        }
    }
    photos::fold_withdrawals(&graph, &mut view);
    if assemble::may_be_hazard(view.record_type) {
        acts::fold_lifecycle(&graph, &mut view);
    } else {
        view.state = State::Recorded;
    }
    let is_held = assemble::may_be_hazard(view.record_type)
        && !assemble::has_place(&view)
        && !graph.effective.iter().any(assemble::operation_says_more);
    let writer = |index: WriterIndex| {
        let node = usize::try_from(index).ok()?;
        let (operation, effective) = graph.operations.get(node).zip(graph.effective.get(node))?;
        Some(Writer { head: operation.head(), kind: effective.kind_name(), author: effective.author })
    };
    let view = assemble::finish(view, is_held, writer);
    (view, graph.steps())
}

/// The opening operation's type; else the smallest that any kind implies.
fn record_type(graph: &Graph<'_>) -> Option<RecordType> {
    let kinds = || graph.effective.iter().filter_map(|effective| effective.kind);
    let opened = kinds().filter(|kind| kind.opens()).filter_map(Kind::record_type).min();
    opened.or_else(|| kinds().filter_map(Kind::record_type).min())
}

fn is_provisional(graph: &Graph<'_>, record_type: Option<RecordType>) -> bool {
    let is_opened = graph.effective.iter().filter_map(|effective| effective.kind).any(Kind::opens);
    !is_opened && record_type.is_none_or(assemble::has_opening)
}

/// The current disposition of an operation of the record, given the record's view.
pub fn disposition(view: &View, head: Head) -> Disposition {
    if view.state == State::Held {
        return Disposition::Held;
    }
    let index = view.writers.binary_search_by(|writer| writer.head.cmp(&head)).ok();
    let index = index.and_then(|index| WriterIndex::try_from(index).ok());
    index.and_then(|index| view.dispositions.get(&index)).copied().unwrap_or(Disposition::Applied)
}
