//! The document in the words of OpenAPI 3.0, for programs that show maps: `OWSLib`, QGIS and GDAL look for no other.
//!
//! What 3.1 says by JSON Schema and 3.0 cannot say is said less exactly, never wrongly. Start at [`older`].

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A document of 3.1 as one of 3.0, with these paths and of its components those that they need.
pub(in crate::http) fn older(document: &Value, paths: Map<String, Value>) -> Value {
    let mut info = document.get("info").cloned().unwrap_or_default();
    if let Some(license) = info.pointer_mut("/license").and_then(Value::as_object_mut) {
        license.remove("identifier");
    }
    let paths = Value::Object(paths);
    let mut components = Map::new();
    for (kind, name) in needed(document, &paths) {
        let found = document.pointer(&format!("/components/{kind}/{name}")).cloned();
        let of_kind = components.entry(kind).or_insert_with(|| json!({}));
        if let (Some(of_kind), Some(found)) = (of_kind.as_object_mut(), found) {
            of_kind.insert(name, found);
        }
    }
    let security = document.pointer("/components/securitySchemes").cloned().unwrap_or_default();
    components.insert("securitySchemes".to_owned(), security);
    let mut older = json!({
        "openapi": "3.0.3",
        "info": info,
        "tags": document.get("tags"),
        "paths": paths,
        "components": components,
    });
    translate(&mut older);
    older
}

/// The components that are named from here, and those that they name: kind and name.
fn needed(document: &Value, from: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let part = members.get("$ref").and_then(Value::as_str);
                let part = part.and_then(|part| part.strip_prefix("#/components/")?.split_once('/'));
                if let Some((kind, name)) = part
                    && found.insert((kind.to_owned(), name.to_owned()))
                {
                    open.extend(document.pointer(&format!("/components/{kind}/{name}")));
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// Words of JSON Schema that 3.0 does not have.
const UNKNOWN: [&str; 4] = ["propertyNames", "prefixItems", "const", "examples"];

fn translate(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(translate);
            schema(members);
        }
        Value::Array(items) => items.iter_mut().for_each(translate),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schema(members: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = members.get("type").cloned() {
        let (nothing, kinds): (Vec<Value>, Vec<Value>) = kinds.into_iter().partition(|kind| kind == "null");
        let mut kinds = kinds.into_iter();
        match (kinds.next(), kinds.next()) {
            (Some(only), None) => drop(members.insert("type".to_owned(), only)),
            _ => drop(members.remove("type")),
        }
        if !nothing.is_empty() {
            members.insert("nullable".to_owned(), Value::Bool(true));
        }
    }
    if let Some(Value::Array(choices)) = members.get("oneOf").cloned() {
        let is_nothing = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
        let (nothing, mut choices): (Vec<Value>, Vec<Value>) = choices.into_iter().partition(is_nothing);
        if !nothing.is_empty() {
            members.insert("nullable".to_owned(), Value::Bool(true));
            members.remove("oneOf");
            let word = if choices.len() == 1 { "allOf" } else { "oneOf" };
            members.insert(word.to_owned(), Value::Array(std::mem::take(&mut choices)));
        }
    }
    if members.contains_key("prefixItems") {
        members.insert("items".to_owned(), json!({}));
    }
    let is_schema = members.contains_key("type") || members.contains_key("allOf");
    if is_schema && let Some(Value::Array(examples)) = members.get("examples").cloned() {
        members.extend(examples.into_iter().next().map(|example| ("example".to_owned(), example)));
    }
    if is_schema {
        for unknown in UNKNOWN {
            members.remove(unknown);
        }
    }
    // A reference stands alone in 3.0.
    if members.len() > 1
        && let Some(reference @ Value::String(_)) = members.remove("$ref")
    {
        let reference = json!({ "$ref": reference });
        match members.get_mut("allOf").and_then(Value::as_array_mut) {
            Some(all) => all.insert(0, reference),
            None => drop(members.insert("allOf".to_owned(), json!([reference]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi::document;

    /// Words of 3.1 in a document: none may be left.
    fn newer(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let at = format!("{at}/{name}");
                    let is_list = name == "type" && value.is_array();
                    let is_name = at.contains("/properties/") && at.rsplit('/').nth(1) == Some("properties");
                    let is_newer = UNKNOWN.contains(&name.as_str()) && !is_name;
                    let is_joined = name == "$ref" && members.len() > 1;
                    let is_nothing = name == "type" && value == "null";
                    if is_list || is_newer || is_joined || is_nothing {
                        found.push(at.clone());
                    }
                    newer(value, &at, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| newer(item, at, found)),
            _ => {}
        }
    }

    #[test]
    fn the_whole_document_can_be_said_in_the_words_of_3_0() {
        let document = document();
        let paths = document["paths"].as_object().unwrap().clone();
        let older = older(&document, paths);
        let mut found = Vec::new();
        newer(&older, "", &mut found);
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(older["openapi"], "3.0.3");
    }

    #[test]
    fn only_what_the_paths_name_is_there() {
        let document = document();
        let item = document["paths"]["/v1/totals"].clone();
        let older = older(&document, Map::from_iter([("/totals".to_owned(), item)]));
        let schemas: Vec<&String> = older["components"]["schemas"].as_object().unwrap().keys().collect();
        assert!(schemas.iter().any(|name| *name == "Problem") && schemas.len() < 12, "{schemas:?}");
    }
}
