"""Lists of targets in every format (tool_list_targets.c), against readers made of Python's csv, json
and xml modules.

First the files that nmap and masscan wrote (tests/golden/inputs), then random ones, whole and
damaged; then inputs made to fill memory, and sweeps of millions, which must not.

    check_inputs.py [FOLDER OF tool_list_targets]      (PATH is searched otherwise)
"""

import csv
import ipaddress
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

FOLDER = pathlib.Path(__file__).parent / "inputs"
RECORDS = pathlib.Path(__file__).parent / "records"
ROUNDS = 60
# AddressSanitizer keeps freed memory for a while; that is not what is measured.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", ""))


class Tool:
    def __init__(self, path):
        self.path = path

    def list(self, data, form="auto", ports="443"):
        """(targets, messages of bad rows, how it ended) of an input."""
        run = subprocess.run([self.path, "-", form, ports], input=data, capture_output=True, check=True,
                             env=ENVIRONMENT)
        *lines, end = run.stdout.decode("utf-8").splitlines()
        bad = [line[2:] for line in lines if line.startswith("! ")]
        return [tuple(line.split()) for line in lines if not line.startswith("! ")], bad, end

    def count(self, chunks=None, spec="-"):
        """(targets, bad rows, kilobytes, how it ended), of what an iterator of bytes gives."""
        tool = subprocess.Popen([self.path, spec, "count"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, env=ENVIRONMENT)
        try:
            for chunk in chunks or []:
                tool.stdin.write(chunk)
            tool.stdin.close()
        except BrokenPipeError:  # it has seen enough
            pass
        targets, bad, kilobytes, end = tool.stdout.read().decode("utf-8").strip().split(" ", 3)
        assert tool.wait() == 0
        return int(targets), int(bad), int(kilobytes), end


# --- Readers of our own: (name or "-", address or "-", port or None) ---


def target(host="", ip="", port=None, sni=""):
    """What a row stands for; None when it is none."""
    def address(text):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            return None
    if not host:
        host, ip = ip, ""
        if not address(host):
            return None
    if ip and address(host) not in (None, address(ip)):
        return None
    where = address(ip) if ip else address(host) or "-"
    names = [] if address(host) else [host.lower()]
    if sni and (not names or where != "-"):
        names.append(sni.lower())
    if port in (None, ""):
        port = 443
    if where is None or not re.fullmatch(r"[0-9]+", str(port)) or not 0 < int(port) < 65536:
        return None
    for name in names:
        if not re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name) \
                or re.search(r"(^|\.)[0-9]+$", name):
            return None
    return (names[-1] if names else "-", where, str(int(port)), "0")


def read_xml(text):
    root = xml.etree.ElementTree.fromstring(text)
    for host in root.iter("host"):
        status = host.find("status")
        ip = next(a.get("addr") for a in host.iter("address") if a.get("addrtype") != "mac")
        name = next((n.get("name") for n in host.iter("hostname") if n.get("type") == "user"), "")
        if host.find("ports") is None:
            if status is None or status.get("state") != "down":
                yield target(ip=ip, sni=name)
            continue
        for port in host.iter("port"):
            state = port.find("state")
            if port.get("protocol") == "tcp" and state.get("state") == "open" \
                    and state.get("reason") != "response":
                yield target(ip=ip, port=port.get("portid"), sni=name)


def read_json_objects(objects):
    for item in objects:
        if item.get("rec_type", "status") != "status" or item.get("proto", "tcp") != "tcp":
            continue
        ports = item.get("ports")
        for port in ports if ports is not None else [item]:
            if ports is not None and (port["proto"] != "tcp" or port.get("status") != "open"):
                continue
            yield target(item.get("host") or "", item.get("ip") or "", port.get("port"),
                         item.get("sni") or "")


def read_csv(text, **how):
    rows = csv.reader(io.StringIO(text, newline=""), **how)
    header = next(rows)
    for row in rows:
        if row:
            cells = {name: cell.strip(" \t\r\n") for name, cell in zip(header, row)}
            if any(row) or len(row) > 1:
                yield target(**{k: v for k, v in cells.items() if k in ("host", "ip", "port", "sni")})


