//! Every limit that the protocol itself enforces, at n and at n + 1.

use std::collections::BTreeSet;

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::{self, Raw};
use sync_protocol::codes::Code;
use sync_protocol::exchange::{self, AreaState, Frame, FrameReader, Item, RequestHeader};
use sync_protocol::ids::{Chain, Head, NoticeId, PhotoHash};
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::named::Fields;
use sync_protocol::operation::{Operation, Photo};
use sync_protocol::prepass::{self, Bounds};
use sync_protocol::view::{
    Act, Conflict, FieldValue, FieldView, Omitted, PhotoState, PhotoView, Stage, Standing, State, View,
    Writer,
};

use crate::bad_envelopes::{sealed, taken};
use crate::bad_input::{operation_bytes, reported, verdict};
use crate::keys::Key;
use crate::{files, messages, story};

/// Checks one limit: `at` says what happens at a given size.
fn holds(limit: usize, code: Code, at: impl Fn(usize) -> Result<(), Code>) {
    assert_eq!(at(limit), Ok(()), "at the limit");
    assert_eq!(at(limit + 1), Err(code), "one above the limit");
}

fn report(change: impl Fn(&mut Operation)) -> Result<(), Code> {
    let mut operation = reported();
    operation.fields.clear();
    change(&mut operation);
    verdict(&operation.encode())
}

fn heads(count: usize) -> Vec<Head> {
    (0..count).map(|number| Head(u128::try_from(number).unwrap().to_be_bytes())).collect()
}

#[test]
fn limits_inside_an_operation_hold_at_n_and_fail_at_n_plus_1() {
    holds(limits::TEXT_BYTES, Code::TextTooLong, |count| {
        report(|operation| drop(operation.fields.insert("description", Raw::of(&"x".repeat(count)))))
    });
    holds(limits::NAME_BYTES, Code::NameTooLong, |count| {
        report(|operation| drop(operation.fields.insert("x".repeat(count), Raw::of(&1))))
    });
    holds(limits::NAME_BYTES, Code::NameTooLong, |count| {
        report(|operation| drop(operation.unknown.insert("x".repeat(count), Raw::of(&1))))
    });
    holds(limits::NAME_BYTES, Code::NameTooLong, |count| {
        report(|operation| operation.kind = "x".repeat(count).as_str().into())
    });
    holds(limits::FIELDS, Code::TooManyFields, |count| {
        report(|operation| {
            operation.fields = (0..count).map(|number| (format!("f{number}"), Raw::of(&number))).collect();
        })
    });
    holds(limits::PHOTOS, Code::TooManyPhotos, |count| {
        report(|operation| operation.photos = vec![photo(1); count])
    });
    holds(limits::PHOTO_BYTES.try_into().unwrap(), Code::PhotoTooLarge, |count| {
        report(|operation| operation.photos = vec![photo(count.try_into().unwrap())])
    });
    holds(limits::HEADS, Code::TooManyHeads, |count| report(|operation| operation.heads = heads(count)));
    holds(limits::LACKING, Code::TooManyLacking, |count| {
        report(|operation| operation.lacking = heads(count))
    });
    holds(limits::TRACK_POINTS, Code::TrackTooLong, |count| {
        report(|operation| drop(operation.fields.insert("points", Raw::of(&vec![[0, 0, 0]; count]))))
    });
    holds(limits::TRACK_POINTS, Code::TrackTooLong, |count| {
        report(|operation| drop(operation.fields.insert("drawing", Raw::of(&vec![[0, 0]; count]))))
    });
}

fn photo(bytes: u64) -> Photo {
    Photo { role: "site".into(), bytes, sha256: story::photo("x") }
}

#[test]
fn limits_of_an_operation_s_structure_hold_at_n_and_fail_at_n_plus_1() {
    // Byte strings have no limit of their own, so one fills the operation up to the byte.
    let empty = report_with_bytes(0).len() - 1;
    holds(limits::OPERATION_BYTES, Code::OperationTooLarge, |size| {
        let bytes = report_with_bytes(size - empty - 3);
        assert_eq!(bytes.len(), size);
        verdict(&bytes)
    });
    holds(limits::OPERATION_ITEMS, Code::CborTooManyItems, |count| {
        let rest = items(&reported_with(Raw::of(&[0_u8; 0])));
        verdict(&reported_with(Raw::of(&vec![0_u8; count - rest])))
    });
    holds(limits::DEPTH, Code::CborTooDeep, |depth| {
        // The operation and its fields are the first two levels.
        let mut value = vec![0x81; depth - 2];
        value.push(0);
        verdict(&reported_with(Raw::from_checked(&value)))
    });
}

