//! Hazards of the map without a ledger behind them: rows as the deriver would write them, and their counts.
//!
//! Start at [`fill`].

use std::sync::Arc;

use anyhow::Result;
use firebreak::domain::{District, DistrictKey};
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::store::{Changed, MapHazardRow, Transaction};
use firebreak::sync::Engine;
use firebreak::tiles::counts::Deltas;
use firebreak::tiles::severity;
use fixtures::dice::Dice;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

/// Rows of one transaction.
const ROWS: usize = 5_000;
/// 2026-01-01T00:00:00Z.
const FIRST_MS: i64 = 1_767_225_600_000;

/// A row with everything that no count needs left plain.
pub fn row(number: u64, (lat_e7, lon_e7): (i64, i64)) -> MapHazardRow {
    MapHazardRow {
        record: RecordId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))),
        id: i64::try_from(number).unwrap_or(0),
        place: place(lat_e7, lon_e7),
        lat_e7: Some(lat_e7),
        lon_e7: Some(lon_e7),
        number: Some(format!("test-2026-{number:06}")),
        found: None,
        county: None,
        township: None,
        line_name: None,
        line: None,
        voltage_v: None,
        structure_from: None,
        structure_to: None,
        chainage_mm: None,
        offset_mm: None,
        in_zone: None,
        accuracy_mm: None,
        category: None,
        kind: None,
        description: None,
        severity_rank: 0,
        severity: None,
        major: 0,
        state: "reported".to_owned(),
        open: 1,
        conflict: 0,
        provisional: 0,
        unit: None,
        unit_id: None,
        order_number: None,
        due: None,
        turn: None,
        updated: 0,
        change: 1,
    }
}

/// The middle of the district that hazards are thrown into, degrees × 1e7: latitude, longitude.
pub const MIDDLE: (i64, i64) = (299_800_000, 1_030_000_000);

/// A hazard of a district of some hundred kilometres, as a season leaves them: most are closed, most are trees.
pub fn thrown(dice: &mut Dice, number: u64) -> MapHazardRow {
    let at = position(dice);
    thrown_at(dice, number, at)
}

/// So many of [`full`], numbered in the order of their places: a table of them is written from its beginning to its end.
pub fn full_by_place(dice: &mut Dice, amount: u64) -> impl Iterator<Item = MapHazardRow> {
    let mut positions: Vec<(i64, i64)> = (0..amount).map(|_| position(dice)).collect();
    positions.sort_by_cached_key(|(lat_e7, lon_e7)| place(*lat_e7, *lon_e7));
    (1..).zip(positions).map(|(number, at)| full_at(dice, number, at))
}

/// A hazard with all its columns filled, as one that stands on a line has them: what files are made of.
pub fn full(dice: &mut Dice, number: u64) -> MapHazardRow {
    let at = position(dice);
    full_at(dice, number, at)
}

fn full_at(dice: &mut Dice, number: u64, at: (i64, i64)) -> MapHazardRow {
    let text = |text: &str| Some(text.to_owned());
    let thrown = thrown_at(dice, number, at);
    MapHazardRow {
        found: Some(FIRST_MS + thrown.id * 60_000),
        county: text("测试县"),
        township: Some(format!("第{}镇", number % 20)),
        line_name: Some(format!("青杠{}线", number % 200)),
        line: Some(Uuid::from_u128((9 << 96) | u128::from(number % 200)).to_string()),
        voltage_v: Some(110_000),
        structure_from: Some(format!("N{:03}", number % 90)),
        structure_to: Some(format!("N{:03}", number % 90 + 1)),
        chainage_mm: Some(thrown.id * 37 % 90_000_000),
        offset_mm: Some(thrown.id * 13 % 30_000),
        in_zone: Some(i64::from(number.is_multiple_of(2))),
        accuracy_mm: Some(4_500),
        description: Some(format!("第{number}处：毛竹距导线不足三米，需尽快砍伐")),
        unit: text("测试供电所"),
        order_number: Some(format!("2026-{}", number % 500)),
        turn: text("unit"),
        updated: FIRST_MS + thrown.id * 60_000,
        change: thrown.id,
        ..thrown
    }
}

fn position(dice: &mut Dice) -> (i64, i64) {
    let (lat_e7, lon_e7) = MIDDLE;
    (lat_e7 + dice.between(-5_000_000, 5_000_000), lon_e7 + dice.between(-5_500_000, 5_500_000))
}

fn thrown_at(dice: &mut Dice, number: u64, at: (i64, i64)) -> MapHazardRow {
    let is_open = dice.chance(35);
    let category =
        dice.word(&["corridor", "corridor", "corridor", "line_body", "forest_fire", "fire_sighting"]);
    let severity_rank = dice.between(1, 3);
    MapHazardRow {
        severity_rank,
        severity: Some(severity(severity_rank).to_owned()),
        category: Some(category.to_owned()),
        kind: Some(dice.word(&["tree", "tree", "bamboo", "stacked_material"]).to_owned()),
        description: Some("线下树木距导线不足".to_owned()),
        township: Some("河口镇".to_owned()),
        state: if is_open { "confirmed" } else { "closed" }.to_owned(),
        open: i64::from(is_open),
        due: is_open.then(|| 1_790_000_000_000 + dice.between(0, 30) * 86_400_000),
        ..row(number, at)
    }
}

/// Writes rows as the deriver does, and what they come to in counts once behind them.
pub async fn fill(
    engine: &Arc<Engine>,
    district: &District,
    rows: impl IntoIterator<Item = MapHazardRow>,
) -> Result<()> {
    let mut rows = rows.into_iter();
    let mut changed = Vec::new();
    loop {
        let some: Vec<MapHazardRow> = rows.by_ref().take(ROWS).collect();
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        changed.append(&mut transaction.replace_map_hazards(district.key, &some).await?);
        let is_last = some.len() < ROWS;
        if is_last {
            keep(&mut transaction, district.key, &changed).await?;
        }
        transaction.commit().await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Counts what changed, as the deriver does.
pub async fn keep(transaction: &mut Transaction, district: DistrictKey, changes: &[Changed]) -> Result<()> {
    transaction.keep_tile_counts(district, &Deltas::from(changes)).await?;
    let one = |is_there: bool| i64::from(is_there);
    let by = changes.iter().map(|it| one(it.new.is_some()) - one(it.old.is_some())).sum();
    Ok(transaction.add_to_map_total(district, Layer::Hazards, by).await?)
}
