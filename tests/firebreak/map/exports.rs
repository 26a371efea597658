//! Files of the map and of the ledger, read by GDAL: everything that the ledger has, where it is, in words that are whole.
//!
//! Two readers: the GDAL of Debian by its programs, and the newer one of pyogrio. Start at [`Scene::of`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use sync_protocol::cbor::Raw;
use sync_protocol::operation::Position;
use tempfile::TempDir;
use tokio::process::Command;

/// Hazards of a scene, the odd ones included.
const HAZARDS: usize = 60;
/// What a stranger may write.
const HOSTILE: &str = "=cmd|' /C calc'!A1 </description><script>alert(1)</script> ]]> & \"树\"";
/// How far a place may be off by the arithmetic of two libraries, degrees: 0.1 mm.
const NEAR: f64 = 1e-9;
/// The same behind a projection in metres that is written to 0.1 mm.
const NEAR_M: f64 = 2e-9;

/// What the ledger says of a hazard: its place and its description.
type Ledger = BTreeMap<String, (Option<(f64, f64)>, Option<String>)>;

/// A server with hazards, one of them nowhere and one with a hostile description.
struct Scene {
    server: Server,
    office: Client,
    folder: TempDir,
    ledger: Ledger,
}

impl Scene {
    async fn of(backend: Backend) -> Result<Self> {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let mut operations = Vec::new();
        for number in 0..HAZARDS {
            let severity = ["critical", "serious", "general"].get(number % 3).copied().unwrap_or("general");
            // Each in a place of its own, to the east of the first and to the west of it.
            let step = i64::try_from(number)? * if number % 2 == 0 { 731 } else { -731 };
            let at = Position {
                lat_e7: 299_800_000 + step,
                lon_e7: 1_030_100_000 - step * 3,
                accuracy_dm: Some(80),
                ..Position::default()
            };
            let mut report = phone.report(severity).with("position", &at);
            report.fields.insert("description".to_owned(), Raw::of(&format!("第{number}处：毛竹距导线不足")));
            match number {
                3 => drop(report.fields.remove("position")),
                5 => drop(report.fields.insert("description".to_owned(), Raw::of(&HOSTILE))),
                _ => {}
            }
            operations.push(report);
        }
        let bundle = phone.seal(&operations);
        phone.sync(&[&bundle]).await?;
        let office = server.client()?;
        let ledger = ledger(&office).await?;
        ensure!(ledger.len() == HAZARDS, "{} hazards", ledger.len());
        Ok(Self { server, office, folder: TempDir::new()?, ledger })
    }

    /// Fetches a file under its own name.
    async fn fetch(&self, name: &str, query: &str) -> Result<PathBuf> {
        let path = format!("/v1/exports/{name}{query}");
        let (reply, headers) = self.office.send("GET", &path, &[], Vec::new()).await?;
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.text());
        let told = headers.get("content-disposition").context("no name")?;
        let path = self.folder.path().join(told.split('"').nth(1).context("no name")?);
        std::fs::write(&path, &reply.body)?;
        Ok(path)
    }
}

async fn ledger(office: &Client) -> Result<Ledger> {
    let page = office.json("/v1/hazards?limit=500").await?;
    let mut ledger = Ledger::new();
    for row in page["hazards"].as_array().context("no hazards")? {
        let place = row["position"]["lon"].as_f64().zip(row["position"]["lat"].as_f64());
        let id = row["id"].as_str().context("no id")?;
        let record = office.json(&format!("/v1/hazards/{id}")).await?;
        let fields = record["fields"].as_array().context("no fields")?;
        let field = fields.iter().find(|field| field["name"] == "description");
        let text = field.and_then(|field| field["value"].as_str()).map(str::to_owned);
        ledger.insert(row["number"].as_str().context("no number")?.to_owned(), (place, text));
    }
    Ok(ledger)
}

/// How GDAL opens a file.
fn opened(path: &Path) -> String {
    let shown = path.display();
    if path.extension().is_some_and(|ending| ending == "zip") {
        format!("/vsizip/{shown}")
    } else {
        shown.to_string()
    }
}

/// A file as a reader sees it: per row its number, its description and the middle of its place.
type Seen = Vec<(Option<String>, Option<String>, Option<(f64, f64)>)>;

