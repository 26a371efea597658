//! Parameters that mean the same on every route: those of paths, those of lists, headers.

use serde_json::{Map, Value, json};

use crate::http::idempotency;
use crate::sync::listing::{PAGE_DEFAULT, PAGE_MAX};

/// A parameter by its name: its schema and what it is; none where the name means nothing by itself.
fn known(name: &str) -> Option<(Value, &'static str)> {
    let uuid = || json!({"type": "string", "format": "uuid"});
    let day = || json!({"type": "string", "format": "date"});
    Some(match name {
        "record" | "other" => (uuid(), "记录编号 the id of a record"),
        "line" => (uuid(), "线路 the record of a line"),
        "person" => (uuid(), "人员 the id of a person"),
        "unit" => (uuid(), "单位 the id of a unit"),
        "token" => (json!({"type": "string", "pattern": "^[0-9a-f]{16}$"}), "令牌 the id of a token"),
        "device" => (uuid(), "设备 the id of a device"),
        "operation" => {
            (json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}), "操作 the identity of an operation")
        }
        "sha256" => {
            (json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}), "照片 the SHA-256 of a photo")
        }
        "conflict" => (
            json!({"type": "string", "pattern": r"^[0-9a-fA-F-]{36}\.[a-z_]+\.[a-z-]+$"}),
            "冲突 the id of a conflict",
        ),
        "command" => {
            let names: Vec<&str> = crate::lifecycle::Command::ALL.iter().map(|it| it.as_str()).collect();
            (json!({"type": "string", "enum": names}), "操作 the name of a command")
        }
        "order" => {
            (json!({"type": "string", "pattern": r"^[0-9]{4}-[0-9]+$"}), "通知书 year and number of an order")
        }
        "collection" => {
            let names: Vec<&str> = crate::layers::Layer::ALL.iter().map(|layer| layer.name()).collect();
            (json!({"type": "string", "enum": names}), "图层 the name of a layer")
        }
        "feature" => (json!({"type": "integer"}), "要素 the number of a feature within its layer"),
        "export" => (
            json!({"type": "string", "minLength": 1}),
            "导出文件 layer and format with a point between them, or the id of a file that was asked for",
        ),
        "number" => (json!({"type": "string", "minLength": 1}), "编号 the number of a report"),
        "from" | "found_from" => (day(), "起始日期 the first day, local"),
        "to" | "found_to" => (day(), "截止日期 the last day, local, included"),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}),
            "每页行数 rows of a page",
        ),
        "cursor" => (json!({"type": "string"}), "游标 `next` of the page before, opaque"),
        _ => return None,
    })
}

/// A parameter in a path.
pub(super) fn in_path(name: &str) -> Value {
    let (schema, description) = known(name).unwrap_or((json!({"type": "string", "minLength": 1}), ""));
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

/// Gives a parameter of a query what its name means everywhere, where its route does not say more.
pub(super) fn worded(parameter: &mut Value) {
    let Some((schema, description)) = parameter.get("name").and_then(Value::as_str).and_then(known) else {
        return;
    };
    // A flag that shares its name with a thing in paths is something else.
    if parameter.pointer("/schema/type").is_some_and(|kind| kind == "boolean") {
        return;
    }
    let Some(parameter) = parameter.as_object_mut() else { return };
    parameter.entry("description").or_insert_with(|| description.into());
    if let (Some(Value::Object(own)), Value::Object(schema)) = (parameter.get_mut("schema"), schema) {
        narrowed(own, schema);
    }
}

fn narrowed(own: &mut Map<String, Value>, by: Map<String, Value>) {
    for (name, value) in by {
        // A route may have pages of its own length.
        if matches!(name.as_str(), "maximum" | "default") {
            own.entry(name).or_insert(value);
        } else {
            own.insert(name, value);
        }
    }
}

/// The headers that several operations take.
pub(super) fn headers() -> Value {
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

pub(super) fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}
