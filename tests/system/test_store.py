"""The store: one sweep into SQLite, PostgreSQL and a file, and all three say the same; what is
written again is there once; schemas of yesterday and tomorrow; a server that goes and comes back;
and `trawl query` against SQL of its own.

    python3 test_store.py FOLDER [test_NAME]     FOLDER holds tool_farm
"""
import collections
import datetime
import hashlib
import json
import os
import pathlib
import sqlite3
import signal
import subprocess
import sys
import tempfile
import time

from certwatch_support import Postgres, find_postgres, wait_until
from support import (FOREVER, HANG_SECONDS, SKIPPED, Farm, Targets, check, finish, lines_of,
                     loopback, refusing_port, run, start)

ENDPOINTS = 60
SILENT = ("silent", "dripping")  # those that only end by a timeout
MANY = 20000


def scan(*arguments):
    return run("scan", "--quiet", *FOREVER, *arguments)


class Sqlite:
    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:{path}"

    def rows(self, text):
        connection = sqlite3.connect(self.path)
        connection.row_factory = sqlite3.Row
        found = [{k: v.hex() if isinstance(v, bytes) else v for k, v in dict(row).items()}
                 for row in connection.execute(text)]
        connection.close()
        return found

    def run(self, text):
        connection = sqlite3.connect(self.path)
        connection.executescript(text)
        connection.close()


class Server:
    """The same of a database in PostgreSQL, through psql."""

    def __init__(self, postgres, database):
        self.postgres, self.database = postgres, database
        self.url = postgres.dsn(database)
        postgres.run(f'CREATE DATABASE "{database}"')

    def rows(self, text):
        found = self.postgres.rows(f"{text}", self.database)
        return [{k: v[2:] if isinstance(v, str) and v.startswith("\\x") else v
                 for k, v in row.items()} for row in found]

    def run(self, text):
        self.postgres.run(f"SET search_path = trawl; {text}", self.database)


def tables(store, name):
    """A SELECT's tables as each calls them."""
    return f"trawl.{name}" if isinstance(store, Server) else name


def select(store, text):
    """Words in braces are tables."""
    for name in ("certificates", "certificate_names", "chains", "chain_links", "details",
                 "endpoints", "observations", "ct_hits", "trawl_schema"):
        text = text.replace("{" + name + "}", tables(store, name))
    return store.rows(text)


def both(site, name):
    path = pathlib.Path(site.folder, f"{name}.db")
    return [Sqlite(path), Server(site.postgres, name)]


