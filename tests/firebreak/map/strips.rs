//! Strips of the map as a check and a redaction find them.

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::Layer;
use firebreak::store::MapHazardRow;
use firebreak::sync::sight::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::{Tile, points};
use firebreak_tests::map::{fill, row};
use firebreak_tests::server::{Backend, Server};
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::{beside, run};

/// The key of the last strip.
const LAST: &str = "(SELECT max(first) FROM tile_strips)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_finds_a_strip_that_is_not_what_its_hazards_say() -> Result<()> {
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let (engine, district) = beside(&server).await?;
    let at = |number: u64| (299_800_000 + i64::try_from(number).unwrap_or(0) * 10, 1_030_000_000);
    fill(&engine, &district, (1..=200).map(|number| row(number, at(number)))).await?;
    ensure!(server.check().await?["ok"] == true, "it is whole");
    let mut ledger = SqliteConnection::connect(&format!("sqlite://{}", server.ledger()?.display())).await?;
    for (damage, words) in [
        ("UPDATE map_hazards SET number = 'another' WHERE id = 150".to_owned(), "200 hazards are kept, 200"),
        (
            format!("UPDATE tile_strips SET first = x'ff' WHERE first = {LAST}"),
            "200 hazards are kept, out of order",
        ),
        (
            format!("UPDATE tile_strips SET strip = x'00' WHERE first = {LAST}"),
            "out of order or damaged, 200",
        ),
        (format!("DELETE FROM tile_strips WHERE first = {LAST}"), "hazards are kept, 200 are on it"),
        ("DELETE FROM tile_strips WHERE first = x''".to_owned(), "out of order or damaged, 200"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(damage.as_str())).execute(&mut ledger).await?;
        let (succeeded, report) = server.command(&["check"]).await?;
        ensure!(!succeeded && report.to_string().contains(words), "{damage}: {report}");
        // They are made anew where there are none, as those of a ledger from before there were any.
        sqlx::query("UPDATE map_hazards SET number = 'test-2026-000150' WHERE id = 150")
            .execute(&mut ledger)
            .await?;
        sqlx::query("DELETE FROM tile_strips").execute(&mut ledger).await?;
        ensure!(server.check().await?["ok"] == true, "{damage}: they were not made anew");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_strip_costs_nothing_but_to_make_them_anew_and_a_ledger_without_any_is_given_them()
-> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let at = |number: u64| (299_800_000 + i64::try_from(number).unwrap_or(0) * 10, 1_030_000_000);
        let rows: Vec<MapHazardRow> = (1..=2_500).map(|number| row(number, at(number))).collect();
        fill(&engine, &district, rows.iter().cloned()).await?;
        let tile = Tile::of_place(rows[0].place, 12).context("no such tile")?;
        let wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
        let whole = tiles::made(&engine, &district, &wanted).await?.bytes;
        let bytes = if backend == Backend::Sqlite { "x'00'" } else { "'\\x00'::bytea" };
        run(&engine, &format!("UPDATE tile_strips SET strip = {bytes}")).await?;
        ensure!(tiles::made(&engine, &district, &wanted).await.is_err(), "a damaged strip makes no tile");
        let again = [MapHazardRow { kind: Some("bamboo".to_owned()), ..rows[7].clone() }];
        fill(&engine, &district, again).await?;
        let healed = tiles::made(&engine, &district, &wanted).await?.bytes.context("an empty tile")?;
        ensure!(String::from_utf8_lossy(&healed).contains("bamboo"), "{backend:?}");
        fill(&engine, &district, [rows[7].clone()]).await?;
        assert_eq!(tiles::made(&engine, &district, &wanted).await?.bytes, whole);
        for gone in ["DELETE FROM tile_strips", "DELETE FROM tile_counts"] {
            run(&engine, gone).await?;
            ensure!(server.check().await?["ok"] == true, "{gone}: they are made when the ledger is opened");
            assert_eq!(tiles::made(&engine, &district, &wanted).await?.bytes, whole, "{backend:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_redacted_is_on_no_tile_from_then_on() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let of_kind = |number, kind: &str| MapHazardRow {
            kind: Some(kind.to_owned()),
            ..row(number, (299_800_000, 1_030_000_000))
        };
        let rows = [of_kind(1, "a name"), of_kind(2, "tree")];
        fill(&engine, &district, rows.clone()).await?;
        let tile = Tile::of_place(rows[0].place, 14).context("no such tile")?;
        let texts = async || {
            let wanted = Wanted::all(Layer::Hazards, tile, Sight::District);
            let bytes = tiles::made(&engine, &district, &wanted).await?.bytes.context("an empty tile")?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            anyhow::Ok([text.contains("a name"), text.contains("tree")])
        };
        assert_eq!(texts().await?, [true, true]);
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        transaction.blank_on_map(district.key, rows[0].record, "a name").await?;
        transaction.commit().await?;
        assert_eq!(texts().await?, [false, true], "{backend:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_is_shown_its_hazards_in_the_bytes_that_everybody_is_shown_however_long_their_texts()
-> Result<()> {
    let unit = Uuid::from_u128(77);
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        let long = "毛竹距导线不足三米".repeat(30);
        let rows = [1, 2].map(|number| MapHazardRow {
            kind: Some(long.clone()),
            unit_id: Some(unit),
            ..row(number, (299_800_000, 1_030_000_000))
        });
        fill(&engine, &district, rows.clone()).await?;
        let tile = Tile::of_place(rows[0].place, 14).context("no such tile")?;
        let everybody = Wanted::all(Layer::Hazards, tile, Sight::District);
        let own = Wanted::all(Layer::Hazards, tile, Sight::Units([unit].into()));
        let shown = tiles::made(&engine, &district, &everybody).await?.bytes.context("an empty tile")?;
        ensure!(tiles::made(&engine, &district, &own).await?.bytes.as_ref() == Some(&shown), "{backend:?}");
        let text = String::from_utf8_lossy(&shown).into_owned();
        let cut = |characters| long.chars().take(characters).collect::<String>();
        ensure!(text.contains(&cut(60)) && !text.contains(&cut(61)), "{backend:?}: it is cut at 60");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_tile_has_its_hazards_whether_its_strips_are_few_or_many_and_no_more_than_are_allowed()
-> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (engine, district) = beside(&server).await?;
        // Nine thousand in one street: more than a hundred strips; and forty, half an hour's walk away.
        let street = |number: u64| (299_800_000 + i64::try_from(number % 3_000).unwrap_or(0), 1_030_000_000);
        let rows: Vec<MapHazardRow> = (1..=9_000).map(|number| row(number, street(number))).collect();
        let few: Vec<MapHazardRow> =
            (9_001..=9_040).map(|number| row(number, (300_200_000, 1_030_000_000))).collect();
        fill(&engine, &district, rows.iter().chain(&few).cloned()).await?;
        let mut reading = engine.store.read().await?;
        let version = reading.map_version(district.key).await?;
        let mut shown = async |place: i64, most: u32| {
            let tile = Tile::of_place(place, 14).context("no such tile")?;
            let Some(strips) = reading.tile_strips(district.key, tile, most).await? else { return Ok(None) };
            ensure!(strips.version == version, "{:?} of {version:?}", strips.version);
            let made = points::encode_strips(tile, &strips.strips, |_, _, _| true).context("damaged")?;
            anyhow::Ok(Some(made.amount))
        };
        assert_eq!(shown(few[0].place, 400).await?, Some(40), "{backend:?}");
        assert_eq!(shown(few[0].place, 39).await?, None, "{backend:?}");
        assert_eq!(shown(rows[0].place, 50_000).await?, Some(9_000), "{backend:?}");
        assert_eq!(shown(rows[0].place, 8_999).await?, None, "{backend:?}");
        // An empty tile, before all strips but the first.
        assert_eq!(shown(0, 50_000).await?, Some(0), "{backend:?}");
    }
    Ok(())
}
