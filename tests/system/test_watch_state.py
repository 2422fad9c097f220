"""What `trawl watch` remembers: killed at any time it loses nothing and tells nobody twice who has
written it down; several outputs; files that are no state; a disk that is full.

    python3 test_watch_state.py FOLDER     $TRAWL_BUILD holds bench-ctserver
"""
import collections
import concurrent.futures
import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from certwatch_support import get, wait_until
from ct_support import CtFarm
from servers import free_port
from support import HANG_SECONDS, check, finish, run, start

SIZE = 12000
HITS = 40


def list_of(farm):
    return ("--log-list", farm.list_path, "--log-list-key",
            os.path.join(farm.folder, "log_list.pem"))


def kill_again_and_again(arguments, path, times, step):
    """Runs it to its end, with kills before: when `path` has grown by up to `step` bytes, or after a
    moment. Every other run does not end by itself, however late it is killed. Returns how many
    kills there were."""
    def size():
        return os.path.getsize(path) if os.path.exists(path) else 0

    kills = 0
    for number in range(times):
        until = size() + random.randrange(step)
        moment = time.monotonic() + random.uniform(0.05, 0.5)
        end = () if number % 2 == 0 else ("--to-the-end",)
        process = start(*arguments, *end, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                        text=True)
        while process.poll() is None and size() <= until and time.monotonic() < moment:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        killed = process.returncode == -signal.SIGKILL
        check(killed or end and process.returncode == 0, "ended with", process.returncode, errors)
        kills += killed
    result = run(*arguments, "--to-the-end")
    check(result.returncode == 0, result.stderr)
    return kills


# --- Every entry, to several outputs ---

def check_several_outputs(folder):
    """Each file is both logs, to the entry, whatever was killed when."""
    paths = {name: os.path.join(folder, name) for name in ("a.jsonl", "b.csv", "c.jsonl")}
    with CtFarm("--entries", SIZE, "--seed", 21) as farm:
        truth = {(log, entry["index"]): entry["tbs_sha256"] for entry in farm.truth(0, SIZE)
                 for log in ("Farm 'Tiles2026' log", "Farm 'Classic2026' log")}
        outputs = [word for path in paths.values() for word in ("-o", path)]
        arguments = ("watch", *list_of(farm), "--all", "--from", "saved,0",
                     "--state", os.path.join(folder, "several.db"), "--fields",
                     "source_log,index,tbs_sha256", "--page", 32, "-q", *outputs)
        kills = kill_again_and_again(arguments, paths["a.jsonl"], 15, 400000)
        check(kills > 0, "it was never killed")
    for name, path in paths.items():
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file)) if name.endswith("csv") else \
                [json.loads(line) for line in file]
        found = collections.Counter((row["source_log"], int(row["index"])) for row in rows)
        check(found == collections.Counter(truth.keys()), name, len(rows), "records,",
              len(set(truth) - set(found)), "missing,",
              sum(n > 1 for n in found.values()), "twice")
        check(all(row["tbs_sha256"] == truth[row["source_log"], int(row["index"])]
                  for row in rows), name, "has other entries")
        for log in {row["source_log"] for row in rows}:
            order = [int(row["index"]) for row in rows if row["source_log"] == log]
            check(order == sorted(order), name, log, "is out of order")
    print(f"killed {kills} times", flush=True)


# --- Hits ---

