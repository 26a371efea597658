"""One phone: what it keeps, what it sends, and how it takes a reply in. Start at `Phone.sync`."""

import gzip
import secrets
import time
import uuid
from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

import wire
from wire import decode, encode, expect, head_of, sha256, split

CLIENT = "python-client/2"
SEQUENCE, ITEM, OFFICE = "application/cbor-seq", "application/cbor", "application/problem+json"


def read_offer(text):
    """The named values of a QR code's text."""
    start, _, query = text.partition("?")
    expect(start == "firebreak:enrol", "an offer firebreak:enrol?…")
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: unquote(value) for name, _, value in pairs}


def bodies(frames, name):
    """The bodies of the frames of this name."""
    return [body for n, body in frames if n == name]


class Phone:
    """One device: its key, its numbered operations, and its copy of the records."""

    def __init__(self):
        self.key, self.boot = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.token = self.epoch = self.cursor = self.progress = self.areas = None
        self.chain, self.after = bytes(32), {}
        self.operations = []  # all of ours, encoded, in the order of their numbers
        self.own = {}  # of those, by record: (head, the heads it names)
        self.records = {}  # by record: the view as last received
        self.received, self.seen = set(), set()  # before, and after, an end without more
        self.quarantined = set()  # heads of which a receipt says so

    def http(self, method, path, body=None, token=None, **headers):
        """One request; gives (status, body, Content-Type), the body decompressed."""
        url = urlsplit(self.address)
        expect(url.scheme == "http", "an address without TLS: this client checks no pin")
        link = HTTPConnection(url.netloc, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.update({"Authorization": f"Bearer {token}"} if token else {})
        link.request(method, url.path.rstrip("/") + path, body, headers)
        reply = link.getresponse()
        data = reply.read()
        self.encoding = reply.getheader("Content-Encoding")
        if self.encoding == "gzip":
            data = gzip.decompress(data)
        return reply.status, data, reply.getheader("Content-Type")

    def now(self):
        """A time stamp: what our clocks say, and the last reply that we hold."""
        uptime = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
        wall = int(time.time() * 1000)
        return {"wall_ms": wall, "boot": self.boot, "uptime_ms": uptime, **self.after}

    def enrolment(self, offer):
        """The signed body of an enrolment."""
        public, district = wire.public_bytes(self.key), uuid.UUID(offer["district"]).bytes
        body = {"key": public, "code": bytes.fromhex(offer["code"]), "client": CLIENT}
        return wire.sign(self.key, wire.device_id(district, public), wire.ENROL_AAD, encode(body))

    def enrol(self, text):
        """Binds this phone to the person of an offer; gives (that person, all persons of it)."""
        offer = read_offer(text)
        self.address = offer["address"]
        body = self.enrolment(offer)
        status, data, kind = self.http("POST", "/v1/enrol", body, Content_Type=ITEM)
        expect((status, kind) == (200, ITEM), f"an enrolment, not {status} {kind}")
        reply = decode(data)
        wire.check_shape(reply, wire.ENROLLED, "enrolment reply")
        district, public = uuid.UUID(offer["district"]).bytes, wire.public_bytes(self.key)
        ours = {"key": public, "device": wire.device_id(district, public), "district": district,
                "deployment": uuid.UUID(offer["deployment"]).bytes}
        key = reply["server_key"]
        expect(key.hex() == offer["server_key"].lower(), "the server's key of the offer")
        keys = {wire.device_id(district, key): key}
        certificate = decode(wire.open_signed(reply["certificate"], keys, wire.CERTIFICATE_AAD)[1])
        wire.check_shape(certificate, wire.CERTIFICATE, "certificate")
        for name, value in ours.items():
            expect(certificate[name] == value == reply.get(name, value), f"our {name}")
        persons = {person["id"] for person in certificate["persons"]}
        expect(reply["person"] in persons, "the person in the certificate")
        expect(self.token in (None, reply["token"]), "the same token for the same key")
        self.token, self.device = reply["token"], ours["device"]
        self.aad = [1, ours["deployment"], district]
        return reply["person"], persons

    def heads(self, record):
        """What the next operation on a record names: (heads, lacking), as the page's steps say."""
        view, own = self.records.get(record), self.own.get(record, [])
        seen, view = (set(), {}) if view is None else (self.seen, view)
        missing = view.get("missing", [])
        if len(missing) > wire.LACKING:
            return [], []
        heads = set(view.get("heads", []))
        known = heads | {head for head, _, _ in view.get("writers", [])} | seen
        for head, named in reversed(own):
            known.update(named if head in known else ())
        for head, named in own:
            if head not in known | self.quarantined:
                heads = heads - set(named) | {head}
        return sorted(heads)[:wire.HEADS], missing

    def operation(self, kind, author, fields, record=None):
        """Encodes one operation, for good; gives (its record, its bytes)."""
        made = {"id": wire.uuid7(), "kind": kind, "author": author, "at": self.now(), "schema": 1,
                "fields": fields}
        made["record"] = record or made["id"]
        heads, lacking = ([], []) if kind in wire.OPENING else self.heads(record)
        made.update({"heads": heads, "lacking": lacking})
        data = encode({key: value for key, value in made.items() if value not in ([], {})})
        wire.check_operation(data)
        self.own.setdefault(made["record"], []).append((head_of(data), heads))
        return made["record"], data

    def bundle(self, *operations):
        """Numbers and signs operations as our next run."""
        run_made = {"device": self.device, "first": len(self.operations) + 1,
                    "previous": self.chain, "operations": operations}
        self.chain = wire.chain_on(self.chain, operations)
        self.operations += operations
        return wire.sign(self.key, self.device, self.aad, encode(run_made))

    def header(self, **changes):
        """The header of a request; `changes` set keys, or leave them out where None."""
        areas = {"version": self.areas, "progress": self.progress}
        header = {"protocol": 1, "client": CLIENT, "sent": self.now(), "epoch": self.epoch,
                  "cursor": self.cursor, "collections": ["records", "people", "areas", "grid"],
                  "areas": {key: held for key, held in areas.items() if held is not None}}
        if self.operations:
            header["head"] = {"sequence": len(self.operations), "chain": self.chain}
        header.update(changes)
        return {key: value for key, value in header.items() if value not in (None, {}, [])}

    def sync(self, *bundles, zipped=False, **changes):
        """Pushes and pulls; gives the reply's frames after checking and storing them."""
        body = encode(self.header(**changes)) + b"".join(encode(bundle) for bundle in bundles)
        headers = {"Content_Type": SEQUENCE}
        if zipped:
            body = gzip.compress(body)
            headers.update({"Accept_Encoding": "gzip", "Content_Encoding": "gzip"})
        status, data, kind = self.http("POST", "/v1/sync", body, self.token, **headers)
        expect((status, kind) == (200, SEQUENCE), f"a sync, not {status} {kind}")
        frames = [frame for frame in split(data) if frame[0] in wire.FRAMES]
        for frame in frames:
            wire.check_frame(frame)
        self.check_reply(frames, [sha256(bundle) for bundle in bundles])
        for name, body in frames:
            self.store(name, body)
        return frames

    def check_reply(self, frames, sent):
        """The order of a whole reply, and that it answers each bundle once."""
        names = [name for name, _ in frames]
        expect(names[0] == "hello" and names[-1] == "end", "hello first and end last")
        places = [wire.FRAMES[name][0] for name in names]
        expect(places == sorted(places), f"the frames in the page's order, not {names}")
        hello, (_, deployment, district) = frames[0][1], self.aad
        ours = {"district": district, "deployment": deployment, "protocol": 1,
                "epoch": self.epoch or hello["epoch"]}
        expect(ours.items() <= hello.items(), "our district and deployment, and the epoch we hold")
        expect(frames[-1][1]["server_ms"] >= hello["server_ms"], "an end not before hello")
        receipts = [body["bundle"] for body in bodies(frames, "receipt")]
        answers = receipts + [body["bundle"] for body in bodies(frames, "refused")]
        expect(sorted(answers) == sorted(sent), "one receipt or refusal for each bundle")
        in_order = [bundle for bundle in sent if bundle in receipts]
        expect(receipts == in_order, "receipts in the order of the bundles")
        after = names[len(names) - names[::-1].index("item"):] if "item" in names else ["cursor"]
        expect("cursor" in after, "a cursor after the items")

    def store(self, name, body):
        """What a phone keeps of a frame."""
        if name == "hello":
            self.epoch = body["epoch"]
            self.after = {"after_ms": body["server_ms"],
                          "after_uptime_ms": self.now()["uptime_ms"]}
        elif name == "receipt" and body["device"] == self.device:
            self.keep_receipt(body)
        elif name == "item" and body["collection"] == "records":
            self.records[body["record"]] = body["view"]
        elif name == "leave":
            self.records.pop(body, None)
        elif name == "cursor":
            self.cursor, self.progress = body["cursor"], body.get("progress", self.progress)
        elif name == "areas":
            self.areas, self.progress = body, None
        elif name == "end" and not body["more"]:
            self.seen |= self.received
            self.received = set()

    def keep_receipt(self, receipt):
        """What a receipt says of our operations."""
        start = receipt["first"] - 1
        heads = [head_of(data) for data in self.operations[start:start + receipt["count"]]]
        exceptions = receipt.get("exceptions", [])
        waiting = {heads[offset] for offset, what, _ in exceptions if what == "quarantined"}
        self.quarantined |= waiting
        self.received |= set(heads) - waiting