def read_grepable(text):
    """Hosts and ports of nmap's files, which are small enough for regular expressions."""
    up = dict.fromkeys(re.findall(r"^Host: (\S+) .*Status: (?:Up|Unknown)$", text, re.M))
    for ip, ports in re.findall(r"Host: (\S+) \(.*?\)\tPorts: ([^\t\n]*)", text):
        up.pop(ip, None)
        for port in re.findall(r"(\d+)/open/tcp/", ports):
            yield target(ip=ip, port=port)
    for ip in up:
        yield target(ip=ip)


def read_masscan(text):
    for ip, port in re.findall(r"^open tcp (?P<port>\d+) (?P<ip>\S+) \d+$", text, re.M):
        yield target(ip=port, port=ip)


# --- Files of other tools ---


def check_files(tool):
    readers = {".xml": read_xml, ".gnmap": read_grepable, ".txt": read_masscan,
               ".json": lambda text: read_json_objects(json.loads(text)),
               ".ndjson": lambda text: read_json_objects(map(json.loads, text.splitlines()))}
    scans = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix not in readers:
            continue
        expected = list(readers[path.suffix](path.read_text()))
        for data in (path.read_bytes(), b"\xef\xbb\xbf" + path.read_bytes(),
                     path.read_bytes().replace(b"\n", b"\r\n")):
            got, bad, end = tool.list(data)
            assert (got, bad, end) == (expected, [], "end"), f"{path.name}: {got}, {bad}, {end}"
        # names that the user gave are in the XML alone
        scans.setdefault(path.stem, []).append([t[1:] for t in got])
    assert len(scans) == 7 and all(len(scan) > 1 and scan.count(scan[0]) == len(scan)
                                   for scan in scans.values()), scans
    assert sum(len(scan[0]) for scan in scans.values()) > 15
    for name in ("samples.jsonl", "samples.csv"):  # what trawl wrote
        got, bad, end = tool.list((RECORDS / name).read_bytes())
        records = [json.loads(line) for line in (RECORDS / "samples.jsonl").read_text().splitlines()]
        expected = [(r.get("sni") or r["host"], r.get("ip") or "-", str(r["port"]), "0")
                    for r in records if r["protocol"] == "tls"]
        expected = [("-" if host == "192.0.2.250" else host, "192.0.2.250" if host == "192.0.2.250"
                     else ip, port, protocol) for host, ip, port, protocol in expected]
        assert (got, end) == (expected, "end"), got
        assert len(bad) == len(records) - len(got) and all("unknown protocol" in b for b in bad), bad


# --- Random ones ---


def random_row(rand):
    name = ".".join("".join(rand.choices("abcXYZ019-_", k=rand.randint(1, 9)))
                    for _ in range(rand.randint(1, 3))) + ".example"
    ip = str(ipaddress.IPv4Address(rand.getrandbits(32)) if rand.random() < 0.7 else
             ipaddress.IPv6Address(rand.getrandbits(128)))
    row = rand.choice([{"host": name}, {"ip": ip}, {"host": name, "ip": ip}, {"host": ip},
                       {"ip": ip, "sni": name}, {"host": ip, "ip": ip, "sni": name}])
    if rand.random() < 0.8:
        row["port"] = rand.randint(1, 65535) if rand.random() < 0.95 else rand.choice([0, 70000])
    return row


def random_text(rand, alphabet="ab <>&\"'\\{}[]:,;\n\té\u20ac\U0001f600]]>--#"):
    return "".join(rand.choices(alphabet, k=rand.randint(0, 30)))


def expected_of(rows):
    return list(filter(None, (target(**row) for row in rows)))


