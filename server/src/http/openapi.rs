//! `GET /openapi.json`: the document of the office's API (OpenAPI 3.1), made from the handlers and their types.
//!
//! A handler says what is its own by `#[utoipa::path]`: path, parameters, body, reply, and `x-codes`, the codes that it
//! alone may answer. What follows from its shape is added here: the errors that every route shares, the parameters in
//! its path, the headers. So a new route needs its annotation and one line in `Described`. A test holds this
//! document against `docs/openapi.json` and against the router. Start at [`document`].

pub(super) mod older;
mod parameters;
mod shape;

use axum::Json;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Firebreak 办公室接口 office API",
        description = "隐患台账的读取、录入与处置。Times are milliseconds since 1970 (UTC), positions WGS-84 degrees, hashes and heads hexadecimal. Everything is of the token's district. Devices speak another protocol.",
    ),
    paths(
        super::totals::totals,
        super::hazards::list, super::exports::hazards, super::exports::get, super::exports::begin, super::exports::file, super::hazards::one, super::hazards::restore,
        super::commands::offered, super::commands::command, super::commands::bulk,
        super::orders::list, super::orders::one, super::orders::html, super::orders::docx,
        super::events::stream, super::events::dangers, super::events::set_danger,
        super::conflicts::list, super::conflicts::resolve,
        super::quarantine::list, super::quarantine::one, super::quarantine::release, super::quarantine::write_off,
        super::proposals::list, super::proposals::accept, super::proposals::dismiss, super::proposals::undo,
        super::entry::hazard, super::entry::work, super::entry::inspection, super::entry::activity,
        super::entry::patrol,
        super::facts::patrols, super::facts::works, super::facts::inspections, super::facts::activities,
        super::facts::stretches,
        super::reports::list, super::reports::draft, super::reports::issue, super::reports::one,
        super::reports::late,
        super::devices::list, super::devices::rename, super::devices::review, super::devices::revoke,
        super::devices::lose, super::devices::give_up,
        super::grid::overview, super::grid::lines, super::grid::import_lines, super::grid::line,
        super::grid::regions, super::grid::import_regions,
        super::rules::in_force, super::rules::set,
        super::people::list, super::people::add, super::people::remove, super::people::set_area,
        super::people::enrol_code, super::people::change, super::people::link,
        super::units::list, super::units::add, super::units::change, super::units::retire,
        super::session::sign_in, super::session::show, super::session::sign_out, super::session::choose,
        super::tokens::list, super::tokens::make, super::tokens::revoke,
        super::districts::list,
        super::photos::list, super::photos::one, super::photos::head, super::photos::append, super::photos::put,
        super::audit::list, super::audit::head,
        super::ogc::tile_sets::matrix_sets, super::ogc::tile_sets::matrix_set, super::ogc::tile_sets::of_layer,
        super::ogc::tile_sets::set_of_layer, super::ogc::tile_sets::tile_json, super::ogc::tiles::tile,
        super::ogc::landing::landing, super::ogc::landing::conformance, super::ogc::landing::api,
        super::ogc::collections::list, super::ogc::collections::one, super::ogc::collections::queryables, super::ogc::collections::schema,
        super::ogc::items::items, super::ogc::items::one,
    ),
    components(schemas(Problem)),
    tags(
        (name = "totals", description = "总数 figures"),
        (name = "hazards", description = "隐患 hazards and what is done with them"),
        (name = "orders", description = "整改通知书 rectification orders"),
        (name = "events", description = "事件 what somebody should hear of"),
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
        (name = "units", description = "单位 who owns, operates, puts right"),
        (name = "session", description = "登录与令牌 who is signed in, tokens of programs"),
        (name = "photos", description = "照片 the bytes of evidence"),
        (name = "audit", description = "审计日志 who did what"),
        (name = "exports", description = "导出文件 files of the layers and of the ledger"),
        (name = "map", description = "地图 the layers of the map (OGC API)"),
    ),
)]
struct Described;

/// The document.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    let mut replies = Map::new();
    if let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    shape::complete(path, method, operation, &mut replies);
                }
            }
        }
    }
    if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
        components.insert("responses".to_owned(), Value::Object(replies));
        components.insert("parameters".to_owned(), parameters::headers());
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
        "password": {
            "type": "http", "scheme": "basic",
            "description": "地图客户端 a token as the password of any user, below `/ogc` alone",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": super::auth::COOKIE,
            "description": "浏览器登录 a browser that has signed in",
        },
        "csrf": {
            "type": "apiKey", "in": "header", "name": super::auth::CSRF_HEADER,
            "description": "页面令牌 the session's own token, said with whatever changes something",
        },
    })
}

/// The document as it is served, printed and kept in `docs/openapi.json`.
pub fn text() -> String {
    let mut document = document();
    // Whatever order maps keep in this build, the committed text has one.
    document.sort_all_objects();
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

pub(super) async fn openapi() -> impl IntoResponse {
    Json(document())
}

#[cfg(test)]
mod tests {
    use sync_protocol::codes::Code;

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
            let replies = operation["responses"].as_object().unwrap();
            assert!(replies.keys().any(|status| status.starts_with('2')), "{name}");
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
