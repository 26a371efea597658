//! Golden files: read for ever, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::{self, Raw};
use sync_protocol::check;
use sync_protocol::enrolment;
use sync_protocol::exchange::{self, Frame, FrameReader, Receipt, RequestHeader};
use sync_protocol::fold;
use sync_protocol::ids::{Chain, sha256};
use sync_protocol::kind::{Kind, Signer};
use sync_protocol::operation::{Identified, KindName, Operation};
use sync_protocol::view::View;

use crate::keys::Key;
use crate::messages::{self, bundle_aad, bundle_bytes};
use crate::{cddl, files, story, views};

fn verified_run(name: &str, key: Key) -> Run {
    let opened = bundle::open(&bundle_bytes(name)).unwrap_or_else(|code| panic!("{name}: {code}"));
    assert_eq!(opened.device, key.device(), "{name} names another device than its key's");
    let payload =
        opened.verify(&bundle_aad(), |signature, message| key.verifies(signature, message)).unwrap();
    let run = bundle::decode_run(&payload).unwrap();
    assert_eq!(run.encode(), payload, "{name}: the run does not encode to the same bytes");
    run
}

#[test]
fn every_kind_has_a_golden_bundle_that_verifies_and_encodes_to_the_same_bytes() {
    for kind in Kind::ALL {
        let name = format!("bundle-{kind}");
        let key = if kind.signer() == Signer::Field { Key::Device } else { Key::Server };
        let run = verified_run(&name, key);
        let [bytes] = run.operations.as_slice() else { panic!("{name} holds one operation") };
        let operation = Operation::decode(bytes).unwrap_or_else(|code| panic!("{name}: {code}"));
        assert_eq!(operation.kind, KindName::Known(*kind), "{name}");
        assert_eq!(operation.encode(), *bytes, "{name}: the operation does not encode to the same bytes");
        assert_eq!(check::check(&operation), Ok(()), "{name}");
        cddl::assert_valid("known-operation", bytes);
        cddl::assert_valid("run", &run.encode());
        cddl::assert_valid("signed", &bundle_bytes(&name));
        files::assert_text_is_of(&name, &bundle_bytes(&name));
    }
}

#[test]
fn golden_bundles_hold_what_the_builders_write() {
    for golden in story::bundles() {
        assert_eq!(verified_run(&golden.name, golden.key), golden.run, "{}", golden.name);
    }
}

#[test]
fn golden_bundles_of_each_signer_form_one_chain() {
    for key in [Key::Device, Key::Server] {
        let (mut next, mut chain) = (1, Chain::START);
        for golden in story::bundles().into_iter().filter(|golden| golden.key == key) {
            let run = verified_run(&golden.name, key);
            assert_eq!((run.first, run.previous), (next, chain), "{}", golden.name);
            (next, chain) = (run.last() + 1, run.chain());
        }
        assert!(next > 10, "the chain is longer than ten");
    }
}

#[test]
fn a_golden_signature_holds_for_its_own_deployment_district_and_key_alone() {
    let bytes = bundle_bytes("bundle-reported");
    let holds = |key: Key, aad: &[u8]| {
        bundle::open(&bytes)
            .unwrap()
            .verify(aad, |signature, message| key.verifies(signature, message))
            .is_ok()
    };
    assert!(holds(Key::Device, &bundle_aad()));
    assert!(!holds(Key::Server, &bundle_aad()), "another key");
    let mut binding = story::binding();
    binding.district = story::named("another district").into();
    assert!(!holds(Key::Device, &binding.external_aad()), "another district");
    let mut binding = story::binding();
    binding.deployment = story::named("another deployment").into();
    assert!(!holds(Key::Device, &binding.external_aad()), "another deployment");
}

