//! What bad input gets, as far as the wire itself decides it. `docs/protocol.md` has the table.
//!
//! Limits at n and n + 1 are in [`crate::limits`], random and mutated bytes in [`crate::mutated`].

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::{self, MapWriter, Raw};
use sync_protocol::check;
use sync_protocol::codes::{Code, Scope};
use sync_protocol::exchange;
use sync_protocol::ids::Chain;
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position};
use sync_protocol::prepass::{self, Bounds};

use crate::keys::Key;
use crate::messages::{self, bundle_aad, bundle_bytes};
use crate::{files, story};

/// The bytes of the golden operation of a kind.
pub(crate) fn operation_bytes(kind: Kind) -> Vec<u8> {
    story::bundle(&format!("bundle-{kind}")).run.operations.remove(0)
}

/// A golden report.
pub(crate) fn reported() -> Operation {
    Operation::decode(&operation_bytes(Kind::Reported)).unwrap()
}

/// What decoding and checking an operation's bytes finds.
pub(crate) fn verdict(bytes: &[u8]) -> Result<(), Code> {
    let operation = Operation::decode(bytes)?;
    check::check(&operation).map_err(|fault| fault.code)
}

/// A golden report with a field whose value has these bytes, as they are.
fn with_value(value: &[u8]) -> Vec<u8> {
    let operation = reported();
    let mut fields = MapWriter::new();
    fields.raw("strange", value);
    let mut map = MapWriter::new();
    for (key, item) in prepass::entries(&operation.encode()).unwrap() {
        if key != "fields" {
            map.raw(key, item);
        }
    }
    map.raw("fields", &fields.finish()).finish()
}

/// A golden run sealed by the device's key.
pub(crate) fn sealed(run: &Run) -> Vec<u8> {
    bundle::seal(run, &story::binding(), |message| Key::Device.sign(message))
}

/// Opens, verifies and decodes a bundle.
pub(crate) fn taken(bytes: &[u8]) -> Result<Run, Code> {
    let payload = bundle::open(bytes)?
        .verify(&bundle_aad(), |signature, message| Key::Device.verifies(signature, message))?;
    bundle::decode_run(&payload)
}

#[test]
fn an_operation_truncated_at_any_byte_is_truncated() {
    for kind in Kind::ALL {
        let bytes = operation_bytes(*kind);
        for cut in 0..bytes.len() {
            assert_eq!(
                Operation::decode(&bytes[..cut]).unwrap_err(),
                Code::CborTruncated,
                "{kind} cut at {cut}"
            );
        }
    }
}

#[test]
fn a_bundle_truncated_at_any_byte_is_truncated() {
    let bytes = bundle_bytes("bundle-later");
    for cut in 0..bytes.len() {
        assert_eq!(bundle::open(&bytes[..cut]).unwrap_err(), Code::CborTruncated, "cut at {cut}");
    }
}

#[test]
fn a_request_truncated_at_any_byte_gives_the_bundles_that_came_whole() {
    let bundles = [bundle_bytes("bundle-reported"), bundle_bytes("bundle-observed")];
    let body = exchange::encode_request(&messages::header(), &bundles);
    let header = cbor::encode(&messages::header()).len();
    let first = header + 3 + bundles[0].len();
    for cut in 0..=body.len() {
        let request = exchange::decode_request(&body[..cut]);
        if cut < header {
            assert_eq!(request.unwrap_err(), Code::HeaderMalformed, "cut at {cut}");
            continue;
        }
        let request = request.unwrap();
        let whole = usize::from(cut >= first) + usize::from(cut == body.len());
        assert_eq!(request.bundles, bundles[..whole], "cut at {cut}");
        let at_an_end = [header, first, body.len()].contains(&cut);
        let expected = (!at_an_end).then_some(Code::SequenceTruncated);
        assert_eq!(request.broken.map(|(_, code)| code), expected, "cut at {cut}");
    }
}

#[test]
fn bytes_after_an_operation_bundle_or_run_are_trailing() {
    let mut operation = operation_bytes(Kind::Reported);
    operation.push(0);
    assert_eq!(verdict(&operation), Err(Code::CborTrailing));
    let mut bundle = bundle_bytes("bundle-reported");
    bundle.push(0);
    assert_eq!(taken(&bundle).unwrap_err(), Code::CborTrailing);
    let mut payload = story::bundle("bundle-reported").run.encode();
    payload.push(0);
    assert_eq!(bundle::decode_run(&payload).unwrap_err(), Code::CborTrailing);
}

