//! The generated parts of `sync.cddl` and `docs/protocol.md`: kinds, fields, limits, codes.

use sync_protocol::cbor::Raw;
use sync_protocol::check;
use sync_protocol::codes::{Code, Scope};
use sync_protocol::field::{self, Field, FieldType, Rule};
use sync_protocol::ids::Head;
use sync_protocol::kind::{Kind, Signer};
use sync_protocol::operation::{Operation, Photo};
use sync_protocol::view::{Disposition, Standing, State};

use crate::{files, story};

/// A value that fits a field's type: not null.
fn sample(field: &Field) -> Raw {
    match field.value {
        FieldType::Text | FieldType::Term(_) | FieldType::Any => Raw::of(&"x"),
        FieldType::Integer(low, _) => Raw::of(&low),
        FieldType::Bool => Raw::of(&true),
        FieldType::Id => Raw::of(&story::hazard()),
        FieldType::Hash => Raw::of(&story::photo("x")),
        FieldType::Head => Raw::of(&Head([7; 16])),
        FieldType::Position | FieldType::Track | FieldType::Path => Raw::null(),
    }
}

/// What a kind requires beside the common keys, found out by asking the check until it is content.
pub(crate) fn required(kind: Kind) -> Vec<String> {
    let golden = story::bundle(&format!("bundle-{kind}"));
    let mut operation = Operation::decode(&golden.run.operations[0]).unwrap();
    operation.fields.clear();
    operation.photos.clear();
    let mut required = Vec::new();
    while let Err(fault) = check::check(&operation) {
        assert_eq!(fault.code, Code::FieldRequired, "{kind} lacks nothing but fields");
        if fault.at == "photos" {
            operation.photos.push(Photo { role: "site".into(), bytes: 1, sha256: story::photo("x") });
        } else {
            let value = sample(field::find(&fault.at).unwrap());
            operation.fields.insert(fault.at.clone(), value);
        }
        required.push(fault.at);
    }
    required
}

/// One rule for each kind, and their choice.
pub(crate) fn cddl_kinds() -> String {
    let mut text = String::from("known-operation =\n");
    let rules: Vec<String> = Kind::ALL.iter().map(|kind| format!("  {}", rule_name(*kind))).collect();
    text += &rules.join(" /\n");
    text += "\n\n";
    for kind in Kind::ALL {
        let required = required(*kind);
        let fields: Vec<&String> = required.iter().filter(|name| *name != "photos").collect();
        let photos =
            if required.iter().any(|name| name == "photos") { ", \"photos\" => [ 1*32 photo ]" } else { "" };
        let fields = if fields.is_empty() {
            "? \"fields\" => fields".to_owned()
        } else {
            let list: Vec<String> = fields
                .iter()
                .map(|name| format!("\"{name}\" => {}", cddl_type(field::find(name).unwrap())))
                .collect();
            format!("\"fields\" => {{ {}, known-fields, * tstr => any }}", list.join(", "))
        };
        text += &format!(
            "{} = {{ \"kind\" => \"{kind}\", common{photos}, {fields}, * tstr => any }}\n",
            rule_name(*kind)
        );
    }
    text
}

fn rule_name(kind: Kind) -> String {
    format!("{}-operation", kind.as_str().replace('_', "-"))
}

/// One optional entry for each field and argument.
pub(crate) fn cddl_fields() -> String {
    let mut text = String::from("fields = { known-fields, * tstr => any }\nknown-fields = (\n");
    for field in field::FIELDS.iter().chain(field::ARGUMENTS) {
        text += &format!("  ? \"{}\" => {},\n", field.name, cddl_type(field));
    }
    text + ")\n"
}

fn cddl_type(field: &Field) -> String {
    let name = match field.value {
        FieldType::Text | FieldType::Term(_) => "words",
        FieldType::Integer(low, high) => return format!("{low}..{high} / null"),
        FieldType::Bool => "bool",
        FieldType::Id => "uuid",
        FieldType::Hash => "hash",
        FieldType::Head => "head",
        FieldType::Position => "position",
        FieldType::Track => "track",
        FieldType::Path => "path",
        FieldType::Any => return "any".into(),
    };
    format!("{name} / null")
}

