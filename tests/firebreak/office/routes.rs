//! Every route and whom it lets in, through real HTTP.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

/// The routes and who may call them: no token, device, inspector, reviewer, clerk, leader, admin.
///
/// A call that is let in may still fail for want of a thing to act on: only 401 and 403 count as kept out.
pub(crate) const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/", "---rcla"),
    ("GET", "/hazards", "---rcla"),
    ("GET", "/hazards/{record}", "---rcla"),
    ("GET", "/grid", "---rcla"),
    ("GET", "/conflicts", "---rcla"),
    ("GET", "/proposals", "---rcla"),
    ("GET", "/devices", "---rcla"),
    ("GET", "/quarantine", "---rcla"),
    ("GET", "/reports", "---rcla"),
    ("GET", "/login", "ndircla"),
    ("POST", "/login", "ndircla"),
    ("POST", "/logout", "ndircla"),
    ("GET", "/style.css", "ndircla"),
    ("GET", "/openapi.json", "ndircla"),
    ("GET", "/docs", "ndircla"),
    ("GET", "/docs/errors", "ndircla"),
    ("GET", "/v1/totals", "---rcla"),
    ("GET", "/v1/hazards", "---rcla"),
    ("POST", "/v1/hazards", "---rcla"),
    ("GET", "/v1/hazards.geojson", "---rcla"),
    ("GET", "/v1/hazards/{record}", "---rcla"),
    ("POST", "/v1/hazards/{record}/restore", "---r-la"),
    ("GET", "/v1/hazards/{record}/commands", "---rcla"),
    // Of the command `grade`; every other one is in `commands.rs`.
    ("POST", "/v1/hazards/{record}/commands/{command}", "---r-la"),
    ("POST", "/v1/commands/{command}", "---rcla"),
    ("GET", "/v1/orders", "---rcla"),
    ("GET", "/v1/orders/{order}", "---rcla"),
    ("GET", "/v1/orders/{order}/html", "---rcla"),
    ("GET", "/v1/orders/{order}/docx", "---rcla"),
    ("GET", "/v1/danger", "---rcla"),
    ("PUT", "/v1/danger", "-----la"),
    ("GET", "/v1/events", "---rcla"),
    ("GET", "/v1/conflicts", "---rcla"),
    ("POST", "/v1/conflicts/{conflict}/resolve", "---r-la"),
    ("GET", "/v1/quarantine", "---rcla"),
    ("GET", "/v1/quarantine/{operation}", "---rcla"),
    ("POST", "/v1/quarantine/{operation}/release", "---r-la"),
    ("POST", "/v1/quarantine/{operation}/write-off", "---r-la"),
    ("GET", "/v1/devices", "---rcla"),
    ("POST", "/v1/devices/{device}/revoke", "-----la"),
    ("POST", "/v1/devices/{device}/lose", "-----la"),
    ("GET", "/v1/grid", "---rcla"),
    ("GET", "/v1/grid/lines", "---rcla"),
    ("GET", "/v1/grid/lines/{line}", "---rcla"),
    ("GET", "/v1/grid/regions", "---rcla"),
    ("POST", "/v1/grid/lines", "-----la"),
    ("POST", "/v1/grid/regions", "-----la"),
    ("GET", "/v1/proposals", "---rcla"),
    ("POST", "/v1/proposals/{record}/{other}/accept", "---r-la"),
    ("POST", "/v1/proposals/{record}/{other}/dismiss", "---r-la"),
    ("POST", "/v1/proposals/{record}/{other}/undo", "---r-la"),
    ("GET", "/v1/rules", "---rcla"),
    ("PUT", "/v1/rules", "-----la"),
    ("GET", "/v1/people", "---rcla"),
    ("POST", "/v1/people", "-----la"),
    ("DELETE", "/v1/people/{person}", "-----la"),
    ("PUT", "/v1/people/{person}/area", "-----la"),
    ("POST", "/v1/enrol-codes", "-----la"),
    ("GET", "/v1/patrols", "---rcla"),
    ("POST", "/v1/patrols", "---rcla"),
    ("GET", "/v1/works", "---rcla"),
    ("POST", "/v1/works", "---rcla"),
    ("GET", "/v1/inspections", "---rcla"),
    ("POST", "/v1/inspections", "---rcla"),
    ("GET", "/v1/activities", "---rcla"),
    ("POST", "/v1/activities", "---rcla"),
    ("GET", "/v1/stretches", "---rcla"),
    ("GET", "/v1/reports", "---rcla"),
    ("GET", "/v1/reports/work", "---rcla"),
    ("POST", "/v1/reports/work", "----cla"),
    ("GET", "/v1/reports/{number}", "---rcla"),
    ("GET", "/v1/reports/{number}/late", "---rcla"),
    ("GET", "/v1/audit", "-----la"),
    ("GET", "/v1/audit/head", "-----la"),
    ("GET", "/v1/photos", "---rcla"),
    ("GET", "/v1/photos/{sha256}", "---rcla"),
    ("HEAD", "/v1/photos/{sha256}", "-d-rcla"),
    ("PATCH", "/v1/photos/{sha256}", "-d-rcla"),
    ("PUT", "/v1/photos/{sha256}", "-d-rcla"),
    ("POST", "/v1/sync", "-d-----"),
    ("GET", "/v1/receipts/{bundle}", "-d-----"),
    ("POST", "/v1/enrol", "ndircla"),
    ("GET", "/healthz", "ndircla"),
    ("GET", "/readyz", "ndircla"),
    ("GET", "/metrics", "ndircla"),
];

