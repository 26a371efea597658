//! The kill loop (law 1): SIGKILL at random moments under load, restart, resend. No receipt is lost or changed.
//!
//! A kill says something only where it meets a request on its way: those are counted, and the bundles among them whose
//! commit nobody heard of.
//!
//! Thirty kills in `make test`; `FIREBREAK_SOAK` sets how many in `make soak`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use firebreak_tests::{rounds, seed};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::exchange::Receipt;
use sync_protocol::ids::BundleHash;

const PHONES: usize = 6;
/// Operations of a bundle, at most.
const OPERATIONS: usize = 12;
/// A server is killed at the latest so long after it listens…
const LATEST_KILL_MS: u64 = 250;
/// …or, where that is longer, as long as so many requests of a phone take: on a slow disk, too, it is killed amid new bundles.
const LATEST_KILL_REQUESTS: u32 = 10;
/// Where no kill has come between a commit and its reply yet, there are so many times as many of them.
const MORE_KILLS: usize = 3;
/// Bundles with a receipt that a phone sends again after each kill.
const ASKED_AGAIN: usize = 3;

/// A bundle, and its receipt once there was one.
struct Sent {
    bundle: Vec<u8>,
    operations: usize,
    receipt: Option<Raw>,
    /// The receipt that the server had for it while the phone had none.
    unheard: Option<Raw>,
}

/// A phone under load and all it ever sent.
struct Loaded {
    phone: Phone,
    sent: Vec<Sent>,
    random: ChaCha8Rng,
    /// Requests with bundles that were on their way when the server was killed.
    cut: usize,
    /// How long requests take that are answered: mostly what it was, a quarter the last one.
    pace: Duration,
}

impl Loaded {
    /// Sends bundles until the server is gone: what has no receipt, new ones, and now and then old ones.
    async fn work(&mut self, client: &Client) -> Result<()> {
        for _ in 0..ASKED_AGAIN.min(self.sent.len()) {
            let index = self.random.random_range(0..self.sent.len());
            if !self.send(client, &[index]).await? {
                return Ok(());
            }
        }
        while self.send_new(client).await? {}
        Ok(())
    }

    /// Sends a new bundle with all that wait; `false` where the server went away.
    async fn send_new(&mut self, client: &Client) -> Result<bool> {
        let operations = self.random.random_range(1..=OPERATIONS);
        let bundle = self.phone.reports(operations);
        self.sent.push(Sent { bundle, operations, receipt: None, unheard: None });
        let waiting: Vec<usize> = (0..self.sent.len()).filter(|index| self.is_waiting(*index)).collect();
        self.send(client, &waiting).await
    }

    fn is_waiting(&self, index: usize) -> bool {
        self.sent.get(index).is_some_and(|sent| sent.receipt.is_none())
    }

    /// Sends these bundles in one request; `false` where the server went away.
    async fn send(&mut self, client: &Client, indices: &[usize]) -> Result<bool> {
        let bundles: Vec<&[u8]> = indices
            .iter()
            .filter_map(|index| self.sent.get(*index))
            .map(|sent| sent.bundle.as_slice())
            .collect();
        let began = Instant::now();
        let reply = match client.sync(self.phone.request(&bundles)).await {
            Ok(reply) => {
                let took = began.elapsed();
                self.pace = if self.pace.is_zero() { took } else { (self.pace * 3 + took) / 4 };
                reply
            }
            Err(error) => {
                // Where nobody listened, nothing was on its way.
                let is_unsent =
                    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect);
                self.cut += usize::from(!is_unsent);
                return Ok(false);
            }
        };
        ensure!(reply.status == 200, "status {}: {:?}", reply.status, reply.error());
        ensure!(reply.refused().is_empty(), "refused: {:?}", reply.refused());
        for raw in reply.raw_receipts() {
            let receipt: Receipt = raw.decode().context("a receipt of another shape")?;
            let sent = self.sent.iter_mut().find(|sent| BundleHash::of(&sent.bundle) == receipt.bundle);
            let sent = sent.context("a receipt for what was never sent")?;
            if let Some(first) = sent.receipt.as_ref().or(sent.unheard.as_ref()) {
                ensure!(*first == raw, "a receipt changed: {first:?} became {raw:?}");
            }
            sent.receipt = Some(raw);
        }
        let epoch = self.phone.epoch.clone();
        self.phone.keep(&reply);
        ensure!(epoch.is_none() || epoch == self.phone.epoch, "a kill lost nothing, yet a new epoch began");
        self.cut += usize::from(reply.end().is_none());
        Ok(reply.end().is_some())
    }

    /// Asks what became of the bundles that wait for a receipt, before they are sent again: how many are found to be
    /// committed.
    async fn ask(&mut self, client: &Client) -> Result<usize> {
        let mut committed = 0;
        for sent in self.sent.iter_mut().filter(|sent| sent.receipt.is_none() && sent.unheard.is_none()) {
            let path = format!("/v1/receipts/{}", BundleHash::of(&sent.bundle));
            let reply = client.get(&path).await?;
            match reply.status {
                200 => {
                    sent.unheard = Some(Raw::from_checked(&reply.body));
                    committed += 1;
                }
                404 => {}
                status => anyhow::bail!("{path}: {status} {}", reply.text()),
            }
        }
        Ok(committed)
    }
}

