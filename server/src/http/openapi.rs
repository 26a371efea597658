//! `GET /openapi.json`: the document of the office's API (OpenAPI 3.1), made from the handlers and their types.
//!
//! A handler says what is its own by `#[utoipa::path]`: path, parameters, body, reply, and `x-codes`, the codes that it
//! alone may answer. What follows from its shape is added here: the errors that every route shares, the parameters in
//! its path, the headers. So a new route needs its annotation and one line in [`Described`]. A test holds this
//! document against `docs/openapi.json` and against the router. Start at [`document`].

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use sync_protocol::codes::Code;
use utoipa::OpenApi;

use super::error::status_of;
use super::idempotency;
use super::problem::{MEDIA_TYPE, Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Firebreak 办公室接口 office API",
        description = "隐患台账的读取、录入与处置。Times are milliseconds since 1970 (UTC), positions WGS-84 degrees, hashes and heads hexadecimal. Everything is of the token's district. Devices speak another protocol.",
    ),
    paths(
        super::totals::totals,
        super::hazards::list, super::hazards::geojson, super::hazards::one, super::hazards::restore,
        super::commands::offered, super::commands::command, super::commands::bulk,
        super::conflicts::list, super::conflicts::resolve,
        super::quarantine::list, super::quarantine::one, super::quarantine::release, super::quarantine::write_off,
        super::proposals::list, super::proposals::accept, super::proposals::dismiss, super::proposals::undo,
        super::entry::hazard, super::entry::work, super::entry::inspection, super::entry::activity,
        super::entry::patrol,
        super::facts::patrols, super::facts::works, super::facts::inspections, super::facts::activities,
        super::facts::stretches,
        super::reports::list, super::reports::draft, super::reports::issue, super::reports::one,
        super::reports::late,
        super::devices::list, super::devices::revoke, super::devices::lose,
        super::grid::overview, super::grid::lines, super::grid::import_lines, super::grid::line,
        super::grid::regions, super::grid::import_regions,
        super::rules::in_force, super::rules::set,
        super::people::list, super::people::add, super::people::remove, super::people::set_area,
        super::people::enrol_code,
        super::photos::list, super::photos::one, super::photos::head, super::photos::append, super::photos::put,
        super::audit::list, super::audit::head,
    ),
    components(schemas(Problem)),
    tags(
        (name = "totals", description = "总数 figures"),
        (name = "hazards", description = "隐患 hazards and what is done with them"),
        (name = "conflicts", description = "冲突 what waits for a named person"),
        (name = "quarantine", description = "隔离 what does not take effect until somebody decides"),
        (name = "proposals", description = "疑似重复 probable duplicates"),
        (name = "entry", description = "录入 what no device recorded"),
        (name = "facts", description = "统计明细 the rows behind a report"),
        (name = "reports", description = "工作报告 work reports"),
        (name = "devices", description = "设备 phones"),
        (name = "grid", description = "线路与区划 lines and regions"),
        (name = "rules", description = "规则 the rules of the district"),
        (name = "people", description = "人员 people"),
        (name = "photos", description = "照片 the bytes of evidence"),
        (name = "audit", description = "审计日志 who did what"),
    ),
)]
struct Described;

/// The codes that any route of the office may answer.
const ANYWHERE: [Code; 5] =
    [Code::Unauthenticated, Code::Forbidden, Code::TimedOut, Code::StorageUnavailable, Code::Internal];

/// The codes of the idempotency key.
const IDEMPOTENCY: [Code; 3] =
    [Code::IdempotencyKeyReused, Code::IdempotencyInProgress, Code::IdempotencyUnsettled];

/// The parameters in paths: name, schema, what it is.
fn path_parameter(name: &str) -> (Value, &'static str) {
    let uuid = json!({"type": "string", "format": "uuid"});
    match name {
        "record" | "other" => (uuid, "记录编号 the id of a record"),
        "line" => (uuid, "线路 the record of a line"),
        "person" => (uuid, "人员 the id of a person"),
        "device" => (uuid, "设备 the id of a device"),
        "operation" => {
            (json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}), "操作 the identity of an operation")
        }
        "conflict" => (
            json!({"type": "string", "pattern": r"^[0-9a-fA-F-]{36}\.[a-z_]+\.[a-z-]+$"}),
            "冲突 the id of a conflict",
        ),
        "command" => (
            json!({"type": "string", "enum": crate::lifecycle::Command::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()}),
            "操作 the name of a command",
        ),
        "sha256" => {
            (json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}), "照片 the SHA-256 of a photo's bytes")
        }
        "number" => (json!({"type": "string", "minLength": 1}), "编号 the number of a report"),
        _ => (json!({"type": "string", "minLength": 1}), ""),
    }
}

