//! The page `docs/protocol.md`: its tables and worked example are those of the source and the golden files.

use std::collections::BTreeSet;

use sync_protocol::bundle;
use sync_protocol::cbor;
use sync_protocol::codes::{Code, Scope};
use sync_protocol::ids::{BundleHash, Chain, Identity};
use sync_protocol::{enrolment, field};

use crate::keys::Key;
use crate::messages::{self, bundle_aad, bundle_bytes};
use crate::{catalogue, diagnostic, dispute, files, story};

const PATH: &str = "docs/protocol.md";

#[test]
fn the_tables_of_the_page_are_those_of_the_source() {
    files::assert_part_is(PATH, "kinds", &catalogue::page_kinds());
    files::assert_part_is(PATH, "fields", &catalogue::page_fields(field::FIELDS));
    files::assert_part_is(PATH, "arguments", &catalogue::page_fields(field::ARGUMENTS));
    files::assert_part_is(PATH, "limits", &catalogue::page_limits());
    files::assert_part_is(PATH, "codes", &catalogue::page_codes());
    files::assert_part_is(PATH, "states", &catalogue::page_states());
    files::assert_part_is(PATH, "standings", &catalogue::page_standings());
}

#[test]
fn every_disposition_is_explained() {
    let page = files::text(PATH);
    for (name, zh) in catalogue::dispositions() {
        assert!(page.contains(&format!("| `{name}` | {zh} |")), "{name} has no row");
    }
}

/// The rows of the table under a heading: the cells of each.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let start = page.find(heading).unwrap_or_else(|| panic!("no heading {heading}"));
    page[start..]
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn every_code_that_answers_a_request_has_its_http_status() {
    let page = files::text(PATH);
    let listed: BTreeSet<String> =
        rows(&page, "### HTTP status").into_iter().map(|row| row[0].clone()).collect();
    let expected: BTreeSet<String> = Code::ALL
        .iter()
        .filter(|code| code.scope() == Scope::Request)
        .map(|code| format!("`{code}`"))
        .collect();
    assert_eq!(listed, expected);
    for row in rows(&page, "### HTTP status") {
        assert!((400..600).contains(&row[1].parse::<u16>().unwrap()), "{row:?}");
    }
}

#[test]
fn codes_and_limits_named_by_the_table_of_bad_input_exist() {
    let page = files::text(PATH);
    let limits = files::text("sync-protocol/src/limits.rs");
    let rows = rows(&page, "## What bad input gets");
    assert!(rows.len() > 30, "the table has {} rows", rows.len());
    for row in rows {
        for name in row[2].split('`').skip(1).step_by(2) {
            let is_limit = limits.contains(&format!("pub const {name}:"));
            let is_known = Code::parse(name).is_some() || is_limit || name == "missing";
            assert!(is_known, "{name} of {row:?} is neither a code nor a limit");
        }
    }
}

/// Hex in lines of 64 digits, as the page shows it.
fn hex_block(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let lines: Vec<&str> =
        (0..digits.len()).step_by(96).map(|at| &digits[at..digits.len().min(at + 96)]).collect();
    lines.join("\n") + "\n"
}

/// The worked example, from the golden files.
fn example() -> String {
    let run = story::bundle("bundle-reported").run;
    let operation = run.operations.first().unwrap();
    let identity = Identity::of(operation);
    let bundle = bundle_bytes("bundle-reported");
    let signed_over = messages::signed_over(&bundle, &bundle_aad());
    let Key::Device = story::bundle("bundle-reported").key else { panic!("signed by the device") };
    let mut text = String::new();
    let mut step = |title: &str, words: String, block: String| {
        text += &format!("**{title}** {words}\n\n```\n{block}```\n\n");
    };
    step(
        "The device.",
        "District, public key, and the device id that follows from them:".into(),
        format!(
            "district   {}\nkey        {}\ndevice id  {}\ndeployment {}\n",
            hex::encode(story::binding().district.0.as_bytes()),
            hex::encode(Key::Device.point()),
            hex::encode(enrolment::device_id(story::binding().district, &Key::Device.point()).0.as_bytes()),
            hex::encode(story::binding().deployment.0.as_bytes()),
        ),
    );
    step(
        "The operation",
        format!("in diagnostic notation, and its {} bytes:", operation.len()),
        diagnostic::sequence(operation) + "\n" + &hex_block(operation),
    );
    step(
        "Identity, head and chain.",
        "SHA-256 of the operation; its first 16 bytes; SHA-256(32 zero bytes ‖ identity):".into(),
        format!(
            "identity {identity}\nhead     {}\nchain(1) {}\n",
            identity.head(),
            Chain::START.next(&identity)
        ),
    );
    step(
        "The run:",
        format!("{} bytes, the payload of the bundle:", run.encode().len()),
        hex_block(&run.encode()),
    );
    step(
        "What is signed.",
        "`external_aad`, then the whole Sig_structure:".into(),
        format!("{}\n{}", hex_block(&bundle_aad()), hex_block(&signed_over)),
    );
    step(
        "The bundle:",
        format!(
            "{} bytes; its SHA-256, `{}`, names the receipt. The signature is the last 64 bytes.",
            bundle.len(),
            BundleHash::of(&bundle)
        ),
        hex_block(&bundle),
    );
    let request = messages::request();
    let header = cbor::encode(&messages::first_header());
    step(
        "The request:",
        format!(
            "{} bytes; the header, {}, then the head of a byte string of {} bytes, `{}`, then the bundle as above:",
            request.len(),
            cbor::diagnostic(&header),
            bundle.len(),
            hex::encode(&request[header.len()..request.len() - bundle.len()]),
        ),
        hex_block(&request[..request.len() - bundle.len()]),
    );
    step(
        "A reply:",
        "as a sequence in diagnostic notation, and its bytes:".into(),
        diagnostic::sequence(&messages::reply()) + "\n" + &hex_block(&messages::reply()),
    );
    text
}

#[test]
fn the_worked_example_is_that_of_the_golden_files() {
    let golden = bundle::open(&bundle_bytes("bundle-reported")).unwrap();
    assert!(
        golden.verify(&bundle_aad(), |signature, message| Key::Device.verifies(signature, message)).is_ok()
    );
    files::assert_part_is(PATH, "example", &example());
}

#[test]
fn the_view_in_dispute_is_what_the_fold_gives() {
    files::assert_part_is(PATH, "dispute", &dispute::example());
}
