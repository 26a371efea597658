//! Nepal's grid out and in again: nothing changes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::grid::real::folder;

/// What columns of a file mean, and which one a structure's line is not to be looked for in: it stands on it.
const NAMES: &str = "line=-";
/// The same of a shapefile, whose names have ten bytes.
const SHORT: &str = "id=external_i,structure_id=external_i,line=-";
/// The same of the headings that people read.
const HEADINGS: &str = "id=External id,structure_id=External id,name=Name,kind=Kind,structure_kind=Kind,\
    voltage=Voltage as given,owner=Owner,operator=Operator,number=Number as given,line=-";
/// The same of KML, which has a name of its own.
const KML: &str = "name=title,line=-";

async fn exported(server: &Server, to: &TempDir, layer: &str, format: &str) -> Result<PathBuf> {
    let path = to.path().join(format!("{layer}.{format}"));
    let out = path.display().to_string();
    let arguments = [
        "export", "--district", DISTRICT, "--layer", layer, "--format", format, "--headings", "en", "--out",
        &out,
    ];
    let (succeeded, made) = server.command(&arguments).await?;
    ensure!(succeeded && made["features"].as_u64() > Some(0), "{layer}.{format}: {made}");
    Ok(path)
}

/// GeoJSON of what no import reads; none where GDAL is not there.
async fn translated(path: &Path) -> Result<Option<PathBuf>> {
    let out = path.with_extension("geojson");
    let shown = path.display().to_string();
    let from = if path.extension().is_some_and(|ending| ending == "shp") {
        format!("/vsizip/{{{shown}}}")
    } else {
        shown
    };
    let mut command = Command::new("ogr2ogr");
    command.args(["-f", "GeoJSON", "-lco", "COORDINATE_PRECISION=12"]).arg(&out).arg(&from);
    let Ok(done) = command.stdin(Stdio::null()).output().await else {
        println!("skipped: ogr2ogr (Debian package gdal-bin) is not installed");
        return Ok(None);
    };
    ensure!(done.status.success(), "{from}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(Some(out))
}

async fn import(server: &Server, files: [&Path; 2], map: &str) -> Result<Value> {
    let [lines, structures] = files.map(|file| file.display().to_string());
    let arguments =
        ["import", "lines", &lines, "--structures", &structures, "--district", DISTRICT, "--map", map];
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
    for (format, map) in [
        ("geojson", NAMES),
        ("gpkg", NAMES),
        ("csv", HEADINGS),
        ("geojsonseq", NAMES),
        ("fgb", NAMES),
        ("shp", SHORT),
        ("kml", KML),
        ("kmz", KML),
    ] {
        let to = TempDir::new()?;
        let mut files = Vec::new();
        for layer in ["lines", "structures"] {
            let path = exported(&server, &to, layer, format).await?;
            let read = match format {
                "geojson" | "gpkg" | "csv" => Some(path),
                _ => translated(&path).await?,
            };
            files.extend(read);
        }
        let [lines, structures] = files.as_slice() else { continue };
        let again = import(&server, [lines, structures], map).await.with_context(|| format.to_owned())?;
        assert_eq!(again["version"], first["version"], "{format}: {again}");
        assert_eq!(again["has_changed"], json!(false), "{format}: {again}");
    }
    Ok(())
}
