//! Blanking what must not be shown: a text that an operation says, or a photo.
//!
//! The operation stays, its bytes and its place in the graph: only what it says is read as [`BLANK`], so that no view
//! holds the text and every output follows. A redaction of a text counts for what it names and sees; one of a photo
//! names a hash, and counts for the record. Nothing undoes it.

use std::collections::BTreeSet;

use super::effective::Effective;
use super::graph::{Graph, Node};
use crate::cbor::Raw;
use crate::field::{self, FieldType};
use crate::ids::{Head, Identity};
use crate::kind::Kind;
use crate::operation::{Identified, Operation, decode_fields, encode_fields};

/// What stands where a text was.
pub const BLANK: &str = "〔已脱敏〕";

/// Whether a field or argument of this name may be blanked, where it holds a text: never what a lifecycle, a severity or
/// another operation's meaning hangs on.
pub fn is_redactable(name: &str) -> bool {
    let decides = matches!(name, "field" | "effective_kind" | "version" | "rule_version" | "order_number");
    let is_text =
        field::find(name).is_none_or(|known| matches!(known.value, FieldType::Text | FieldType::Any));
    is_text && !decides
}

/// The operation whose text a redaction blanks, by its head.
fn target(effective: &Effective<'_>) -> Option<Head> {
    let named = effective.get("operation").filter(|_| effective.kind == Some(Kind::Redacted))?;
    Identity::try_from(named.as_byte_string()?).ok().map(|identity| identity.head())
}

/// Which operations say what no more: targets with the field's name.
fn pairs(graph: &Graph<'_>) -> Vec<(Node, String)> {
    let named = graph.pairs_seen(target, |_redaction, _target| true);
    let field = |node: Node| {
        let name = graph.effective.get(node)?.get("field")?.as_text()?;
        is_redactable(name).then(|| name.to_owned())
    };
    named.into_iter().filter_map(|(redaction, target)| Some((target, field(redaction)?))).collect()
}

/// Blanks the texts of a graph.
pub(super) fn blank_out(graph: &mut Graph<'_>) {
    for (node, name) in pairs(graph) {
        if let Some(effective) = graph.effective.get_mut(node) {
            effective.blank(&name);
        }
    }
}

/// Which operations of a set say what no more: their heads, with the field's name.
pub fn redacted(operations: &[Identified]) -> BTreeSet<(Head, String)> {
    if !operations.iter().any(|identified| identified.operation.kind.known() == Some(Kind::Redacted)) {
        return BTreeSet::new();
    }
    let graph = Graph::new(operations);
    let heads = pairs(&graph)
        .into_iter()
        .filter_map(|(node, name)| graph.operations.get(node).map(|operation| (operation.head(), name)));
    heads.collect()
}

/// Whether a value is a text.
pub(super) fn is_text(value: &Raw) -> bool {
    value.as_text().is_some()
}

/// The text that an operation says in a field, also where it is a release that says it for another.
pub fn said_text(operation: &Operation, name: &str) -> Option<Raw> {
    let said = match operation.kind.known() {
        Some(Kind::Released) => {
            decode_fields(operation.fields.get("effective_fields")?.as_bytes()).ok()?.remove(name)
        }
        _ => operation.fields.get(name).cloned(),
    };
    said.filter(is_text)
}

/// Blanks a text of an operation that is about to be shown, also where it is a release that says it for another.
pub fn blank(operation: &mut Operation, name: &str) {
    let blanked = Raw::of(&BLANK);
    if operation.kind.known() == Some(Kind::Released) {
        let said = operation.fields.get("effective_fields");
        let said = said.and_then(|raw| decode_fields(raw.as_bytes()).ok());
        if let Some(mut said) = said
            && said.get(name).is_some_and(is_text)
        {
            said.insert(name.to_owned(), blanked);
            let encoded = Raw::from_checked(&encode_fields(&said));
            operation.fields.insert("effective_fields", encoded);
        }
    } else if operation.fields.get(name).is_some_and(is_text) {
        operation.fields.insert(name, blanked);
    }
}
