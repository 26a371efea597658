//! `export_geojson`, `export_fgb`: 100,000 hazards written by `firebreak export`, against `ogr2ogr` from a GeoPackage of the
//! same; `export_gpkg`: against `ogr2ogr` from GeoJSON. What a server holds while it writes a million is in
//! [`crate::million`].
//!
//! Both sides are whole processes that read and write files on the same disk. The hazards stand in the map's table before
//! the clock starts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use firebreak_tests::map;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use tempfile::TempDir;
use tokio::process::Command;

use crate::figure::{Figures, quantile};

/// Hazards of a race.
const RACED: u32 = 100_000;
/// Runs of each side, in turn; the middle one counts.
const RUNS: usize = 3;

/// Measures on SQLite.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    if Command::new("ogr2ogr").arg("--version").output().await.is_err() {
        Figures::say("skipped: ogr2ogr (Debian package gdal-bin) is not installed");
        return Ok(());
    }
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    // What is derived is current: nothing is derived anew while the clock runs.
    engine.follow_until_current(&district).await?;
    let mut dice = Dice::named(7, "exports");
    let rows = (1..=RACED).map(|number| map::full(&mut dice, number.into()));
    map::fill(&engine, &district, rows).await?;
    engine.store.close().await;
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name);
    let (package, json) = (path("from.gpkg"), path("from.geojson"));
    ours(&server, "gpkg", &package).await?;
    ours(&server, "geojson", &json).await?;
    for (format, driver, from) in
        [("geojson", "GeoJSON", &package), ("fgb", "FlatGeobuf", &package), ("gpkg", "GPKG", &json)]
    {
        Figures::say(&format!("export_{format}"));
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            mine.push(ours(&server, format, &path(&format!("ours{run}.{format}"))).await?);
            theirs.push(ogr2ogr(driver, from, &path(&format!("theirs{run}.{format}"))).await?);
        }
        let (mine, theirs) =
            (quantile(&mut mine, 500).as_secs_f64(), quantile(&mut theirs, 500).as_secs_f64());
        figures.print(
            &format!("export_{format}"),
            f64::from(RACED) / mine,
            "features/s",
            theirs / mine,
            "ogr2ogr",
        );
    }
    Ok(())
}

async fn ours(server: &Server, format: &str, out: &Path) -> Result<Duration> {
    let out = out.display().to_string();
    let began = Instant::now();
    let arguments =
        ["export", "--district", DISTRICT, "--layer", "hazards", "--format", format, "--out", &out];
    let (succeeded, made) = server.command(&arguments).await?;
    let took = began.elapsed();
    let features = made.get("features").and_then(serde_json::Value::as_u64);
    ensure!(succeeded && features == Some(u64::from(RACED)), "{made}");
    Ok(took)
}

async fn ogr2ogr(driver: &str, from: &Path, out: &Path) -> Result<Duration> {
    // A GeoPackage has its styles beside the layer.
    let is_package = from.extension().is_some_and(|extension| extension == "gpkg");
    let layers: &[&str] = if is_package { &["hazards"] } else { &[] };
    let began = Instant::now();
    let done = Command::new("ogr2ogr").args(["-f", driver]).arg(out).arg(from).args(layers).output().await?;
    let took = began.elapsed();
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(took)
}
