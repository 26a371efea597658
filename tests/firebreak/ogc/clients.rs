//! Programs that others wrote read the map: `OWSLib`, Debian's GDAL, the newer GDAL inside pyogrio.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::place as key_of;
use firebreak::layers::{Feature, Layer};
use firebreak::store::MapHazardRow;
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak_tests::python;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;
use tokio::process::Command;
use uuid::Uuid;

use super::{HARD, HAZARDS, PLACED, World, features};
use crate::derived;
use crate::map::whole::furnish;

/// Features of the large layer.
const MANY: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owslib_reads_everything_that_it_knows() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let address = format!("{}/ogc", world.server.url.trim_end_matches('/'));
        let read = python::program("ogc_owslib.py", &[&address, &world.server.token]).await?;
        let names: Vec<&str> = Layer::ALL.iter().map(|layer| layer.name()).collect();
        assert_eq!(read["layers"], json!(names), "{read}");
        for layer in Layer::ALL {
            let name = layer.name();
            let mut columns: Vec<&str> = layer.columns().iter().map(|column| column.name).collect();
            columns.push("geometry");
            columns.sort_unstable();
            assert_eq!(read["queryables"][name], json!(columns), "{name}");
            assert_eq!(read["titles"][name], format!("{} {}", layer.title().zh, layer.title().en));
            let own = world.ids(&format!("/ogc/collections/{name}/items?limit=1000")).await?;
            assert_eq!(read["ids"][name], json!(own), "{name}");
        }
        let first = world.get("/ogc/collections/hazards/items/1").await?;
        assert_eq!(read["one"], first["properties"]);
        assert_eq!((&read["critical"], &read["within"]), (&json!(PLACED / 3), &json!(2)));
        ensure!(read["paths"].as_array().is_some_and(|paths| paths.len() > 6), "{}", read["paths"]);
    }
    Ok(())
}

/// Debian's GDAL, or none and a line that says so.
async fn gdal(arguments: &[&str], token: &str) -> Result<Option<Vec<u8>>> {
    let mut command = Command::new("ogr2ogr");
    command.args(arguments).args(["--config", "GDAL_HTTP_USERPWD", &format!("qgis:{token}")]);
    let output = match command.stdin(Stdio::null()).kill_on_drop(true).output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fixtures::skipped("ogr2ogr (Debian package gdal-bin) is not installed");
            return Ok(None);
        }
        output => output?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    Ok(Some(output.stdout))
}