/// A body that each route reads, so that who is kept out is kept out for who they are.
fn body_of(path: &str) -> Value {
    match path {
        "/v1/hazards/{record}/restore" => json!({"operation": "00".repeat(16), "field": "township"}),
        "/v1/commands/{command}" => json!({"hazards": [uuid::Uuid::from_u128(9)]}),
        "/v1/conflicts/{conflict}/resolve" => json!({"value": "x"}),
        "/v1/rules" => json!({"source": ""}),
        "/v1/people" => json!({"name": "测试员", "roles": ["inspector"]}),
        "/v1/people/{person}/area" => json!({"boxes": []}),
        "/v1/quarantine/{operation}/write-off" => json!({"reason": "无法辨认"}),
        "/v1/hazards" | "/v1/works" | "/v1/inspections" | "/v1/activities" => json!({"fields": {}}),
        "/v1/reports/work" => json!({"from": "2026-11-01", "to": "2026-11-30"}),
        "/v1/enrol-codes" => json!({"person": uuid::Uuid::nil()}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let phone = Phone::enrol(&server).await?;
    let mut callers = vec![server.client()?.with_token(""), phone.client.clone()];
    for role in ["inspector", "reviewer", "clerk", "leader", "admin"] {
        let person = server.add_person(role).await?;
        callers.push(server.client()?.with_token(&server.create_token(&person).await?));
    }
    for (method, route, may) in TABLE {
        let path = route
            .replace("{record}", &uuid::Uuid::nil().to_string())
            .replace("{other}", &uuid::Uuid::nil().to_string())
            .replace("{conflict}", &format!("{}.township.values", uuid::Uuid::nil()))
            .replace("{operation}", &"00".repeat(32))
            .replace("{device}", &uuid::Uuid::nil().to_string())
            .replace("{number}", "test-2026-999")
            .replace("{person}", &uuid::Uuid::nil().to_string())
            .replace("{line}", &uuid::Uuid::nil().to_string())
            .replace("{bundle}", &"00".repeat(32));
        let mut let_in = String::new();
        for (caller, mark) in callers.iter().zip("ndircla".chars()) {
            let status = caller.call(method, &path, &body_of(route)).await?.status;
            assert!(status < 500 && status != 405, "{method} {route}: {status}");
            let_in.push(if matches!(status, 401 | 403) { '-' } else { mark });
        }
        assert_eq!(let_in, *may, "{method} {route}");
    }
    Ok(())
}

#[test]
fn every_route_has_a_row_in_the_table() -> Result<()> {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/http/mod.rs");
    let source = std::fs::read_to_string(source)?;
    let known: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let mut routes = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let route: String = route.split_whitespace().collect::<Vec<_>>().join(" ");
        let (path, handlers) = route.split_once(',').context("a route without handlers")?;
        let path = path.trim().trim_matches('"');
        let handlers = handlers.split(".fallback(").next().unwrap_or_default().trim();
        for method in ["get", "head", "post", "put", "delete", "patch"] {
            if handlers.starts_with(&format!("{method}(")) || handlers.contains(&format!(").{method}(")) {
                routes.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    assert_eq!(routes, known);
    Ok(())
}
