//! `report`: the draft of a year of a district with 50,000 hazards and 5,000 patrols, through HTTP, against its limit of
//! one second; `report_linear`: that year against four times its quarter.
//!
//! What is counted stands in the derived tables before the clock starts: how fast it gets there is another figure.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::store::{FactRow, StretchRow};
use firebreak_tests::http::Client;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::Value;
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use crate::figure::{Figures, quantile};

const HAZARDS: usize = 50_000;
const PATROLS: usize = 5_000;
const WORKS: usize = 2_000;
/// Stretches of one patrol.
const WALKED: usize = 4;
const LINES: usize = 200;
const TOWNSHIPS: usize = 20;
/// 2025-01-01, counted from 1970-01-01.
const FIRST_DAY: i64 = 20_089;
const DAYS: usize = 365;
/// Drafts of each period; the middle one counts.
const DRAFTS: usize = 9;
/// The limit, seconds.
const LIMIT_S: f64 = 1.0;
/// Rows of one transaction.
const ROWS: usize = 5_000;

/// Measures on both databases.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    for (backend, suffix) in [(Backend::Sqlite, ""), (Backend::Postgres, "_postgres")] {
        Figures::say(&format!("report{suffix}"));
        let server = Server::start(backend).await?;
        fill(&server).await?;
        let office = server.client()?;
        let (mut years, mut quarters) = (Vec::new(), Vec::new());
        for _ in 0..DRAFTS {
            years.push(draft(&office, "from=2025-01-01&to=2025-12-31", HAZARDS).await?);
            quarters.push(draft(&office, "from=2025-04-01&to=2025-06-30", 1).await?);
        }
        let year = quantile(&mut years, 500).as_secs_f64();
        let quarter = quantile(&mut quarters, 500).as_secs_f64();
        figures.print(&format!("report{suffix}"), year * 1e3, "ms", year / LIMIT_S, "limit");
        let name = format!("report_linear{suffix}");
        figures.print(&name, quarter * 1e3, "ms", year / (4.0 * quarter), "year_by_4_quarters");
    }
    Ok(())
}

async fn draft(office: &Client, days: &str, at_least: usize) -> Result<Duration> {
    let began = Instant::now();
    let reply = office.get(&format!("/v1/reports/work?{days}")).await?;
    let took = began.elapsed();
    let report: Value = reply.json("draft")?;
    let counted: u64 = ["hazards", "forest_fire_hazards", "fire_sightings"]
        .iter()
        .filter_map(|key| {
            let figures = report.get("figures")?.as_array()?;
            let found = figures.iter().find(|figure| figure.get("key").is_some_and(|found| found == key))?;
            found.get("value")?.as_u64()
        })
        .sum();
    ensure!(counted >= u64::try_from(at_least)?, "{counted} hazards were counted");
    Ok(took)
}

fn id(kind: u128, nth: usize) -> Result<Uuid> {
    Ok(Uuid::from_u128((kind << 96) | u128::try_from(nth)?))
}

fn fact(kind: u128, nth: usize, record_type: i64, subtype: &str) -> Result<FactRow> {
    Ok(FactRow {
        record: RecordId(id(kind, nth)?),
        record_type,
        day: FIRST_DAY + i64::try_from(nth % DAYS)?,
        subtype: subtype.to_owned(),
        // 销号 and 待审核.
        state: if nth.is_multiple_of(3) { 1 } else { 11 },
        flags: 0,
        township: format!("第{}镇", nth % TOWNSHIPS),
        line: Some(id(9, nth % LINES)?),
        person: None,
        is_supervised: nth.is_multiple_of(50),
        amounts: r#"{"quantity":1}"#.to_owned(),
    })
}

/// Writes what would be derived of a year.
async fn fill(server: &Server) -> Result<()> {
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(DISTRICT).await?;
    let categories = ["line_body", "corridor", "corridor", "forest_fire", "fire_sighting"];
    let category = |nth: usize| categories.get(nth % categories.len()).copied().context("no category");
    let mut facts = Vec::new();
    for nth in 0..HAZARDS {
        facts.push(fact(1, nth, 0, category(nth)?)?);
    }
    for nth in 0..PATROLS {
        facts.push(fact(2, nth, 1, "")?);
    }
    for nth in 0..WORKS {
        facts.push(fact(3, nth, 2, "pole_breaker")?);
    }
    let mut stretches = Vec::new();
    for nth in 0..PATROLS * WALKED {
        let from_mm = i64::try_from(nth % 37)? * 250_000;
        stretches.push(StretchRow {
            id: None,
            record: RecordId(id(2, nth / WALKED)?),
            line: id(9, (nth * 7) % LINES)?,
            kind: 0,
            day: FIRST_DAY + i64::try_from((nth / WALKED) % DAYS)?,
            from_mm,
            to_mm: from_mm + 1_500_000,
            person: None,
        });
    }
    for (facts, stretches) in
        facts.chunks(ROWS).zip(stretches.chunks(ROWS).map(Some).chain(std::iter::repeat(None)))
    {
        let mut transaction = engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        transaction.upsert_facts(district.key, facts).await?;
        transaction.insert_stretches(district.key, stretches.unwrap_or_default()).await?;
        transaction.commit().await?;
    }
    engine.store.close().await;
    Ok(())
}
