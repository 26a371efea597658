//! `export_geojson`, `export_fgb`: 100,000 hazards written by `firebreak export`, against `ogr2ogr` from a GeoPackage of the
//! same; `export_gpkg`: against `ogr2ogr` from GeoJSON; `export_memory`: what a server holds while it writes a million.
//!
//! Both sides are whole processes that read and write files on the same disk. The hazards stand in the map's table before
//! the clock starts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry;
use firebreak::store::MapHazardRow;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use sync_protocol::ids::RecordId;
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

use crate::figure::{Figures, number, quantile};

/// Hazards of a race.
const RACED: usize = 100_000;
/// Runs of each side, in turn; the middle one counts.
const RUNS: usize = 3;
/// Rows of one transaction.
const ROWS: usize = 5_000;
/// What a server may hold, MiB.
const LIMIT_MIB: f64 = 200.0;
/// 2026-01-01T00:00:00Z.
const FIRST_MS: i64 = 1_767_225_600_000;

/// Measures on SQLite.
pub(crate) async fn measure(figures: &mut Figures, most: usize) -> Result<()> {
    if Command::new("ogr2ogr").arg("--version").output().await.is_err() {
        Figures::say("skipped: ogr2ogr (Debian package gdal-bin) is not installed");
        return Ok(());
    }
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    fill(&server, 0, RACED).await?;
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
            number(RACED) / mine,
            "features/s",
            theirs / mine,
            "ogr2ogr",
        );
    }
    memory(figures, &server, most).await
}

/// What the server holds while it makes the file of every format that could hold much.
async fn memory(figures: &mut Figures, server: &Server, most: usize) -> Result<()> {
    Figures::say(&format!("export_memory: {most} hazards"));
    let began = Instant::now();
    fill(server, RACED, most).await?;
    Figures::say(&format!("filled in {:.0} s", began.elapsed().as_secs_f64()));
    let office = server.client()?;
    let mut peak: f64 = 0.0;
    for format in ["fgb", "gpkg", "geojson", "shp", "xlsx"] {
        let path = format!("/v1/exports/hazards.{format}");
        let asked = office.post(&path, &serde_json::json!({})).await?;
        ensure!(asked.status == 202, "{path}: {}", asked.text());
        let began = Instant::now();
        loop {
            let told = office.json(&asked.location).await?;
            peak = peak.max(resident_mib(server)?);
            match told.get("state").and_then(serde_json::Value::as_str) {
                Some("ready") => break,
                Some("failed") => anyhow::bail!("{told}"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        Figures::say(&format!(
            "{format}: {:.1} s, so far {peak:.0} MiB at most",
            began.elapsed().as_secs_f64()
        ));
    }
    figures.print("export_memory", peak, "MiB", peak / LIMIT_MIB, "limit");
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
    ensure!(succeeded && features == u64::try_from(RACED).ok(), "{made}");
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

fn resident_mib(server: &Server) -> Result<f64> {
    let id = server.id().context("the server does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no such line")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}

/// Writes hazards of these numbers into the map's table: what is raced without an order, what only fills in the order of
/// its places, which a table takes much faster.
async fn fill(server: &Server, from: usize, to: usize) -> Result<()> {
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    // What is derived is current: nothing is derived anew while the clock runs.
    engine.follow_until_current(&district).await?;
    let mut positions = (from..to).map(position).collect::<Result<Vec<_>>>()?;
    if from >= RACED {
        positions.sort_by_cached_key(|(lat_e7, lon_e7)| geometry::place(*lat_e7, *lon_e7));
    }
    let numbered: Vec<(usize, (i64, i64))> = (from..to).zip(positions).collect();
    for some in numbered.chunks(ROWS) {
        let rows: Vec<MapHazardRow> = some.iter().map(|(nth, at)| row(*nth, *at)).collect::<Result<_>>()?;
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        transaction.replace_map_hazards(district.key, &rows).await?;
        transaction.commit().await?;
    }
    engine.store.close().await;
    Ok(())
}

fn position(nth: usize) -> Result<(i64, i64)> {
    let id = i64::try_from(nth)? + 1;
    Ok((299_000_000 + (id * 7_919) % 3_000_000, 1_029_000_000 + (id * 104_729) % 3_000_000))
}

fn row(nth: usize, (lat_e7, lon_e7): (i64, i64)) -> Result<MapHazardRow> {
    let id = i64::try_from(nth)? + 1;
    let severity = ["critical", "serious", "general"].get(nth % 3).copied().unwrap_or("general");
    let text = |text: &str| Some(text.to_owned());
    Ok(MapHazardRow {
        record: RecordId(Uuid::from_u128((1 << 96) | u128::try_from(nth)?)),
        id,
        place: geometry::place(lat_e7, lon_e7),
        lat_e7: Some(lat_e7),
        lon_e7: Some(lon_e7),
        number: Some(format!("TX-2026-{id:06}")),
        found: Some(FIRST_MS + id * 60_000),
        county: text("测试县"),
        township: Some(format!("第{}镇", nth % 20)),
        line_name: Some(format!("青杠{}线", nth % 200)),
        line: Some(Uuid::from_u128((9 << 96) | u128::try_from(nth % 200)?).to_string()),
        voltage_v: Some(110_000),
        structure_from: Some(format!("N{:03}", nth % 90)),
        structure_to: Some(format!("N{:03}", nth % 90 + 1)),
        chainage_mm: Some(id * 37 % 90_000_000),
        offset_mm: Some(id * 13 % 30_000),
        in_zone: Some(i64::from(nth.is_multiple_of(2))),
        accuracy_mm: Some(4_500),
        category: text("corridor"),
        kind: text("tree"),
        description: Some(format!("第{nth}处：毛竹距导线不足三米，需尽快砍伐")),
        severity_rank: 3 - i64::try_from(nth % 3)?,
        severity: text(severity),
        major: 0,
        state: "ordered".to_owned(),
        open: 1,
        conflict: 0,
        provisional: 0,
        unit: text("测试供电所"),
        unit_id: None,
        order_number: Some(format!("2026-{}", nth % 500)),
        due: Some(FIRST_MS + id * 61_000),
        turn: text("unit"),
        updated: FIRST_MS + id * 60_000,
        change: id,
    })
}
