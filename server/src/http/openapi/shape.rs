//! What follows from the shape of a route: the errors it may answer, the parameters in its path, its headers.
//!
//! Start at [`complete`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sync_protocol::codes::Code;

use super::parameters;
use crate::http::error::status_of;
use crate::http::idempotency;
use crate::http::policy;
use crate::http::problem::MEDIA_TYPE;

/// The codes that any route of the office may answer.
const ANYWHERE: [Code; 5] =
    [Code::Unauthenticated, Code::Forbidden, Code::TimedOut, Code::StorageUnavailable, Code::Internal];

/// The codes of the idempotency key.
const IDEMPOTENCY: [Code; 3] =
    [Code::IdempotencyKeyReused, Code::IdempotencyInProgress, Code::IdempotencyUnsettled];

/// Adds to an operation what follows from its shape.
pub(super) fn complete(
    path: &str,
    method: &str,
    operation: &mut Map<String, Value>,
    shared: &mut Map<String, Value>,
) {
    let own = operation.remove("x-codes");
    let own = own.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut codes: Vec<Code> = ANYWHERE.into_iter().chain(own.filter_map(Code::parse)).collect();
    let is_reading = matches!(method, "get" | "head");
    let body = operation.get("requestBody").and_then(|body| body.pointer("/content"));
    let is_json = body.is_none_or(|content| content.get("application/json").is_some());
    let has_body = body.is_some();
    let mut parameters = match operation.remove("parameters") {
        Some(Value::Array(parameters)) => parameters,
        _ => Vec::new(),
    };
    if parameters.iter().any(|parameter| parameter.get("name") == Some(&json!("cursor"))) {
        codes.push(Code::CursorInvalid);
    }
    parameters.iter_mut().for_each(parameters::worded);
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        codes.push(Code::NotFound);
        parameters.push(parameters::in_path(name));
    }
    if has_body {
        codes.push(Code::BodyTooLarge);
    }
    if !parameters.is_empty() || has_body {
        codes.push(Code::BadParameter);
    }
    if !is_reading {
        codes.extend([Code::StorageFull, Code::CsrfMissing]);
    }
    if method == "post" && is_json && idempotency::takes_key(path) {
        codes.extend(IDEMPOTENCY);
        codes.push(Code::BadParameter);
        parameters.push(parameters::header("IdempotencyKey"));
    }
    if codes.contains(&Code::MovedOn) {
        parameters.push(parameters::header("IfMatch"));
    }
    let replies = operation.entry("responses").or_insert_with(|| json!({}));
    if is_reading && replies.pointer("/200/content/application~1json").is_some() {
        parameters.push(parameters::header("IfNoneMatch"));
        tagged(replies);
    }
    refusals(replies, codes, shared);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let security = match (is_public(path, method), is_reading) {
        (true, _) => json!([]),
        (false, true) if path.starts_with("/ogc") => {
            json!([{"token": []}, {"password": []}, {"session": []}])
        }
        (false, true) => json!([{"token": []}, {"session": []}]),
        (false, false) => json!([{"token": []}, {"session": [], "csrf": []}]),
    };
    operation.insert("security".to_owned(), security);
    operation.insert("operationId".to_owned(), Value::String(operation_id(path, method)));
}

/// Whether no account is asked for.
fn is_public(path: &str, method: &str) -> bool {
    let row = policy::TABLE.iter().find(|row| row.path == path && row.method.eq_ignore_ascii_case(method));
    row.is_some_and(|row| row.scope == policy::Scope::Public)
}

/// `get /v1/hazards/{record}` is `get_hazards_record`.
fn operation_id(path: &str, method: &str) -> String {
    let words =
        path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty() && *word != "v1");
    words.fold(method.to_owned(), |id, word| id + "_" + word)
}

/// A reply that has an entity tag, and the one without a body where the reader has it already.
fn tagged(replies: &mut Value) {
    let tag = json!({"ETag": {"schema": {"type": "string"}, "description": "实体标签 what this reply is known by"}});
    if let Some(reply) = replies.get_mut("200").and_then(Value::as_object_mut) {
        reply.insert("headers".to_owned(), tag.clone());
    }
    if let Some(replies) = replies.as_object_mut() {
        replies
            .insert("304".to_owned(), json!({"description": "未变化 nothing has changed", "headers": tag}));
    }
}

/// Adds a reply for each status of the codes, with the codes that it may carry; `shared` keeps each once.
fn refusals(replies: &mut Value, codes: Vec<Code>, shared: &mut Map<String, Value>) {
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(status_of(code).as_u16()).or_default().insert(code);
    }
    let Some(replies) = replies.as_object_mut() else { return };
    for (status, codes) in by_status {
        let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let name = names.join(".");
        replies.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        shared.entry(name).or_insert_with(|| refusal(&codes));
    }
}

/// The reply of one status with these codes.
fn refusal(codes: &BTreeSet<Code>) -> Value {
    let words = codes.iter().map(|code| format!("`{code}` {} {}", code.zh(), code.en()));
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": names}}}],
    });
    json!({
        "description": words.collect::<Vec<_>>().join("; "),
        "content": {MEDIA_TYPE: {"schema": schema}},
    })
}
