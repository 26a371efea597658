//! The way in: `ingest_http`, `push_again`, `ingest_small`, and the same on PostgreSQL.

use std::time::Duration;

use anyhow::{Result, ensure};
use firebreak::store::Database;
use firebreak_tests::postgres;
use firebreak_tests::server::{Backend, Server};
use hyper::body::Bytes;
use tempfile::TempDir;

use crate::crew::{self, Sender, Sent};
use crate::figure::{Figures, median, number, quantile, rate};
use crate::process::Counted;
use crate::{rival, same_rows};

/// Phones of `ingest_http`.
const PHONES: usize = 16;
/// Operations of its bundles.
const OPERATIONS: usize = 1_000;
/// Bundles of each phone.
const BUNDLES: usize = 5;
/// Phones of `ingest_small`, all at once.
const SMALL_PHONES: usize = 200;
/// Operations of its bundles.
const SMALL_OPERATIONS: usize = 5;
/// Bundles of each phone.
const SMALL_BUNDLES: usize = 40;
/// How often both are measured.
const ROUNDS: usize = 5;

/// What phones are about to send.
struct Ready {
    senders: Vec<Sender>,
    operations: usize,
}

/// A load, how it took and what it cost.
struct Load {
    senders: Vec<Sender>,
    sent: Sent,
    cost: Counted,
    operations: usize,
}

impl Ready {
    async fn load(self, server: &Server) -> Result<Load> {
        let Self { senders, operations } = self;
        let before = Counted::of(server).await?;
        let sent = crew::send(&senders).await?;
        let cost = Counted::of(server).await?.since(before);
        Ok(Load { senders, sent, cost, operations })
    }
}

impl Load {
    fn rate(&self) -> f64 {
        rate(self.operations, self.sent.took)
    }
}

async fn ready(
    server: &Server,
    phones: usize,
    bundles: usize,
    operations: usize,
    seed: u64,
) -> Result<Ready> {
    let mut phones = crew::enrol(server, phones).await?;
    let senders = crew::prepare(&mut phones, seed, bundles, operations)?;
    Ok(Ready { operations: senders.len() * bundles * operations, senders })
}

/// Transactions that the server took for a load.
fn transactions(load: &Load) -> usize {
    format!("{:.0}", load.cost.groups).parse().unwrap_or(1).max(1)
}

/// The large and the small load one right after the other, on servers of their own.
struct Round {
    large: Load,
    /// Rows that the large load left.
    rows: usize,
    /// What the same rows took.
    same: Duration,
    /// What the rival took.
    rival: Duration,
    small: Load,
}

impl Round {
    fn small_of_large(&self) -> f64 {
        self.small.rate() / self.large.rate()
    }

    fn large_of_same(&self) -> f64 {
        self.large.rate() / rate(self.large.operations, self.same)
    }

    fn large_of_rival(&self) -> f64 {
        self.large.rate() / rate(self.large.operations, self.rival)
    }
}

async fn server() -> Result<Server> {
    // The second load would pay for what the first left to derive; what deriving costs is in `derive`.
    Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await
}

async fn large_ready(server: &Server) -> Result<Ready> {
    ready(server, PHONES, BUNDLES, OPERATIONS, 1).await
}

async fn small_ready(server: &Server) -> Result<Ready> {
    ready(server, SMALL_PHONES, SMALL_BUNDLES, SMALL_OPERATIONS, 1_000).await
}

/// Both loads are ready before either begins, so that nothing lies between them, and each comes first in every second
/// round. Small bundles meet what large ones met, a ledger that is empty.
async fn round(nth: usize) -> Result<Round> {
    let (server, server_of_small) = (server().await?, self::server().await?);
    let (large, small) = (large_ready(&server).await?, small_ready(&server_of_small).await?);
    let (large, small) = if nth.is_multiple_of(2) {
        let small = small.load(&server_of_small).await?;
        (large.load(&server).await?, small)
    } else {
        let large = large.load(&server).await?;
        (large, small.load(&server_of_small).await?)
    };
    drop(server_of_small);
    let written = same_rows::read(&same_rows::sqlite(&server.ledger()?)?).await?;
    ensure!(
        written.operations.len() == large.operations,
        "{} operations were stored",
        written.operations.len()
    );
    drop(server);
    let folder = TempDir::with_prefix("firebreak-bench")?;
    let same = same_rows::sqlite(&folder.path().join("same.sqlite"))?;
    let same = same_rows::write(&same, &written, transactions(&large)).await?;
    let rival = rival::write(&folder.path().join("rival.sqlite"), &written).await?;
    let rows = written.count();
    Ok(Round { large, rows, same, rival, small })
}

