"""`trawl watch --via`: logs shared out over watchers by NATS. Watchers come, are killed, stopped and
continued, lose the cluster: every issuance is told, once; every log is followed by one of them.

    python3 test_fleet_watch.py FOLDER [NAME...]     NAME: only that test
"""
import collections
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request

from ct_support import CtFarm, fetch
from fleet_support import records_of
from hooks import Hook
from nats_support import NatsServer, run_tests, wait_until
from servers import free_port
from support import HANG_SECONDS, check, command, run

LEASE = "1500ms"
FARMS = 3
PHASE = 400  # entries of a log that come together
PHASES = 4


def issuances(farm, phase):
    """Names that are issued in a phase, each as precertificate and certificate in both logs."""
    return [f"www{farm}-{phase}-{i}.example.org" for i in range(5)]


def wishes(farm):
    words = []
    for phase in range(PHASES):
        for i, name in enumerate(issuances(farm, phase)):
            at = phase * PHASE + 20 + 60 * i
            words += ["--wish", f"{at}:precert,names={name}", "--wish", f"{at + 30}:x509,partner={at}"]
    return words


class Logs:
    """Some farms, each with an RFC 6962 and a static-ct log of the same entries; one log list."""

    def __init__(self, folder, count=FARMS):
        self.list_path = os.path.join(folder, "all_logs.json")
        self.farms = [CtFarm("--entries", PHASES * PHASE, "--start", PHASE, "--seed", 40 + number,
                             *wishes(number)) for number in range(count)]

    def __enter__(self):
        for farm in self.farms:
            farm.__enter__()
        lists = []
        for number, farm in enumerate(self.farms):
            with open(farm.list_path, encoding="utf-8") as file:
                lists.append(json.load(file))
            for operator in lists[-1]["operators"]:
                operator["name"] += f" {number}"
                for log in operator["logs"] + operator["tiled_logs"]:
                    log["description"] += f" {number}"
        lists[0]["operators"] = [operator for each in lists for operator in each["operators"]]
        with open(self.list_path, "w", encoding="utf-8") as file:
            json.dump(lists[0], file)
        return self

    def __exit__(self, *_):
        for farm in self.farms:
            farm.__exit__()

    def grow(self, phases):
        for farm in self.farms:
            farm.control(size=phases * PHASE)

    def names(self, phases):
        """All that are issued in so many phases."""
        return {name for number in range(len(self.farms)) for phase in range(phases)
                for name in issuances(number, phase)}


class Watcher(subprocess.Popen):
    def __init__(self, folder, name, logs, via, *arguments):
        self.path = os.path.join(folder, f"{name}.jsonl")
        self.error_path = os.path.join(folder, f"{name}-{time.monotonic_ns()}.err")
        self.port = free_port()
        with open(self.error_path, "w", encoding="utf-8") as file:
            super().__init__(
                command("watch", "--log-list", logs.list_path, "--via", via, "--lease", LEASE,
                        "--from", 0, "--head-interval", "150ms", "--partial-after", "100ms",
                        "--retry", "100ms", "--refresh", "100ms", "-q", "-o", self.path, "--listen",
                        f"127.0.0.1:{self.port}", *arguments), stderr=file)

    def __exit__(self, *_):
        if self.poll() is None:
            self.send_signal(signal.SIGCONT)
            self.kill()
        self.wait(HANG_SECONDS)
        check("Sanitizer" not in self.said(), self.said())

    def page(self, path):
        status, _, body = fetch(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))
        return status, body.decode()

    def value(self, name):
        """As soon as there is a page."""
        def text():
            assert self.poll() is None, self.said()
            status, text = self.page("/metrics")
            return status == 200 and text
        for line in wait_until(text, "its page").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return None

    def wait_for_health(self, status):
        wait_until(lambda: self.page("/healthz")[0] == status, f"its health is never {status}")

    def held(self):
        return self.value("trawl_watch_logs_held")

    def is_quiet(self):
        """Nothing is on its way: what was pending is untold after that."""
        return self.value("trawl_watch_pending") == 0 and self.value("trawl_watch_untold") == 0

    def end(self):
        self.send_signal(signal.SIGINT)
        check(self.wait(HANG_SECONDS) == 130, "exit status", self.returncode, self.said())

    def said(self):
        with open(self.error_path, encoding="utf-8") as file:
            return file.read()

    def records(self):
        return records_of(self.path)


def name_of(record):
    return record["certificate"]["dns_names"][0]


def wait_for_names(watchers, names):
    def told():
        return {name_of(record) for watcher in watchers for record in watcher.records()}
    try:
        wait_until(lambda: told() >= names, "names")
    except TimeoutError:
        check(False, "never told:", names - told(), *(watcher.said() for watcher in watchers))


def wait_for_shares(watchers, *shares):
    try:
        wait_until(lambda: sorted(watcher.held() for watcher in watchers) == sorted(shares),
                   "shares")
    except TimeoutError:
        check(False, "shares are", [watcher.held() for watcher in watchers], "and not", shares,
              *(watcher.said() for watcher in watchers))


