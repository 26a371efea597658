//! Real grids: Nepal's lines with their towers, Liechtenstein's without voltages, against keys computed elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};

use super::{assert_changes, count};

/// The folder of a set, or none and a line that says so.
pub(crate) fn folder(set: &str) -> Option<PathBuf> {
    let given = std::env::var_os("FIREBREAK_REAL_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = given.unwrap_or_else(|| root.join("../shared/data")).join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    fixtures::skipped(&format!("the real lines {set} are not at {}", folder.display()));
    None
}

fn path(folder: &Path, file: &str) -> String {
    folder.join(file).display().to_string()
}

fn assumed(report: &Value) -> BTreeMap<String, u64> {
    let listed = report["assumptions"].as_array().into_iter().flatten();
    listed.filter_map(|it| Some((it["code"].as_str()?.to_owned(), it["lines"].as_u64()?))).collect()
}

/// Every line of the office's list, by external id.
async fn lines(server: &Server) -> Result<BTreeMap<String, Value>> {
    let office = server.client()?;
    let mut lines = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = office.json(&format!("/v1/grid/lines?limit=100{cursor}")).await?;
        for line in page["lines"].as_array().context("no lines")? {
            lines.insert(line["external_id"].as_str().context("no id")?.to_owned(), line.clone());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(lines),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_nepal_is_imported_with_its_towers_and_its_length() -> Result<()> {
    let Some(folder) = folder("nepal-osm-power") else { return Ok(()) };
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (file, towers) = (path(&folder, "lines.geojson"), path(&folder, "towers.csv"));
        let import = ["import", "lines", &file, "--structures", &towers, "--district", DISTRICT];
        let (succeeded, report) = server.command(&import).await?;
        ensure!(succeeded, "{report}");
        assert_changes(&report, [574, 0, 0, 0])?;
        assert_eq!((count(&report, "read")?, count(&report, "refused")?), (471 + 10_428, 0));
        assert_eq!((count(&report, "lines")?, count(&report, "structures_alone")?), (471, 103));
        let expected = BTreeMap::from(
            [
                ("voltage_between", 275_u64),
                ("voltage_highest", 2),
                ("voltage_implausible", 1),
                ("voltage_missing", 63),
            ]
            .map(|(code, lines)| (code.to_owned(), lines)),
        );
        assert_eq!(assumed(&report), expected, "{report}");
        let lines = lines(&server).await?;
        lengths_agree(&folder, &lines)?;
        on_lines(&server, &lines).await?;
        // A second import changes nothing.
        let (succeeded, again) = server.command(&import).await?;
        ensure!(succeeded, "{again}");
        assert_changes(&again, [0, 0, 0, 574])?;
        assert_eq!((&again["has_changed"], &again["version"]), (&json!(false), &report["version"]));
        server.check().await?;
    }
    Ok(())
}

fn lengths_agree(folder: &Path, lines: &BTreeMap<String, Value>) -> Result<()> {
    let key = std::fs::read_to_string(folder.join("expected_lengths.csv"))?;
    let mut compared = 0;
    let mut worst: f64 = 0.0;
    for row in key.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [id, _voltage, _vertices, length_m, _span] = cells.as_slice() else {
            anyhow::bail!("a row of the key: {row}");
        };
        let line = lines.get(*id).with_context(|| format!("line {id} is missing"))?;
        let length_mm: f64 = serde_json::from_value(line["length_mm"].clone())?;
        let length_m: f64 = length_m.parse()?;
        let off = (length_mm / 1_000.0 - length_m).abs() / length_m;
        worst = worst.max(off);
        ensure!(off <= 0.001, "line {id}: {length_mm} mm instead of {length_m} m");
        compared += 1;
    }
    println!("{compared} lengths agree; the worst is off by {worst:.2e}");
    ensure!(compared == 471);
    Ok(())
}

/// The towers that are on a line, each once.
async fn on_lines(server: &Server, lines: &BTreeMap<String, Value>) -> Result<()> {
    let office = server.client()?;
    let mut towers = std::collections::BTreeSet::new();
    for line in lines.values() {
        let record = line["record"].as_str().context("no record")?;
        let detail = office.json(&format!("/v1/grid/lines/{record}")).await?;
        let at = detail["at"].as_array().context("no structures")?;
        towers.extend(at.iter().filter_map(|it| it["external_id"].as_str().map(str::to_owned)));
        let spans = detail["spans"].as_array().context("no spans")?;
        ensure!(!spans.is_empty(), "{record} has no span");
    }
    assert_eq!(towers.len(), 10_325);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_without_a_voltage_are_imported_and_say_so() -> Result<()> {
    let Some(folder) = folder("liechtenstein-osm-power") else { return Ok(()) };
    let server = Server::start(Backend::Sqlite).await?;
    let (file, towers) = (path(&folder, "lines.geojson"), path(&folder, "towers.csv"));
    let (succeeded, report) = server.command(&["import", "lines", &file, &towers]).await?;
    ensure!(succeeded, "{report}");
    assert_eq!((count(&report, "lines")?, assumed(&report).get("voltage_missing")), (15, Some(&14)));
    let listed = lines(&server).await?;
    let kinds = listed.values().filter(|line| line["kind"] == "minor_line").count();
    let unknown = listed.values().filter(|line| line["class"].is_null()).count();
    assert_eq!((kinds, unknown), (4, 14));
    let missing = listed.values().find(|line| line["class"].is_null()).context("none is unknown")?;
    assert_eq!(missing["assumptions"][0]["zh"], json!("未填写电压等级"));
    println!("{} structures on lines, {} alone", report["structures"], report["structures_alone"]);
    Ok(())
}
