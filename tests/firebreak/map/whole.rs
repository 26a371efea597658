//! Every layer with something in it, in every format, read by two GDALs: as many features, with the same texts, numbers and
//! times, in the same bounds, in the system that was asked for.
//!
//! What a layer holds is taken from the library, whose layers other tests hold equal to the ledger. Start at [`furnish`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use firebreak::exports::{Encoding, Format, Headings, Reference};
use firebreak::layers::{Column, ColumnKind, Feature, Layer, Value as Cell};
use firebreak::sync::exports::{PhotosShown, Request, Subject, write_to};
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak_tests::phone::Phone;
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use geo::BoundingRect as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::Map;
use crate::derived::patrols::{patrol, walk};
use crate::derived::{import, import_county, line, send};

/// Puts something into every layer: lines with structures, a county, hazards with a history, one of them nowhere, a walk,
/// works with a place and without, a phone that owes what it recorded.
pub(crate) async fn furnish(server: &Server) -> Result<()> {
    let office = server.client()?;
    let lines = [line(1, "青杠一线", "110000", 29.98, 30), line(2, "白果二线", "35000", 29.99, 6)];
    import(server, &lines.concat()).await?;
    import_county(server).await?;
    let mut phone = Phone::enrol(server).await?;
    let mut reports: Vec<_> = ["general", "serious", "critical", "general", "serious"]
        .map(|severity| phone.report(severity).with("township", &"青杠镇").with("found_at_ms", &MORNING_MS))
        .into();
    if let Some(report) = reports.get_mut(1) {
        report.fields.remove("position");
    }
    send(&mut phone, &reports).await?;
    let first = reports.first().context("no report")?.record;
    let grade = json!({"fields": {"severity": "general"}});
    office.post(&format!("/v1/hazards/{first}/commands/grade"), &grade).await?.json("grade")?;
    let walked = patrol(&mut phone, &[walk(2, 12, MORNING_MS)]);
    send(&mut phone, &walked).await?;
    let placed = json!({"work_type": "corridor_felling", "line_name": "青杠一线", "structure_from": "N002",
        "structure_to": "N004", "completed_at_ms": MORNING_MS, "township": "青杠镇"});
    let nowhere = json!({"work_type": "relocation_power", "completed_at_ms": MORNING_MS, "length_dm": 1_200});
    for fields in [placed, nowhere] {
        office.post("/v1/works", &json!({"fields": fields})).await?.json("work")?;
    }
    let mut owing = Phone::enrol(server).await?;
    let kept = owing.report("general");
    let _never_sent = owing.seal(&[kept]);
    let later = owing.report("general");
    send(&mut owing, &[later]).await
}

/// How a reader was told of a file: its name, and what it saw.
type Read = BTreeMap<String, Value>;