async fn kill_again_and_again(backend: Backend, kills: usize, seed: u64) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut server = Server::start(backend).await?;
    let mut loaded = Vec::new();
    for _ in 0..PHONES {
        let random = ChaCha8Rng::seed_from_u64(random.next_u64());
        let phone = Phone::enrol(&server).await?;
        let client = phone.client.clone();
        let mut one = Loaded { phone, sent: Vec::new(), random, cut: 0, pace: Duration::ZERO };
        ensure!(one.send_new(&client).await?, "it went away by itself");
        loaded.push(one);
    }
    let (mut killed, mut unheard) = (0, 0);
    while killed < kills || (unheard == 0 && killed < kills * MORE_KILLS) {
        let kill = killed;
        let pace = loaded.iter().map(|one| one.pace).max().unwrap_or_default();
        let latest = Duration::from_millis(LATEST_KILL_MS).max(pace * LATEST_KILL_REQUESTS);
        let clients: Vec<Client> = loaded.iter().map(|one| one.phone.client.at(&server.url)).collect();
        let work = loaded.iter_mut().zip(&clients).map(|(one, client)| one.work(client));
        let moment = latest.mul_f64(random.random_range(0.0..1.0));
        let plug = async {
            tokio::time::sleep(moment).await;
            server.kill().await
        };
        let (pulled, worked) = tokio::join!(plug, futures::future::try_join_all(work));
        pulled?;
        worked.with_context(|| format!("before kill {kill}, {moment:?} after the start"))?;
        server.resume().await.with_context(|| format!("after kill {kill}"))?;
        for one in &mut loaded {
            let client = one.phone.client.at(&server.url);
            unheard += one.ask(&client).await.with_context(|| format!("after kill {kill}"))?;
        }
        killed += 1;
    }
    let (mut bundles, mut operations) = (0, 0);
    for one in &mut loaded {
        let client = one.phone.client.at(&server.url);
        let all: Vec<usize> = (0..one.sent.len()).collect();
        for few in all.chunks(100) {
            ensure!(one.send(&client, few).await?, "the last reply was cut");
        }
        ensure!(one.sent.iter().all(|sent| sent.receipt.is_some()), "a bundle has no receipt");
        bundles += one.sent.len();
        operations += one.sent.iter().map(|sent| sent.operations).sum::<usize>();
    }
    let cut: usize = loaded.iter().map(|one| one.cut).sum();
    println!(
        "{backend:?}: {killed} kills, {bundles} bundles, {operations} operations; {cut} requests cut on their way, \
         {unheard} bundles committed and not heard of"
    );
    ensure!(bundles > kills, "there was hardly any load");
    ensure!(cut >= killed, "kills met no request: {cut} of {killed}");
    ensure!(unheard > 0, "no kill came between a commit and its reply");
    let check = server.check().await?;
    let records = check.get("records").and_then(Value::as_u64);
    ensure!(records >= u64::try_from(operations).ok(), "{operations} reports were sent: {check}");
    ensure!(reported(&check) == records, "received = Σ dispositions: {check}");
    server.stop().await
}

/// Operations received that opened a record: nothing but reports was sent, beside what the server wrote itself.
fn reported(check: &Value) -> Option<u64> {
    let received = check.get("received")?.as_u64()?;
    let dispositions: u64 = check.get("dispositions")?.as_object()?.values().filter_map(Value::as_u64).sum();
    (received == dispositions).then_some(check.get("records")?.as_u64()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_sqlite_keeps_every_receipt() -> Result<()> {
    let seed = seed("killed_at_random_moments_sqlite_keeps_every_receipt", 41);
    kill_again_and_again(Backend::Sqlite, rounds(30), seed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_postgres_keeps_every_receipt() -> Result<()> {
    let seed = seed("killed_at_random_moments_postgres_keeps_every_receipt", 43);
    kill_again_and_again(Backend::Postgres, rounds(30) / 3, seed).await
}