#[test]
fn what_a_later_version_says_is_kept_byte_for_byte() {
    let run = verified_run("bundle-later", Key::Device);
    let operations: Vec<Operation> =
        run.operations.iter().map(|bytes| Operation::decode(bytes).unwrap()).collect();
    for (operation, bytes) in operations.iter().zip(&run.operations) {
        assert_eq!(operation.encode(), *bytes);
        assert_eq!(check::check(operation), Ok(()));
        cddl::assert_valid("operation", bytes);
    }
    let [reported, surveyed] = operations.as_slice() else { panic!("two operations") };
    assert_eq!(
        reported.fields.get("severity").unwrap().as_text(),
        Some("catastrophic"),
        "an unknown severity"
    );
    assert!(reported.fields.contains_key("canopy_gap_dm"), "an unknown field");
    assert!(reported.unknown.contains_key("weather"), "an unknown key");
    assert_eq!(surveyed.kind, KindName::Unknown("drone_surveyed".into()), "an unknown kind");
    files::assert_text_is_of("bundle-later", &bundle_bytes("bundle-later"));
}

#[test]
fn golden_signed_messages_verify_and_hold_what_the_builders_write() {
    for (name, payload, key, aad) in messages::signed() {
        let bytes = messages::signed_bytes(name, payload.clone(), key, &aad);
        let opened = bundle::open(&bytes).unwrap();
        assert_eq!(opened.device, key.device(), "{name}");
        let held = opened.verify(&aad, |signature, message| key.verifies(signature, message)).unwrap();
        assert_eq!(held, payload, "{name}");
        cddl::assert_valid("signed", &bytes);
        files::assert_text_is_of(name, &bytes);
        let again = if name == "certificate" {
            cddl::assert_valid("certificate", &payload);
            cbor::encode(&cbor::decode::<enrolment::Certificate>(&payload).unwrap())
        } else {
            cddl::assert_valid("enrol-request", &payload);
            cbor::encode(&cbor::decode::<enrolment::Request>(&payload).unwrap())
        };
        assert_eq!(again, payload, "{name} does not encode to the same bytes");
    }
}

#[test]
fn golden_messages_hold_what_the_builders_write() {
    for (name, expected) in messages::unsigned() {
        let bytes = files::golden(name, || expected.clone());
        assert_eq!(hex::encode(&bytes), hex::encode(expected), "{name}");
        files::assert_text_is_of(name, &bytes);
    }
}

#[test]
fn every_golden_frame_is_valid_and_encodes_to_the_same_bytes() {
    for (name, _frame) in messages::frames() {
        let bytes = files::golden(name, || unreachable!("written by the builders' test"));
        cddl::assert_valid("frame", &bytes);
        let frame = Frame::decode(&bytes).unwrap_or_else(|| panic!("{name} does not decode"));
        assert_eq!(frame.encode(), bytes, "{name}");
        if let Frame::Receipt(body) = frame {
            let receipt: Receipt = body.decode().unwrap();
            assert_eq!(Raw::of(&receipt), body, "{name}");
        }
    }
}

#[test]
fn a_golden_reply_cut_anywhere_yields_the_frames_that_came_whole() {
    let reply = messages::reply();
    let whole = FrameReader::new().push(&reply).unwrap();
    assert_eq!(whole.len(), 6);
    let mut sizes = Vec::new();
    let mut at = 0;
    for frame in &whole {
        at += frame.encode().len();
        sizes.push(at);
    }
    for cut in 0..=reply.len() {
        let frames = FrameReader::new().push(&reply[..cut]).unwrap();
        let expected = sizes.iter().filter(|size| **size <= cut).count();
        assert_eq!(frames, whole[..expected], "cut at {cut}");
    }
    let mut reader = FrameReader::new();
    let bytewise: Vec<Frame> = reply.iter().flat_map(|byte| reader.push(&[*byte]).unwrap()).collect();
    assert_eq!(bytewise, whole, "byte by byte");
}

