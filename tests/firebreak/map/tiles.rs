//! Tiles over HTTP and beside it: every hazard once a zoom, decoded by another implementation; tags, encodings, refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::sync::sight::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::{MEDIA_TYPE, Tile, ZOOM_MAX};
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::nepal::{e7, real_data, rows};
use firebreak_tests::phone::{MORNING_MS, Phone};
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;
use sync_protocol::operation::Position;

use super::whole::furnish;
use super::{Map, beside};
use crate::derived::patrols::{patrol, walk};
use crate::derived::{import, line};

/// Hazards that are looked for on every zoom.
const SAMPLED: usize = 2_000;

/// Where fires were seen from space, all over the world, in another order; made up where the real ones are not there.
fn positions(dice: &mut Dice) -> Result<Vec<(i64, i64)>> {
    let mut found = Vec::new();
    if let Some(folder) = real_data("nasa-firms") {
        for row in rows(&folder.join("world_fires_1_day.csv"))? {
            let degrees = |nth: usize| row.get(nth).and_then(|text| text.parse::<f64>().ok());
            found.extend(degrees(0).zip(degrees(1)).map(|(lat, lon)| (e7(lat), e7(lon))));
        }
    }
    while found.len() < SAMPLED {
        let spread = if dice.chance(50) { 3_000_000 } else { 300_000_000 };
        found.push((dice.between(-spread, spread), 1_000_000_000 + dice.between(-spread, spread)));
    }
    let mut sampled = Vec::new();
    while sampled.len() < SAMPLED {
        sampled.push(found.swap_remove(dice.index(found.len())));
    }
    Ok(sampled)
}

/// Hazards reported at these positions.
async fn reported(server: &Server, positions: &[(i64, i64)]) -> Result<Vec<RecordId>> {
    let mut phone = Phone::enrol(server).await?;
    let mut records = Vec::new();
    for chunk in positions.chunks(500) {
        let mut operations = Vec::new();
        for (nth, (lat_e7, lon_e7)) in chunk.iter().enumerate() {
            let severity = ["general", "serious", "critical"].get(nth % 3).copied().unwrap_or("general");
            let at =
                Position { lat_e7: *lat_e7, lon_e7: *lon_e7, accuracy_dm: Some(50), ..Position::default() };
            let report = phone.report(severity).with("position", &at);
            records.push(report.record);
            operations.push(report);
        }
        let bundle = phone.seal(&operations);
        let reply = phone.sync(&[bundle]).await?;
        ensure!(reply.status == 200, "{} {:?}", reply.status, reply.error());
    }
    Ok(records)
}

/// Where a tile is.
pub(super) fn path_of(tile: Tile) -> String {
    format!("/ogc/collections/hazards/tiles/WebMercatorQuad/{}/{}/{}", tile.zoom(), tile.y(), tile.x())
}

pub(super) fn tile_of((lat_e7, lon_e7): (i64, i64), zoom: u8) -> Result<Tile> {
    Tile::of_place(place(lat_e7, lon_e7), zoom).context("no such tile")
}

/// The reply to a GET with these headers, and its own.
pub(super) async fn get(
    client: &Client,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Reply, BTreeMap<String, String>)> {
    let headers: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    client.send("GET", path, &headers, Vec::new()).await
}

