"""Asks every operation of the served OpenAPI document what it says it takes, and what it says it refuses.

Schemathesis makes the requests, with a seed; every answer is held against the document: status, content type, headers,
body. Prints one line of JSON: how much was asked, and what was found to be otherwise. Nothing found is success.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

# What a schema allows may still be refused for the state of the ledger, so that only the document's other half is
# held to the letter: what it forbids must be refused.
LEFT_OUT = "positive_data_acceptance"

# A stream without end is no answer to wait for: it has tests of its own.
ENDLESS = "/v1/events"

# Seconds that an answer may take: a file is waited for as long as the server waits, one minute, behind others.
PATIENCE = 100

# OGC API has a longer page than the longest answered with the longest, where the document forbids it.
FORGIVING = "/ogc/collections/{collection}/items"

# Statuses by which what the document forbids may be refused: 412 where the version in the header is looked at first.
REFUSED = ["400", "401", "403", "404", "409", "412", "413", "422"]


def settings(parameters):
    lines = ["[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(REFUSED)}", "[parameters]"]
    lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    lines += ["[[operations]]", f"include-path = {json.dumps(FORGIVING)}", "checks.negative_data_rejection.enabled = false"]
    return "\n".join(lines) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--seed", required=True)
    arguments.add_argument("--seconds", required=True)
    arguments.add_argument("--examples", default="10", help="requests of each phase and operation, at most")
    arguments.add_argument("--parameters", default="{}", help="JSON: parameters of paths that name what is there")
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        config, report = folder / "schemathesis.toml", folder / "report.json"
        config.write_text(settings(json.loads(wanted.parameters)), encoding="utf-8")
        command = [
            pathlib.Path(sys.executable).with_name("st"), "--config-file", config, "run", f"{wanted.url}/openapi.json",
            "--header", f"Authorization: Bearer {wanted.token}", "--seed", wanted.seed, "--max-time", wanted.seconds,
            "--phases", "coverage,fuzzing", "--max-examples", wanted.examples, "--exclude-checks", LEFT_OUT,
            "--exclude-path", ENDLESS, "--request-timeout", str(PATIENCE),
            "--suppress-health-check", "all", "--continue-on-failure", "--no-shrink", "--no-color",
            "--report", "json", "--report-json-path", report,
        ]  # fmt: skip
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if not report.exists():
            sys.exit(f"no report: {run.stdout}{run.stderr}")
        told = json.loads(report.read_text(encoding="utf-8"))
        (folder / "report.json").unlink()
    if run.returncode != 0:
        sys.exit(run.stdout[-20_000:] + run.stderr[-2_000:])
    counted = {name: told[name] for name in ("operations", "test_cases", "running_time")}
    print(json.dumps({"seed": wanted.seed, **counted}))


main()