#[test]
fn golden_headers_views_and_receipts_are_valid_and_encode_to_the_same_bytes() {
    for header in [messages::header(), messages::first_header()] {
        let bytes = cbor::encode(&header);
        cddl::assert_valid("request-header", &bytes);
        assert_eq!(RequestHeader::decode(&bytes), Ok(header));
    }
    for view in [views::view(), views::view_with_every_part()] {
        let bytes = view.encode();
        cddl::assert_valid("view", &bytes);
        assert_eq!(View::decode(&bytes), Some(view));
    }
    for receipt in [messages::receipt(), messages::receipt_with_exceptions()] {
        let bytes = cbor::encode(&receipt);
        cddl::assert_valid("receipt", &bytes);
        assert_eq!(cbor::decode::<Receipt>(&bytes).unwrap(), receipt);
    }
    let reply = messages::enrol_reply(messages::certificate_bytes());
    cddl::assert_valid("enrol-reply", &cbor::encode(&reply));
    assert_eq!(cbor::decode::<enrolment::Reply>(&cbor::encode(&reply)).unwrap(), reply);
}

#[test]
fn the_golden_view_is_what_the_fold_makes_of_the_golden_report() {
    let run = verified_run("bundle-reported", Key::Device);
    let operations: Vec<Identified> =
        run.operations.iter().map(|bytes| Identified::decode(bytes).unwrap()).collect();
    assert_eq!(fold::fold(&operations), views::view());
}

#[test]
fn a_golden_request_and_bundle_file_come_apart_into_their_bundles() {
    let body = messages::request();
    let request = exchange::decode_request(&body).unwrap();
    assert_eq!(request.header, messages::first_header());
    assert_eq!(request.bundles, [bundle_bytes("bundle-reported")]);
    assert!(request.broken.is_none());
    cddl::assert_valid("request", &as_array(&body));

    let file = files::golden("bundle-file", || unreachable!("written by the builders' test"));
    let (bundles, broken) = exchange::decode_bundles(&file).unwrap();
    assert_eq!(bundles, [bundle_bytes("bundle-reported"), bundle_bytes("bundle-observed")]);
    assert!(broken.is_none());
    cddl::assert_valid("bundle-file", &as_array(&file));
    cddl::assert_valid("reply", &as_array(&messages::reply()));
}

/// CDDL has no sequences at the top: a sequence is checked as the array of its items.
fn as_array(mut sequence: &[u8]) -> Vec<u8> {
    let bounds = sync_protocol::prepass::Bounds { depth: 24, items: 1 << 16 };
    let mut items = Vec::new();
    while !sequence.is_empty() {
        let (item, rest) = sequence.split_at(sync_protocol::prepass::item_length(sequence, bounds).unwrap());
        items.push(item);
        sequence = rest;
    }
    cbor::array(&items)
}

#[test]
fn every_golden_file_is_looked_at_by_a_test() {
    let mut known: BTreeSet<String> = story::bundles().into_iter().map(|golden| golden.name).collect();
    known.extend(messages::signed().into_iter().map(|(name, ..)| name.to_owned()));
    known.extend(messages::unsigned().into_iter().map(|(name, _)| name.to_owned()));
    let mut expected: BTreeSet<String> =
        known.iter().flat_map(|name| [format!("{name}.cbor"), format!("{name}.diag")]).collect();
    expected.extend(["README.md".into(), "SHA256SUMS".into()]);
    assert_eq!(golden_folder(), expected);
}

/// The names of all files in the folder of golden files.
fn golden_folder() -> BTreeSet<String> {
    fs::read_dir(files::project("fixtures/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn no_golden_file_was_changed_or_removed_and_each_has_its_line_in_the_list() {
    let list = files::text("fixtures/golden/SHA256SUMS");
    let mut listed = BTreeSet::new();
    for line in list.lines() {
        let (hash, name) = line.split_once("  ").unwrap_or_else(|| panic!("not of sha256sum: {line}"));
        let bytes = fs::read(files::project(&format!("fixtures/golden/{name}")))
            .unwrap_or_else(|error| panic!("{name} is listed and cannot be read: {error}"));
        assert_eq!(hex::encode(sha256(&bytes)), hash, "{name} was changed: phones hold what it was");
        assert!(listed.insert(name.to_owned()), "{name} is listed twice");
    }
    let is_golden = |name: &String| Path::new(name).extension().is_some_and(|end| end == "cbor");
    let found: BTreeSet<String> = golden_folder().into_iter().filter(is_golden).collect();
    assert_eq!(found, listed, "a new file needs its line in fixtures/golden/SHA256SUMS");
}
