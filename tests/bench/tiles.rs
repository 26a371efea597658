//! Tiles: how many a second beside tipg on `PostGIS`, with the same points and the same features in each; what a small zoom
//! costs beside the raw tile; what keeping the counts costs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::District;
use firebreak::layers::Layer;
use firebreak::store::{MapHazardRow, TileFilter};
use firebreak::sync::Engine;
use firebreak::sync::sessions::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::counts::Deltas;
use firebreak::tiles::points::{self, Point};
use firebreak::tiles::{SEVERITIES, Tile};
use firebreak_tests::map::{fill, thrown};
use firebreak_tests::python::{self, project};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::process::{Child, Command};

use crate::crew;
use crate::figure::{Figures, number, rate};
use crate::process::{Counted, cpu_s};

/// Points of the race.
const POINTS: u64 = 100_000;
/// Zooms of the race.
const ZOOMS: [u8; 3] = [10, 12, 14];
/// Tiles of a zoom that are asked for, at most.
const TILES: usize = 200;
/// How long each side is asked for the tiles of a zoom.
const TAKEN: Duration = Duration::from_secs(5);
/// Askers at a time: as many as there are cores.
const ASKERS: usize = 2;
/// How long tipg may take to start.
const START: Duration = Duration::from_mins(1);

fn hazards(points: u64) -> Vec<MapHazardRow> {
    let mut dice = Dice::named(7, "tiles");
    (1..=points).map(|number| thrown(&mut dice, number)).collect()
}

fn tile(row: &MapHazardRow, zoom: u8) -> Result<Tile> {
    Tile::of_place(row.place, zoom).context("no such tile")
}

/// Tiles of a zoom that hold hazards, in the order in which they were found.
fn tiles_of(rows: &[MapHazardRow], zoom: u8) -> Result<Vec<Tile>> {
    let mut found = Vec::new();
    for row in rows {
        let tile = tile(row, zoom)?;
        if !found.contains(&tile) {
            found.push(tile);
        }
        if found.len() == TILES {
            break;
        }
    }
    Ok(found)
}

/// `tile_z10` … of both databases, each beside tipg; then the small zooms at so many points, and what counts cost.
pub(crate) async fn measure(figures: &mut Figures, points: usize) -> Result<()> {
    race(figures).await?;
    small_zooms(figures, u64::try_from(points)?).await?;
    kept(figures).await
}

async fn race(figures: &mut Figures) -> Result<()> {
    let rows = hazards(POINTS);
    let tipg = Tipg::start(&rows).await?;
    if tipg.is_none() {
        Figures::say("tiles: tipg or PostGIS is not installed; ours alone");
    }
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(DISTRICT).await?;
        Figures::say(&format!("tiles: {POINTS} hazards on {backend:?}"));
        fill(&engine, &district, &rows).await?;
        if let Some(address) = server.database() {
            settle(address, "map_hazards").await?;
        }
        for zoom in ZOOMS {
            let wanted = tiles_of(&rows, zoom)?;
            let ours: Vec<String> = wanted.iter().map(|tile| own_path(&server, *tile)).collect();
            let own = tiles_a_second(&ours, &server.token).await?;
            let theirs = match &tipg {
                Some(tipg) => {
                    let theirs: Vec<String> = wanted.iter().map(|tile| tipg.path(*tile)).collect();
                    same_features(&ours, &theirs, &server.token).await?;
                    tiles_a_second(&theirs, "").await?
                }
                None => f64::NAN,
            };
            let name = match backend {
                Backend::Sqlite => format!("tile_z{zoom}"),
                Backend::Postgres => format!("tile_z{zoom}_postgres"),
            };
            figures.print(&name, own, "tiles/s", own / theirs, "tipg");
        }
    }
    Ok(())
}

fn own_path(server: &Server, tile: Tile) -> String {
    let at = format!("{}/{}/{}", tile.zoom(), tile.y(), tile.x());
    format!("{}/ogc/collections/hazards/tiles/WebMercatorQuad/{at}", server.url.trim_end_matches('/'))
}

/// A table that was written just now is read from its index once it was looked through.
async fn settle(address: &str, table: &str) -> Result<()> {
    let mut connection = PgConnection::connect(address).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("VACUUM (ANALYZE) {table}"))).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?)
}

async fn bytes_of(client: &reqwest::Client, url: &str, token: &str) -> Result<Vec<u8>> {
    let request = client.get(url).header("accept-encoding", "identity");
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    let response = request.send().await?;
    ensure!(response.status().is_success(), "{url}: {}", response.status());
    Ok(response.bytes().await?.to_vec())
}

/// Tiles a second, the list again and again, by askers of one connection each.
async fn tiles_a_second(urls: &[String], token: &str) -> Result<f64> {
    let urls: Arc<[String]> = urls.into();
    let began = Instant::now();
    let askers: Vec<_> = (0..ASKERS)
        .map(|asker| {
            let (urls, token) = (Arc::clone(&urls), token.to_owned());
            tokio::spawn(async move {
                let client = client()?;
                let mut made = 0_usize;
                for url in urls.iter().cycle().skip(asker).step_by(ASKERS) {
                    if began.elapsed() > TAKEN {
                        break;
                    }
                    bytes_of(&client, url, &token).await?;
                    made += 1;
                }
                anyhow::Ok(made)
            })
        })
        .collect();
    let mut made = 0;
    for asker in askers {
        made += asker.await??;
    }
    Ok(rate(made, began.elapsed()))
}

