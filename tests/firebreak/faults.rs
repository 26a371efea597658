//! A network that fails: whatever is cut, slowed or lost, nothing is lost or doubled (laws 1 and 7).
//!
//! Complaints of users that these schedules stand for: duplicates after a lost reply; a feed that skips.

mod compressed;
mod device;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::Phone;
use firebreak_tests::proxy::{Fault, Proxy};
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sync_protocol::exchange::{Frame, encode_request};
use sync_protocol::field::severity_rank;
use sync_protocol::ids::RecordId;
use sync_protocol::limits::{self, FLUSH_BYTES};
use sync_protocol::view::View;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const REPORTS: usize = 8;

/// Whether the receipt of a bundle comes in spite of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipt {
    /// It must: all of it passed.
    Comes,
    /// It cannot: the request was not whole, or the receipt was in what was cut off.
    Lost,
    /// Who is faster decides.
    Either,
}

/// What passed where there was no fault.
struct Clean {
    /// Bytes of the request.
    request: usize,
    /// Bytes of the reply.
    reply: usize,
    /// Where the receipt ends in the reply.
    receipt: usize,
}

/// Every bundle is sent through a fault, then again without: it has one receipt, and counts once.
async fn send_through(backend: Backend, faults: impl Fn(&Clean) -> Vec<(Fault, Receipt)>) -> Result<()> {
    let server = Server::start(backend).await?;
    let proxy = Proxy::start(server.address()?).await?;
    let mut phone = Phone::enrol(&server).await?;
    let through_proxy = phone.client.at(&proxy.url);

    let first = phone.reports(REPORTS);
    let reply = phone.sync_by(&through_proxy, &[&first]).await?;
    ensure!(reply.receipts().len() == 1 && reply.end().is_some(), "without a fault: {reply:?}");
    let (seen, heard) = (proxy.seen().await, proxy.heard().await);
    let receipt = reply.raw_receipts().pop().context("no receipt")?;
    let at = heard.windows(receipt.as_bytes().len()).position(|bytes| bytes == receipt.as_bytes());
    let receipt = at.context("the receipt passed in pieces")? + receipt.as_bytes().len();
    let before = records(&server).await?;

    let faults = faults(&Clean { request: seen.request, reply: seen.reply, receipt });
    let (mut came, mut lost) = (0, 0);
    for (fault, expected) in &faults {
        proxy.set(*fault);
        let bundle = phone.reports(REPORTS);
        let answer = through_proxy.sync(phone.request(&[&bundle])).await;
        let early = answer.map(|reply| reply.raw_receipts()).unwrap_or_default();
        match expected {
            Receipt::Comes => ensure!(early.len() == 1, "{fault:?}: no receipt came"),
            Receipt::Lost => ensure!(early.is_empty(), "{fault:?}: there is a receipt: {early:?}"),
            Receipt::Either => {}
        }
        came += usize::from(!early.is_empty());
        lost += usize::from(early.is_empty());
        let clean = phone.client.sync(phone.request(&[&bundle])).await?;
        let receipts = clean.raw_receipts();
        ensure!(receipts.len() == 1, "{fault:?}: {clean:?}");
        ensure!(early.is_empty() || early == receipts, "{fault:?}: the receipt changed");
    }
    println!("{backend:?}: {} faults, {came} receipts came in spite of one, {lost} did not", faults.len());
    let sent = u64::try_from(faults.len() * REPORTS)?;
    assert_eq!(records(&server).await? - before, sent, "each report once");
    Ok(())
}

/// Records of the ledger, after `firebreak check` found it whole.
async fn records(server: &Server) -> Result<u64> {
    let check = server.check().await?;
    check.get("records").and_then(Value::as_u64).with_context(|| format!("check: {check}"))
}

