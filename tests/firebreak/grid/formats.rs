//! The same grid from GeoJSON, from tables and from GeoPackages; and GeoPackages that somebody made to do harm.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak::grid::FileFault;
use firebreak::store::geopackage;
use firebreak_tests::server::{Backend, Server};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::process::Command;

use super::{count, import, line, tower};

const POINTS: [(f64, f64); 3] = [(103.01, 29.98), (103.012, 29.981), (103.014, 29.982)];

/// The tables that every GeoPackage has, small pages so that a mutation of a byte counts.
const FRAME: &str = "
PRAGMA page_size = 512;
PRAGMA application_id = 1196444487;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, '', NULL);
CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT, srs_id INTEGER);
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL);
INSERT INTO gpkg_contents VALUES ('lines', 'features', NULL, 4326), ('towers', 'features', NULL, 4326);
INSERT INTO gpkg_geometry_columns VALUES ('lines', 'geom', 'LINESTRING', 4326, 0, 0),
    ('towers', 'geom', 'POINT', 4326, 0, 0);
";
const LAYERS: &str = "
CREATE TABLE lines (fid INTEGER PRIMARY KEY, geom BLOB, osm_id INTEGER, power TEXT, voltage TEXT);
CREATE TABLE towers (fid INTEGER PRIMARY KEY, geom BLOB, osm_node_id INTEGER, power TEXT, ref TEXT);
";

async fn create(path: &Path, statements: &[&str]) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await?;
    }
    Ok(connection)
}

/// A geometry as GeoPackages keep it: of one point, or of a line.
fn blob(points: &[(f64, f64)], is_line: bool) -> Vec<u8> {
    let mut blob = b"GP\x00\x01\xe6\x10\x00\x00\x01".to_vec();
    blob.extend(if is_line { 2_u32 } else { 1 }.to_le_bytes());
    if is_line {
        blob.extend(u32::try_from(points.len()).unwrap_or_default().to_le_bytes());
    }
    blob.extend(points.iter().flat_map(|(x, y)| [x.to_le_bytes(), y.to_le_bytes()]).flatten());
    blob
}

