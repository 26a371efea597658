//! Faults around operations: that bundle is refused and kept, the others of the request are taken.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Backend;
use sync_protocol::bundle::{self, Binding, Run};
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, DeploymentId, DeviceId, DistrictId};
use uuid::Uuid;

use super::operations::hex;
use super::{Yard, on_both};

/// A `COSE_Sign1` of four encoded items.
fn cose(parts: [&[u8]; 4]) -> Vec<u8> {
    cbor::array(&parts)
}

fn bytes(payload: &[u8]) -> Vec<u8> {
    let mut item = Vec::new();
    cbor::write_byte_string(&mut item, payload);
    item
}

/// The encoded items of a bundle.
fn parts(bundle: &[u8]) -> [Vec<u8>; 4] {
    let parts: Vec<Vec<u8>> =
        sync_protocol::prepass::elements(bundle).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    parts.try_into().unwrap()
}

/// A payload, signed as the phone signs.
fn signed(phone: &Phone, payload: Vec<u8>) -> Vec<u8> {
    bundle::seal_payload(payload, phone.device, &phone.binding.external_aad(), |bytes| phone.sign(bytes))
}

fn run_of(phone: &mut Phone, first: u64, previous: Chain) -> Run {
    let report = phone.report("general").encode();
    Run { device: phone.device, first, previous, operations: vec![report] }
}

