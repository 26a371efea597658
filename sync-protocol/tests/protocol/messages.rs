//! Golden messages beside the bundles: enrolment, request, frames of the reply, a receipt, a view.

use std::collections::BTreeMap;

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::{self, Raw};
use sync_protocol::codes::Code;
use sync_protocol::enrolment::{self, Bearer, Certificate};
use sync_protocol::exchange::{
    self, AreaState, ChainHead, Cursor, End, ErrorBody, Frame, Hello, Item, Notice, Receipt, Refused,
    RequestHeader,
};
use sync_protocol::ids::{BundleHash, NoticeId, PersonId, RecordId, sha256};
use sync_protocol::operation::Stamp;
use sync_protocol::view::{Disposition, Omitted};

use crate::files;
use crate::keys::{self, Key};
use crate::references;
use crate::story::{self, BEGIN_MS, binding, head_of, inspector, photo, raw, reviewer};
use crate::views::{view, view_with_every_part};

/// The committed bytes of a golden bundle.
pub(crate) fn bundle_bytes(name: &str) -> Vec<u8> {
    let golden = story::bundle(name);
    files::golden(name, || bundle::seal(&golden.run, &binding(), |message| golden.key.sign(message)))
}

/// What a new key asks for.
pub(crate) fn enrol_request() -> enrolment::Request {
    enrolment::Request {
        key: Key::Device.point(),
        code: Some(sha256(b"firebreak golden code")[..16].to_vec()),
        client: "golden/1".into(),
        continues: None,
        certificate: None,
    }
}

/// What the server certifies.
pub(crate) fn certificate() -> Certificate {
    Certificate {
        key: Key::Device.point(),
        device: Key::Device.device(),
        persons: vec![Bearer { id: inspector(), name: "巡线员".into() }],
        district: binding().district,
        issued_ms: BEGIN_MS - 86_400_000,
        deployment: binding().deployment,
    }
}

/// The same key again after a server was restored.
pub(crate) fn enrol_again(certificate: Vec<u8>) -> enrolment::Request {
    enrolment::Request {
        code: None,
        continues: Some(story::named("old device").into()),
        certificate: Some(certificate),
        ..enrol_request()
    }
}

/// What the new device gets.
pub(crate) fn enrol_reply(certificate: Vec<u8>) -> enrolment::Reply {
    enrolment::Reply {
        token: "golden-device-token".into(),
        device: Key::Device.device(),
        person: inspector(),
        district: binding().district,
        server_ms: BEGIN_MS - 86_400_000,
        deployment: binding().deployment,
        server_key: Key::Server.point(),
        certificate,
    }
}

fn epoch() -> Vec<u8> {
    story::named("epoch").as_bytes().to_vec()
}

fn first_run() -> Run {
    story::bundle("bundle-reported").run
}

/// A header with every key.
pub(crate) fn header() -> RequestHeader {
    RequestHeader {
        head: Some(ChainHead { chain: first_run().chain(), sequence: 1 }),
        sent: Stamp {
            boot: Some(*sha256(b"firebreak golden boot").first_chunk().unwrap()),
            wall_ms: BEGIN_MS + 900_000,
            uptime_ms: Some(8_100_000),
            after_ms: Some(BEGIN_MS - 1_800_000),
            after_uptime_ms: Some(5_400_000),
            gps_ms: None,
        },
        areas: Some(AreaState { version: 3, progress: Some(vec![0, 0, 0, 9]) }),
        epoch: Some(epoch()),
        budget: Some(65_536),
        client: "golden/1".into(),
        cursor: Some(vec![1, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1]),
        protocol: 1,
        collections: vec!["records".into(), "people".into()],
        acknowledged: vec![notice().id],
    }
}

/// The first header of a device that has nothing yet.
pub(crate) fn first_header() -> RequestHeader {
    RequestHeader {
        head: None,
        sent: Stamp { wall_ms: BEGIN_MS + 900_000, ..Stamp::default() },
        areas: None,
        epoch: None,
        budget: None,
        client: "golden/1".into(),
        cursor: None,
        protocol: 1,
        collections: Vec::new(),
        acknowledged: Vec::new(),
    }
}

/// The request of the worked example: header and one bundle.
pub(crate) fn request() -> Vec<u8> {
    exchange::encode_request(&first_header(), &[bundle_bytes("bundle-reported")])
}

