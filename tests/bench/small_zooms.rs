//! Tiles of small zooms at so many points: what one costs beside the raw tile, what a raw tile costs beside a bare SELECT of
//! its rows, and what keeping the counts costs. SQLite inside this process, by its processor time.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::District;
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::store::{MapHazardRow, TileFilter};
use firebreak::sync::Engine;
use firebreak::sync::sessions::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::Tile;
use firebreak::tiles::counts::Deltas;
use firebreak::tiles::points;
use firebreak_tests::map::{fill, thrown, thrown_by_place};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use sqlx::{Connection as _, SqliteConnection};

use crate::crew;
use crate::figure::{Figures, number};
use crate::process::{Counted, cpu_s};

/// Measures at so many points.
pub(crate) async fn measure(figures: &mut Figures, points: u64) -> Result<()> {
    zooms(figures, points).await?;
    kept(figures).await
}

/// Processor seconds of something that is done so often.
async fn cpu_of<F: Future<Output = Result<()>>>(times: u32, mut work: impl FnMut() -> F) -> Result<f64> {
    let before = cpu_s("self")?;
    for _ in 0..times {
        work().await?;
    }
    Ok((cpu_s("self")? - before) / f64::from(times))
}

/// `tile_small_bytes`, `tile_small_cpu`, `tile_select_cpu`: at so many points, SQLite inside this process.
async fn zooms(figures: &mut Figures, points: u64) -> Result<()> {
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    Figures::say(&format!("tiles: {points} hazards"));
    let mut dice = Dice::named(7, "tiles");
    let middle = firebreak_tests::map::MIDDLE;
    let tile = |zoom| Tile::of_place(place(middle.0, middle.1), zoom).context("no such tile");
    let began = Instant::now();
    fill(&engine, &district, thrown_by_place(&mut dice, points)).await?;
    Figures::say(&format!("filled in {:.0} s", began.elapsed().as_secs_f64()));
    let small = tile(5)?;
    let wanted = |tile| Wanted::all(Layer::Hazards, tile, Sight::District);
    let made = tiles::made(&engine, &district, &wanted(small)).await?;
    let bytes = made.bytes.context("an empty tile")?.len();
    let counted = cpu_of(200, || async {
        tiles::made(&engine, &district, &wanted(small)).await?;
        Ok(())
    });
    let counted = counted.await?;
    let raw = cpu_of(2, || raw_tile(&engine, &district, small)).await?;
    let per_point = number(u32::try_from(bytes)?) / number(u32::try_from(points)?);
    figures.print("tile_small_bytes", number(u32::try_from(bytes)?), "bytes", per_point, "hazards");
    figures.print("tile_small_cpu", counted * 1e3, "ms", counted / raw, "raw_tile");
    let ten = tile(10)?;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(server.ledger()?).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let before = cpu_s("self")?;
    for _ in 0..20 {
        select(&mut connection, &district, ten).await?;
    }
    let selected = (cpu_s("self")? - before) / 20.0;
    let shown = cpu_of(20, || raw_tile(&engine, &district, ten)).await?;
    figures.print("tile_select_cpu", shown * 1e3, "ms", shown / selected, "bare_select");
    Ok(())
}

/// A tile of hazards as they are, however many.
async fn raw_tile(engine: &Arc<Engine>, district: &District, tile: Tile) -> Result<()> {
    let mut reading = engine.store.glance().await?;
    let lines = reading.tile_lines(district.key, tile, &TileFilter::default(), u32::MAX).await?;
    let made = points::encode_lines(tile, &lines.text);
    ensure!(made.is_some(), "an empty tile");
    Ok(())
}

/// The columns of a tile, fetched and nothing more.
async fn select(connection: &mut SqliteConnection, district: &District, tile: Tile) -> Result<()> {
    type Row = (i64, i64, i64, i64, Option<i64>, Option<String>, Option<String>, String, Option<String>);
    let (first, last) = tile.places();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, place, severity_rank, open, due, category, kind, state, number FROM map_hazards \
         WHERE district = $1 AND place >= $2 AND place <= $3",
    )
    .bind(district.key.0)
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await?;
    ensure!(!rows.is_empty(), "no rows");
    Ok(())
}

/// `counts_kept`: what keeping the counts of a hazard costs, beside what taking its report in costs.
async fn kept(figures: &mut Figures) -> Result<()> {
    const HAZARDS: u64 = 50_000;
    const LOAD: (usize, usize, usize) = (8, 5, 1_000);
    Figures::say("tiles: what keeping counts costs");
    let mut dice = Dice::named(7, "tiles");
    let rows: Vec<MapHazardRow> = (1..=HAZARDS).map(|number| thrown(&mut dice, number)).collect();
    let mut costs = [0.0; 2];
    for (cost, is_counted) in costs.iter_mut().zip([false, true]) {
        let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(DISTRICT).await?;
        let before = cpu_s("self")?;
        // As the deriver writes them: windows of 500.
        for rows in rows.chunks(500) {
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(district.key, 0).await?;
            let changes = transaction.replace_map_hazards(district.key, rows).await?;
            if is_counted {
                transaction.keep_tile_counts(district.key, &Deltas::from(changes.as_slice())).await?;
            }
            transaction.commit().await?;
        }
        *cost = (cpu_s("self")? - before) / number(u32::try_from(HAZARDS)?);
    }
    let (phones, bundles, operations) = LOAD;
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let mut senders = crew::enrol(&server, phones).await?;
    let senders = crew::prepare(&mut senders, 3, bundles, operations)?;
    let before = Counted::of(&server).await?;
    crew::send(&senders).await?;
    let ingest = Counted::of(&server).await?.since(before).cpu_s / number(phones * bundles * operations);
    let [without, with] = costs;
    figures.print(
        "counts_kept",
        (with - without) * 1e6,
        "us/hazard",
        (with - without) / ingest,
        "ingest_cpu",
    );
    Ok(())
}