/// As the GDAL of pyogrio reads the files of a folder, and as Debian's does where its Python is installed.
async fn read(folder: &Path) -> Result<Vec<(&'static str, Read)>> {
    let mut all = vec![(
        "pyogrio",
        serde_json::from_value(
            python::program("layers.py", &[folder.as_os_str(), "pyogrio".as_ref()]).await?,
        )?,
    )];
    let program = python::project("tests/python/layers.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(program).arg(folder).arg("osgeo").env("PYTHONDONTWRITEBYTECODE", "1");
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    match done {
        Ok(done) if done.status.success() => {
            all.push(("Debian's GDAL", serde_json::from_slice(&done.stdout)?));
        }
        Ok(done) if !String::from_utf8_lossy(&done.stderr).contains("No module named") => {
            bail!("Debian's GDAL: {}", String::from_utf8_lossy(&done.stderr));
        }
        _ => fixtures::skipped("GDAL for Python (Debian package python3-gdal) is not installed"),
    }
    Ok(all)
}

/// Whether a format holds features without a place.
fn holds_nowhere(format: Format) -> bool {
    !matches!(format, Format::FlatGeobuf | Format::PmTiles)
}

/// Whether a cell of a file is the value of a column: times to the second where the format has no finer ones.
fn is_same(format: Format, column: &Column, value: &Cell, cell: &Value) -> bool {
    match value {
        // "?" is what the older GDAL has of a shapefile where yes or no is not known.
        Cell::Null if column.kind == ColumnKind::Boolean && cell == "?" => true,
        Cell::Null => cell.is_null() || cell == "",
        // Tables and shapefiles know no empty text.
        Cell::Text(text) if text.is_empty() => cell.is_null() || cell == "",
        Cell::Text(text) => cell == text,
        Cell::Integer(number) => told_number(cell) == Some(f64::from(i32::try_from(*number).unwrap_or(-1))),
        Cell::Real(number) => {
            let near = if format == Format::Shapefile { 1e-6 } else { 1e-9 };
            told_number(cell).is_some_and(|told| (told - number).abs() <= near)
        }
        // A table of numbers has a number for it, a table of texts a word.
        Cell::Boolean(truth) => match cell {
            Value::Bool(told) => told == truth,
            // "T" is what the older GDAL has of a shapefile.
            Value::String(word) => {
                let words = if *truth { ["true", "t"] } else { ["false", "f"] };
                words.contains(&word.to_lowercase().as_str())
            }
            number => told_number(number) == Some(f64::from(u8::from(*truth))),
        },
        Cell::Time(at_ms) => {
            let told = cell.get("ms").and_then(Value::as_i64);
            told.is_some_and(|told| (told - at_ms).abs() < 1_000)
        }
        Cell::Day(day) => {
            let told = cell.get("day").and_then(Value::as_i64);
            column.kind == ColumnKind::Day && told == Some(*day)
        }
    }
}

fn told_number(cell: &Value) -> Option<f64> {
    cell.as_f64().or_else(|| cell.as_str()?.parse().ok())
}

/// The features of a layer as a format must hold them.
fn compare(layer: Layer, format: Format, features: &[Feature], told: &Value) -> Result<()> {
    let expected: Vec<&Feature> =
        features.iter().filter(|it| it.geometry.is_some() || holds_nowhere(format)).collect();
    let rows = told["rows"].as_array().context("no rows")?;
    ensure!(rows.len() == expected.len(), "{} features, not {}", rows.len(), expected.len());
    let fields: Vec<&str> =
        told["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let columns = layer.columns();
    let first = columns.first().context("no columns")?;
    let begin = fields.iter().position(|field| *field == first.name || *field == first.en);
    let begin = begin.with_context(|| format!("no column {}: {fields:?}", first.name))?;
    // Each row is found by its values: a spreadsheet has no ids of its own, and FlatGeobuf sorts by place.
    let mut left: Vec<&Value> = rows.iter().collect();
    for feature in expected {
        let is_it = |row: &&Value| {
            columns.iter().zip(&feature.values).enumerate().all(|(nth, (column, value))| {
                is_same(format, column, value, row.get(begin + nth).unwrap_or(&Value::Null))
            })
        };
        let Some(at) = left.iter().position(is_it) else {
            bail!("{feature:?} is not among {left:#?} of {fields:?}");
        };
        left.swap_remove(at);
    }
    if format == Format::Xlsx {
        return Ok(());
    }
    let within = features.iter().filter_map(|it| it.geometry.as_ref()?.bounding_rect());
    let whole = within.reduce(|one, other| {
        geo::Rect::new(
            (one.min().x.min(other.min().x), one.min().y.min(other.min().y)),
            (one.max().x.max(other.max().x), one.max().y.max(other.max().y)),
        )
    });
    let whole = whole.context("nothing has a place")?;
    let bounds: Vec<f64> =
        told["bounds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let wanted = [whole.min().x, whole.min().y, whole.max().x, whole.max().y];
    let is_near =
        bounds.len() == 4 && bounds.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-9);
    ensure!(is_near, "within {bounds:?}, not {wanted:?}");
    let system = told["crs"].as_str().unwrap_or_default();
    let is_named = system.contains("4326") || system.contains("CRS84") || system.contains("WGS 84");
    ensure!(is_named || format == Format::Csv, "in {system:?}");
    Ok(())
}

/// A value as a text: a reader may take a large number for one.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A file of a whole layer.
fn request(layer: Layer, format: Format) -> Request {
    Request {
        subject: Subject::Layer(layer),
        format,
        headings: Headings::En,
        reference: Reference::Wgs84,
        encoding: Encoding::default(),
        selection: Selection::seen_by(Sight::District),
        sight: Sight::District,
        filters: String::new(),
        as_of_ms: None,
        photos: PhotosShown::None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_layer_is_whole_in_every_format_as_two_gdals_read_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_at_noon(backend).await?;
        furnish(&server).await?;
        let map = Map::open(&server).await?;
        let folder = TempDir::new()?;
        let mut layers = BTreeMap::new();
        for layer in Layer::ALL {
            let features = map.all(*layer).await?;
            ensure!(!features.is_empty(), "{} is empty", layer.name());
            layers.insert(*layer, features);
            for format in Format::ALL.iter().filter(|format| **format != Format::PmTiles) {
                let path = folder.path().join(format!("{}.{}", layer.name(), format.extension()));
                write_to(&map.engine, &map.district, &request(*layer, *format), &path).await?;
            }
        }
        for (reader, read) in read(folder.path()).await? {
            for (layer, features) in &layers {
                for format in Format::ALL.iter().filter(|format| **format != Format::PmTiles) {
                    let name = format!("{}.{}", layer.name(), format.extension());
                    let told = read.get(&name).with_context(|| format!("{reader} did not read {name}"))?;
                    let compared = compare(*layer, *format, features, told);
                    compared.with_context(|| format!("{backend:?}: {name} by {reader}"))?;
                }
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_tiles_has_something_of_every_feature_that_has_a_place() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    furnish(&server).await?;
    let map = Map::open(&server).await?;
    let folder = TempDir::new()?;
    for layer in Layer::ALL {
        let path = folder.path().join(format!("{}.pmtiles", layer.name()));
        write_to(&map.engine, &map.district, &request(*layer, Format::PmTiles), &path).await?;
    }
    let read: Read = serde_json::from_value(
        python::program("layers.py", &[folder.path().as_os_str(), "pyogrio".as_ref()]).await?,
    )?;
    for layer in Layer::ALL {
        let name = format!("{}.pmtiles", layer.name());
        let told = read.get(&name).with_context(|| format!("{name} was not read"))?;
        // Of hazards what tells them apart is the number; of the others a column of theirs.
        let key = match layer {
            Layer::Hazards => "number",
            Layer::HazardStates => "valid_from",
            Layer::Lines | Layer::Works | Layer::Regions => "uuid",
            Layer::Structures => "structure",
            Layer::Patrolled | Layer::NotPatrolled => "from_m",
            Layer::Unsent => "device",
        };
        let fields: Vec<&str> =
            told["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let at =
            fields.iter().position(|field| *field == key).with_context(|| format!("{name}: {fields:?}"))?;
        let found: BTreeSet<String> =
            told["rows"].as_array().into_iter().flatten().map(|row| bare(&row[at])).collect();
        let of = layer.columns().iter().position(|column| column.name == key).context("no column")?;
        let placed = map.all(*layer).await?.into_iter().filter(|it| it.geometry.is_some());
        let wanted: BTreeSet<String> =
            placed.filter_map(|it| it.values.get(of).map(|cell| bare(&super::json(cell)))).collect();
        assert_eq!(found, wanted, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_of_one_moment_whatever_comes_while_it_is_read() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        furnish(&server).await?;
        let map = Map::open(&server).await?;
        let (engine, district) = (&map.engine, &map.district);
        let selection =
            Selection { since: Some(MORNING_MS / 86_400_000), ..Selection::seen_by(Sight::District) };
        let mut before = BTreeMap::new();
        for layer in Layer::ALL {
            before.insert(*layer, map.selected(*layer, &selection, 1_000).await?);
        }
        let (mut reading, moment) = layers::snapshot(engine, district).await?;
        // Everything is another now.
        import(&server, &line(3, "松坪三线", "220000", 29.97, 12)).await?;
        let mut phone = Phone::enrol(&server).await?;
        let reports = [phone.report("critical"), phone.report("general")];
        send(&mut phone, &reports).await?;
        let walked = patrol(&mut phone, &[walk(20, 25, MORNING_MS)]);
        send(&mut phone, &walked).await?;
        let work = json!({"fields": {"work_type": "relocation_power", "completed_at_ms": MORNING_MS}});
        server.client()?.post("/v1/works", &work).await?.json("work")?;
        for layer in Layer::ALL {
            let then =
                layers::page_in(&mut reading, &moment, district, *layer, &selection, None, 1_000).await?;
            assert_eq!(&then, &before[layer], "{backend:?} {}", layer.name());
            let now = map.selected(*layer, &selection, 1_000).await?;
            let is_kept = matches!(layer, Layer::Regions | Layer::Unsent);
            ensure!(is_kept || now != then, "{backend:?}: nothing came to {}", layer.name());
        }
    }
    Ok(())
}
