"""The bytes of the wire, as docs/protocol.md has them: CBOR, signatures, chains, shapes of maps.

Start at `encode` and `sign`; `check_frame` is for what a server sends. No key is kept and nothing
is sent here: that is in phone.py.
"""

import hashlib
import io
import secrets
import time

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DEPTH, REPLY_DEPTH, LACKING, HEADS = 16, 24, 64, 64
OPENING = {"reported", "patrol_started", "work", "inspection", "activity"}
ENROL_AAD, CERTIFICATE_AAD = ["firebreak-enrol", 1], ["firebreak-certificate", 1]


class Unexpected(Exception):
    """Something is not as the page says; the text says what was expected."""


def expect(holds, what):
    """Stops the command unless `holds`."""
    if not holds:
        raise Unexpected(what)


# ---- CBOR ----


def encode(value):
    """Core deterministic encoding: cbor2 sorts text keys by length, then bytes, as it should."""
    return cbor2.dumps(value, canonical=True)


def check_plain(value, depth):
    """Only integers, strings, booleans, null, arrays and maps with text keys, not too deep."""
    plain = value is None or isinstance(value, (bool, int, str, bytes, list, dict))
    expect(plain, f"no {type(value).__name__} in CBOR")
    if isinstance(value, (list, dict)):
        expect(depth, "arrays and maps within the depth")
        expect(isinstance(value, list) or all(isinstance(key, str) for key in value), "text keys")
        for inner in value.values() if isinstance(value, dict) else value:
            check_plain(inner, depth - 1)


def split(data, depth=REPLY_DEPTH):
    """The items of a CBOR sequence. Encoding each again must give the bytes it came from."""
    items, at = [], 0
    while at < len(data):
        items.append(cbor2.CBORDecoder(io.BytesIO(data[at:])).decode())
        check_plain(items[-1], depth)
        expect(data.startswith(encode(items[-1]), at), "deterministic encoding")
        at += len(encode(items[-1]))
    return items


def decode(data, depth=REPLY_DEPTH):
    """The one item that `data` holds."""
    item, = split(data, depth)
    return item


# ---- Keys, signatures, chain ----


def sha256(*parts):
    """The hash of some bytes, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def head_of(operation):
    """The head of an encoded operation."""
    return sha256(operation)[:16]


def public_bytes(key):
    """The uncompressed point that belongs to a private key."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def as_uuid(made, version):
    """Marks 16 bytes as a UUID of this version."""
    marked = bytes([version << 4 | made[6] & 15, made[7], 0x80 | made[8] & 0x3F])
    return made[:6] + marked + made[9:]


def device_id(district, public):
    """The id of the device that has this key."""
    return as_uuid(sha256(b"firebreak-device", district, public)[:16], 8)


def uuid7():
    """A new id for an operation."""
    return as_uuid(int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10), 7)


def protected(kid):
    """The protected header: ES256 by this device."""
    return encode({1: -7, 4: kid})


def to_be_signed(head, aad, payload):
    """The Sig_structure; `aad` is the list that is the external_aad."""
    return encode(["Signature1", head, encode(aad), payload])


def sign(key, kid, aad, payload):
    """A COSE_Sign1 without its tag."""
    der = key.sign(to_be_signed(protected(kid), aad, payload), ec.ECDSA(SHA256()))
    signature = b"".join(half.to_bytes(32, "big") for half in utils.decode_dss_signature(der))
    return encode([protected(kid), {}, payload, signature])


