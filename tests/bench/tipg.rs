//! tipg on `PostGIS`, with the features that our server gives: what tiles and pages of items are raced against.
//!
//! It is set up as its documentation says, with the faster event loop and HTTP parser, and its processes have an address
//! each: connections to one address are now and then served by the same of its workers, and it is then half as fast.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::{ColumnKind, Layer};
use firebreak::tiles::Tile;
use firebreak_tests::python::project;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::process::{Child, Command};

use crate::link::Link;

/// How long it may take to start.
const START: Duration = Duration::from_mins(1);
/// Features of one statement.
const ROWS: usize = 1_000;
/// The columns that our tiles show.
const POINTS: &str = "CREATE TABLE points AS SELECT id, severity, open, category, kind, state, number, \
     CAST(extract(epoch FROM due) * 1000 AS BIGINT) AS due, geom FROM hazards; \
     ALTER TABLE points ADD PRIMARY KEY (id); \
     CREATE INDEX points_geom ON points USING gist (geom); \
     CREATE INDEX hazards_geom ON hazards USING gist (geom)";

/// tipg on a `PostGIS` of its own.
pub(crate) struct Tipg {
    /// Where each of its processes listens.
    pub(crate) urls: Vec<String>,
    processes: Vec<Child>,
}

impl Tipg {
    /// Starts so many processes of it with features of our layer of hazards, as GeoJSON. None where tipg or `PostGIS` is not
    /// there.
    pub(crate) async fn start(features: &[Value], processes: usize) -> Result<Option<Self>> {
        let Some(python) = python() else { return Ok(None) };
        let address = firebreak_tests::postgres::database().await?;
        let mut connection = PgConnection::connect(&address).await?;
        if sqlx::raw_sql("CREATE EXTENSION postgis").execute(&mut connection).await.is_err() {
            return Ok(None);
        }
        write(&mut connection, features).await?;
        connection.close().await?;
        settle(&address, "hazards").await?;
        settle(&address, "points").await?;
        let mut tipg = Self { urls: Vec::new(), processes: Vec::new() };
        for _ in 0..processes {
            let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string();
            tipg.urls.push(format!("http://127.0.0.1:{port}"));
            tipg.processes.push(process(&python, &port, &address)?);
        }
        let began = Instant::now();
        for url in &tipg.urls {
            while let Err(error) = Self::first_page(url).await {
                ensure!(began.elapsed() < START, "tipg does not answer: {error}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        Ok(Some(tipg))
    }

    async fn first_page(url: &str) -> Result<()> {
        Link::open(url, "").await?.get(&Self::items(1, 0)).await?;
        Ok(())
    }

    /// A connection to the first of its processes.
    pub(crate) async fn link(&self) -> Result<Link> {
        Link::open(self.urls.first().context("no process")?, "").await
    }

    /// It puts the column before the row.
    pub(crate) fn tile(tile: Tile) -> String {
        format!("/collections/public.points/tiles/WebMercatorQuad/{}/{}/{}", tile.zoom(), tile.x(), tile.y())
    }

    /// Its pages begin behind so many features.
    pub(crate) fn items(limit: usize, offset: usize) -> String {
        format!("/collections/public.hazards/items?f=geojson&limit={limit}&offset={offset}")
    }
}

impl Drop for Tipg {
    /// Asks its processes to end.
    fn drop(&mut self) {
        for id in self.processes.iter().filter_map(Child::id) {
            let _gone = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
        }
    }
}

fn process(python: &Path, port: &str, address: &str) -> Result<Child> {
    let process = Command::new(python)
        .args(["-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1", "--port", port])
        .args(["--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--http", "httptools"])
        // A connection that waits for the other side's turn is not idle.
        .args(["--timeout-keep-alive", "75"])
        .env("DATABASE_URL", address.replacen("postgres://", "postgresql://", 1))
        .env("TIPG_MAX_FEATURES_PER_TILE", "100000")
        .env("TIPG_TILE_BUFFER", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // Its database ends before it does, of which it would tell at length.
        .stderr(Stdio::null())
        .spawn();
    Ok(process?)
}

/// Tables that were written just now are read from their indexes once they were looked through.
pub(crate) async fn settle(address: &str, tables: &str) -> Result<()> {
    let mut connection = PgConnection::connect(address).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("VACUUM (ANALYZE) {tables}"))).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Python with tipg: `FIREBREAK_TIPG_PYTHON`, or `.venv-tipg`.
fn python() -> Option<PathBuf> {
    let given = std::env::var_os("FIREBREAK_TIPG_PYTHON").map(PathBuf::from);
    let path = given.unwrap_or_else(|| project(".venv-tipg/bin/python"));
    Path::new(&path).exists().then_some(path)
}

/// The same features with the same columns, and what our tiles say of them, with the index that `PostGIS` wants.
async fn write(connection: &mut PgConnection, features: &[Value]) -> Result<()> {
    let columns: Vec<String> = Layer::Hazards
        .columns()
        .iter()
        .map(|column| {
            let kind = match column.kind {
                ColumnKind::Text => "TEXT",
                ColumnKind::Integer => "BIGINT",
                ColumnKind::Real => "DOUBLE PRECISION",
                ColumnKind::Boolean => "BOOLEAN",
                ColumnKind::Time => "TIMESTAMPTZ",
                ColumnKind::Day => "DATE",
            };
            format!("{} {kind}", column.name)
        })
        .collect();
    let columns = columns.join(", ");
    let table =
        format!("CREATE TABLE hazards (id BIGINT PRIMARY KEY, {columns}, geom geometry(Point, 4326))");
    sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut *connection).await?;
    for features in features.chunks(ROWS) {
        let rows: Vec<Value> = features.iter().map(row).collect();
        sqlx::query("INSERT INTO hazards SELECT * FROM jsonb_populate_recordset(NULL::hazards, $1::jsonb)")
            .bind(Value::Array(rows).to_string())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::raw_sql(POINTS).execute(&mut *connection).await?;
    Ok(())
}

/// The properties of a feature with its number and its geometry.
fn row(feature: &Value) -> Value {
    let part = |name: &str| feature.get(name).cloned().unwrap_or_default();
    let mut row = part("properties");
    if let Some(row) = row.as_object_mut() {
        row.insert("id".to_owned(), part("id"));
        row.insert("geom".to_owned(), part("geometry"));
    }
    row
}
