"""What bench/run measures of `trawl monitor`: scans of very many targets, what the store grows by, and
how long the API takes to answer, idle and while a scan is under way.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import time

from lab import process
from lab.process import TIMEOUT_S, Failed
from lab.rows import Row

REFUSING, REFUSING_QUICK = 100 * 1000, 20 * 1000
SERVING, SERVING_QUICK = 8192, 2048
SERVING_FIRST = "127.94.0.0"
REQUESTS, REQUESTS_QUICK = 200, 100  # of each page, idle and while a scan is under way
BETWEEN_REQUESTS_S = 0.012           # the monitor takes 6000 a minute from one address
DAYS_TARGETS, DAYS_SCANS = 100 * 1000, 24
TOKEN = "an-administrator-of-the-bench"
PAGES = {"targets, a page of 100": "/api/targets?limit=100",
         "targets, a page of 1000": "/api/targets?limit=1000",
         "alerts, a page of 100": "/api/alerts?limit=100"}


def addresses(first, count):
    start = int.from_bytes(socket.inet_aton(first), "big")
    return [socket.inet_ntoa((start + i).to_bytes(4, "big")) for i in range(count)]


class Monitor:
    """Runs as long as the `with` block, and may again, on the same store. Nothing is due by itself
    but what was never probed."""

    def __init__(self, lab, name, hosts, port, *options):
        self.folder = pathlib.Path(lab.scratch, f"monitor-{name}")
        self.folder.mkdir()
        self.targets = len(hosts)
        self.path, self.log = self.folder / "monitor.db", self.folder / "log"
        config = self.folder / "monitor.json"
        config.write_text(json.dumps({"scan_interval": 30 * 86400, "targets": [
            {"host": host, "port": port} for host in hosts]}), encoding="ascii")
        self.argv = [lab.programs.trawl, "monitor", "--config", config, "--store",
                     f"sqlite:{self.path}", "--listen", "127.0.0.1:0", *options]
        self.child = self.client = None

    def __enter__(self):
        environment = {**os.environ, "TRAWL_TOKEN": TOKEN, "OPENSSL_CONF": "/dev/null"}
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen([str(word) for word in self.argv], env=environment,
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            found = self.wait_for("its address", lambda: re.search(
                r"dashboard and API: http://127\.0\.0\.1:(\d+)", self.said()))
        except Failed:
            self.child.kill()
            self.child.wait()
            raise
        self.client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=TIMEOUT_S)
        return self

    def __exit__(self, *_):
        self.client.close()
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, what, condition, step_s=0.02):
        until = time.monotonic() + TIMEOUT_S
        while not (found := condition()):
            if self.child.poll() is not None or time.monotonic() > until:
                raise Failed(f"trawl monitor, waiting for {what}: {self.said().strip()[-300:]}")
            time.sleep(step_s)
        return found

    def ask(self, path, method="GET"):
        self.client.request(method, path, b"{}" if method == "POST" else None,
                            {"Authorization": f"Bearer {TOKEN}",
                             "Content-Type": "application/json"})
        answer = self.client.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failed(f"{method} {path}: {answer.status} {body[:200].decode(errors='replace')}")
        return body

    def counts(self):
        return json.loads(self.ask("/api/targets?limit=1"))["counts"]

    def check_statuses(self, status):
        if (found := self.counts())[status] != self.targets:
            raise Failed(f"expected {self.targets} targets with status {status}, got {found}")

    def wait_for_first_scan(self):
        """What was never probed is due at the start. Asking the API how many are
        known would cost it much."""
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as store:
            self.wait_for("the first scan", lambda: self.targets == store.execute(
                "SELECT count(*) FROM monitor_results").fetchone()[0], 0.1)

    def begin_scan(self):
        """`Scan now`; what it returns says whether all was probed and written."""
        scan = json.loads(self.ask("/api/tls/scan?wait=0", "POST"))["scan_id"]
        return lambda: (json.loads(self.ask(f"/api/scans/{scan}"))["done"]
                        and not json.loads(self.ask("/api/health"))["waiting_results"])

    def scan(self):
        """Its seconds, by the clock and of CPU time."""
        cpu_s, began = self.cpu_s(), time.monotonic()
        self.wait_for("a scan", self.begin_scan())
        return time.monotonic() - began, self.cpu_s() - cpu_s

    def proc(self, name):
        return pathlib.Path(f"/proc/{self.child.pid}/{name}").read_text(encoding="utf-8")

    def cpu_s(self):
        fields = self.proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self):
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", self.proc("status"))[1])

    # --- Of a monitor that has ended: all is in the one file then ---

    def store_bytes(self):
        """Of the pages in use."""
        with contextlib.closing(sqlite3.connect(self.path)) as store:
            pages, free, size = (store.execute(f"PRAGMA {name}").fetchone()[0]
                                 for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def observation_bytes(self):
        """Of a row of the store's observations, with its part of their indexes."""
        with contextlib.closing(sqlite3.connect(self.path)) as store:
            size = store.execute("SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM"
                                 " sqlite_master WHERE tbl_name = 'observations')").fetchone()[0]
            return size / store.execute("SELECT count(*) FROM observations").fetchone()[0]


