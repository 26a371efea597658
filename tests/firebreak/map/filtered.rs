//! A file that is asked for by a filter of the ledger's list has the hazards of the list, of every filter that there is.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use serde_json::{Value, json};
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use crate::derived::{import, line, position, send};

const DAY_MS: i64 = 86_400_000;

/// Hazards of which every filter names some and not all, and what the filters need.
struct Scene {
    office: Client,
    queries: Vec<String>,
}

impl Scene {
    async fn of(server: &Server) -> Result<Self> {
        let office = server.client()?;
        import(server, &line(1, "青杠一线", "110000", 29.98, 30)).await?;
        let mut phone = Phone::enrol(server).await?;
        let reports = reports(&mut phone);
        send(&mut phone, &reports).await?;
        let change = office.json("/v1/hazards?limit=1").await?["hazards"][0]["change"].clone();
        let change = change.as_u64().context("no change")?;
        let mut other = Phone::enrol(server).await?;
        odd(&mut phone, &mut other, &reports).await?;
        let unit = office.post("/v1/units", &json!({"name": "青山管护队", "kind": "responsible"})).await?;
        let unit = unit.json("unit")?["unit"].as_str().context("no unit")?.to_owned();
        let due_ms = lifecycle(&office, &reports, &unit).await?;
        let lines = office.json("/v1/grid/lines?limit=1").await?;
        let line = lines["lines"][0]["record"].as_str().context("no line")?.to_owned();
        let mut queries: Vec<String> = [
            "state=reported",
            "state=void",
            "open=true",
            "open=false",
            "severity=critical",
            "severity=serious",
            "severity=general",
            "severity=none",
            "provisional=true",
            "provisional=false",
            "conflict=true",
            "conflict=false",
            "missing=true",
            "missing=false",
            "counted=true",
            "counted=false",
            "category=corridor",
            "category=line_body,corridor",
            "category=none",
            "bbox=103.009,29.9,103.0102,30",
            "township=%E9%9D%92%E6%9D%A0%E9%95%87",
            "supervised=true",
            "supervised=false",
            "overdue=true",
            "overdue=false",
            "turn=unit",
            "turn=reviewer",
            "major=true",
            "major=false",
            "severity=general&open=true&missing=false",
        ]
        .map(str::to_owned)
        .into();
        let day = |ms: i64| -> Result<String> {
            let at = jiff::Timestamp::from_millisecond(ms)?.in_tz("Asia/Shanghai")?;
            Ok(at.date().to_string())
        };
        queries.extend([
            format!("found_from={}", day(MORNING_MS - DAY_MS)?),
            format!("found_to={}", day(MORNING_MS - DAY_MS)?),
            format!("line={line}"),
            format!("unit={unit}"),
            format!("due_before={due_ms}"),
            format!("since={change}"),
        ]);
        Ok(Self { office, queries })
    }

    /// The hazards of the list, and those of a file.
    async fn both(&self, query: &str) -> Result<[BTreeSet<String>; 2]> {
        let list = self.office.json(&format!("/v1/hazards?{query}&limit=500")).await?;
        let file = self.office.json(&format!("/v1/exports/hazards.geojson?{query}")).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let listed = list["hazards"].as_array().context("no list")?.iter();
        let filed = file["features"].as_array().context("no features")?.iter();
        Ok([
            listed.filter_map(|row| text(&row["id"])).collect(),
            filed.filter_map(|feature| text(&feature["properties"]["uuid"])).collect(),
        ])
    }
}

/// Reports beside the line and far from it, found on several days.
fn reports(phone: &mut Phone) -> Vec<Operation> {
    let severities =
        ["general", "serious", "critical", "general", "serious", "general", "critical", "general"];
    let mut reports = Vec::new();
    for (nth, severity) in (0_i64..).zip(severities) {
        let far = if nth == 7 { 5_000_000 } else { 0 };
        let at = position(299_801_000 + far, 1_030_050_000 + nth * 20_000, 50);
        let found_ms = MORNING_MS - nth * DAY_MS;
        let report = phone.report(severity).with("position", &at).with("found_at_ms", &found_ms);
        reports.push(match nth {
            0 => report.with("township", &"青杠镇").with("major", &true),
            1 => report.with("inspection", &RecordId(phone.id())),
            2 => report.with("category", &"line_body"),
            3 => {
                let mut report = report.with("category", &"forest_fire");
                // Found when it came: its deadline is not past.
                report.fields.remove("found_at_ms");
                report
            }
            5 => report.with("category", &"fire_sighting"),
            _ => report,
        });
    }
    if let Some(report) = reports.get_mut(4) {
        report.fields.remove("severity");
        report.fields.remove("category");
    }
    reports
}

