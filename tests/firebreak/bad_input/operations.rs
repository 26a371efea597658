//! Faults inside an operation: it is quarantined alone, with a code that its author is told.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::district::{Ledger, OFFICE, Team};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Backend;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, Head, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::limits::NAME_BYTES;
use sync_protocol::operation::Operation;

use super::{Yard, on_both};

type Row = (&'static str, Vec<u8>, Option<Code>);

/// A report whose field `remarks` is these bytes.
pub(super) fn remarks(phone: &mut Phone, raw: &[u8]) -> Vec<u8> {
    let mut report = phone.report("general");
    report.fields.insert("remarks".to_owned(), Raw::from_checked(raw));
    report.encode()
}

/// A report changed before it is encoded.
pub(super) fn changed(phone: &mut Phone, change: impl FnOnce(&mut Operation)) -> Vec<u8> {
    let mut report = phone.report("general");
    change(&mut report);
    report.encode()
}

/// A report with a key that stands last and holds these bytes.
fn at_the_end(phone: &mut Phone, raw: &[u8]) -> Vec<u8> {
    changed(phone, |report| {
        report.unknown.insert("zzzzzzzzzz".to_owned(), Raw::from_checked(raw));
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_truncated_at_any_byte_is_quarantined_and_the_one_beside_it_is_not() -> Result<()> {
    for backend in Backend::ALL {
        let mut yard = Yard::new(backend).await?;
        let whole = yard.bad.report("general").encode();
        let mut rows: Vec<Row> = (0..whole.len())
            .map(|length| ("truncated", whole[..length].to_vec(), Some(Code::CborTruncated)))
            .collect();
        rows.insert(rows.len() / 2, ("whole", whole, None));
        ensure!(rows.len() > 200, "{} lengths", rows.len());
        yard.reports(&rows).await?;
        yard.server.check().await?;
    }
    Ok(())
}

pub(super) async fn encoding(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let phone = &mut yard.bad;
    let deep = [vec![0x81; 10_000], vec![0]].concat();
    let mut trailing = phone.report("general").encode();
    trailing.push(0);
    let mut nan = vec![0xf9, 0x7e, 0x00];
    nan.truncate(3);
    let rows: Vec<Row> = vec![
        ("not CBOR", vec![0x1c], Some(Code::CborMalformed)),
        ("text of another protocol", b"{\"kind\":\"reported\"}".to_vec(), Some(Code::CborTruncated)),
        ("trailing bytes", trailing, Some(Code::CborTrailing)),
        ("depth bomb", remarks(phone, &deep), Some(Code::CborTooDeep)),
        ("2^60 bytes", at_the_end(phone, &hex("5b1000000000000000")), Some(Code::CborTruncated)),
        ("2^60 letters", at_the_end(phone, &hex("7b1000000000000000")), Some(Code::CborTruncated)),
        ("2^60 elements", at_the_end(phone, &hex("9b1000000000000000")), Some(Code::CborTruncated)),
        ("2^60 entries", at_the_end(phone, &hex("bb1000000000000000")), Some(Code::CborTruncated)),
        ("duplicate keys", remarks(phone, &hex("a2616100616101")), Some(Code::CborDuplicateKey)),
        ("indefinite array", remarks(phone, &hex("9f00ff")), Some(Code::CborIndefinite)),
        ("indefinite text", remarks(phone, &hex("7f6161ff")), Some(Code::CborIndefinite)),
        ("longer integer", remarks(phone, &hex("1801")), Some(Code::CborNotDeterministic)),
        ("longer length", remarks(phone, &hex("780161")), Some(Code::CborNotDeterministic)),
        ("keys out of order", remarks(phone, &hex("a2616200616100")), Some(Code::CborNotDeterministic)),
        ("NaN", remarks(phone, &nan), Some(Code::CborFloat)),
        ("infinity", remarks(phone, &hex("f97c00")), Some(Code::CborFloat)),
        ("double", remarks(phone, &hex("fb3ff199999999999a")), Some(Code::CborFloat)),
        ("tag", remarks(phone, &hex("c101")), Some(Code::CborTag)),
        ("undefined", remarks(phone, &hex("f7")), Some(Code::CborSimple)),
        ("simple value", remarks(phone, &hex("f8ff")), Some(Code::CborSimple)),
        ("not UTF-8", remarks(phone, &hex("61ff")), Some(Code::CborText)),
        ("a good one", phone.report("general").encode(), None),
    ];
    yard.reports(&rows).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_encoding_quarantines_one_operation_with_its_code() -> Result<()> {
    on_both(encoding).await
}

pub(super) async fn shape_and_values(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let phone = &mut yard.bad;
    let other = RecordId(phone.id());
    let stranger = sync_protocol::ids::PersonId(phone.id());
    let office: Vec<Vec<u8>> = Kind::ALL
        .iter()
        .filter(|kind| kind.signer() != sync_protocol::kind::Signer::Field)
        .map(|kind| signed_by_a_device(phone, *kind))
        .collect();
    let latitude = |degrees: i64| sync_protocol::operation::Position {
        lat_e7: degrees * 10_000_000,
        lon_e7: 0,
        ..Default::default()
    };
    let shape = Some(Code::OperationShape);
    let mut rows: Vec<Row> = vec![
        ("no map", vec![0x80], shape),
        ("an empty map", vec![0xa0], shape),
        ("no author", without(&phone.report("general").encode(), "author"), shape),
        ("kind a number", with_key(&phone.report("general").encode(), "kind", &[0x01]), shape),
        ("id too short", with_key(&phone.report("general").encode(), "id", &[0x41, 0]), shape),
        ("empty heads", with_key(&phone.report("general").encode(), "heads", &[0x80]), shape),
        ("empty fields", with_key(&phone.report("general").encode(), "fields", &[0xa0]), shape),
        ("heads out of order", changed(phone, |it| it.heads = vec![Head([2; 16]), Head([1; 16])]), shape),
        ("heads twice", changed(phone, |it| it.heads = vec![Head([2; 16]), Head([2; 16])]), shape),
        ("stamp null", with_key(&phone.report("general").encode(), "at", &[0xf6]), shape),
        ("U+0000 in a text", remarks(phone, b"\x63a\0b"), Some(Code::TextNul)),
        ("U+0000 in a name", changed(phone, |it| *it = it.clone().with("a\0b", &1)), Some(Code::TextNul)),
        ("empty name", changed(phone, |it| *it = it.clone().with("", &1)), Some(Code::NameTooLong)),
        (
            "latitude 91",
            changed(phone, |it| *it = it.clone().with("position", &latitude(91))),
            Some(Code::FieldRange),
        ),
        (
            "latitude −91",
            changed(phone, |it| *it = it.clone().with("position", &latitude(-91))),
            Some(Code::FieldRange),
        ),
        (
            "position a text",
            changed(phone, |it| *it = it.clone().with("position", &"北坡")),
            Some(Code::FieldType),
        ),
        (
            "severity a number",
            changed(phone, |it| *it = it.clone().with("severity", &3)),
            Some(Code::FieldType),
        ),
        ("an unknown severity", changed(phone, |it| *it = it.clone().with("severity", &"特危")), None),
        ("an unknown field", changed(phone, |it| *it = it.clone().with("of tomorrow", &7)), None),
        ("another record", changed(phone, |it| it.record = other), Some(Code::ReportIdMismatch)),
        ("a comment without text", phone.on(other, Kind::Commented, []).encode(), Some(Code::FieldRequired)),
        ("author not bound", changed(phone, |it| it.author = stranger), Some(Code::AuthorNotBound)),
    ];
    rows.extend(office.into_iter().map(|bytes| ("office kind", bytes, Some(Code::KindNotForDevices))));
    yard.reports(&rows).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_shape_or_value_quarantines_one_operation_with_its_code() -> Result<()> {
    on_both(shape_and_values).await
}

/// What the office decides names a field of a record: no longer than a field's own name.
async fn named_fields(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let record = RecordId(yard.bad.id());
    let act = |phone: &mut Phone, kind: Kind, length: usize| {
        phone.on(record, kind, []).with("field", &"x".repeat(length)).with("value", &"杉木")
    };
    let kinds = [Kind::Resolved, Kind::Restored];
    // Signed by a phone, which may sign neither: the name is looked at first.
    let mut rows = Vec::new();
    for kind in kinds {
        for (length, code) in [(NAME_BYTES, Code::KindNotForDevices), (NAME_BYTES + 1, Code::NameTooLong)] {
            rows.push(("named", act(&mut yard.bad, kind, length).encode(), Some(code)));
        }
    }
    yard.quarantines(&rows).await?;
    yard.settled(0, 4, 0).await?;
    // Signed by the server, as after a restore.
    let team = Team::new()?;
    let fresh = Ledger::open(&yard.server).await?.district("signed", &team).await?;
    let mut first = 1_000;
    for kind in kinds {
        for (length, code) in [(NAME_BYTES, None), (NAME_BYTES + 1, Some(Code::NameTooLong))] {
            let bytes = act(&mut yard.bad, kind, length).encode();
            let bundle = fresh.seal(&team, OFFICE, (first, Chain([7; 32])), vec![bytes]);
            first += 1_000;
            let receipts = fresh.push(0, &[bundle]).await?.receipts();
            let receipt = receipts.first().context("no receipt")?;
            let found = receipt.exceptions.iter().find_map(|(.., found)| found.as_deref());
            ensure!(found == code.map(Code::as_str), "{kind:?} of {length}: {receipt:?}");
        }
    }
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_an_office_act_names_is_no_longer_than_a_name() -> Result<()> {
    on_both(named_fields).await
}

pub(super) async fn long_tracks(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let mut points = hex("9a000f4240");
    for _ in 0..1_000_000 {
        points.extend_from_slice(&[0x83, 0, 0, 0]);
    }
    let track = |phone: &mut Phone, points: &[u8]| {
        let id = RecordId(phone.id());
        let mut piece = phone.on(id, Kind::PatrolTrack, []);
        piece.fields.insert("points".to_owned(), Raw::from_checked(points));
        piece.encode()
    };
    // 4 MB: within a bundle's limit, beyond an operation's.
    let piece = track(&mut yard.bad, &points);
    yard.reports(&[("a track of 10^6 points", piece, Some(Code::OperationTooLarge))]).await?;
    let mut longer = hex("9a000f4240");
    for _ in 0..1_000_000 {
        longer.extend_from_slice(&[0x83, 0x18, 0xff, 0, 0]);
    }
    let piece = track(&mut yard.bad, &longer);
    let bundle = yard.seal_aside(|phone| phone.seal_bytes(vec![piece]));
    yard.refuses(&[("a track of 5 MB", bundle, Code::BundleTooLarge)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_track_of_a_million_points_is_quarantined_or_refused_by_its_size() -> Result<()> {
    on_both(long_tracks).await
}

pub(super) async fn told_authors(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let bytes = remarks(&mut yard.bad, b"\x63a\0b");
    yard.reports(&[("U+0000", bytes, Some(Code::TextNul))]).await?;
    let reply = yard.bad.sync::<Vec<u8>>(&[]).await?;
    let told = reply.frames.iter().any(|frame| {
        matches!(frame, sync_protocol::exchange::Frame::Notice(notice)
            if notice.code == Code::TextNul.as_str() && notice.person == yard.bad.person
                && notice.field.as_deref() == Some("remarks"))
    });
    ensure!(told, "the author was not told: {reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_author_is_told_the_code_of_a_quarantined_operation() -> Result<()> {
    on_both(told_authors).await
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn signed_by_a_device(phone: &mut Phone, kind: Kind) -> Vec<u8> {
    let record = RecordId(phone.id());
    let operation = phone.on(record, kind, []);
    let id = operation.id;
    operation
        .with("duplicate_of", &record)
        .with("field", &"species")
        .with("value", &"杉木")
        .with("operation", &sync_protocol::ids::Identity([1; 32]))
        .with("effective_kind", &"reported")
        .with("photo", &sync_protocol::ids::PhotoHash([1; 32]))
        .with("device", &id)
        .with("version", &"1")
        .with("deadline_ms", &1)
        .with("rule_version", &"1")
        .encode()
}

/// An encoded operation with one entry set to these bytes.
fn with_key(operation: &[u8], key: &str, value: &[u8]) -> Vec<u8> {
    let mut map = sync_protocol::cbor::MapWriter::new();
    map.raw(key, value);
    for (name, kept) in sync_protocol::prepass::entries(operation).unwrap() {
        if name != key {
            map.raw(name, kept);
        }
    }
    map.finish()
}

/// An encoded operation without one entry.
fn without(operation: &[u8], key: &str) -> Vec<u8> {
    let mut map = sync_protocol::cbor::MapWriter::new();
    for (name, kept) in sync_protocol::prepass::entries(operation).unwrap() {
        if name != key {
            map.raw(name, kept);
        }
    }
    map.finish()
}
