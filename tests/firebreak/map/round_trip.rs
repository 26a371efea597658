//! Nepal's grid out and in again: nothing changes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::grid::real::folder;

/// Which column a structure's line is not to be looked for in: it stands on it.
const NAMES: &str = "line=-";
/// The same of a shapefile, whose names have ten bytes.
const SHORT: &str = "id=external_i,structure_id=external_i,line=-";
/// The same of KML, which has a name of its own.
const KML: &str = "name=title,line=-";

async fn exported(
    server: &Server,
    to: &TempDir,
    layer: &str,
    format: &str,
    more: &[&str],
) -> Result<PathBuf> {
    let ending = if format == "shp" { "shp.zip" } else { format };
    let path = to.path().join(format!("{layer}.{ending}"));
    let out = path.display().to_string();
    let arguments = ["export", "--district", DISTRICT, "--layer", layer, "--format", format, "--out", &out];
    let (succeeded, made) = server.command(&[&arguments, more].concat()).await?;
    ensure!(succeeded && made["features"].as_u64() > Some(0), "{layer}.{format}: {made}");
    Ok(path)
}

/// GeoJSON of what no import reads; none where GDAL is not there.
async fn translated(path: &Path) -> Result<Option<PathBuf>> {
    let out = path.with_extension("geojson");
    let shown = path.display().to_string();
    let from = if path.extension().is_some_and(|ending| ending == "zip") {
        format!("/vsizip/{{{shown}}}")
    } else {
        shown
    };
    let mut command = Command::new("ogr2ogr");
    command.args(["-f", "GeoJSON", "-lco", "COORDINATE_PRECISION=12"]).arg(&out).arg(&from);
    let Ok(done) = command.stdin(Stdio::null()).output().await else {
        fixtures::skipped("ogr2ogr (Debian package gdal-bin) is not installed");
        return Ok(None);
    };
    ensure!(done.status.success(), "{from}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(Some(out))
}

async fn import(server: &Server, files: [&Path; 2], map: Option<&str>) -> Result<Value> {
    let [lines, structures] = files.map(|file| file.display().to_string());
    let mut arguments = vec!["import", "lines", &lines, "--structures", &structures, "--district", DISTRICT];
    arguments.extend(map.map(|map| ["--map", map]).iter().flatten());
    let (succeeded, report) = server.command(&arguments).await?;
    ensure!(succeeded, "{report}");
    Ok(report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grid_of_nepal_comes_back_from_every_format_as_it_went() -> Result<()> {
    let Some(folder) = folder("nepal-osm-power") else { return Ok(()) };
    let server = Server::start(Backend::Sqlite).await?;
    let file = |name: &str| folder.join(name).display().to_string();
    let (lines, towers) = (file("lines.geojson"), file("towers.csv"));
    let first = ["import", "lines", &lines, "--structures", &towers, "--district", DISTRICT];
    let (succeeded, first) = server.command(&first).await?;
    ensure!(succeeded, "{first}");
    let (en, zh) = (["--headings", "en"], ["--headings", "zh"]);
    for (format, headings, map) in [
        ("geojson", en, None),
        ("geojson", zh, None),
        ("gpkg", en, None),
        ("gpkg", zh, None),
        ("csv", en, None),
        ("csv", zh, None),
        ("geojsonseq", en, Some(NAMES)),
        ("fgb", en, Some(NAMES)),
        ("shp", en, Some(SHORT)),
        ("kml", en, Some(KML)),
        ("kmz", en, Some(KML)),
    ] {
        let to = TempDir::new()?;
        let mut files = Vec::new();
        for layer in ["lines", "structures"] {
            let path = exported(&server, &to, layer, format, &headings).await?;
            let read = match format {
                "geojson" | "gpkg" | "csv" => Some(path),
                _ => translated(&path).await?,
            };
            files.extend(read);
        }
        let [lines, structures] = files.as_slice() else { continue };
        let again = import(&server, [lines, structures], map).await.with_context(|| format.to_owned())?;
        let which = format!("{format} {headings:?}");
        assert_eq!(again["version"], first["version"], "{which}: {again}");
        assert_eq!(again["has_changed"], json!(false), "{which}: {again}");
    }
    Ok(())
}

/// Lines as an office keeps them: kilovolts without a unit, names that a spreadsheet would compute, two that cross.
const LINES: &str = "线路编号,线路名称,电压等级,线路性质,产权单位,wkt
L1,青杠线,10,配电,供电所,\"LINESTRING (103.01 29.98, 103.02 29.98, 103.03 29.98)\"
L2,=青岗线,35kV,,,\"LINESTRING (103.02 29.97, 103.02 29.98, 103.02 29.99)\"
L3,-3号线,,,,\"LINESTRING (103.05 29.97, 103.06 29.97)\"
L4,电缆线,220,电缆,,\"LINESTRING (103.05 29.95, 103.06 29.95)\"
";
/// Their structures, without ids: one of each line stands at the crossing.
const STRUCTURES: &str = "线路名称,杆号,杆塔类型,经度,纬度
青杠线,+1,铁塔,103.01,29.98
青杠线,+2,,103.02,29.98
青杠线,+3,,103.03,29.98
=青岗线,N1,,103.02,29.97
=青岗线,N2,,103.02,29.98
";

/// A server with the grid of an office, and what importing it came to.
async fn with_office_grid(to: &TempDir) -> Result<(Server, Value)> {
    let server = Server::start(Backend::Sqlite).await?;
    let (lines, structures) = (to.path().join("office.csv"), to.path().join("structures.csv"));
    std::fs::write(&lines, LINES)?;
    std::fs::write(&structures, STRUCTURES)?;
    let first = import(&server, [&lines, &structures], None).await?;
    ensure!(first["lines"] == 4 && first["structures"] == 5, "{first}");
    Ok((server, first))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grid_of_an_office_comes_back_under_each_headings_as_it_went() -> Result<()> {
    let to = TempDir::new()?;
    let (server, first) = with_office_grid(&to).await?;
    for format in ["csv", "geojson", "gpkg"] {
        for more in [&["--headings", "zh"][..], &["--headings", "en"], &[]] {
            let lines = exported(&server, &to, "lines", format, more).await?;
            let structures = exported(&server, &to, "structures", format, more).await?;
            let again = import(&server, [&lines, &structures], None).await?;
            assert_eq!(again["version"], first["version"], "{format} {more:?}: {again}");
            assert_eq!(again["has_changed"], json!(false), "{format} {more:?}: {again}");
        }
    }
    Ok(())
}

/// Positions of lines, degrees.
async fn positions(server: &Server, to: &TempDir) -> Result<Vec<f64>> {
    let path = exported(server, to, "lines", "geojson", &[]).await?;
    let lines: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let features = lines["features"].as_array().context("no features")?;
    let lines = features.iter().filter_map(|feature| feature["geometry"]["coordinates"].as_array());
    let numbers = lines.flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_f64);
    Ok(numbers.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_says_its_datum_comes_back_in_it_and_the_report_says_so() -> Result<()> {
    for format in ["csv", "geojson", "gpkg"] {
        let to = TempDir::new()?;
        let (server, _) = with_office_grid(&to).await?;
        let before = positions(&server, &to).await?;
        let there = TempDir::new()?;
        let datum = ["--datum", "gcj02"];
        let lines = exported(&server, &there, "lines", format, &datum).await?;
        let structures = exported(&server, &there, "structures", format, &datum).await?;
        let again = import(&server, [&lines, &structures], None).await?;
        let assumed = again["assumptions"].as_array().context("no assumptions")?;
        let of_file: Vec<&Value> = assumed.iter().filter(|it| it["code"] == "datum_of_file").collect();
        assert_eq!(of_file.len(), 2, "{format}: {again}");
        assert_eq!(of_file[0]["examples"], json!(["gcj02"]), "{format}: {again}");
        assert_eq!((&again["structures"], &again["added"]), (&json!(5), &json!(0)), "{format}: {again}");
        let after = positions(&server, &to).await?;
        // Two steps of what the ledger keeps: 22 mm. The datums lie 400 m apart.
        let is_near = before.iter().zip(&after).all(|(one, other)| (one - other).abs() <= 2.1e-7);
        ensure!(before.len() == after.len() && is_near, "{format}: {before:?} {after:?}");
    }
    Ok(())
}