/// As the GDAL of pyogrio reads the only layer of a file.
async fn by_pyogrio(path: &Path, number: &str, description: &str) -> Result<Seen> {
    let read =
        python::program("files.py", &[opened(path), number.to_owned(), description.to_owned()]).await?;
    let layers = read.as_object().context("no layers")?;
    let layer = layers.values().next().context("no layer")?;
    let column = |name: &str| -> Result<Vec<Option<String>>> {
        let values = layer["columns"][name]
            .as_array()
            .with_context(|| format!("no column {name}: {}", layer["fields"]))?;
        Ok(values.iter().map(|value| value.as_str().map(str::to_owned)).collect())
    };
    let places = layer["middles"].as_array().context("no places")?;
    let place = |value: &Value| value[0].as_f64().zip(value[1].as_f64());
    let (numbers, texts) = (column(number)?, column(description)?);
    let places = places.iter().map(place).chain(std::iter::repeat(None));
    Ok(numbers
        .into_iter()
        .zip(texts)
        .zip(places)
        .map(|((number, text), place)| (number, text, place))
        .collect())
}

/// As the GDAL of Debian reads it; none where it is not installed.
async fn by_ogr(path: &Path, number: &str, description: &str) -> Result<Option<Seen>> {
    let out = path.with_extension("read.json");
    let mut command = Command::new("ogr2ogr");
    command.args(["-f", "GeoJSON", "-lco", "COORDINATE_PRECISION=12"]);
    if !path.extension().is_some_and(|extension| extension == "xlsx" || extension == "csv") {
        command.args(["-t_srs", "EPSG:4326"]);
    }
    command.arg(&out).arg(opened(path));
    // Of a workbook the sheet of features: the last one says what the file is of.
    match path.file_name().and_then(|name| name.to_str()) {
        Some("ledger.xlsx") => _ = command.arg("隐患台账"),
        // Styles are a table without places.
        Some("hazards.gpkg") => _ = command.arg("hazards"),
        Some("hazards.xlsx") => _ = command.arg("隐患"),
        _ => {}
    }
    let run = command.stdin(Stdio::null()).output().await;
    let Ok(done) = run else { return Ok(None) };
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(done.status.success() && !said.contains("ERROR"), "{}: {said}", path.display());
    let read: Value = serde_json::from_slice(&std::fs::read(&out)?)?;
    let seen = read["features"].as_array().context("no features")?.iter().map(|feature| {
        let text = |name: &str| feature["properties"][name].as_str().map(str::to_owned);
        let at = &feature["geometry"]["coordinates"];
        (text(number), text(description), at[0].as_f64().zip(at[1].as_f64()))
    });
    Ok(Some(seen.collect()))
}

/// How a format differs from the ledger.
struct Held {
    name: &'static str,
    query: &'static str,
    number: &'static str,
    description: &'static str,
    /// Features without a place are in it.
    nowhere: bool,
    /// It has places.
    places: bool,
    near: f64,
}

const fn held(
    name: &'static str,
    query: &'static str,
    number: &'static str,
    description: &'static str,
) -> Held {
    Held { name, query, number, description, nowhere: true, places: true, near: NEAR }
}

/// What a text becomes on its way through a format.
fn expected(name: &str, text: &str) -> String {
    if name.contains(".csv") && text.starts_with('=') { format!("'{text}") } else { text.to_owned() }
}