def taken_over(server, names):
    """How often an issuance was taken over from a watcher that was gone, or seemed so, before all had
    it. By what the cluster has: each is claimed once, then told, which is two writes."""
    with server.client() as client:
        def are_told():
            claims = client.messages("KV_trawl-told")
            return sum(claim.data.startswith(b"told ") for claim in claims) == len(names)
        wait_until(are_told, "that all is noted as told")
        found = wait_until(lambda: client.stream("KV_trawl-told"), "its state")
    return found["state"]["last_seq"] - 2 * len(names)


def check_told(what, watchers, server, names):
    """All of them; each once, but for what was taken over: a watcher that was killed, or stood still
    for longer than its lease says, may have told it before."""
    records = [record for watcher in watchers for record in watcher.records()]
    told = collections.Counter(name_of(record) for record in records)
    check(set(told) == names, what, "missing", names - set(told), "and too many",
          set(told) - names)
    again = taken_over(server, names)
    check(len(records) - len(told) <= again, what, "told twice:",
          [n for n, c in told.items() if c > 1], "with", again, "taken over")
    ids = {record["issuance_id"] for record in records}
    check(len(ids) == len(told), what, "ids are not its issuances'")
    return again


# --- Sharing ---

def test_takeover(folder, _):
    """One is killed, one is stopped for longer than its lease says and goes on."""
    own = ("-d", "example.org", "--grace", "200ms")
    with contextlib.ExitStack() as stack:
        server, logs = stack.enter_context(NatsServer(folder)), stack.enter_context(Logs(folder))
        begin = lambda name: stack.enter_context(Watcher(folder, name, logs, server.url, *own))
        a = begin("a")
        wait_for_shares([a], 6)
        b, c = begin("b"), begin("c")
        watchers = [a, b, c]
        wait_for_shares(watchers, 2, 2, 2)
        wait_for_names(watchers, logs.names(1))
        logs.grow(2)
        wait_for_names(watchers, logs.names(2))
        wait_until(lambda: all(w.is_quiet() for w in watchers), "quiet")

        a.kill()
        logs.grow(3)
        wait_for_shares([b, c], 3, 3)
        wait_for_names(watchers, logs.names(3))
        check(b.value("trawl_watch_leases_taken_total") >= 3, "b has taken")
        wait_until(lambda: b.value("trawl_watch_members") == 2, "the others, as b sees them")

        wait_until(lambda: b.is_quiet() and c.is_quiet(), "quiet")
        b.send_signal(signal.SIGSTOP)
        wait_for_shares([c], 6)
        logs.grow(4)
        wait_for_names([a, c], logs.names(4) - {name_of(r) for r in b.records()})
        b.send_signal(signal.SIGCONT)
        wait_for_shares([b, c], 3, 3)
        wait_until(lambda: b.value("trawl_watch_leases_lost_total") >= 3, "what b has lost")
        b.wait_for_health(200)
        wait_until(lambda: b.is_quiet() and c.is_quiet(), "quiet")
        b.end()
        c.end()

        d = begin("d")  # what was given back is had at once, and nothing of it is told again
        wait_for_shares([d], 6)
        wait_until(d.is_quiet, "quiet")
        d.end()
        check_told("takeover:", [*watchers, d], server, logs.names(4))


def test_kills(folder, _):
    """All are killed while hits wait for their verdict, and again while these are told: nothing is
    lost; told again is only what was just being told."""
    own = ("-d", "example.org", "--grace", "800ms")
    with contextlib.ExitStack() as stack:
        server, logs = stack.enter_context(NatsServer(folder)), stack.enter_context(Logs(folder, 1))
        client = stack.enter_context(server.client())
        begin = lambda name: stack.enter_context(Watcher(folder, name, logs, server.url, *own))
        leases = lambda: wait_until(lambda: client.stream("KV_trawl-leases"), "the leases")
        writes = lambda: leases()["state"]["last_seq"]
        watchers = []
        for kills in range(4):
            now = [begin(f"{name}{kills}") for name in "ab"]
            watchers += now
            if kills == 3:
                break
            logs.grow(kills + 2)
            wait_until(lambda: any(w.value("certwatch_dedupe_cache_size") for w in now), "hits")
            before = writes()
            wait_until(lambda: writes() >= before + 12, "leases, written again")
            if kills == 1:
                wait_until(lambda: any(w.records() for w in now), "something told")
            for watcher in now:
                watcher.kill()
        wait_for_names(watchers, logs.names(4))
        wait_until(lambda: all(w.is_quiet() for w in watchers[-2:]), "quiet")
        check_told("kills:", watchers, server, logs.names(4))


