//! Tiles and pages of items: how many a second beside tipg on `PostGIS`, with the same points, the same features in each
//! tile and page and the same columns.
//!
//! Each side is asked over as many connections as a browser opens to one server, for the tiles or pages in turn; nobody
//! keeps any, and nothing is squeezed. Start at [`measure`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::store::MapHazardRow;
use firebreak::tiles::{EXTENT, Tile};
use firebreak_tests::map::{fill, thrown};
use firebreak_tests::python;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use serde_json::Value;

use crate::figure::{Figures, number, rate};
use crate::link::Link;
use crate::tipg::{Tipg, settle};

/// Points of the race.
const POINTS: u64 = 100_000;
/// Zooms of the race.
const ZOOMS: [u8; 3] = [10, 12, 14];
/// Tiles of a zoom that are asked for, at most.
const TILES: usize = 200;
/// Features of a page of items.
const PAGE: usize = 1_000;
/// Pages that are asked for.
const PAGES: usize = 10;
/// How long each side is asked for the tiles of a zoom, or for pages, before it is the other's turn.
const TURN: Duration = Duration::from_secs(1);
/// Turns of each side.
const TURNS: usize = 5;
/// Askers at a time: the connections that a browser opens to one server (Chromium and Firefox, HTTP/1.1), so that either side
/// has something to do while it waits for its database.
const ASKERS: usize = 6;
/// Processes of tipg: one for each core, which it keeps busy.
const PROCESSES: usize = 2;
/// Tiles whose features are compared.
const COMPARED: usize = 10;

/// `tile_z10` …, `items` of both databases, each beside tipg.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let mut dice = Dice::named(7, "tiles");
    let rows: Vec<MapHazardRow> = (1..=POINTS).map(|number| thrown(&mut dice, number)).collect();
    let mut servers = Vec::new();
    for backend in Backend::ALL {
        Figures::say(&format!("tiles: {POINTS} hazards on {backend:?}"));
        servers.push((backend, filled(backend, &rows).await?));
    }
    let (_, first) = servers.first().context("no database")?;
    let tipg = Tipg::start(&features(first).await?, PROCESSES).await?;
    if tipg.is_none() {
        Figures::say("tiles: tipg or PostGIS is not installed; ours alone");
    }
    for (backend, server) in &servers {
        let suffix = match backend {
            Backend::Sqlite => "",
            Backend::Postgres => "_postgres",
        };
        for zoom in ZOOMS {
            let wanted = tiles_of(&rows, zoom)?;
            let ours: Vec<String> = wanted.iter().map(|tile| own_tile(*tile)).collect();
            let theirs: Vec<String> = wanted.iter().map(|tile| Tipg::tile(*tile)).collect();
            if let Some(tipg) = &tipg {
                same_features((server, &ours), (tipg, &theirs)).await?;
            }
            let name = format!("tile_z{zoom}{suffix}");
            compare(figures, (&name, "tiles/s"), (server, ours), (tipg.as_ref(), theirs)).await?;
        }
        let ours = own_pages(server, PAGES).await?;
        let theirs: Vec<String> = (0..PAGES).map(|page| Tipg::items(PAGE, page * PAGE)).collect();
        if let Some(tipg) = &tipg {
            same_pages((server, &ours), (tipg, &theirs)).await?;
        }
        let name = format!("items{suffix}");
        compare(figures, (&name, "pages/s"), (server, ours), (tipg.as_ref(), theirs)).await?;
    }
    Ok(())
}

async fn filled(backend: Backend, rows: &[MapHazardRow]) -> Result<Server> {
    let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    // What is derived is current: no first page waits for it.
    engine.follow_until_current(&district).await?;
    // PostgreSQL plans for an empty table what then reads all of it for each key: it is told early what has come.
    let (first, rest) = rows.split_at(rows.len().min(PAGE));
    for rows in [first, rest] {
        fill(&engine, &district, rows.iter().cloned()).await?;
        if let Some(address) = server.database() {
            settle(address, "map_hazards, tile_strips, tile_counts, districts").await?;
        }
    }
    engine.store.close().await;
    Ok(server)
}

