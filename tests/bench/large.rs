//! A large ledger: `pull_100`, `first_pull`, `memory`, `start_up`.
//!
//! Two servers run side by side, one with a million records, one with ten thousand; the pulls that are compared
//! are made in turn, so that both meet the same weather.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::builders::MORNING_MS;
use fixtures::generator;
use sync_protocol::exchange::{Frame, FrameReader, encode_request};
use sync_protocol::limits;
use sync_protocol::operation::Operation;
use tokio::task::JoinSet;

use crate::crew;
use crate::figure::{Figures, number, quantile, rate};
use crate::process::status_mib;

/// Records of the small ledger.
const FEW: usize = 10_000;
/// Records of a first pull.
const FIRST: usize = 50_000;
/// Changes of a pull.
const CHANGES: usize = 100;
/// Pulls on each ledger.
const PULLS: usize = 200;
/// Phones that fill a ledger.
const PHONES: usize = 8;
/// Operations of a bundle, and bundles of a request, while a ledger is filled.
const BUNDLE: usize = 1_000;
const BUNDLES: usize = 4;
/// Somewhere far away.
const NOWHERE: &str = "-0.00001,-0.00001,0.00001,0.00001";

/// Measures.
pub(crate) async fn measure(figures: &mut Figures, records: usize) -> Result<()> {
    let few = Server::start(Backend::Sqlite).await?;
    fill(&few, FEW, 1).await?;
    let mut many = Server::start(Backend::Sqlite).await?;
    Figures::say(&format!("filling a ledger with {records} records"));
    let began = Instant::now();
    fill(&many, records, 1_000).await?;
    Figures::say(&format!("filled, {:.0} operations/s", rate(records, began.elapsed())));
    let loaded = status_mib(&many, "VmHWM:")?;

    Figures::say("pull_100");
    let small = Puller::prepare(&few).await?;
    let large = Puller::prepare(&many).await?;
    let (mut small_times, mut large_times) = (Vec::new(), Vec::new());
    for _ in 0..PULLS {
        small_times.push(small.pull().await?);
        large_times.push(large.pull().await?);
    }
    let (small, large) = (quantile(&mut small_times, 500), quantile(&mut large_times, 500));
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    figures.print("pull_100", large.as_secs_f64() * 1e3, "ms", ratio, "of_10000_records");

    let peak = status_mib(&many, "VmHWM:")?;
    let resident = status_mib(&many, "VmRSS:")?;
    figures.print("memory", peak, "MiB", peak / 200.0, "limit");
    figures.print("memory_after_load", loaded, "MiB", loaded / peak, "memory");
    figures.print("memory_now", resident, "MiB", resident / peak, "memory");
    many.stop().await?;
    let began = Instant::now();
    many.resume().await?;
    ensure!(many.client()?.get("/readyz").await?.status == 200, "it is not ready");
    let took = began.elapsed().as_secs_f64();
    figures.print("start_up", took, "s", took / 0.5, "limit");
    many.kill().await?;
    drop(many);

    Figures::say("first_pull");
    fill(&few, FIRST - FEW - CHANGES, 2_000).await?;
    first_pull(figures, &few).await
}

