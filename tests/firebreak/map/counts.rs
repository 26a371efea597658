//! The counts and the strips that tiles are made of follow every change of the hazards: against a recount, and against a
//! model.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::DistrictKey;
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::layers::predicate::Predicate;
use firebreak::store::{MapHazardRow, TileFilter, Transaction};
use firebreak::sync::sight::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::Tile;
use firebreak::tiles::counts::{CELL_ZOOM, Count, Key, Kind, category};
use firebreak::tiles::points;
use firebreak_tests::map::{fill, keep, row};
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use uuid::Uuid;

use super::{beside, run};

/// A hazard, or none any more.
type Model = BTreeMap<u64, MapHazardRow>;

/// Hazards of one tile.
const MANY: u64 = 200;

/// A hazard somewhere in a district of some hundred kilometres, or in the next street to all the others.
fn thrown(dice: &mut Dice, number: u64) -> MapHazardRow {
    let spread = if dice.chance(50) { 5_000_000 } else { 20_000 };
    let at = (299_800_000 + dice.between(-spread, spread), 1_030_000_000 + dice.between(-spread, spread));
    let is_nowhere = dice.chance(5);
    let is_open = dice.chance(70);
    let categories = [None, Some("corridor"), Some("line_body"), Some("odd")];
    MapHazardRow {
        place: if is_nowhere { -1 } else { place(at.0, at.1) },
        severity_rank: dice.between(0, 3),
        category: dice.pick(&categories).copied().flatten().map(str::to_owned),
        open: i64::from(is_open),
        due: dice.chance(60).then(|| 1_790_000_000_000 + dice.between(0, 20)),
        ..row(number, at)
    }
}

/// What the cells come to, by the model.
fn expected(model: &Model) -> Vec<Count> {
    let mut sums: BTreeMap<Key, (i64, Option<i64>)> = BTreeMap::new();
    for row in model.values().filter(|row| row.place >= 0) {
        let is_open = row.open == 1;
        let category = category(row.category.as_deref().unwrap_or_default());
        let kind = Kind::of(row.severity_rank, category, is_open);
        let cell = row.place >> (62 - 2 * u32::from(CELL_ZOOM));
        let sum = sums.entry(Key { level: CELL_ZOOM, cell, kind }).or_default();
        sum.0 += 1;
        sum.1 = sum.1.into_iter().chain(row.due.filter(|_| is_open)).min();
    }
    sums.into_iter().map(|(key, (amount, due_ms))| Count { key, amount, due_ms }).collect()
}