fn reported_with(value: Raw) -> Vec<u8> {
    let mut operation = reported();
    operation.fields = Fields::from([("strange", value)]);
    operation.encode()
}

fn report_with_bytes(count: usize) -> Vec<u8> {
    let mut value = Vec::new();
    cbor::write_byte_string(&mut value, &vec![7; count]);
    reported_with(Raw::from_checked(&value))
}

/// How many items there are: the smallest bound that lets them pass.
fn items(bytes: &[u8]) -> usize {
    (1..limits::OPERATION_ITEMS)
        .find(|items| prepass::exact(bytes, Bounds { depth: limits::DEPTH, items: *items }).is_ok())
        .unwrap()
}

#[test]
fn limits_of_a_bundle_hold_at_n_and_fail_at_n_plus_1() {
    let run = |operations| Run { device: Key::Device.device(), first: 1, previous: Chain::START, operations };
    holds(limits::OPERATIONS_PER_BUNDLE, Code::BundleTooManyOperations, |count| {
        taken(&sealed(&run(vec![vec![0]; count]))).map(drop)
    });
    assert_eq!(
        taken(&sealed(&run(vec![vec![0]; limits::ENVELOPE_ITEMS]))).unwrap_err(),
        Code::BundleTooManyOperations,
        "so many that the pre-pass stops"
    );
    let overhead = sealed(&run(vec![vec![0; 1 << 17]])).len() - (1 << 17);
    holds(limits::BUNDLE_BYTES, Code::BundleTooLarge, |size| {
        let bundle = sealed(&run(vec![vec![0; size - overhead]]));
        assert_eq!(bundle.len(), size);
        bundle::open(&bundle).map(drop)
    });
}

fn header(change: impl Fn(&mut RequestHeader)) -> Result<(), Code> {
    let mut header = messages::header();
    change(&mut header);
    RequestHeader::decode(&cbor::encode(&header)).map(drop)
}

#[test]
fn limits_of_a_request_hold_at_n_and_fail_at_n_plus_1() {
    holds(limits::CLIENT_BYTES, Code::HeaderMalformed, |count| {
        header(|header| header.client = "x".repeat(count))
    });
    holds(limits::COLLECTIONS, Code::HeaderMalformed, |count| {
        header(|header| header.collections = vec!["x".into(); count])
    });
    holds(limits::ACKNOWLEDGED, Code::HeaderMalformed, |count| {
        header(|header| header.acknowledged = vec![NoticeId([0; 16]); count])
    });
    holds(limits::AREA_PROGRESS_BYTES, Code::HeaderMalformed, |count| {
        header(|header| header.areas = Some(AreaState { version: 1, progress: Some(vec![0; count]) }))
    });
    holds(limits::CURSOR_BYTES, Code::CursorInvalid, |count| {
        header(|header| header.cursor = Some(vec![0; count]))
    });
    holds(limits::BUNDLES_PER_REQUEST, Code::TooManyBundles, |count| {
        let body = exchange::encode_request(&messages::header(), &vec![vec![0_u8]; count]);
        exchange::decode_request(&body).map(drop)
    });
    let rest = items(&header_with(0)) - 1;
    holds(limits::ENVELOPE_ITEMS, Code::HeaderMalformed, |count| {
        exchange::decode_request(&header_with(count - rest - 1)).map(drop)
    });
}

/// A header with an unknown key that holds so many items.
fn header_with(count: usize) -> Vec<u8> {
    let golden = cbor::encode(&messages::first_header());
    let mut map = cbor::MapWriter::new();
    for (key, value) in prepass::entries(&golden).unwrap() {
        map.raw(key, value);
    }
    map.value("later", &vec![0_u8; count]).finish()
}

