//! The office's pages in a real browser: three people bring a hazard to its end, and no page breaks a rule of
//! accessibility (WCAG 2 A and AA, as far as axe-core can tell).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak::http::policy::{self, Scope};
use firebreak::lifecycle::{Command, table};
use firebreak_tests::chromium;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;

use super::{contend, send};
use crate::accounts::{PASSWORD, account};
use crate::photos::File;

/// A hazard that was ordered and receipted.
async fn rectifying(server: &Server, phone: &mut Phone) -> Result<RecordId> {
    let report = phone.report("general").with("forest", &false);
    send(phone, std::slice::from_ref(&report)).await?;
    let (office, path) = (server.client()?, format!("/v1/hazards/{}/commands", report.record));
    for (command, fields) in [
        ("grade", json!({"severity": "serious"})),
        ("order", json!({"responsible_unit": "云顶供电所", "measures": "伐除超高树木"})),
        ("receipt", json!({})),
    ] {
        office.post(&format!("{path}/{command}"), &json!({ "fields": fields })).await?.json(command)?;
    }
    Ok(report.record)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_people_bring_a_hazard_to_its_end_in_a_browser() -> Result<()> {
    if !chromium::is_there("the office in a browser", &[]) {
        return Ok(());
    }
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let hazard = rectifying(&server, &mut phone).await?;
    for role in ["clerk", "reinspector", "reviewer"] {
        account(&server, role, role).await?;
    }
    let photo = File::new(81, 400_000);
    let path = server.data().join("现场 照片.jpg");
    tokio::fs::write(&path, &photo.bytes).await?;
    let (record, path) = (hazard.to_string(), path.to_str().context("no path")?.to_owned());
    let arguments = ["walk", server.url.as_str(), PASSWORD, record.as_str(), path.as_str()];
    let told = chromium::program("office.mjs", &arguments, "").await?;
    assert_eq!(told["said"], json!([]), "{told}");
    let shown = told["shown"].as_array().context("nothing shown")?;
    let states: Vec<&str> = shown.iter().filter_map(|page| page["state"].as_str()).collect();
    assert_eq!(states, ["整改完成待复查", "已验收", "已销号"], "{told}");
    for (page, done) in shown.iter().zip(["报整改完成", "复查通过", "销号"]) {
        ensure!(page["done"].as_str().is_some_and(|told| told.contains(done)), "{page}");
        let photos = page["photos"].as_array().context("no photos")?;
        ensure!(photos.len() == 1 && photos[0].as_u64() > Some(0), "it is not seen: {page}");
    }
    let case = server.client()?.json(&format!("/v1/hazards/{hazard}")).await?;
    assert_eq!(
        (case["closure"].as_str(), case["photos"][0]["state"].as_str()),
        (Some("final"), Some("verified"))
    );
    assert_eq!(case["photos"][0]["sha256"], photo.hash.to_string());
    server.check().await?;
    Ok(())
}

/// The roles, of which each has an account.
const ROLES: [&str; 8] =
    ["admin", "leader", "reviewer", "clerk", "reinspector", "planner", "unit", "inspector"];

/// Everything that a page can show, and what stands for the parts of paths.
async fn district(server: &Server) -> Result<(RecordId, RecordId, BTreeMap<&'static str, String>)> {
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(server).await?, Phone::enrol(server).await?);
    contend(&mut one, &mut other).await?;
    let (photo, never) = (File::new(82, 20_000), File::new(83, 20_000));
    let mut report = one.report("critical").with("remarks", &"户主在家");
    report.photos = vec![photo.named("before"), never.named("site")];
    send(&mut one, std::slice::from_ref(&report)).await?;
    photo.upload(&one.client).await?;
    let whole = vec![0xff; 30];
    let bundle = one.seal_bytes(vec![whole]);
    one.sync(&[bundle]).await?;
    let ordered = rectifying(server, &mut other).await?;
    let unit = office
        .post("/v1/units", &json!({"name": "云顶供电所", "kind": "responsible"}))
        .await?
        .json("unit")?;
    let link = server
        .command_text(
            &["user", "link", "--district", DISTRICT, "--person", &server.add_person("clerk").await?],
            "link",
        )
        .await?;
    let first = |list: &Value, key: &str, id: &str| {
        list[key][0][id].as_str().map(str::to_owned).with_context(|| format!("no {id} in {list}"))
    };
    let orders = office.json("/v1/orders").await?;
    let parts = BTreeMap::from([
        ("device", first(&office.json("/v1/devices").await?, "devices", "id")?),
        ("person", first(&office.json("/v1/people").await?, "people", "person")?),
        ("unit", unit["unit"].as_str().context("no unit")?.to_owned()),
        ("order", first(&orders, "orders", "order")?),
        ("link", link.rsplit('/').next().unwrap_or_default().to_owned()),
        ("collection", "hazards".to_owned()),
        ("feature", report.record.to_string()),
    ]);
    Ok((report.record, ordered, parts))
}

