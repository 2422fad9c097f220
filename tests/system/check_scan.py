"""Scans a farm of servers of every kind: targets in = records out, each with the expected end.

    python3 check_scan.py FOLDER     FOLDER holds the executable tool_farm; $TRAWL is the program
"""
import collections
import csv
import io
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile

from support import FOREVER, HANG_SECONDS, Farm, check, finish, lines_of

ENDPOINTS = 200
PATIENT = [str(word) for word in FOREVER]
# The servers that never come to an end are given up after this.
ENDLESS = {"silent", "dripping"}
HASTY = ["--timeout", "3", "--handshake-timeout", "2"]
NO_CERTIFICATE = {"unparsable", "alert", "not-tls", "silent", "dripping", "refusing", "resetting",
                  "closing"}
# Where the plan grab ends otherwise: it is done before the server objects.
GRAB_OUTCOMES = {"client-certificate": "ok"}


def scan(*arguments, text=""):
    return subprocess.run([os.environ["TRAWL"], "scan", *arguments], input=text,
                          capture_output=True, text=True, timeout=HANG_SECONDS, check=False)


def records_by_host(run, endpoints):
    """One record for each endpoint, or a problem."""
    records = [json.loads(line) for line in run.stdout.splitlines()]
    hosts = collections.Counter(record["host"] for record in records)
    check(hosts == collections.Counter(e["name"] for e in endpoints),
          f"{len(records)} records of {len(hosts)} hosts for {len(endpoints)} targets")
    return {record["host"]: record for record in records}


def records_of_farm(farm, plan):
    """Of all its endpoints, by host."""
    records = {}
    for endless, timeouts in ((True, HASTY), (False, PATIENT)):
        endpoints = [e for e in farm.endpoints if (e["kind"] in ENDLESS) == endless]
        run = scan("-", "--plan", plan, "--ca-file", farm.root, "--format", "json", *timeouts,
                   text=lines_of(endpoints))
        check(run.returncode == 0, plan, "exit status", run.returncode, run.stderr)
        records.update(records_by_host(run, endpoints))
    return records


def fingerprint(record):
    return record.get("certificate", {}).get("fingerprint_sha256")


def check_certificate(endpoint, record):
    name, kind = endpoint["name"], endpoint["kind"]
    check(("certificate" in record) == (kind not in NO_CERTIFICATE), name, "certificate:",
          record.get("certificate"))
    if "certificate" not in record or kind in NO_CERTIFICATE:
        return
    names = record["certificate"]["dns_names"]
    check((name in names) == (kind != "wrong-name"), name, "dns_names:", names)
    trust = record.get("trust", {})
    check(trust.get("name_matches") == (kind != "wrong-name"), name, trust)
    if kind.startswith("good"):
        check(record["certificate"]["subject_cn"] == name, name, "subject_cn")
        # A grab need not verify the chain, but then it must not call it untrusted either.
        trusted = (True,) if record["plan"] == "handshake" else (True, None)
        check(trust.get("trusted") in trusted and record["status"] == "ok", record["plan"], name,
              trust, record["status"])


def check_handshake(farm):
    """Returns the fingerprints by host, for check_grab."""
    records = records_of_farm(farm, "handshake")
    for endpoint in farm.endpoints:
        name, record = endpoint["name"], records.get(endpoint["name"])
        if not record:
            continue
        check(record["outcome"] == endpoint["expected_outcome"], name, "outcome",
              record["outcome"], record.get("error"), "expected", endpoint["expected_outcome"])
        check(not endpoint["expected_finding"] or
              endpoint["expected_finding"] in record["findings"], name, "findings",
              record["findings"], "expected", endpoint["expected_finding"])
        check((record["ip"], record["port"]) == (endpoint["address"], endpoint["port"]), name,
              record["ip"], record["port"])
        check_certificate(endpoint, record)
    return {name: fingerprint(record) for name, record in records.items()}


def check_grab(farm, fingerprints):
    records = records_of_farm(farm, "grab")
    for endpoint in farm.endpoints:
        name, record = endpoint["name"], records.get(endpoint["name"])
        if not record:
            continue
        expected = GRAB_OUTCOMES.get(endpoint["kind"], endpoint["expected_outcome"])
        check(record["outcome"] == expected, name, "grab: outcome", record["outcome"],
              record.get("error"), "expected", expected)
        check_certificate(endpoint, record)
        check(fingerprint(record) == fingerprints.get(name), name, "grab: another certificate")
        if fingerprint(record):
            check(record["plan"] == "grab" and record["tls"]["key_proven"] is False, name,
                  record["plan"], record["tls"])


def check_audit(farm):
    """The farm's own settings against what the audit found; an outside tool judges in check_audit."""
    expected = {"tls10-only": ["TLS 1.0"], "tls12-only": ["TLS 1.2"], "tls13-only": ["TLS 1.3"],
                "good-rsa": ["TLS 1.3", "TLS 1.2"]}
    chosen = [e for kind in expected for e in farm.endpoints if e["kind"] == kind][:8]
    chosen += farm.named("refusing")[:1]
    run = scan("-", "--plan", "audit", "--ca-file", farm.root, "--format", "json", *PATIENT,
               text=lines_of(chosen))
    check(run.returncode == 0, "audit: exit status", run.returncode, run.stderr)
    for host, record in records_by_host(run, chosen).items():
        endpoint = [e for e in chosen if e["name"] == host][0]
        check(record["outcome"] == endpoint["expected_outcome"], host, "audit:", record["outcome"])
        if endpoint["kind"] not in expected:
            check("audit" not in record, host, "audit of a server that refused", record)
            continue
        audit = record.get("audit", {})
        check(record["plan"] == "audit" and audit.get("versions") == expected[endpoint["kind"]],
              host, "audit:", record["plan"], audit)
        check(len(audit.get("jarm", "")) == 62 and "stopped" not in audit, host, audit)
        check("certificate" in record, host, "audit without a certificate")