fn compare(of: &Held, seen: &Seen, ledger: &Ledger) -> Result<()> {
    let numbers: BTreeSet<&str> = seen.iter().filter_map(|(number, ..)| number.as_deref()).collect();
    let wanted = ledger.iter().filter(|(_, (place, _))| of.nowhere || place.is_some()).count();
    ensure!(numbers.len() == seen.len() && seen.len() == wanted, "{} of {wanted} in {}", seen.len(), of.name);
    for (number, text, place) in seen {
        let number = number.as_deref().context("no number")?;
        let (true_place, true_text) = ledger.get(number).with_context(|| format!("no hazard {number}"))?;
        let true_text = true_text.as_ref().map(|text| expected(of.name, text));
        ensure!(text == &true_text, "{}{}: {number} {text:?}, not {true_text:?}", of.name, of.query);
        if !of.places {
            continue;
        }
        match (place, true_place) {
            (None, None) => {}
            (Some((x, y)), Some((lon, lat))) => {
                let off = (x - lon).abs().max((y - lat).abs());
                ensure!(off <= of.near, "{}{}: {number} is {off} degrees off", of.name, of.query);
            }
            (found, wanted) => bail!("{}{}: {number} is at {found:?}, not {wanted:?}", of.name, of.query),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_is_read_by_two_gdals_as_the_ledger_has_it() -> Result<()> {
    let metres = |of: Held| Held { near: NEAR_M, ..of };
    let all = [
        held("hazards.geojson", "", "number", "description"),
        held("hazards.geojson", "?headings=zh", "编号", "描述"),
        metres(held("hazards.geojson", "?datum=epsg:4543", "number", "description")),
        held("hazards.geojson", "?datum=cgcs2000", "number", "description"),
        held("hazards.geojsonseq", "", "number", "description"),
        Held { nowhere: false, ..held("hazards.fgb", "", "number", "description") },
        Held {
            nowhere: false,
            ..metres(held("hazards.fgb", "?datum=epsg:4522&headings=zh", "编号", "描述"))
        },
        held("hazards.shp", "", "number", "descriptio"),
        held("hazards.shp", "?headings=zh&encoding=gbk", "编号", "描述"),
        metres(held("hazards.shp", "?datum=epsg:4543", "number", "descriptio")),
        metres(held("hazards.shp", "?datum=epsg:3857", "number", "descriptio")),
        held("hazards.kml", "", "编号", "描述"),
        held("hazards.kmz", "?headings=en", "number", "details"),
        held("hazards.csv", "", "编号", "描述"),
        Held { places: false, ..held("hazards.xlsx", "", "编号", "描述") },
        Held { places: false, ..held("ledger.xlsx", "", "编号", "描述") },
        held("hazards.gpkg", "", "number", "description"),
        metres(held("hazards.gpkg", "?datum=epsg:3857&headings=zh", "编号", "描述")),
        metres(held("hazards.gpkg", "?datum=epsg:4543", "number", "description")),
    ];
    for backend in Backend::ALL {
        let scene = Scene::of(backend).await?;
        for of in &all {
            let path = scene.fetch(of.name, of.query).await?;
            let seen = by_pyogrio(&path, of.number, of.description).await;
            compare(of, &seen.with_context(|| format!("{}{}", of.name, of.query))?, &scene.ledger)?;
            match by_ogr(&path, of.number, of.description).await? {
                Some(seen) => compare(of, &seen, &scene.ledger).context("Debian's GDAL")?,
                None => fixtures::skipped("ogr2ogr (Debian package gdal-bin) is not installed"),
            }
        }
    }
    Ok(())
}

/// Where Debian's `python3-gdal` keeps the validator of GeoPackages.
const VALIDATOR: &str = "/usr/lib/python3/dist-packages/osgeo_utils/samples/validate_gpkg.py";

async fn validated(path: &Path) -> Result<()> {
    if !Path::new(VALIDATOR).exists() {
        fixtures::skipped("validate_gpkg (Debian package python3-gdal) is not installed");
        return Ok(());
    }
    let arguments = [VALIDATOR, "--extra", "--warning-as-error"];
    let done =
        Command::new("/usr/bin/python3").args(arguments).arg(path).stdin(Stdio::null()).output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success() && said.trim().is_empty(), "{}: {said}", path.display());
    Ok(())
}

/// The extent of the hazards is that of their places, and each of them stands in the index.
async fn indexed(path: &Path, ledger: &Ledger) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut file = SqliteConnection::connect_with(&options).await?;
    let extent = "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = 'hazards'";
    let (west, south, east, north): (f64, f64, f64, f64) =
        sqlx::query_as(extent).fetch_one(&mut file).await?;
    let places: Vec<(f64, f64)> = ledger.values().filter_map(|(place, _)| *place).collect();
    let sides = places.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |[w, s, e, n], (lon, lat)| {
        [w.min(*lon), s.min(*lat), e.max(*lon), n.max(*lat)]
    });
    for (told, side) in [west, south, east, north].into_iter().zip(sides) {
        ensure!((told - side).abs() <= NEAR, "{west} {south} {east} {north}, not {sides:?}");
    }
    let mut found = 0;
    for (lon, lat) in &places {
        // The index has its sides in single precision.
        let near = "SELECT count(*) FROM rtree_hazards_geom WHERE minx <= $1 + 1e-4 AND maxx >= $1 - 1e-4 \
             AND miny <= $2 + 1e-4 AND maxy >= $2 - 1e-4";
        let (count,): (i64,) = sqlx::query_as(near).bind(lon).bind(lat).fetch_one(&mut file).await?;
        found += usize::from(count > 0);
    }
    let (all,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM rtree_hazards_geom").fetch_one(&mut file).await?;
    assert_eq!((found, usize::try_from(all)?), (places.len(), places.len()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_geopackage_has_every_layer_whole_and_the_validator_finds_no_fault() -> Result<()> {
    for backend in Backend::ALL {
        let scene = Scene::of(backend).await?;
        let table = "线路名称,杆号,经度,纬度\n青杠线,N1,103.0,30.0\n青杠线,N2,103.02,30.02\n";
        let csv = [("content-type", "text/csv")];
        let imported = scene.office.post_bytes("/v1/grid/lines", table.as_bytes().to_vec(), &csv).await?;
        ensure!(imported.status == 200, "{}", imported.text());
        for query in ["", "?datum=epsg:4543&headings=zh", "?datum=bd09"] {
            let path = scene.fetch("all.gpkg", query).await?;
            validated(&path).await?;
            if query.is_empty() {
                indexed(&path, &scene.ledger).await?;
            }
            let read = python::program("files.py", &[opened(&path)]).await?;
            let read = read.as_object().context("no layers")?;
            let suffix = if query.contains("bd09") { "_bd09" } else { "" };
            for layer in firebreak::layers::Layer::ALL {
                let name = layer.name();
                let alone = scene.office.json(&format!("/v1/exports/{name}.geojson")).await?;
                let alone = alone["features"].as_array().map(Vec::len);
                let found = read.get(&format!("{name}{suffix}")).with_context(|| format!("no {name}"))?;
                assert_eq!(
                    found["count"].as_u64(),
                    alone.and_then(|count| u64::try_from(count).ok()),
                    "{name}"
                );
                let system = found["crs"].as_str().unwrap_or_default();
                let expected = match query {
                    "" => "EPSG:4326",
                    // The system of files that name none.
                    "?datum=bd09" => "Undefined geographic SRS",
                    _ => "EPSG:4543",
                };
                ensure!(system.contains(expected), "{name} in {system}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_moment_gives_the_same_bytes_from_the_server_and_from_the_shell() -> Result<()> {
    let scene = Scene::of(Backend::Sqlite).await?;
    for format in firebreak::exports::Format::ALL {
        let served = std::fs::read(scene.fetch(&format!("hazards.{}", format.name()), "").await?)?;
        for run in 0..2 {
            let out = scene.folder.path().join(format!("{run}.{}", format.extension()));
            let out = out.display().to_string();
            let arguments = ["export", "--layer", "hazards", "--format", format.name(), "--out", &out];
            let (succeeded, made) = scene.server.command(&arguments).await?;
            ensure!(succeeded, "{made}");
            ensure!(std::fs::read(&out)? == served, "{} differs", format.name());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_tiles_has_every_hazard_with_a_place_once() -> Result<()> {
    let scene = Scene::of(Backend::Sqlite).await?;
    let path = scene.fetch("hazards.pmtiles", "").await?;
    let read = python::program("files.py", &[opened(&path), "number".to_owned()]).await?;
    let layer = &read["hazards"];
    let numbers = layer["columns"]["number"].as_array().with_context(|| format!("no numbers: {read}"))?;
    let places = layer["middles"].as_array().context("no places")?;
    let wanted = scene.ledger.values().filter(|(place, _)| place.is_some()).count();
    let distinct: BTreeSet<&str> = numbers.iter().filter_map(Value::as_str).collect();
    assert_eq!((distinct.len(), numbers.len()), (wanted, wanted));
    for (number, place) in numbers.iter().zip(places) {
        let (x, y) = place[0].as_f64().zip(place[1].as_f64()).context("no place")?;
        let (lon, lat) = scene.ledger[number.as_str().context("no number")?].0.context("it has no place")?;
        // A unit of a tile is 0.6 m at zoom 14.
        ensure!((x - lon).abs() < 2e-5 && (y - lat).abs() < 2e-5, "{number}: {x} {y}, not {lon} {lat}");
    }
    let refused = scene.office.get("/v1/exports/ledger.pmtiles").await?;
    assert_eq!((refused.status, refused.code().as_deref()), (400, Some("bad-parameter")));
    Ok(())
}