/// Coordinates to a tenth of what is stored: GDAL writes as many digits as it is told.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(rounded).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), rounded(value))).collect()
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            json!(format!("{number:.7}"))
        }
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debians_gdal_reads_every_layer_as_it_is() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        furnish(&world.server).await?;
        let source = format!("OAPIF:{}/ogc", world.server.url.trim_end_matches('/'));
        for layer in Layer::ALL {
            let name = layer.name();
            let own = world.get(&format!("/ogc/collections/{name}/items?limit=1000")).await?;
            let arguments = [
                "-f", "GeoJSON", "-preserve_fid", "-lco", "COORDINATE_PRECISION=9", "/vsistdout/", &source,
                name, "-oo", "PAGE_SIZE=7",
            ];
            ensure!(!features(&own)?.is_empty(), "{name} is empty");
            let Some(read) = gdal(&arguments, &world.server.token).await? else { return Ok(()) };
            let read: Value = serde_json::from_slice(&read)?;
            let by_id = |page: &Value| -> Result<BTreeMap<i64, Value>> {
                let each =
                    features(page)?.iter().map(|it| Ok((it["id"].as_i64().context("no id")?, it.clone())));
                each.collect()
            };
            let (own, read) = (by_id(&own)?, by_id(&read)?);
            assert_eq!(own.keys().collect::<Vec<_>>(), read.keys().collect::<Vec<_>>(), "{backend:?} {name}");
            for (id, feature) in &own {
                let other = &read[id];
                assert_eq!(rounded(&feature["geometry"]), rounded(&other["geometry"]), "{name} {id}");
                for (column, value) in feature["properties"].as_object().context("no properties")? {
                    if let (Value::String(value), Value::String(other)) =
                        (value, &other["properties"][column])
                    {
                        // GDAL writes times in its own way.
                        ensure!(
                            value == other || value.parse::<jiff::Timestamp>().is_ok() || value.len() == 10,
                            "{name} {id} {column}: {value} {other}"
                        );
                    } else {
                        let both = (rounded(value), rounded(&other["properties"][column]));
                        assert_eq!(both.0, both.1, "{name} {id} {column}");
                    }
                }
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gdal_inside_pyogrio_reads_every_layer_and_its_system() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        furnish(&world.server).await?;
        let address = format!("{}/ogc", world.server.url.trim_end_matches('/'));
        let token = world.server.token.as_str();
        let read = python::program("ogc_pyogrio.py", &[&address, token, "7"]).await?;
        for layer in Layer::ALL {
            let name = layer.name();
            let page = world.get(&format!("/ogc/collections/{name}/items?limit=1000")).await?;
            let own = features(&page)?;
            let told = &read["layers"][name];
            assert_eq!(told["count"], json!(own.len()), "{backend:?} {name}");
            let column = |column: &str| -> Vec<Value> {
                own.iter().map(|feature| feature["properties"][column].clone()).collect()
            };
            for (text, values) in told["texts"].as_object().context("no texts")? {
                assert_eq!(values, &json!(column(text)), "{name} {text}");
            }
            ensure!(!own.is_empty(), "{name} is empty");
            let crs = &told["crs"];
            ensure!(crs.as_str().is_some_and(|crs| crs.contains("CRS84")), "{name}: {crs}");
            let bounds: Vec<f64> =
                told["bounds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            let wanted = bounds_of(own).context("nothing has a place")?;
            let is_near = bounds.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-9);
            ensure!(bounds.len() == 4 && is_near, "{name}: {bounds:?}, not {wanted:?}");
        }
        let hazards = &read["layers"]["hazards"];
        let texts = hazards["texts"]["description"].as_array().context("no texts")?;
        ensure!(texts.contains(&json!(HARD)), "{texts:?}");
        // The newer GDAL asks for another system; it turns northing and easting for itself.
        let zone = "http://www.opengis.net/def/crs/EPSG/0/4543";
        let read = python::program("ogc_pyogrio.py", &[&address, token, "1000", zone]).await?;
        let hazards = &read["layers"]["hazards"];
        assert_eq!(hazards["crs"], "EPSG:4543", "{}", read["gdal"]);
        let first: Vec<f64> =
            hazards["first"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        for (found, expected) in first.iter().zip([596_508.093_1, 3_318_317.220_7]) {
            ensure!((found - expected).abs() < 1e-3, "{first:?}");
        }
    }
    Ok(())
}

/// West, south, east, north of the features of a page.
pub(super) fn bounds_of(features: &[Value]) -> Option<[f64; 4]> {
    fn positions(value: &Value, found: &mut Vec<(f64, f64)>) {
        match (value[0].as_f64(), value[1].as_f64()) {
            (Some(x), Some(y)) => found.push((x, y)),
            _ => value.as_array().into_iter().flatten().for_each(|part| positions(part, found)),
        }
    }
    let mut found = Vec::new();
    for feature in features {
        positions(&feature["geometry"]["coordinates"], &mut found);
    }
    let boxes = found.into_iter().map(|(x, y)| [x, y, x, y]);
    boxes.reduce(|[w, s, e, n], [west, south, east, north]| {
        [w.min(west), s.min(south), e.max(east), n.max(north)]
    })
}

/// A hazard that stands on the map without an operation behind it: as many of them as a test wants are there in a moment.
fn row(nth: usize) -> MapHazardRow {
    let nth_whole = i64::try_from(nth).unwrap_or_default();
    let (lat_e7, lon_e7) = (299_000_000 + nth_whole * 37, 1_029_000_000 + nth_whole * 53);
    MapHazardRow {
        record: RecordId(Uuid::from_u128(
            0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::try_from(nth).unwrap_or_default(),
        )),
        // Far from the numbers of what comes meanwhile.
        id: 1_000_000 + nth_whole,
        place: key_of(lat_e7, lon_e7),
        lat_e7: Some(lat_e7),
        lon_e7: Some(lon_e7),
        number: Some(format!("test-2026-{nth:06}")),
        found: Some(super::found_ms(nth % 500)),
        county: Some("名山区".to_owned()),
        township: None,
        line_name: Some("青杠一线".to_owned()),
        line: None,
        voltage_v: Some(110_000),
        structure_from: Some("N001".to_owned()),
        structure_to: Some("N002".to_owned()),
        chainage_mm: Some(nth_whole * 10),
        offset_mm: Some(1_500),
        in_zone: Some(1),
        accuracy_mm: Some(8_000),
        category: Some("corridor".to_owned()),
        kind: Some("tree".to_owned()),
        description: Some(format!("线下树木 {nth}")),
        severity_rank: 1,
        severity: Some("general".to_owned()),
        major: 0,
        state: "reported".to_owned(),
        open: 1,
        conflict: 0,
        provisional: 0,
        unit: None,
        unit_id: None,
        order_number: None,
        due: None,
        turn: Some("reviewer".to_owned()),
        updated: super::found_ms(nth % 500),
        change: 1,
    }
}

/// Puts many hazards on the map of a running server.
async fn crowd(server: &Server, count: usize) -> Result<()> {
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    let rows: Vec<MapHazardRow> = (0..count).map(row).collect();
    for some in rows.chunks(5_000) {
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        transaction.replace_map_hazards(district.key, some).await?;
        transaction.add_to_map_total(district.key, Layer::Hazards, i64::try_from(some.len())?).await?;
        transaction.commit().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_large_layer_gets_every_feature_once_while_devices_sync() -> Result<()> {
    for backend in Backend::ALL {
        let mut world = World::new(backend).await?;
        let many = MANY;
        crowd(&world.server, many).await?;
        let address = format!("{}/ogc", world.server.url.trim_end_matches('/'));
        let token = world.server.token.clone();
        let source = format!("OAPIF:{address}");
        let reading = tokio::spawn(async move {
            let arguments =
                ["-f", "CSV", "/vsistdout/", &source, "hazards", "-select", "uuid", "-oo", "PAGE_SIZE=2000"];
            gdal(&arguments, &token).await
        });
        let mut sent = 0_u32;
        while !reading.is_finished() {
            let new = world.phone.report("serious");
            derived::send(&mut world.phone, &[new]).await?;
            sent += 1;
        }
        let Some(read) = reading.await?? else { return Ok(()) };
        ensure!(sent > 0, "nothing was sent meanwhile");
        let read = String::from_utf8(read)?;
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        for uuid in read.lines().skip(1) {
            *times.entry(uuid.trim_matches('"')).or_default() += 1;
        }
        ensure!(times.values().all(|times| *times == 1), "{backend:?}: one came twice");
        for nth in 0..many {
            let uuid = row(nth).record.to_string();
            ensure!(times.contains_key(uuid.as_str()), "{backend:?}: {uuid} did not come");
        }
        println!("{backend:?}: {many} features in {} while {sent} syncs", times.len());
        ensure!(times.len() >= many + HAZARDS, "{}", times.len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_many_features_is_sent_in_parts_and_is_whole() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        crowd(&world.server, 3_500).await?;
        let path = "/ogc/collections/hazards/items?limit=3000&filter=state%20%3D%20%27reported%27";
        let first = world.get(path).await?;
        assert_eq!((features(&first)?.len(), &first["numberReturned"]), (3_000, &json!(3_000)));
        let all = world.ids(path).await?;
        let distinct: BTreeSet<i64> = all.iter().copied().collect();
        assert_eq!((all.len(), distinct.len()), (3_500 + HAZARDS, 3_500 + HAZARDS));
        let engine = firebreak::app::open(&world.server.settings()).await?;
        let district = engine.district(DISTRICT).await?;
        let whole = Selection::seen_by(Sight::District);
        let found: Vec<Feature> =
            layers::page(&engine, &district, Layer::Hazards, &whole, None, 10_000).await?;
        assert_eq!(found.iter().map(|feature| feature.id).collect::<Vec<_>>(), all);
    }
    Ok(())
}