#[test]
fn each_forbidden_encoding_inside_an_operation_has_its_code() {
    assert_eq!(verdict(&with_value(&[0x01])), Ok(()), "the plain value passes");
    for (value, code) in [
        ("1c", Code::CborMalformed),
        ("1801", Code::CborNotDeterministic),
        ("1900ff", Code::CborNotDeterministic),
        ("1a0000ffff", Code::CborNotDeterministic),
        ("1b00000000ffffffff", Code::CborNotDeterministic),
        ("5801aa", Code::CborNotDeterministic),
        ("a2616200616100", Code::CborNotDeterministic),
        ("a2616100616100", Code::CborDuplicateKey),
        ("9f00ff", Code::CborIndefinite),
        ("bfff", Code::CborIndefinite),
        ("5f4100ff", Code::CborIndefinite),
        ("7f6100ff", Code::CborIndefinite),
        ("f90000", Code::CborFloat),
        ("f97e00", Code::CborFloat),
        ("f97c00", Code::CborFloat),
        ("fa47c35000", Code::CborFloat),
        ("fb7ff8000000000000", Code::CborFloat),
        ("c11a514b67b0", Code::CborTag),
        ("d9d9f700", Code::CborTag),
        ("f7", Code::CborSimple),
        ("f0", Code::CborSimple),
        ("f820", Code::CborSimple),
        ("62c328", Code::CborText),
        ("5b1000000000000000", Code::CborTruncated),
        ("7b1000000000000000", Code::CborTruncated),
        ("9b1000000000000000", Code::CborTruncated),
        ("bb1000000000000000", Code::CborTruncated),
    ] {
        // A count or length that runs over swallows what follows: for those the fault of what it swallows counts too.
        let found = verdict(&with_value(&hex::decode(value).unwrap())).unwrap_err();
        let swallows = value.starts_with("9b") || value.starts_with("bb");
        assert!(found == code || (swallows && found != Code::OperationShape), "{value}: {found}");
    }
}

#[test]
fn a_depth_bomb_is_too_deep_wherever_it_stands() {
    for bomb in [vec![0x81; 1 << 15], [0xa1, 0x00].repeat(1 << 14)] {
        assert_eq!(verdict(&bomb), Err(Code::CborTooDeep));
        assert_eq!(verdict(&with_value(&bomb)), Err(Code::CborTooDeep));
        assert_eq!(bundle::open(&bomb).unwrap_err(), Code::CborTooDeep);
        assert_eq!(bundle::decode_run(&bomb).unwrap_err(), Code::CborTooDeep);
        assert_eq!(exchange::decode_request(&bomb).unwrap_err(), Code::HeaderMalformed);
    }
}

#[test]
fn an_operation_of_another_shape_is_refused_as_such() {
    type Entries = Vec<(String, Vec<u8>)>;
    let at = |change: &dyn Fn(&mut Entries)| {
        let bytes = operation_bytes(Kind::Reported);
        let mut entries: Entries = prepass::entries(&bytes)
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_vec()))
            .collect();
        change(&mut entries);
        let mut map = MapWriter::new();
        for (key, value) in &entries {
            map.raw(key, value);
        }
        verdict(&map.finish())
    };
    assert_eq!(at(&|_entries| {}), Ok(()));
    for key in ["at", "id", "kind", "author", "record", "schema"] {
        assert_eq!(
            at(&|entries| entries.retain(|(name, _)| name != key)),
            Err(Code::OperationShape),
            "no {key}"
        );
    }
    for (key, value) in [
        ("id", "4100"),
        ("kind", "01"),
        ("at", "80"),
        ("at", "a16777616c6c5f6d73f6"),
        ("at", "8100"),
        ("at", "a2646761666601"),
        ("heads", "80"),
        ("heads", "814100"),
        ("heads", "825011111111111111111111111111111111501111111111111111111111111111111100"),
        ("lacking", "f6"),
        ("photos", "80"),
        ("photos", "8180"),
        ("fields", "a0"),
        ("fields", "80"),
        ("schema", "6131"),
        ("schema", "20"),
    ] {
        let found = at(&|entries| {
            entries.retain(|(name, _)| name != key);
            entries.push((key.into(), hex::decode(value).unwrap()));
        });
        assert!(found.is_err(), "{key} = {value} passed");
    }
    assert_eq!(verdict(&[0x80]), Err(Code::OperationShape), "an array");
    assert_eq!(verdict(&[0xa1, 0x01, 0x02]), Err(Code::OperationShape), "integer keys");
}