def open_signed(data, keys, aad):
    """Verifies a COSE_Sign1 and gives (kid, payload); `keys` are the public keys by kid."""
    head, unprotected, payload, signature = decode(data, DEPTH)
    kid = head[5:]
    expect(unprotected == {} and len(signature) == 64, "[protected, {}, payload, 64 bytes]")
    expect(kid in keys and head == protected(kid), "ES256, a known kid and no other parameter")
    halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    der, message = utils.encode_dss_signature(*halves), to_be_signed(head, aad, payload)
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys[kid])
        point.verify(der, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise Unexpected("a signature that verifies") from None
    return kid, payload


def chain_on(chain, operations):
    """The chain value after some more encoded operations."""
    for operation in operations:
        chain = sha256(chain, sha256(operation))
    return chain


# ---- Shapes: the keys that a map needs, and those it may have; a number is a length in bytes ----

ID, HASH, KEY = 16, 32, 65
AT = ({"wall_ms": int}, {"boot": ID, "uptime_ms": int, "gps_ms": int, "after_ms": int,
                         "after_uptime_ms": int})
OPERATION = ({"id": ID, "record": ID, "kind": str, "author": ID, "at": dict, "schema": int},
             {"heads": list, "lacking": list, "fields": dict, "photos": list})
PHOTO = ({"role": str, "bytes": int, "sha256": HASH}, {})
RUN = ({"device": ID, "first": int, "previous": HASH, "operations": list}, {})
HEADER = ({"protocol": int, "client": str, "sent": dict},
          {"head": dict, "epoch": ID, "cursor": bytes, "areas": dict, "budget": int,
           "collections": list, "acknowledged": list})
CERTIFICATE = ({"key": KEY, "device": ID, "persons": list, "district": ID, "issued_ms": int,
                "deployment": ID}, {})
ENROLMENT = ({"key": KEY, "client": str}, {"code": ID, "continues": ID, "certificate": bytes})
ENROLLED = ({"token": str, "device": ID, "person": ID, "district": ID, "deployment": ID,
             "server_ms": int, "server_key": KEY, "certificate": bytes}, {})
RECEIPT = ({"bundle": HASH, "device": ID, "first": int, "count": int, "chain": HASH,
            "received_ms": int}, {"flags": list, "exceptions": list})
REFUSED = ({"bundle": HASH, "code": str, "zh": str, "en": str}, {})
NOTICE = ({"id": ID, "code": str, "at_ms": int, "person": ID},
          {"record": ID, "operation": ID, "field": str})
HELLO = ({"epoch": ID, "district": ID, "protocol": int, "server_ms": int, "deployment": ID}, {})
RECORD = ({"collection": str, "record": ID, "change": int, "view": dict}, {"abridged": dict})
# Each frame's place in a reply (frames of one place may be mixed) and the shape of its body.
FRAMES = {
    "hello": (0, HELLO), "receipt": (1, RECEIPT), "refused": (2, REFUSED), "notice": (3, NOTICE),
    "leave": (4, ID), "areas": (4, int), "item": (4, RECORD), "missing": (5, list),
    "cursor": (4, ({"cursor": bytes}, {"progress": bytes})), "photos": (6, list),
    "end": (7, ({"more": bool, "server_ms": int}, {"safe_through": int})),
    "error": (8, ({"code": str, "zh": str, "en": str}, {})),
}


def fits(value, kind):
    """Whether a value is of a type (a bool is no integer), or a byte string of a length."""
    if isinstance(kind, int):
        return type(value) is bytes and len(value) == kind
    return type(value) is kind


def check_shape(value, shape, name):
    """Checks the keys that a map must and may have; keys that are not known are passed over."""
    if not isinstance(shape, tuple):
        expect(fits(value, shape), f"{name} of the right type")
        return
    needed, optional = shape
    expect(isinstance(value, dict), f"{name} as a map")
    for key, kind in {**needed, **optional}.items():
        expect(key in value or key in optional, f"{name} with {key}")
        expect(key not in value or fits(value[key], kind), f"{name}.{key} of the right type")
        is_empty = key in optional and value.get(key) in ([], {})
        expect(not is_empty, f"{name}.{key} absent rather than empty")


def check_operation(data):
    """Takes one encoded operation apart."""
    operation = decode(data, DEPTH)
    check_shape(operation, OPERATION, "operation")
    check_shape(operation["at"], AT, "at")
    for photo in operation.get("photos", []):
        check_shape(photo, PHOTO, "photo")
    if operation["kind"] in OPENING:
        is_alone = operation["id"] == operation["record"] and "heads" not in operation
        expect(is_alone, "an opening operation that opens its own record and names no heads")
    for named in (operation.get("heads", []), operation.get("lacking", [])):
        expect(named == sorted(set(named)), "heads ascending, no two equal")


def check_view(view):
    """A view refers to its writers by index, and lists them and its heads in order."""
    writers = [head for head, _, _ in view.get("writers", [])]
    for heads in (writers, view.get("heads", []), view.get("missing", []), view.get("given_up", [])):
        expect(heads == sorted(set(heads)), "heads of a view ascending, no two equal")
    indices = [value[0] for field in view.get("fields", {}).values() for value in field[0]]
    for part in ("dangers", "unanswered", "held"):
        indices += view.get(part, [])
    for part in ("acts", "stage", "dispositions"):
        indices += [entry[0] for entry in view.get(part, [])]
    expect(all(0 <= index < len(writers) for index in indices), "indices into writers")
    acts = [[type(place) for place in act] for act in view.get("acts", [])]
    expect(all(act == [int, str, bool, bool, bool, list] for act in acts), "acts of six places")


def check_frame(frame):
    """Checks one frame, [name, body], by its name; a name that is not known is passed over."""
    name, body = frame
    if name in FRAMES:
        check_shape(body, FRAMES[name][1], name)
    if name == "item" and body["collection"] == "records":
        check_view(body["view"])
    expect(name not in ("missing", "photos") or body, f"{name} absent rather than empty")
    expect(name != "cursor" or 0 < len(body["cursor"]) <= 64, "a cursor of at most 64 bytes")
