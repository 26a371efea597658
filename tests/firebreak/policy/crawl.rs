//! The pages as each role walks them: every link and picture of every page leads somewhere that lets them in, and every
//! form is one that they may send.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Role;
use firebreak::http::policy::TABLE;
use firebreak_tests::http::Client;
use firebreak_tests::server::Backend;

use super::world::World;

/// Pages that a walk of the smallest world sees at least; an inspector has no more than their own account.
const LEAST: usize = 4;
/// A walk that finds more has lost its way.
const MOST: usize = 400;

/// What stands in these attributes of a page.
fn attributes<'p>(page: &'p str, names: &[&str]) -> Vec<&'p str> {
    let mut found = Vec::new();
    for name in names {
        let mark = format!(" {name}=\"");
        let parts = page.split(mark.as_str()).skip(1);
        found.extend(parts.filter_map(|rest| rest.split_once('"').map(|(value, _)| value)));
    }
    found
}

/// A path as a browser asks for it.
fn path(attribute: &str) -> String {
    attribute.replace("&amp;", "&").split('#').next().unwrap_or_default().to_owned()
}

/// The roles of the route that a path is one of.
fn roles_of(method: &str, path: &str) -> Result<&'static [Role]> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_it = |pattern: &str| {
        let wanted: Vec<&str> = pattern.split('/').collect();
        wanted.len() == parts.len()
            && wanted.iter().zip(&parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let mut rows = TABLE.iter().filter(|row| row.method == method && is_it(row.path));
    Ok(rows.next().with_context(|| format!("no route for {method} {path}"))?.roles)
}

/// Walks from these pages; gives every path that it asked for.
async fn walk(client: &Client, role: Role, starts: &[String]) -> Result<BTreeSet<String>> {
    let mut seen: BTreeSet<String> = starts.iter().cloned().collect();
    let mut waiting: VecDeque<String> = starts.iter().cloned().collect();
    while let Some(at) = waiting.pop_front() {
        let reply = client.get(&at).await?;
        ensure!(
            reply.status == 200,
            "{role:?}: {at} is linked and answers {}: {}",
            reply.status,
            reply.text()
        );
        // Only pages lead on.
        if !reply.content_type.starts_with("text/html") {
            continue;
        }
        let page = reply.text();
        for form in page.split("<form").skip(1) {
            let head = form.split('>').next().unwrap_or_default();
            let action = attributes(head, &["action"]).first().map(|action| path(action)).unwrap_or_default();
            if head.contains("method=\"post\"") && !matches!(action.as_str(), "/login" | "/logout") {
                ensure!(
                    roles_of("POST", &action)?.contains(&role),
                    "{role:?} is shown the form of {action} on {at}"
                );
            }
        }
        for next in attributes(&page, &["href", "src"]).into_iter().map(path) {
            if next.starts_with('/') && seen.insert(next.clone()) {
                ensure!(seen.len() < MOST, "{role:?}: too many pages, such as {next}");
                waiting.push_back(next);
            }
        }
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_is_shown_a_link_or_a_form_that_would_keep_it_out() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let mut found = Vec::new();
    for (role, client) in &world.clients {
        // An inspector's account opens nothing but itself.
        let start = if *role == Role::Inspector { "/account" } else { "/" };
        let mut starts = vec![start.to_owned(), "/account".to_owned()];
        if *role == Role::Unit {
            starts.extend(world.of_unit.iter().map(|hazard| format!("/hazards/{hazard}")));
        }
        let seen = walk(client, *role, &starts).await?;
        ensure!(seen.len() >= LEAST, "{role:?} saw only {seen:?}");
        found.push((role, seen));
    }
    println!("{:?}", found.iter().map(|(role, seen)| (*role, seen.len())).collect::<Vec<_>>());
    let of =
        |role: Role| found.iter().find(|(known, _)| **known == role).map(|(_, seen)| seen).context("no role");
    // What each should find is there to be found.
    for wanted in [
        "/people", "/units", "/orders", "/audit", "/audit/head", "/account", "/password", "/docs/guide",
        "/maps", "/docs/maps",
    ] {
        let is_of_account = wanted == "/password";
        ensure!(
            is_of_account || of(Role::Admin)?.contains(wanted),
            "nothing leads an administrator to {wanted}"
        );
    }
    let (clerk, unit) = (of(Role::Clerk)?, of(Role::Unit)?);
    ensure!(clerk.contains("/orders") && !clerk.contains("/audit"), "{clerk:?}");
    ensure!(unit.contains("/orders"), "a unit finds no list of its orders: {unit:?}");
    let leads_to_print = unit.iter().any(|path| path.starts_with("/v1/orders/") && path.ends_with("/html"));
    ensure!(leads_to_print, "a unit finds no order of its own: {unit:?}");
    let leads_to_receipt = unit.iter().any(|path| path.ends_with("/commands/receipt"));
    ensure!(leads_to_receipt, "a unit finds no way to acknowledge an order: {unit:?}");
    Ok(())
}
