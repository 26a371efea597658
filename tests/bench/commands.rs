//! Commands of the office: how long one takes while the server has nothing else to do, and while sixteen phones push.
//!
//! A command takes the district's counter row, as every write does: it joins the next group, and waits for the one that is
//! being written. So what it waits for is at most two groups, which the bound on a group's operations bounds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::ids::RecordId;

use crate::crew;
use crate::figure::{Figures, quantile};

/// Phones that push, operations of their bundles, bundles of each: the load of `ingest_http`, three times as long.
const PHONES: usize = 16;
const OPERATIONS: usize = 1_000;
const BUNDLES: usize = 15;
/// People who give commands at once, each one after the other.
const DESKS: usize = 4;
/// Commands on the quiet server: enough for the hundredth part of them to be more than one.
const QUIET: usize = 400;
/// Hazards that commands are given on at most: each is graded once.
const HAZARDS: usize = 6_000;
/// Hazards of one bundle.
const BUNDLE: usize = 1_000;
/// A person at a desk does not wait longer than this for one command in a hundred.
const LIMIT: Duration = Duration::from_millis(250);

/// What commands took.
struct Given {
    latencies: Vec<Duration>,
}

impl Given {
    fn ms(&mut self, thousandths: usize) -> f64 {
        quantile(&mut self.latencies, thousandths).as_secs_f64() * 1e3
    }
}

/// `command`, `command_p99` and `command_limit` on both databases.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    for (backend, suffix) in [(Backend::Sqlite, ""), (Backend::Postgres, "_postgres")] {
        on(figures, backend, suffix).await?;
    }
    Ok(())
}

async fn on(figures: &mut Figures, backend: Backend, suffix: &str) -> Result<()> {
    Figures::say("commands: hazards, phones, reports");
    let server = Server::start(backend).await?;
    let hazards = hazards(&server).await?;
    let desks = desks(&server).await?;
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let mut quiet = give(&desks, &hazards, &next, (QUIET, &is_over)).await?;
    let mut phones = crew::enrol(&server, PHONES).await?;
    let senders = crew::prepare(&mut phones, 1, BUNDLES, OPERATIONS)?;
    let load = async {
        let sent = crew::send(&senders).await;
        is_over.store(true, Ordering::Relaxed);
        sent
    };
    let (sent, given) = tokio::join!(load, give(&desks, &hazards, &next, (HAZARDS, &is_over)));
    let (sent, mut loaded) = (sent?, given?);
    Figures::say(&format!("{} commands in {:.1} s", loaded.latencies.len(), sent.took.as_secs_f64()));
    ensure!(loaded.latencies.len() >= 100, "too few commands for the hundredth part of them");
    let (p50, p99) = (loaded.ms(500), loaded.ms(990));
    figures.print(&format!("command{suffix}"), p50, "ms", p50 / quiet.ms(500), "quiet_server");
    figures.print(&format!("command_p99{suffix}"), p99, "ms", p99 / quiet.ms(990), "quiet_server");
    let limit_ms = LIMIT.as_secs_f64() * 1e3;
    figures.print(&format!("command_limit{suffix}"), p99, "ms", p99 / limit_ms, "limit");
    Ok(())
}

async fn hazards(server: &Server) -> Result<Vec<RecordId>> {
    let mut phone = Phone::enrol(server).await?;
    let mut hazards = Vec::with_capacity(HAZARDS);
    for _ in 0..HAZARDS.div_ceil(BUNDLE) {
        let reports: Vec<_> = (0..BUNDLE).map(|_| phone.report("general")).collect();
        hazards.extend(reports.iter().map(|report| report.record));
        let bundle = phone.seal(&reports);
        ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1, "the reports were not taken");
    }
    // A draft waits until everything is derived: what follows is no part of what is measured.
    server.client()?.json("/v1/reports/work?from=2026-11-01&to=2026-11-30").await?;
    Ok(hazards)
}

async fn desks(server: &Server) -> Result<Vec<Client>> {
    let mut desks = Vec::with_capacity(DESKS);
    for _ in 0..DESKS {
        let person = server.add_person("reviewer").await?;
        desks.push(server.client_of(&server.create_token(&person).await?)?);
    }
    Ok(desks)
}

/// Grades hazards, each desk one after the other, until so many were graded since the first ever or something is over.
async fn give(
    desks: &[Client],
    hazards: &[RecordId],
    next: &AtomicUsize,
    (through, is_over): (usize, &AtomicBool),
) -> Result<Given> {
    let body = json!({"fields": {"severity": "serious"}});
    let at = desks.iter().map(async |desk| {
        let mut latencies = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= through {
                break;
            }
            let record = hazards.get(nth).context("no hazards are left")?;
            let began = Instant::now();
            let reply = desk.post(&format!("/v1/hazards/{record}/commands/grade"), &body).await?;
            latencies.push(began.elapsed());
            ensure!(reply.status == 200, "{}: {}", reply.status, reply.text());
        }
        Ok(latencies)
    });
    let latencies = futures::future::try_join_all(at).await?.concat();
    Ok(Given { latencies })
}