def ms_of(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


# --- What a sweep leaves ---

def expected_observation(record):
    certificate = record.get("certificate") or {}
    return (record["id"], record["host"], record["ip"] or "", record["port"], record["protocol"],
            ms_of(record["time"]), record["outcome"], record["status"], record["days_left"],
            certificate.get("fingerprint_sha256"),
            tuple(link["fingerprint_sha256"] for link in record.get("chain", [])))


def observations(store):
    chains = collections.defaultdict(list)
    for row in select(store, "SELECT l.chain, l.position, c.fingerprint_sha256 AS fingerprint FROM"
                      " {chain_links} l JOIN {certificates} c ON c.id = l.certificate"
                      " ORDER BY l.chain, l.position"):
        chains[row["chain"]].append(row["fingerprint"])
    rows = select(store, "SELECT o.id, e.host, e.ip, e.port, e.protocol, o.time, o.outcome,"
                  " o.status, o.days_left, c.fingerprint_sha256, o.chain FROM {observations} o"
                  " JOIN {endpoints} e ON e.id = o.endpoint"
                  " LEFT JOIN {certificates} c ON c.id = o.certificate")
    return sorted((*list(row.values())[:-1], tuple(chains[row["chain"]])) for row in rows)


CERTIFICATE = ("subject", "issuer", "issuer_cn", "issuer_o", "serial", "not_before", "not_after",
               "key_type", "key_bits", "signature_algorithm", "is_ca", "self_signed",
               "fingerprint_sha1", "tbs_sha256", "spki_sha256")


def check_certificates(store, records):
    wanted, seen = {}, collections.defaultdict(list)
    for record in records:
        certificate = record.get("certificate") or {}
        fingerprint = certificate.get("fingerprint_sha256")
        if not fingerprint:
            continue
        row = {name: certificate.get(name) for name in CERTIFICATE}
        for name in ("not_before", "not_after"):
            row[name] = row[name] and ms_of(row[name]) // 1000
        for name in ("is_ca", "self_signed"):
            row[name] = None if row[name] is None else int(row[name])
        wanted[fingerprint] = row
        seen[fingerprint].append(ms_of(record["time"]))
        row["names"] = sorted({*certificate.get("dns_names", []),
                               *certificate.get("ip_addresses", [])})
    names = collections.defaultdict(list)
    for row in select(store, "SELECT certificate, name, reversed FROM {certificate_names}"):
        names[row["certificate"]].append(row["name"])
        check(row["reversed"] in (row["name"], ".".join(reversed(row["name"].lower().split(".")))),
              "reversed", row)
    rows = select(store, "SELECT * FROM {certificates} WHERE der IS NOT NULL")
    check({row["fingerprint_sha256"] for row in rows} == set(wanted), "certificates of", store.url)
    for row in rows:
        fingerprint = row["fingerprint_sha256"]
        check(hashlib.sha256(bytes.fromhex(row["der"])).hexdigest() == fingerprint, "der", row)
        times = [ms for ms in seen[fingerprint]]
        is_link = any(link["fingerprint_sha256"] == fingerprint
                      for record in records for link in record.get("chain", []))
        check(is_link or (row["first_seen"], row["last_seen"]) == (min(times), max(times)), "seen",
              row, times)
        shown = {name: row[name] for name in CERTIFICATE}
        shown["names"] = sorted(names[row["id"]])
        check(shown == wanted[fingerprint], "certificate", shown, wanted[fingerprint])


OWN = ("record", "schema", "id", "time", "host", "ip", "port", "protocol", "attempt", "timing_us",
       "outcome", "status", "days_left", "certificate", "chain")


def check_details(store, records):
    """What stands in no column is in the shared part, and nothing else is."""
    rows = {row["id"]: row["record"] for row in
            select(store, "SELECT o.id, d.record FROM {observations} o"
                   " JOIN {details} d ON d.id = o.detail")}
    for record in records:
        wanted = {key: value for key, value in record.items() if key not in OWN}
        check(json.loads(rows.get(record["id"], "{}")) == wanted, "details", rows.get(record["id"]),
              wanted)


def test_contents(site):
    """Twice over the same endpoints: what is the same is stored once."""
    stores = both(site, "contents")
    records = []
    for number in range(2):
        path = pathlib.Path(site.folder, f"contents{number}.jsonl")
        outputs = [word for store in stores for word in ("-o", store.url)]
        done = scan(site.targets, "--ca-file", site.root, *outputs, "-o", path)
        check(done.returncode == 0, done.stderr)
        records += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    wanted = sorted(map(expected_observation, records))
    for store in stores:
        check(observations(store) == wanted, store.url, "observations", observations(store)[:2],
              wanted[:2])
        check_certificates(store, records)
        check_details(store, records)
        counts = select(store, "SELECT (SELECT count(*) FROM {details}) AS details,"
                        " (SELECT count(*) FROM {endpoints}) AS endpoints")[0]
        check(counts["endpoints"] == len(site.endpoints), counts)
        check(counts["details"] <= len(site.endpoints) * 1.1, "details are not shared", counts)
        newest = {}
        for record in sorted(records, key=lambda r: r["time"]):
            newest[record["host"], record["ip"] or ""] = record["outcome"]
        rows = select(store, "SELECT host, ip, outcome FROM {endpoints}")
        check({(r["host"], r["ip"]): r["outcome"] for r in rows} == newest, "endpoints")
    check_queries(site, stores, records)


def test_replays(site):
    """What is written again is there once: packed records of a sweep, handed on twice."""
    packed, lines = (pathlib.Path(site.folder, f"replays.{kind}") for kind in ("msgpack", "jsonl"))
    done = scan(site.targets, "--ca-file", site.root, "-o", packed, "-o", lines)
    check(done.returncode == 0, done.stderr)
    wanted = sorted(expected_observation(json.loads(line))
                    for line in lines.read_text(encoding="utf-8").splitlines())
    for store in both(site, "replays"):
        for _ in range(2):
            done = run("decode", packed, "-o", store.url)
            check(done.returncode == 0, done.stderr)
            check(observations(store) == wanted, store.url, "replayed", observations(store)[:2])
        counts = select(store, "SELECT count(*) AS n, count(DISTINCT fingerprint_sha256) AS hashes"
                        " FROM {certificates}")[0]
        check(counts["n"] == counts["hashes"] > 0, counts)


# --- Queries ---

def query(store, *arguments, status=0):
    done = run("query", "--json", "--store", store.url, *arguments)
    check(done.returncode == status, "query", arguments, done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_queries(site, stores, records):
    answers = [{
        "expiring": query(store, "expiring", "--within", "20d"),
        "all": query(store, "expiring", "--within", "10000d", "--limit", "0"),
        "hosts": query(store, "hosts"),
        "issuers": query(store, "issuers"),
        "names": query(store, "names", "farm.test"),
        "changed": query(store, "changed"),
        "history": query(store, "history", site.endpoints[0]["name"]),
    } for store in stores]
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    for answer, store in zip(answers, stores):
        rows = select(store, "SELECT e.host, c.not_after FROM {endpoints} e JOIN {certificates} c"
                      " ON c.id = e.certificate ORDER BY c.not_after, e.host")
        check([r["host"] for r in answer["all"]] == [r["host"] for r in rows], "expiring, all")
        check([r["host"] for r in answer["expiring"]] ==
              [r["host"] for r in rows if r["not_after"] < now + 20 * 86400], "expiring")
        check(0 < len(answer["expiring"]) < len(answer["all"]), "expiring", answer["expiring"])
        check(sum(row["endpoints"] for row in answer["issuers"]) == len(rows), "issuers")
        check(len(answer["hosts"]) == len(site.endpoints), "hosts")
        check([row["id"] for row in answer["history"]] ==
              [r["id"] for r in sorted(records, key=lambda r: r["time"], reverse=True)
               if r["host"] == site.endpoints[0]["name"]], "history", answer["history"])
        listed = {(n, r["certificate"]["fingerprint_sha256"]) for r in records
                  if r.get("certificate") for n in r["certificate"].get("dns_names", [])
                  if n == "farm.test" or n.endswith(".farm.test")}
        check({(r["name"], r["fingerprint_sha256"]) for r in answer["names"]} == listed, "names",
              answer["names"][:3])
        check_cert(store, next(r["certificate"] for r in records if r.get("certificate")))
    for name in ("expiring", "names", "issuers", "hosts", "history", "changed"):
        first, second = ([{k: v for k, v in row.items() if k != "days_left"} for row in a[name]]
                         for a in answers)
        check(first == second, "SQLite and PostgreSQL differ:", name, first[:2], second[:2])


def check_cert(store, certificate):
    fingerprint = certificate["fingerprint_sha256"]
    for word in (fingerprint, fingerprint[:9].upper(), certificate["serial"],
                 certificate["dns_names"][0]):
        found = [r for r in query(store, "cert", word) if r["fingerprint_sha256"] == fingerprint]
        names = certificate["dns_names"] + certificate.get("ip_addresses", [])
        check(len(found) == 1 and found[0]["names"] == sorted(names) and
              found[0]["subject"] == certificate["subject"], "cert", word, found)
    check(query(store, "cert", "0000000000000000", status=1) == [], "a certificate of nobody")


def test_changed(site):
    """Rows made by hand: a certificate and an outcome that change, before and behind `since`."""
    for store in both(site, "changed"):
        scan(f"127.0.0.1:{site.refused}", "-o", store.url)
        store.run(
            "DELETE FROM observations;"
            "INSERT INTO certificates (fingerprint_sha256, issuer_cn, not_after, first_seen,"
            " last_seen) VALUES ({0}11{1}, 'one', 5, 0, 0), ({0}22{1}, 'two', 6, 0, 0);"
            .format(*(("decode('", "','hex')") if isinstance(store, Server) else ("x'", "'"))) +
            "".join(
                "INSERT INTO observations (id, endpoint, time, outcome, status, certificate) SELECT"
                f" {'decode' if isinstance(store, Server) else 'upper'}('{number:02x}'"
                f"{', ' + repr('hex') if isinstance(store, Server) else ''}), e.id, {time},"
                f" '{outcome}', 'ok', {certificate} FROM endpoints e;"
                for number, (time, outcome, certificate) in enumerate([
                    (1000, "ok", "(SELECT id FROM certificates WHERE issuer_cn = 'one')"),
                    (2000, "ok", "(SELECT id FROM certificates WHERE issuer_cn = 'two')"),
                    (3000, "timeout", "NULL"),
                    (4000, "ok", "(SELECT id FROM certificates WHERE issuer_cn = 'two')"),
                    (5000, "ok", "(SELECT id FROM certificates WHERE issuer_cn = 'one')")])))
        wanted = [("1970-01-01T00:00:05.000Z", "certificate", "22", "11"),
                  ("1970-01-01T00:00:04.000Z", "outcome", "timeout", "ok"),
                  ("1970-01-01T00:00:03.000Z", "outcome", "ok", "timeout"),
                  ("1970-01-01T00:00:02.000Z", "certificate", "11", "22")]
        for since, count in (("1970-01-01", 4), ("1970-01-01T00:00:03Z", 3), ("7d", 0)):
            found = [(r["time"], r["what"], r["before"], r["after"])
                     for r in query(store, "changed", "--since", since)]
            check(found == wanted[:count], store.url, since, found)


def test_forget(site):
    """What is old goes while a sweep writes; nothing of what the sweep says is missing."""
    old = "2000-01-01"
    for store in both(site, "forget"):
        output = pathlib.Path(site.folder, "forget.jsonl")
        scan(site.targets, "-o", store.url)
        count = len(select(store, "SELECT 1 FROM {observations}"))
        states = select(store, "SELECT host, port, status FROM {endpoints} ORDER BY host, port")
        store.run(f"UPDATE observations SET time = {ms_of('1999-12-31T23:59:59Z')}")
        done = run("forget", "--store", store.url, "--before", old, "--dry-run")
        check(f"{count} observations" in done.stdout, done.stdout, done.stderr)
        check(len(select(store, "SELECT 1 FROM {observations}")) == count, "a dry run deletes")
        sweep = start("scan", "--quiet", *FOREVER, "-", "-p", site.refused, "--append", "-o",
                      store.url, "-o", output, stdin=subprocess.PIPE, text=True)
        lines = [loopback(number) for number in range(3000)]
        targets = Targets(sweep, lines)
        targets.allow(1000)
        wait_until("rows", lambda: len(select(store, "SELECT 1 FROM {observations}")) > count)
        done = run("forget", "--store", store.url, "--before", old)
        check(done.returncode == 0 and f"{count} observations" in done.stdout, done.stdout,
              done.stderr)
        targets.allow(len(lines))
        check(sweep.wait(HANG_SECONDS) == 0, "the sweep ends with", sweep.returncode)
        ids = {json.loads(line)["id"] for line in output.read_text().splitlines()}
        left = {row["id"] for row in select(store, "SELECT id FROM {observations}")}
        check(left == ids and len(ids) == 3000, store.url, len(left), len(ids))
        kept = select(store, "SELECT host, port, status FROM {endpoints}"
                      f" WHERE port <> {site.refused} ORDER BY host, port")
        check(kept == states, store.url, "endpoints", len(kept), len(states))
        check(not select(store, "SELECT 1 FROM {observations} o LEFT JOIN {details} d"
                         " ON d.id = o.detail WHERE d.id IS NULL AND o.detail IS NOT NULL"),
              store.url, "observations without their details")
        output.unlink()
    for words, code in (([], 2), (["--before", "soon"], 2), (["--before", "1d", "x"], 2),
                        (["--before", "1d", "--store", f"{site.folder}/nowhere.db"], 2),
                        (["--before", "1d", "--store", Server(site.postgres, "forgets").url,
                          "--compact"], 2)):
        done = run("forget", *words)
        check(done.returncode == code and done.stderr.startswith("trawl: "), words,
              done.returncode, done.stderr)
    store = Sqlite(pathlib.Path(site.folder, "forget.db"))
    before = store.path.stat().st_size
    done = run("forget", "--store", store.path, "--before", "0s", "--compact")
    check(done.returncode == 0 and store.path.stat().st_size < before, done.stdout, done.stderr)


def test_query_usage(site):
    store = Sqlite(pathlib.Path(site.folder, "usage.db"))
    scan(f"127.0.0.1:{site.refused}", "-o", store.url)
    for words in (["what"], [], ["cert"], ["cert", "a", "b"], ["issuers", "x"],
                  ["changed", "--since", "yesterday"], ["names", "."],
                  ["issuers", "--store", f"{site.folder}/nowhere.db"],
                  ["issuers", "--store", "postgresql://%"]):
        done = run("query", "--store", store.url, *words)
        check(done.returncode == 2 and done.stderr.startswith("trawl: ") and
              done.stderr.count("\n") == 1, words, done.returncode, done.stderr)
    check(not pathlib.Path(site.folder, "nowhere.db").exists(), "query made a file")
    bare = {name: value for name, value in os.environ.items() if name != "TRAWL_STORE"}
    done = run("query", "hosts", cwd=site.folder, env=bare)
    check(done.returncode == 2 and "--store names a store" in done.stderr, done.stderr)
    table = run("query", "hosts", "--table", env={**os.environ, "TRAWL_STORE": str(store.path)})
    check(table.returncode == 0 and table.stdout.split("\n")[0].split()[:2] == ["HOST", "PORT"] and
          "127.0.0.1" in table.stdout, table.stdout, table.stderr)
    other = pathlib.Path(site.folder, "other.db")
    Sqlite(other).run("CREATE TABLE mine (x); INSERT INTO mine VALUES (1);")
    before = other.read_bytes()
    done = scan(f"127.0.0.1:{site.refused}", "-o", f"sqlite:{other}")
    check(done.returncode == 2 and "not one of trawl's" in done.stderr, done.stderr)
    check(other.read_bytes() == before, "a database of others was changed")


# --- Schemas ---

def test_schemas(site):
    target = f"127.0.0.1:{site.refused}"
    for store in both(site, "schemas"):
        versions = "SELECT version FROM {trawl_schema} WHERE part = 'store' ORDER BY version"
        together = [start("scan", "--quiet", target, "-o", store.url) for _ in range(4)]
        check([p.wait(HANG_SECONDS) for p in together] == [0] * 4, "four at once on an empty one")
        check([r["version"] for r in select(store, versions)] == [1, 2], "versions")
        check(select(store, "SELECT count(*) AS n FROM {observations}")[0]["n"] == 4, "four")
        store.run("DELETE FROM trawl_schema WHERE version = 2; DROP TABLE ct_hits;")
        old = run("query", "ct", "--store", store.url)
        check(old.returncode == 2 and "older trawl" in old.stderr, old.stderr)
        check(scan(target, "-o", store.url).returncode == 0, "from the first version")
        check([r["version"] for r in select(store, versions)] == [1, 2], "versions")
        check(select(store, "SELECT count(*) AS n FROM {ct_hits}")[0]["n"] == 0, "ct_hits")
        check(select(store, "SELECT count(*) AS n FROM {observations}")[0]["n"] == 5, "kept")
        store.run("INSERT INTO trawl_schema VALUES ('store', 99, 0);")
        for words in (["scan", target, "-o", store.url], ["query", "ct", "--store", store.url]):
            done = run(*words)
            check(done.returncode == 2 and "newer trawl" in done.stderr and
                  done.stderr.count("\n") == 1 and Postgres.PASSWORD not in done.stderr, words,
                  done.stderr)
        check(select(store, "SELECT count(*) AS n FROM {observations}")[0]["n"] == 5, "untouched")


def test_refusals(site):
    """Told before the sweep starts, in one line and without the password."""
    postgres = site.postgres
    away = f"postgresql://postgres:{postgres.PASSWORD}@127.0.0.1:{site.refused}/postgres"
    postgres.run("CREATE ROLE nobody LOGIN PASSWORD 'dont-tell-anybody'")
    for url, code in ((postgres.dsn(password="dont-tell-anybody-2"), 2),
                      (postgres.dsn(user="stranger"), 2), (postgres.dsn("nowhere"), 2),
                      (postgres.dsn(user="nobody"), 2), ("postgresql://[::1", 2),
                      ("postgres://h:port/", 2), ("postgresql://h:65536/x", 2),
                      (away + "#spool=off", 1), ("sqlite:", 2),
                      (f"sqlite:{site.folder}/no/where.db", 2), ("sqlite:/dev", 2),
                      (postgres.dsn() + "#wrong=1", 2)):
        done = run("scan", f"127.0.0.1:{site.refused}", "-o", url)
        check(done.returncode == code, url, done.returncode, done.stderr)
        check(done.stderr.startswith("trawl: ") and done.stderr.count("\n") == 1 and
              "dont-tell" not in done.stderr and done.stdout == "", url, done.stderr)


# --- A server that goes ---

def test_outage(site):
    """Stopped in the middle and started again: every record is there, once."""
    store = Server(site.postgres, "outage")
    path = pathlib.Path(site.folder, "outage.jsonl")
    process = start("scan", "-", "-p", str(site.refused), "--quiet", "-o", store.url, "-o", path,
                    stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    env={**os.environ, "XDG_STATE_HOME": f"{site.folder}/state"})
    targets = Targets(process, [loopback(number) for number in range(MANY)])
    targets.allow(MANY // 2)
    wait_until("rows", lambda: site.postgres.psql(
        "SELECT 1 FROM trawl.observations LIMIT 1", "outage").stdout.strip())
    site.postgres.stop()
    targets.allow(MANY)
    said = process.stderr.readline()
    check("PostgreSQL" in said, "what it says", said)
    site.postgres.start()
    rest = process.communicate(timeout=HANG_SECONDS)[1]
    check(process.returncode == 0, process.returncode, said, rest)
    check(site.postgres.PASSWORD not in said + rest, "the password")
    wanted = sorted(json.loads(line)["id"] for line in path.open(encoding="utf-8"))
    rows = sorted(r["id"] for r in select(store, "SELECT id FROM {observations}"))
    check(len(wanted) == MANY and rows == wanted, "after the outage", len(rows), len(wanted))


def test_hangs(site):
    """A server that is there and says nothing more: whoever interrupts twice does not wait for it,
    and no record is lost. A sweep without an end."""
    store, path, spools = (Server(site.postgres, "hangs"), pathlib.Path(site.folder, "hangs.jsonl"),
                           os.path.join(site.folder, "hanging"))
    process = start("scan", "127.64.0.0/11", "-p", str(site.refused), "--rate", "8000", "-o",
                    store.url, "-o", path, "--spool", spools, stderr=subprocess.PIPE, text=True)
    wait_until("rows", lambda: site.postgres.psql(
        "SELECT 1 FROM trawl.observations LIMIT 1", "hangs").stdout.strip())
    main = site.postgres.process.pid
    os.kill(main, signal.SIGSTOP)  # nobody else comes, and those that end stay until it goes on
    children = subprocess.run(["ps", "--ppid", str(main), "-o", "pid="], capture_output=True,
                              text=True, check=True).stdout.split()
    for pid in map(int, children):
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    said = process.communicate()[1]
    for pid in (*map(int, children), main):
        os.kill(pid, signal.SIGCONT)
    check(process.returncode == 130 and "no answer so far" in said, process.returncode, said)
    records = len(path.read_bytes().splitlines())
    done = run("spool", "list", "--json", "--spool", spools)
    waiting = sum(json.loads(line)["waiting"] for line in done.stdout.splitlines())
    rows = select(store, "SELECT count(*) AS n FROM {observations}")[0]["n"]
    check(waiting > 0 and rows + waiting >= records, "hangs:", rows, waiting, records)


def test_away_at_start(site):
    """Nobody there when the sweep begins: the spool has whole records, and no word a password."""
    store, wrong = Server(site.postgres, "away"), []
    path, spools = (os.path.join(site.folder, name) for name in ("away.jsonl", "spools"))
    site.postgres.stop()
    done = run("scan", site.targets, "--ca-file", site.root, "--spool", spools, "-o", store.url,
               "-o", path)
    check(done.returncode == 0 and "wait for the next run" in done.stderr, done.stderr)
    wrong.append(done.stderr)
    names = [line.split()[-1] for line in run("spool", "list", "--spool", spools).stdout.split(
        "\n")[1:] if line]
    replay = ("spool", "replay", *names, "--spool", spools, "-o", store.url)
    done = run(*replay)
    check(done.returncode == 1, "replay to nobody", done.returncode, done.stderr)
    wrong.append(done.stderr)
    site.postgres.start()
    done = run(*replay)
    check(done.returncode == 0, "replay", done.stdout, done.stderr)
    check(not any(site.postgres.PASSWORD in words for words in wrong), "the password", wrong)
    records = [json.loads(line) for line in open(path, encoding="utf-8")]
    check(observations(store) == sorted(map(expected_observation, records)), "away: observations")
    check_certificates(store, records)


class Site:
    def __init__(self, folder, farm, postgres, refused):
        self.folder, self.postgres, self.refused = folder, postgres, refused
        self.endpoints = farm.endpoints
        self.root = farm.root
        self.targets = "@" + os.path.join(folder, "targets")
        pathlib.Path(self.targets[1:]).write_text(lines_of(farm.endpoints), encoding="ascii")


def main():
    if not find_postgres():
        print("no PostgreSQL here")
        sys.exit(SKIPPED)
    wanted = sys.argv[2:] or [name for name in globals() if name.startswith("test_")]
    holder, refused = refusing_port()
    with tempfile.TemporaryDirectory() as folder, holder, Postgres(folder) as postgres, \
            Farm(sys.argv[1], os.path.join(folder, "root.pem"), ENDPOINTS, SILENT) as farm:
        site = Site(folder, farm, postgres, refused)
        for name in wanted:
            print(name, flush=True)
            globals()[name](site)
    finish()


main()
