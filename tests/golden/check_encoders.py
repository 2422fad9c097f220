"""The encoders over the sample records (sample_records.h).

First against the golden files in tests/golden/records, byte for byte; then against what others make
of the output: JSON by Python's parser, MessagePack by a decoder of its own below, CSV by Python's
parser, PEM by Python's base64. All formats must tell the same.

    check_encoders.py [FOLDER OF tool_encode_records]      (PATH is searched otherwise)
    check_encoders.py --write [FOLDER]                     makes the golden files anew
"""

import base64
import csv
import io
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import unicodedata

GOLDEN = pathlib.Path(__file__).parent / "records"
GOLDEN_FILES = {
    "samples.jsonl": ["json"],
    "samples.csv": ["csv"],
    "samples.msgpack": ["msgpack"],
    "samples.pem": ["pem"],
    "samples.names": ["names"],
    "samples-80.table": ["table", "-", "80"],
    "samples-120-color.table": ["table", "-", "120", "color"],
    "picked.jsonl": ["json", "host,tls,certificate.der,findings"],
    "ct.jsonl": ["--ct", "json"],
    "ct.csv": ["--ct", "csv"],
    "ct.msgpack": ["--ct", "msgpack"],
    "ct.pem": ["--ct", "pem"],
    "ct.names": ["--ct", "names"],
    "ct-80.table": ["--ct", "table", "-", "80"],
    "ct-120-color.table": ["--ct", "table", "-", "120", "color"],
}

# Never to be seen by a terminal: C0 but the newline, DEL, C1, bidi controls, line separators.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def decode_msgpack(data, at):
    """Decodes what stands at `at`; returns it and where it ends (MessagePack specification)."""

    def take(form):
        nonlocal at
        (value,) = struct.unpack_from(">" + form, data, at)
        at += struct.calcsize(form)
        return value

    def text(length):
        nonlocal at
        at += length
        assert at <= len(data)
        return data[at - length : at].decode("utf-8")  # strict

    def items(count, each):
        nonlocal at
        for _ in range(count):
            item, at = decode_msgpack(data, at)
            each(item)

    def array(count):
        result = []
        items(count, result.append)
        return result

    def mapping(count):
        flat = array(2 * count)
        result = dict(zip(flat[::2], flat[1::2]))
        assert len(result) == count, "a key twice"
        return result

    head = take("B")
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 256, at
    if head < 0x90:
        return mapping(head & 15), at
    if head < 0xA0:
        return array(head & 15), at
    if head < 0xC0:
        return text(head & 31), at
    simple = {0xC0: None, 0xC2: False, 0xC3: True}
    if head in simple:
        return simple[head], at
    numbers = dict(zip([0xCB, *range(0xCC, 0xD4)], "dBHIQbhiq"))
    if head in numbers:
        return take(numbers[head]), at
    lengths = {0xD9: "B", 0xDA: "H", 0xDB: "I", 0xDC: "H", 0xDD: "I", 0xDE: "H", 0xDF: "I"}
    length = take(lengths[head])
    kind = text if head < 0xDC else array if head < 0xDE else mapping
    return kind(length), at


def all_msgpack(data):
    records, at = [], 0
    while at < len(data):
        record, at = decode_msgpack(data, at)
        records.append(record)
    return records


def same(left, right):
    """Equal, types and the order of keys included: 1, 1.0 and True differ."""
    return json.dumps(left) == json.dumps(right)


def unique_keys(pairs):
    assert len({key for key, _ in pairs}) == len(pairs), "a key twice"
    return dict(pairs)


def safe_text(text, also=""):
    """text_add_safe, for what is valid UTF-8."""
    return "".join(
        f"\\u{{{ord(c):x}}}" if UNSAFE.match(c) or c == "\n" or c in also else c for c in text
    )


