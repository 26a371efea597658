"""What `client.py run` plays against a server, checking each answer. Start at `run`."""

import json
import uuid

from golden import STATUS
from phone import ITEM, OFFICE, SEQUENCE, Phone, bodies, read_offer
from wire import chain_on, check_frame, decode, encode, expect, head_of, sha256, split


def check_receipt(phone, frames, bundle, exceptions=None):
    """Checks the one receipt of a bundle of ours against what we sent; gives its bytes."""
    sent, (receipt,) = decode(decode(bundle)[2]), bodies(frames, "receipt")
    wanted = {"bundle": sha256(bundle), "device": phone.device, "first": sent["first"],
              "count": len(sent["operations"]),
              "chain": chain_on(sent["previous"], sent["operations"])}
    named = {key: receipt[key] for key in wanted}
    expect(named == wanted, "a receipt that names the bundle, run and chain")
    found = receipt.get("exceptions")
    expect(found == exceptions, f"exceptions {exceptions}, not {found}")
    return encode(receipt)


def check_requests(phone, offer, good):
    """Faults of a request, each answered with its status and code; says how many."""
    plain = encode(phone.header())

    def post(body=plain, token=phone.token, **headers):
        return phone.http("POST", "/v1/sync", body, token, **{"Content_Type": SEQUENCE, **headers})

    def enrol(body):
        return phone.http("POST", "/v1/enrol", body, Content_Type=ITEM)

    def get(path, token=phone.token):
        return phone.http("GET", path, token=token)

    name = sha256(good).hex()
    cases = [
        ("unauthenticated", post(token=None)),
        ("unauthenticated", post(token="no-such-token")),
        ("unauthenticated", get(f"/v1/receipts/{name}", token=None)),
        ("header-malformed", post(b"\xff\xfe garbage")),
        ("header-malformed", post(plain[:-1])),
        ("encoding-broken", post(b"no gzip", Content_Encoding="gzip")),
        ("encoding-unsupported", post(Content_Encoding="br")),
        ("protocol-unsupported", post(encode(phone.header(protocol=99)))),
        ("cursor-invalid", post(encode(phone.header(cursor=bytes(65))))),
        ("not-found", get("/v1/receipts/" + "00" * 32)),
        ("bad-parameter", get("/v1/receipts/xyz")),
        ("enrol-malformed", enrol(b"\xff")),
        ("enrol-code-used", enrol(Phone().enrolment(offer))),
        ("enrol-code-invalid", enrol(phone.enrolment({**offer, "code": "00" * 16}))),
        ("method-not-allowed", get("/v1/sync")),
        ("not-found", get("/v1/sync/nowhere")),
    ]
    for code, (status, data, kind) in cases:
        expect(kind == SEQUENCE, f"{code} in a CBOR sequence, not {kind}")
        (frame,) = split(data)
        check_frame(frame)
        found = (frame[0], status, frame[1]["code"])
        expect(found == ("error", STATUS[code], code), f"{STATUS[code]} {code}, not {found}")
    status, data, kind = get("/v1/nowhere")
    found = (status, kind, json.loads(data)["code"])
    expect(found == (404, OFFICE, "not-found"), f"JSON of an unknown path, not {found}")
    return len(cases) + 1


def check_bundles(phone, good):
    """Faults of a bundle: each refused alone, the good one beside it taken; says how many."""
    bad = {"signature-wrong": good[:-1] + bytes([good[-1] ^ 1]), "cbor-truncated": good[:-1],
           "bundle-shape": encode("no bundle"), "cbor-trailing": good + b"\x00"}
    frames = phone.sync(*bad.values(), good)
    refused = {refusal["code"]: refusal["bundle"] for refusal in bodies(frames, "refused")}
    wanted = {code: sha256(data) for code, data in bad.items()}
    expect(refused == wanted, f"refusals {list(bad)}, not {list(refused)}")
    check_receipt(phone, frames, good)
    return len(bad)


def check_folded(view, report, seen, cured):
    """The view of a record that was reported, seen as worse and put right, each knowing all."""
    index = {writer[0]: i for i, writer in enumerate(view["writers"])}
    shown = [view["fields"][name][0] for name in ("severity", "township", "measures")]
    wanted = [[[index[writer], value]] for writer, value in
              ((seen, "critical"), (report, "云顶"), (cured, "已修剪"))]
    expect(shown == wanted, "each field as its last operation says")
    found = (view["state"], view["severity"], view["heads"], view["dangers"])
    wanted = ("rectified", "critical", [cured], [index[seen]])
    expect(found == wanted, f"rectified, critical, the last head and danger, not {found}")
    acts = [[index[cured], "rectified", True, False, False, []]]
    expect(view["acts"] == acts, "one cure that has seen every danger")
    open_parts = {"conflicts", "provisional", "missing"} & set(view)
    expect(not open_parts, f"no {open_parts} in the view")