/// Fills a ledger with new reports, several phones at once; requests are made while others are served.
async fn fill(server: &Server, records: usize, seed: u64) -> Result<()> {
    let phones = crew::enrol(server, PHONES).await?;
    let mut tasks = JoinSet::new();
    for (nth, mut phone) in phones.into_iter().enumerate() {
        let share = records * (nth + 1) / PHONES - records * nth / PHONES;
        let seed = seed + u64::try_from(nth)?;
        tasks.spawn(async move {
            let mut reports = generator::reports(seed, phone.person, MORNING_MS);
            let mut left = share;
            while left > 0 {
                let mut bundles = Vec::with_capacity(BUNDLES);
                while left > 0 && bundles.len() < BUNDLES {
                    let take = left.min(BUNDLE);
                    let encoded = reports.by_ref().take(take).map(|report| Operation::encode(&report));
                    bundles.push(phone.seal_bytes(encoded.collect()));
                    left -= take;
                }
                let body = crew::request(&phone, &bundles);
                let headers = [("content-type", "application/cbor-seq")];
                let reply = phone.client.post_bytes("/v1/sync", body, &headers).await?;
                ensure!(reply.status == 200, "filling: {} {:?}", reply.status, reply.code());
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A phone that pulls the same hundred changes again and again.
struct Puller {
    phone: Phone,
    request: Vec<u8>,
}

impl Puller {
    /// A cursor at the end of the feed, then a hundred changes.
    async fn prepare(server: &Server) -> Result<Self> {
        // Cursors are of the district: one is had cheaply by a phone whose area is empty.
        let far = server.add_person("inspector").await?;
        let set = ["area", "set", "--district", DISTRICT, "--person", &far, "--box", NOWHERE];
        ensure!(server.command(&set).await?.0, "the area was not set");
        let far = Phone::enrol_for(server, &far).await?;
        let frames = frames(&pull(&far, None, limits::BUDGET_MAX, "identity").await?)?;
        ensure!(items(&frames) == 0, "the far phone was sent records");
        let cursor = last_cursor(&frames).context("no cursor came")?;

        let mut phones = crew::enrol(server, 2).await?;
        let (phone, mut writer) = (phones.remove(0), phones.remove(0));
        let senders = crew::prepare(std::slice::from_mut(&mut writer), 9_000, 1, CHANGES)?;
        crew::send(&senders).await?;
        let request = request(&phone, Some(cursor), limits::BUDGET_MAX);
        let puller = Self { phone, request };
        let first = self::frames(&ask(&puller.phone, puller.request.clone(), "gzip").await?)?;
        ensure!(items(&first) == CHANGES, "{} changes came", items(&first));
        Ok(puller)
    }

    async fn pull(&self) -> Result<Duration> {
        let began = Instant::now();
        ask(&self.phone, self.request.clone(), "gzip").await?;
        Ok(began.elapsed())
    }
}

async fn first_pull(figures: &mut Figures, server: &Server) -> Result<()> {
    let mut plain = 0.0;
    let mut rates = Vec::new();
    for encoding in ["identity", "gzip", "zstd"] {
        let phone = Phone::enrol_for(server, &server.add_person("inspector").await?).await?;
        let began = Instant::now();
        let body = ask(&phone, request(&phone, None, limits::BUDGET_MAX), encoding).await?;
        let took = began.elapsed();
        let bytes = number(body.len());
        let records = items(&frames(&body)?);
        ensure!(records == FIRST, "{records} records came");
        rates.push((encoding, rate(records, took), bytes / number(records)));
        plain = if encoding == "identity" { bytes / number(records) } else { plain };
    }
    let fastest = rates.first().map_or(1.0, |first| first.1);
    for (encoding, rate, bytes) in rates {
        figures.print(&format!("first_pull_{encoding}"), rate, "records/s", rate / fastest, "identity");
        figures.print(
            &format!("first_pull_{encoding}_bytes"),
            bytes,
            "bytes/record",
            bytes / plain,
            "identity",
        );
    }
    Ok(())
}

fn request(phone: &Phone, cursor: Option<Vec<u8>>, budget: u64) -> Vec<u8> {
    let mut header = phone.header();
    header.cursor = cursor;
    header.budget = Some(budget);
    encode_request::<Vec<u8>>(&header, &[])
}

async fn pull(phone: &Phone, cursor: Option<Vec<u8>>, budget: u64, encoding: &str) -> Result<Vec<u8>> {
    ask(phone, request(phone, cursor, budget), encoding).await
}

/// The reply's bytes as they travelled.
async fn ask(phone: &Phone, body: Vec<u8>, encoding: &str) -> Result<Vec<u8>> {
    let headers = [("content-type", "application/cbor-seq"), ("accept-encoding", encoding)];
    let reply = phone.client.post_bytes("/v1/sync", body, &headers).await?;
    ensure!(reply.status == 200, "pull: {} {:?}", reply.status, reply.code());
    Ok(reply.body)
}

/// The frames of a reply, whichever way it is encoded.
fn frames(body: &[u8]) -> Result<Vec<Frame>> {
    use std::io::Read as _;
    let plain = match body {
        [0x1f, 0x8b, ..] => {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(body).read_to_end(&mut plain)?;
            plain
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::decode_all(body)?,
        _ => body.to_vec(),
    };
    FrameReader::new().push(&plain).map_err(|code| anyhow::anyhow!("the reply is not readable: {code}"))
}

fn items(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| matches!(frame, Frame::Item(_))).count()
}

fn last_cursor(frames: &[Frame]) -> Option<Vec<u8>> {
    frames.iter().rev().find_map(|frame| match frame {
        Frame::Cursor(cursor) => Some(cursor.cursor.clone()),
        _ => None,
    })
}