def expected_cell(value):
    """What a cell of the CSV must hold for a value of the JSON; None where JSON has replaced bytes."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, list):
        cell = " ".join(safe_text(item, also=" ") for item in value)
    elif value is None:
        return ""
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, float):
        return f"{value:.2f}"
    else:
        cell = safe_text(value)
    if "\ufffd" in cell:
        return None
    return "'" + cell if cell[:1] in ("=", "+", "-", "@") else cell


def check_json(output):
    text = output.decode("utf-8")  # strict
    assert not UNSAFE.search(text), "unsafe characters in JSON"
    return [json.loads(line, object_pairs_hook=unique_keys) for line in text.splitlines()]


def check_csv(output, records):
    text = output.decode("utf-8")
    assert not UNSAFE.search(text), "unsafe characters in CSV"
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    header, rows = rows[0], rows[1:]
    assert len(set(header)) == len(header)
    assert len(rows) == len(records) == text.count("\n") - 1
    for row, record in zip(rows, records):
        assert len(row) == len(header)
        for name, cell in zip(header, row):
            value = record
            for part in name.split("."):
                value = value.get(part) if value else None
            expected = expected_cell(value)
            assert expected is None or cell == expected, f"{name}: {cell!r} != {expected!r}"
    for record in records:  # every value of the JSON has its column
        for key, value in record.items():
            names = [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]
            assert set(names) <= set(header), names


def pem_comments(record):
    """What stands before the leaf of a record, and before the rest of its chain."""
    if record["record"] == "probe":
        name = f"[{record['host']}]" if ":" in record["host"] else record["host"]
        return [f"{safe_text(name)}:{record['port']}"] * 2
    chain = safe_text(record["source_log"])
    if "index" in record:
        chain += f" {record['index']}"
    is_precert = record.get("update_type") == "PrecertLogEntry"
    return [chain + " precertificate" if is_precert else chain, chain]


def check_pem(output, records):
    blocks = re.findall(
        r"^# (.+)\n-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)"
        r"-----END CERTIFICATE-----\n",
        output.decode("utf-8"),
        re.M,
    )
    expected = []
    for record in records:
        leaf_comment, comment = pem_comments(record)
        leaf = record.get("certificate", {}).get("der") or record.get("certificate_der")
        if leaf:
            expected.append((leaf_comment, base64.b64decode(leaf, validate=True)))
        readable = [link for link in record.get("chain", []) if "not_after" in link]
        # of entries only those that are at hand; of probes all that was sent
        links = record.get("chain", []) if record["record"] == "probe" else readable
        expected += [(comment, None) for _ in links]
    assert output.count(b"BEGIN CERTIFICATE") == len(blocks) == len(expected) > 0
    for (comment, body), (name, der) in zip(blocks, expected):
        decoded = base64.b64decode(body.replace("\n", ""), validate=True)
        assert comment == name and der in (None, decoded), comment


def check_names(output, records):
    lines = output.decode("ascii").splitlines()
    listed = {n.lower() for r in records for n in r.get("certificate", {}).get("dns_names", [])}
    assert lines and set(lines) <= listed
    for line in lines:
        assert re.fullmatch(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", line), line


def check_tables(run):
    for width in (60, 80, 100, 200):
        for line in run("table", "-", str(width)).decode("utf-8").splitlines():
            assert not UNSAFE.search(line), line
            wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
            assert wide <= width, (width, line)
    colored = run("table", "-", "120", "color").decode("utf-8")
    plain = run("table", "-", "120").decode("utf-8")
    assert "\x1b[31m" in colored
    without = re.sub("\x1b\\[[0-9]+m", "", colored)
    assert [l.rstrip() for l in without.splitlines()] == plain.splitlines()


def check_kind(run, count, everything, some):
    for fields in ("-", everything, *some):
        records = check_json(run("json", fields))
        assert len(records) == count
        packed = all_msgpack(run("msgpack", fields))
        assert len(packed) == len(records)
        for left, right in zip(records, packed):
            assert same(left, right), (left, right)
        check_csv(run("csv", fields), records)
    records = check_json(run("json", everything))
    check_pem(run("pem"), records)
    check_names(run("names"), records)
    check_tables(run)


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    folders = [a for a in arguments if a != "--write"]
    tool = shutil.which("tool_encode_records", path=folders[0] if folders else None)
    assert tool, "tool_encode_records is not there"

    def run(*options):
        return subprocess.run([tool, *options], stdout=subprocess.PIPE, check=True).stdout

    for name, options in GOLDEN_FILES.items():
        output = run(*options)
        if write:
            (GOLDEN / name).write_bytes(output)
        assert (GOLDEN / name).read_bytes() == output, f"{name} has changed; --write if that is meant"

    probes = "record,time,host,ip,port,tls,certificate,certificate_der,chain,trust,days_left"
    check_kind(run, 10, probes, ("chain", "trust.error,error"))
    entries = "record,index,source_log,update_type,certificate,chain,entry,error,matched_names"
    check_kind(lambda *options: run("--ct", *options), 6, entries, ("chain", "verdict,lookalike"))
    print(f"{len(GOLDEN_FILES)} golden files")


if __name__ == "__main__":
    main()
