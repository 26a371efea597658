#!/usr/bin/env python3
"""A small Firebreak client, written from docs/protocol.md alone.

    client.py self-check --golden fixtures/golden --page docs/protocol.md
    client.py run --enrol 'OFFER' [--enrol-again 'OFFER OF ANOTHER PERSON']

`self-check` (golden.py) needs no server: it makes the page's worked example again, and takes every
golden file apart and puts it together to the same bytes. `run` (played.py, phone.py) plays one
phone against a server; an offer is the text of an enrolment QR code. Each prints one line of JSON,
and ends with status 1 where anything is not as the page says. It keeps nothing on disk: it is a
proof of the page, not an app.
"""

import argparse
import json
import sys

from golden import self_check
from played import run
from wire import Unexpected


def main():
    """Reads the command line, and says how it went."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("self-check")
    check.add_argument("--golden", required=True, help="the folder of golden files")
    check.add_argument("--page", required=True, help="docs/protocol.md")
    with_server = commands.add_parser("run")
    with_server.add_argument("--enrol", required=True, help="the text of the enrolment QR code")
    with_server.add_argument("--enrol-again", help="one for another person: a shared phone")
    given = parser.parse_args()
    try:
        if given.command == "self-check":
            result = self_check(given.golden, given.page)
        else:
            result = run(given.enrol, given.enrol_again)
    except Exception as fault:  # whatever else breaks is not as the page says either
        is_known = isinstance(fault, Unexpected)
        said = str(fault) if is_known else f"no {type(fault).__name__}: {fault}"
        result = {"ok": False, "expected": said}
    print(json.dumps(result, ensure_ascii=False))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
