"""What is not taken is kept: webhooks that are down, slow, silent or refuse, trawl killed at any
time, and the commands about it. The ledger is the receiver's own, compared with what trawl wrote
to a file.

    python3 test_spool.py FOLDER     $TRAWL is the program
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from hooks import Hook, Sweep, interrupt_twice
from support import HANG_SECONDS, check, finish, loopback, run, start


class Spool:
    """A folder for spools, and what the program says about it."""

    def __init__(self, folder):
        self.folder = folder

    def list(self):
        done = run("spool", "list", "--json", "--spool", self.folder)
        check(done.returncode == 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def one(self):
        spools = self.list()
        check(len(spools) == 1, spools)
        return spools[0] if spools else {"name": "none", "waiting": -1, "dead": -1}

    def command(self, *arguments, **options):
        return run("spool", *arguments, "--spool", self.folder, **options)


def wait_until(condition):
    end = time.monotonic() + HANG_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return check(condition(), "waited in vain")


def ids_of(requests):
    return [request.headers["webhook-id"] for request in requests]


def hosts_of(requests):
    return [json.loads(request.body)["host"] for request in requests]


def down_and_back(sweep, spool):
    """Nobody there: all of it waits, in order; the next run sends it first."""
    with Hook() as hook:
        spec = hook.spec("retries=0")
    path = sweep.folder / "down.jsonl"
    done = sweep.run(50, "-o", spec, "-o", path, "--workers", "1", "--spool", spool.folder)
    check(done.returncode == 0, done.returncode, done.stderr)
    check("Connection refused" in done.stderr and "kept in the spool" in done.stderr, done.stderr)
    one = spool.one()
    check(one["waiting"] == 50 and one["dead"] == 0 and not one["in_use"], one)
    check(f"trawl spool replay {one['name']}" in done.stderr, done.stderr)
    sink = sweep.stats()["outputs"][0]
    check(sink["waiting"] == 50 and sink["written"] == 0 and sink["lost"] == 0, sink)
    check(sweep.stats()["outputs"][1]["written"] == 50, sweep.stats()["outputs"])
    shown = spool.command("show", one["name"]).stdout.splitlines()
    expected = [json.loads(line)["host"] for line in path.read_text().splitlines()]
    check([json.loads(line)["host"] for line in shown] == expected, len(shown))
    with Hook(port=hook.port) as hook:
        done = sweep.run(10, "-o", spec, "--spool", spool.folder)
        check(done.returncode == 0, done.stderr)
        check(hosts_of(hook.requests)[:50] == expected, "not in order")
        check(len(hook.requests) == 60 == len(set(ids_of(hook.requests))), len(hook.requests))
    check(spool.list() == [], spool.list())
    check(sweep.stats()["outputs"][0]["written"] == 60, sweep.stats()["outputs"])


def away_for_a_while(sweep, spool):
    """500 for some time in the midst of a sweep, and 429: all arrive in the run, in order. That is
    over when the sweep goes on to its end, for what fails there may be left to the next run."""
    def reply(_, number):
        if number == 5:
            return 500, {}, b"busy"
        return (429, {"Retry-After": "1"}, b"") if number == 9 else (200, {}, b"")

    path = sweep.folder / "away.jsonl"
    targets = [f"{loopback(number)}\n" for number in range(300)]
    with Hook(reply) as hook:
        command = sweep.arguments(["-"], "-o", hook.spec("retries=0"), "-o", path, "--workers", "1",
                                  "--spool", spool.folder)
        with start(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdin.write("".join(targets[:20]))
            process.stdin.flush()
            wait_until(lambda: len(hook.taken()) == 20)
            stderr = process.communicate("".join(targets[20:]), timeout=HANG_SECONDS)[1]
        check(process.returncode == 0, process.returncode, stderr)
        taken = [r for n, r in enumerate(hook.requests, 1) if n not in (5, 9)]
        expected = [json.loads(line)["host"] for line in path.read_text().splitlines()]
        check(hosts_of(taken) == expected, len(taken))
        check(len(set(ids_of(hook.requests))) == 300, len(set(ids_of(hook.requests))))
    check(spool.list() == [], spool.list())


def slow_holds_nobody_back(sweep, spool):
    """A webhook that never answers does not keep a file from its records."""
    never = threading.Event()
    with Hook(lambda *_: never) as hook:
        command = sweep.arguments(20000, "-o", hook.spec("timeout=10m"), "-o",
                                  sweep.folder / "slow.jsonl", "--spool", spool.folder)
        with start(*command, stderr=subprocess.PIPE, text=True) as process:
            path = sweep.folder / "slow.jsonl"
            wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") == 20000)
            wait_until(lambda: spool.one()["waiting"] == 20000)
            one = spool.one()
            check(one["in_use"], one)
            refused = spool.command("drop", one["name"])
            check(refused.returncode == 1 and "in use" in refused.stderr, refused.stderr)
            stderr = interrupt_twice(process)
        never.set()
    stats = sweep.stats()
    check(stats["records_lost"] == 0 and stats["outputs"][0]["waiting"] == 20000, stats, stderr)
    check(spool.command("drop", one["name"]).returncode == 0)
    check(spool.list() == [], spool.list())


def refused_for_good(sweep, spool):
    """Dead letters: told, kept with the reason, sent again on demand, dropped."""
    def reply(request, _):
        return (400, {}, b"no such field") if loopback(5).encode() in request.body \
            else (200, {}, b"")

    with Hook(reply) as hook:
        done = sweep.run(20, "-o", hook.spec(), "--spool", spool.folder)
        check(done.returncode == 1, done.returncode)
        check("1 are dead letters: trawl spool show --dead" in done.stderr, done.stderr)
        check(len(hook.requests) == 20, len(hook.requests))
        one = spool.one()
        check(one["dead"] == 1 and one["waiting"] == 0, one)
        shown = spool.command("show", "--dead", one["name"]).stdout.splitlines()
        check(len(shown) == 2 and 'HTTP 400: "no such field"' in shown[0], shown)
        check(json.loads(shown[1])["host"] == loopback(5), shown)
        again = spool.command("replay", "--dead", one["name"])
        check(again.returncode == 1 and "1 dead" in again.stderr, again.stderr)
        check(spool.one()["dead"] == 1, spool.list())
    with Hook(port=hook.port) as hook:
        again = spool.command("replay", "--dead")
        check(again.returncode == 0 and "1 sent, 0 dead, 0 left" in again.stderr, again.stderr)
        check(hosts_of(hook.requests) == [loopback(5)], len(hook.requests))
    check(spool.list() == [], spool.list())


def replayed_elsewhere(sweep, spool):
    """A password is not kept: replay wants to be told where. A file will do."""
    with Hook() as hook:
        spec = hook.spec("retries=0").replace("http://", "http://user:pass%40word@")
    done = sweep.run(7, "-o", spec, "--spool", spool.folder)
    check(done.returncode == 0, done.stderr)
    one = spool.one()
    for path in pathlib.Path(spool.folder).rglob("meta"):
        check("word" not in path.read_text().replace("spec-without-password", ""), path.read_text())
    refused = spool.command("replay", one["name"])
    check(refused.returncode == 2 and "-o URL" in refused.stderr, refused.stderr)
    path = sweep.folder / "replayed.jsonl"
    done = spool.command("replay", one["name"], "-o", path)
    check(done.returncode == 0, done.stderr)
    check(len(path.read_text().splitlines()) == 7, path.read_text())
    check(spool.list() == [], spool.list())


def nobody_to_replay_to(sweep, spool):
    with Hook() as hook:
        spec = hook.spec("retries=0")
    sweep.run(5, "-o", spec, "--spool", spool.folder)
    done = spool.command("replay")
    check(done.returncode == 1 and "5 left" in done.stderr, done.stderr)
    check("Connection refused" in done.stderr, done.stderr)
    check(spool.one()["waiting"] == 5, spool.list())
    check(spool.command("drop", spool.one()["name"]).returncode == 0)


def full(sweep, spool):
    """At its limit it holds back; nothing is dropped, and all arrives in the end."""
    answers = threading.Event()
    path = sweep.folder / "full.jsonl"

    with Hook(lambda *_: (200, {}, b"") if answers.is_set() else (503, {}, b"")) as hook:
        command = sweep.arguments(2000, "-o", hook.spec("retries=0,batch=500,spool-max=128k"), "-o",
                                  path, "--spool", spool.folder)
        with start(*command, stderr=subprocess.PIPE, text=True) as process:
            said = line = process.stderr.readline()
            while line and "is full" not in said:
                line = process.stderr.readline()
                said += line
            answers.set()
            said += process.communicate(timeout=HANG_SECONDS)[1]
        check(process.returncode == 0, process.returncode, said)
        taken = hook.taken()
        check(len(taken) == 2000 == len({r["id"] for r in taken}), len(taken))
    check(spool.list() == [], spool.list())


def killed(sweep, spool):
    """kill -9 whenever: what trawl has acknowledged (a checkpoint that counts) has arrived or
    waits; ids are the same when something comes twice."""
    chance = random.Random(4)
    ledger = {}

    def reply(request, number):
        return (500, {}, b"") if number in (3, 4, 40, 90) else (200, {}, b"")

    checkpoint = sweep.folder / "killed.checkpoint"
    path = sweep.folder / "killed.jsonl"
    with Hook(reply) as hook:
        command = sweep.arguments(3000, "-o", hook.spec("retries=0,batch=20,batch-wait=1ms"), "-o",
                                  path, "--checkpoint", checkpoint, "--spool", spool.folder,
                                  "--rate", "3000", "-q")
        for _ in range(5):
            with start(*command, stderr=subprocess.PIPE, text=True) as process:
                try:
                    process.wait(chance.uniform(0.1, 0.5))
                except subprocess.TimeoutExpired:
                    process.kill()
        done = run(*command)
        check(done.returncode == 0, done.returncode, done.stderr)
        for _ in range(5):  # what fails at the end is left, of a replay, too
            if spool.list():
                spool.command("replay")
        for record in hook.taken():
            ledger.setdefault(record["host"], set()).add(record["id"])
    check(len(ledger) == 3000, len(ledger))
    check(spool.list() == [], spool.list())
    written = {json.loads(line)["host"] for line in path.read_text().splitlines()}
    check(written == set(ledger), len(written))


def wrong_usage(_, spool):
    for words in (["spool"], ["spool", "show"], ["spool", "drop"], ["spool", "eat"],
                  ["spool", "replay", "-o", "x"]):
        done = run(*words)
        check(done.returncode == 2, words, done.stderr)
    done = spool.command("drop", "../x")
    check(done.returncode == 1 and "there is no spool" in done.stderr, done.stderr)
    listed = run("list", "sinks").stdout
    check("#spool=DIR" in listed and "#spool-max=SIZE" in listed, listed)
    with Hook() as hook:
        done = run("scan", "127.0.0.1", "-p", "1", "-o", hook.spec("spool=/proc/nowhere"))
        check(done.returncode != 0 and "no folder for spools" in done.stderr, done.stderr)
        done = run("scan", "127.0.0.1", "-p", "1", "-o", hook.spec(), "-q",
                   env=dict(os.environ, TRAWL_SPOOL="", HOME="/proc/nowhere"))
        check(done.returncode == 0 and "without a spool" in done.stderr, done.stderr)


def main():
    tests = [down_and_back, away_for_a_while, slow_holds_nobody_back, refused_for_good,
             replayed_elsewhere, nobody_to_replay_to, full, killed, wrong_usage]
    wanted = sys.argv[2:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            test(Sweep(pathlib.Path(folder)), Spool(os.path.join(folder, "spools")))
        print(f"{test.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
    finish()


if __name__ == "__main__":
    main()