/// `ingest_http`, `ingest_small`, `push_again` and `ingest_small_later` on SQLite. A load takes two seconds, in which the
/// machine may be a third faster or slower than in the next two: each ratio that has a limit is the middle one of several
/// rounds, and the figures beside it are of the round in the middle.
pub(crate) async fn sqlite(figures: &mut Figures) -> Result<()> {
    let mut rounds: Vec<Round> = Vec::with_capacity(ROUNDS);
    for nth in 1..=ROUNDS {
        Figures::say(&format!("ingest: phones, reports, round {nth} of {ROUNDS}"));
        rounds.push(round(nth).await?);
    }
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    let (of_same, of_rival) = (middle(Round::large_of_same), middle(Round::large_of_rival));
    let ratios: Vec<String> = rounds.iter().map(|round| format!("{:.2}", round.small_of_large())).collect();
    Figures::say(&format!("ingest_small of ingest_http by rounds: {}", ratios.join(" ")));
    rounds.sort_by(|one, other| one.small_of_large().total_cmp(&other.small_of_large()));
    let Round { large, rows, mut small, .. } = rounds.swap_remove(ROUNDS / 2);
    drop(rounds);
    let own = large.rate();
    figures.print("ingest_http", own, "operations/s", of_same, "same_rows");
    figures.print("ingest_http_rival", own, "operations/s", of_rival, "rival");
    costs(figures, "ingest_http", &large, rows);
    print_small(figures, "ingest_small", &mut small, own);
    behind(figures).await
}

/// `push_again` and `ingest_small_later`: what comes behind a large load, against that one.
async fn behind(figures: &mut Figures) -> Result<()> {
    Figures::say("ingest: the same once more, and small bundles behind it");
    let server = server().await?;
    let large = large_ready(&server).await?.load(&server).await?;
    let before = Counted::of(&server).await?;
    let again = crew::send(&large.senders).await?;
    let cost = Counted::of(&server).await?.since(before);
    let again = rate(large.operations, again.took);
    figures.print("push_again", again, "operations/s", again / large.rate(), "ingest_http");
    let per_operation = cost.cpu_s * 1e6 / number(large.operations);
    figures.print(
        "push_again_cpu",
        per_operation,
        "us/operation",
        cost.cpu_s / large.cost.cpu_s,
        "ingest_http_cpu",
    );
    let mut later = small_ready(&server).await?.load(&server).await?;
    print_small(figures, "ingest_small_later", &mut later, large.rate());
    Ok(())
}

fn costs(figures: &mut Figures, name: &str, load: &Load, rows: usize) {
    let operations = number(load.operations);
    let cpu = load.cost.cpu_s / load.sent.took.as_secs_f64();
    let groups = load.cost.groups.max(1.0);
    let sent: usize = load.senders.iter().flat_map(|sender| sender.requests.iter()).map(Bytes::len).sum();
    figures.print(
        &format!("{name}_cpu"),
        load.cost.cpu_s * 1e6 / operations,
        "us/operation",
        cpu,
        "one_core",
    );
    figures.print(
        &format!("{name}_written"),
        load.cost.written / operations,
        "bytes/operation",
        load.cost.written / number(sent),
        "bytes_received",
    );
    figures.print(
        &format!("{name}_rows"),
        number(rows) / operations,
        "rows/operation",
        groups,
        "transactions",
    );
}

fn print_small(figures: &mut Figures, name: &str, load: &mut Load, large: f64) {
    let own = load.rate();
    figures.print(name, own, "operations/s", own / large, "ingest_http");
    let shared = load.cost.bundles / load.cost.groups.max(1.0);
    figures.print(&format!("{name}_shared"), shared, "bundles/commit", shared / 10.0, "least_wanted");
    let p50 = quantile(&mut load.sent.latencies, 500).as_secs_f64() * 1e3;
    let p99 = quantile(&mut load.sent.latencies, 990).as_secs_f64() * 1e3;
    figures.print(&format!("{name}_p99"), p99, "ms", p99 / p50, "median");
    let cpu = load.cost.cpu_s * 1e6 / number(load.operations);
    figures.print(
        &format!("{name}_cpu"),
        cpu,
        "us/operation",
        load.cost.cpu_s / load.sent.took.as_secs_f64(),
        "one_core",
    );
    let own = load.cost.own_cpu_s * 1e6 / number(load.operations);
    figures.print(
        &format!("{name}_load_cpu"),
        own,
        "us/operation",
        load.cost.own_cpu_s / load.cost.cpu_s,
        "server",
    );
    let syncs = rate(load.operations / SMALL_OPERATIONS, load.sent.took);
    let commits = load.cost.groups / load.sent.took.as_secs_f64();
    figures.print(&format!("{name}_syncs"), syncs, "syncs/s", syncs / commits, "commits");
}

/// `ingest_http_postgres`.
pub(crate) async fn postgres(figures: &mut Figures) -> Result<()> {
    Figures::say("ingest on PostgreSQL: phones, reports");
    let server = Server::start(Backend::Postgres).await?;
    let load = large_ready(&server).await?.load(&server).await?;
    let address = server.database().unwrap_or_default().to_owned();
    let rows = same_rows::read(&Database::Postgres(address)).await?;
    ensure!(rows.operations.len() == load.operations, "{} operations were stored", rows.operations.len());
    let same = Database::Postgres(postgres::database().await?);
    let same = same_rows::write(&same, &rows, transactions(&load)).await?;
    let own = load.rate();
    figures.print(
        "ingest_http_postgres",
        own,
        "operations/s",
        own / rate(load.operations, same),
        "same_rows",
    );
    Ok(())
}