/// The receipt of the first bundle.
pub(crate) fn receipt() -> Receipt {
    let run = first_run();
    Receipt {
        chain: run.chain(),
        count: 1,
        first: 1,
        flags: Vec::new(),
        bundle: BundleHash::of(&bundle_bytes("bundle-reported")),
        device: run.device,
        exceptions: Vec::new(),
        received_ms: BEGIN_MS + 901_500,
    }
}

/// A receipt with flags and exceptions.
pub(crate) fn receipt_with_exceptions() -> Receipt {
    let run = story::bundle("bundle-later").run;
    Receipt {
        chain: run.chain(),
        count: 2,
        first: run.first,
        flags: vec![(0, Code::FlagNoPhoto.to_string())],
        bundle: BundleHash::of(&bundle_bytes("bundle-later")),
        device: run.device,
        exceptions: vec![
            (0, Disposition::Quarantined.as_str().into(), Some(Code::FieldRange.to_string())),
            (1, Disposition::Held.as_str().into(), None),
        ],
        received_ms: BEGIN_MS + 5_901_500,
    }
}

fn notice() -> Notice {
    Notice {
        id: NoticeId(*sha256(b"firebreak golden notice").first_chunk().unwrap()),
        code: Code::NoticeOverridden.to_string(),
        field: Some("severity".into()),
        at_ms: BEGIN_MS + 902_000,
        person: inspector(),
        record: Some(story::hazard()),
        operation: Some(head_of("bundle-reported")),
        yours: Some(raw(&"serious")),
        shown: Some(raw(&"critical")),
    }
}

fn plain_notice() -> Notice {
    Notice {
        code: Code::NoticeReEnrol.to_string(),
        field: None,
        record: None,
        operation: None,
        yours: None,
        shown: None,
        ..notice()
    }
}

/// Every frame, each under its golden name.
pub(crate) fn frames() -> Vec<(&'static str, Frame)> {
    let hello = Hello {
        epoch: epoch(),
        district: binding().district,
        protocol: 1,
        server_ms: BEGIN_MS + 901_200,
        deployment: binding().deployment,
    };
    let refused = Refused {
        en: Code::SignatureWrong.en().into(),
        zh: Code::SignatureWrong.zh().into(),
        code: Code::SignatureWrong.to_string(),
        bundle: BundleHash::of(b"firebreak golden refused"),
    };
    let error = ErrorBody {
        en: Code::StorageFull.en().into(),
        zh: Code::StorageFull.zh().into(),
        code: Code::StorageFull.to_string(),
    };
    let end = End { more: false, server_ms: BEGIN_MS + 901_900, safe_through: None };
    vec![
        ("frame-hello", Frame::Hello(hello)),
        ("frame-receipt", Frame::Receipt(raw(&receipt()))),
        ("frame-receipt-exceptions", Frame::Receipt(raw(&receipt_with_exceptions()))),
        ("frame-refused", Frame::Refused(refused)),
        ("frame-notice", Frame::Notice(notice())),
        ("frame-notice-plain", Frame::Notice(plain_notice())),
        ("frame-leave", Frame::Leave(RecordId(story::numbered(700)))),
        ("frame-item", Frame::Item(item("records", story::hazard(), Raw::from_checked(&view().encode())))),
        ("frame-item-abridged", Frame::Item(abridged_item())),
        ("frame-item-person", Frame::Item(item("people", RecordId(reviewer().0), person(reviewer())))),
        ("frame-item-line", Frame::Item(item("grid", RecordId(story::numbered(801)), reference("line")))),
        (
            "frame-item-structure",
            Frame::Item(item("grid", RecordId(story::numbered(802)), reference("structure"))),
        ),
        (
            "frame-item-region",
            Frame::Item(item("areas", RecordId(story::numbered(803)), reference("region"))),
        ),
        (
            "frame-cursor",
            Frame::Cursor(Cursor { cursor: vec![1, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 1], progress: None }),
        ),
        (
            "frame-cursor-progress",
            Frame::Cursor(Cursor { cursor: vec![1], progress: Some(vec![0, 0, 0, 10]) }),
        ),
        ("frame-areas", Frame::Areas(4)),
        ("frame-missing", Frame::Missing(vec![(2, 4), (9, 9)])),
        ("frame-photos", Frame::Photos(vec![photo("before")])),
        ("frame-end", Frame::End(end.clone())),
        ("frame-end-more", Frame::End(End { more: true, safe_through: Some(1), ..end })),
        ("frame-error", Frame::Error(error)),
        ("frame-later", Frame::Unknown("bulletin".into())),
    ]
}

