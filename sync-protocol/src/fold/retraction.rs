//! Taking back a decision of the office: it counts as never made, and what showed before it shows again.
//!
//! Only what the office decided by itself can be taken back (`is_retractable`): an end, a value that it chose. A
//! retraction counts for what it names and sees; it stays in the history with what it took back.

use super::effective::{Effective, is_retractable};
use super::graph::{Graph, Node};
use crate::ids::{Head, Identity};
use crate::kind::Kind;

/// The operation that a retraction names, by its head.
fn retracts(effective: &Effective<'_>) -> Option<Head> {
    let named = effective.get("operation").filter(|_| effective.kind == Some(Kind::Retracted))?;
    Identity::try_from(named.as_byte_string()?).ok().map(|identity| identity.head())
}

/// Marks the operations of a graph that were taken back.
pub(super) fn take_back(graph: &mut Graph<'_>) {
    let is_decision = |_retraction: Node, target: Node| {
        let kind = graph.effective.get(target).and_then(|effective| effective.kind);
        kind.is_some_and(is_retractable)
    };
    for node in graph.named_and_seen(retracts, is_decision) {
        if let Some(effective) = graph.effective.get_mut(node) {
            effective.is_retracted = true;
        }
    }
}
