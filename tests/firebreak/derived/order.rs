//! What is derived does not depend on the order in which things came: followed step by step as they arrive in a random
//! order, it is row by row what it is when everything is derived anew.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::District;
use firebreak::store::Transaction;
use firebreak::sync::Engine;
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::Row as _;
use sync_protocol::ids::{Identity, OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::patrols::{patrol, walk};
use super::{import, line, position};

/// Every column of every derived table, as text that both databases give alike.
const TABLES: [(&str, &str); 5] = [
    (
        "placements",
        "SELECT record, line, span, chainage_mm, offset_mm, side, in_zone, certainty, rival_offset_mm, is_named \
         FROM placements ORDER BY record",
    ),
    (
        "facts",
        "SELECT record, record_type, day, state, flags, line, person, is_supervised FROM facts ORDER BY record",
    ),
    (
        "stretches",
        "SELECT record, line, kind, day, from_mm, to_mm, person FROM stretches ORDER BY record, line, day, from_mm",
    ),
    (
        "traits",
        "SELECT record, place, lat_e7, lon_e7, accuracy_dm, found_ms, line, chainage_mm, device FROM traits \
         ORDER BY record",
    ),
    ("proposals", "SELECT record, other, score, distance_mm FROM proposals ORDER BY record, other"),
];

struct Ledger {
    engine: Arc<Engine>,
    district: District,
}

/// A row as words: ids are ids, numbers are numbers.
macro_rules! words {
    ($rows:expr) => {
        $rows
            .iter()
            .map(|row| {
                let columns = 0..row.len();
                let word = |at: usize| {
                    row.try_get::<Option<i64>, _>(at)
                        .map(|number| format!("{number:?}"))
                        .or_else(|_| row.try_get::<Option<uuid::Uuid>, _>(at).map(|id| format!("{id:?}")))
                        .unwrap_or_else(|error| error.to_string())
                };
                columns.map(word).collect::<Vec<_>>().join(" ")
            })
            .collect::<Vec<String>>()
    };
}

impl Ledger {
    async fn of(server: &Server) -> Result<Self> {
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?;
        Ok(Self { engine, district })
    }

    async fn follow(&self) -> Result<()> {
        Ok(self.engine.follow_until_current(&self.district).await?)
    }

    async fn rows(&self) -> Result<Vec<(&'static str, Vec<String>)>> {
        let mut reading = self.engine.store.read().await?;
        let mut found = Vec::new();
        for (table, select) in TABLES {
            let rows = match &mut reading {
                Transaction::Sqlite(held) => words!(sqlx::query(select).fetch_all(&mut **held).await?),
                Transaction::Postgres(held) => words!(sqlx::query(select).fetch_all(&mut **held).await?),
            };
            found.push((table, rows));
        }
        Ok(found)
    }

    /// Forgets everything that was derived.
    async fn forget(&self) -> Result<()> {
        let mut writing = self.engine.store.begin().await?;
        writing.take_counter(self.district.key, 0).await?;
        for delete in [
            "DELETE FROM placements",
            "DELETE FROM facts",
            "DELETE FROM traits",
            "DELETE FROM stretches",
            "DELETE FROM proposals",
            "DELETE FROM derivations",
        ] {
            let _deleted = match &mut writing {
                Transaction::Sqlite(held) => sqlx::query(delete).execute(&mut **held).await?.rows_affected(),
                Transaction::Postgres(held) => {
                    sqlx::query(delete).execute(&mut **held).await?.rows_affected()
                }
            };
        }
        Ok(writing.commit().await?)
    }
}

/// Something of everything, by one phone: trees that others saw too, a patrol in pieces of which one is taken back, works
/// that were spoken of before they came, a work that was taken back.
fn operations(phone: &mut Phone, random: &mut ChaCha8Rng, trees: i64) -> Vec<Operation> {
    let mut operations = Vec::new();
    for nth in 0..trees {
        let (lat, lon) = (random.random_range(-60..60), random.random_range(-60..60));
        let report = phone
            .report("general")
            .with("position", &position(299_800_300 + lat, 1_030_030_000 + lon, 50))
            .with("found_at_ms", &(MORNING_MS - 30 * 86_400_000 + nth * 13 * 3_600_000));
        if random.random_bool(0.2) {
            let seen = phone
                .on(report.record, Kind::Observed, [head_of(&report)])
                .with("position", &position(299_900_000 + lat, 1_030_030_000 + lon, 40));
            operations.push(seen);
        }
        operations.push(report);
    }
    let walked = patrol(phone, &walk(1, 9, MORNING_MS).chunks(20).map(<[_]>::to_vec).collect::<Vec<_>>());
    let taken_back = walked.last().map_or(Identity([0; 32]), |piece| Identity::of(&piece.encode()));
    let record = walked.first().map_or(RecordId(uuid::Uuid::nil()), |opening| opening.record);
    operations
        .push(phone.on(record, Kind::Withdrawn, walked.last().map(head_of)).with("withdraws", &taken_back));
    operations.extend(walked);
    for is_taken_back in [false, true] {
        let id = phone.id();
        let work = Operation::new(OperationId(id), RecordId(id), Kind::WorkDone, phone.person, phone.stamp())
            .with("work_type", &"corridor_felling")
            .with("line_name", &"青杠线")
            .with("structure_from", &"N001")
            .with("structure_to", &"N003")
            .with("position", &position(299_800_300, 1_030_030_000, 50))
            .with("completed_at_ms", &MORNING_MS);
        operations.push(phone.on(work.record, Kind::Commented, [head_of(&work)]).with("text", &"已完成"));
        if is_taken_back {
            let identity = Identity::of(&work.encode());
            operations
                .push(phone.on(work.record, Kind::Withdrawn, [head_of(&work)]).with("withdraws", &identity));
        }
        operations.push(work);
    }
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_derived_step_by_step_is_what_is_derived_anew() -> Result<()> {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    for backend in Backend::ALL {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let server = Server::start(backend).await?;
        let grid = [line(1, "青杠线", "110000", 29.98, 6), line(2, "松坪线", "35000", 29.99, 6)].concat();
        import(&server, &grid).await?;
        let ledger = Ledger::of(&server).await?;
        let mut bundles = Vec::new();
        let mut phones = Vec::new();
        for _ in 0..3 {
            let mut phone = Phone::enrol(&server).await?;
            for operation in operations(&mut phone, &mut random, 30) {
                bundles.push((phones.len(), phone.seal(std::slice::from_ref(&operation))));
            }
            phones.push(phone);
        }
        bundles.shuffle(&mut random);
        for (at, (phone, bundle)) in bundles.iter().enumerate() {
            let reply = phones[*phone].sync(std::slice::from_ref(bundle)).await?;
            ensure!(
                reply.status == 200 && reply.receipts().len() == 1,
                "{} {:?}",
                reply.status,
                reply.error()
            );
            if random.random_bool(0.7) {
                ledger.follow().await?;
            }
            if at == bundles.len() / 2 {
                // The grid comes anew, a span shorter, while the follower is on its way.
                let grid =
                    [line(1, "青杠线", "110000", 29.98, 5), line(2, "松坪线", "35000", 29.99, 6)].concat();
                import(&server, &grid).await?;
            }
        }
        // A phone is not trusted any more: its records go.
        let gone = format!("/v1/devices/{}/revoke", phones[2].device);
        let chain = hex::encode(sync_protocol::ids::Chain::START.0);
        let body = serde_json::json!({"sequence": 0, "chain": chain});
        let reply = server.client()?.post(&gone, &body).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        ledger.follow().await?;
        let step_by_step = ledger.rows().await?;
        ledger.forget().await?;
        ledger.follow().await?;
        let anew = ledger.rows().await?;
        for ((table, one), (_, other)) in step_by_step.iter().zip(&anew) {
            let lacks: Vec<&String> = other.iter().filter(|row| !one.contains(row)).take(40).collect();
            let has: Vec<&String> = one.iter().filter(|row| !other.contains(row)).take(40).collect();
            ensure!(
                one == other,
                "{backend:?} seed {seed}: {table}: {} and {}: {has:?} {lacks:?}",
                one.len(),
                other.len()
            );
            ensure!(!one.is_empty(), "{table} is empty");
        }
        let works = anew
            .iter()
            .find(|(table, _)| *table == "stretches")
            .map(|(_, rows)| rows)
            .context("stretches")?;
        let felled = works.iter().filter(|row| row.split(' ').nth(2) == Some("Some(1)")).count();
        ensure!(felled == 2, "{felled} stretches felled: each of two phones has one that was not taken back");
        ledger.engine.store.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_what_is_derived_has_it_though_others_derive_too() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let ledger = Arc::new(Ledger::of(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    for _ in 0..60 {
                        let key = ledger.district.key;
                        let wanted = ledger.engine.store.read().await?.lineage(key).await?.change;
                        ledger.follow().await?;
                        let through = ledger.engine.store.read().await?.derivation(key).await?.through;
                        ensure!(through >= wanted, "derived through {through} of {wanted}");
                    }
                    Ok(())
                })
            })
            .collect();
        while !waiting.iter().all(tokio::task::JoinHandle::is_finished) {
            let bundle = phone.reports(1);
            ensure!(phone.sync(&[bundle]).await?.status == 200);
        }
        for waited in waiting {
            waited.await?.with_context(|| format!("{backend:?}"))?;
        }
        ledger.engine.store.close().await;
    }
    Ok(())
}
