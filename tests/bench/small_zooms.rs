//! Tiles of small zooms at so many points: what one costs beside the raw tile, what a raw tile costs beside a bare SELECT of
//! its rows, and what keeping the counts costs. SQLite inside this process, by its processor time.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use firebreak::domain::District;
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::store::{Changed, MapHazardRow, Shown, Store};
use firebreak::sync::Engine;
use firebreak::sync::sight::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::Tile;
use firebreak::tiles::counts::Deltas;
use firebreak::tiles::points;
use firebreak_tests::map::{MIDDLE, full};
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use sqlx::{Connection as _, SqliteConnection};

use crate::crew;
use crate::figure::{Figures, number};
use crate::million::Map;
use crate::process::{Counted, own_cpu_s};

/// Rows of a transaction, as the deriver writes them.
const WINDOW: usize = 500;
/// Windows that are counted, or are not, in turn.
const WINDOWS: usize = 20;
/// Turns: half of them counted.
const TURNS: usize = 22;

/// Processor seconds of something that is done so often.
async fn cpu_of<F: Future<Output = Result<()>>>(times: u32, mut work: impl FnMut() -> F) -> Result<f64> {
    let before = own_cpu_s()?;
    for _ in 0..times {
        work().await?;
    }
    Ok((own_cpu_s()? - before) / f64::from(times))
}

/// `tile_small_bytes`, `tile_small_cpu`, `tile_select_cpu`.
pub(crate) async fn zooms(figures: &mut Figures, map: &Map) -> Result<()> {
    let Map { server, engine, district, hazards } = map;
    let tile = |zoom| Tile::of_place(place(MIDDLE.0, MIDDLE.1), zoom).context("no such tile");
    let small = tile(5)?;
    let wanted = |tile| Wanted::all(Layer::Hazards, tile, Sight::District);
    let made = tiles::made(engine, district, &wanted(small)).await?;
    let bytes = made.bytes.context("an empty tile")?.len();
    let counted = cpu_of(200, || async {
        tiles::made(engine, district, &wanted(small)).await?;
        Ok(())
    });
    let counted = counted.await?;
    let raw = cpu_of(2, || raw_tile(engine, district, small)).await?;
    let per_point = number(u32::try_from(bytes)?) / number(u32::try_from(*hazards)?);
    figures.print("tile_small_bytes", number(u32::try_from(bytes)?), "bytes", per_point, "hazards");
    figures.print("tile_small_cpu", counted * 1e3, "ms", counted / raw, "raw_tile");
    let ten = tile(10)?;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(server.ledger()?).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let before = own_cpu_s()?;
    for _ in 0..20 {
        select(&mut connection, district, ten).await?;
    }
    let selected = (own_cpu_s()? - before) / 20.0;
    let shown = cpu_of(20, || raw_tile(engine, district, ten)).await?;
    figures.print("tile_select_cpu", shown * 1e3, "ms", shown / selected, "bare_select");
    Ok(())
}

/// A tile of hazards as they are, however many.
async fn raw_tile(engine: &Arc<Engine>, district: &District, tile: Tile) -> Result<()> {
    let mut reading = engine.store.glance().await?;
    let strips = reading.tile_strips(district.key, tile, u32::MAX).await?.context("too many")?;
    let made = points::encode_strips(tile, &strips.strips, |_, _, _| true).context("a damaged strip")?;
    ensure!(made.bytes.is_some(), "an empty tile");
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

/// `counts_kept`: what keeping the counts of a hazard costs that comes to the others, beside what taking its report in costs.
/// The hazards themselves are not written: that costs thirty times as much, and hides it. Transactions hold the counts of a
/// window, or nothing but the new version of the map, in turn, and each turn folds its own log into the file.
pub(crate) async fn kept(figures: &mut Figures, map: &Map) -> Result<()> {
    const LOAD: (usize, usize, usize) = (8, 5, 1_000);
    Figures::say("tiles: what keeping counts costs");
    let Map { engine, district, hazards, .. } = map;
    let mut dice = Dice::named(8, "tiles");
    let mut rows = (hazards + 1..).map(|number| full(&mut dice, number));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for is_counted in (0..TURNS).map(|turn| turn % 2 == 1) {
        let rows: Vec<MapHazardRow> = rows.by_ref().take(WINDOW * WINDOWS).collect();
        let before = own_cpu_s()?;
        for rows in rows.chunks(WINDOW) {
            let rows = if is_counted { rows } else { &[] };
            let came = rows.iter().map(|row| Changed { old: None, new: Some(Shown::from(row)) });
            let deltas = Deltas::from(came.collect::<Vec<_>>().as_slice());
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(district.key, 0).await?;
            transaction.keep_tile_counts(district.key, &deltas).await?;
            transaction.commit().await?;
        }
        let Store::Sqlite { writer, .. } = &engine.store else { bail!("not SQLite") };
        sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(writer).await?;
        if is_counted { &mut with } else { &mut without }.push(own_cpu_s()? - before);
    }
    let cost = (middle(&mut with)? - middle(&mut without)?) / number(WINDOW * WINDOWS);
    let (phones, bundles, operations) = LOAD;
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let mut senders = crew::enrol(&server, phones).await?;
    let senders = crew::prepare(&mut senders, 3, bundles, operations)?;
    let before = Counted::of(&server).await?;
    crew::send(&senders).await?;
    let ingest = Counted::of(&server).await?.since(before).cpu_s / number(phones * bundles * operations);
    figures.print("counts_kept", cost * 1e6, "us/hazard", cost / ingest, "ingest_cpu");
    Ok(())
}

/// The median.
fn middle(values: &mut [f64]) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no turn")
}
