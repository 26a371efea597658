//! Diagnostic notation over several lines, with byte strings that hold CBOR opened as `<< … >>`.

use sync_protocol::cbor;
use sync_protocol::prepass::{self, Bounds};

const BOUNDS: Bounds = Bounds { depth: 32, items: 1 << 20 };
const WIDTH: usize = 100;

/// One item as text in parts, so that it can be broken where it is too long for a line.
enum Node {
    Leaf(String),
    Branch { open: &'static str, parts: Vec<(String, Node)>, close: &'static str },
}

/// The text of a CBOR sequence: a file of one item or of several.
pub(crate) fn sequence(mut rest: &[u8]) -> String {
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (item, after) =
            rest.split_at(prepass::item_length(rest, BOUNDS).expect("a golden file is well formed"));
        let mut text = String::new();
        render(&node(item), 0, &mut text);
        items.push(text);
        rest = after;
    }
    items.join(",\n") + "\n"
}

fn node(item: &[u8]) -> Node {
    if let Some(payload) = prepass::byte_string(item)
        && payload.first().is_some_and(|first| first >> 5 == 4)
        && is_signed(payload)
    {
        return embedded(node(payload));
    }
    if let Some(elements) = prepass::elements(item) {
        let opened = if is_signed(item) { elements.len() - 1 } else { 0 };
        let parts = elements.into_iter().enumerate().map(|(index, element)| {
            let part = if index < opened { open(element) } else { node(element) };
            (String::new(), part)
        });
        return Node::Branch { open: "[", parts: parts.collect(), close: "]" };
    }
    if let Some(pairs) = prepass::pairs(item) {
        let parts = pairs.into_iter().map(|(key, value)| {
            let name = cbor::diagnostic(key);
            let part = match prepass::elements(value) {
                Some(operations) if name == "\"operations\"" => Node::Branch {
                    open: "[",
                    parts: operations.into_iter().map(|operation| (String::new(), open(operation))).collect(),
                    close: "]",
                },
                _ => node(value),
            };
            (name + ": ", part)
        });
        return Node::Branch { open: "{", parts: parts.collect(), close: "}" };
    }
    Node::Leaf(cbor::diagnostic(item))
}

/// Whether an item is a `COSE_Sign1`: protected header, empty map, payload, signature.
fn is_signed(item: &[u8]) -> bool {
    prepass::exact(item, BOUNDS).is_ok()
        && prepass::elements(item).is_some_and(|parts| {
            matches!(parts.as_slice(), [protected, [0xa0], payload, signature]
                if [protected, payload, signature].iter().all(|part| prepass::byte_string(part).is_some()))
        })
}

/// A byte string that holds one CBOR item; anything else as it stands.
fn open(item: &[u8]) -> Node {
    match prepass::byte_string(item) {
        Some(payload) if prepass::exact(payload, BOUNDS).is_ok() => embedded(node(payload)),
        _ => node(item),
    }
}

fn embedded(inner: Node) -> Node {
    Node::Branch { open: "<<", parts: vec![(String::new(), inner)], close: ">>" }
}

fn one_line(node: &Node) -> String {
    match node {
        Node::Leaf(text) => text.clone(),
        Node::Branch { open, parts, close } => {
            let parts: Vec<String> =
                parts.iter().map(|(name, part)| format!("{name}{}", one_line(part))).collect();
            format!("{open}{}{close}", parts.join(", "))
        }
    }
}

fn render(node: &Node, indent: usize, out: &mut String) {
    let line = one_line(node);
    match node {
        Node::Branch { open, parts, close } if indent + line.chars().count() > WIDTH && !parts.is_empty() => {
            out.push_str(open);
            for (index, (name, part)) in parts.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                *out += &format!("{comma}\n{:1$}{name}", "", indent + 2);
                render(part, indent + 2, out);
            }
            *out += &format!("\n{:1$}{close}", "", indent);
        }
        Node::Leaf(_) | Node::Branch { .. } => out.push_str(&line),
    }
}