#[test]
fn values_of_known_fields_keep_to_their_types_and_ranges() {
    let place = |lat_e7, lon_e7| Raw::of(&Position { lat_e7, lon_e7, ..Position::default() });
    for (name, value, expected) in [
        ("position", place(900_000_000, 1_800_000_000), Ok(())),
        ("position", place(910_000_000, 0), Err(Code::FieldRange)),
        ("position", place(-900_000_001, 0), Err(Code::FieldRange)),
        ("position", place(0, 1_800_000_001), Err(Code::FieldRange)),
        ("position", Raw::of(&[1, 2]), Err(Code::FieldType)),
        ("position", Raw::null(), Ok(())),
        ("count", Raw::of(&-1), Err(Code::FieldRange)),
        ("count", Raw::of(&"3"), Err(Code::FieldType)),
        ("count", Raw::of(&u64::MAX), Err(Code::FieldRange)),
        ("severity", Raw::of(&"catastrophic"), Ok(())),
        ("severity", Raw::of(&1), Err(Code::FieldType)),
        ("forest", Raw::of(&0), Err(Code::FieldType)),
        ("recurs", Raw::of(&"0123456789abcdef"), Err(Code::FieldType)),
        ("description", Raw::of(&"a\0b"), Err(Code::TextNul)),
        ("unheard_of", Raw::of(&["a\0b"]), Err(Code::TextNul)),
        ("unheard\0of", Raw::of(&1), Err(Code::TextNul)),
        ("points", Raw::of(&[[1, 2]]), Err(Code::FieldType)),
        ("points", Raw::of(&[[910_000_000, 0, 0]]), Err(Code::FieldRange)),
    ] {
        let mut operation = reported();
        operation.fields.insert(name.into(), value.clone());
        assert_eq!(verdict(&operation.encode()), expected, "{name} = {value:?}");
    }
}

#[test]
fn an_opening_operation_is_about_itself_and_kinds_have_what_they_require() {
    let mut operation = reported();
    operation.record = story::named("another").into();
    assert_eq!(verdict(&operation.encode()), Err(Code::ReportIdMismatch));
    for kind in [Kind::Commented, Kind::Withdrawn, Kind::PatrolTrack, Kind::Duplicate, Kind::Released] {
        let mut operation = Operation::decode(&operation_bytes(kind)).unwrap();
        operation.fields.clear();
        assert_eq!(verdict(&operation.encode()), Err(Code::FieldRequired), "{kind}");
    }
    let mut operation = Operation::decode(&operation_bytes(Kind::Photographed)).unwrap();
    operation.photos.clear();
    assert_eq!(verdict(&operation.encode()), Err(Code::FieldRequired));
}

#[test]
fn a_track_of_a_million_points_is_too_large_and_leaves_its_bundle_alone() {
    let operation = reported().with("points", &vec![[0_u8, 0, 0]; 1_000_000]).encode();
    assert_eq!(verdict(&operation), Err(Code::OperationTooLarge));
    let run = Run {
        device: Key::Device.device(),
        first: 1,
        previous: Chain::START,
        operations: vec![operation, operation_bytes(Kind::Reported)],
    };
    let run = taken(&sealed(&run)).unwrap();
    assert_eq!(verdict(&run.operations[1]), Ok(()));
}

#[test]
fn each_fault_of_a_bundle_has_its_code() {
    let run = story::bundle("bundle-reported").run;
    let golden = bundle_bytes("bundle-reported");
    let parts: Vec<Vec<u8>> = prepass::elements(&golden).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let with = |index: usize, part: &str| {
        let mut parts = parts.clone();
        parts[index] = hex::decode(part).unwrap();
        taken(&cbor::array(&parts)).unwrap_err()
    };
    let kid = hex::encode(run.device.0.as_bytes());
    assert_eq!(with(3, "40"), Code::SignatureMissing);
    assert_eq!(with(3, "f6"), Code::BundleShape);
    assert_eq!(with(3, &format!("5840{}", "00".repeat(64))), Code::SignatureWrong);
    assert_eq!(with(3, "4100"), Code::SignatureWrong);
    assert_eq!(with(1, "a10101"), Code::BundleShape, "an unprotected header");
    assert_eq!(with(0, "40"), Code::CborTruncated, "an empty protected header");
    assert_eq!(with(0, &format!("56a20138220450{kid}")), Code::SignatureAlgorithm, "ES384");
    assert_eq!(with(0, &format!("5818a301260281010450{kid}")), Code::BundleShape, "crit");
    assert_eq!(with(0, "43a10126"), Code::BundleShape, "no kid");
    assert_eq!(with(2, "f6"), Code::BundleShape, "a detached payload");
    assert_eq!(bundle::open(&[&[0xd2], golden.as_slice()].concat()).unwrap_err(), Code::CborTag);
    for (change, code) in [
        (Run { operations: Vec::new(), ..run.clone() }, Code::BundleEmpty),
        (Run { first: 0, ..run.clone() }, Code::SequenceRange),
        (Run { previous: run.chain(), ..run.clone() }, Code::SequenceRange),
        (Run { first: u64::MAX, ..run.clone() }, Code::SequenceRange),
        (Run { first: u64::MAX >> 1, ..run.clone() }, Code::SequenceRange),
    ] {
        assert_eq!(taken(&sealed(&change)).unwrap_err(), code, "{change:?}");
    }
    let last = Run { first: (u64::MAX >> 1) - 1, ..run };
    assert!(taken(&sealed(&last)).is_ok(), "the last sequence there is");
}