pub(super) async fn truncated(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let whole = yard.seal_aside(|phone| phone.reports(1));
    let lengths: Vec<usize> = (0..whole.len()).collect();
    for lengths in lengths.chunks(250) {
        let cut: Vec<_> = lengths
            .iter()
            .map(|length| ("truncated", whole[..*length].to_vec(), Code::CborTruncated))
            .collect();
        yard.refuses(&cut).await?;
    }
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_truncated_at_any_byte_is_refused_and_the_next_is_read() -> Result<()> {
    on_both(truncated).await
}

pub(super) async fn structure(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let whole = yard.seal_aside(|phone| phone.reports(1));
    let [protected, unprotected, payload, signature] = parts(&whole);
    let alike = |protected: &[u8], unprotected: &[u8], payload: &[u8], signature: &[u8]| {
        cose([protected, unprotected, payload, signature])
    };
    let mut trailing = whole.clone();
    trailing.push(0);
    let mut tagged = vec![0xd2];
    tagged.extend_from_slice(&whole);
    let mut wrong = whole.clone();
    *wrong.last_mut().context("empty")? ^= 1;
    // {1: -35}: ES384. {1: -7, 4: kid, 99: 0}: a parameter too many.
    let kid = bytes(yard.bad.device.0.as_bytes());
    let other_algorithm = bytes(&[&hex("a201382204")[..], &kid].concat());
    let more = bytes(&[&hex("a3012604")[..], &kid, &hex("186300")].concat());
    let rows = [
        ("not CBOR", vec![0x1c], Code::CborMalformed),
        ("trailing bytes", trailing, Code::CborTrailing),
        ("a tag around it", tagged, Code::CborTag),
        ("depth bomb", vec![0x81; 5_000], Code::CborTooDeep),
        ("2^60 elements", hex("9b1000000000000000"), Code::CborTruncated),
        ("duplicate keys", hex("a2616100616101"), Code::CborDuplicateKey),
        ("indefinite length", hex("9f00ff"), Code::CborIndefinite),
        ("not deterministic", hex("1801"), Code::CborNotDeterministic),
        ("float", hex("f97e00"), Code::CborFloat),
        ("undefined", hex("f7"), Code::CborSimple),
        ("not UTF-8", hex("61ff"), Code::CborText),
        ("too many items", [hex("991001"), vec![0; 4_097]].concat(), Code::CborTooManyItems),
        ("another structure", hex("83404040"), Code::BundleShape),
        ("no array", hex("a0"), Code::BundleShape),
        (
            "unprotected parameters",
            alike(&protected, &hex("a10100"), &payload, &signature),
            Code::BundleShape,
        ),
        ("parameters too many", alike(&more, &unprotected, &payload, &signature), Code::BundleShape),
        ("payload null", alike(&protected, &unprotected, &[0xf6], &signature), Code::BundleShape),
        ("no signature", alike(&protected, &unprotected, &payload, &[0x40]), Code::SignatureMissing),
        (
            "another algorithm",
            alike(&other_algorithm, &unprotected, &payload, &signature),
            Code::SignatureAlgorithm,
        ),
        ("wrong signature", wrong, Code::SignatureWrong),
        (
            "short signature",
            alike(&protected, &unprotected, &payload, &bytes(&[7; 12])),
            Code::SignatureWrong,
        ),
    ];
    yard.refuses(&rows).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_structure_refuses_one_bundle_with_its_code() -> Result<()> {
    on_both(structure).await
}

pub(super) async fn binding(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let binding = yard.bad.binding;
    let other = Uuid::from_u128(7);
    let run = run_of(&mut yard.bad, 1, Chain::START);
    let phone = &yard.bad;
    let seal = |binding: &Binding| bundle::seal(&run, binding, |bytes| phone.sign(bytes));
    let protocol = cbor::encode(&(sync_protocol::PROTOCOL + 1, binding.deployment, binding.district));
    let rows = [
        ("district", seal(&Binding { district: DistrictId(other), ..binding }), Code::SignatureWrong),
        ("deployment", seal(&Binding { deployment: DeploymentId(other), ..binding }), Code::SignatureWrong),
        (
            "protocol",
            bundle::seal_payload(run.encode(), phone.device, &protocol, |bytes| phone.sign(bytes)),
            Code::SignatureWrong,
        ),
        (
            "no external data",
            bundle::seal_payload(run.encode(), phone.device, &[], |bytes| phone.sign(bytes)),
            Code::SignatureWrong,
        ),
    ];
    yard.refuses(&rows).await?;
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_for_another_protocol_deployment_or_district_is_wrong() -> Result<()> {
    on_both(binding).await
}

pub(super) async fn runs(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let stranger = DeviceId(Uuid::from_u128(0x77));
    let phone = &mut yard.bad;
    let plain = run_of(phone, 1, Chain::START);
    let mismatch = Run { device: stranger, ..plain.clone() };
    let zero = Run { first: 0, ..plain.clone() };
    let beyond = Run { first: u64::try_from(i64::MAX)?, ..plain.clone() };
    let start = Run { previous: Chain([9; 32]), ..plain.clone() };
    let empty = Run { operations: Vec::new(), ..plain.clone() };
    let unknown =
        bundle::seal(&Run { device: stranger, ..plain.clone() }, &phone.binding, |bytes| phone.sign(bytes));
    let mut no_string = plain.encode();
    no_string.push(0);
    let rows = [
        ("kid and device differ", signed(phone, mismatch.encode()), Code::DeviceMismatch),
        ("a device that is not enrolled", unknown, Code::DeviceUnknown),
        ("first 0", signed(phone, zero.encode()), Code::SequenceRange),
        ("beyond 63 bits", signed(phone, beyond.encode()), Code::SequenceRange),
        ("a start with another chain", signed(phone, start.encode()), Code::SequenceRange),
        ("no operations", signed(phone, empty.encode()), Code::BundleEmpty),
        ("no run", signed(phone, vec![0xa0]), Code::BundleShape),
        ("a payload that is no CBOR", signed(phone, vec![0x1c]), Code::CborMalformed),
        ("a payload with more after it", signed(phone, no_string), Code::CborTrailing),
    ];
    yard.refuses(&rows).await?;
    yard.server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_a_run_refuses_its_bundle_with_its_code() -> Result<()> {
    on_both(runs).await
}

pub(super) async fn kept(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let bundle = vec![0x81; 300];
    yard.refuses(&[("depth bomb", bundle.clone(), Code::CborTooDeep)]).await?;
    let kept: Vec<(String, Vec<u8>)> = yard.server.rows("SELECT code, bytes FROM refused").await?;
    ensure!(kept == [(Code::CborTooDeep.as_str().to_owned(), bundle)], "{kept:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_bundle_is_kept_with_its_reason_and_bytes() -> Result<()> {
    on_both(kept).await
}