/// Prints what each side makes a second, and the bytes of what it makes. They take turns: the machine is not the same from
/// one second to the next.
async fn compare(
    figures: &mut Figures,
    (name, unit): (&str, &str),
    (server, ours): (&Server, Vec<String>),
    (tipg, theirs): (Option<&Tipg>, Vec<String>),
) -> Result<()> {
    let mut own = Side::ready(vec![server.url.clone()], &server.token, ours).await?;
    let mut their = match tipg {
        Some(tipg) => Some(Side::ready(tipg.urls.clone(), "", theirs).await?),
        None => None,
    };
    for _ in 0..TURNS {
        own.turn().await?;
        if let Some(their) = &mut their {
            their.turn().await?;
        }
    }
    let (rate, bytes) = own.figures();
    let (their_rate, their_bytes) = their.as_ref().map_or((f64::NAN, f64::NAN), Side::figures);
    figures.print(name, rate, unit, rate / their_rate, "tipg");
    figures.print(&format!("{name}_bytes"), bytes, "bytes", bytes / their_bytes, "tipg");
    Ok(())
}

/// Tiles of a zoom that hold hazards, in the order in which they were found.
fn tiles_of(rows: &[MapHazardRow], zoom: u8) -> Result<Vec<Tile>> {
    let mut found = Vec::new();
    for row in rows {
        let tile = Tile::of_place(row.place, zoom).context("no such tile")?;
        if !found.contains(&tile) {
            found.push(tile);
        }
        if found.len() == TILES {
            break;
        }
    }
    Ok(found)
}

fn own_tile(tile: Tile) -> String {
    let at = format!("{}/{}/{}", tile.zoom(), tile.y(), tile.x());
    format!("/ogc/collections/hazards/tiles/WebMercatorQuad/{at}")
}

/// The paths of our pages of items, as each names the next; at most so many.
async fn own_pages(server: &Server, most: usize) -> Result<Vec<String>> {
    let mut link = Link::open(&server.url, &server.token).await?;
    let mut paths = vec![format!("/ogc/collections/hazards/items?limit={PAGE}&f=json")];
    while let Some(path) = paths.last().filter(|_| paths.len() < most) {
        let page: Value = serde_json::from_slice(&link.get(path).await?)?;
        let links = page.get("links").and_then(Value::as_array).context("a page without links")?;
        let next = links.iter().find(|link| link.get("rel").and_then(Value::as_str) == Some("next"));
        let Some(next) = next.and_then(|next| next.get("href")?.as_str()) else { break };
        let (_, path) = next.split_once("/ogc/").context("a link that leads elsewhere")?;
        paths.push(format!("/ogc/{path}"));
    }
    Ok(paths)
}

/// Every hazard as our server gives it.
async fn features(server: &Server) -> Result<Vec<Value>> {
    let mut link = Link::open(&server.url, &server.token).await?;
    let mut all = Vec::new();
    for path in own_pages(server, usize::MAX).await? {
        let mut page: Value = serde_json::from_slice(&link.get(&path).await?)?;
        let features = page.get_mut("features").and_then(Value::as_array_mut).context("no page")?;
        all.append(features);
    }
    ensure!(u64::try_from(all.len())? == POINTS, "{} features", all.len());
    Ok(all)
}

/// Who is asked, by askers of one connection each, which are spread over its processes.
struct Side {
    /// Where each of its processes listens.
    urls: Vec<String>,
    token: String,
    /// What is asked for, again and again.
    paths: Arc<[String]>,
    given: usize,
    bytes: f64,
    taken: Duration,
}

impl Side {
    /// It was asked for everything once, and then for a turn that does not count: neither side reads its files or connects to
    /// its database for the first time in the race.
    async fn ready(urls: Vec<String>, token: &str, paths: Vec<String>) -> Result<Self> {
        for url in &urls {
            let mut link = Link::open(url, token).await?;
            for path in &paths {
                link.weigh(path).await?;
            }
        }
        let paths = paths.into();
        let mut side =
            Self { urls, token: token.to_owned(), paths, given: 0, bytes: 0.0, taken: Duration::ZERO };
        side.turn().await?;
        Ok(Self { given: 0, bytes: 0.0, taken: Duration::ZERO, ..side })
    }