fn request_cuts(clean: &Clean) -> Vec<(Fault, Receipt)> {
    let request = clean.request;
    let evenly = (0..24).map(|part| request * part / 24);
    let offsets: BTreeSet<usize> = [0, 1, 17, 60, request - 1, request].into_iter().chain(evenly).collect();
    let expected = |at| if at < request { Receipt::Lost } else { Receipt::Either };
    offsets.into_iter().map(|at| (Fault::CutRequest(at), expected(at))).collect()
}

fn reply_cuts(clean: &Clean) -> Vec<(Fault, Receipt)> {
    /// Numbers in a later reply may take so many bytes more.
    const LONGER: usize = 64;
    let (reply, receipt) = (clean.reply, clean.receipt);
    let evenly = (0..24).map(|part| reply * part / 24);
    let edges = [1, 9, 60, receipt - LONGER - 1, receipt + LONGER, reply - 1];
    let offsets: BTreeSet<usize> = edges.into_iter().chain(evenly).collect();
    let expected = |at| match at {
        _ if at + LONGER < receipt => Receipt::Lost,
        _ if at < receipt + LONGER => Receipt::Either,
        _ => Receipt::Comes,
    };
    let cuts = offsets.into_iter().map(|at| (Fault::CutReply(at), expected(at)));
    cuts.chain([(Fault::LoseReply, Receipt::Lost)]).collect()
}

fn half_closes_and_delays(clean: &Clean) -> Vec<(Fault, Receipt)> {
    let (request, pause) = (clean.request, Duration::from_millis(3));
    let half = [10, request / 2, request - 1].map(|at| (Fault::HalfClose(at), Receipt::Lost));
    let slow = [Fault::SlowRequest(97, pause), Fault::SlowReply(97, pause), Fault::Delay(pause * 30)];
    // Who ends a request may be taken for one who is gone.
    let ended = [(Fault::HalfClose(request), Receipt::Either)];
    half.into_iter().chain(ended).chain(slow.map(|fault| (fault, Receipt::Comes))).collect()
}

#[tokio::test]
async fn a_request_cut_anywhere_is_taken_once_on_sqlite() -> Result<()> {
    send_through(Backend::Sqlite, request_cuts).await
}

#[tokio::test]
async fn a_request_cut_anywhere_is_taken_once_on_postgres() -> Result<()> {
    send_through(Backend::Postgres, request_cuts).await
}

#[tokio::test]
async fn a_reply_cut_or_lost_anywhere_makes_no_duplicate_on_sqlite() -> Result<()> {
    send_through(Backend::Sqlite, reply_cuts).await
}

#[tokio::test]
async fn a_reply_cut_or_lost_anywhere_makes_no_duplicate_on_postgres() -> Result<()> {
    send_through(Backend::Postgres, reply_cuts).await
}

#[tokio::test]
async fn half_closes_delays_and_slow_writers_lose_nothing_on_sqlite() -> Result<()> {
    send_through(Backend::Sqlite, half_closes_and_delays).await
}

#[tokio::test]
async fn half_closes_delays_and_slow_writers_lose_nothing_on_postgres() -> Result<()> {
    send_through(Backend::Postgres, half_closes_and_delays).await
}

#[tokio::test]
async fn a_slow_writer_holds_nobody_up() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let proxy = Proxy::start(server.address()?).await?;
        proxy.set(Fault::SlowRequest(24, Duration::from_millis(40)));
        let (mut slow, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let by_proxy = slow.client.at(&proxy.url);
        let (slow_bundle, bundle) = (slow.reports(REPORTS), other.reports(REPORTS));
        let (slow_bundles, bundles) = ([&slow_bundle], [&bundle]);
        let writing = slow.sync_by(&by_proxy, &slow_bundles);
        tokio::pin!(writing);
        tokio::select! {
            early = &mut writing => anyhow::bail!("the slow writer was done first: {early:?}"),
            reply = other.sync(&bundles) => assert_eq!(reply?.receipts().len(), 1),
        }
        assert_eq!(writing.await?.receipts().len(), 1, "and the slow one gets through");
    }
    Ok(())
}

