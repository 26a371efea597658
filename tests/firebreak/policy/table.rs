//! The table itself: a row for each route, a route for each row, and what no row may ever say.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Role;
use firebreak::http::policy::{Action, Scope, TABLE};

/// Method and path of every route of the router's source.
fn routes() -> Result<BTreeSet<(String, String)>> {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/http/mod.rs");
    let source = std::fs::read_to_string(source)?;
    let mut routes = BTreeSet::new();
    // A route may stand on several lines: what lies between two `.route(` belongs to the first.
    for part in source.split(".route(").skip(1) {
        let part = part.split("\n        //").next().unwrap_or_default();
        let part = part.split("\n}").next().unwrap_or_default();
        let (path, handlers) =
            part.trim_start().trim_start_matches('"').split_once('"').context("no path")?;
        for method in ["get", "post", "put", "delete", "patch", "head"] {
            let is_called = [format!(" {method}("), format!(".{method}("), format!(",{method}(")];
            if is_called.iter().any(|call| handlers.contains(call)) {
                routes.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    Ok(routes)
}

#[test]
fn every_route_has_one_row_and_every_row_a_route() -> Result<()> {
    let rows: BTreeSet<(String, String)> =
        TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(rows.len(), TABLE.len(), "a route has two rows");
    assert_eq!(routes()?, rows);
    Ok(())
}

#[test]
fn a_planner_reads_and_exports_and_an_inspector_has_no_route_of_the_ledger() -> Result<()> {
    for row in TABLE {
        let at = format!("{} {}", row.method, row.path);
        let has = |role| row.roles.contains(&role);
        let is_own = matches!(row.scope, Scope::Own | Scope::Province);
        if has(Role::Planner) && !is_own {
            ensure!(matches!(row.action, Action::Read | Action::Export), "{at}: a planner changes something");
        }
        ensure!(is_own || !has(Role::Inspector), "{at}: an inspector is let in");
        if has(Role::Unit) {
            let is_theirs = is_own || matches!(row.scope, Scope::OwnUnit | Scope::DeviceOrOffice);
            ensure!(is_theirs, "{at}: a unit sees the whole district");
        }
        let is_reading = matches!(row.action, Action::Read | Action::Export);
        let signs = row.path.starts_with("/v1/session") || row.path == "/district";
        // It makes a file of what is there.
        let files = ["/v1/exports/{export}", "/maps"].contains(&row.path);
        let may_read = row.method == "GET" || signs || files;
        ensure!(may_read || !is_reading, "{at}: it changes something by reading");
        let is_open = matches!(row.scope, Scope::Public | Scope::Device);
        ensure!(is_open == row.roles.is_empty(), "{at}: scope and roles disagree");
    }
    Ok(())
}
