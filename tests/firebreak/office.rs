//! What the office reads and decides, against the real server on both databases: pages, filters, the map, one
//! record, conflicts, quarantine, devices, the browser's pages.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

fn rows<'a>(page: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    page.get(key).and_then(Value::as_array).with_context(|| format!("no {key} in {page}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Every row of a list, page by page.
async fn all(office: &Client, path: &str, key: &str, limit: usize) -> Result<Vec<Value>> {
    after(office, path, key, limit, None).await
}

/// Every row of a list after a cursor, page by page.
async fn after(
    office: &Client,
    path: &str,
    key: &str,
    limit: usize,
    mut next: Option<String>,
) -> Result<Vec<Value>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut found = Vec::new();
    loop {
        let cursor = next.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = office.json(&format!("{path}{joint}limit={limit}{cursor}")).await?;
        let read = rows(&page, key)?;
        ensure!(read.len() <= limit, "a page of {} rows", read.len());
        found.extend(read.iter().cloned());
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

async fn send(phone: &mut Phone, operations: &[Operation]) -> Result<()> {
    let bundle = phone.seal(operations);
    let reply = phone.sync(&[bundle]).await?;
    ensure!(reply.status == 200 && reply.receipts().len() == 1, "{} {:?}", reply.status, reply.error());
    Ok(())
}

/// Two inspectors who did not know of each other say two things about one field of a new hazard.
async fn contend(one: &mut Phone, other: &mut Phone) -> Result<(Operation, Operation, Operation)> {
    let report = one.report("general").with("township", &"青杠镇");
    send(one, std::slice::from_ref(&report)).await?;
    let head = head_of(&report);
    let mine = one.on(report.record, Kind::Observed, [head]).with("township", &"白果镇");
    let theirs = other.on(report.record, Kind::Observed, [head]).with("township", &"松坪镇");
    send(one, std::slice::from_ref(&mine)).await?;
    send(other, std::slice::from_ref(&theirs)).await?;
    Ok((report, mine, theirs))
}

#[tokio::test]
async fn pages_of_hazards_never_skip_or_repeat_and_come_worst_first() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let bundle = phone.reports(131);
        phone.sync(&[bundle]).await?;
        let whole = all(&office, "/v1/hazards", "hazards", 500).await?;
        assert_eq!(whole.len(), 131);
        let order: Vec<(u8, u64)> = whole
            .iter()
            .map(|row| {
                let rank =
                    ["critical", "serious", "general"].iter().position(|s| *s == text(row, "severity"));
                (
                    u8::try_from(rank.unwrap_or(9)).unwrap_or(9),
                    row.get("change").and_then(Value::as_u64).unwrap_or(0),
                )
            })
            .collect();
        assert!(order.is_sorted(), "{order:?}");
        for limit in [1, 7, 100, 131] {
            assert_eq!(all(&office, "/v1/hazards", "hazards", limit).await?, whole, "pages of {limit}");
        }
        let numbers: BTreeSet<&str> = whole.iter().map(|row| text(row, "number")).collect();
        assert_eq!(numbers.len(), 131);
        assert!(
            numbers.iter().all(|number| number.starts_with("test-20") && number.len() == 16),
            "{numbers:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_list_read_while_hazards_change_skips_none() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let reports: Vec<Operation> = (0..9).map(|_| phone.report("general")).collect();
        send(&mut phone, &reports).await?;
        let first = office.json("/v1/hazards?limit=4").await?;
        // The last becomes critical: it moves to before what was read already.
        let last = reports.last().context("no report")?;
        let worse = phone.on(last.record, Kind::Observed, [head_of(last)]).with("severity", &"critical");
        send(&mut phone, &[worse]).await?;
        let next = Some(text(&first, "next").to_owned());
        let rest = after(&office, "/v1/hazards", "hazards", 4, next).await?;
        let seen: Vec<String> =
            rows(&first, "hazards")?.iter().chain(&rest).map(|row| text(row, "id").to_owned()).collect();
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), 9, "{backend:?}: {seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn filters_keep_what_they_say_and_refuse_what_they_do_not_know() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let bundle = phone.reports(9);
        phone.sync(&[bundle]).await?;
        let reports = all(&office, "/v1/hazards", "hazards", 500).await?;
        let newest = reports.iter().filter_map(|row| row.get("change")?.as_u64()).max().unwrap_or(0);
        let void = text(&reports[0], "id").to_owned();
        let act = json!({"kind": "void", "fields": {"reason": "不属实"}});
        ensure!(office.post(&format!("/v1/hazards/{void}/acts"), &act).await?.status == 200);
        let id = phone.id();
        let mut unknown = phone.on(id.into(), Kind::Rectified, []);
        unknown = unknown.with("measures", &"已清理");
        send(&mut phone, &[unknown]).await?;
        let patrol = phone.id();
        let mut started = phone.on(patrol.into(), Kind::PatrolStarted, []);
        started.id = patrol.into();
        send(&mut phone, &[started.with("line_name", &"10kV青松线")]).await?;
        for (query, expected) in [
            ("", 10),
            ("?type=all", 11),
            ("?type=patrol", 1),
            ("?type=work", 0),
            ("?state=void", 1),
            ("?open=false", 1),
            ("?open=true", 9),
            ("?severity=critical", 3),
            ("?severity=critical&open=true", 2),
            ("?severity=none", 1),
            ("?provisional=true", 1),
            ("?provisional=false", 9),
            ("?conflict=true", 0),
            ("?bbox=103,29.9,104,30", 9),
            ("?bbox=103,29.9,103.01,30", 9),
            ("?bbox=103,29.9,103.0099999,30", 0),
            ("?bbox=100,20,101,21", 0),
            (&format!("?since={newest}"), 2),
        ] {
            let found = all(&office, &format!("/v1/hazards{query}"), "hazards", 500).await?;
            assert_eq!(found.len(), expected, "{backend:?} {query}");
        }
        for query in [
            "?state=gone", "?open=yes", "?severity=other", "?type=x", "?bbox=1,2,3", "?bbox=1,95,2,96",
            "?since=-1", "?limit=0", "?limit=501", "?limit=x", "?sort=number", "?open=true&open=true",
        ] {
            let reply = office.get(&format!("/v1/hazards{query}")).await?;
            assert_eq!((reply.status, reply.code().as_deref()), (400, Some("bad-parameter")), "{query}");
        }
        let reply = office.get("/v1/hazards?cursor=AAAA").await?;
        assert_eq!(reply.code().as_deref(), Some("cursor-invalid"));
    }
    Ok(())
}