fn item(collection: &str, record: RecordId, view: Raw) -> Item {
    Item { collection: collection.into(), record, change: 8, view, abridged: Omitted::new() }
}

/// A view without what was too much: the township's other value, its conflict's reason to be looked up.
fn abridged_item() -> Item {
    let mut view = view_with_every_part();
    if let Some(township) = view.fields.get_mut("township") {
        (township.values, township.base) = (township.values[..1].into(), None);
    }
    let abridged = Omitted::from([("values".to_owned(), 1), ("heads".to_owned(), 900)]);
    Item { abridged, ..item("records", story::hazard(), Raw::from_checked(&view.encode())) }
}

fn reference(name: &str) -> Raw {
    let found = references::all().into_iter().find(|(known, _)| *known == name);
    Raw::from_checked(&found.map(|(_, view)| view.encode()).unwrap_or_default())
}

fn person(id: PersonId) -> Raw {
    raw(&BTreeMap::from([("name", if id == reviewer() { "审核员" } else { "巡线员" })]))
}

/// The reply of the worked example.
pub(crate) fn reply() -> Vec<u8> {
    let frames: BTreeMap<&str, Frame> = frames().into_iter().collect();
    ["frame-hello", "frame-receipt", "frame-item", "frame-cursor", "frame-photos", "frame-end"]
        .iter()
        .flat_map(|name| frames[name].encode())
        .collect()
}

/// The golden messages that are one signed item: name, payload, who signs, external data.
pub(crate) fn signed() -> Vec<(&'static str, Vec<u8>, Key, Vec<u8>)> {
    let certificate = certificate_bytes();
    vec![
        ("certificate", cbor::encode(&self::certificate()), Key::Server, enrolment::certificate_aad()),
        ("enrol-request", cbor::encode(&enrol_request()), Key::Device, enrolment::request_aad()),
        ("enrol-again", cbor::encode(&enrol_again(certificate)), Key::Device, enrolment::request_aad()),
    ]
}

/// The committed bytes of a golden message that is signed. Its `kid` is the device of the key that signs.
pub(crate) fn signed_bytes(name: &str, payload: Vec<u8>, key: Key, aad: &[u8]) -> Vec<u8> {
    files::golden(name, || bundle::seal_payload(payload, key.device(), aad, |message| key.sign(message)))
}

/// The committed certificate.
pub(crate) fn certificate_bytes() -> Vec<u8> {
    signed_bytes("certificate", cbor::encode(&certificate()), Key::Server, &enrolment::certificate_aad())
}

/// The golden messages that are not signed as a whole: name and bytes.
pub(crate) fn unsigned() -> Vec<(&'static str, Vec<u8>)> {
    let mut messages: Vec<_> = frames().into_iter().map(|(name, frame)| (name, frame.encode())).collect();
    let mut file = Vec::new();
    for name in ["bundle-reported", "bundle-observed"] {
        cbor::write_byte_string(&mut file, &bundle_bytes(name));
    }
    messages.extend([
        ("request-header", cbor::encode(&header())),
        ("request-header-first", cbor::encode(&first_header())),
        ("request", request()),
        ("reply", reply()),
        ("receipt", cbor::encode(&receipt())),
        ("view", view().encode()),
        ("view-every-part", view_with_every_part().encode()),
        ("enrol-reply", cbor::encode(&enrol_reply(certificate_bytes()))),
        ("bundle-file", file),
    ]);
    messages
}

/// The bytes that the device's golden signatures are made over, of a golden file.
pub(crate) fn signed_over(bytes: &[u8], aad: &[u8]) -> Vec<u8> {
    let mut signed_over = Vec::new();
    let opened = bundle::open(bytes).unwrap();
    let _payload = opened.verify(aad, |_signature, message| {
        signed_over = message.to_vec();
        true
    });
    signed_over
}

/// What is bound into bundles.
pub(crate) fn bundle_aad() -> Vec<u8> {
    keys::aad()
}
