//! Checks against `sync.cddl`, and that the CDDL can refuse.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cddl::ast::CDDL;
use cddl::validator::Validator;
use cddl::validator::cbor::CBORValidator;
use cddl::validator::cbor_value::decode_cbor;
use sync_protocol::cbor::{self, MapWriter, Raw};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use crate::{catalogue, files, messages, story};

const PATH: &str = "sync-protocol/sync.cddl";

thread_local! {
    /// Parsed once for each rule that is a root: parsing takes longer than checking.
    static PARSED: RefCell<BTreeMap<String, &'static CDDL<'static>>> = const { RefCell::new(BTreeMap::new()) };
}

fn parsed(rule: &str) -> &'static CDDL<'static> {
    PARSED.with_borrow_mut(|parsed| {
        *parsed.entry(rule.to_owned()).or_insert_with(|| {
            let text: &'static str =
                Box::leak(format!("root = {rule}\n{}", files::text(PATH)).into_boxed_str());
            Box::leak(Box::new(cddl::cddl_from_str(text, true).unwrap()))
        })
    })
}

fn validate(rule: &str, bytes: &[u8]) -> Result<(), String> {
    let value = decode_cbor(bytes).map_err(|error| error.to_string())?;
    CBORValidator::new(parsed(rule), value, None).validate().map_err(|error| error.to_string())
}

/// Fails where bytes are not what a rule of `sync.cddl` says.
pub(crate) fn assert_valid(rule: &str, bytes: &[u8]) {
    if let Err(error) = validate(rule, bytes) {
        panic!("{} is no {rule}: {error}", cbor::diagnostic(bytes));
    }
}

fn assert_refused(rule: &str, bytes: &[u8]) {
    assert!(validate(rule, bytes).is_err(), "{} should be no {rule}", cbor::diagnostic(bytes));
}

#[test]
fn the_kinds_and_fields_of_the_cddl_are_those_of_the_catalogue() {
    files::assert_part_is(PATH, "kinds", &catalogue::cddl_kinds());
    files::assert_part_is(PATH, "fields", &catalogue::cddl_fields());
}

fn reported() -> Operation {
    Operation::decode(&story::bundle("bundle-reported").run.operations[0]).unwrap()
}

#[test]
fn the_cddl_refuses_an_operation_without_what_it_needs() {
    let operation = reported();
    assert_valid("known-operation", &operation.encode());
    for key in ["at", "id", "kind", "author", "record", "schema"] {
        let encoded = operation.encode();
        let mut map = MapWriter::new();
        for (name, value) in sync_protocol::prepass::entries(&encoded).unwrap() {
            if name != key {
                map.raw(name, value);
            }
        }
        assert_refused("operation", &map.finish());
    }
    let mut comment = operation;
    comment.kind = Kind::Commented.into();
    assert_refused("known-operation", &comment.encode());
}

#[test]
fn the_cddl_refuses_fields_of_another_type_or_out_of_range() {
    for (name, value) in [
        ("forest", Raw::of(&"yes")),
        ("count", Raw::of(&-1)),
        ("vertical_dm", Raw::of(&100_001)),
        ("recurs", Raw::of(&"0123456789abcdef")),
        ("position", Raw::of(&[299_800_000, 1_030_100_000])),
        ("description", Raw::of(&7)),
    ] {
        let mut operation = reported();
        operation.fields.insert(name, value);
        assert_refused("known-operation", &operation.encode());
    }
}

#[test]
fn the_cddl_refuses_messages_of_another_shape() {
    assert_refused("known-frame", &cbor::encode(&("leave", "not an id")));
    assert_refused("signed", &cbor::encode(&(1, 2, 3)));
    assert_refused("run", &[0xa0]);
    let mut header = messages::header();
    header.protocol = 2;
    assert_refused("request-header", &cbor::encode(&header));
    let mut receipt = messages::receipt_with_exceptions();
    receipt.exceptions[0].1 = "lost".into();
    assert_refused("receipt", &cbor::encode(&receipt));
}