/// A hazard with a conflict, one that lacks an operation, one whose report never comes.
async fn odd(phone: &mut Phone, other: &mut Phone, reports: &[Operation]) -> Result<()> {
    let report = reports.get(5).context("no report")?;
    let head = head_of(report);
    let mine = phone.on(report.record, Kind::Observed, [head]).with("township", &"白果镇");
    let theirs = other.on(report.record, Kind::Observed, [head]).with("township", &"松坪镇");
    let lacking = reports.get(6).context("no report")?;
    let unknown = Head([7; 16]);
    let lacking = phone.on(lacking.record, Kind::Observed, [unknown]).with("township", &"马鞍乡");
    let orphan = RecordId(phone.id());
    let orphan = phone.on(orphan, Kind::MadeSafe, [Head([8; 16])]).with("measures", &"警示围挡");
    send(phone, &[mine, lacking, orphan]).await?;
    send(other, &[theirs]).await
}

/// Grades, orders and voids; the deadline of the order, which is to come. Those of the others are long past.
async fn lifecycle(office: &Client, reports: &[Operation], unit: &str) -> Result<i64> {
    let record = |nth: usize| reports.get(nth).map(|report| report.record).context("no report");
    let deadline_ms = jiff::Timestamp::now().as_millisecond() + DAY_MS / 2;
    let path = format!("/v1/hazards/{}/commands", record(3)?);
    let grade = json!({"fields": {"severity": "general"}});
    office.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
    let order = json!({"fields": {"responsible_unit": "青山管护队", "responsible_unit_id": unit,
        "measures": "砍伐", "deadline_ms": deadline_ms}});
    office.post(&format!("{path}/order"), &order).await?.json("order")?;
    let void = json!({"fields": {"reason": "误报"}});
    office.post(&format!("/v1/hazards/{}/commands/void", record(2)?), &void).await?.json("void")?;
    Ok(deadline_ms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_the_hazards_of_the_list_by_every_filter_of_the_list() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let scene = Scene::of(&server).await?;
        let [all, filed] = scene.both("type=hazard").await?;
        assert_eq!(all, filed);
        for query in &scene.queries {
            let [listed, filed] = scene.both(query).await?;
            assert_eq!(filed, listed, "{backend:?} {query}");
            ensure!(
                !listed.is_empty() && listed.len() < all.len(),
                "{query} tells nothing apart: {listed:?}"
            );
        }
        // What no file has is refused in words.
        for query in ["type=patrol", "type=all", "since=yesterday", "since=%2B5"] {
            let refused = scene.office.get(&format!("/v1/exports/hazards.geojson?{query}")).await?;
            assert_eq!((refused.status, refused.code().as_deref()), (400, Some("bad-parameter")), "{query}");
        }
        for path in ["lines.geojson?missing=true", "works.csv?supervised=true", "lines.kml?since=7"] {
            let refused = scene.office.get(&format!("/v1/exports/{path}")).await?;
            assert_eq!((refused.status, refused.code().as_deref()), (400, Some("bad-parameter")), "{path}");
        }
        archives(&scene, &all).await?;
    }
    Ok(())
}

/// An archive of tiles takes filters too: it has the hazards themselves, from zoom 10 on.
async fn archives(scene: &Scene, all: &BTreeSet<String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let number = |row: &Value| row["number"].as_str().map(str::to_owned);
    for (nth, query) in ["severity=general", "missing=true"].into_iter().enumerate() {
        let list = scene.office.json(&format!("/v1/hazards?{query}&limit=500")).await?;
        let rows = list["hazards"].as_array().context("no list")?;
        let placed = rows.iter().filter(|row| !row["position"].is_null());
        let wanted: BTreeSet<String> = placed.filter_map(number).collect();
        ensure!(!wanted.is_empty() && wanted.len() < all.len(), "{query}");
        let reply = scene.office.get(&format!("/v1/exports/hazards.pmtiles?{query}")).await?;
        ensure!(reply.status == 200, "{query}: {}", reply.text());
        let path = folder.path().join(format!("{nth}.pmtiles"));
        std::fs::write(&path, &reply.body)?;
        let arguments = [path.display().to_string(), "number".to_owned()];
        let read = firebreak_tests::python::program("files.py", &arguments).await?;
        let found = read["hazards"]["columns"]["number"].as_array().context("no numbers")?;
        let found: BTreeSet<String> = found.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        assert_eq!(found, wanted, "{query}");
        ensure!(read.as_object().is_some_and(|layers| layers.len() == 1), "nothing is counted: {read}");
    }
    Ok(())
}
