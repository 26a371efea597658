//! Every row of the table of bad input in `docs/protocol.md` has its tests, and every row here is one of the page.
//!
//! A test that is named here must be a test, and the files of a row's tests must name the codes that the row gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sync_protocol::codes::Code;

const ENCODING: &str =
    "bad_input::operations::each_fault_of_encoding_quarantines_one_operation_with_its_code";
const SHAPE: &str =
    "bad_input::operations::each_fault_of_shape_or_value_quarantines_one_operation_with_its_code";
const CUT: &str =
    "bad_input::operations::an_operation_truncated_at_any_byte_is_quarantined_and_the_one_beside_it_is_not";
const INSIDE: &str =
    "bad_input::limits::every_limit_inside_an_operation_holds_at_n_and_quarantines_at_n_plus_1";
const NAMED: &str = "bad_input::operations::a_field_that_an_office_act_names_is_no_longer_than_a_name";
const TRACK: &str =
    "bad_input::operations::a_track_of_a_million_points_is_quarantined_or_refused_by_its_size";
const STRUCTURE: &str = "bad_input::bundles::each_fault_of_structure_refuses_one_bundle_with_its_code";
const BUNDLE_CUT: &str = "bad_input::bundles::a_bundle_truncated_at_any_byte_is_refused_and_the_next_is_read";
const BINDING: &str = "bad_input::bundles::a_signature_for_another_protocol_deployment_or_district_is_wrong";
const RUNS: &str = "bad_input::bundles::each_fault_of_a_run_refuses_its_bundle_with_its_code";
const BUNDLES: &str = "bad_input::limits::a_bundle_holds_at_its_limits_and_is_refused_beyond_them";
const REQUEST: &str =
    "bad_input::requests::each_fault_of_a_request_is_answered_with_its_status_and_takes_nothing";
const REQUESTS: &str = "bad_input::limits::a_request_holds_at_its_limits_and_is_rejected_beyond_them";
const HEADERS: &str = "bad_input::limits::a_header_holds_at_its_limits_and_is_rejected_beyond_them";
const BETWEEN: &str = "bad_input::requests::what_is_no_byte_string_between_bundles_refuses_the_rest_as_one";
const BODY_CUT: &str = "bad_input::requests::a_body_cut_at_any_byte_after_the_header_keeps_what_came_before";
const COMPRESSED: &str =
    "bad_input::requests::a_compressed_body_that_is_cut_keeps_the_bundles_before_the_cut";
const TOKENS: &str = "bad_input::requests::a_request_without_a_good_token_is_not_read";
const REVOKED: &str =
    "bad_input::chains::a_revoked_device_is_turned_away_and_what_lies_beyond_its_trusted_point_waits";
const VOUCHED: &str = "trust::a_revocation_leaves_what_another_signer_vouches_for_in_any_order";
const REVOKED_ENROLS: &str =
    "bad_input::enrolment::a_revoked_device_comes_back_neither_by_a_code_nor_by_its_certificate";
const REUSED_ID: &str = "bad_input::chains::an_id_used_again_with_other_bytes_is_folded_and_flagged";
const FORKS: &str =
    "bad_input::chains::a_sequence_used_again_and_a_forked_chain_keep_both_branches_and_tell_the_phone";
const GAP: &str = "bad_input::chains::a_gap_is_taken_named_as_missing_and_closed_by_what_was_missing";
const ODD: &str = "bad_input::chains::odd_clocks_and_places_are_flagged_and_folded";
const ELSEWHERE: &str =
    "bad_input::chains::another_districts_record_is_provisional_here_and_nobody_learns_whether_it_exists";
const SEEN: &str = "page_says::an_opening_operation_that_names_heads_is_folded_as_having_seen_them";
const ROUTES: &str =
    "page_says::what_no_route_takes_is_answered_in_cbor_to_devices_and_in_json_to_the_office";
const AGAIN: &str =
    "laws::receipts::the_same_bytes_get_the_same_receipt_after_a_crash_by_any_carrier_and_by_its_own_route";
const LINE: &str =
    "grid::delivery::an_operation_that_names_a_line_as_its_record_is_quarantined_and_the_line_stays";
const IMPORTS: &str = "bad_input::imports::bad_files_are_refused_whole_and_bad_rows_left_out";
const GEOPACKAGE: &str =
    "grid::formats::a_geopackage_that_would_compute_while_it_is_read_is_refused_in_words";

