"""One sweep at full speed into six outputs at once: a file, a reader that acknowledges, SQLite,
PostgreSQL, NATS and a webhook in every bad mood. All of them are ended and started again meanwhile,
trawl itself is killed and taken up from its checkpoint, and what is left in the spools is replayed.
Then the six ledgers agree to the record, and so do two more outputs that take only some.

    python3 test_six_ledgers.py FOLDER [--targets N]     FOLDER holds tool_farm
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from certwatch_support import Postgres, find_postgres, wait_until
from hooks import RESET, Hook
from nats_support import SERVER, NatsServer
from support import (FOREVER, HANG_SECONDS, SKIPPED, Farm, Sweep, Targets, check, finish, lines_of,
                     loopback, refusing_port, run, start)

ENDPOINTS = 400
AHEAD_PERCENT = 10  # of the targets, that a sweep may go on meanwhile
REPLAYS_IN_VAIN = 10
SILENT = ("silent", "dripping")  # those that only end by a timeout
TARGETS, TARGETS_SANITIZED = 6000, 1500
FINDINGS = ("expired", "untrusted")


def row_of(record):
    return (record["id"], record["outcome"],
            (record.get("certificate") or {}).get("fingerprint_sha256"))


def whole_lines(path):
    data = pathlib.Path(path).read_bytes()
    return map(json.loads, data[:data.rfind(b"\n") + 1].splitlines())


# --- The receivers: each can be ended and started again, and has a ledger ---

class File:
    """The measure of the others; `count` follows it while it is written."""

    def __init__(self, path):
        self.path, self._read, self._lines = path, 0, 0

    def count(self):
        if not os.path.exists(self.path):
            return 0
        if os.stat(self.path).st_size < self._read:  # cut by a run that goes on
            self._read = self._lines = 0
        with open(self.path, "rb") as file:
            file.seek(self._read)
            more = file.read()
        self._read += len(more)
        self._lines += more.count(b"\n")
        return self._lines

    def records(self):
        return list(whole_lines(self.path))


class Reader:
    """`trawl decode`, which writes into another file each time; a killed one leaves a torn line."""

    def __init__(self, folder):
        self.folder, self.paths, self.process = folder, [], None
        self.url = f"msgpack+unix://{folder}/reader.sock#ack"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        self.paths.append(os.path.join(self.folder, f"reader.{len(self.paths)}.jsonl"))
        self.process = start("decode", f"{self.url},listen", "--follow", "-q", "-o", self.paths[-1])

    def kill(self):
        self.process.kill()
        self.process.wait(HANG_SECONDS)

    def rows(self):
        """One that was killed as it started has no file."""
        return [row_of(record) for path in self.paths if os.path.exists(path)
                for record in whole_lines(path)]


class Webhook:
    """Of sixteen messages six are answered in some bad way; two of the first take longer."""

    def __init__(self):
        self.never, self.hooks, self.is_away = threading.Event(), [], False
        self.once = {4: (429, {"Retry-After": "1"}, b""), 14: self.never}
        self.moods = {2: (500, {}, b"no"), 6: None, 8: RESET, 10: (503, {}, b""), 12: "slow",
                      15: (429, {"Retry-After": "0"}, b"")}
        self.url = ""

    def __enter__(self):
        self.start()
        self.url = self.hooks[0].spec("batch=150,batch-wait=50ms,retries=1,backoff=20ms,timeout=1s")
        return self

    def __exit__(self, *_):
        self.never.set()
        self.kill()

    def start(self):
        self.is_away = False
        self.hooks.append(Hook(self._reply, port=self.hooks[0].port if self.hooks else 0))
        self.hooks[-1].__enter__()

    def kill(self):
        self.is_away = True
        self.hooks[-1].__exit__()

    def _reply(self, _, number):
        if self.is_away:  # a connection from before
            return RESET
        mood = self.once.get(number) or self.moods.get(number % 16, (200, {}, b""))
        if mood == "slow":
            time.sleep(0.3)
            return 200, {}, b""
        return mood

    def rows(self):
        return [row_of(record) for hook in self.hooks for record in hook.taken()]


class Sqlite:
    def __init__(self, folder):
        self.path = os.path.join(folder, "store.db")
        self.url = f"sqlite:{self.path}"

    @contextlib.contextmanager
    def locked(self):
        """Somebody else writes: that holds the sweep back, for there is no spool."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=HANG_SECONDS)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.close()

    def rows(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(
                "SELECT lower(hex(o.id)), o.outcome, nullif(lower(hex(c.fingerprint_sha256)), '')"
                " FROM observations o LEFT JOIN certificates c ON c.id = o.certificate").fetchall()


class Database:
    def __init__(self, postgres):
        self.postgres = postgres
        self.url = f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"

    def rows(self):
        return [tuple(row.values()) for row in self.postgres.rows(
            "SELECT encode(o.id, 'hex') AS id, o.outcome, encode(c.fingerprint_sha256, 'hex') AS f"
            " FROM trawl.observations o LEFT JOIN trawl.certificates c ON c.id = o.certificate")]


class Stream:
    def __init__(self, server, name, only=""):
        self.server, self.name = server, name
        self.url = (f"nats://127.0.0.1:{server.port}/{name}.records{only}"
                    f"#stream={name},create,dedupe=1h,timeout=1s")

    def rows(self):
        with self.server.client() as client:
            return [row_of(json.loads(message.data)) for message in client.messages(self.name)]


# --- The sweep ---

class Site:
    """Everything that runs."""

    def __init__(self, stack, tools, folder, targets):
        holder, refused = refusing_port()
        stack.enter_context(holder)
        farm = stack.enter_context(Farm(tools, os.path.join(folder, "root.pem"), ENDPOINTS, SILENT))
        self.folder = folder
        self.postgres = stack.enter_context(Postgres(folder))
        self.nats = stack.enter_context(NatsServer(folder))
        self.reader = stack.enter_context(Reader(folder))
        self.webhook = stack.enter_context(Webhook())
        self.sqlite = Sqlite(folder)
        self.file = File(os.path.join(folder, "all.jsonl"))
        self.bad = File(os.path.join(folder, "bad.jsonl"))
        self.found = Stream(self.nats, "FOUND", f"?only=findings:{','.join(FINDINGS)}")
        self.ledgers = {"reader": self.reader, "SQLite": self.sqlite,
                        "PostgreSQL": Database(self.postgres), "NATS": Stream(self.nats, "ALL"),
                        "webhook": self.webhook}
        self.given = None
        self.spool = os.path.join(folder, "spools")
        os.environ["PGPASSWORD"] = Postgres.PASSWORD
        lines = lines_of(farm.endpoints).splitlines()
        lines += [f"{loopback(i)}:{refused}" for i in range(len(lines) // 2)]
        self.targets = (lines * (targets // len(lines) + 1))[:targets]
        self.arguments = ["-", "-c", "256", *FOREVER, "--ca-file", farm.root, "--spool", self.spool,
                          "--checkpoint", os.path.join(folder, "checkpoint"), "-o", self.file.path,
                          "-o", f"{self.bad.path}#only=!outcome:ok", "-o", self.found.url]
        for ledger in self.ledgers.values():
            self.arguments += ["-o", ledger.url]

    def sweep(self):
        sweep = Sweep(*self.arguments, stdin=subprocess.PIPE)
        self.given = Targets(sweep.process, self.targets)
        return sweep

    def until(self, sweep, share):
        """Waits for so much of the file, in percent. The sweep goes on, but not far."""
        count = len(self.targets) * share // 100
        self.given.allow(count + len(self.targets) * AHEAD_PERCENT // 100)
        wait_until(f"{count} records", lambda: self.file.count() >= count or
                   sweep.process.poll() is not None)
        check(sweep.process.poll() is None, f"the sweep was over before {share} %", sweep.said)


def first_run(site):
    """Each receiver is away for a while, two of them at once; then trawl is killed."""
    sweep = site.sweep()
    site.until(sweep, 5)
    site.nats.kill()
    site.webhook.kill()
    site.until(sweep, 15)
    site.reader.kill()
    with site.sqlite.locked():
        site.nats.start()
    site.until(sweep, 25)
    site.postgres.stop()
    site.until(sweep, 35)
    site.webhook.start()
    site.reader.start()
    with site.sqlite.locked():
        site.postgres.start()
    site.until(sweep, 50)
    sweep.process.kill()
    sweep.end(-9)


def second_run(site):
    """It goes on where it was; all are killed, some come back, and at its end nobody is there."""
    sweep = site.sweep()
    site.until(sweep, 65)
    site.reader.kill()
    site.nats.kill()
    site.reader.start()
    site.until(sweep, 75)
    with site.sqlite.locked():
        site.nats.start()
    site.webhook.kill()
    site.until(sweep, 85)
    site.postgres.stop()
    site.nats.kill()
    site.reader.kill()
    site.given.allow(len(site.targets))
    sweep.end(0)
    check("going on with a sweep of which" in sweep.said, "not taken up:", sweep.said)
    check("wait for the next run" in sweep.said, sweep.said)
    site.webhook.start()
    site.postgres.start()
    site.nats.start()
    site.reader.start()


def spools(site):
    return [json.loads(line) for line in
            run("spool", "list", "--json", "--spool", site.spool).stdout.splitlines()]


def waiting(site):
    return sum(spool["waiting"] for spool in spools(site))


def replay(site):
    """Until nothing waits: a webhook in a bad mood may end a replay early, or at once, when the
    machine is busy."""
    kinds = {spool["kind"] for spool in spools(site)}
    # Those that were ended last may have had all by then.
    check("webhook" in kinds and kinds <= {"webhook", "postgresql", "nats", "msgpack-ack"},
          "what was left:", kinds)
    left, in_vain = waiting(site), 0
    while spools(site):
        before, done = left, run("spool", "replay", "--spool", site.spool)
        left = waiting(site)
        in_vain = in_vain + 1 if left == before else 0
        check(left <= before, "replay makes more", before, left, done.stderr)
        if not check(in_vain < REPLAYS_IN_VAIN, "replay sends nothing", left, done.stderr):
            break
    check(not any(spool["dead"] for spool in spools(site)), "dead letters", spools(site))


# --- The ledgers ---

def agree(name, wanted, found, once):
    """The same records with the same content; `once` where the other side sorts out what comes
    twice."""
    missing, more = wanted - set(found), set(found) - wanted
    check(not missing and not more, f"{name}: of {len(wanted)} records {len(missing)} are missing,",
          f"{len(more)} are others:", sorted(missing, key=str)[:2], sorted(more, key=str)[:2])
    twice = len(found) - len(set(found))
    check(not (once and twice), f"{name}: {twice} twice")
    print(f"{name}: {len(set(found))} records, {twice} more than once", flush=True)


def compare(site):
    records = site.file.records()
    wanted = {row_of(record) for record in records}
    check(len({record["id"] for record in records}) == len(site.targets) == len(wanted),
          "the file has", len(wanted), "of", len(site.targets))
    hosts = collections.Counter(dict((r["id"], r["host"]) for r in records).values())
    asked = collections.Counter(line.split("@")[0].split(":")[0] for line in site.targets)
    check(hosts == asked, "other targets than were asked for", (asked - hosts).most_common(3))
    for name, ledger in site.ledgers.items():
        agree(name, wanted, ledger.rows(), name in ("SQLite", "PostgreSQL", "NATS"))
    agree("only some, NATS", {row_of(r) for r in records if set(r["findings"]) & set(FINDINGS)},
          site.found.rows(), True)
    agree("only some, file", {row_of(r) for r in records if r["outcome"] != "ok"},
          [row_of(r) for r in site.bad.records()], False)
    outcomes = collections.Counter(record["outcome"] for record in records)
    check(outcomes["ok"] > len(records) // 4 and outcomes["refused"] > len(records) // 8, outcomes)


def is_sanitized():
    cache = pathlib.Path(os.environ["TRAWL_BUILD"], "CMakeCache.txt").read_text(encoding="utf-8")
    return "\nTRAWL_SANITIZE:STRING=\n" not in cache


def main():
    if not find_postgres() or not SERVER:
        print("no PostgreSQL or no nats-server here")
        sys.exit(SKIPPED)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--targets", type=int,
                        default=TARGETS_SANITIZED if is_sanitized() else TARGETS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        site = Site(stack, options.folder, folder, options.targets)
        for step in (first_run, second_run, replay, compare):
            began = time.monotonic()
            step(site)
            print(f"{step.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    finish()


main()