/// The pages of a role: every route of the policy table that lets it in and may answer with a page.
fn pages_of(role: &str, hazards: [RecordId; 2], parts: &BTreeMap<&str, String>) -> Vec<String> {
    let is_theirs = |row: &&policy::Row| {
        let is_let_in = row.roles.iter().any(|known| known.as_str() == role);
        if role.is_empty() { row.scope == Scope::Public } else { is_let_in }
    };
    let may_be_page = |path: &str| {
        let is_printed = path == "/v1/orders/{order}/html";
        let is_plain =
            ["/style.css", "/icon.svg", "/openapi.json", "/healthz", "/readyz", "/metrics"].contains(&path);
        let is_tile = path.contains("{z}") || path.contains("tilejson") || path.contains("{feature}");
        is_printed || !(path.starts_with("/v1/") || is_plain || is_tile)
    };
    let rows = policy::TABLE.iter().filter(|row| row.method == "GET" && may_be_page(row.path));
    // Of the unit's people nobody answers for these hazards.
    let is_elsewhere =
        |path: &str| ["{record}", "{feature}", "{order}"].iter().any(|part| path.contains(part));
    let rows = rows.filter(is_theirs);
    let rows = rows.filter(|row| role != "unit" || !(row.scope == Scope::District || is_elsewhere(row.path)));
    let mut paths = Vec::new();
    for row in rows {
        let mut path = row.path.to_owned();
        for (name, value) in parts {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        if !path.contains("{record}") {
            paths.push(path);
            continue;
        }
        for hazard in hazards {
            let of_hazard = path.replace("{record}", &hazard.to_string());
            if !of_hazard.contains("{command}") {
                paths.push(of_hazard);
                continue;
            }
            let own = Command::ALL
                .iter()
                .filter(|command| table::rule(**command).who.iter().any(|known| known.as_str() == role));
            paths.extend(own.map(|command| of_hazard.replace("{command}", command.as_str())));
        }
    }
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_breaks_a_rule_of_accessibility_for_any_role() -> Result<()> {
    if !chromium::is_there("accessibility in a browser", &["axe-core"]) {
        return Ok(());
    }
    let server = Server::start(Backend::Sqlite).await?;
    let (reported, ordered, parts) = district(&server).await?;
    // What follows from the ledger is on the map before it is looked at.
    let engine = firebreak::app::open(&server.settings()).await?;
    engine.follow_until_current(&engine.district(&server.district).await?).await?;
    engine.store.close().await;
    for role in ROLES {
        account(&server, role, role).await?;
    }
    let visit = |role: &str| json!({"login": role, "paths": pages_of(role, [reported, ordered], &parts)});
    for width in ["1280", "390"] {
        let roles: Vec<&str> = if width == "390" { vec!["", "leader"] } else { [&[""][..], &ROLES].concat() };
        let visits: Vec<Value> = roles.into_iter().map(visit).collect();
        let arguments = ["axe", server.url.as_str(), PASSWORD, width];
        let told = chromium::program("office.mjs", &arguments, &Value::from(visits).to_string()).await?;
        println!("{width}: {} pages visited, {} examined", told["visited"], told["examined"]);
        let statuses: Vec<&String> = told["statuses"].as_object().context("no statuses")?.keys().collect();
        assert_eq!(statuses, ["200"], "{}", told["statuses"]);
        let found = told["violations"].as_array().context("no violations")?;
        ensure!(found.is_empty(), "{} at {width}: {}", found.len(), serde_json::to_string_pretty(found)?);
    }
    Ok(())
}
