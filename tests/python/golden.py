"""The page's worked example made again from nothing, and every golden file taken apart.

`self_check` is the whole of it; no server is needed.
"""

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

import wire
from wire import decode, encode, expect, head_of, sha256, split

# The status of each code that `run` provokes; self-check compares it with the page's table.
STATUS = {
    "encoding-unsupported": 415, "encoding-broken": 400, "header-malformed": 400,
    "protocol-unsupported": 400, "cursor-invalid": 400, "unauthenticated": 401,
    "enrol-code-invalid": 403, "enrol-code-used": 409, "enrol-malformed": 400,
    "not-found": 404, "bad-parameter": 400, "method-not-allowed": 405,
}


def golden_key(who):
    """The private key of the golden files' device or server."""
    return ec.derive_private_key(
        int.from_bytes(sha256(f"firebreak golden {who}".encode()), "big"), ec.SECP256R1())


def example_operation():
    """The report of the page's worked example."""
    record, boot, author, photo = map(bytes.fromhex, (
        "019d7f504420774fa60f0ea306a3cf0c", "2b4cdfbb7fa8f10b79d983c2afdfc54f",
        "644828eb59b142309c50c8aab6b2cd4b",
        "a926738b4396f914085cb42e200f3056ed8083577cb34dc01cb78647890f1337"))
    at = {"wall_ms": 1775957460000, "gps_ms": 1775957460412, "uptime_ms": 7260000,
          "after_ms": 1775955600000, "after_uptime_ms": 5400000, "boot": boot}
    position = {"lat_e7": 299800000, "lon_e7": 1030100000, "accuracy_dm": 46,
                "altitude_dm": 14870, "fix_ms": 1775957457000, "datum": "gcj02",
                "original": "103.012493,29.977211"}
    fields = {"category": "corridor", "type": "tree", "severity": "serious", "forest": True,
              "position": position, "species": "杉木", "township": "云顶", "vertical_dm": 21,
              "line_name": "10kV云顶线", "structure_from": "N045", "structure_to": "N046",
              "tree_height_dm": 182, "found_at_ms": 1775957400000,
              "description": "杉木距导线约两米，风大时可能碰线"}
    return {"id": record, "record": record, "kind": "reported", "schema": 1, "at": at,
            "fields": fields, "author": author,
            "photos": [{"role": "before", "bytes": 2310555, "sha256": photo}]}


def page_example(page):
    """The worked example's hexadecimal paragraphs, and its named values."""
    fenced = "\n\n".join(page.split("<!-- begin example")[1].split("```")[1::2])
    blocks = [re.sub(r"\s", "", paragraph) for paragraph in re.split(r"\n\s*\n", fenced)]
    blocks = [bytes.fromhex(block) for block in blocks if re.fullmatch("([0-9a-f]{2})+", block)]
    values = re.findall(r"^([a-z(][a-z0-9() ]*?) +([0-9a-f]{32,})$", fenced, re.M)
    return blocks, {name: bytes.fromhex(value) for name, value in values}


def check_example(page, golden):
    """Makes the worked example from nothing and compares it with the page and the golden files."""
    (operation, payload, aad, signed, bundle, request_start, reply), named = page_example(page)
    key, district, deployment = golden_key("device"), named["district"], named["deployment"]
    public, aad_made = wire.public_bytes(key), [1, deployment, district]
    device, made = wire.device_id(district, public), encode(example_operation())
    run_made = encode({"device": device, "first": 1, "previous": bytes(32), "operations": [made]})
    header = {"protocol": 1, "client": "golden/1", "sent": {"wall_ms": 1775958300000}}
    whole = encode([wire.protected(device), {}, run_made, bundle[-64:]])
    request = encode(header) + encode(whole)
    for what, ours, theirs in [
        ("public key", public, named["key"]), ("device id", device, named["device id"]),
        ("operation", made, operation), ("identity", sha256(made), named["identity"]),
        ("head", head_of(made), named["head"]), ("run", run_made, payload),
        ("chain", wire.chain_on(bytes(32), [made]), named["chain(1)"]),
        ("external_aad", encode(aad_made), aad), ("bundle", whole, bundle),
        ("Sig_structure", wire.to_be_signed(wire.protected(device), aad_made, run_made), signed),
        ("request header", request[:-len(bundle)], request_start),
        ("golden bundle", whole, golden["bundle-reported"]), ("reply", golden["reply"], reply),
        ("golden request", request, golden["request"]),
        ("golden header", encode(header), golden["request-header-first"]),
    ]:
        expect(ours == theirs, f"the example's {what}, byte for byte")
    expect(f"SHA-256, `{sha256(bundle).hex()}`" in page, "the hash of the example's bundle")
    for signature in (bundle, wire.sign(key, device, aad_made, run_made)):
        opened = wire.open_signed(signature, {device: public}, aad_made)
        expect(opened == (device, run_made), "the example's run, signed")
    for code, status in STATUS.items():
        expect(f"| `{code}` | {status} |" in page, f"status {status} for {code} in the page")
    return deployment, district


