//! Phones whose requests are generated, encoded, signed and compressed before any clock starts.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Server;
use fixtures::builders::MORNING_MS;
use fixtures::generator;
use hyper::body::Bytes;
use sync_protocol::exchange::encode_request;
use sync_protocol::limits;
use sync_protocol::operation::Operation;
use tokio::task::JoinSet;

use crate::link::Line;

/// One phone and what it will send.
#[derive(Clone)]
pub(crate) struct Sender {
    url: String,
    token: String,
    /// Compressed bodies, in the order of the chain.
    pub(crate) requests: Vec<Bytes>,
}

/// How a load took.
pub(crate) struct Sent {
    /// From the first request to the last reply.
    pub(crate) took: Duration,
    /// Of each request.
    pub(crate) latencies: Vec<Duration>,
}

/// Enrols phones of one person.
pub(crate) async fn enrol(server: &Server, count: usize) -> Result<Vec<Phone>> {
    let person = server.add_person("inspector").await?;
    let mut phones = Vec::with_capacity(count);
    for _ in 0..count {
        phones.push(Phone::enrol_for(server, &person).await?);
    }
    Ok(phones)
}

/// Prepares `bundles` requests of `operations` new reports each, for every phone, from the generator.
pub(crate) fn prepare(
    phones: &mut [Phone],
    seed: u64,
    bundles: usize,
    operations: usize,
) -> Result<Vec<Sender>> {
    (seed..)
        .zip(phones)
        .map(|(seed, phone)| {
            let mut reports = generator::reports(seed, phone.person, MORNING_MS);
            let requests = (0..bundles)
                .map(|_| {
                    let encoded = reports.by_ref().take(operations).map(|report| Operation::encode(&report));
                    let bundle = phone.seal_bytes(encoded.collect());
                    Ok(gzip(&request(phone, &[bundle]))?.into())
                })
                .collect::<Result<Vec<_>>>()?;
            let (url, token) = (phone.client.base().to_owned(), phone.client.token().to_owned());
            Ok(Sender { url, token, requests })
        })
        .collect()
}

/// A request that asks for the smallest reply: what is measured here is the way in.
pub(crate) fn request(phone: &Phone, bundles: &[Vec<u8>]) -> Vec<u8> {
    let mut header = phone.header();
    header.budget = Some(limits::BUDGET_MIN);
    encode_request(&header, bundles)
}

/// gzip (RFC 1952), as phones send it.
pub(crate) fn gzip(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}

/// Sends everything: every phone at once on a connection of its own, one request after the other. Every request must
/// succeed. Phones have connected before the clock starts. All share one thread: in the field their processors are not the
/// server's, so they are to take as little of these as they can.
pub(crate) async fn send(senders: &[Sender]) -> Result<Sent> {
    let senders = senders.to_vec();
    let sent = tokio::task::spawn_blocking(|| {
        let phones = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        phones.block_on(send_here(senders))
    });
    sent.await?
}

async fn send_here(senders: Vec<Sender>) -> Result<Sent> {
    let mut lines = Vec::with_capacity(senders.len());
    for sender in senders {
        let requests = sender.requests.iter().map(|body| Line::sync(&sender.url, &sender.token, body));
        lines.push((Line::open(&sender.url).await?, requests.collect::<Result<Vec<Bytes>>>()?));
    }
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for (mut line, requests) in lines {
        tasks.spawn(async move {
            let mut latencies = Vec::with_capacity(requests.len());
            for request in requests {
                let began = Instant::now();
                line.send(&request).await?;
                latencies.push(began.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    Ok(Sent { took: started.elapsed(), latencies })
}

/// One gzipped sync request; the reply's bytes.
pub(crate) async fn post(client: &Client, body: Vec<u8>) -> Result<Vec<u8>> {
    let headers = [("content-type", "application/cbor-seq"), ("content-encoding", "gzip")];
    let reply = client.post_bytes("/v1/sync", body, &headers).await?;
    ensure!(reply.status == 200, "sync: {} {:?}", reply.status, reply.code());
    Ok(reply.body)
}