#[test]
fn bundles_around_one_that_is_broken_are_read() {
    let good = bundle_bytes("bundle-reported");
    let body = exchange::encode_request(&messages::header(), &[vec![0xff; 9], good.clone()]);
    let request = exchange::decode_request(&body).unwrap();
    assert_eq!(request.bundles, [[0xff; 9].as_slice(), &good]);
    assert!(taken(request.bundles[0]).is_err());
    assert!(taken(request.bundles[1]).is_ok());

    let mut body = exchange::encode_request(&messages::header(), std::slice::from_ref(&good));
    body.extend_from_slice(&[0x01, 0x40]);
    let request = exchange::decode_request(&body).unwrap();
    assert_eq!(request.bundles, [good]);
    assert_eq!(request.broken, Some(([0x01, 0x40].as_slice(), Code::BundleShape)));
}

#[test]
fn a_header_of_another_shape_or_version_is_refused() {
    let decode = |pairs: &[(&str, &str)]| {
        let golden = cbor::encode(&messages::first_header());
        let mut map = MapWriter::new();
        for (key, value) in prepass::entries(&golden).unwrap() {
            if !pairs.iter().any(|(name, _)| *name == key) {
                map.raw(key, value);
            }
        }
        for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            map.raw(key, &hex::decode(value).unwrap());
        }
        exchange::decode_request(&map.finish()).map(|request| request.header)
    };
    assert!(decode(&[]).is_ok());
    assert!(decode(&[("weather", "6373756e")]).is_ok(), "an unknown key is passed over");
    for protocol in ["00", "02", "20", "1b7fffffffffffffff"] {
        assert_eq!(decode(&[("protocol", protocol)]).unwrap_err(), Code::ProtocolUnsupported);
    }
    for pairs in [
        [("protocol", "")],
        [("protocol", "6131")],
        [("client", "")],
        [("sent", "")],
        [("sent", "8100")],
        [("sent", "a16777616c6c5f6d73f90000")],
        [("epoch", "4100")],
        [("epoch", "f6")],
        [("areas", "8103")],
        [("head", "820000")],
        [("acknowledged", "814100")],
    ] {
        assert_eq!(decode(&pairs).unwrap_err(), Code::HeaderMalformed, "{pairs:?}");
    }
    assert_eq!(exchange::decode_request(&[]).unwrap_err(), Code::HeaderMalformed);
    assert_eq!(exchange::decode_request(&[0x80]).unwrap_err(), Code::HeaderMalformed);
}

#[test]
fn faults_reach_as_far_as_their_scope_says() {
    for code in Code::ALL {
        let expected = match code.as_str() {
            name if name.starts_with("flag-") => Scope::Flag,
            name if name.starts_with("notice-") => Scope::Notice,
            name if name.starts_with("cbor-") => Scope::Operation,
            name if name.starts_with("bundle-") || name.starts_with("signature-") => Scope::Bundle,
            name if name.starts_with("enrol-") => Scope::Request,
            _ => continue,
        };
        assert_eq!(code.scope(), expected, "{code}");
    }
}

#[test]
fn the_pre_pass_takes_exactly_the_published_examples_that_are_deterministic_and_allowed() {
    let data = std::env::var_os("FIREBREAK_REAL_DATA")
        .map_or_else(|| files::project("../shared/data"), std::path::PathBuf::from)
        .join("cbor-vectors/rfc8949-appendixA");
    if !data.is_dir() {
        println!("skipped: cbor-vectors is not in the data folder");
        return;
    }
    let bounds = Bounds { depth: 16, items: 1_024 };
    let mut count = 0;
    for (name, fault) in [
        ("mt0", None),
        ("mt1", None),
        ("mt2", None),
        ("mt3", None),
        ("mt4", None),
        ("mt5", None),
        ("mt6", Some(Code::CborTag)),
        ("mt7-float", Some(Code::CborFloat)),
        ("mt7-simple", Some(Code::CborSimple)),
        ("streaming", Some(Code::CborIndefinite)),
    ] {
        let text = std::fs::read_to_string(data.join(format!("{name}.edn"))).unwrap();
        for encoded in text.split("\"encoded\": h'").skip(1).filter_map(|rest| rest.split('\'').next()) {
            let bytes = hex::decode(encoded).unwrap();
            let is_plain_simple = matches!(bytes.as_slice(), [0xf4..=0xf6]);
            let expected = fault.filter(|_| !is_plain_simple).map_or(Ok(()), Err);
            assert_eq!(prepass::exact(&bytes, bounds), expected, "{name}: {encoded}");
            count += 1;
        }
    }
    assert!(count > 70, "read {count} examples");
}