/// Both sides have the same number of features in each of some tiles.
async fn same_features(ours: &[String], theirs: &[String], token: &str) -> Result<()> {
    let client = client()?;
    let folder = tempfile::tempdir()?;
    for (nth, (own, their)) in ours.iter().zip(theirs).take(10).enumerate() {
        std::fs::write(folder.path().join(format!("{nth}-ours.mvt")), bytes_of(&client, own, token).await?)?;
        std::fs::write(folder.path().join(format!("{nth}-theirs.mvt")), bytes_of(&client, their, "").await?)?;
    }
    let said = python::program("tile_features.py", &[folder.path()]).await?;
    for nth in 0..ours.len().min(10) {
        let features = |whose: &str| said.get(format!("{nth}-{whose}")).and_then(Value::as_f64);
        let (own, their) = (features("ours"), features("theirs"));
        // They round to the nearest unit and we do not: a point on the edge of a tile is in another of theirs.
        let apart = own.zip(their).map(|(own, their)| (own - their).abs());
        ensure!(apart.is_some_and(|apart| apart <= 2.0), "tile {nth}: {own:?} features, {their:?} of tipg");
    }
    Ok(())
}

/// tipg on a `PostGIS` of its own.
struct Tipg {
    url: String,
    _process: Child,
}

impl Tipg {
    /// None where tipg or `PostGIS` is not there.
    async fn start(rows: &[MapHazardRow]) -> Result<Option<Self>> {
        let Some(python) = tipg_python() else { return Ok(None) };
        let address = firebreak_tests::postgres::database().await?;
        let mut connection = PgConnection::connect(&address).await?;
        if sqlx::raw_sql("CREATE EXTENSION postgis").execute(&mut connection).await.is_err() {
            return Ok(None);
        }
        write_points(&mut connection, rows).await?;
        connection.close().await?;
        settle(&address, "points").await?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string();
        let process = Command::new(python)
            .args(["-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1", "--port", &port])
            .args(["--workers", "2", "--log-level", "warning", "--no-access-log"])
            .env("DATABASE_URL", address.replacen("postgres://", "postgresql://", 1))
            .env("TIPG_MAX_FEATURES_PER_TILE", "100000")
            .env("TIPG_TILE_BUFFER", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let tipg = Self { url: format!("http://127.0.0.1:{port}"), _process: process };
        let (client, began) = (client()?, Instant::now());
        let first = tipg.path(tile(rows.first().context("no rows")?, 14)?);
        while let Err(error) = bytes_of(&client, &first, "").await {
            ensure!(began.elapsed() < START, "tipg does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(Some(tipg))
    }

    /// It puts the column before the row.
    fn path(&self, tile: Tile) -> String {
        let at = format!("{}/{}/{}", tile.zoom(), tile.x(), tile.y());
        format!("{}/collections/public.points/tiles/WebMercatorQuad/{at}", self.url)
    }
}

/// Python with tipg: `FIREBREAK_TIPG_PYTHON`, or `.venv-tipg`.
fn tipg_python() -> Option<PathBuf> {
    let given = std::env::var_os("FIREBREAK_TIPG_PYTHON").map(PathBuf::from);
    let path = given.unwrap_or_else(|| project(".venv-tipg/bin/python"));
    Path::new(&path).exists().then_some(path)
}

/// The same points with what our tiles say of them, and the index that `PostGIS` wants.
async fn write_points(connection: &mut PgConnection, rows: &[MapHazardRow]) -> Result<()> {
    sqlx::raw_sql(
        "CREATE TABLE points (id BIGINT PRIMARY KEY, severity TEXT, open BOOLEAN, category TEXT, kind TEXT, state TEXT, \
         number TEXT, due BIGINT, geom geometry(Point, 4326))",
    )
    .execute(&mut *connection)
    .await?;
    for rows in rows.chunks(1_000) {
        let mut query = sqlx::QueryBuilder::new("INSERT INTO points ");
        query.push_values(rows, |mut values, row| {
            let severity = usize::try_from(row.severity_rank).ok().and_then(|rank| SEVERITIES.get(rank));
            values
                .push_bind(row.id)
                .push_bind(severity.copied())
                .push_bind(row.open == 1)
                .push_bind(row.category.as_deref())
                .push_bind(row.kind.as_deref())
                .push_bind(row.state.as_str())
                .push_bind(row.number.as_deref())
                .push_bind(row.due);
            let degrees =
                |e7: Option<i64>| i32::try_from(e7.unwrap_or(0)).map_or(0.0, |e7| f64::from(e7) / 1e7);
            values.push("ST_SetSRID(ST_MakePoint(");
            values.push_bind_unseparated(degrees(row.lon_e7)).push_unseparated(", ");
            values.push_bind_unseparated(degrees(row.lat_e7)).push_unseparated("), 4326)");
        });
        query.build().execute(&mut *connection).await?;
    }
    sqlx::raw_sql("CREATE INDEX points_geom ON points USING gist (geom)").execute(&mut *connection).await?;
    Ok(())
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
async fn small_zooms(figures: &mut Figures, points: u64) -> Result<()> {
    let rows = hazards(points);
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    Figures::say(&format!("tiles: {points} hazards"));
    fill(&engine, &district, &rows).await?;
    let small = tile(rows.first().context("no rows")?, 5)?;
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
    let ten = tile(rows.first().context("no rows")?, 10)?;
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
    let (_, lines) = reading.tile_lines(district.key, tile, &TileFilter::default(), u32::MAX).await?;
    let made = points::encode(tile, lines.split(points::LINE).filter_map(Point::parse))?;
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
    let rows = hazards(HAZARDS);
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