#[test]
fn limits_of_a_reply_frame_hold_at_n_and_fail_at_n_plus_1() {
    let frame = |body: Vec<u8>| {
        let bytes = [[0x82, 0x61, b'x'].as_slice(), &body].concat();
        FrameReader::new().push(&bytes).map(|frames| assert_eq!(frames.len(), 1))
    };
    holds(limits::REPLY_DEPTH, Code::CborTooDeep, |depth| {
        let mut body = vec![0x81; depth - 1];
        body.push(0);
        frame(body)
    });
    holds(limits::REPLY_ITEMS, Code::CborTooManyItems, |count| frame(cbor::encode(&vec![0_u8; count - 3])));
}

/// A record that many wrote at once, each of everything: what a hostile crew may do.
fn crowded(writers: u32) -> View {
    let every: BTreeSet<u32> = (0..writers).collect();
    let text = |writer: u32| "满".repeat(if writer == 0 { 300 } else { 20 });
    let value = |writer: u32| FieldValue { writer, value: Raw::of(&text(writer)) };
    let field = || FieldView { values: (0..writers.min(400)).map(value).collect(), base: Some(Raw::of(&1)) };
    let writer =
        |head: Head| Writer { head, kind: "k".repeat(64).as_str().into(), author: story::inspector() };
    let all = heads(usize::try_from(writers).unwrap());
    let hashes: BTreeSet<PhotoHash> = (0..writers)
        .map(|number| {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            PhotoHash(hash)
        })
        .collect();
    let act = |writer| Act {
        writer,
        standing: Standing::Closed,
        is_sound: true,
        has_unseen: true,
        is_outranked: false,
        pending: hashes.clone(),
    };
    let photo = PhotoView { state: PhotoState::Named, named: Some(("r".repeat(64), 9)) };
    let conflict = |number| Conflict {
        subject: format!("{number:064}"),
        reason: "values".to_owned(),
        writers: every.iter().copied().collect(),
    };
    View {
        heads: all.clone(),
        missing: all.clone(),
        given_up: all.iter().copied().collect(),
        writers: all.iter().copied().map(writer).collect(),
        fields: (0..40)
            .map(|number| (format!("{number:064}"), field()))
            .chain([("type".into(), field())])
            .collect(),
        unanswered: every.clone(),
        severity: Some("x".repeat(100)),
        dangers: every.clone(),
        acts: (0..writers.min(50)).map(act).collect(),
        stage: every.iter().map(|writer| Stage { writer: *writer, state: State::Ordered }).collect(),
        conflicts: (0..writers.min(50)).map(conflict).collect(),
        photos: hashes.iter().map(|hash| (*hash, photo.clone())).collect(),
        held: every,
        withdrawn: all.into_iter().collect(),
        ..View::default()
    }
}

#[test]
fn a_view_is_sent_whole_at_the_limit_and_abridged_above_it() {
    let mut view = crowded(1);
    let size = |view: &mut View, bytes: usize| {
        let now = view.encode().len();
        let text = view.severity.as_mut().unwrap();
        *text = "x".repeat(text.len() + bytes - now);
    };
    view.fields.clear();
    for _until_the_length_of_the_length_is_right in 0..2 {
        size(&mut view, limits::VIEW_BYTES);
    }
    assert_eq!(view.encode().len(), limits::VIEW_BYTES);
    assert_eq!(view.abridged(limits::VIEW_BYTES), (view.clone(), Omitted::new()));
    // One above.
    let mut view = crowded(400);
    view.severity = None;
    for bytes in [view.encode().len(), view.encode().len() - 1] {
        let (sent, omitted) = view.abridged(bytes);
        assert!(sent.encode().len() <= bytes, "{} bytes", sent.encode().len());
        assert_eq!(omitted.is_empty(), sent == view, "{omitted:?}");
        assert_eq!(omitted.is_empty(), bytes == view.encode().len(), "{omitted:?}");
    }
}

