//! The examples of `docs/api.md` are true: each body is sent to the server, with the ids of what is there in place of
//! those in the example, and each reply has the shape of the one that is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak::http::policy::{Row, Scope, TABLE};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

/// A section of the page about one route.
#[derive(Debug, Default)]
struct Section {
    body: Option<Value>,
    reply: Option<Value>,
}

fn page() -> Result<String> {
    Ok(std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md"))?)
}

/// Sections with a printed body or reply, by their heading.
fn sections(page: &str) -> Result<BTreeMap<String, Section>> {
    let mut sections = BTreeMap::new();
    for section in page.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap_or_default().trim_matches('`').to_owned();
        let mut found = Section::default();
        for (before, block) in section.split("```").collect::<Vec<_>>().chunks(2).filter_map(|pair| {
            let [before, block] = pair else { return None };
            Some((before.trim_end(), block.strip_prefix("json\n")?))
        }) {
            let value = serde_json::from_str(block).with_context(|| format!("{heading}: {block}"))?;
            if before.ends_with("Body:") {
                found.body = Some(value);
            } else if before.ends_with("Reply:") {
                found.reply = Some(value);
            } else {
                anyhow::bail!("{heading}: an example that is neither body nor reply");
            }
        }
        if found.body.is_some() || found.reply.is_some() {
            sections.insert(heading, found);
        }
    }
    Ok(sections)
}

/// Maps whose keys are data.
const FREE: [&str; 6] = ["dispositions", "open", "states", "turns", "overdue", "detail"];