#[tokio::test]
async fn the_map_has_every_hazard_once_in_longitude_and_latitude() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        for _ in 0..2 {
            let bundle = phone.reports(600);
            phone.sync(&[bundle]).await?;
        }
        let mut placeless = phone.report("serious");
        placeless.fields.remove("position");
        send(&mut phone, &[placeless]).await?;
        let map = office.json("/v1/hazards.geojson").await?;
        assert_eq!(text(&map, "type"), "FeatureCollection");
        let features = rows(&map, "features")?;
        let ids: BTreeSet<&str> = features.iter().map(|feature| text(feature, "id")).collect();
        assert_eq!((features.len(), ids.len()), (1_201, 1_201));
        let without: Vec<_> = features.iter().filter(|feature| feature["geometry"].is_null()).collect();
        assert_eq!(without.len(), 1);
        let point = features.iter().find(|feature| !feature["geometry"].is_null()).context("no point")?;
        assert_eq!(point["geometry"]["type"], "Point");
        let (lon, lat) = (&point["geometry"]["coordinates"][0], &point["geometry"]["coordinates"][1]);
        assert!(lon.as_f64().is_some_and(|lon| (103.0..104.0).contains(&lon)), "{point}");
        assert!(lat.as_f64().is_some_and(|lat| (29.9..30.9).contains(&lat)), "{point}");
        assert_eq!(rows(&office.json("/v1/hazards.geojson?severity=general").await?, "features")?.len(), 400);
    }
    Ok(())
}