def check_csv(farm, fingerprints):
    fields = ["host", "port", "outcome", "certificate.fingerprint_sha256"]
    good = farm.named("good")
    run = scan("-", "--ca-file", farm.root, "--format", "csv", "--fields", ",".join(fields),
               *PATIENT, text=lines_of(good))
    check(run.returncode == 0, "csv: exit status", run.returncode, run.stderr)
    rows = list(csv.reader(io.StringIO(run.stdout)))
    check(rows[:1] == [fields], "csv: first line", rows[:1])
    expected = sorted([e["name"], str(e["port"]), "ok", fingerprints[e["name"]] or ""]
                      for e in good)
    check(sorted(rows[1:]) == expected, "csv: lines", rows[1:3], "expected", expected[:2])


def check_bad_input(farm, folder):
    good = farm.named("good")[:2]
    lines = lines_of(good).splitlines()
    text = "\n".join([lines[0], "bad name:443:x", lines[1]]) + "\n"
    listed = pathlib.Path(folder, "targets.txt")
    listed.write_text(text, encoding="ascii")
    for source in ("-", f"@{listed}"):
        run = scan(source, "--ca-file", farm.root, "--format", "json", text=text)
        check(run.returncode == 3, source, "bad line: exit status", run.returncode, run.stderr)
        check(":2:" in run.stderr and "bad name" in run.stderr, source, "bad line:", run.stderr)
        records_by_host(run, good)
    missing = os.path.join(folder, "missing.txt")
    for arguments, statuses, words in (
            (["192.0.2.1", "--no-such-option"], {2}, "no-such-option"),
            (["192.0.2.1", "-p", "70000"], {2}, "70000"),
            (["192.0.2.1:70000"], {2}, "70000"),
            ([f"@{missing}"], {1, 2}, "missing.txt"),
            ([f"@{folder}"], {1, 2}, folder)):
        run = scan(*arguments)
        check(run.returncode in statuses, arguments, "exit status", run.returncode)
        check(words in run.stderr and not run.stdout, arguments, run.stderr, run.stdout)


def start(*arguments, **options):
    return subprocess.Popen([os.environ["TRAWL"], "scan", *arguments], stdout=subprocess.PIPE,
                            **options)


def first_line(process):
    """The first line of its output; None when it does not come."""
    if not select.select([process.stdout], [], [], HANG_SECONDS)[0]:
        process.kill()
        return None
    return process.stdout.readline()


def check_reader_gone(farm, folder):
    """As `| head -1`: more output than a pipe holds, and the reader leaves after one line."""
    listed = pathlib.Path(folder, "many.txt")
    listed.write_text(lines_of(farm.named("good") * 50), encoding="ascii")
    process = start(f"@{listed}", "--ca-file", farm.root, "--format", "json", "--quiet",
                    stderr=subprocess.PIPE)
    line = first_line(process)
    check(line and json.loads(line)["record"] == "probe", "head: first line", line)
    process.stdout.close()
    errors = process.stderr.read()
    status = process.wait(HANG_SECONDS)
    check(status == 0 and not errors, "head: exit status", status, errors)


def check_interrupted(farm, folder):
    """Ctrl-C while standard input is open, silent servers are waited for, and others are done."""
    stats_path = os.path.join(folder, "stats.json")
    # Silent first: when the good ones are done, the silent ones have been taken for sure.
    silent, good = farm.named("silent"), farm.named("good")
    process = start("-", "--ca-file", farm.root, "--format", "json", *PATIENT, "--stats",
                    stats_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(lines_of(silent + good).encode())
    process.stdin.flush()
    line = first_line(process)
    check(line, "interrupted: no record while standard input is open")
    process.send_signal(signal.SIGINT)
    # Standard input stays open on our side; errors fit into their pipe.
    records = [json.loads(text) for text in [line or b"{}", *process.stdout]]
    status = process.wait(HANG_SECONDS)
    errors = process.stderr.read()
    process.stdin.close()
    check(status == 130, "interrupted: exit status", status, errors)
    stats = json.loads(pathlib.Path(stats_path).read_text(encoding="utf-8"))
    check(stats["records"] == stats["targets"] == len(records) > len(silent),
          "interrupted:", len(records), "records written;", stats)
    outcomes = collections.Counter(record.get("outcome") for record in records)
    check(outcomes["cancelled"] == stats["cancelled"] >= len(silent), "interrupted:", outcomes,
          stats)
    check({k: v for k, v in stats["outcomes"].items() if v} == outcomes, "interrupted:", outcomes,
          stats)
    silent_ends = {r["outcome"] for r in records if r.get("host") in {e["name"] for e in silent}}
    check(silent_ends == {"cancelled"}, "interrupted: silent servers end as", silent_ends)


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # children started in the background ignore it
    with tempfile.TemporaryDirectory() as folder, \
            Farm(sys.argv[1], os.path.join(folder, "root.pem"), ENDPOINTS) as farm:
        check(len(farm.endpoints) == ENDPOINTS, len(farm.endpoints), "endpoints")
        fingerprints = check_handshake(farm)
        check_grab(farm, fingerprints)
        check_audit(farm)
        check_csv(farm, fingerprints)
        check_bad_input(farm, folder)
        check_reader_gone(farm, folder)
        check_interrupted(farm, folder)
    finish()


main()