class Golden:
    """Reads each golden file by the first word of its name, and collects the runs of bundles."""

    def __init__(self, deployment, district):
        points = [wire.public_bytes(golden_key(who)) for who in ("device", "server")]
        self.device, self.server = (wire.device_id(district, point) for point in points)
        self.keys = dict(zip((self.device, self.server), points))
        self.aad = [1, deployment, district]
        self.runs = {}

    def bundle(self, data):
        """A bundle: a run of whoever signed it."""
        kid, payload = wire.open_signed(data, self.keys, self.aad)
        one = decode(payload, wire.DEPTH)
        wire.check_shape(one, wire.RUN, "run")
        expect(one["device"] == kid and one["operations"], "a run of the device that signed")
        for operation in one["operations"]:
            wire.check_operation(operation)
        self.runs.setdefault(kid, {})[one["first"]] = one

    def certificate(self, data):
        """The device's certificate, by the server."""
        kid, payload = wire.open_signed(data, self.keys, wire.CERTIFICATE_AAD)
        wire.check_shape(decode(payload), wire.CERTIFICATE, "certificate")
        is_ours = kid == self.server and decode(payload)["key"] == self.keys[self.device]
        expect(is_ours, "the device's certificate, by the server")

    def enrolment(self, data):
        """A request to enrol."""
        kid, payload = wire.open_signed(data, self.keys, wire.ENROL_AAD)
        body = decode(payload)
        wire.check_shape(body, wire.ENROLMENT, "enrolment")
        is_one = ("code" in body) != ("certificate" in body)
        expect(kid == self.device and is_one, "a code or a certificate, by the device")
        if "certificate" in body:
            self.certificate(body["certificate"])

    def enrolled(self, data):
        """The reply to an enrolment."""
        wire.check_shape(decode(data), wire.ENROLLED, "enrolment reply")
        self.certificate(decode(data)["certificate"])

    def sequence(self, data):
        """Headers, bundles in byte strings, and frames."""
        for item in split(data):
            if isinstance(item, dict):
                wire.check_shape(item, wire.HEADER, "header")
            elif isinstance(item, bytes):
                self.bundle(item)
            else:
                wire.check_frame(item)

    def read(self, name, data):
        """Reads one file."""
        readers = {
            "bundle-file": self.sequence, "enrol-reply": self.enrolled, "bundle": self.bundle,
            "certificate": self.certificate, "enrol": self.enrolment, "request": self.sequence,
            "frame": self.sequence, "reply": self.sequence,
            "view": lambda data: wire.check_view(decode(data)),
            "receipt": lambda data: wire.check_shape(decode(data), wire.RECEIPT, "receipt"),
        }
        again = b"".join(encode(value) for value in split(data))
        expect(again == data, "the same bytes when encoded again")
        (readers.get(name) or readers[name.split("-")[0]])(data)

    def check_chains(self):
        """The bundles of each signer, in order, are one chain."""
        for runs in self.runs.values():
            number, chain = 1, bytes(32)
            for first, one in sorted(runs.items()):
                expect((first, one["previous"]) == (number, chain), "bundles that form one chain")
                number += len(one["operations"])
                chain = wire.chain_on(chain, one["operations"])


def self_check(folder, page_file):
    """Checks the page's example and every golden file."""
    files = {path.stem: path.read_bytes() for path in sorted(Path(folder).glob("*.cbor"))}
    golden = Golden(*check_example(Path(page_file).read_text("utf-8"), files))
    for name, data in files.items():
        try:
            golden.read(name, data)
        except wire.Unexpected as fault:
            raise wire.Unexpected(f"in golden {name}: {fault}") from None
    golden.check_chains()
    bundles = [name for name in files if name.startswith("bundle-") and name != "bundle-file"]
    return {"ok": True, "bundles": len(bundles), "files": len(files)}