#[tokio::test]
async fn a_conflict_is_listed_settled_once_and_opened_again_by_a_later_value() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let (report, mine, theirs) = contend(&mut one, &mut other).await?;
        let listed = office.json("/v1/conflicts").await?;
        let conflict = &rows(&listed, "conflicts")?[0];
        assert_eq!(text(conflict, "id"), format!("{}.township.values", report.record));
        assert_eq!(conflict["base"], "青杠镇");
        let values: BTreeSet<&str> =
            rows(conflict, "values")?.iter().map(|side| text(side, "value")).collect();
        assert_eq!(values, BTreeSet::from(["白果镇", "松坪镇"]));
        let path = format!("/v1/conflicts/{}/resolve", text(conflict, "id"));
        for wrong in
            [json!({}), json!({"value": 7}), json!({"act": "closed"}), json!({"value": "a", "act": "void"})]
        {
            assert_eq!(office.post(&path, &wrong).await?.code().as_deref(), Some("bad-parameter"), "{wrong}");
        }
        let stale = json!({"value": "白果镇", "heads": [head_of(&report).to_string()]});
        assert_eq!(office.post(&path, &stale).await?.code().as_deref(), Some("conflict-closed"));
        let settled =
            office.post(&path, &json!({"value": "白果镇", "heads": conflict["heads"]})).await?.json(&path)?;
        assert_eq!(settled["open"], false);
        assert!(rows(&office.json("/v1/conflicts").await?, "conflicts")?.is_empty());
        let again = office.post(&path, &json!({"value": "白果镇"})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("conflict-closed")));
        // A later value by someone who did not know of the decision.
        let late = other.on(report.record, Kind::Corrected, [head_of(&theirs)]).with("township", &"马鞍乡");
        send(&mut other, &[late]).await?;
        assert_eq!(rows(&office.json("/v1/conflicts").await?, "conflicts")?.len(), 1);
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        let field = rows(&record, "fields")?.iter().find(|field| text(field, "name") == "township");
        let values = rows(field.context("no township")?, "values")?;
        assert_eq!(
            values.len(),
            5,
            "report, two observations, the decision, the late correction: {values:?}"
        );
        assert!(
            values.iter().any(|value| text(value, "value") == "青杠镇" && text(value, "why") == "replaced")
        );
        // Restored in one step.
        let restore = json!({"operation": head_of(&mine).to_string(), "field": "township"});
        let path = format!("/v1/hazards/{}/restore", report.record);
        office.post(&path, &restore).await?.json(&path)?;
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        let field = rows(&record, "fields")?.iter().find(|field| text(field, "name") == "township");
        assert_eq!(field.context("no township")?["value"], "白果镇");
        assert!(rows(&record, "conflicts")?.is_empty());
        let absent = json!({"operation": head_of(&mine).to_string(), "field": "county"});
        assert_eq!(office.post(&path, &absent).await?.code().as_deref(), Some("bad-parameter"));
        server.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_dispute_is_settled_by_an_act_of_the_office() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = one.report("serious");
        send(&mut one, std::slice::from_ref(&report)).await?;
        let cure = one.on(report.record, Kind::Rectified, [head_of(&report)]);
        let danger = other.on(report.record, Kind::Observed, [head_of(&report)]);
        send(&mut one, &[cure]).await?;
        send(&mut other, &[danger]).await?;
        let conflicts = office.json("/v1/conflicts").await?;
        let id = text(&rows(&conflicts, "conflicts")?[0], "id").to_owned();
        assert_eq!(id, format!("{}.lifecycle.disputed", report.record));
        let path = format!("/v1/conflicts/{id}/resolve");
        for wrong in [json!({"value": 1}), json!({"act": "verified"}), json!({"act": "released"})] {
            assert_eq!(office.post(&path, &wrong).await?.code().as_deref(), Some("bad-parameter"), "{wrong}");
        }
        let act = json!({"act": "reopened", "fields": {"reason": "现场复核仍有隐患"}});
        assert_eq!(office.post(&path, &act).await?.json(&path)?["open"], false);
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(text(&record, "state"), "rectifying");
        assert_eq!(rows(&record, "operations")?.len(), 4);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_released_operation_takes_effect_and_is_released_once() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let report = phone.report("general");
        let wrong = phone
            .on(report.record, Kind::Observed, [head_of(&report)])
            .with("township", &"青杠镇")
            .with("tree_height_dm", &-5);
        send(&mut phone, &[report.clone(), wrong]).await?;
        let whole = vec![0xff; 30];
        let bundle = phone.seal_bytes(vec![whole]);
        phone.sync(&[bundle]).await?;
        let listed = all(&office, "/v1/quarantine?released=false", "quarantine", 1).await?;
        let codes: BTreeMap<&str, &Value> = listed.iter().map(|item| (text(item, "code"), item)).collect();
        assert_eq!(listed.len(), 2, "{listed:?}");
        let item = codes.get("field-range").context("no field-range")?;
        assert_eq!(text(item, "at"), "tree_height_dm");
        assert!(text(item, "diagnostic").contains("青杠镇"));
        let path = format!("/v1/quarantine/{}", text(item, "identity"));
        assert_eq!(office.json(&path).await?["bytes"], item["bytes"]);
        let release = format!("{path}/release");
        office.post(&release, &json!({})).await?.json(&release)?;
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(text(&record, "township"), "青杠镇");
        let again = office.post(&release, &json!({})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("not-releasable")));
        let broken = listed.iter().find(|item| text(item, "code") != "field-range").context("one item")?;
        let path = format!("/v1/quarantine/{}/release", text(broken, "identity"));
        assert_eq!(office.post(&path, &json!({})).await?.code().as_deref(), Some("not-releasable"));
        let path = format!("/v1/quarantine/{}/release", "00".repeat(32));
        assert_eq!(office.post(&path, &json!({})).await?.status, 404);
        assert_eq!(all(&office, "/v1/quarantine?released=true", "quarantine", 9).await?.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_device_that_left_a_gap_is_listed_with_what_it_owes() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let first = phone.reports(2);
        let lost = phone.reports(3);
        let third = phone.reports(1);
        phone.sync(&[first, third]).await?;
        let devices = all(&office, "/v1/devices", "devices", 1).await?;
        assert_eq!(devices.len(), 1, "the server's own device is hidden");
        assert_eq!(devices[0]["outstanding"], json!([[3, 5]]));
        assert_eq!((&devices[0]["received_through"], &devices[0]["whole_through"]), (&json!(6), &json!(2)));
        phone.sync(&[lost]).await?;
        assert_eq!(office.json("/v1/devices").await?["devices"][0]["outstanding"], json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn the_pages_show_what_they_must_and_escape_what_people_write() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    contend(&mut one, &mut other).await?;
    let evil =
        one.report("critical").with("description", &"<script>alert(1)</script>").with("township", &"<b>&");
    send(&mut one, std::slice::from_ref(&evil)).await?;
    let start = office.get("/").await?;
    assert_eq!(start.status, 200);
    let start = start.text();
    for wanted in [
        "lang=\"zh-CN\"",
        "测试林区",
        "最紧急的隐患",
        "待裁定的冲突",
        "超过 24 小时未联系的设备",
        "白果镇",
        "松坪镇",
        &format!("/hazards/{}", evil.record),
        "&lt;b&gt;&amp;",
    ] {
        assert!(start.contains(wanted), "the page lacks {wanted}");
    }
    let record = office.get(&format!("/hazards/{}", evil.record)).await?.text();
    assert!(record.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for path in ["/", "/hazards", "/conflicts", "/devices", "/quarantine"] {
        let page = office.get(path).await?;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text().contains("<script"), "{path}");
        assert!(!page.text().contains("<b>&"), "{path}");
    }
    assert!(!record.contains("<script"));
    let stranger = office.with_token("nobody").get("/").await?;
    assert_eq!(stranger.status, 401);
    assert!(stranger.text().contains("name=\"token\"") && !stranger.text().contains("白果镇"));
    Ok(())
}

/// The routes and who may call them: no token, device, inspector, reviewer, clerk, leader, admin.
///
/// A call that is let in may still fail for want of a thing to act on: only 401 and 403 count as kept out.
const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/", "---rcla"),
    ("GET", "/hazards", "---rcla"),
    ("GET", "/hazards/{record}", "---rcla"),
    ("GET", "/conflicts", "---rcla"),
    ("GET", "/devices", "---rcla"),
    ("GET", "/quarantine", "---rcla"),
    ("GET", "/login", "ndircla"),
    ("POST", "/login", "ndircla"),
    ("POST", "/logout", "ndircla"),
    ("GET", "/style.css", "ndircla"),
    ("GET", "/v1/hazards", "---rcla"),
    ("GET", "/v1/hazards.geojson", "---rcla"),
    ("GET", "/v1/hazards/{record}", "---rcla"),
    ("POST", "/v1/hazards/{record}/restore", "---r-la"),
    ("POST", "/v1/hazards/{record}/acts", "---rcla"),
    ("GET", "/v1/conflicts", "---rcla"),
    ("POST", "/v1/conflicts/{conflict}/resolve", "---r-la"),
    ("GET", "/v1/quarantine", "---rcla"),
    ("GET", "/v1/quarantine/{operation}", "---rcla"),
    ("POST", "/v1/quarantine/{operation}/release", "---r-la"),
    ("POST", "/v1/quarantine/{operation}/write-off", "---r-la"),
    ("GET", "/v1/devices", "---rcla"),
    ("POST", "/v1/devices/{device}/revoke", "-----la"),
    ("POST", "/v1/devices/{device}/lose", "-----la"),
    ("POST", "/v1/people", "-----la"),
    ("PUT", "/v1/people/{person}/area", "-----la"),
    ("POST", "/v1/enrol-codes", "-----la"),
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
        "/v1/hazards/{record}/acts" => json!({"kind": "void", "fields": {}}),
        "/v1/conflicts/{conflict}/resolve" => json!({"value": "x"}),
        "/v1/people" => json!({"name": "测试员", "role": "inspector"}),
        "/v1/people/{person}/area" => json!({"boxes": []}),
        "/v1/quarantine/{operation}/write-off" => json!({"reason": "无法辨认"}),
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
            .replace("{conflict}", &format!("{}.township.values", uuid::Uuid::nil()))
            .replace("{operation}", &"00".repeat(32))
            .replace("{device}", &uuid::Uuid::nil().to_string())
            .replace("{person}", &uuid::Uuid::nil().to_string())
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
    for line in source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, handlers) = line.split_once("\", ").context("a route on several lines")?;
        for method in ["get", "post", "put", "delete", "patch"] {
            if handlers.starts_with(&format!("{method}(")) || handlers.contains(&format!(").{method}(")) {
                routes.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    assert_eq!(routes, known);
    Ok(())
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let client = Client::new(&server.url, "")?;
    let own = server.url.clone();
    for (headers, status) in [
        (vec![("origin", "https://elsewhere.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 303),
        (vec![("origin", own.as_str())], 303),
        (vec![], 303),
    ] {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(&headers);
        let form = format!("token={}", server.token).into_bytes();
        let reply = client.post_bytes("/login", form, &all).await?;
        ensure!(reply.status == status, "{headers:?}: {}", reply.status);
        let reply = client.post_bytes("/logout", Vec::new(), &all).await?;
        ensure!(reply.status == status, "sign-out, {headers:?}: {}", reply.status);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_of_a_conflict_is_no_longer_than_a_name() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let report = phone.report("general");
        // More heads than an operation names: then acts of the office do not all see each other.
        let mut operations = vec![report.clone()];
        for _ in 0..500 {
            operations.push(phone.on(report.record, Kind::Commented, []).with("text", &"已阅"));
        }
        send(&mut phone, &operations).await?;
        // Long, and no compression makes it short enough for an index.
        let noise: Vec<u8> = (0..1_950_u64).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[5]).collect();
        let field = hex::encode(noise);
        let settlings: Vec<Operation> = (0..6)
            .map(|value: u64| {
                let settling = phone.on(report.record, Kind::Resolved, [head_of(&report)]);
                settling.with("field", &field).with("value", &value)
            })
            .collect();
        send(&mut phone, &settlings).await?;
        for settling in &settlings {
            let identity = sync_protocol::ids::Identity::of(&settling.encode());
            let reply = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
            ensure!(
                reply.status == 200 || reply.status == 409,
                "{backend:?}: {} {}",
                reply.status,
                reply.text()
            );
        }
        let conflicts = office.json("/v1/conflicts").await?;
        let subjects = rows(&conflicts, "conflicts")?;
        ensure!(subjects.iter().all(|row| text(row, "subject").len() <= 64), "{conflicts}");
        server.check().await?;
    }
    Ok(())
}