def test_standstill(folder, _):
    """Who has stood still himself does not take the others for gone: what they are telling is
    theirs."""
    go = threading.Event()
    go.set()
    with contextlib.ExitStack() as stack:
        server, logs = stack.enter_context(NatsServer(folder)), stack.enter_context(Logs(folder, 1))
        hook = stack.enter_context(Hook(lambda *_: go.wait(HANG_SECONDS) and (200, {}, b"")))
        stack.callback(go.set)
        watchers = [stack.enter_context(Watcher(
            folder, name, logs, server.url, "-d", "example.org", "--grace", "200ms", "--lease", "4s",
            "-o", hook.spec(f"timeout={HANG_SECONDS}s"))) for name in "ab"]
        wait_for_shares(watchers, 1, 1)
        wait_for_names(watchers, logs.names(1))
        wait_until(lambda: all(w.is_quiet() for w in watchers), "quiet")
        before = {w: len(w.records()) for w in watchers}
        go.clear()
        logs.grow(2)
        wait_for_names(watchers, logs.names(2))  # in the files; the hook waits
        wait_until(lambda: not any(w.value("trawl_watch_pending") for w in watchers), "verdicts")
        still, lively = sorted(watchers, key=lambda w: len(w.records()) - before[w])
        told, until = len(still.records()), time.monotonic() + 4.5
        still.send_signal(signal.SIGSTOP)
        wait_until(lambda: time.monotonic() > until, "the end of its lease")
        still.send_signal(signal.SIGCONT)
        wait_for_shares(watchers, 1, 1)
        check(len(still.records()) == told, "told what", lively.path, "is telling")
        go.set()
        wait_until(lambda: all(w.is_quiet() for w in watchers), "quiet")
        for watcher in watchers:
            watcher.end()
        check_told("standstill:", watchers, server, logs.names(2))


def test_every_entry(folder, _):
    """With --all each entry of each log is there, whoever wrote it."""
    with contextlib.ExitStack() as stack:
        server, logs = stack.enter_context(NatsServer(folder)), stack.enter_context(Logs(folder, 1))
        begin = lambda name: stack.enter_context(Watcher(
            folder, name, logs, server.url, "--all", "--fields", "log_id,index"))
        a, b = begin("a"), begin("b")
        wait_for_shares([a, b], 1, 1)
        logs.grow(2)
        wait_until(lambda: len(a.records()) + len(b.records()) >= 4 * PHASE, "entries")
        c = begin("c")  # has nothing to do
        check(c.held() in (0, 1), "it has", c.held())
        before = a.value("trawl_watch_leases_lost_total")
        a.kill()
        logs.grow(4)
        wanted = 2 * PHASES * PHASE
        entries = lambda: collections.Counter(
            (r["log_id"], r["index"]) for w in (a, b, c) for r in w.records())
        wait_until(lambda: len(entries()) >= wanted, "all entries")
        most = max(entries().values())  # a slow machine loses leases, and notices that later
        lost = lambda: before + sum(w.value("trawl_watch_leases_lost_total") for w in (b, c))
        wait_until(lambda: most <= 2 + lost(), f"an entry came {most} times")
        b.end()
        c.end()
        found = entries()
        check(len(found) == wanted, "every entry:", len(found), "of", wanted)


def test_cluster_away(folder, _):
    """Without the cluster logs are left alone, and followed again when it is back."""
    with contextlib.ExitStack() as stack:
        server, logs = stack.enter_context(NatsServer(folder)), stack.enter_context(Logs(folder, 1))
        watchers = [stack.enter_context(Watcher(folder, name, logs, server.url, "-d", "example.org",
                                                "--grace", 0)) for name in "ab"]
        wait_for_shares(watchers, 1, 1)
        wait_for_names(watchers, logs.names(1))
        wait_until(lambda: all(w.is_quiet() for w in watchers), "quiet")
        server.kill()
        for watcher in watchers:
            wait_until(lambda: watcher.held() == 0, "the end of its lease")
            watcher.wait_for_health(503)
        logs.grow(2)
        server.start()
        wait_for_shares(watchers, 1, 1)
        wait_for_names(watchers, logs.names(2))
        for watcher in watchers:
            watcher.wait_for_health(200)
            watcher.end()
        check_told("cluster away:", watchers, server, logs.names(2))


def test_usage(folder, _):
    """What is wrong is told at once, in one line."""
    at = f"nats://127.0.0.1:{free_port()}"
    cases = [
        (("--via", at, "-d", "example.org"), 1, "127.0.0.1"),
        (("--via", "http://x", "-d", "example.org"), 2, "nats://"),
        (("--via", at, "-d", "example.org", "--state", f"{folder}/x"), 2, "--state"),
        (("--via", at, "--all", "--to-the-end"), 2, "--to-the-end"),
        (("--via", at, "--all", "--watch-group", "a.b"), 2, "--watch-group"),
    ]
    with NatsServer(folder) as server:
        cases.append((("--via", server.url, "--all", "ws://127.0.0.1:1/"), 2, "certstream"))
        for arguments, code, words in cases:
            result = run("watch", *arguments)
            check(result.returncode == code, arguments, "ended with", result.returncode,
                  result.stderr)
            check(words in result.stderr and len(result.stderr.splitlines()) == 1, arguments,
                  "says", result.stderr)


run_tests([test_takeover, test_standstill, test_kills, test_every_entry, test_cluster_away, test_usage])
