//! Every limit at n, where all is well, and at n + 1, where it is not.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Backend;
use sync_protocol::cbor::{self, Raw};
use sync_protocol::codes::Code;
use sync_protocol::exchange::{AreaState, RequestHeader, encode_request};
use sync_protocol::ids::{Head, NoticeId, PhotoHash};
use sync_protocol::limits;
use sync_protocol::operation::{Operation, Photo};

use super::operations::{changed, remarks};
use super::{Yard, checked, on_both};

type Row = (&'static str, Vec<u8>, Option<Code>);
type Set = fn(&mut RequestHeader, usize);
type Change<'a> = &'a dyn Fn(&mut Operation, usize);

fn heads(count: usize) -> Vec<Head> {
    (0..count).map(|number| Head(u128::try_from(number).unwrap().to_be_bytes())).collect()
}

fn photos(count: usize, bytes: u64) -> Vec<Photo> {
    let photo = |number: usize| Photo {
        role: "site".to_owned(),
        bytes,
        sha256: PhotoHash([u8::try_from(number).unwrap(); 32]),
    };
    (0..count).map(photo).collect()
}

/// Nested arrays: so many levels in all.
fn nested(levels: usize) -> Vec<u8> {
    let mut item = vec![0x81; levels];
    item.push(0);
    item
}

/// A report of exactly so many bytes, padded by fields of the greatest length.
fn report_of(phone: &mut Phone, length: usize) -> Vec<u8> {
    let mut report = phone.report("general");
    for number in 10.. {
        let missing = length - report.encode().len();
        let name = format!("pad{number}");
        // A text of 256 to 4,000 bytes costs its length and 3; its name 6.
        let text = if missing > 7_000 { 4_000 } else { 0 };
        if text > 0 {
            report = report.with(&name, &"x".repeat(text));
            continue;
        }
        let (first, second) = (missing / 2, missing - missing / 2);
        report = report.with(&name, &"x".repeat(first - 9)).with("pad99", &"x".repeat(second - 9));
        // The count of the map's entries may have grown by a byte.
        let over = report.encode().len() - length;
        report = report.with("pad99", &"x".repeat(second - 9 - over));
        break;
    }
    let bytes = report.encode();
    assert_eq!(bytes.len(), length);
    bytes
}

pub(super) async fn inside_operations(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let phone = &mut yard.bad;
    let fixed = phone.report("general").fields.len();
    let by_change: [(&str, usize, Code, Change<'_>); 8] = [
        ("text", limits::TEXT_BYTES, Code::TextTooLong, &|it, n| {
            it.fields.insert("remarks".to_owned(), Raw::of(&"x".repeat(n)));
        }),
        ("name of a field", limits::NAME_BYTES, Code::NameTooLong, &|it, n| {
            it.fields.insert("x".repeat(n), Raw::of(&1));
        }),
        ("fields", limits::FIELDS, Code::TooManyFields, &|it, n| {
            it.fields.extend((fixed..n).map(|number| (format!("f{number}"), Raw::of(&1))));
        }),
        ("photos", limits::PHOTOS, Code::TooManyPhotos, &|it, n| it.photos = photos(n, 9)),
        ("heads", limits::HEADS, Code::TooManyHeads, &|it, n| it.heads = heads(n)),
        ("lacking", limits::LACKING, Code::TooManyLacking, &|it, n| it.lacking = heads(n)),
        // The operation and its fields are the first two levels.
        ("depth", limits::DEPTH, Code::CborTooDeep, &|it, n| {
            it.fields.insert("deep".to_owned(), Raw::from_checked(&nested(n - 2)));
        }),
        ("track points", limits::TRACK_POINTS, Code::TrackTooLong, &|it, n| {
            it.fields.insert("points".to_owned(), Raw::of(&vec![(0, 0, 0); n]));
        }),
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (what, n, code, change) in by_change {
        rows.push((what, changed(phone, |it| change(it, n)), None));
        rows.push((what, changed(phone, |it| change(it, n + 1)), Some(code)));
    }
    let photo = |bytes: u64| move |it: &mut Operation| it.photos = photos(1, bytes);
    rows.push(("photo bytes", changed(phone, photo(limits::PHOTO_BYTES)), None));
    rows.push(("photo bytes", changed(phone, photo(limits::PHOTO_BYTES + 1)), Some(Code::PhotoTooLarge)));
    rows.push(("bytes", report_of(phone, limits::OPERATION_BYTES), None));
    rows.push(("bytes", report_of(phone, limits::OPERATION_BYTES + 1), Some(Code::OperationTooLarge)));
    let items = |phone: &mut Phone, count: usize| {
        let around = count_items(&remarks(phone, &cbor::encode(&Vec::<u8>::new())));
        remarks(phone, &cbor::encode(&vec![0_u8; count - around]))
    };
    let most = items(phone, limits::OPERATION_ITEMS);
    ensure!(count_items(&most) == limits::OPERATION_ITEMS, "{} items", count_items(&most));
    rows.push(("items of a text field", most, Some(Code::FieldType)));
    rows.push(("items", items(phone, limits::OPERATION_ITEMS + 1), Some(Code::CborTooManyItems)));
    let at = |lat_e7: i64, lon_e7: i64| {
        let position = sync_protocol::operation::Position { lat_e7, lon_e7, ..Default::default() };
        move |it: &mut Operation| drop(it.fields.insert("position".to_owned(), Raw::of(&position)))
    };
    rows.push(("the pole", changed(phone, at(900_000_000, 0)), None));
    rows.push(("beyond it", changed(phone, at(900_000_001, 0)), Some(Code::FieldRange)));
    rows.push(("the date line", changed(phone, at(0, -1_800_000_000)), None));
    rows.push(("beyond it", changed(phone, at(0, -1_800_000_001)), Some(Code::FieldRange)));
    yard.reports(&rows).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_inside_an_operation_holds_at_n_and_quarantines_at_n_plus_1() -> Result<()> {
    on_both(inside_operations).await
}

fn count_items(item: &[u8]) -> usize {
    let inner = sync_protocol::prepass::elements(item).or_else(|| {
        let pairs = sync_protocol::prepass::pairs(item)?;
        Some(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect())
    });
    1 + inner.unwrap_or_default().into_iter().map(count_items).sum::<usize>()
}

pub(super) async fn of_bundles(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let comments = |phone: &mut Phone, count: usize| {
        let record = sync_protocol::ids::RecordId(phone.id());
        let comment = |phone: &mut Phone| {
            phone.on(record, sync_protocol::kind::Kind::Commented, []).with("text", &"已阅").encode()
        };
        (0..count).map(|_| comment(phone)).collect::<Vec<_>>()
    };
    let most = comments(&mut yard.bad, limits::OPERATIONS_PER_BUNDLE);
    let bundle = yard.bad.seal_bytes(most);
    let reply = yard.send(&[bundle]).await?;
    ensure!(reply.receipts().len() == 2, "{reply:?}");
    let count = u64::try_from(limits::OPERATIONS_PER_BUNDLE)?;
    yard.settled(count, 0, 1).await?;
    for count in [limits::OPERATIONS_PER_BUNDLE + 1, limits::ENVELOPE_ITEMS + 1] {
        let bundle = yard.seal_aside(|phone| {
            let operations = comments(phone, count);
            phone.seal_bytes(operations)
        });
        yard.refuses(&[("operations", bundle, Code::BundleTooManyOperations)]).await?;
    }
    let sized = |phone: &mut Phone, length: usize| {
        // Junk, quarantined one by one, that fills the bundle to the byte.
        let filled = |phone: &mut Phone, last: usize| {
            let mut operations = vec![vec![0x80_u8; 60_000]; 69];
            operations.push(vec![0x80; last]);
            phone.seal_bytes(operations)
        };
        let (chain, sequence) = (phone.chain, phone.sequence);
        let near = filled(phone, 50_000).len();
        (phone.chain, phone.sequence) = (chain, sequence);
        filled(phone, 50_000 + length - near)
    };
    let bundle = yard.seal_aside(|phone| sized(phone, limits::BUNDLE_BYTES + 1));
    ensure!(bundle.len() == limits::BUNDLE_BYTES + 1, "{}", bundle.len());
    yard.refuses(&[("bytes", bundle, Code::BundleTooLarge)]).await?;
    let bundle = sized(&mut yard.bad, limits::BUNDLE_BYTES);
    ensure!(bundle.len() == limits::BUNDLE_BYTES, "{}", bundle.len());
    let reply = yard.send(&[bundle]).await?;
    ensure!(reply.receipts().len() == 2, "{reply:?}");
    // Sixty-nine of the same bytes are one operation.
    yard.settled(0, 2, 0).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_holds_at_its_limits_and_is_refused_beyond_them() -> Result<()> {
    on_both(of_bundles).await
}

/// A body of so many bytes: a good bundle, and one byte string that ends with the body.
fn good_and_junk(yard: &mut Yard, length: usize) -> Vec<u8> {
    let good = yard.good.reports(1);
    let mut body = yard.good.request(&[good]);
    let left = length - body.len() - 5;
    cbor::write_byte_string(&mut body, &vec![0; left]);
    assert_eq!(body.len(), length);
    body
}

/// Of a request that was taken the good bundle counts; of one that was not, nothing.
async fn took_one_or_none(yard: &Yard, taken: &mut u64, status: u16) -> Result<()> {
    *taken += u64::from(status == 200);
    let now = checked(&yard.engine).await?;
    ensure!(now.received == *taken, "{status}: {} received, {taken} expected", now.received);
    Ok(())
}

pub(super) async fn of_requests(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let bundles: Vec<Vec<u8>> = (0..=limits::BUNDLES_PER_REQUEST).map(|_| yard.good.reports(1)).collect();
    let reply = yard.good.client.sync(yard.good.request(&bundles)).await?;
    ensure!(reply.status == 413 && reply.error() == Some(Code::TooManyBundles.as_str()), "{reply:?}");
    let now = checked(&yard.engine).await?;
    ensure!(now.received == yard.before.received, "something of too many bundles was taken");
    let reply = yard.good.client.sync(yard.good.request(&bundles[..limits::BUNDLES_PER_REQUEST])).await?;
    ensure!(reply.receipts().len() == limits::BUNDLES_PER_REQUEST, "{}", reply.receipts().len());

    let mut taken = yard.before.received + u64::try_from(limits::BUNDLES_PER_REQUEST)?;
    for (length, status) in [(limits::BODY_BYTES, 200), (limits::BODY_BYTES + 1, 413)] {
        let body = good_and_junk(&mut yard, length);
        let reply = yard.good.client.sync(body).await?;
        ensure!(reply.status == status, "{length} bytes: {}", reply.status);
        let code = reply.error().or(reply.refused().first().map(|refused| refused.code.as_str()));
        let expected = if status == 200 { Code::BundleTooLarge } else { Code::BodyTooLarge };
        ensure!(code == Some(expected.as_str()), "{length} bytes: {code:?}");
        took_one_or_none(&yard, &mut taken, status).await?;
    }
    // A body sent in chunks names no length.
    for (length, status) in [(limits::UNNAMED_BODY_BYTES, 200), (limits::UNNAMED_BODY_BYTES + 1, 413)] {
        let chunk = Ok::<_, std::io::Error>(good_and_junk(&mut yard, length));
        let sent = reqwest::Client::new()
            .post(format!("{}/v1/sync", yard.server.url))
            .bearer_auth(yard.good.client.token())
            .body(reqwest::Body::wrap_stream(futures::stream::iter([chunk])))
            .send()
            .await?;
        ensure!(sent.status().as_u16() == status, "{length} bytes in chunks: {}", sent.status());
        took_one_or_none(&yard, &mut taken, status).await?;
    }
    let decoded = limits::DECODED_BODY_BYTES;
    for (length, status) in [(decoded, 200), (decoded + 1, 413)] {
        let body = zstd::encode_all(good_and_junk(&mut yard, length).as_slice(), 1)?;
        let headers = [("content-encoding", "zstd")];
        let reply = yard.good.client.post_bytes("/v1/sync", body, &headers).await?;
        ensure!(reply.status == status, "{length} bytes decoded: {}", reply.status);
        ensure!(status == 200 || reply.code().as_deref() == Some(Code::DecodedBodyTooLarge.as_str()));
        took_one_or_none(&yard, &mut taken, status).await?;
    }
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_holds_at_its_limits_and_is_rejected_beyond_them() -> Result<()> {
    on_both(of_requests).await
}

pub(super) async fn of_headers(backend: Backend) -> Result<()> {
    let yard = Yard::new(backend).await?;
    let table: [(&str, usize, Code, Set); 6] = [
        ("client", limits::CLIENT_BYTES, Code::HeaderMalformed, |it, n| it.client = "x".repeat(n)),
        ("collections", limits::COLLECTIONS, Code::HeaderMalformed, |it, n| {
            it.collections = vec!["records".to_owned(); n];
        }),
        ("acknowledged", limits::ACKNOWLEDGED, Code::HeaderMalformed, |it, n| {
            it.acknowledged = vec![NoticeId([1; 16]); n];
        }),
        ("epoch", 16, Code::HeaderMalformed, |it, n| it.epoch = Some(vec![1; n])),
        ("area progress", limits::AREA_PROGRESS_BYTES, Code::HeaderMalformed, |it, n| {
            it.areas = Some(AreaState { version: 0, progress: Some(vec![1; n]) });
        }),
        // None of 64 bytes is given today: at n it is not known, beyond it is not looked at.
        ("cursor", limits::CURSOR_BYTES, Code::CursorInvalid, |it, n| it.cursor = Some(vec![1; n])),
    ];
    for (what, n, code, set) in table {
        for (length, is_good) in [(n, code != Code::CursorInvalid), (n + 1, false)] {
            let mut header = yard.good.header();
            set(&mut header, length);
            let reply = yard.good.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
            ensure!((reply.status == 200) == is_good, "{what} of {length}: {}", reply.status);
            ensure!(is_good || reply.error() == Some(code.as_str()), "{what} of {length}: {reply:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_holds_at_its_limits_and_is_rejected_beyond_them() -> Result<()> {
    on_both(of_headers).await
}

pub(super) async fn of_areas_and_enrolments(backend: Backend) -> Result<()> {
    let yard = Yard::new(backend).await?;
    let base = &yard.server.url;
    let client = fixtures::office::Office::new(base, &yard.server.token)?;
    let person = yard.bad.person;
    let boxes = |count: i64| (0..count).map(|n| [n, n, n + 1, n + 1]).collect::<Vec<_>>();
    let most = i64::try_from(limits::AREA_BOXES)?;
    client.area(person, &boxes(most)).await?;
    let error = client.area(person, &boxes(most + 1)).await.err().map(|error| error.to_string());
    ensure!(error.as_ref().is_some_and(|it| it.contains(Code::BadParameter.as_str())), "{error:?}");
    let headers = [("content-type", "application/cose")];
    for (length, status, code) in [
        (limits::ENROL_BODY_BYTES, 400, Code::EnrolMalformed),
        (limits::ENROL_BODY_BYTES + 1, 413, Code::BodyTooLarge),
    ] {
        let reply = yard.good.client.post_bytes("/v1/enrol", vec![0; length], &headers).await?;
        ensure!(reply.status == status, "{length}: {}", reply.status);
        ensure!(reply.code().as_deref() == Some(code.as_str()), "{length}: {:?}", reply.code());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_and_an_enrolment_hold_at_their_limits() -> Result<()> {
    on_both(of_areas_and_enrolments).await
}