def scan_row(group, name, monitor, seconds, cpu_s, note=""):
    words = f"{1e6 * cpu_s / monitor.targets:.0f} µs of CPU time each"
    return Row(group, name, "targets/s", monitor.targets / seconds,
               note=f"{words}; {note}" if note else words)


# --- Latency ---

def ask_pages(monitor, each, times):
    """Asks for each page in turn, `each` times, or while `each()` is so; milliseconds by page."""
    count = 0
    while count < each if isinstance(each, int) else each():
        for name, path in PAGES.items():
            began = time.monotonic()
            monitor.ask(path)
            times[name].append(1000 * (time.monotonic() - began))
            time.sleep(BETWEEN_REQUESTS_S)
        count += 1


def latency_row(group, name, times):
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Row(group, name, "ms", cuts[49],
               note=f"p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}, most {max(times):.1f} ms; "
                    f"{len(times)} requests")


def measure_latency(lab, monitor, group):
    """Scans follow each other until there are enough requests."""
    requests = REQUESTS_QUICK if lab.quick else REQUESTS
    idle, busy = ({name: [] for name in PAGES} for _ in range(2))
    lab.say("monitor, API")
    ask_pages(monitor, requests, idle)
    some = next(iter(PAGES))
    while len(busy[some]) < requests:
        is_over = monitor.begin_scan()
        ask_pages(monitor, lambda over=is_over: not over(), busy)
    return [latency_row(group, f"{name}, {state}", times[name])
            for state, times in (("idle", idle), ("while scanning", busy)) for name in PAGES]


# --- Targets ---

def measure_refusing(lab):
    """Nobody listens: what the monitor itself costs. After the second refusal each has an alert."""
    count = REFUSING_QUICK if lab.quick else REFUSING
    group = f"Monitor, {count:,} targets that refuse"
    lab.say(group)
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))  # held, not listened to
        monitor = Monitor(lab, "refusing", addresses("127.64.0.0", count),
                          holder.getsockname()[1])
        began = time.monotonic()
        with monitor:
            monitor.wait_for_first_scan()
            rows = [scan_row(group, "from the start until all are known", monitor,
                             time.monotonic() - began, monitor.cpu_s(),
                             "reading the config and making the store are in it")]
            monitor.check_statuses("error")
            rows += [scan_row(group, "second scan, which opens an alert of each", monitor,
                              *monitor.scan()),
                     scan_row(group, "third scan, nothing new", monitor, *monitor.scan())]
            rows += [Row(group, "memory of the process, the peak so far", "MB",
                         monitor.peak_bytes() / 1e6, note="shared pages among them"),
                     Row(group, "… its own after the scans", "MB",
                         process.resident_bytes(monitor.child.pid) / 1e6)]
            latencies = measure_latency(lab, monitor,
                                        f"Monitor, API over {count:,} targets: median")
        rows.append(Row(group, "store, with an alert of each", "bytes a target",
                        monitor.store_bytes() / count))
    return rows + latencies


def grown(monitor, scans):
    """What the store grows by, in bytes a probe, and the (seconds, CPU seconds) of each scan."""
    before = monitor.store_bytes()
    with monitor:
        taken = [monitor.scan() for _ in range(scans)]
        monitor.check_statuses("ok")
    return (monitor.store_bytes() - before) / scans / monitor.targets, taken


def a_day(steady, observation):
    """Of the store, on paper: each probe's growth, and the row that an endpoint gets once a day."""
    return DAYS_TARGETS * (DAYS_SCANS * max(0, steady) + observation)


def measure_serving(lab):
    """TLS servers, each with a certificate of its own, on the server's core."""
    count = SERVING_QUICK if lab.quick else SERVING
    group = f"Monitor, {count:,} TLS 1.3 servers"
    lab.say(group)
    server, root = lab.farm("good-ecdsa", count, SERVING_FIRST)
    with server:
        monitor = Monitor(lab, "serving", addresses(SERVING_FIRST, count),
                          server.ports["farm"]["port"], "--ca-file", root)
        began = time.monotonic()
        with monitor:
            monitor.wait_for_first_scan()
            first = time.monotonic() - began, monitor.cpu_s()
            monitor.check_statuses("ok")
        filled, observation = monitor.store_bytes() / count, monitor.observation_bytes()
        once, taken = grown(monitor, 1)
        steady, more = grown(monitor, 4)
    rows = [scan_row(group, "from the start until all are known", monitor, *first),
            scan_row(group, "second scan, nothing new", monitor, *taken[0]),
            scan_row(group, "third to sixth", monitor,
                     *(statistics.median(values) for values in zip(*more))),
            Row(group, "store, after the first scan", "bytes a target", filled,
                note="its certificate and its record among them"),
            Row(group, "store, growth by the second scan", "bytes a probe", once),
            Row(group, "store, growth by each after it", "bytes a probe", steady),
            Row(group, "store, row of an endpoint once a day", "bytes", observation),
            Row(group, f"on paper: {DAYS_TARGETS:,} such, hourly, nothing new", "MB a day",
                a_day(steady, observation) / 1e6,
                note=f"{DAYS_SCANS} steady probes and one daily row each")]
    return rows


def measure_monitor(lab):
    return measure_refusing(lab) + measure_serving(lab)