    /// It is asked for the length of one turn.
    async fn turn(&mut self) -> Result<()> {
        let began = Instant::now();
        let askers: Vec<_> = self
            .urls
            .iter()
            .cycle()
            .take(ASKERS)
            .enumerate()
            .map(|(asker, url)| {
                let (url, token, paths) = (url.clone(), self.token.clone(), Arc::clone(&self.paths));
                tokio::spawn(async move {
                    let mut link = Link::open(&url, &token).await?;
                    let (mut given, mut bytes) = (0_usize, 0.0);
                    for path in paths.iter().cycle().skip(asker).step_by(ASKERS) {
                        if began.elapsed() > TURN {
                            break;
                        }
                        bytes += number(link.weigh(path).await?);
                        given += 1;
                    }
                    anyhow::Ok((given, bytes))
                })
            })
            .collect();
        for asker in askers {
            let (given, bytes) = asker.await??;
            self.given += given;
            self.bytes += bytes;
        }
        self.taken += began.elapsed();
        Ok(())
    }

    /// How often a second one was given, and its bytes, on average.
    fn figures(&self) -> (f64, f64) {
        (rate(self.given, self.taken), self.bytes / number(self.given))
    }
}

/// Both sides have the same number of features in each of some tiles.
async fn same_features(
    (server, ours): (&Server, &[String]),
    (tipg, theirs): (&Tipg, &[String]),
) -> Result<()> {
    let (mut own, mut their) = (Link::open(&server.url, &server.token).await?, tipg.link().await?);
    let folder = tempfile::tempdir()?;
    for (nth, (ours, theirs)) in ours.iter().zip(theirs).take(COMPARED).enumerate() {
        std::fs::write(folder.path().join(format!("{nth}-ours.mvt")), own.get(ours).await?)?;
        std::fs::write(folder.path().join(format!("{nth}-theirs.mvt")), their.get(theirs).await?)?;
    }
    let said = python::program("tile_features.py", &[folder.path()]).await?;
    for nth in 0..ours.len().min(COMPARED) {
        let features = |whose: &str| said.get(format!("{nth}-{whose}")).and_then(Value::as_f64);
        let (own, their) = (features("ours"), features("theirs"));
        // They round to the nearest unit and we do not: a point within a unit of one of the four edges of a tile may be in
        // another of theirs.
        let apart = own.zip(their).map(|(own, their)| (own - their).abs() - own * 4.0 / f64::from(EXTENT));
        ensure!(apart.is_some_and(|apart| apart <= 2.0), "tile {nth}: {own:?} features, {their:?} of tipg");
    }
    Ok(())
}

/// Both sides have the same features on each page, each with as many properties.
async fn same_pages((server, ours): (&Server, &[String]), (tipg, theirs): (&Tipg, &[String])) -> Result<()> {
    let (mut own, mut their) = (Link::open(&server.url, &server.token).await?, tipg.link().await?);
    for (ours, theirs) in ours.iter().zip(theirs) {
        let (ours, theirs) = (shown(&own.get(ours).await?)?, shown(&their.get(theirs).await?)?);
        ensure!(ours.len() == PAGE && ours == theirs, "other features on a page of tipg");
    }
    Ok(())
}

/// The numbers of the features of a page, with how many of their properties have a value.
fn shown(page: &[u8]) -> Result<Vec<(Option<i64>, usize)>> {
    let page: Value = serde_json::from_slice(page)?;
    let features = page.get("features").and_then(Value::as_array).context("no page")?;
    let one = |feature: &Value| {
        let properties = feature.get("properties").and_then(Value::as_object);
        let known = |(name, value): &(&String, &Value)| *name != "id" && !value.is_null();
        let id = feature.get("id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()));
        (id, properties.map_or(0, |properties| properties.iter().filter(known).count()))
    };
    Ok(features.iter().map(one).collect())
}
