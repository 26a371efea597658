//! Faults of a request, and of its framing: an error with its status, or the rest refused; what came before is taken.

use std::io::Write as _;

use anyhow::{Result, ensure};
use firebreak_tests::http::{self, Client, Reply};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::exchange::{Frame, FrameReader, RequestHeader, encode_request};
use sync_protocol::limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::operations::hex;
use super::{Yard, checked, on_both};

const SEQUENCE: (&str, &str) = ("content-type", "application/cbor-seq");

/// The whole request is answered with this status and code, and nothing of it is taken.
async fn rejects(
    yard: &mut Yard,
    (what, body, encoding): (&str, Vec<u8>, Option<&str>),
    (status, code): (u16, Code),
) -> Result<()> {
    let mut headers = vec![SEQUENCE];
    headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
    let reply = yard.good.client.post_bytes("/v1/sync", body, &headers).await?;
    ensure!(reply.status == status, "{what}: {} {}", reply.status, reply.text());
    ensure!(reply.code().as_deref() == Some(code.as_str()), "{what}: {:?} for {code}", reply.code());
    ensure!(reply.status == firebreak::http::status_of(code).as_u16(), "{what}: another status");
    let now = checked(&yard.engine).await?;
    ensure!(now.received == yard.before.received, "{what}: something was taken");
    Ok(())
}

/// A body whose header was changed; a good bundle follows it.
fn with_header(yard: &mut Yard, change: impl FnOnce(&mut RequestHeader)) -> Vec<u8> {
    let mut header = yard.good.header();
    change(&mut header);
    let (chain, sequence) = (yard.good.chain, yard.good.sequence);
    let bundle = yard.good.reports(1);
    (yard.good.chain, yard.good.sequence) = (chain, sequence);
    encode_request(&header, &[bundle])
}

fn gzip(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}

/// A gigabyte of zeros after a header, compressed.
fn bombs(header: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let zeros = vec![0; 1 << 20];
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zstd.write_all(header)?;
    gzip.write_all(header)?;
    for _ in 0..1_024 {
        zstd.write_all(&zeros)?;
    }
    for _ in 0..256 {
        gzip.write_all(&zeros)?;
    }
    Ok((zstd.finish()?, gzip.finish()?))
}