/// The page's table of kinds.
pub(crate) fn page_kinds() -> String {
    let mut text = String::from("| kind | 中文 | signed by | record | required |\n|---|---|---|---|---|\n");
    for kind in Kind::ALL {
        let signer = match kind.signer() {
            Signer::Field => "device",
            Signer::Office => "server, for an account",
            Signer::Server => "server",
        };
        let record = kind.record_type().map_or("any", |record| record.as_str());
        let opens = if kind.opens() { " (opens it)" } else { "" };
        let required: Vec<String> = required(*kind).iter().map(|name| format!("`{name}`")).collect();
        text +=
            &format!("| `{kind}` | {} | {signer} | {record}{opens} | {} |\n", kind.zh(), required.join(", "));
    }
    text
}

/// The page's table of fields, or of arguments.
pub(crate) fn page_fields(fields: &[Field]) -> String {
    let mut text = String::from("| name | 中文 | English | type | rule |\n|---|---|---|---|---|\n");
    for field in fields {
        let rule = match field.rule {
            Rule::Worse => "worse",
            Rule::SmallerAccuracy => "smaller accuracy",
            Rule::Agree => "agree",
        };
        text += &format!(
            "| `{}` | {} | {} | {} | {rule} |\n",
            field.name,
            field.zh,
            field.en,
            page_type(field.value)
        );
    }
    text
}

fn page_type(value: FieldType) -> String {
    match value {
        FieldType::Text => "text".into(),
        FieldType::Term(terms) => {
            let terms: Vec<String> = terms.iter().map(|term| format!("`{term}`")).collect();
            format!("term: {}", terms.join(" "))
        }
        FieldType::Integer(low, high) => format!("integer {low} … {high}"),
        FieldType::Bool => "bool".into(),
        FieldType::Id => "id, 16 bytes".into(),
        FieldType::Hash => "hash, 32 bytes".into(),
        FieldType::Head => "head, 16 bytes".into(),
        FieldType::Position => "position".into(),
        FieldType::Track => "track".into(),
        FieldType::Path => "path".into(),
        FieldType::Any => "any".into(),
    }
}

/// The page's table of limits, read from the source: every constant with its words.
pub(crate) fn page_limits() -> String {
    let source = files::text("sync-protocol/src/limits.rs");
    let mut text = String::from("| limit | value | of what |\n|---|---|---|\n");
    let mut words = Vec::new();
    for line in source.lines() {
        if let Some(comment) = line.strip_prefix("/// ") {
            words.push(comment.trim());
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let (name, rest) = rest.split_once(':').unwrap();
            let (_, value) = rest.split_once('=').unwrap();
            let value = evaluate(value.trim().trim_end_matches(';'));
            text += &format!("| `{name}` | {value} | {} |\n", words.join(" "));
            words.clear();
        } else {
            words.clear();
        }
    }
    text
}

/// The value of `n` or `n << m`.
fn evaluate(expression: &str) -> u64 {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().unwrap();
    match expression.split_once("<<") {
        Some((base, shift)) => number(base) << number(shift),
        None => number(expression),
    }
}

/// The page's table of codes.
pub(crate) fn page_codes() -> String {
    let mut text = String::from("| code | scope | 中文 | English |\n|---|---|---|---|\n");
    for code in Code::ALL {
        text += &format!("| `{code}` | {} | {} | {} |\n", scope(code.scope()), code.zh(), code.en());
    }
    text
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Operation => "operation",
        Scope::Bundle => "bundle",
        Scope::Request => "request",
        Scope::Flag => "flag",
        Scope::Notice => "notice",
        Scope::Row => "row",
    }
}

/// The page's table of standings.
pub(crate) fn page_standings() -> String {
    let mut text = String::from("| standing | 中文 |\n|---|---|\n");
    for standing in Standing::ALL {
        text += &format!("| `{}` | {} |\n", standing.as_str(), standing.zh());
    }
    text
}

/// The page's table of states.
pub(crate) fn page_states() -> String {
    let mut text = String::from("| state | 中文 | open |\n|---|---|---|\n");
    for state in State::ALL {
        let open = if state.is_open() { "yes" } else { "no" };
        text += &format!("| `{}` | {} | {open} |\n", state.as_str(), state.zh());
    }
    text
}

/// The names of the dispositions, for the page's own words about them.
pub(crate) fn dispositions() -> Vec<(&'static str, &'static str)> {
    Disposition::ALL.iter().map(|disposition| (disposition.as_str(), disposition.zh())).collect()
}
