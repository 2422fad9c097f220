"""What bench/run measures of a fleet: what a worker costs against a scan on the spot, what goes through
the cluster, whether two workers are twice one, and how fast a sweep is cut into shards.
"""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from lab import contest, process
from lab.backends import Nats, wait_for
from lab.cluster import Cluster
from lab.process import CLIENT_CORES, SERVER_CORES, Failed
from lab.rows import Row

OVERHEAD = 1.1    # of a worker's CPU time over a local scan's, at most
TWO_WORKERS = 1.9  # times as fast as one, at least
PAGE_TARGETS = 64
FIRST, IN_FLIGHT = "127.64.0.0", 512
WAITING = 2048    # connections at once of a worker whose targets are silent ...
PATIENCE_S = 0.5  # ... for so long
CUT_BLOCK, CUT_LINES = "64.0.0.0/2", 1000 * 1000

COST = "Fleet, one worker against a scan on the spot: CPU a target"
THROUGH = "Fleet, through the cluster"
TWO = "Fleet, two workers against one, 3 nodes"
CUTTING = "Fleet, a sweep cut into shards"


@contextlib.contextmanager
def started_on(cores):
    """What is started meanwhile runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid):
    """Of a process that runs."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Fleet:
    """A cluster on the server's core, as long as the `with` block."""

    def __init__(self, lab, nodes):
        self.lab, self.name = lab, "1 node" if nodes == 1 else f"{nodes} nodes"
        self.folder = lab.scratch / f"fleet-{nodes}"
        self.folder.mkdir()
        self.cluster = Cluster(self.folder, nodes)
        self.url = self.cluster.url

    def __enter__(self):
        with started_on(SERVER_CORES):
            self.cluster.__enter__()
        return self

    def __exit__(self, *why):
        self.cluster.__exit__(*why)

    def cpu_s(self):
        return sum(cpu_s(node.child.pid) for node in self.cluster.nodes)

    def jobs(self, *words):
        done = subprocess.run([self.lab.programs.trawl, "jobs", self.url, *(words or ["--json"])],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"trawl jobs: {done.stderr.strip()[-300:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_for_job(self, what, is_so):
        """The one job under way, when it is as wanted."""
        found = []

        def look():
            found[:] = [job for job in self.jobs()
                        if job["state"] in ("cutting", "running") and is_so(job)]
            return found
        wait_for(what, look)
        return found[0]


class Workers:
    """One on each of `cores`, with one thread; `cpu_s` when they have ended."""

    def __init__(self, fleet, cores, *options):
        self.fleet, self.cores, self.options = fleet, cores, [str(word) for word in options]
        self.children, self.cpu_s = [], 0

    def _start(self, number, core):
        log = self.fleet.folder / f"worker{number}.log"
        with started_on(core), open(log, "wb") as file:
            self.children.append(subprocess.Popen(
                [self.fleet.lab.programs.trawl, "worker", self.fleet.url, "--allow", "127.0.0.0/8",
                 "--workers", "1", *self.options], stdin=subprocess.DEVNULL, stderr=file))
        wait_for("trawl worker", lambda: b" serves " in log.read_bytes())

    def __enter__(self):
        try:
            for number, core in enumerate(self.cores):
                self._start(number, core)
        except Failed:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s += usage.ru_utime + usage.ru_stime


@dataclass
class FleetRun(process.Run):
    worker_s: float
    cluster_s: float


@dataclass
class Sweep(contest.Entrant):
    """A sweep by workers; its CPU time is theirs and the collector's, which runs on the server's
    core."""
    fleet: Fleet = None
    workers: list = field(default_factory=list)  # the cores of each, and options of all
    options: list = field(default_factory=list)

    def _run(self, argv, beside):
        before_s, workers = self.fleet.cpu_s(), Workers(self.fleet, self.workers, *self.options)
        with workers:
            run = process.run(argv, SERVER_CORES, beside=beside)
        return FleetRun(run.cpu_s + workers.cpu_s, run.wall_s, run.output, workers.cpu_s,
                        self.fleet.cpu_s() - before_s)

    @property
    def worker_us(self):
        return self._less_start(lambda run: run.worker_s)

    @property
    def cluster_us(self):
        return self._less_start(lambda run: run.cluster_s)


def a_second(entrant):
    return 1e6 / max(statistics.median(entrant.wall_us), 0.01)


class Trial:
    """Sweeps of one port of the canned server, here and by fleets, all to a file of JSON lines."""

    def __init__(self, lab, port, bits, outcome, *options):
        self.lab, self.port, self.bits, self.outcome, self.options = lab, port, bits, outcome, options
        self.output = lab.scratch / "fleet.jsonl"

    def _sweep(self, name, *options):
        return self.lab.sweep(name, self.port, [*self.options, *options], self.bits,
                              outcome=self.outcome, output=str(self.output))

    def here(self):
        return self._sweep("scan on the spot", "-c", IN_FLIGHT)

    def by(self, fleet, cores=(CLIENT_CORES,), concurrency=IN_FLIGHT, kind=Sweep):
        plain = self._sweep(fleet.name, "--via", fleet.url)
        return kind(plain.name, plain.targets, plain.argv, plain.idle_argv, plain.check, fleet=fleet,
                    workers=list(cores), options=["-c", concurrency])


# --- What a worker costs ---

def cost_rows(words, here, fleets):
    rows = []
    for ours in fleets:
        rows += [
            Row(COST, f"{words}, {ours.name}: the worker", "µs", statistics.median(ours.worker_us),
                here.cpu(), "on the spot", contest.ratio_of(ours.worker_us, here.cpu_us),
                OVERHEAD if ours.name == "1 node" else None,
                f"{a_second(ours):,.0f} targets/s by the clock, {a_second(here):,.0f} on the spot"),
            Row(COST, "… and the collector", "µs", ours.cpu(), here.cpu(), "on the spot",
                contest.ratio(ours, here)),
            Row(COST, "… the cluster besides", "µs", statistics.median(ours.cluster_us),
                note=f"{ours.name}, all their threads")]
    return rows


def measure_cost(lab, server, fleets):
    rows = []
    for words, sort, outcome, bits in (("grab, TLS 1.3", "tls13-ecdsa", "ok", 17),
                                       ("refused", "refusing", "refused", 15)):
        trial = Trial(lab, server.ports[sort]["port"], bits, outcome, "--plan", "grab")
        here, theirs = trial.here(), [trial.by(fleet) for fleet in fleets]
        lab.say(f"fleet, {words}")
        lab.hold([here, *theirs])
        rows += cost_rows(words, here, theirs)
    return rows


# --- What goes through the cluster ---

def measure_empty(lab, fleets):
    """Targets that the job excludes have a place in a page, and no probe: what is left is the way."""
    bits = 11
    count, pages = 1 << (32 - bits), (1 << (32 - bits)) // PAGE_TARGETS
    entrants = []
    for fleet in fleets:
        def argv(what, fleet=fleet):
            return [lab.programs.trawl, "scan", what, "--exclude", f"{FIRST}/{bits}", "--via",
                    fleet.url, "-p", "1", "-q", "-o", str(lab.scratch / "fleet.jsonl"), "--stats",
                    str(lab.stats)]

        def check(_):
            found = json.loads(lab.stats.read_text(encoding="utf-8"))
            if found["excluded"] != count or found["fleet"]["pages"] != pages:
                raise Failed(f"expected {count} excluded targets in {pages} pages, got {found}")
        entrants.append(Sweep(fleet.name, pages, argv(f"{FIRST}/{bits}"), argv(f"{FIRST}/32"), check,
                              fleet=fleet, workers=[CLIENT_CORES]))
    lab.say("fleet, pages without records")
    lab.hold(entrants)
    return [Row(THROUGH, f"pages without records, {one.name}", "pages/s", a_second(one),
                note=f"of {PAGE_TARGETS} targets; CPU a page: worker "
                     f"{statistics.median(one.worker_us):.0f}, collector "
                     f"{one.cpu() - statistics.median(one.worker_us):.0f}, cluster "
                     f"{statistics.median(one.cluster_us):.0f} µs") for one in entrants]


class Waiting(Sweep):
    """Records that wait in the cluster, to be collected: who asked left as soon as all was cut, then
    a worker came. `argv` is what was asked for."""

    def __init__(self, lab, fleet, port, bits):
        self.lab, self.output = lab, lab.scratch / "fleet.jsonl"
        self.tail = ["--via", fleet.url, "-o", str(self.output), "-q", "--stats", str(lab.stats)]

        def wish(what):
            return [what, "-p", str(port), "--plan", "grab"]
        super().__init__(fleet.name, 1 << (32 - bits), wish(f"{FIRST}/{bits}"), wish(f"{FIRST}/32"),
                         lab.check_outcomes("refused", 1 << (32 - bits)), fleet=fleet)

    def _scan(self, words, **options):
        return process.run([self.lab.programs.trawl, "scan", *words, *self.tail], **options)

    def _fill(self, wish):
        self._scan(wish, beside=lambda running: (
            self.fleet.wait_for_job("a job", lambda job: job["state"] == "running"),
            running.terminate()))
        with Workers(self.fleet, [CLIENT_CORES]):
            return self.fleet.wait_for_job("its records", lambda job: not job["shards_waiting"]
                                           and not job["shards_under_way"])["id"]

    def _run(self, argv, beside):
        job, before_s = self._fill(argv), self.fleet.cpu_s()
        run = self._scan(["--attach", job])
        return FleetRun(run.cpu_s, run.wall_s, run.output, 0, self.fleet.cpu_s() - before_s)


def measure_waiting(lab, server, fleets):
    entrants = [Waiting(lab, fleet, server.ports["refusing"]["port"], 15) for fleet in fleets]
    lab.say("fleet, records that wait")
    lab.hold(entrants)
    size = entrants[0].output.stat().st_size / entrants[0].targets
    return [Row(THROUGH, f"records that wait, collected, {one.name}", "records/s", a_second(one),
                note=f"of {size:.0f} bytes; CPU a record: collector {one.cpu():.2f}, cluster "
                     f"{statistics.median(one.cluster_us):.2f} µs")
            for one in entrants]


# --- Two workers ---

class Steady(Sweep):
    """Its time is twice that from a quarter to three quarters of its records: the beginning, in which
    workers take more and more shards, and the end, when one has none left, are no part of it."""

    def follow(self, path):
        path.unlink(missing_ok=True)
        self.sizes = []

        def beside(running):
            while not running.is_over():
                size = path.stat().st_size if path.exists() else 0
                self.sizes.append((time.monotonic(), size))
                time.sleep(0.01)
        return beside

    def _run(self, argv, beside):
        path = pathlib.Path(argv[argv.index("-o") + 1])
        run = super()._run(argv, self.follow(path))
        total = path.stat().st_size
        begin, end = (next(at for at, size in self.sizes if size >= part * total)
                      for part in (0.25, 0.75))
        run.wall_s = 2 * (end - begin)
        return run


def two_rows(words, one, two, budget, note):
    return [Row(TWO, words, "targets/s", a_second(two), a_second(one), "with one",
                contest.ratio(one, two, "wall_us"), budget, note, budget_of="least"),
            Row(TWO, "… CPU of workers a target", "µs", statistics.median(two.worker_us),
                statistics.median(one.worker_us), "with one",
                contest.ratio(two, one, "worker_us"))]


def measure_two(lab, server, fleet):
    """Silent targets keep a worker waiting, not busy: two on these cores can be as fast as on two
    machines. Those that refuse keep the cores busy, on which the cluster and the collector are too."""
    if len(process.CORES) < 2:
        lab.say("one core only: left out")
        return []
    both = (SERVER_CORES, CLIENT_CORES)
    rows = []
    for words, sort, outcome, bits, concurrency, budget, note, options in (
            (f"silent for {PATIENCE_S} s, {WAITING} at once each", "silent", "timeout", 15, WAITING,
             TWO_WORKERS, "a core each, which wait for most of the time",
             ["--connect-timeout", PATIENCE_S]),
            ("refused, as fast as it goes", "refusing", "refused", 14, IN_FLIGHT, None,
             "a core each, full; the cluster and the collector are on one of them, too", [])):
        trial = Trial(lab, server.ports[sort]["port"], bits + lab.quick, outcome, "--plan", "grab",
                      *options)
        one, two = (trial.by(fleet, cores, concurrency, Steady) for cores in (both[1:], both))
        one.idle_argv = two.idle_argv = None
        lab.say(f"fleet, two workers, {words}")
        lab.hold([one, two])
        rows += two_rows(words, one, two, budget, note)
    return rows


# --- Cutting ---

class Cut(contest.Entrant):
    """From the job's descriptor until all of its shards are in the queue; then it is cancelled."""

    def __init__(self, lab, fleet, name, what):
        self.lab, self.fleet, self.seconds, self.job = lab, fleet, [], None
        super().__init__(name, 0, [lab.programs.trawl, "scan", what, "--via", fleet.url, "-o",
                                   "null", "-q"], None, lambda _: None, beside=self._follow)

    def _follow(self, running):
        self.job = self.fleet.wait_for_job("shards", lambda job: job["state"] == "running")
        created = datetime.datetime.fromisoformat(self.job["created"].replace("Z", "+00:00"))
        self.seconds.append(time.time() - created.timestamp())
        running.terminate()

    def _run(self, argv, beside):
        run = super()._run(argv, beside)
        self.fleet.jobs("cancel", self.job["id"])
        self.fleet.jobs("forget")
        return run

    def row(self, unit, count):
        seconds = statistics.median(self.seconds)
        return Row(CUTTING, f"{self.name}, {self.fleet.name}", unit, count / seconds,
                   note=f"{self.job['shards']:,} shards of {self.job['targets']:,} targets in "
                        f"{seconds:.1f} s")


def measure_cutting(lab, fleets):
    lines = lab.scratch / "lines.txt"
    with open(lines, "w", encoding="ascii") as file:
        file.writelines(f"host-{number:07}.example.test\n" for number in range(CUT_LINES))
    blocks = [Cut(lab, fleet, CUT_BLOCK, CUT_BLOCK) for fleet in fleets]
    lists = [Cut(lab, fleet, f"a list of {CUT_LINES:,} names", f"@{lines}") for fleet in fleets]
    lab.say("fleet, cutting")
    lab.hold([*blocks, *lists])
    return [*(one.row("shards/s", one.job["shards"]) for one in blocks),
            *(one.row("names/s", CUT_LINES) for one in lists)]


def measure_fleet(lab):
    if not Nats.find():
        return [Row("Fleet", "nats-server is not installed: left out", "", None)]
    os.environ["XDG_STATE_HOME"] = str(lab.scratch)  # where what is collected is remembered
    with Fleet(lab, 1) as alone, Fleet(lab, 3) as three, lab.canned() as server:
        fleets = [alone, three]
        return (measure_cost(lab, server, fleets) + measure_empty(lab, fleets)
                + measure_waiting(lab, server, fleets) + measure_two(lab, server, three)
                + measure_cutting(lab, fleets))