/// The first two cells of each row, and the tests that prove the third.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("not CBOR", "in an operation", &[ENCODING]),
    ("not CBOR", "in a bundle's byte string", &[STRUCTURE]),
    ("not CBOR, or no byte string", "between bundles", &[BETWEEN]),
    ("not CBOR", "request header", &[REQUEST]),
    ("truncated at any byte", "in an operation", &[CUT]),
    ("truncated at any byte", "in a bundle's byte string", &[BUNDLE_CUT]),
    ("body truncated at any byte", "after the header", &[BODY_CUT, COMPRESSED]),
    ("body truncated at any byte", "in the header", &[REQUEST]),
    ("gzip or zstd that is broken, not cut", "request", &[REQUEST]),
    ("trailing bytes", "after an operation or bundle in its byte string", &[ENCODING, STRUCTURE, RUNS]),
    ("depth bomb", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("more items than `OPERATION_ITEMS`", "operation", &[INSIDE]),
    ("a length or count of 2^60", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("duplicate keys", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("indefinite length", "operation, or bundle", &[ENCODING, STRUCTURE]),
    (
        "a longer form of a number or length, keys out of order",
        "operation, or bundle",
        &[ENCODING, STRUCTURE],
    ),
    ("NaN, infinity, any float", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("a tag", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("undefined, other simple values", "operation, or bundle", &[ENCODING, STRUCTURE]),
    ("text that is not UTF-8", "operation, or bundle", &[ENCODING, STRUCTURE]),
    (
        "a required key absent or of another type; empty `heads`, `fields` …; heads out of order",
        "operation",
        &[SHAPE],
    ),
    ("U+0000 in a text or name", "operation", &[SHAPE]),
    ("a text over `TEXT_BYTES`", "operation", &[INSIDE]),
    ("a name over `NAME_BYTES`, or empty", "operation", &[INSIDE, SHAPE]),
    ("too many fields, photos, heads, lacking", "operation", &[INSIDE]),
    ("a photo over `PHOTO_BYTES`", "operation", &[INSIDE]),
    ("latitude 91, a number out of its range", "operation", &[SHAPE, INSIDE]),
    ("a known field of another type", "operation", &[SHAPE]),
    ("a field that the kind requires is absent", "operation", &[SHAPE]),
    ("an opening operation whose `id` is not its `record`", "operation", &[SHAPE]),
    ("an opening operation that names heads", "operation", &[SEEN]),
    ("a track of more than `TRACK_POINTS` points", "operation", &[INSIDE]),
    ("a track of 1,000,000 points", "operation over `OPERATION_BYTES`", &[TRACK]),
    ("office or server kind", "signed by a device", &[SHAPE]),
    ("author not bound to the device", "operation", &[SHAPE]),
    ("beyond the last trusted point of a revoked device", "operation", &[REVOKED, VOUCHED]),
    ("a revoked device's token", "request", &[REVOKED]),
    ("a revoked device's certificate or code", "enrolment", &[REVOKED_ENROLS]),
    ("a field of more than `NAME_BYTES` named by `resolved` or `restored`", "operation", &[NAMED]),
    ("no or unknown token", "request", &[TOKENS]),
    ("no signature", "bundle", &[STRUCTURE]),
    ("another algorithm than ES256", "bundle", &[STRUCTURE]),
    ("wrong signature, wrong `external_aad`", "bundle", &[STRUCTURE, BINDING]),
    ("other header parameters, another structure, a tag around it", "bundle", &[STRUCTURE]),
    ("`kid` and the run's `device` differ", "bundle", &[RUNS]),
    ("a device that is not enrolled here", "bundle", &[RUNS]),
    ("no operations", "bundle", &[RUNS]),
    ("more than `OPERATIONS_PER_BUNDLE` operations", "bundle", &[BUNDLES]),
    ("more than `BUNDLE_BYTES`", "bundle", &[BUNDLES]),
    ("`first` 0, sequences beyond 63 bits, `first` 1 with another `previous` than zeros", "bundle", &[RUNS]),
    ("more than `BUNDLES_PER_REQUEST` bundles", "request", &[REQUESTS]),
    (
        "body over `BODY_BYTES`, or over `UNNAMED_BODY_BYTES` without a `Content-Length`",
        "request",
        &[REQUESTS],
    ),
    ("zstd or gzip bomb", "request", &[REQUEST, REQUESTS]),
    ("a method that a device's route does not take; a path below one", "request", &[ROUTES]),
    ("another content encoding", "request", &[REQUEST]),
    ("unknown protocol version", "request header", &[REQUEST]),
    ("a cursor that is too long or was not given by this server", "request header", &[REQUEST, HEADERS]),
    (
        "a header over its limits, without a needed key, or with one of another type",
        "request header",
        &[REQUEST, HEADERS],
    ),
    ("another district's record", "operation", &[ELSEWHERE]),
    ("an id used again with other bytes", "operation", &[REUSED_ID]),
    ("a sequence used again with other bytes", "operation", &[FORKS]),
    ("a chain that does not continue, or does so twice", "operation", &[FORKS]),
    ("a gap in the sequences", "bundle", &[GAP]),
    ("a clock in 1970 or 2100", "operation", &[ODD]),
    ("a default position, no photo, a poor fix", "operation", &[ODD]),
    ("the same bundle again", "bundle", &[AGAIN]),
    ("a line, structure or region named as an operation's `record`", "operation", &[LINE]),
    (
        "a file to import that is not of its format, in an unknown coordinate system, cut short, or a GeoPackage with \
         anything but plain tables",
        "request",
        &[IMPORTS, GEOPACKAGE],
    ),
    ("a file to import with too many bytes or rows", "request", &[IMPORTS]),
    (
        "a file to import without any line or region, or with structures alone where lines would be retired",
        "request",
        &[IMPORTS],
    ),
    ("a row that is not of its format; too many bytes", "row", &[IMPORTS]),
    (
        "a row without geometry or with one of another type; a line of one place; a ring of two corners",
        "row",
        &[IMPORTS],
    ),
    ("a coordinate that is no number or not in the datum", "row", &[IMPORTS]),
    (
        "a line over `LINE_VERTICES`, a region over `REGION_VERTICES`, a view over `VIEW_BYTES`",
        "row",
        &[IMPORTS],
    ),
    ("a text over `REFERENCE_TEXT_BYTES`, or with control characters", "row", &[IMPORTS]),
    ("neither id nor name; an id used twice", "row", &[IMPORTS]),
    ("a region without level, of an unknown level, or that ends before it begins", "row", &[IMPORTS]),
];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first two cells of each row of the page, and the third.
fn of_the_page() -> BTreeMap<(String, String), String> {
    let page = read(&project("docs/protocol.md"));
    let (_, section) = page.split_once("## What bad input gets").expect("the section");
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').splitn(3, " | ").map(|cell| cell.trim().to_owned());
            let mut next = || cells.next().unwrap_or_else(|| panic!("three cells: {line}"));
            ((next(), next()), next())
        })
        .collect()
}

/// The text of the file of a test, which must be a test.
fn source_of(test: &str) -> String {
    let (module, name) = test.rsplit_once("::").expect("a path");
    let source = read(&project(&format!("tests/firebreak/{}.rs", module.replace("::", "/"))));
    let (before, _) =
        source.split_once(&format!("fn {name}(")).unwrap_or_else(|| panic!("there is no {test}"));
    let before = before.trim_end().trim_end_matches("async").trim_end();
    let attribute = before.lines().next_back().unwrap_or_default();
    assert!(attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test"), "{test} is no test");
    source
}

#[test]
fn every_row_of_the_page_has_tests_and_every_row_here_is_of_the_page() {
    let page = of_the_page();
    let here: BTreeSet<(String, String)> =
        ROWS.iter().map(|(input, place, _)| ((*input).to_owned(), (*place).to_owned())).collect();
    assert_eq!(here.len(), ROWS.len(), "a row stands here twice");
    let rows: BTreeSet<(String, String)> = page.keys().cloned().collect();
    assert_eq!(rows.difference(&here).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "without a test");
    assert_eq!(
        here.difference(&rows).collect::<Vec<_>>(),
        Vec::<&(String, String)>::new(),
        "not on the page"
    );
    for (input, place, tests) in ROWS {
        assert!(!tests.is_empty(), "{input}: no test");
        let sources: Vec<String> = tests.iter().map(|test| source_of(test)).collect();
        let what = &page[&((*input).to_owned(), (*place).to_owned())];
        let codes = what.split('`').skip(1).step_by(2).filter_map(Code::parse);
        for code in codes {
            let names = [format!("Code::{code:?}"), format!("\"{}\"", code.as_str())];
            let is_named = sources.iter().any(|source| names.iter().any(|name| source.contains(name)));
            assert!(is_named, "{input}, {place}: no test of the row names {code}");
        }
    }
}