def check_random_csv(tool, rand):
    rows = [random_row(rand) for _ in range(rand.randint(0, 20))]
    columns = ["host", "ip", "port", "sni", "note", "text"]
    rand.shuffle(columns)
    for row in rows:
        row["note"], row["text"] = random_text(rand), random_text(rand)
    out, how = io.StringIO(newline=""), {"delimiter": rand.choice(",;\t")}
    writer = csv.DictWriter(out, columns, lineterminator=rand.choice(["\n", "\r\n"]), **how,
                            quoting=rand.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer.writeheader()
    writer.writerows(rows)
    got, bad, end = tool.list(out.getvalue().encode("utf-8"))
    expected = list(filter(None, read_csv(out.getvalue(), **how)))
    rows = [{k: v for k, v in row.items() if k in ("host", "ip", "port", "sni")} for row in rows]
    assert expected == expected_of(rows)
    assert (got, len(bad), end) == (expected, len(rows) - len(got), "end"), (got, bad, end)


def check_wild_csv(tool, rand):
    """Quotes anywhere, rows of any length."""
    text = "host,x,port\n" + "".join(rand.choices('ab",\n1', [8, 8, 2, 6, 4, 4], k=rand.randint(0, 60)))
    got, _, end = tool.list(text.encode(), "csv")
    expected = list(filter(None, read_csv(text)))
    if end == "end":
        assert got == expected, (text, got, expected)
    else:  # Python takes a quote that is never closed for one that ends with the file
        assert "never closed" in end and got == expected[:len(got)], (text, end)


def random_json(rand, rows):
    items = [{**row, random_text(rand): [random_text(rand), {"host": "no", "x": [{}]}],
              "é": rand.choice([None, True, 1e5])} for row in rows]
    for item in items:  # not the members that mean something
        for key in list(item):
            if key.lower() in ("ports", "rec_type"):
                del item[key]
    how = {"ensure_ascii": rand.random() < 0.5, "indent": rand.choice([None, None, 0, 2])}
    texts = [json.dumps(item, **how) for item in items]
    if rand.random() < 0.5:
        return "[" + rand.choice([",", ",\n", "\n,\n"]).join(texts) + rand.choice(["]", "\n]\n", ",\n]"])
    return rand.choice(["\n", "", " "]).join(texts)


def check_random_json(tool, rand):
    rows = [random_row(rand) for _ in range(rand.randint(0, 20))]
    got, bad, end = tool.list(random_json(rand, rows).encode("utf-8"), "json")
    expected = expected_of(rows)
    assert (got, len(bad), end) == (expected, len(rows) - len(got), "end"), (got, bad, end)


def damage(rand, data):
    data = bytearray(data)
    for _ in range(rand.randint(1, 3)):
        at = rand.randrange(len(data))
        kind = rand.random()
        if kind < 0.4:
            del data[at]
        elif kind < 0.8:
            data[at] = rand.choice(b'"{}[],:\\\n<>/=&;\'! a1\x00\xff')
        else:
            del data[at:]
        if not data:
            return b" "
    return bytes(data)


def check_damaged_lines(tool, rand):
    """JSON lines: what is lost is told, line by line or as the end of what can be understood."""
    rows = [random_row(rand) for _ in range(10)]
    lines = damage(rand, "\n".join(json.dumps(r) for r in rows).encode()).split(b"\n")
    got, bad, end = tool.list(b"\n".join(lines), "json")
    if end == "more":  # an address became a block
        return
    expected = []
    for line in lines:
        try:
            item = json.loads(line, parse_constant=lambda _: 1 / 0)
            expected.append(target(**{k: str(v) for k, v in item.items()
                                      if k in ("host", "ip", "port", "sni")}))
        except (ValueError, AttributeError, ZeroDivisionError):
            expected.append(None)
    whole = list(filter(None, expected))
    if end == "end":
        missing = [t for t in whole if t not in got]
        assert len(missing) <= 3 and (bad or not missing), (lines, got, bad)
    else:
        assert re.match(r"failed: stdin:\d+: ", end), end
        at = int(end.split(":")[2])
        before = list(filter(None, expected[:at - 1]))
        assert [t for t in before if t not in got] == [], (lines, got, end)


def random_xml(rand):
    root = xml.etree.ElementTree.Element("nmaprun", args=random_text(rand))
    expected = []
    for _ in range(rand.randint(0, 8)):
        host = xml.etree.ElementTree.SubElement(root, "host")
        row = random_row(rand)
        name, ip = row.get("host", ""), row.get("ip") or "192.0.2.1"
        state = rand.choice(["up", "up", "down", "unknown"])
        xml.etree.ElementTree.SubElement(host, "status", state=state)
        if rand.random() < 0.3:
            xml.etree.ElementTree.SubElement(host, "address", addr="00:00:5e:00:53:01", addrtype="mac")
        xml.etree.ElementTree.SubElement(host, "address", addr=ip, addrtype="ipv4")
        names = xml.etree.ElementTree.SubElement(host, "hostnames")
        kind = rand.choice(["user", "PTR"])
        if name and not re.match(r"[0-9.]+$|.*:", name):
            xml.etree.ElementTree.SubElement(names, "hostname", name=name, type=kind)
        ports = xml.etree.ElementTree.SubElement(host, "ports") if rand.random() < 0.8 else None
        for _ in range(rand.randint(0, 4) if ports is not None else 0):
            port = xml.etree.ElementTree.SubElement(ports, "port", portid=str(rand.randint(1, 65535)),
                                                    protocol=rand.choice(["tcp", "tcp", "udp"]))
            xml.etree.ElementTree.SubElement(port, "state", state=rand.choice(["open", "closed"]),
                                             reason=random_text(rand))
            script = xml.etree.ElementTree.SubElement(port, "script", output=random_text(rand) * 50)
            script.text, script.tail = random_text(rand), random_text(rand)
            script.append(xml.etree.ElementTree.Comment(random_text(rand, "ab<>&\"'\n ")))
    text = xml.etree.ElementTree.tostring(root, encoding=rand.choice(["unicode", "us-ascii"]),
                                          short_empty_elements=rand.random() < 0.5)
    text = text if isinstance(text, str) else text.decode("ascii")
    text = text if text.startswith("<?") else rand.choice(["", "<?xml version=\"1.0\"?>\n"]) + text
    return text.replace(">", ">" + rand.choice(["", "\n", " <!-- > -->\n"]), 3)


def check_random_xml(tool, rand):
    text = random_xml(rand)
    try:
        expected = list(filter(None, read_xml(text.encode("utf-8"))))
    except xml.etree.ElementTree.ParseError:
        return  # a comment in the wrong place
    got, bad, end = tool.list(text.encode("utf-8"), "nmap")
    assert (got, end) == (expected, "end"), (text, got, bad, end)


def check_damaged_xml(tool, rand):
    """What Python reads, we read alike; what we call broken, Python does."""
    text = damage(rand, random_xml(rand).encode("utf-8"))
    got, bad, end = tool.list(text, "nmap")
    try:
        expected = list(filter(None, read_xml(text)))
    except (xml.etree.ElementTree.ParseError, StopIteration, ValueError, LookupError, AttributeError):
        return
    if end == "more":  # an address became a block
        return
    if end.startswith("failed"):
        assert "root element is" in end, (text, end)
    else:
        assert got == expected, (text, got, expected)


def check_random(tool):
    checks = [check_random_csv, check_wild_csv, check_random_json, check_damaged_lines,
              check_random_xml, check_damaged_xml]
    for check in checks:
        for seed in range(ROUNDS):
            try:
                check(tool, random.Random(seed))
            except AssertionError:
                print(f"{check.__name__}, seed {seed}", file=sys.stderr)
                raise


# --- Memory ---

MEGABYTES = 24
GROWTH_KB = 16 * 1024  # a JSON value may take some megabytes; nothing may take what the input has


def repeated(head, part, tail=b""):
    yield head
    block = part * max(1, (1 << 20) // len(part))
    for _ in range(MEGABYTES * (1 << 20) // len(block)):
        yield block
    yield tail


def different_names(head, form):
    yield head
    for i in range(MEGABYTES * 4):
        yield b"".join(form % (i * 10000 + k) for k in range(10000))


def check_hostile(tool):
    """Inputs without end of one thing, each with a target before it, and how they may end."""
    xml_head = b"<nmaprun><host><status state='up'/><address addr='192.0.2.1'/></host>"
    cases = {
        "a line": (repeated(b"a.example\n", b"x", b"\nb.example\n"), 2, "end"),
        "zeros": (repeated(b"a.example\n", b"\0"), 1, "end"),
        "newlines": (repeated(b"a.example\n", b"\n"), 1, "end"),
        "comments": (repeated(b"a.example\n", b"# x\n"), 1, "end"),
        "a first comment": (repeated(b"#", b"x", b"\na.example"), 1, "end"),
        "blanks": (repeated(b"", b" ", b"\na.example"), 1, "end"),
        "a quote": (repeated(b"host,x\na.example,1\nb.example,\"", b"x\n"), 1, "never closed"),
        "a host": (repeated(b"host,x\na.example,1\n", b"x", b"\n"), 1, "end"),
        "columns": (repeated(b"host,x", b",host", b"\na.example\n"), 1, "end"),
        "cells": (repeated(b"host,x\na.example", b",", b"\n"), 1, "end"),
        "brackets": (repeated(b'{"host":"a.example"}\n', b"["), 1, "JSON value of more than"),
        "a string": (repeated(b'{"host":"a.example"}\n{"x":"', b"x"), 1, "JSON value of more than"),
        "an array": (repeated(b'[{"host":"a.example"}', b" "), 1, "never closed"),
        "garbage": (repeated(b'{"host":"a.example"}\n', b"}\n"), 1, "end"),
        "elements": (repeated(xml_head, b"<a>"), 1, "nested too deep"),
        "a comment": (repeated(xml_head + b"<!--", b"x"), 1, "within a tag or a comment"),
        "a value": (repeated(xml_head + b"<a b='", b"x"), 1, "within a tag or a comment"),
        "a name": (repeated(xml_head + b"<", b"x"), 1, "within a tag or a comment"),
        "attributes": (repeated(xml_head + b"<a ", b"b='c' "), 1, "within a tag or a comment"),
        "names": (different_names(xml_head, b"<a%d b='' c='d'/>"), 1,
                  "within an element"),
        "ports": (repeated(b"Host: 192.0.2.1 ()\tPorts: 1/open/tcp//, ", b"1/closed/tcp//, "), 1, "end"),
        "a piece": (repeated(b"Host: 192.0.2.1 ()\tPorts: 1/open/tcp//\t", b"x"), 1, "end"),
    }
    least = tool.count([b"a.example\n"])[2]
    for name, (chunks, targets, end) in cases.items():
        got, _, kilobytes, ended = tool.count(chunks)
        assert got == targets and end in ended, f"{name}: {got} targets, {ended}"
        assert kilobytes - least < GROWTH_KB, f"{name}: {kilobytes} KB, {least} KB for one line"


def check_many(tool):
    def rows(head, form, count):
        yield head
        for i in range(0, count, 10000):
            yield b"".join(form % (i + k) for k in range(10000))

    forms = {
        "lines": (b"", b"host%d.example:8443\n", 300000),
        "csv": (b"host,port\n", b"host%d.example,8443\n", 300000),
        "json": (b"", b'{"host":"host%d.example","port":8443}\n', 300000),
        "masscan": (b"#masscan\n", b"open tcp %d 192.0.2.1 1700000000\n", 60000),
        "nmap": (b"<nmaprun>", b"<host><address addr='192.0.2.1'/><!--%d--></host>\n", 100000),
        "grepable": (b"", b"Host: 192.0.2.1 (x%d)\tPorts: 443/open/tcp//https///\n", 100000),
        "bad lines": (b"", b"bad line %d\n", 100000),
    }
    for name, (head, form, count) in forms.items():
        least = tool.count(rows(head, form, 10000))[2]
        got, bad, kilobytes, _ = tool.count(rows(head, form, count))
        assert got + bad == count, f"{name}: {got} and {bad} of {count}"
        assert kilobytes - least < 2048, f"{name}: {kilobytes} KB, {least} KB for a part of it"
    least = tool.count(spec="10.0.0.0/24")[2]
    got, _, kilobytes, _ = tool.count(spec="10.0.0.0/10")
    # Sanitizers take some megabytes by themselves; four bytes a target would be sixteen.
    assert got == 1 << 22 and kilobytes - least < 8192, f"/10: {got} targets, {kilobytes} KB, {least} KB"


def main():
    path = os.pathsep.join(sys.argv[1:2]) or os.environ["PATH"]
    tool = Tool(shutil.which("tool_list_targets", path=path))
    assert tool.path, "no tool_list_targets"
    check_files(tool)
    check_random(tool)
    check_hostile(tool)
    check_many(tool)
    print("inputs: all formats read as others read them, in memory that does not grow")


main()