#[test]
fn an_abridged_view_fits_shows_what_it_has_and_counts_the_rest() {
    for writers in [30, 400, 4_000] {
        let view = crowded(writers);
        for bytes in [8 << 10, 64 << 10, limits::VIEW_BYTES] {
            let (sent, omitted) = view.abridged(bytes);
            let encoded = sent.encode();
            assert!(encoded.len() <= bytes, "{writers} writers: {} bytes of {bytes}", encoded.len());
            assert_eq!(View::decode(&encoded).as_ref(), Some(&sent), "{writers} writers in {bytes}");
            assert_eq!(prepass::exact(&encoded, Bounds { depth: 8, items: limits::REPLY_ITEMS }), Ok(()));
            // What shows of a field of this version comes before all else.
            assert_eq!(sent.shown("type"), view.shown("type"), "{writers} writers in {bytes}");
            assert_eq!((sent.state, &sent.severity), (view.state, &view.severity));
            let values = |view: &View| view.fields.values().map(|field| field.values.len()).sum::<usize>();
            let left = omitted.get("values").copied().unwrap_or(0);
            assert_eq!(left, u64::try_from(values(&view) - values(&sent)).unwrap());
            // Who wrote a value is who wrote it in the whole.
            for (name, field) in &sent.fields {
                let whole = &view.fields.get(name).unwrap().values[0];
                assert_eq!(sent.writer(field.values[0].writer), view.writer(whole.writer), "{name}");
            }
            // Too many missing ancestors to name are still too many.
            assert_eq!(sent.missing.len() > limits::LACKING, view.missing.len() > limits::LACKING);
            let frame = Frame::Item(Item {
                collection: "records".to_owned(),
                record: story::hazard(),
                change: 1,
                view: Raw::from_checked(&encoded),
                abridged: omitted,
            });
            assert_eq!(FrameReader::new().push(&frame.encode()).map(|frames| frames == [frame]), Ok(true));
        }
    }
}

#[test]
fn the_deepest_value_of_an_operation_fits_into_a_reply() {
    // Seven levels of frame, item, view and field are around a value, two of operation and fields.
    let mut value = vec![0x81; limits::DEPTH - 2 + 7];
    value.push(0);
    assert_eq!(prepass::exact(&value, Bounds { depth: limits::REPLY_DEPTH, items: 64 }), Ok(()));
    assert!(verdict(&operation_bytes(Kind::Reported)).is_ok());
}

const BAD_LIMITS: &str = "tests/firebreak/bad_input/limits.rs";
const REPLIES: &str = "tests/firebreak/bad_input/replies.rs";
const DAYS: &str = "tests/firebreak/bad_input/days.rs";
const UPLOADS: &str = "tests/firebreak/bad_input/uploads.rs";
const ENROLMENT: &str = "tests/firebreak/bad_input/enrolment.rs";
const GRID: &str = "server/src/grid/tests/limits.rs";
const PIXELS: &str = "server/src/photos/tests.rs";

