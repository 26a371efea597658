//! What bad input around operations gets: bundles, requests, headers.

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::{self, MapWriter};
use sync_protocol::codes::{Code, Scope};
use sync_protocol::exchange;
use sync_protocol::ids::Chain;
use sync_protocol::kind::Kind;
use sync_protocol::prepass;

use crate::bad_input::{operation_bytes, reported, verdict, with_value};
use crate::keys::Key;
use crate::messages::{self, bundle_aad, bundle_bytes};
use crate::story;

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
