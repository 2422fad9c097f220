"""What webhooks are sent, against the example of certwatch's documentation: the names of its fields,
the kind of each value, and what ours add; and events against the records that they are made of.

    check_webhook.py FOLDER     with tool_encode_webhook and tool_encode_records
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys

# From the documentation, but for the values that it cuts short.
EXAMPLE = {
    "severity": "suspicious",
    "matched_entries": ["ethereum.org"],
    "matched_sans": ["foo.ethereum.org"],
    "all_sans": ["foo.ethereum.org", "bar.example.com"],
    "issuer_o": "Google Trust Services",
    "issuer_cn": "WE1",
    "not_before": 1761915088,
    "not_after": 1769694679,
    "lifetime_days": 90.0,
    "source_log": "Google 'Argon2026h1' log",
    "cert_link": "https://ct.googleapis.com/...",
    "serial": "B759154194BBEA621172F2F81C1017CD",
    "update_type": "PrecertLogEntry",
    "seen_at": 1761918776,
}
ORDER = ["fingerprint_sha1", *EXAMPLE]
KINDS = {"fingerprint_sha1": str, **{name: type(value) for name, value in EXAMPLE.items()}}
ENVELOPE = ["schema_version", "event", "ts", "title", "message", "priority"]
PRIORITIES = {"unknown": "normal", "ok": "low", "warning": "normal", "critical": "urgent",
              "error": "high"}
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def sample_hash(length, first):
    return bytes((first + i * 7) & 255 for i in range(length)).hex()


def no_duplicates(pairs):
    assert len(dict(pairs)) == len(pairs), f"a name twice: {pairs}"
    return dict(pairs)


def lines_of(folder, tool, *arguments):
    run = subprocess.run([folder / tool, *arguments], capture_output=True, check=True)
    text = run.stdout.decode("utf-8")  # strict
    assert not UNSAFE.search(text.replace("\n", "")), "a character that terminals act on"
    lines = text.splitlines()
    return lines, [json.loads(line, object_pairs_hook=no_duplicates) for line in lines]


def hash_of(line):
    """The id of what has no other: over all that stands before it."""
    return hashlib.sha256(line[:line.rindex(',"id":')].encode()).hexdigest()[:32]


def check_example(got):
    assert list(got)[:len(ORDER)] == ORDER, list(got)
    assert {name: got[name] for name in EXAMPLE} == EXAMPLE, got
    for name, kind in KINDS.items():
        assert type(got[name]) is kind, (name, got[name])
    assert got["fingerprint_sha1"] == sample_hash(20, 0x94)
    assert got["id"] == "0" * 32 + "-suspicious"
    assert got["issuance_id"] == "0" * 32
    assert got["verdict"] == "suspicious"
    assert list(got)[-1] == "id"


def check_everything(got):
    assert list(got)[:len(ORDER)] == ORDER
    for name, kind in KINDS.items():
        assert type(got[name]) is kind, (name, got[name])
    assert got["severity"] == "warning" and got["verdict"] == "lookalike"
    assert got["known_by"] == "spki_sha256"
    assert got["source_log"] == 'log "of" \x1b[2J \ufffd\u202e'
    assert got["cert_link"] == "https://ct.example/?a=1&b=\\"
    assert got["matched_entries"] == ["", "\0"] and got["matched_sans"] == got["all_sans"] == []
    assert got["issuer_cn"] == "\N{FISH}" and got["issuer_o"] == ""
    assert got["subject_cn"] == "p\u00e4ypal.example"
    assert got["lifetime_days"] == -1.5
    assert got["serial"] == "0A"
    assert got["update_type"] == "X509LogEntry"
    assert got["index"] == 12345678901 and got["entry_time"] == 1761915089
    assert got["lookalike"] == {"brand": "paypal", "kind": "confusable added-word", "score": 87}
    assert got["fingerprint_sha256"] == sample_hash(32, 2)
    assert got["tbs_sha256"] == sample_hash(32, 3)
    assert got["spki_sha256"] == sample_hash(32, 4)
    assert got["log_id"] == sample_hash(32, 5)
    assert got["id"] == sample_hash(16, 6) + "-lookalike"


def check_next_to_nothing(got):
    assert list(got)[:len(ORDER)] == ORDER
    for name in ("fingerprint_sha1", "issuer_o", "issuer_cn", "source_log", "cert_link", "serial",
                 "update_type"):
        assert got[name] == "", (name, got[name])
    for name in ("not_before", "not_after", "lifetime_days"):
        assert got[name] is None, (name, got[name])
    assert got["severity"] == "warning" and got["verdict"] == "malformed"
    for name in ("tbs_sha256", "index", "known_by", "lookalike", "error", "log_id"):
        assert name not in got


def check_without_verdict(lines, got):
    for line, record in zip(lines, got):
        assert "verdict" not in record and record["severity"] == ""
        assert record["id"] == hash_of(line)
    assert got[0]["id"] != got[1]["id"], "entries of one issuance are not one"


def check_event(event, record):
    """An event is the envelope and the record as it is, whose id stands last."""
    assert list(event) == [*ENVELOPE, *record], (list(event), list(record))
    assert list(event)[-1] == "id"
    assert {name: event[name] for name in record} == record
    assert event["schema_version"] == "1" and event["event"] == "tls_result"
    assert type(event["ts"]) is int and event["ts"] == 1795233405
    assert event["priority"] == PRIORITIES[record["status"]], event
    assert event["title"].endswith(f":{record['port']}: {record['status']}"), event["title"]
    for finding in record["findings"]:
        assert finding in event["message"], event["message"]
    if record["outcome"] == "ok":
        assert event["message"].startswith("certificate"), event["message"]
        assert record["certificate"].get("not_after", "") in event["message"]
    else:
        assert event["message"].startswith(record["outcome"]), event["message"]


def main():
    folder = pathlib.Path(sys.argv[1])
    lines, got = lines_of(folder, "tool_encode_webhook")
    check_example(got[0])
    check_everything(got[1])
    check_next_to_nothing(got[2])
    check_without_verdict(lines[3:5], got[3:5])
    _, records = lines_of(folder, "tool_encode_records", "json")
    assert len(got) == 5 + len(records)
    for event, record in zip(got[5:], records):
        check_event(event, record)
    # Only some fields; a record may have none of them.
    wholes = got
    _, got = lines_of(folder, "tool_encode_webhook", "certificate.serial,sni")
    _, records = lines_of(folder, "tool_encode_records", "json", "certificate.serial,sni")
    assert any(not record for record in records), "a sample without a certificate and without a name"
    for event, record, whole in zip(got[5:], records, wholes[5:]):
        assert list(event) == [*ENVELOPE, *record, "id"], event
        assert event["id"] == whole["id"]
    print(f"{len(got)} payloads")


main()
