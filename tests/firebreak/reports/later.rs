//! What comes after a report, and what is written while one is made.

use anyhow::{Context as _, Result, ensure};
use firebreak::store::Transaction;
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::{LATITUDE_E7, SPAN_E7, WEST_E7, draft, enter, figure, import_line};

/// Fixes along the line, 48 m and a minute apart, from one pole to another.
fn track(from_pole: i64, to_pole: i64, start_ms: i64) -> Vec<(i64, i64, i64, i64)> {
    let steps = 0..=(to_pole - from_pole) * 10;
    let fix = |step: i64| {
        (LATITUDE_E7 + 200, WEST_E7 + from_pole * SPAN_E7 + step * SPAN_E7 / 10, start_ms + step * 60_000, 50)
    };
    steps.map(fix).collect()
}

fn started(phone: &mut Phone, start_ms: i64) -> Operation {
    let id = phone.id();
    Operation::new(OperationId(id), RecordId(id), Kind::PatrolStarted, phone.person, phone.stamp())
        .with("started_at_ms", &start_ms)
}

async fn send(phone: &mut Phone, operation: &Operation) -> Result<()> {
    let bundle = phone.seal(std::slice::from_ref(operation));
    let reply = phone.sync(&[bundle]).await?;
    ensure!(reply.status == 200 && reply.receipts().len() == 1, "{} {:?}", reply.status, reply.error());
    Ok(())
}

fn ids(told: &Value) -> Vec<&str> {
    let rows = told["rows"].as_array();
    rows.into_iter().flatten().filter_map(|row| row["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_a_patrol_that_come_after_the_report_are_listed_as_late() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import_line(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        // From before midnight on the last day of October (Asia/Shanghai) into November.
        let midnight_ms = MORNING_MS - 32 * 3_600_000;
        let began_ms = midnight_ms - 30 * 60_000;
        let patrol = started(&mut phone, began_ms);
        let head = head_of(&patrol);
        let piece = |phone: &mut Phone, number: i64, from, to, at| {
            phone
                .on(patrol.record, Kind::PatrolTrack, [head])
                .with("piece", &number)
                .with("points", &track(from, to, at))
        };
        let first = piece(&mut phone, 1, 0, 2, began_ms + 20 * 60_000);
        let second = piece(&mut phone, 2, 2, 5, began_ms + 40 * 60_000);
        send(&mut phone, &patrol).await?;
        send(&mut phone, &first).await?;
        let office = server.client()?;
        let days = json!({"from": "2026-11-01", "to": "2026-11-30"});
        let issued = office.post("/v1/reports/work", &days).await?.json("issue")?;
        let number = issued["number"].as_str().context("no number")?.to_owned();
        let late = format!("/v1/reports/{number}/late");
        assert_eq!(office.json(&late).await?["count"], 0, "{backend:?}");
        let before = figure(&draft(&office).await?, "walked_mm")?;
        send(&mut phone, &second).await?;
        let after = figure(&draft(&office).await?, "walked_mm")?;
        ensure!(0 < before && before + 1_000_000 < after, "{before} {after}");
        let told = office.json(&late).await?;
        assert_eq!(ids(&told), [patrol.record.to_string()], "{backend:?}: {told}");
        assert_eq!(draft(&office).await?["late"], json!([{"number": number, "count": 1}]));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_issued_while_others_write_without_a_pause() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import_line(&server).await?;
        let office = server.client()?;
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let office = office.clone();
                tokio::spawn(async move {
                    loop {
                        let work = json!({"work_type": "pole_breaker", "completed_at_ms": MORNING_MS});
                        enter(&office, "/v1/works", work).await?;
                    }
                    #[expect(unreachable_code, reason = "it says what the task gives")]
                    anyhow::Ok(())
                })
            })
            .collect();
        let mut ordinals = Vec::new();
        for _ in 0..5 {
            let days = json!({"from": "2026-11-01", "to": "2026-11-30"});
            let reply = office.post("/v1/reports/work", &days).await?;
            ensure!(reply.status == 200, "{backend:?}: {} {}", reply.status, reply.text());
            let number = reply.json("issue")?["number"].as_str().context("no number")?.to_owned();
            ordinals.push(number.rsplit('-').next().context("no ordinal")?.to_owned());
        }
        ensure!(writers.iter().all(|writer| !writer.is_finished()), "a writer gave up");
        writers.iter().for_each(tokio::task::JoinHandle::abort);
        ordinals.dedup();
        ensure!(ordinals.len() > 1, "nothing was written meanwhile");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_was_last_heard_of_before_the_period_ended_stands_against_the_claim() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let phone = Phone::enrol(&server).await?;
        let shanghai = TimeZone::get("Asia/Shanghai")?;
        let today = jiff::Timestamp::now().to_zoned_datetime(shanghai.clone()).date();
        let (yesterday, midnight) = (today.yesterday()?, today.to_zoned_datetime(shanghai)?);
        let engine = firebreak::app::open(&server.settings()).await?;
        for (heard_ms, eliminated) in [
            (midnight.timestamp().as_millisecond() - 1, false),
            (midnight.checked_add(1.millisecond())?.timestamp().as_millisecond(), true),
        ] {
            const HEARD: &str = "UPDATE devices SET contact_ms = $1 WHERE device = $2";
            let mut writing = engine.store.begin().await?;
            match &mut writing {
                Transaction::Sqlite(held) => sqlx::query(HEARD)
                    .bind(heard_ms)
                    .bind(phone.device.0)
                    .execute(&mut **held)
                    .await?
                    .rows_affected(),
                Transaction::Postgres(held) => sqlx::query(HEARD)
                    .bind(heard_ms)
                    .bind(phone.device.0)
                    .execute(&mut **held)
                    .await?
                    .rows_affected(),
            };
            writing.commit().await?;
            let path = format!("/v1/reports/work?from={yesterday}&to={yesterday}");
            let report = server.client()?.json(&path).await?;
            assert_eq!(report["eliminated"], eliminated, "{backend:?} {heard_ms}: {}", report["sentence_zh"]);
        }
        engine.store.close().await;
    }
    Ok(())
}
