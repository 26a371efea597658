//! What is measured with so many hazards on the map of one server: small zooms ([`crate::small_zooms`]), what keeping their
//! counts costs, and `export_memory`: what the server holds while it writes them into files.
//!
//! They are filled in once, by this process; the server that writes files sleeps until it is asked. Start at [`measure`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use firebreak::domain::District;
use firebreak::sync::Engine;
use firebreak_tests::map::{fill, full_by_place};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use serde_json::{Value, json};

use crate::figure::Figures;
use crate::process::status_mib;
use crate::small_zooms;

/// What a server may hold while it writes files, MiB.
const LIMIT_MIB: f64 = 200.0;
/// Formats whose writers could hold much, each other than the next.
const FORMATS: [&str; 5] = ["fgb", "gpkg", "geojson", "shp", "xlsx"];

/// A server's map, and the way to its database from this process.
pub(crate) struct Map {
    pub(crate) server: Server,
    pub(crate) engine: Arc<Engine>,
    pub(crate) district: District,
    /// How many hazards it shows.
    pub(crate) hazards: u64,
}

/// `tile_small_bytes`, `tile_small_cpu`, `tile_select_cpu`, `export_memory`, `counts_kept` at so many hazards, on SQLite.
pub(crate) async fn measure(figures: &mut Figures, hazards: usize) -> Result<()> {
    let map = filled(u64::try_from(hazards)?).await?;
    small_zooms::zooms(figures, &map).await?;
    memory(figures, &map.server).await?;
    small_zooms::kept(figures, &map).await
}

async fn filled(hazards: u64) -> Result<Map> {
    Figures::say(&format!("a map of {hazards} hazards"));
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    // What is derived is current: no file waits for it.
    engine.follow_until_current(&district).await?;
    let began = Instant::now();
    fill(&engine, &district, full_by_place(&mut Dice::named(7, "tiles"), hazards)).await?;
    Figures::say(&format!("filled in {:.0} s", began.elapsed().as_secs_f64()));
    Ok(Map { server, engine, district, hazards })
}

/// `export_memory`: the most that the server held, one file after the other.
async fn memory(figures: &mut Figures, server: &Server) -> Result<()> {
    let office = server.client()?;
    let mut peak: f64 = 0.0;
    for format in FORMATS {
        let path = format!("/v1/exports/hazards.{format}");
        let asked = office.post(&path, &json!({})).await?;
        ensure!(asked.status == 202, "{path}: {}", asked.text());
        let began = Instant::now();
        loop {
            let told = office.json(&asked.location).await?;
            peak = peak.max(status_mib(server, "VmHWM:")?);
            match told.get("state").and_then(Value::as_str) {
                Some("ready") => break,
                Some("failed") => anyhow::bail!("{told}"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        let took = began.elapsed().as_secs_f64();
        Figures::say(&format!("{format}: {took:.1} s, so far {peak:.0} MiB at most"));
    }
    figures.print("export_memory", peak, "MiB", peak / LIMIT_MIB, "limit");
    Ok(())
}
