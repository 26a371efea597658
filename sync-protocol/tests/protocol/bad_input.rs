//! What bad input gets, as far as the wire itself decides it. `docs/protocol.md` has the table.
//!
//! Bundles and requests are in [`crate::bad_envelopes`], limits at n and n + 1 are in [`crate::limits`], random and mutated bytes in [`crate::mutated`].

use sync_protocol::cbor::{MapWriter, Raw};
use sync_protocol::check;
use sync_protocol::codes::Code;
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position};
use sync_protocol::prepass::{self, Bounds};

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
pub(crate) fn with_value(value: &[u8]) -> Vec<u8> {
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
        operation.fields.insert(name, value.clone());
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
fn the_pre_pass_takes_exactly_the_published_examples_that_are_deterministic_and_allowed() {
    let data = std::env::var_os("FIREBREAK_REAL_DATA")
        .map_or_else(|| files::project("../shared/data"), std::path::PathBuf::from)
        .join("cbor-vectors/rfc8949-appendixA");
    if !data.is_dir() {
        files::skipped("cbor-vectors is not in the data folder");
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
