#!/usr/bin/env python3
"""A small Firebreak client, written from docs/protocol.md alone.

    client.py self-check --golden fixtures/golden --page docs/protocol.md
    client.py run --enrol 'firebreak:enrol?…' [--enrol-again 'firebreak:enrol?…']

`self-check` needs no server: it makes the golden bytes again from the page's example, and takes every golden file
apart, checks its signature and puts it together to the same bytes. `run` enrols, pushes and pulls, and checks each
answer against the page. Both print one line of JSON and end with status 1 where anything is not as the page says.
It keeps nothing on disk: it is a proof of the page, not an app.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROTOCOL = 1
SCHEMA = 1
CLIENT = "python-client/1"
START = bytes(32)
CURVE = ec.SECP256R1()
ES256 = ec.ECDSA(hashes.SHA256())


class Mismatch(Exception):
    """Something is not as the page says."""


def expect(condition, what):
    if not condition:
        raise Mismatch(what)


# ---- Encoding ----


def encode(value):
    """Deterministic CBOR. The values used here are integers, texts, bytes, lists, maps, booleans and None."""
    return cbor2.dumps(value, canonical=True)


def decode_sequence(body):
    """The items of a CBOR sequence that came whole."""
    stream = io.BytesIO(body)
    decoder = cbor2.CBORDecoder(stream)
    items = []
    while stream.tell() < len(body):
        try:
            items.append(decoder.decode())
        except cbor2.CBORDecodeEOF:
            break
    return items


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- Chain, runs, signatures ----


def next_chain(chain, operation):
    return sha256(chain + sha256(operation))


def head_of(operation):
    return sha256(operation)[:16]


def device_id(district, public):
    digest = bytearray(sha256(b"firebreak-device" + district + public)[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return bytes(digest)


def protected_header(kid):
    return encode({1: -7, 4: kid})


def sig_structure(protected, external_aad, payload):
    return encode(["Signature1", protected, external_aad, payload])


def sign(key, message):
    r, s = utils.decode_dss_signature(key.sign(message, ES256))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def is_signed_by(public, signature, message):
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public)
        point.verify(utils.encode_dss_signature(r, s), message, ES256)
    except InvalidSignature:
        return False
    return True


def seal(key, kid, external_aad, payload):
    protected = protected_header(kid)
    return encode([protected, {}, payload, sign(key, sig_structure(protected, external_aad, payload))])


def open_sealed(message, public, external_aad):
    """The payload of a signed message; fails where its signature does not hold."""
    protected, unprotected, payload, signature = cbor2.loads(message)
    expect(unprotected == {}, "the unprotected header is empty")
    header = cbor2.loads(protected)
    expect(sorted(header) == [1, 4] and header[1] == -7, "the protected header holds alg ES256 and kid alone")
    signed = sig_structure(protected, external_aad, payload)
    expect(is_signed_by(public, signature, signed), "the signature holds")
    return header[4], payload


def bundle_aad(deployment, district):
    return encode([PROTOCOL, deployment, district])


ENROL_AAD = encode(["firebreak-enrol", PROTOCOL])
CERTIFICATE_AAD = encode(["firebreak-certificate", PROTOCOL])


def public_bytes(key):
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


# ---- The device ----


class HttpError(Exception):
    def __init__(self, status, frames):
        super().__init__(f"status {status}: {frames}")
        self.status = status
        self.code = frames[0][1]["code"] if frames and frames[0][0] == "error" else None


class Device:
    """A key, a chain, the operations it made, and a copy of the records."""

    def __init__(self, enrol_uri):
        offer = urllib.parse.urlsplit(enrol_uri)
        expect((offer.scheme, offer.path) == ("firebreak", "enrol"), "an enrolment URI")
        offer = dict(urllib.parse.parse_qsl(offer.query, strict_parsing=True))
        self.address = offer["address"].rstrip("/")
        self.district = uuid.UUID(offer["district"]).bytes
        self.deployment = uuid.UUID(offer["deployment"]).bytes
        self.server_key = bytes.fromhex(offer["server_key"])
        self.key = ec.generate_private_key(CURVE)
        self.public = public_bytes(self.key)
        self.id = device_id(self.district, self.public)
        self.boot = os.urandom(16)
        self.operations = []
        self.chain = START
        self.records = {}
        self.cursor = self.epoch = self.areas = self.after = self.token = None
        self.acknowledged = []

    def http(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.address + path, data=body, headers=headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as reply:
                data = reply.read()
                is_gzip = reply.headers.get("Content-Encoding") == "gzip"
                return gzip.decompress(data) if is_gzip else data
        except urllib.error.HTTPError as error:
            raise HttpError(error.code, decode_sequence(error.read())) from None

    def enrol(self, code):
        request = {"key": self.public, "code": code, "client": CLIENT}
        body = seal(self.key, self.id, ENROL_AAD, encode(request))
        reply = cbor2.loads(self.http("POST", "/v1/enrol", body, {"Content-Type": "application/cbor"}))
        expect(reply["device"] == self.id, "the device id follows from the key")
        expect(reply["district"] == self.district, "the district is that of the code")
        expect(reply["deployment"] == self.deployment, "the deployment is that of the code")
        expect(reply["server_key"] == self.server_key, "the server's key is that of the code")
        _kid, payload = open_sealed(reply["certificate"], self.server_key, CERTIFICATE_AAD)
        certificate = cbor2.loads(payload)
        expect(certificate["key"] == self.public, "the certificate is for this key")
        expect(certificate["device"] == self.id, "the certificate is for this device")
        persons = [person["id"] for person in certificate["persons"]]
        expect(reply["person"] in persons, "the certificate names the person")
        self.token = reply["token"]
        return reply

    def stamp(self):
        stamp = {"wall_ms": time.time_ns() // 1_000_000, "boot": self.boot, "uptime_ms": uptime_ms()}
        if self.after:
            stamp["after_ms"], stamp["after_uptime_ms"] = self.after
        return stamp

    def record(self, kind, author, record=None, **parts):
        """Makes an operation, chains it, and gives its id and bytes."""
        own = uuid7()
        operation = {
            "id": own,
            "record": record or own,
            "kind": kind,
            "author": author,
            "at": self.stamp(),
            "schema": SCHEMA,
            **{name: value for name, value in parts.items() if value},
        }
        encoded = encode(operation)
        self.operations.append((self.chain, encoded))
        self.chain = next_chain(self.chain, encoded)
        return own, encoded

    def bundle(self, first, last):
        """Seals the operations of these numbers, both included."""
        run = {
            "device": self.id,
            "first": first,
            "previous": self.operations[first - 1][0],
            "operations": [encoded for _, encoded in self.operations[first - 1 : last]],
        }
        return seal(self.key, self.id, bundle_aad(self.deployment, self.district), encode(run))

    def header(self):
        header = {"protocol": PROTOCOL, "client": CLIENT, "sent": self.stamp()}
        if self.operations:
            header["head"] = {"chain": self.chain, "sequence": len(self.operations)}
        for key in ("epoch", "cursor", "areas", "acknowledged"):
            if getattr(self, key):
                header[key] = getattr(self, key)
        return header

    def sync(self, *bundles, encoding=None):
        """One request. Takes in the reply and gives its frames."""
        body = encode(self.header()) + b"".join(encode(bundle) for bundle in bundles)
        headers = {"Content-Type": "application/cbor-seq", "Accept-Encoding": "gzip"}
        if encoding == "gzip":
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        frames = decode_sequence(self.http("POST", "/v1/sync", body, headers))
        pending = []
        for name, content in frames:
            if name == "hello":
                self.epoch, self.after = content["epoch"], (content["server_ms"], uptime_ms())
            elif name in ("item", "leave"):
                pending.append((name, content))
            elif name == "cursor":
                self.take_in(pending)
                self.cursor = content["cursor"]
                if "progress" in content:
                    self.areas = {"version": (self.areas or {}).get("version", 0), "progress": content["progress"]}
            elif name == "areas":
                self.areas = {"version": content}
            elif name == "notice":
                self.acknowledged.append(content["id"])
        expect(frames[0][0] == "hello", "hello is the first frame")
        expect(frames[-1][0] == "end", "end is the last frame")
        self.take_in(pending)
        return frames

    def take_in(self, pending):
        for name, content in pending:
            if name == "leave":
                self.records.pop(content, None)
            elif content["collection"] == "records":
                self.records[content["record"]] = content["view"]
        pending.clear()

    def pull(self):
        """Pulls until there is no more."""
        items = 0
        while True:
            frames = self.sync()
            items += sum(name == "item" for name, _ in frames)
            if not frames[-1][1]["more"]:
                return items


def uptime_ms():
    return time.monotonic_ns() // 1_000_000


def uuid7():
    data = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    data[6] = (data[6] & 0x0F) | 0x70
    data[8] = (data[8] & 0x3F) | 0x80
    return bytes(data)


def bodies(frames, name):
    return [content for frame, content in frames if frame == name]


def shown(view, field):
    return view["fields"][field][0][0][1]


# ---- With a server ----


def enrol_code(uri):
    return bytes.fromhex(urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["code"][0])


def run(arguments):
    device = Device(arguments.enrol)
    code = enrol_code(arguments.enrol)
    person = device.enrol(code)["person"]
    expect(device.enrol(code)["device"] == device.id, "the same code and key again are the same device")
    if arguments.enrol_again:
        other = device.enrol(enrol_code(arguments.enrol_again))
        expect(other["person"] != person, "a code for another person binds that person to the same device")
    device.pull()

    fields = {
        "category": "corridor",
        "type": "tree",
        "severity": "serious",
        "position": {"lat_e7": 299_812_345, "lon_e7": 1_030_123_456, "accuracy_dm": 52},
        "description": "竹子距导线约一米",
        "canopy_gap_dm": [12, 9],
    }
    record, report = device.record("reported", person, fields=fields)
    device.record("commented", person, record, heads=[head_of(report)], fields={"text": "已拍照\n待复核"})
    bundle = device.bundle(1, 2)
    frames = device.sync(bundle)
    receipt = check_receipt(device, bodies(frames, "receipt"), bundle, 1, 2)
    expect(not receipt.get("exceptions"), f"nothing is wrong with the operations: {receipt}")
    again = bodies(device.sync(bundle), "receipt")
    expect(again == [receipt], "the same bundle again gets the same receipt")
    kept = device.http("GET", f"/v1/receipts/{sha256(bundle).hex()}")
    expect(kept == encode(receipt), "the receipt can be had again, byte for byte")

    device.pull()
    view = device.records.get(record)
    expect(view is not None, "the record comes back")
    expect(view["state"] == "reported" and view["record_type"] == "hazard", f"an open hazard: {view}")
    expect(shown(view, "severity") == view["severity"] == "serious", "its severity")
    expect(shown(view, "position") == fields["position"], "its position")
    expect(shown(view, "canopy_gap_dm") == [12, 9], "a field that the server does not know")
    expect(view["comments"] == 1, "its comment")
    expect(device.pull() == 0, "nothing comes twice")

    worse = {"severity": "critical"}
    device.record("observed", person, record, heads=sorted(view["heads"]), fields=worse)
    astray = {"position": {"lat_e7": 910_000_000, "lon_e7": 0}}
    device.record("reported", person, fields=astray)
    device.record("observed", person, record, heads=sorted(view["heads"]), fields={"remarks": "第二处"})
    broken = bytearray(device.bundle(3, 5))
    broken[-1] ^= 1
    good = device.bundle(3, 5)
    frames = device.sync(bytes(broken), good, encoding="gzip")
    refused = bodies(frames, "refused")
    expect([one["code"] for one in refused] == ["signature-wrong"], f"a wrong signature: {refused}")
    expect(refused[0]["bundle"] == sha256(bytes(broken)), "the refused bundle is named")
    receipt = check_receipt(device, bodies(frames, "receipt"), good, 3, 3)
    faults = [one for one in receipt["exceptions"] if one[1] == "quarantined"]
    expect(faults == [[1, "quarantined", "field-range"]], f"latitude 91 is quarantined alone: {receipt}")
    device.pull()
    expect(device.records[record]["severity"] == "critical", "the worse severity shows")
    expect(not [one for one in bodies(device.sync(), "missing") if one], "nothing is missing")
    check_errors(device)
    return {"ok": True, "device": uuid.UUID(bytes=device.id).urn[9:], "operations": len(device.operations)}


def check_receipt(device, receipts, bundle, first, count):
    expect(len(receipts) == 1, f"one receipt: {receipts}")
    receipt = receipts[0]
    expect(receipt["bundle"] == sha256(bundle), "the receipt names the bundle")
    expect(receipt["device"] == device.id, "the receipt names the device")
    expect((receipt["first"], receipt["count"]) == (first, count), "the receipt names the run")
    chain = START
    for _, operation in device.operations[: first + count - 1]:
        chain = next_chain(chain, operation)
    expect(receipt["chain"] == chain, "the receipt names the chain")
    return receipt


def check_errors(device):
    def fails(status, code, method, path, body=None, headers=None):
        try:
            device.http(method, path, body, headers)
        except HttpError as error:
            expect((error.status, error.code) == (status, code), f"{path}: {error}, not {status} {code}")
        else:
            raise Mismatch(f"{path} should answer {status} {code}")

    fails(404, "not-found", "GET", f"/v1/receipts/{bytes(32).hex()}")
    fails(400, "header-malformed", "POST", "/v1/sync", b"\xff")
    fails(400, "protocol-unsupported", "POST", "/v1/sync", encode({**device.header(), "protocol": 99}))
    fails(400, "enrol-malformed", "POST", "/v1/enrol", b"\x80", {"Content-Type": "application/cbor"})
    token, device.token = device.token, "no-such-token"
    fails(401, "unauthenticated", "POST", "/v1/sync", encode(device.header()))
    device.token = token


# ---- Without a server ----


def golden_key(name):
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()), "big"), CURVE)


def example_operation():
    """The operation of the page's worked example, from its diagnostic notation."""
    own = bytes.fromhex("019d7f504420774fa60f0ea306a3cf0c")
    return {
        "id": own,
        "record": own,
        "kind": "reported",
        "author": bytes.fromhex("644828eb59b142309c50c8aab6b2cd4b"),
        "schema": 1,
        "at": {
            "wall_ms": 1775957460000,
            "boot": bytes.fromhex("2b4cdfbb7fa8f10b79d983c2afdfc54f"),
            "uptime_ms": 7260000,
            "gps_ms": 1775957460412,
            "after_ms": 1775955600000,
            "after_uptime_ms": 5400000,
        },
        "fields": {
            "position": {
                "lat_e7": 299800000,
                "lon_e7": 1030100000,
                "accuracy_dm": 46,
                "altitude_dm": 14870,
                "fix_ms": 1775957457000,
                "datum": "gcj02",
                "original": "103.012493,29.977211",
            },
            "category": "corridor",
            "type": "tree",
            "severity": "serious",
            "description": "杉木距导线约两米，风大时可能碰线",
            "found_at_ms": 1775957400000,
            "township": "云顶",
            "line_name": "10kV云顶线",
            "structure_from": "N045",
            "structure_to": "N046",
            "species": "杉木",
            "tree_height_dm": 182,
            "vertical_dm": 21,
            "forest": True,
        },
        "photos": [
            {
                "sha256": bytes.fromhex("a926738b4396f914085cb42e200f3056ed8083577cb34dc01cb78647890f1337"),
                "bytes": 2310555,
                "role": "before",
            }
        ],
    }