/// What only a server or a device can enforce, and the test that shows it: sizes of bodies, replies, codes, areas,
/// photos, imported files; days.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("BODY_BYTES", BAD_LIMITS, "a_request_holds_at_its_limits_and_is_rejected_beyond_them"),
    ("UNNAMED_BODY_BYTES", BAD_LIMITS, "a_request_holds_at_its_limits_and_is_rejected_beyond_them"),
    ("DECODED_BODY_BYTES", BAD_LIMITS, "a_request_holds_at_its_limits_and_is_rejected_beyond_them"),
    ("ENROL_BODY_BYTES", BAD_LIMITS, "an_area_and_an_enrolment_hold_at_their_limits"),
    ("AREA_BOXES", BAD_LIMITS, "an_area_and_an_enrolment_hold_at_their_limits"),
    ("BUDGET_MIN", "server/src/http/sync.rs", "a_budget_out_of_its_range_is_the_nearer_bound"),
    ("BUDGET_MAX", "server/src/http/sync.rs", "a_budget_out_of_its_range_is_the_nearer_bound"),
    (
        "BUDGET_DEFAULT",
        REPLIES,
        "a_header_that_names_no_budget_gets_the_default_and_another_gets_what_it_names",
    ),
    ("NOTICES", REPLIES, "one_notice_more_than_a_reply_tells_is_told_once_those_are_acknowledged"),
    ("NOTICE_BYTES", REPLIES, "long_notices_come_up_to_their_bytes_and_the_rest_with_later_replies"),
    ("MISSING_RANGES", REPLIES, "a_reply_names_the_first_missing_ranges_up_to_its_limit"),
    (
        "FLUSH_BYTES",
        "tests/firebreak/faults.rs",
        "a_reply_cut_at_any_4_kib_leaves_a_prefix_by_severity_and_goes_on",
    ),
    ("STALL_SECONDS", "server/src/config.rs", "a_phone_may_take_nothing_for_as_long_as_the_protocol_says"),
    (
        "VIEW_BYTES",
        "sync-protocol/tests/protocol/limits.rs",
        "a_view_is_sent_whole_at_the_limit_and_abridged_above_it",
    ),
    ("KEEP_DAYS_WITHOUT_BACKUP", DAYS, "a_device_keeps_what_it_sent_for_its_days_where_there_is_no_backup"),
    ("UPLOAD_DAYS", DAYS, "an_upload_or_an_unnamed_photo_stays_for_its_days_and_goes_after_them"),
    ("UNNAMED_PHOTO_DAYS", DAYS, "an_upload_or_an_unnamed_photo_stays_for_its_days_and_goes_after_them"),
    ("ENROL_CODE_BYTES", ENROLMENT, "a_code_of_a_byte_more_or_less_is_no_code"),
    ("ENROL_CODE_MINUTES", ENROLMENT, "a_code_is_good_in_its_last_minute_and_not_in_the_next"),
    (
        "PHOTO_CHUNK_BYTES",
        "tests/firebreak/photos/uploads.rs",
        "a_connection_cut_in_a_chunk_costs_at_most_that_chunk",
    ),
    ("PHOTO_WHOLE_BYTES", UPLOADS, "a_photo_is_sent_whole_up_to_the_limit_and_in_parts_above_it"),
    ("UNNAMED_PHOTO_BYTES", UPLOADS, "bytes_of_photos_that_no_record_names_are_bounded_at_n_and_n_plus_1"),
    (
        "UNNAMED_PHOTOS",
        "tests/firebreak/photos/uploads.rs",
        "photos_that_no_record_names_are_bounded_at_n_and_n_plus_one",
    ),
    (
        "PHOTOS_WANTED",
        "tests/firebreak/photos/uploads.rs",
        "a_reply_asks_for_thirty_two_photos_at_a_time_and_for_all_in_the_end",
    ),
    ("PHOTO_PIXELS", PIXELS, "pixels_are_bounded_at_n_and_n_plus_one"),
    ("PHOTO_SIDE", PIXELS, "pixels_are_bounded_at_n_and_n_plus_one"),
    ("LINE_VERTICES", GRID, "a_line_has_at_most_so_many_vertices"),
    ("REGION_VERTICES", GRID, "a_region_has_at_most_so_many_vertices"),
    ("REFERENCE_TEXT_BYTES", GRID, "a_text_has_at_most_so_many_bytes_and_no_control_characters"),
];

/// Whether a source names this as a whole word.
fn names(source: &str, word: &str) -> bool {
    source.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// Whether a source has this test.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let before = before.trim_end().trim_end_matches("async").trim_end();
    let attribute = before.lines().next_back().unwrap_or_default().trim_start();
    attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test")
}

#[test]
fn every_limit_has_a_test_here_or_where_it_is_enforced() {
    let here = files::text("sync-protocol/tests/protocol/limits.rs");
    let source = files::text("sync-protocol/src/limits.rs");
    let limits: BTreeSet<&str> =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    assert!(limits.len() > 25, "{} limits", limits.len());
    for name in &limits {
        let is_here = here.split("holds(limits::").skip(1).any(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            end.is_some_and(|end| &rest[..end] == *name)
        });
        let elsewhere = ELSEWHERE.iter().filter(|(limit, ..)| limit == name).count();
        assert_eq!(usize::from(is_here) + elsewhere, 1, "{name} is tested nowhere, or in two places");
    }
    for (name, file, test) in ELSEWHERE {
        assert!(limits.contains(name), "{name} is no limit");
        let source = files::text(file);
        assert!(has_test(&source, test), "{file} has no test {test}");
        assert!(names(&source, name), "{file} does not name {name}");
    }
}

#[test]
fn a_test_is_found_by_its_name_and_a_mere_function_is_not() {
    let source = "#[test]\nfn one() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\nfn three() {}\n";
    assert!(has_test(source, "one") && has_test(source, "two"));
    assert!(!has_test(source, "three") && !has_test(source, "four"));
    assert!(names("limits::NAME + 1", "NAME") && !names("OTHER_NAME, NAMES", "NAME"));
}