/// Records and their severity ranks, in the order of their items.
fn items(reply: &SyncReply) -> Result<Vec<(RecordId, u8)>> {
    reply
        .items()
        .into_iter()
        .map(|item| {
            let view = View::decode(item.view.as_bytes()).context("a view of another shape")?;
            Ok((item.record, severity_rank(view.severity.as_deref())))
        })
        .collect()
}

/// Where a reply of this length is cut: after every `step` bytes, and at every byte of its tail, where the last frame
/// has passed and what closes the compression and the chunks has not.
fn cuts_of(length: usize, step: usize) -> BTreeSet<usize> {
    /// More bytes than what closes a reply takes: 10 of gzip in a chunk, and the chunk that ends them all.
    const TAIL: usize = 32;
    (0..length).step_by(step).chain(length.saturating_sub(TAIL)..length).collect()
}

/// Whether a cut reply came to its end: a cut behind the last frame takes nothing away, so that it then holds them all.
fn ends_whole(cut: &SyncReply, whole: &SyncReply) -> Result<bool> {
    let (frames, all) = (cut.frames.len(), whole.frames.len());
    ensure!(cut.end().is_none() || frames == all, "it ended with {frames} frames of {all}");
    Ok(cut.end().is_some())
}

/// Records whose items stand before the last cursor: they need not come again.
fn kept(reply: &SyncReply) -> BTreeSet<RecordId> {
    let last = reply.frames.iter().rposition(|frame| matches!(frame, Frame::Cursor(_))).unwrap_or(0);
    let before = reply.frames.iter().take(last);
    before.filter_map(|frame| if let Frame::Item(item) = frame { Some(item.record) } else { None }).collect()
}

/// Between two cursors there are at most [`FLUSH_BYTES`] of frames, unless one item alone is larger. Gives how many
/// stretches there are.
fn stretches(reply: &SyncReply) -> Result<usize> {
    let (mut stretches, mut bytes, mut items) = (0, 0, 0);
    for frame in &reply.frames {
        match frame {
            Frame::Cursor(_) => {
                ensure!(bytes <= FLUSH_BYTES || items == 1, "{items} items of {bytes} bytes before a cursor");
                stretches += usize::from(items > 0);
                (bytes, items) = (0, 0);
            }
            Frame::Item(_) | Frame::Leave(_) => {
                bytes += frame.encode().len();
                items += 1;
            }
            _ => {}
        }
    }
    ensure!(items == 0, "{items} items come after the last cursor");
    Ok(stretches)
}

/// Three hundred reports of many lengths that a phone has handed in; a few are longer than what is flushed at once.
async fn three_hundred(server: &Server) -> Result<()> {
    let mut author = Phone::enrol(server).await?;
    for bundle in 0..6 {
        let mut reports = Vec::new();
        for nth in 0..50 {
            let severity = ["general", "serious", "critical"][nth % 3];
            let length = if nth == 10 * bundle { 1_300 } else { (bundle * 50 + nth) * 37 % 101 };
            reports.push(author.report(severity).with("description", &"长".repeat(length + 1)));
        }
        let bundle = author.seal(&reports);
        ensure!(author.sync(&[&bundle]).await?.receipts().len() == 1, "pushed");
    }
    Ok(())
}