def page_bytes(page):
    """Every block of hex digits on the page, joined."""
    blocks = re.findall(r"(?:^[0-9a-f]{2,96}\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {bytes.fromhex(block.replace("\n", "")) for block in blocks}


def self_check(arguments):
    golden = arguments.golden
    shown_on_page = page_bytes(arguments.page)
    keys = [golden_key("firebreak golden device"), golden_key("firebreak golden server")]
    reply = cbor2.loads((golden / "enrol-reply.cbor").read_bytes())
    deployment, district = reply["deployment"], reply["district"]
    publics = {device_id(district, public_bytes(key)): public_bytes(key) for key in keys}
    aad = bundle_aad(deployment, district)

    # The worked example, made again from nothing.
    device = device_id(district, public_bytes(keys[0]))
    expect(reply["device"] == device, "the device id follows from the key")
    operation = encode(example_operation())
    run_payload = encode({"device": device, "first": 1, "previous": START, "operations": [operation]})
    message = sig_structure(protected_header(device), aad, run_payload)
    bundle = (golden / "bundle-reported.cbor").read_bytes()
    request = (golden / "request.cbor").read_bytes()
    header = encode({"protocol": 1, "client": "golden/1", "sent": {"wall_ms": 1775958300000}})
    expect(operation in shown_on_page, "the operation is that of the page")
    expect(run_payload in shown_on_page, "the run is that of the page")
    expect(aad in shown_on_page, "the external_aad is that of the page")
    expect(message in shown_on_page, "the Sig_structure is that of the page")
    expect(bundle in shown_on_page, "the bundle is that of the page")
    expect((golden / "reply.cbor").read_bytes() in shown_on_page, "the reply is that of the page")
    expect(open_sealed(bundle, publics[device], aad) == (device, run_payload), "the bundle holds that run")
    expect(request == header + encode(bundle), "the request is header and bundle")
    expect(is_signed_by(publics[device], sign(keys[0], message), message), "a signature of one's own verifies")

    # Every golden bundle: signature, chain, and the same bytes again.
    chains = {}
    bundles = [path for path in golden.glob("bundle-*.cbor") if path.stem != "bundle-file"]
    runs = sorted((open_golden(path, publics, aad) for path in bundles), key=lambda run: run["first"])
    for one in runs:
        first, chain = chains.get(one["device"], (1, START))
        expect((one["first"], one["previous"]) == (first, chain), "the golden runs of a device are one chain")
        for operation in one["operations"]:
            expect(encode(cbor2.loads(operation)) == operation, "an operation encodes to the same bytes")
            first, chain = first + 1, next_chain(chain, operation)
        chains[one["device"]] = (first, chain)
    expect(len(chains) == 2, "one chain of the device's and one of the server's")
    for path in golden.glob("*.cbor"):
        data = path.read_bytes()
        expect(b"".join(map(encode, decode_sequence(data))) == data, f"{path.name} encodes to the same bytes")
    _kid, certificate = open_sealed(reply["certificate"], public_bytes(keys[1]), CERTIFICATE_AAD)
    expect(cbor2.loads(certificate)["key"] == public_bytes(keys[0]), "the certificate is for the device's key")
    _kid, enrol = open_sealed((golden / "enrol-request.cbor").read_bytes(), public_bytes(keys[0]), ENROL_AAD)
    expect(set(cbor2.loads(enrol)) == {"key", "code", "client"}, "the first enrolment names key, code and client")
    return {"ok": True, "bundles": len(bundles), "files": len(list(golden.glob("*.cbor")))}


def open_golden(path, publics, aad):
    message = path.read_bytes()
    kid = cbor2.loads(cbor2.loads(message)[0])[4]
    _kid, payload = open_sealed(message, publics[kid], aad)
    one = cbor2.loads(payload)
    expect(one["device"] == kid, f"{path.name}: kid and device agree")
    expect(encode(one) == payload, f"{path.name}: the run encodes to the same bytes")
    return one


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("self-check")
    check.add_argument("--golden", type=pathlib.Path, required=True)
    check.add_argument("--page", type=pathlib.Path, required=True)
    check.set_defaults(act=self_check)
    with_server = commands.add_parser("run")
    with_server.add_argument("--enrol", required=True, help="the text of the enrolment QR code")
    with_server.add_argument("--enrol-again", help="one for another person: a shared phone")
    with_server.set_defaults(act=run)
    arguments = parser.parse_args()
    try:
        print(json.dumps(arguments.act(arguments)))
    except Mismatch as mismatch:
        print(json.dumps({"ok": False, "expected": str(mismatch)}, ensure_ascii=False))
        sys.exit(1)


if __name__ == "__main__":
    main()