def check_hits(folder):
    """Each issuance that was wished for is told; again only to an output that was killed before it
    had noted it."""
    wishes, names = [], {}
    for i in range(HITS):
        at, name = 50 + i * (SIZE - 200) // HITS, f"www{i}.example.org"
        names[name] = at
        wishes += ["--wish", f"{at}:precert,names={name}",
                   "--wish", f"{at + 20}:x509,partner={at}"]
    path, state = os.path.join(folder, "hits.jsonl"), os.path.join(folder, "hits.db")
    with CtFarm("--entries", SIZE, "--seed", 22, *wishes) as farm:
        arguments = ("watch", *list_of(farm), "-d", "example.org", "--from",
                     "saved,0", "--grace", "0.1", "--state", state, "-o", path,
                     "--page", 32, "-q")
        kills = kill_again_and_again(arguments, path, 15, 10000)
        for _ in range(200):  # what waits for its verdict gets it at a start
            if sqlite3_count(state, "stage < 4") == 0:
                break
            check(run(*arguments, "--to-the-end").returncode == 0, "a run to the end")
    records = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                records.append(json.loads(line))
            except ValueError:
                pass  # cut by a kill; it is there again
    told = collections.Counter(r["certificate"]["dns_names"][0] for r in records)
    check(set(told) == set(names), "missing:", set(names) - set(told))
    check(len({r["issuance_id"] for r in records}) == HITS, "one id an issuance")
    check(max(told.values()) <= kills + 1, "told again without a kill:", told)
    check({r["verdict"] for r in records} == {"suspicious"}, "verdicts")
    check(sqlite3_count(state, "1") == HITS, "rows", sqlite3_count(state, "1"))
    check(kills > 0, "it was never killed")
    print(f"killed {kills} times, {sum(told.values()) - HITS} told again")


def change(path, text):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(text)
        database.commit()


def sqlite3_count(path, where):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT count(*) FROM issuance WHERE {where}").fetchone()[0]


def check_end_without_state(folder):
    """Without a state nothing is left for later: all is told at the end."""
    path = os.path.join(folder, "end.jsonl")
    with CtFarm("--entries", 1000, "--seed", 23, "--wish", "990:precert,names=a.example.org") as farm:
        result = run("watch", *list_of(farm), "-d", "example.org", "--to-the-end", "--from", 0,
                     "--grace", "1h", "-o", path)
        check(result.returncode == 0, result.stderr)
        with open(path, encoding="utf-8") as file:
            check([json.loads(line)["verdict"] for line in file] == ["suspicious"], "a verdict")


# --- Files that are no state, and others that are wrong ---

def check_refusals(folder):
    text, other, newer = (os.path.join(folder, name) for name in ("text", "other.db", "newer.db"))
    with open(text, "w", encoding="ascii") as file:
        file.write("not a database\n" * 100)
    change(other, "CREATE TABLE theirs(x)")
    with CtFarm("--entries", 300, "--rate", 1, "--start", 256) as farm:
        arguments = ("watch", *list_of(farm), "-d", "example.org", "-o", "null", "-q")
        check(run(*arguments, "--to-the-end", "--state", newer).returncode == 0, "a state")
        change(newer, "PRAGMA user_version = 99")
        for path, words in ((text, "not a database"), (other, "no state of trawl watch"),
                            (newer, "version 99"), (folder, "cannot open"),
                            (os.path.join(folder, "no/folder.db"), "cannot open")):
            result = run(*arguments, "--state", path)
            check(result.returncode == 1 and words in result.stderr and path in result.stderr and
                  result.stderr.count("\n") == 1, path, result.returncode, result.stderr)
        state, port = os.path.join(folder, "locked.db"), free_port()
        first = start(*arguments, "--state", state, "--listen", f"127.0.0.1:{port}",
                      stderr=subprocess.DEVNULL)
        wait_until("its page", lambda: get(f"http://127.0.0.1:{port}/healthz")[0])
        result = run(*arguments, "--state", state)
        check(result.returncode == 1 and "used by another trawl" in result.stderr, result.stderr)
        result = run(*arguments, "--listen", f"127.0.0.1:{port}")
        check(result.returncode == 1 and f"cannot listen on 127.0.0.1:{port}" in result.stderr,
              result.stderr)
        result = run(*arguments, "--listen", "nonsense")
        check(result.returncode == 2 and "nonsense" in result.stderr, result.stderr)
        first.terminate()
        check(first.wait(HANG_SECONDS) == 130, "its end")
        for words, path in (("No such file", os.path.join(folder, "gone.pem")),
                            ("no certificate", text)):
            result = run(*arguments, "-i", path)
            check(result.returncode == 1 and words in result.stderr, result.stderr)


def main():
    random.seed(5)
    with tempfile.TemporaryDirectory(prefix="watch-state-") as folder, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        running = [pool.submit(test, folder) for test in (
            check_several_outputs, check_hits, check_end_without_state, check_refusals)]
        for future in running:
            future.result()
    finish()


if "TRAWL_BUILD" not in os.environ:
    sys.exit("TRAWL_BUILD must name a build folder")
main()