/// Where two values differ in shape: keys, and types where neither is null.
fn differences(at: &str, printed: &Value, real: &Value, found: &mut Vec<String>) {
    match (printed, real) {
        (Value::Object(printed), Value::Object(real)) => {
            let is_free = FREE.iter().any(|free| at.ends_with(free));
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
            if !is_free && names(printed) != names(real) {
                found.push(format!("{at}: {:?} is printed, {:?} is real", names(printed), names(real)));
            }
            for (name, value) in printed {
                if let Some(other) = real.get(name) {
                    differences(&format!("{at}.{name}"), value, other, found);
                }
            }
        }
        (Value::Array(printed), Value::Array(real)) => {
            if let (Some(printed), Some(real)) = (printed.first(), real.first()) {
                differences(&format!("{at}[]"), printed, real, found);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (printed, real) => {
            if std::mem::discriminant(printed) != std::mem::discriminant(real) {
                found.push(format!("{at}: {printed} is printed, {real} is real"));
            }
        }
    }
}

/// The example with what is there in place of what it names.
fn filled(body: &Value, there: &BTreeMap<&str, Value>) -> Value {
    let Value::Object(fields) = body else { return body.clone() };
    let fields = fields.iter().map(|(name, value)| {
        (name.clone(), there.get(name.as_str()).cloned().unwrap_or_else(|| value.clone()))
    });
    Value::Object(fields.collect())
}

/// Sections in an order in which each finds something to act on.
const ORDER: [&str; 44] = [
    "GET /v1/audit",
    "GET /v1/audit/head",
    "GET /v1/totals",
    "GET /v1/hazards",
    "GET /v1/conflicts",
    "POST /v1/conflicts/{id}/resolve",
    "POST /v1/hazards/{record}/restore",
    "GET /v1/hazards/{record}/commands",
    "POST /v1/hazards/{record}/commands/{command}",
    "POST /v1/commands/{command}",
    "GET /v1/orders",
    "PUT /v1/danger",
    "GET /v1/danger",
    "POST /v1/quarantine/{operation}/release",
    "GET /v1/proposals",
    "POST /v1/proposals/{record}/{other}/accept",
    "POST /v1/proposals/{record}/{other}/undo",
    "POST /v1/proposals/{record}/{other}/dismiss",
    "PUT /v1/rules",
    "GET /v1/rules",
    "POST /v1/hazards",
    "POST /v1/works",
    "POST /v1/inspections",
    "POST /v1/activities",
    "POST /v1/reports/work",
    "GET /v1/session",
    "DELETE /v1/session",
    "GET /v1/districts",
    "GET /v1/tokens",
    "POST /v1/tokens",
    "GET /v1/people",
    "POST /v1/people",
    "PUT /v1/people/{person}",
    "POST /v1/people/{person}/link",
    "POST /v1/units",
    "GET /v1/units",
    "PUT /v1/people/{person}/area",
    "POST /v1/enrol-codes",
    "PUT /v1/devices/{device}",
    "POST /v1/devices/{device}/give-up",
    "POST /v1/devices/{device}/lose",
    "POST /v1/devices/{device}/revoke",
    "POST /v1/devices/{device}/review",
    "DELETE /v1/people/{person}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_api_page_is_answered_as_the_page_says() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let report = one.report("general").with("township", &"青杠镇");
    let mine = one.on(report.record, Kind::Observed, [head_of(&report)]).with("township", &"白果镇");
    let theirs = other.on(report.record, Kind::Observed, [head_of(&report)]).with("township", &"松坪镇");
    let wrong = other.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_height_dm", &-5);
    // The same tree, seen by the other.
    let twin = other.report("general");
    let bundles = [one.seal(&[report.clone(), mine.clone()]), other.seal(&[theirs, wrong, twin.clone()])];
    one.sync(&bundles[..1]).await?;
    other.sync(&bundles[1..]).await?;
    let _lost = other.reports(1);
    let comment = other.on(twin.record, Kind::Commented, [head_of(&twin)]).with("text", &"树冠偏向线路");
    let behind_the_gap = other.seal(&[comment]);
    other.sync(&[behind_the_gap]).await?;
    let quarantine = office.json("/v1/quarantine").await?;
    let waiting = quarantine["quarantine"][0]["identity"].as_str().context("nothing waits")?;
    let names = [
        ("{id}", format!("{}.township.values", report.record)),
        ("{record}", report.record.to_string()),
        ("{other}", twin.record.to_string()),
        ("{command}", "grade".to_owned()),
        ("{operation}", waiting.to_owned()),
        ("{person}", other.person.to_string()),
        ("{device}", other.device.to_string()),
    ];
    let sections = sections(&page()?)?;
    let known: BTreeSet<&str> = sections.keys().map(String::as_str).collect();
    assert_eq!(known, BTreeSet::from(ORDER), "sections with examples");
    for heading in ORDER {
        let section = &sections[heading];
        let (method, route) = heading.split_once(' ').context("no method")?;
        let path = names.iter().fold(route.to_owned(), |path, (name, value)| path.replace(name, value));
        let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        let there = BTreeMap::from([
            ("operation", json!(head_of(&mine).to_string())),
            ("heads", hazard["heads"].clone()),
            ("hazards", json!([twin.record.to_string()])),
            ("person", json!(other.person.to_string())),
            ("source", json!(format!("{}\n", firebreak::rules::DEFAULT))),
            ("sequence", json!(other.sequence)),
            ("chain", json!(other.chain.to_string())),
            ("through", json!(other.sequence - 1)),
        ]);
        let body = section.body.as_ref().map_or_else(|| json!({}), |body| filled(body, &there));
        let reply = office.call(method, &path, &body).await?;
        ensure!(reply.status == 200, "{heading}: {body}: {} {}", reply.status, reply.text());
        let real = reply.json(heading)?;
        let mut found = Vec::new();
        differences("", section.reply.as_ref().context(heading)?, &real, &mut found);
        ensure!(found.is_empty(), "{heading}: {found:#?}\n{real}");
    }
    server.check().await.map(drop)
}

#[test]
fn every_route_of_the_office_has_a_section() -> Result<()> {
    let page = page()?;
    let headings: String = page.lines().filter(|line| line.starts_with("## ")).collect();
    for Row { method, path: route, scope, .. } in TABLE {
        if !route.starts_with("/v1/") || *scope == Scope::Device || *route == "/v1/enrol" {
            continue;
        }
        let route = route.replace("{conflict}", "{id}");
        ensure!(headings.contains(&format!("`{method} {route}`")), "no section on {method} {route}");
    }
    Ok(())
}