async fn good(path: &Path) -> Result<()> {
    let mut connection = create(path, &[FRAME, LAYERS]).await?;
    sqlx::query("INSERT INTO lines VALUES (7, $1, 1, 'line', '110000')")
        .bind(blob(&POINTS, true))
        .execute(&mut connection)
        .await?;
    for (id, number, at) in [(11, "N001", POINTS[0]), (13, "N003", POINTS[2])] {
        sqlx::query("INSERT INTO towers (geom, osm_node_id, power, ref) VALUES ($1, $2, 'tower', $3)")
            .bind(blob(&[at], false))
            .bind(id)
            .bind(number)
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grid_is_the_same_from_geojson_from_tables_and_from_a_geopackage() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let features = [line(1, "110000", &POINTS), tower(11, "N001", POINTS[0]), tower(13, "N003", POINTS[2])];
    let first = super::import_geojson(&server, &features).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("grid.gpkg");
    good(&path).await?;
    let package = std::fs::read(&path)?;
    let second = import(&server, "/v1/grid/lines", "application/geopackage+sqlite3", package).await?;
    assert_eq!((count(&second, "unchanged")?, &second["version"]), (1, &first["version"]), "{second}");
    let table = "osm_id,power,voltage,wkt,osm_node_id,ref\n\
        1,line,110000,\"LINESTRING (103.01 29.98, 103.012 29.981, 103.014 29.982)\",,\n\
        ,tower,,POINT (103.01 29.98),11,N001\n,tower,,POINT (103.014 29.982),13,N003\n";
    let third = import(&server, "/v1/grid/lines?format=csv", "text/plain", table.into()).await?;
    assert_eq!((&third["has_changed"], &third["version"]), (&json!(false), &first["version"]), "{third}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_columns_nobody_knows_is_refused_with_what_to_do() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let headers = [("content-type", "text/csv")];
    let table = "甲,乙,丙\n青杠线,103.01,29.98\n青杠线,103.02,29.98\n";
    let refused = office.post_bytes("/v1/grid/lines", table.into(), &headers).await?;
    assert_eq!((refused.status, refused.code().as_deref()), (400, Some("import-empty")));
    for said in ["几何图形缺失", "用 map 指明", "x=东经"] {
        ensure!(refused.text().contains(said), "{said}: {}", refused.text());
    }
    let path = "/v1/grid/lines?map=line%3D%E7%94%B2,x%3D%E4%B9%99,y%3D%E4%B8%99";
    let taken = import(&server, path, "text/csv", table.into()).await?;
    assert_eq!(count(&taken, "lines")?, 1, "{taken}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_geopackage_that_gdal_makes_of_nepal_is_the_same_grid() -> Result<()> {
    if Command::new("ogr2ogr").arg("--version").stdout(Stdio::null()).status().await.is_err() {
        fixtures::skipped("ogr2ogr (Debian package gdal-bin) is not installed");
        return Ok(());
    }
    let Some(folder) = super::real::folder("nepal-osm-power") else { return Ok(()) };
    let server = Server::start(Backend::Sqlite).await?;
    let scratch = tempfile::tempdir()?;
    let package = scratch.path().join("nepal.gpkg");
    let file = folder.join("lines.geojson");
    let made = Command::new("ogr2ogr").args(["-f", "GPKG"]).arg(&package).arg(&file).status().await?;
    ensure!(made.success(), "ogr2ogr: {made}");
    let text = |path: &PathBuf| path.to_str().map(str::to_owned).context("a path");
    let (succeeded, from_json) = server.command(&["import", "lines", &text(&file)?]).await?;
    ensure!(succeeded, "{from_json}");
    let (succeeded, from_package) = server.command(&["import", "lines", &text(&package)?]).await?;
    ensure!(succeeded, "{from_package}");
    assert_eq!(count(&from_package, "unchanged")?, 471, "{from_package}");
    assert_eq!(from_package["version"], from_json["version"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_geopackage_that_would_compute_while_it_is_read_is_refused_in_words() -> Result<()> {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS fid, NULL AS geom FROM n";
    let view =
        format!("CREATE VIEW lines AS {endless}; CREATE TABLE towers (fid INTEGER PRIMARY KEY, geom BLOB);");
    let column = "CREATE TABLE lines (fid INTEGER PRIMARY KEY, geom BLOB, x AS (hex(zeroblob(1000))));\
        INSERT INTO lines (fid) VALUES (1); CREATE TABLE towers (fid INTEGER PRIMARY KEY, geom BLOB);";
    let virtual_table = "CREATE VIRTUAL TABLE lines USING fts5(geom); CREATE TABLE towers (geom BLOB);";
    let contents = format!(
        "DROP TABLE gpkg_contents; CREATE VIEW gpkg_contents AS SELECT i AS table_name, 'features' AS data_type FROM ({endless});"
    );
    let contents = contents.replace("SELECT i AS fid, NULL AS geom FROM n", "SELECT i FROM n");
    let folder = tempfile::tempdir()?;
    for (name, hostile) in
        [("view", view.as_str()), ("column", column), ("virtual", virtual_table), ("contents", &contents)]
    {
        let path = folder.path().join(format!("{name}.gpkg"));
        create(&path, &[FRAME, hostile]).await?.close().await?;
        let read = geopackage::read(&path).await;
        ensure!(
            matches!(&read, Err(FileFault::Unreadable(why)) if why.contains("plain table")),
            "{name}: {read:?}"
        );
    }
    let path = folder.path().join("other.sqlite");
    create(&path, &["CREATE TABLE a (b)"]).await?.close().await?;
    let read = geopackage::read(&path).await;
    ensure!(matches!(&read, Err(FileFault::Unreadable(why)) if why.contains("no GeoPackage")), "{read:?}");
    let missing = geopackage::read(&folder.path().join("missing.gpkg")).await;
    ensure!(missing.is_err() && !folder.path().join("missing.gpkg").exists(), "nothing is created");
    Ok(())
}

/// Mutated packages where nothing else is asked for.
const MUTATIONS: u64 = 150;
const SEED: u64 = 20_261_125;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutated_geopackage_is_read_or_refused_and_nothing_panics() -> Result<()> {
    let rounds = std::env::var("FIREBREAK_SOAK").ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = rounds.map_or(MUTATIONS, |rounds| rounds * 5);
    println!("seed {SEED}, {rounds} mutations");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("good.gpkg");
    good(&path).await?;
    let whole = geopackage::read(&path).await?;
    assert_eq!((whole.features.len(), whole.system.as_deref()), (3, Some("epsg:4326")));
    let bytes = std::fs::read(&path)?;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut read = 0;
    for round in 0..rounds {
        let mut mutated = bytes.clone();
        for _ in 0..random.random_range(1..=12) {
            let at = random.random_range(0..mutated.len());
            match random.random_range(0..4) {
                0 => mutated[at] = random.random(),
                1 => mutated[at] ^= 1 << random.random_range(0..8),
                2 => mutated[at] = [0, 0xff, 0x7f][random.random_range(0..3)],
                _ => mutated.truncate(at.max(1)),
            }
        }
        let path = folder.path().join(format!("{round}.gpkg"));
        std::fs::write(&path, &mutated)?;
        read += usize::from(geopackage::read(&path).await.is_ok());
        std::fs::remove_file(&path)?;
    }
    println!("{read} could be read");
    Ok(())
}
