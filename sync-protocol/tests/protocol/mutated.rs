//! Random bytes and mutated golden files: whatever they amount to, nothing panics, and what decodes is sound.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sync_protocol::bundle;
use sync_protocol::cbor::{self, Raw};
use sync_protocol::check;
use sync_protocol::enrolment;
use sync_protocol::exchange::{self, FrameReader, RequestHeader};
use sync_protocol::operation::{self, Operation};
use sync_protocol::prepass::{self, Bounds};
use sync_protocol::view::View;

use crate::keys::Key;
use crate::messages::{self, bundle_aad};
use crate::{files, story};

/// Gives bytes to everything that reads bytes from outside.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(operation) = Operation::decode(bytes) {
        let _fault = check::check(&operation);
        assert_eq!(
            Operation::decode(&operation.encode()).as_ref(),
            Ok(&operation),
            "encoding loses something"
        );
    }
    if let Ok(opened) = bundle::open(bytes) {
        let proof = opened.proof();
        assert!(prepass::exact(&proof, Bounds { depth: 2, items: 8 }).is_ok());
        let payload =
            opened.verify(&bundle_aad(), |signature, message| Key::Device.verifies(signature, message));
        drop(payload);
    }
    if let Ok(run) = bundle::decode_run(bytes) {
        assert_eq!(bundle::decode_run(&run.encode()).as_ref(), Ok(&run));
        let _chain = (run.last(), run.chain());
    }
    if let Ok(request) = exchange::decode_request(bytes) {
        let again = cbor::encode(&request.header);
        assert_eq!(RequestHeader::decode(&again).as_ref(), Ok(&request.header));
    }
    let _bundles = exchange::decode_bundles(bytes);
    let _frames = FrameReader::new().push(bytes);
    // What follows is read after the pre-pass alone.
    if prepass::exact(bytes, operation::BOUNDS).is_ok() {
        let _view = View::decode(bytes).map(|view| View::decode(&view.encode()).unwrap());
        let _request = cbor::decode::<enrolment::Request>(bytes);
        let _reply = cbor::decode::<enrolment::Reply>(bytes);
        let _certificate = cbor::decode::<enrolment::Certificate>(bytes);
        let raw = Raw::from_checked(bytes);
        let _text = format!("{raw:?}");
        let _parts = (raw.get("fields"), raw.as_integer(), raw.as_text());
        assert_eq!(prepass::visit_texts(bytes, &mut |_text| Ok(())), Ok(()));
    }
}

/// Runs a property with a seed that is printed, or given by `FIREBREAK_SEED`.
fn check_property<S: Strategy>(strategy: &S, property: impl Fn(S::Value)) {
    let seed: u64 =
        std::env::var("FIREBREAK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_412);
    println!("FIREBREAK_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: 3_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Every golden file, and the operations and payloads inside.
fn goldens() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = messages::unsigned().into_iter().map(|(_, bytes)| bytes).collect();
    for golden in story::bundles() {
        all.push(files::golden(&golden.name, || unreachable!("golden bundles are there")));
        all.push(golden.run.encode());
        all.extend(golden.run.operations);
    }
    for (_, payload, ..) in messages::signed() {
        all.push(payload);
    }
    all
}

#[test]
fn random_bytes_never_panic() {
    check_property(&prop::collection::vec(any::<u8>(), 0..512), |bytes| read_as_everything(&bytes));
}

#[test]
fn mutated_golden_files_never_panic() {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    let strategy = (prop::sample::select(goldens()), prop::collection::vec(change, 1..4)).prop_map(
        |(mut bytes, changes)| {
            for (index, byte, how) in changes {
                let at = index.index(bytes.len().max(1));
                match how {
                    0 if !bytes.is_empty() => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 if !bytes.is_empty() => drop(bytes.remove(at)),
                    _ => bytes.truncate(at),
                }
            }
            bytes
        },
    );
    check_property(&strategy, |bytes| read_as_everything(&bytes));
}

#[test]
fn golden_files_with_one_byte_changed_to_any_other_never_panic() {
    let golden = story::bundle("bundle-later").run.operations.remove(0);
    for at in 0..golden.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = golden.clone();
            bytes[at] = byte;
            read_as_everything(&bytes);
        }
    }
}