def push_reports(phone, person, fields):
    """Two reports and their views; then the same bundle again, in a request and by its name."""
    first, data_1 = phone.operation("reported", person, fields)
    other = {**fields, "severity": "general", "species": None}
    second, data_2 = phone.operation("reported", person, other)
    reports = phone.bundle(data_1, data_2)
    frames = phone.sync(reports)
    receipt = check_receipt(phone, frames, reports)
    for record, data in ((first, data_1), (second, data_2)):
        view = phone.records[record]
        found = (view["heads"], view["state"])
        expect(found == ([head_of(data)], "reported"), "a view of each report")
    is_whole = not bodies(frames, "end")[0]["more"]
    expect(phone.cursor and is_whole, "a cursor, and an end without more")
    again = check_receipt(phone, phone.sync(reports), reports)
    expect(again == receipt, "the same receipt, byte for byte")
    by_name = phone.http("GET", f"/v1/receipts/{sha256(reports).hex()}", token=phone.token)
    expect(by_name == (200, receipt, ITEM), "the same receipt by GET")
    return (first, second), reports, head_of(data_1)


def push_quarantined(phone, person, record):
    """One operation that cannot stand: told until it is acknowledged, changing nothing."""
    view = phone.records[record]
    nowhere = {"position": {"lat_e7": 910000000, "lon_e7": 0}}
    _, data = phone.operation("observed", person, nowhere, record)
    bundle = phone.bundle(data)
    frames = phone.sync(bundle)
    check_receipt(phone, frames, bundle, [[0, "quarantined", "field-range"]])
    notices = bodies(frames, "notice")
    told = [(notice["code"], notice["person"], notice.get("operation")) for notice in notices]
    expect(told == [("field-range", person, head_of(data))], "one notice, to the author")
    expect(phone.records[record] == view, "the view as it was")
    expect(bodies(phone.sync(), "notice") == notices, "the notice until it is acknowledged")
    after = phone.sync(acknowledged=[notices[0]["id"]]) + phone.sync()
    expect(not bodies(after, "notice"), "no notice once it is acknowledged")


def push_later(phone, person, record, report):
    """Two more operations on a record, named as the page's steps say; everything compressed."""
    worse = {"severity": "critical", "vertical_dm": 12}
    _, seen = phone.operation("observed", person, worse, record)
    expect(decode(seen)["heads"] == [report], "the report as head: what is quarantined is not")
    _, cured = phone.operation("rectified", person, {"measures": "已修剪"}, record)
    expect(decode(cured)["heads"] == [head_of(seen)], "our own unsent operation as head")
    later = phone.bundle(seen, cured)
    frames = phone.sync(later, zipped=True)
    expect(phone.encoding == "gzip", "a reply in gzip, as asked")
    check_receipt(phone, frames, later)
    changed = [item["record"] for item in bodies(frames, "item")]
    expect(changed == [record], "only the record that changed")
    check_folded(phone.records[record], report, head_of(seen), head_of(cured))


def run(offer, second_offer):
    """Plays the phone; gives the line to print."""
    phone = Phone()
    person, _ = phone.enrol(offer)
    position = {"lat_e7": 299800000, "lon_e7": 1030100000, "accuracy_dm": 46}
    fields = {"category": "corridor", "type": "tree", "severity": "serious", "township": "云顶",
              "position": position}
    (first, second), reports, report = push_reports(phone, person, fields)
    push_quarantined(phone, person, first)
    push_later(phone, person, first, report)
    # The cursor continues; without it everything comes again, the worst first.
    names = {name for name, _ in phone.sync()}
    expect(not {"item", "missing"} & names, "no item after the last cursor, and no gap")
    items = bodies(phone.sync(cursor=None), "item")
    again = [item["record"] for item in items if item["collection"] == "records"]
    expect(again == [first, second], "both records without a cursor, the critical one first")
    errors = check_requests(phone, read_offer(offer), reports) + check_bundles(phone, reports)
    result = {"ok": True, "operations": len(phone.operations), "errors": errors,
              "device": str(uuid.UUID(bytes=phone.device))}
    if second_offer:  # a shared phone
        other, persons = phone.enrol(second_offer)
        is_shared = persons == {person, other} and other != person
        expect(is_shared, "two persons on the same device")
        phone.sync()
        result["persons"] = len(persons)
    return result
