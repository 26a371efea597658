//! Work reports against the real server on both databases: what the office enters, what is counted of it, what is issued.
//! Here is what they share: a line to walk, a month in which something of everything happens.

mod document;
mod entry;
mod issued;
mod later;
mod queries;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{MORNING_MS, Phone};
use firebreak_tests::server::{DISTRICT, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// The month of [`MORNING_MS`].
const NOVEMBER: &str = "from=2026-11-01&to=2026-11-30";
/// The name of the line.
const LINE: &str = "10kV 青杠线";
/// Longitude of its first pole, degrees × 1e7; it runs due east.
const WEST_E7: i64 = 1_030_000_000;
/// Latitude of the line, degrees × 1e7.
const LATITUDE_E7: i64 = 300_000_000;
/// From pole to pole, degrees × 1e7: 482.5 m.
const SPAN_E7: i64 = 50_000;
/// Poles of the line.
const POLES: i64 = 7;

/// Degrees × 1e7 as decimal degrees.
fn degrees(e7: i64) -> String {
    format!("{}.{:07}", e7 / 10_000_000, e7 % 10_000_000)
}

/// Imports a straight line of seven poles.
async fn import_line(server: &Server) -> Result<()> {
    let at = |pole: i64| format!("[{},{}]", degrees(WEST_E7 + pole * SPAN_E7), degrees(LATITUDE_E7));
    let line: Vec<String> = (0..POLES).map(at).collect();
    let mut features = vec![format!(
        r#"{{"type":"Feature","id":"way/1","properties":{{"power":"line","name":"{LINE}","voltage":"10000"}},"geometry":{{"type":"LineString","coordinates":[{}]}}}}"#,
        line.join(",")
    )];
    for pole in 0..POLES {
        features.push(format!(
            r#"{{"type":"Feature","id":"node/{pole}","properties":{{"power":"pole","ref":"N{:03}"}},"geometry":{{"type":"Point","coordinates":{}}}}}"#,
            pole + 1,
            at(pole)
        ));
    }
    let folder = TempDir::with_prefix("firebreak-grid")?;
    let file = folder.path().join("grid.geojson");
    std::fs::write(&file, format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(",")))?;
    let file = file.to_str().context("path")?;
    let (done, said) = server.command(&["import", "lines", file, "--district", DISTRICT]).await?;
    ensure!(done, "{said}");
    Ok(())
}

/// A walk along the line between two fractions of its poles, a fix every 48 m and every minute.
fn gpx(from_pole: i64, to_pole: i64, started_minute: i64) -> String {
    let step = SPAN_E7 / 10;
    let point = |nth: i64| {
        let minute = started_minute + nth;
        let time = format!("2026-11-02T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60);
        let (lat, lon) = (degrees(LATITUDE_E7 + 200), degrees(WEST_E7 + from_pole * SPAN_E7 + nth * step));
        format!(r#"<trkpt lat="{lat}" lon="{lon}"><time>{time}</time></trkpt>"#)
    };
    let points = (0..=(to_pole - from_pole) * 10).map(point).collect::<Vec<_>>().concat();
    format!(
        r#"<?xml version="1.0"?><gpx version="1.1" creator="test"><trk><trkseg>{points}</trkseg></trk></gpx>"#
    )
}

/// Posts an entry of the office; its record.
async fn enter(office: &Client, path: &str, fields: Value) -> Result<String> {
    let reply = office.post(path, &json!({"fields": fields})).await?.json(path)?;
    Ok(reply.get("id").and_then(Value::as_str).context("no id")?.to_owned())
}

/// A month: two hazards by phone and one by an inspection, two patrols over the same spans, works of every type.
async fn month(server: &Server, phone: &mut Phone) -> Result<Vec<String>> {
    let office = server.client()?;
    let on_line = |phone: &mut Phone, category: &str, kind: &str| {
        let position = json!({"lat_e7": LATITUDE_E7 + 100, "lon_e7": WEST_E7 + 12_000, "accuracy_dm": 40});
        let raw = firebreak::sync::json::to_raw("position", &position).context("position")?;
        let mut report = phone
            .report("general")
            .with("category", &category)
            .with("type", &kind)
            .with("found_at_ms", &MORNING_MS)
            .with("township", &"青杠镇");
        report.fields.insert("position".to_owned(), raw);
        anyhow::Ok(report)
    };
    let reports = [on_line(phone, "corridor", "tree")?, on_line(phone, "line_body", "insulator")?];
    let bundle = phone.seal(&reports);
    ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1, "the reports were not taken");
    let day = MORNING_MS;
    let inspection =
        enter(&office, "/v1/inspections", json!({"unit": "供电所", "findings": 1, "completed_at_ms": day}))
            .await?;
    let finding = enter(
        &office,
        "/v1/hazards",
        json!({"category": "forest_fire", "type": "smoking", "township": "白果镇", "found_at_ms": day, "inspection": inspection,
               "position": {"lat_e7": 301_000_000, "lon_e7": 1_031_000_000}}),
    )
    .await?;
    for (from, to, minute) in [(0, 4, 0), (2, 6, 60)] {
        let person = server.add_person("inspector").await?;
        let body = gpx(from, to, minute).into_bytes();
        let reply = office.post_bytes(&format!("/v1/patrols?person={person}"), body, &[]).await?;
        ensure!(reply.status == 200, "{}", reply.text());
    }
    let stretch = |kind: &str, from: &str, to: &str| json!({"work_type": kind, "line_name": LINE, "structure_from": from, "structure_to": to, "completed_at_ms": day});
    for work in [
        stretch("corridor_felling", "N001", "N003"),
        stretch("corridor_felling", "N002", "N004"),
        stretch("fuel_clearance", "N001", "N002"),
        json!({"work_type": "covered_conversion", "project": "一期", "length_dm": 5_000, "completed_at_ms": day}),
        json!({"work_type": "selection_set", "quantity": 2, "completed_at_ms": day}),
        json!({"work_type": "pole_breaker", "quantity": 3, "completed_at_ms": day}),
        json!({"work_type": "relocation_power", "completed_at_ms": day}),
        json!({"work_type": "relocation_telecom", "quantity": 2, "completed_at_ms": day}),
        json!({"work_type": "relocation_gas", "completed_at_ms": day}),
        json!({"work_type": "grid_upgrade", "project": "农网", "funds_fen": 123_450_000, "completed_at_ms": day}),
        json!({"work_type": "substation", "voltage": "110kV", "completed_at_ms": day}),
        json!({"work_type": "substation", "voltage": "35kV", "completed_at_ms": day}),
    ] {
        enter(&office, "/v1/works", work).await?;
    }
    enter(
        &office,
        "/v1/activities",
        json!({"activity_type": "宣传", "sessions": 2, "people": 300, "material": 500, "households": 40, "completed_at_ms": day}),
    )
    .await?;
    Ok(reports.iter().map(|report| report.record.to_string()).chain([finding]).collect())
}

/// The draft of the month.
async fn draft(office: &Client) -> Result<Value> {
    office.json(&format!("/v1/reports/work?{NOVEMBER}")).await
}

/// A figure of a report.
fn figure(report: &Value, key: &str) -> Result<i64> {
    let figures = report.get("figures").and_then(Value::as_array).context("no figures")?;
    let found = figures.iter().find(|figure| figure.get("key").is_some_and(|found| found == key));
    found.and_then(|figure| figure.get("value")?.as_i64()).with_context(|| format!("no {key}"))
}

/// A record that nothing else has.
fn fresh_id() -> Uuid {
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_793_577_600, 0))
}