/// Writes every tile that holds one of these places into a folder, for each of these zooms.
async fn write_tiles(server: &Server, positions: &[(i64, i64)], zooms: &[u8], folder: &Path) -> Result<()> {
    let (engine, district) = beside(server).await?;
    for zoom in zooms {
        let wanted: BTreeSet<(u32, u32)> = positions
            .iter()
            .map(|at| tile_of(*at, *zoom).map(|tile| (tile.y(), tile.x())))
            .collect::<Result<_>>()?;
        for (y, x) in wanted {
            let tile = Tile::new(*zoom, x, y).context("no such tile")?;
            let wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
            let made = tiles::made(&engine, &district, &wanted).await?;
            let bytes = made.bytes.with_context(|| format!("{zoom}/{y}/{x} is empty"))?;
            tokio::fs::write(folder.join(format!("{zoom}-{y}-{x}.mvt")), bytes).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hazard_is_on_every_zoom_exactly_once_as_another_decoder_reads_it() -> Result<()> {
    let seed = firebreak_tests::seed("every_hazard_is_on_every_zoom_exactly_once", 11);
    for backend in Backend::ALL {
        let mut dice = Dice::new(seed);
        let positions = positions(&mut dice)?;
        let server = Server::start(backend).await?;
        let records = reported(&server, &positions).await?;
        let (engine, district) = beside(&server).await?;
        engine.follow_until_current(&district).await?;
        let found = engine.store.read().await?.records(district.key, &records).await?;
        let expected: BTreeMap<u64, [f64; 2]> = records
            .iter()
            .zip(&positions)
            .map(|(record, (lat_e7, lon_e7))| {
                let number = found.get(record).context("a record is missing")?.number;
                let degrees = |e7: i64| i32::try_from(e7).map(|e7| f64::from(e7) / 1e7);
                Ok((number, [degrees(*lat_e7)?, degrees(*lon_e7)?]))
            })
            .collect::<Result<_>>()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("expected.json"), serde_json::to_string(&expected)?)?;
        // The small zooms by what they count, the others by every zoom there is; the other database by some of them.
        let zooms: Vec<u8> = match backend {
            Backend::Sqlite => (0..=ZOOM_MAX).collect(),
            Backend::Postgres => vec![0, 5, 9, 10, 14, 22],
        };
        write_tiles(&server, &positions, &zooms, folder.path()).await?;
        let said = python::program("tiles.py", &[folder.path()]).await?;
        for zoom in zooms {
            let said = &said[zoom.to_string()];
            println!("{backend:?} zoom {zoom}: {said}");
            let in_all = i64::try_from(SAMPLED)?;
            if zoom <= 9 {
                ensure!(said["counted"] == json!(in_all) && said["features"] == 0, "zoom {zoom}: {said}");
                continue;
            }
            ensure!(said["features"] == json!(in_all) && said["counted"] == 0, "zoom {zoom}: {said}");
            ensure!(said["missing"] == json!([]) && said["twice"] == json!([]), "zoom {zoom}: {said}");
            // A point stands in the first unit of its place; where the grid of places is coarser than the tile, a place is
            // several units wide.
            let units = f64::from(1_u32 << zoom.saturating_sub(19));
            let most = units - 0.5 + 0.01;
            ensure!(said["off"].as_f64().is_some_and(|off| off <= most), "zoom {zoom}: {said}");
            for key in ["severity", "category", "kind", "state", "open", "number"] {
                ensure!(
                    said["keys"].as_array().is_some_and(|keys| keys.contains(&json!(key))),
                    "{key}: {said}"
                );
            }
        }
        // Over HTTP the same bytes come.
        let tile = tile_of(positions[0], 12)?;
        let (reply, _) = get(&server.client()?, &path_of(tile), &[]).await?;
        let wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
        assert_eq!(Some(reply.body), tiles::made(&engine, &district, &wanted).await?.bytes);
    }
    Ok(())
}

/// A server with some hazards in one place, all derived.
pub(super) async fn with_hazards(backend: Backend) -> Result<(Server, Phone)> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(30);
    phone.sync(&[bundle]).await?;
    let (engine, district) = beside(&server).await?;
    engine.follow_until_current(&district).await?;
    Ok((server, phone))
}

/// Where the reports of a phone begin.
pub(super) const BEGIN: (i64, i64) = (299_800_000, 1_030_100_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_is_sent_once_and_again_only_when_it_changed() -> Result<()> {
    for backend in Backend::ALL {
        let (server, mut phone) = with_hazards(backend).await?;
        let client = server.client()?;
        for zoom in [5, 13] {
            let path = path_of(tile_of(BEGIN, zoom)?);
            let (first, headers) = get(&client, &path, &[]).await?;
            assert_eq!((first.status, first.content_type.as_str()), (200, MEDIA_TYPE), "{}", first.text());
            assert_eq!(headers["cache-control"], "private, no-cache");
            assert_eq!(headers["firebreak-tile"], if zoom == 5 { "counts" } else { "features" });
            let tag = headers["etag"].clone();
            ensure!(tag.starts_with('"'), "{tag} is no strong tag");
            let (again, kept) = get(&client, &path, &[("if-none-match", &tag)]).await?;
            assert_eq!((again.status, again.body.len(), &kept["etag"]), (304, 0, &tag));
            // Another filter is another tile, even where it shows the same.
            let mut known = tag.clone();
            let narrowed: &[&str] =
                if zoom == 5 { &[] } else { &["filter=TRUE", "bbox=100,20,110,40", "kind=tree"] };
            for query in [&["severity=critical", "open=true"], narrowed].concat() {
                let (other, headers) =
                    get(&client, &format!("{path}?{query}"), &[("if-none-match", &known)]).await?;
                assert_eq!(other.status, 200, "{zoom} {query}");
                known = format!("{known}, {}", headers["etag"]);
            }
            // Another hazard in it makes it another.
            let bundle = phone.reports(1);
            phone.sync(&[bundle]).await?;
            let (engine, district) = beside(&server).await?;
            engine.follow_until_current(&district).await?;
            let (changed, headers) = get(&client, &path, &[("if-none-match", &tag)]).await?;
            ensure!(
                changed.status == 200 && headers["etag"] != tag && changed.body != first.body,
                "a stale tile"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_comes_encoded_as_its_reader_takes_it() -> Result<()> {
    let (server, _phone) = with_hazards(Backend::Sqlite).await?;
    let client = server.client()?;
    let path = path_of(tile_of(BEGIN, 13)?);
    let (plain, headers) = get(&client, &path, &[("accept-encoding", "identity")]).await?;
    ensure!(!headers.contains_key("content-encoding"), "{headers:?}");
    let mut tags = BTreeSet::from([headers["etag"].clone()]);
    for (accepted, named) in [("gzip", "gzip"), ("gzip, br, zstd", "zstd")] {
        let (reply, headers) = get(&client, &path, &[("accept-encoding", accepted)]).await?;
        assert_eq!(headers["content-encoding"], named);
        let mut decoded = Vec::new();
        match named {
            "gzip" => {
                std::io::Read::read_to_end(
                    &mut flate2::read::GzDecoder::new(reply.body.as_slice()),
                    &mut decoded,
                )?;
            }
            _ => decoded = zstd::stream::decode_all(reply.body.as_slice())?,
        }
        assert_eq!(decoded, plain.body);
        ensure!(tags.insert(headers["etag"].clone()), "a strong tag names bytes, encoded ones too");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_tile_is_204_and_one_that_does_not_exist_404() -> Result<()> {
    let (server, _phone) = with_hazards(Backend::Sqlite).await?;
    let client = server.client()?;
    for zoom in [5, 13] {
        let empty = path_of(tile_of((-300_000_000, -500_000_000), zoom)?);
        let (reply, headers) = get(&client, &empty, &[]).await?;
        assert_eq!((reply.status, reply.body.len()), (204, 0));
        let (again, _) = get(&client, &empty, &[("if-none-match", &headers["etag"])]).await?;
        assert_eq!(again.status, 304);
    }
    for path in [
        "hazards/tiles/WebMercatorQuad/23/0/0",
        "hazards/tiles/WebMercatorQuad/5/32/0",
        "hazards/tiles/WebMercatorQuad/5/0/32",
        "hazards/tiles/WebMercatorQuad/5/-1/0",
        "hazards/tiles/WebMercatorQuad/5/x/0",
        "hazards/tiles/WorldCRS84Quad/5/0/0",
        "roads/tiles/WebMercatorQuad/5/0/0",
        "roads/tiles",
    ] {
        let reply = client.get(&format!("/ogc/collections/{path}")).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (404, Some("not-found")), "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_tiles_leads_to_tiles() -> Result<()> {
    let (server, _phone) = with_hazards(Backend::Sqlite).await?;
    let client = server.client()?;
    let sets = client.json("/ogc/tileMatrixSets").await?;
    let at = sets["tileMatrixSets"][0]["links"][0]["href"].as_str().context("no link")?.to_owned();
    let at = at.strip_prefix(server.url.trim_end_matches('/')).context("it leads elsewhere")?;
    let set = client.json(at).await?;
    assert_eq!(
        (set["id"].as_str(), set["tileMatrices"].as_array().map(Vec::len)),
        (Some("WebMercatorQuad"), Some(23))
    );
    let list = client.json("/ogc/collections/hazards/tiles").await?;
    let links = list["tilesets"][0]["links"].as_array().context("no links")?.clone();
    let of = |rel: &str| links.iter().find(|link| link["rel"] == rel).and_then(|link| link["href"].as_str());
    for rel in ["self", "describedby", "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"] {
        let at = of(rel)
            .context("no link")?
            .strip_prefix(server.url.trim_end_matches('/'))
            .context("elsewhere")?;
        client.json(at).await?;
    }
    let tile_json = client.json("/ogc/collections/hazards/tiles/WebMercatorQuad/tilejson.json").await?;
    let template = tile_json["tiles"][0].as_str().context("no tiles")?.to_owned();
    let tile = tile_of(BEGIN, 13)?;
    let fill = |template: &str, names: [&str; 3]| {
        let numbers = [u32::from(tile.zoom()), tile.y(), tile.x()].map(|number| number.to_string());
        names.iter().zip(numbers).fold(template.to_owned(), |at, (name, number)| at.replace(name, &number))
    };
    for at in [
        fill(&template, ["{z}", "{y}", "{x}"]),
        fill(of("item").context("no item")?, ["{tileMatrix}", "{tileRow}", "{tileCol}"]),
    ] {
        let at = at.strip_prefix(server.url.trim_end_matches('/')).context("it leads elsewhere")?;
        assert_eq!(client.get(at).await?.status, 200, "{at}");
    }
    let names: Vec<&Value> = tile_json["vector_layers"]
        .as_array()
        .context("no layers")?
        .iter()
        .map(|layer| &layer["id"])
        .collect();
    assert_eq!(names, ["hazard_counts", "hazards"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_earliest_deadline_of_a_small_zoom_follows_orders_and_closing() -> Result<()> {
    let (server, mut phone) = with_hazards(Backend::Sqlite).await?;
    ensure!(MORNING_MS > 0);
    let office = server.client()?;
    let report = phone.report("serious");
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    let (engine, district) = beside(&server).await?;
    engine.follow_until_current(&district).await?;
    let earliest = async || -> Result<Option<i64>> {
        let tile = tile_of(BEGIN, 5)?;
        let counts = engine.store.read().await?.tile_counts(district.key, tile).await?;
        Ok(counts
            .iter()
            .filter(|count| count.key.kind.severity_rank() == 2)
            .filter_map(|count| count.due_ms)
            .min())
    };
    let before = earliest().await?.context("no deadline by the rules")?;
    let path = format!("/v1/hazards/{}/commands", report.record);
    let void = json!({"fields": {"reason": "误报"}});
    let soon_ms = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    let grade = json!({"fields": {"severity": "serious", "rule_version": "2026-1"}});
    office.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
    let order = json!({"fields": {"responsible_unit": "队", "measures": "砍伐", "deadline_ms": soon_ms}});
    office.post(&format!("{path}/order"), &order).await?.json("order")?;
    engine.follow_until_current(&district).await?;
    assert_eq!(earliest().await?.map(|due_ms| due_ms.min(soon_ms)), Some(soon_ms.min(before)));
    office.post(&format!("{path}/void"), &void).await?.json("void")?;
    engine.follow_until_current(&district).await?;
    assert_eq!(earliest().await?, Some(before), "with the hazard goes its deadline");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_of_any_layer_is_known_by_its_tag_until_it_changes() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_at_noon(backend).await?;
        furnish(&server).await?;
        let map = Map::open(&server).await?;
        map.all(Layer::Hazards).await?;
        let client = server.client()?;
        let path = |layer: Layer| -> Result<String> {
            // Everything that is furnished lies in it; phones' areas are the county's.
            let tile = tile_of((299_850_000, 1_030_150_000), 12)?;
            Ok(path_of(tile).replace("hazards", layer.name()))
        };
        let mut tags = BTreeMap::new();
        for layer in Layer::ALL {
            let (first, headers) = get(&client, &path(*layer)?, &[]).await?;
            assert_eq!(first.status, 200, "{}: {}", layer.name(), first.text());
            let tag = headers["etag"].clone();
            let (again, _) = get(&client, &path(*layer)?, &[("if-none-match", &tag)]).await?;
            assert_eq!((again.status, again.body.len()), (304, 0), "{}", layer.name());
            tags.insert(*layer, tag);
        }
        // A hazard comes: the layers of hazards are others, those of the grid and of what was walked are not.
        let mut phone = Phone::enrol(&server).await?;
        let bundle = phone.reports(1);
        phone.sync(&[bundle]).await?;
        map.all(Layer::Hazards).await?;
        let changed = |found: &BTreeMap<Layer, u16>| -> BTreeSet<&'static str> {
            found.iter().filter(|(_, status)| **status == 200).map(|(layer, _)| layer.name()).collect()
        };
        let again = async |tags: &BTreeMap<Layer, String>| -> Result<BTreeMap<Layer, u16>> {
            let mut found = BTreeMap::new();
            for (layer, tag) in tags {
                let (reply, _) = get(&client, &path(*layer)?, &[("if-none-match", tag)]).await?;
                found.insert(*layer, reply.status);
            }
            Ok(found)
        };
        assert_eq!(
            changed(&again(&tags).await?),
            BTreeSet::from(["hazards", "hazard_states"]),
            "{backend:?}"
        );
        // A walk, a work, another line: each layer is another after what it is made of.
        let walked = patrol(&mut phone, &[walk(15, 20, MORNING_MS)]);
        let bundle = phone.seal(&walked);
        phone.sync(&[bundle]).await?;
        let work = json!({"fields": {"work_type": "corridor_felling", "line_name": "青杠一线",
            "structure_from": "N005", "structure_to": "N007", "completed_at_ms": MORNING_MS}});
        client.post("/v1/works", &work).await?.json("work")?;
        map.all(Layer::Hazards).await?;
        let found = changed(&again(&tags).await?);
        ensure!(["patrolled", "works"].iter().all(|name| found.contains(name)), "{backend:?}: {found:?}");
        ensure!(!found.contains("lines") && !found.contains("regions"), "{backend:?}: {found:?}");
        import(&server, &line(1, "青杠一线", "110000", 29.981, 30)).await?;
        map.all(Layer::Hazards).await?;
        let found = changed(&again(&tags).await?);
        for name in ["lines", "structures", "not_patrolled"] {
            ensure!(found.contains(name), "{backend:?}: {name} is stale: {found:?}");
        }
    }
    Ok(())
}