#[tokio::test]
async fn a_reply_cut_at_any_4_kib_leaves_a_prefix_by_severity_and_goes_on() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let proxy = Proxy::start(server.address()?).await?;
    three_hundred(&server).await?;
    let mut reader = Phone::enrol(&server).await?;
    let by_proxy = reader.client.at(&proxy.url);
    let none: [&[u8]; 0] = [];

    let whole = by_proxy.sync(reader.request(&none)).await?;
    ensure!(whole.end().is_some_and(|end| !end.more), "one reply holds all: {:?}", whole.end());
    let all: BTreeMap<RecordId, u8> = items(&whole)?.into_iter().collect();
    ensure!(all.len() >= 300, "{} records", all.len());
    let length = proxy.seen().await.reply;
    let stretches = stretches(&whole)?;
    ensure!(stretches * FLUSH_BYTES >= length / 2, "{stretches} cursors in {length} bytes");

    let (mut cuts, mut ended) = (0, 0);
    for at in cuts_of(length, FLUSH_BYTES) {
        (reader.cursor, reader.epoch) = (None, None);
        proxy.set(Fault::CutReply(at));
        // Where not even the head came there is no reply: the device holds nothing, and goes on from nothing.
        let cut = reader.sync_by(&by_proxy, &none).await.unwrap_or_default();
        ended += usize::from(ends_whole(&cut, &whole).with_context(|| format!("cut at {at}"))?);
        let got = items(&cut)?;
        ensure!(got.is_sorted_by(|one, next| one.1 >= next.1), "cut at {at}: not worst first");
        let worst_left = all.iter().filter(|(id, _)| !got.iter().any(|(held, _)| held == *id));
        let worst_left = worst_left.map(|(_, rank)| *rank).max().unwrap_or(0);
        let least_held = got.last().map_or(u8::MAX, |(_, rank)| *rank);
        ensure!(worst_left <= least_held, "cut at {at}: a worse record was left for later");
        // Before the first item there are the head of the reply and its greeting.
        ensure!(at < 2 * FLUSH_BYTES || reader.cursor.is_some(), "no cursor in the first {at} bytes");

        let safe = kept(&cut);
        proxy.set(Fault::None);
        let rest = reader.sync_by(&by_proxy, &none).await?;
        let came: BTreeSet<RecordId> = items(&rest)?.into_iter().map(|(id, _)| id).collect();
        ensure!(came.is_disjoint(&safe), "cut at {at}: what lay before the cursor came again");
        let union: BTreeSet<RecordId> = safe.union(&came).copied().collect();
        ensure!(union == all.keys().copied().collect(), "cut at {at}: the feed skipped or invented");
        cuts += 1;
    }
    println!("{cuts} cuts of a reply of {length} bytes, {ended} behind its end, {} records", all.len());
    ensure!(cuts - ended > 10 && ended > 0, "only {cuts} cuts, {ended} behind the end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_stops_reading_is_given_up() -> Result<()> {
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_STALL_TIMEOUT_S", "1")]).await?;
    let mut phone = Phone::enrol(&server).await?;
    let text = "长".repeat(1_300);
    for _ in 0..4 {
        let reports: Vec<_> = (0..900).map(|_| phone.report("general").with("description", &text)).collect();
        let bundle = phone.seal(&reports);
        ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1);
    }
    // All of it is asked for, and a small part is read.
    let mut header = phone.header();
    (header.budget, header.cursor) = (Some(limits::BUDGET_MAX), None);
    let body = encode_request::<Vec<u8>>(&header, &[]);
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4 << 10)?;
    let mut socket = socket.connect(server.address()?).await?;
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        phone.token(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&body).await?;
    let mut piece = [0; 1_024];
    ensure!(socket.read(&mut piece).await? > 0);
    // The server says that it gave up; what had been on its way comes, and then the end.
    let office = server.client()?;
    let given_up = async {
        loop {
            let metrics = office.get("/metrics").await?.text();
            let stalled = metrics.lines().find_map(|line| line.strip_prefix("firebreak_stalled_total "));
            if stalled.is_some_and(|count| count != "0") {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), given_up).await.context("it waits for ever")??;
    let mut rest = Vec::new();
    let _reset = socket.read_to_end(&mut rest).await;
    ensure!(rest.len() < 14_000_000, "all of it came: {} bytes", rest.len());
    // And a phone that reads gets everything.
    phone.cursor = None;
    ensure!(phone.sync::<Vec<u8>>(&[]).await?.items().len() > 100);
    Ok(())
}