pub(super) async fn faults(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let plain = with_header(&mut yard, |_| {});
    let malformed = (400, Code::HeaderMalformed);
    for (what, body) in [
        ("no body", Vec::new()),
        ("not CBOR", b"hello".to_vec()),
        ("a map that is no header", vec![0xa0]),
        ("2^60 entries", hex("bb1000000000000000")),
        ("depth bomb", vec![0x81; 100_000]),
        ("a header with a float", hex("a16870726f746f636f6cf93c00")),
    ] {
        rejects(&mut yard, (what, body, None), malformed).await?;
    }
    let header_length = cbor::encode(&yard.good.header()).len();
    for length in 0..header_length {
        rejects(&mut yard, ("cut in the header", plain[..length].to_vec(), None), malformed).await?;
    }
    let body = with_header(&mut yard, |header| header.protocol = 2);
    rejects(&mut yard, ("protocol 2", body, None), (400, Code::ProtocolUnsupported)).await?;
    let body = with_header(&mut yard, |header| header.cursor = Some(vec![1; 20]));
    rejects(&mut yard, ("another's cursor", body, None), (400, Code::CursorInvalid)).await?;
    let broken = gzip(&plain)?;
    let start = broken.iter().copied().take(20).collect();
    rejects(&mut yard, ("the start of a gzip", start, Some("gzip")), malformed).await?;
    let last = broken.len() - 6;
    let changed = broken.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == last)).collect();
    rejects(&mut yard, ("a gzip with a wrong sum", changed, Some("gzip")), (400, Code::EncodingBroken))
        .await?;
    let not_zstd = plain.clone();
    rejects(&mut yard, ("no zstd", not_zstd, Some("zstd")), (400, Code::EncodingBroken)).await?;
    rejects(&mut yard, ("brotli", plain.clone(), Some("br")), (415, Code::EncodingUnsupported)).await?;
    let (zstd, gzip) = bombs(&cbor::encode(&yard.good.header()))?;
    ensure!(zstd.len() < limits::BODY_BYTES && gzip.len() < limits::BODY_BYTES, "no bombs");
    let large = (413, Code::DecodedBodyTooLarge);
    rejects(&mut yard, ("a zstd bomb", zstd, Some("zstd")), large).await?;
    rejects(&mut yard, ("a gzip bomb", gzip, Some("gzip")), large).await?;
    let endless = vec![0; limits::BODY_BYTES + 1];
    rejects(&mut yard, ("a body too large", endless, None), (413, Code::BodyTooLarge)).await?;
    // And the phone goes on as if nothing had been.
    let reply = yard.send(&[]).await?;
    ensure!(reply.refused().is_empty());
    yard.settled(0, 0, 0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_a_request_is_answered_with_its_status_and_takes_nothing() -> Result<()> {
    on_both(faults).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_cut_at_any_byte_after_the_header_keeps_what_came_before() -> Result<()> {
    for backend in Backend::ALL {
        let mut yard = Yard::new(backend).await?;
        let cut_one = yard.seal_aside(|phone| phone.reports(1));
        let lengths = 0..cut_one.len() + 3;
        let count = u64::try_from(lengths.len())?;
        for left in lengths {
            let good = yard.good.reports(1);
            let header = yard.good.header();
            let whole = encode_request(&header, &[&good, &cut_one]);
            let body = whole[..whole.len() - (cut_one.len() + 3 - left)].to_vec();
            let reply = yard.good.client.sync(body).await?;
            ensure!(reply.receipts().len() == 1, "{left} bytes of the second: {reply:?}");
            let codes: Vec<&str> = reply.refused().iter().map(|refused| refused.code.as_str()).collect();
            let expected: &[&str] = if left == 0 { &[] } else { &[Code::SequenceTruncated.as_str()] };
            ensure!(codes == expected, "{left} bytes of the second: {codes:?}");
        }
        // The good ones were taken, and nothing of the others.
        let now = checked(&yard.engine).await?;
        let (received, records) = (now.received - yard.before.received, now.records - yard.before.records);
        ensure!(
            (received, records) == (count, count),
            "{received} operations and {records} records of {count}"
        );
        yard.server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_that_is_cut_keeps_the_bundles_before_the_cut() -> Result<()> {
    on_both(cut_in_compression).await
}

async fn cut_in_compression(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    for encoding in ["gzip", "zstd"] {
        let cut_one = yard.seal_aside(|phone| phone.reports(20));
        for left in [1, 9, 40, 80] {
            let good = yard.good.reports(1);
            let whole = encode_request(&yard.good.header(), &[&good, &cut_one]);
            // Flushed after the first bundle: what follows is the second alone.
            let first = whole.len() - cut_one.len() - 3;
            let body = compressed_in_two(encoding, whole.split_at(first), left)?;
            let headers = [SEQUENCE, ("content-encoding", encoding)];
            let reply = yard.good.client.post_bytes("/v1/sync", body, &headers).await?;
            ensure!(reply.status == 200, "{encoding}, {left} bytes more: {:?}", reply.code());
            let frames = FrameReader::new().push(&reply.body).map_err(|code| anyhow::anyhow!("{code}"))?;
            let receipts = frames.iter().filter(|frame| matches!(frame, Frame::Receipt(_))).count();
            ensure!(receipts == 1, "{encoding}, {left} bytes more: {frames:?}");
            yard.settled(0, 0, 0).await?;
        }
    }
    yard.server.check().await.map(drop)
}

/// The first part compressed and flushed, and so many bytes of what the second adds.
fn compressed_in_two(encoding: &str, (first, second): (&[u8], &[u8]), left: usize) -> Result<Vec<u8>> {
    let (flushed, all) = if encoding == "gzip" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(first)?;
        encoder.flush()?;
        let flushed = encoder.get_ref().len();
        encoder.write_all(second)?;
        (flushed, encoder.finish()?)
    } else {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
        encoder.write_all(first)?;
        encoder.flush()?;
        let flushed = encoder.get_ref().len();
        encoder.write_all(second)?;
        (flushed, encoder.finish()?)
    };
    ensure!(flushed + left < all.len(), "nothing is cut");
    Ok(all.into_iter().take(flushed + left).collect())
}

pub(super) async fn framing(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    for (junk, code) in [
        (hex("00"), Code::BundleShape),
        (hex("1c"), Code::CborMalformed),
        (hex("5b1000000000000000"), Code::SequenceTruncated),
        (hex("9f"), Code::CborIndefinite),
        (hex("c240"), Code::CborTag),
    ] {
        let good = yard.good.reports(1);
        let mut body = yard.good.request(&[&good]);
        body.extend_from_slice(&junk);
        let reply = yard.good.client.sync(body).await?;
        let codes: Vec<&str> = reply.refused().iter().map(|refused| refused.code.as_str()).collect();
        ensure!(codes == [code.as_str()] && reply.receipts().len() == 1, "{junk:02x?}: {reply:?}");
        yard.settled(0, 0, 0).await?;
    }
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_byte_string_between_bundles_refuses_the_rest_as_one() -> Result<()> {
    on_both(framing).await
}

pub(super) async fn tokens(backend: Backend) -> Result<()> {
    let yard = Yard::new(backend).await?;
    let body = yard.good.request::<Vec<u8>>(&[]);
    for token in ["", "fbd1.AAAA", yard.server.token.as_str(), "fbo1.AAAA"] {
        let reply =
            yard.good.client.with_token(token).post_bytes("/v1/sync", body.clone(), &[SEQUENCE]).await?;
        ensure!(reply.status == 401, "{token}: {}", reply.status);
        ensure!(
            reply.code().as_deref() == Some(Code::Unauthenticated.as_str()),
            "{token}: {:?}",
            reply.code()
        );
    }
    // A device's token is no account of the office.
    let reply = yard.good.client.post("/v1/enrol-codes", &json!({"person": yard.server.person})).await?;
    ensure!(reply.status == 401, "{}", reply.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_good_token_is_not_read() -> Result<()> {
    on_both(tokens).await
}

pub(super) async fn office(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let admin = server.client()?;
    let inspector = server.add_person("inspector").await?;
    let inspector = admin.with_token(&server.create_token(&inspector).await?);
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general");
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    let commands = format!("/v1/hazards/{}/commands", report.record);
    let (grade, close) = (format!("{commands}/grade"), format!("{commands}/close"));
    let graded = json!({"fields": {"severity": "general"}});
    let old = json!({"fields": {"severity": "serious"}, "heads": [head_of(&report).to_string()]});
    let stale = json!({"fields": {"severity": "general"}, "heads": ["00".repeat(16)]});
    let unknown = format!("/v1/hazards/{}/commands/grade", uuid::Uuid::from_u128(9));
    admin.post(&grade, &graded).await?.json(&grade)?;
    let restore = format!("/v1/hazards/{}/restore", report.record);
    let past =
        json!({"operation": head_of(&report).to_string(), "field": "severity", "heads": ["00".repeat(16)]});
    let table: [(&Client, &str, serde_json::Value, u16, Code); 10] = [
        (&admin, &restore, past, 409, Code::ConflictClosed),
        (&inspector, &grade, graded.clone(), 403, Code::Forbidden),
        (&admin, &unknown, graded.clone(), 404, Code::NotFound),
        (&admin, &format!("{commands}/reported"), json!({}), 404, Code::NotFound),
        (&admin, &grade, json!({"kind": "graded"}), 400, Code::BadParameter),
        (&admin, &grade, stale, 400, Code::BadParameter),
        (&admin, &grade, old, 412, Code::MovedOn),
        (&admin, &close, json!({}), 409, Code::CommandRefused),
        (&admin, "/v1/nowhere", json!({}), 404, Code::NotFound),
        (&admin, "/v1/receipts/00", json!({}), 405, Code::MethodNotAllowed),
    ];
    for (client, path, body, status, code) in table {
        let reply = client.post(path, &body).await?;
        ensure!(reply.status == status, "{path}: {} {}", reply.status, reply.text());
        ensure!(reply.code().as_deref() == Some(code.as_str()), "{path}: {:?}", reply.code());
    }
    let filter = "/ogc/collections/hazards/items?filter=nowhere%3D1";
    let reply = admin.get(filter).await?;
    ensure!(
        reply.status == 400 && reply.code().as_deref() == Some(Code::FilterBad.as_str()),
        "{}",
        reply.text()
    );
    for (path, status, code) in [
        ("/v1/receipts/zz".to_owned(), 400, Code::BadParameter),
        (format!("/v1/receipts/{}", "00".repeat(32)), 404, Code::NotFound),
    ] {
        let reply = phone.client.get(&path).await?;
        ensure!(reply.status == status && reply.code().as_deref() == Some(code.as_str()), "{}", reply.text());
    }
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_office_routes_name_what_is_wrong() -> Result<()> {
    on_both(office).await
}

pub(super) async fn too_slow(backend: Backend) -> Result<()> {
    let mut server = Server::start(backend).await?;
    let phone = Phone::enrol(&server).await?;
    server.stop().await?;
    server.set("FIREBREAK_REQUEST_TIMEOUT_S", "1");
    server.resume().await?;
    // A body that never ends: its length is promised and not kept.
    let mut socket = tokio::net::TcpStream::connect(server.address()?).await?;
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n",
        phone.token()
    );
    socket.write_all(head.as_bytes()).await?;
    let mut reply = vec![0; 4_096];
    let read = socket.read(&mut reply).await?;
    let text = String::from_utf8_lossy(&reply[..read]).into_owned();
    let body =
        reply[..read].windows(4).position(|end| end == b"\r\n\r\n").map(|at| reply[at + 4..read].to_vec());
    let reply = Reply { status: 408, body: body.unwrap_or_default(), ..Reply::default() };
    http::note(reply.code().as_deref());
    ensure!(
        text.starts_with("HTTP/1.1 408") && text.contains("content-type: application/cbor-seq"),
        "{text}"
    );
    ensure!(reply.code().as_deref() == Some(Code::TimedOut.as_str()), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_too_long_is_answered_408() -> Result<()> {
    on_both(too_slow).await
}