/// The document.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    let mut replies = Map::new();
    if let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(path, method, operation, &mut replies);
                }
            }
        }
    }
    if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
        components.insert("responses".to_owned(), Value::Object(replies));
        components.insert("parameters".to_owned(), headers());
        components.insert("securitySchemes".to_owned(), security_schemes());
    }
    document
}

fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "办公室令牌 a token of the office, made by `firebreak token create`",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": super::auth::COOKIE,
            "description": "浏览器登录 a browser that has signed in; it may read",
        },
    })
}

/// Adds to an operation what follows from its shape.
fn complete(path: &str, method: &str, operation: &mut Map<String, Value>, shared: &mut Map<String, Value>) {
    let own = operation.remove("x-codes");
    let own = own.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut codes: Vec<Code> = ANYWHERE.into_iter().chain(own.filter_map(Code::parse)).collect();
    let is_reading = method == "get";
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
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        codes.push(Code::NotFound);
        let (schema, description) = path_parameter(name);
        let parameter = json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema});
        parameters.push(parameter);
    }
    if has_body {
        codes.push(Code::BodyTooLarge);
    }
    if !parameters.is_empty() || has_body {
        codes.push(Code::BadParameter);
    }
    if !is_reading {
        codes.push(Code::StorageFull);
    }
    if method == "post" && is_json {
        codes.extend(IDEMPOTENCY);
        codes.push(Code::BadParameter);
        parameters.push(header("IdempotencyKey"));
    }
    if codes.contains(&Code::MovedOn) {
        parameters.push(header("IfMatch"));
    }
    let replies = operation.entry("responses").or_insert_with(|| json!({}));
    if is_reading && replies.pointer("/200/content/application~1json").is_some() {
        parameters.push(header("IfNoneMatch"));
        tagged(replies);
    }
    refusals(replies, codes, shared);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let security = if is_reading { json!([{"token": []}, {"session": []}]) } else { json!([{"token": []}]) };
    operation.insert("security".to_owned(), security);
    operation.insert("operationId".to_owned(), Value::String(operation_id(path, method)));
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

/// The headers that several operations take.
fn headers() -> Value {
    json!({
        "IdempotencyKey": {
            "name": idempotency::HEADER, "in": "header", "required": false,
            "description": "幂等键 the same key and the same request: the same answer, without acting again, for 24 hours",
            "schema": {
                "type": "string", "minLength": idempotency::KEY_MIN, "maxLength": idempotency::KEY_MAX,
                "pattern": "^[A-Za-z0-9._~-]+$",
            },
        },
        "IfMatch": {
            "name": "If-Match", "in": "header", "required": false,
            "description": "仅当记录未变化 act only on the record as it was read: its entity tag",
            "schema": {"type": "string"},
        },
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "仅当已变化 reply only where it is another than this entity tag",
            "schema": {"type": "string"},
        },
    })
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// The document as it is served, printed and kept in `docs/openapi.json`.
pub fn text() -> String {
    let mut text = format!("{:#}", document());
    text.push('\n');
    text
}

pub(super) async fn openapi() -> impl IntoResponse {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().iter().map(move |(method, operation)| {
                    (format!("{} {path}", method.to_uppercase()), operation.clone())
                })
            })
            .collect()
    }

    #[test]
    fn every_operation_says_what_it_is_and_has_an_id_of_its_own() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        for (name, operation) in operations(&document) {
            assert!(
                operation["summary"].as_str().is_some_and(|text| text.chars().any(|c| c >= '一')),
                "{name}"
            );
            assert!(ids.insert(operation["operationId"].to_string()), "{name}: an id twice");
            assert!(operation["responses"]["200"].is_object(), "{name}");
            assert!(operation["responses"]["401"].is_object(), "{name}");
        }
    }

    #[test]
    fn every_code_that_a_handler_names_is_in_the_catalogue() {
        let described = serde_json::to_value(Described::openapi()).unwrap();
        for (name, operation) in operations(&described) {
            for code in operation["x-codes"].as_array().into_iter().flatten() {
                assert!(Code::parse(code.as_str().unwrap()).is_some(), "{name}: {code}");
            }
        }
    }
}