async fn holds(transaction: &mut Transaction, district: DistrictKey, model: &Model) -> Result<()> {
    let kept = transaction.kept_tile_counts(district).await?.context("a damaged page")?;
    ensure!(kept == expected(model), "not what the model says");
    ensure!(transaction.recounted_tile_counts(district).await? == kept, "a recount says otherwise");
    let (kept, are_in_order) = transaction.hazards_of_strips(district).await?;
    ensure!(are_in_order && kept == transaction.hazards_for_strips(district).await?, "strips: {kept:?}");
    let placed = model.values().filter(|row| row.place >= 0).count();
    ensure!(kept.amount == u64::try_from(placed)?, "strips hold {} of {placed}", kept.amount);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_follow_hazards_that_come_move_close_and_go() -> Result<()> {
    let seed = firebreak_tests::seed("counts_follow_hazards_that_come_move_close_and_go", 5);
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let mut dice = Dice::new(seed);
        let mut model = Model::new();
        let mut versions = Vec::new();
        for _ in 0..firebreak_tests::rounds(12) {
            let mut rows = BTreeMap::new();
            let mut gone = Vec::new();
            for _ in 0..dice.between(1, 120) {
                let number = dice.below(150) + 1;
                if dice.chance(20) {
                    if let Some(row) = model.remove(&number).filter(|_| !rows.contains_key(&number)) {
                        gone.push(row.record);
                    }
                } else if !gone.contains(&row(number, (0, 0)).record) {
                    rows.insert(number, thrown(&mut dice, number));
                }
            }
            // What was taken out of the model and is written again in the same round is written.
            model.extend(rows.clone());
            let rows: Vec<MapHazardRow> = rows.into_values().collect();
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(district.key, 0).await?;
            let mut changes = transaction.remove_map_hazards(district.key, &gone).await?;
            changes.extend(transaction.replace_map_hazards(district.key, &rows).await?);
            keep(&mut transaction, district.key, &changes).await?;
            holds(&mut transaction, district.key, &model).await?;
            versions.push(transaction.map_version(district.key).await?.1);
            transaction.commit().await?;
        }
        ensure!(versions.windows(2).all(|pair| pair[0] < pair[1]), "a version stayed: {versions:?}");
        let checked = server.check().await?;
        ensure!(checked["ok"] == true, "{checked}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_finds_a_count_that_is_wrong_and_the_next_change_mends_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let at = (299_800_000, 1_030_000_000);
        fill(&engine, &district, [row(1, at), row(2, at)]).await?;
        let tile = Tile::of_place(place(at.0, at.1), 5).context("no such tile")?;
        let wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
        let whole = tiles::made(&engine, &district, &wanted).await?.bytes.context("an empty tile")?;
        let bytes = if backend == Backend::Sqlite { "x'0001'" } else { "'\\x0001'::bytea" };
        for (damage, words) in [
            (format!("UPDATE tile_counts SET counts = {bytes}"), "a page of them is damaged"),
            ("UPDATE tile_counts SET amount = amount + 1".to_owned(), "a page of them is damaged"),
            ("UPDATE tile_counts SET page = page + 1".to_owned(), "1 are kept, 1 are counted, first"),
        ] {
            run(&engine, &damage).await?;
            let (succeeded, report) = server.command(&["check"]).await?;
            ensure!(!succeeded && report.to_string().contains(words), "{backend:?} {damage}: {report}");
            let made = tiles::made(&engine, &district, &wanted).await;
            ensure!(made.is_err() || words.contains("first"), "a damaged page makes no tile");
            // One goes: in the damaged page, or in one that does not have it.
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(district.key, 0).await?;
            let gone = transaction.remove_map_hazards(district.key, &[row(2, at).record]).await?;
            keep(&mut transaction, district.key, &gone).await?;
            transaction.commit().await?;
            ensure!(server.check().await?["ok"] == true, "{backend:?} {damage}: it is mended");
            fill(&engine, &district, [row(2, at)]).await?;
            let again = tiles::made(&engine, &district, &wanted).await?.bytes.context("an empty tile")?;
            ensure!(again == whole, "{backend:?} {damage}: another tile");
        }
        // As if the counts had not been kept.
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        transaction.replace_map_hazards(district.key, &[row(3, at)]).await?;
        transaction.commit().await?;
        let (succeeded, report) = server.command(&["check"]).await?;
        ensure!(!succeeded && report.to_string().contains("counts of the map: 1 are kept"), "{report}");
        ensure!(report.to_string().contains("the total of hazards on the map is 2, counted 3"), "{report}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_with_too_many_hazards_counts_them_and_a_unit_is_counted_its_own() -> Result<()> {
    let unit = Uuid::from_u128(77);
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let at = |number: u64| (299_800_000 + i64::try_from(number).unwrap_or(0) * 10, 1_030_000_000);
        let rows = (1..=MANY)
            .map(|number| MapHazardRow { unit_id: (number <= 3).then_some(unit), ..row(number, at(number)) });
        let rows: Vec<MapHazardRow> = rows.collect();
        fill(&engine, &district, rows.iter().cloned()).await?;
        let tile = |zoom| {
            Tile::of_place(place(299_800_000, 1_030_000_000), zoom).unwrap_or_else(|| panic!("{zoom}"))
        };
        let wanted = |zoom, units: Option<Uuid>| {
            let filter = TileFilter { units: units.map(|unit| vec![unit]), ..TileFilter::default() };
            Wanted { filter, ..Wanted::all(Layer::Hazards, tile(zoom), Sight::District) }
        };
        let most = u32::try_from(MANY)?;
        let whole = tiles::made_within(&engine, &district, &wanted(10, None), most).await?;
        ensure!(!whole.is_counted && whole.bytes.is_some(), "as many as may be are shown");
        let full = tiles::made_within(&engine, &district, &wanted(10, None), most - 1).await?;
        ensure!(full.is_counted && full.bytes.is_some(), "one more and all are counted");
        let sum = |counts: &[Count]| counts.iter().map(|count| count.amount).sum::<i64>();
        let mut reading = engine.store.read().await?;
        let everybody = TileFilter::default();
        let grouped = reading.tile_groups(district.key, tile(10), &everybody).await?;
        assert_eq!(sum(&grouped), i64::from(most));
        let kept = reading.tile_counts(district.key, tile(5)).await?;
        assert_eq!(sum(&kept), i64::from(most));
        let own = reading.tile_groups(district.key, tile(5), &wanted(5, Some(unit)).filter).await?;
        assert_eq!(sum(&own), 3);
        drop(reading);
        let own = tiles::made_within(&engine, &district, &wanted(10, Some(unit)), 3).await?;
        ensure!(!own.is_counted && own.bytes.is_some(), "a unit's three are shown as themselves");
        let closed = TileFilter { is_open: Some(false), ..TileFilter::default() };
        let fewer = Wanted { filter: closed, ..wanted(10, None) };
        ensure!(tiles::made(&engine, &district, &fewer).await?.bytes.is_none(), "none of them is closed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_in_the_margin_of_a_tile_is_in_the_next_one_alone_whatever_is_asked_for() -> Result<()> {
    let home = Tile::of_place(place(299_800_000, 1_030_000_000), 14).unwrap_or_else(|| panic!("no tile"));
    let beside_it = Tile::new(14, home.x() - 1, home.y()).unwrap_or_else(|| panic!("no tile"));
    let [west, south, _, north] = home.bounds(0.0);
    let e7 = firebreak_tests::nepal::e7;
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        // A metre to both sides of the border between the two.
        let rows = [west - 1e-5, west + 1e-5]
            .map(|lon| row(e7(lon).unsigned_abs(), (e7(f64::midpoint(south, north)), e7(lon))));
        fill(&engine, &district, rows).await?;
        for predicate in [None, Some(Predicate::Always(true))] {
            for tile in [home, beside_it] {
                let mut wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
                wanted.selection.predicate.clone_from(&predicate);
                let bytes = tiles::made(&engine, &district, &wanted).await?.bytes.unwrap_or_default();
                let numbers = String::from_utf8_lossy(&bytes).matches("test-2026-").count();
                assert_eq!(numbers, 1, "{backend:?} {tile:?} {predicate:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_on_the_edge_of_a_tile_is_in_that_tile_and_in_no_other() -> Result<()> {
    let zooms = [1, 5, 9, 10, 14, 22];
    let tile_of = |place: i64, zoom| Tile::of_place(place, zoom).unwrap_or_else(|| panic!("{zoom}"));
    // The first and the last place of a tile of each zoom, and their neighbours in the tiles before it and behind it.
    let edges = zooms.map(|zoom| tile_of(place(299_800_000, 1_030_000_000), zoom).places());
    let places: BTreeSet<i64> =
        edges.into_iter().flat_map(|(first, last)| [first - 1, first, last, last + 1]).collect();
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let at = |place: i64, number: u64| MapHazardRow { place, ..row(number, (0, 0)) };
        fill(&engine, &district, places.iter().zip(1..).map(|(place, number)| at(*place, number))).await?;
        let mut reading = engine.store.read().await?;
        for zoom in zooms {
            let mut expected: BTreeMap<(u32, u32), i64> = BTreeMap::new();
            for tile in places.iter().map(|place| tile_of(*place, zoom)) {
                *expected.entry((tile.x(), tile.y())).or_default() += 1;
            }
            for ((x, y), expected) in expected {
                let Some(tile) = Tile::new(zoom, x, y) else { panic!("{zoom}/{x}/{y}") };
                let shown = if zoom > 9 {
                    let strips = reading.tile_strips(district.key, tile, 100).await?.context("no strips")?;
                    let made =
                        points::encode_strips(tile, &strips.strips, |_, _, _| true).context("damaged")?;
                    i64::try_from(made.amount)?
                } else {
                    reading.tile_counts(district.key, tile).await?.iter().map(|count| count.amount).sum()
                };
                assert_eq!(shown, expected, "{backend:?} {tile:?}");
                let grouped = reading.tile_groups(district.key, tile, &TileFilter::default()).await?;
                let grouped: i64 = grouped.iter().map(|count| count.amount).sum();
                assert_eq!(grouped, expected, "{backend:?} {tile:?}, counted when it is asked for");
            }
        }
    }
    Ok(())
}
