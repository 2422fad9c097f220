"""What bench/run measures, one function a group. Each is given the laboratory and gives rows."""
import datetime
import json
import os
import pathlib
import statistics
import tempfile
import time

from lab import contest, ct, fleet, micro, monitor, process, sinks
from lab.process import Failed, Server
from lab.rows import Row

GRAB_BUDGET, HANDSHAKE_BUDGET, MEMORY_BUDGET_KB = 1.3, 1.15, 8
IN_FLIGHT = 512  # of the floors, and of trawl where both must do the same
SORTS = {"tls12-ecdsa": "TLS 1.2, ECDSA chain", "tls12-rsa": "TLS 1.2, RSA chain",
         "tls13-ecdsa": "TLS 1.3, ECDSA chain", "tls13-rsa": "TLS 1.3, RSA chain"}
FIRST = "127.64.0.0"  # of the block that the canned server is swept on


class Laboratory:
    """The programs, how much to measure, and a folder for what they write."""

    def __init__(self, programs, quick, say):
        self.programs, self.quick, self.say = programs, quick, say
        self.rounds = 5 if quick else 9
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="trawl-bench-"))
        self.stats = self.scratch / "stats.json"

    def hold(self, entrants):
        contest.hold(entrants, self.rounds, self.say)

    def bits(self):
        """Of a block to sweep: 8,192 or 32,768 targets."""
        return 19 if self.quick else 17

    def check_outcomes(self, outcome, targets):
        def check(_):
            with open(self.stats, encoding="utf-8") as file:
                found = json.load(file)["outcomes"]
            if found != {outcome: targets}:
                raise Failed(f"expected {targets} times {outcome}, got {found}")
        return check

    def scan(self, name, specs, idle, targets, options, outcome="ok", cores=None, output="null"):
        """`specs` is what is swept; `idle` the same with one target."""
        def argv(what):
            return [self.programs.trawl, "scan", *what, "-o", output, "-q",
                    "--stats", str(self.stats), *map(str, options)]
        return contest.Entrant(name, targets, argv(specs), argv([idle]),
                               self.check_outcomes(outcome, targets), cores)

    def sweep(self, name, port, options, bits=None, workers=1, **more):
        """A sweep of the canned server's block."""
        bits = bits or self.bits()
        return self.scan(name, [f"{FIRST}/{bits}"], f"{FIRST}/32", 1 << (32 - bits),
                         ["-p", port, "--workers", workers, *options], **more)

    def floor(self, kind, first, count, port, total=None, expect="done", **options):
        total = total or count
        words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]

        def argv(how_many):
            return [self.programs.floors, kind, f"--first={first}", f"--count={count}",
                    f"--port={port}", f"--total={how_many}", f"--in-flight={IN_FLIGHT}", *words]

        def check(output):
            if json.loads(output)[expect] != total:
                raise Failed(f"the floor '{kind}' ended so: {output.strip()}")
        return contest.Entrant(f"floor {kind}", total, argv(total), argv(1), check)

    def canned(self):
        return Server(self.programs.server, "canned")

    def farm(self, kind, endpoints, first):
        root = self.scratch / f"{kind}.pem"
        server = Server(self.programs.server, "farm", f"--kind={kind}",
                        f"--endpoints={endpoints}", f"--address={first}", f"--root={root}")
        return server, root


def versus(group, name, ours, theirs, budget=None, note=""):
    label = theirs.name if theirs.name.startswith("floor") else f"with {theirs.name}"
    return Row(group, name, "µs", ours.cpu(), theirs.cpu(), label, contest.ratio(ours, theirs),
               budget, note)


GRAB = ["--plan", "grab", "-c", IN_FLIGHT]


def measure_grab(lab):
    group = "Grab: client CPU a target"
    rows = []
    with lab.canned() as server:
        for sort, words in SORTS.items():
            port, size = server.ports[sort]["port"], server.ports[sort]["flight_bytes"]
            grab = lab.sweep("grab", port, GRAB)
            hello = lab.floor("hello", FIRST, grab.targets, port, flight_bytes=size)
            entrants = [hello, grab]
            if sort == "tls13-ecdsa":
                tcp = lab.floor("tcp", FIRST, grab.targets, port)
                written = lab.sweep("grab", port, GRAB, output=str(lab.scratch / "out.jsonl"))
                many = lab.sweep("grab", port, ["--plan", "grab"])
                entrants += [tcp, written, many]
            lab.say(f"grab, {words}")
            lab.hold(entrants)
            rows.append(versus(group, words, grab, hello, GRAB_BUDGET))
            if sort == "tls13-ecdsa":
                rows += [versus(group, "… against bare TCP", grab, tcp),
                         versus(group, "… with JSON to a file", written, hello),
                         versus(group, "… as many at once as it likes", many, hello)]
    return rows


def measure_handshake(lab):
    group = "Handshake: client CPU a target"
    kinds = [("good-ecdsa", "TLS 1.3, ECDSA chain", 2048, "127.90.0"),
             ("good-rsa-chain", "TLS 1.3, RSA chain", 512, "127.91.0"),
             ("tls12-only", "TLS 1.2, RSA key", 512, "127.92.0")]
    passes = 1 if lab.quick else 4
    rows = []
    for kind, words, endpoints, net in kinds:
        first, last = f"{net}.0", f"{net[:-2]}.{endpoints // 256 - 1}.255"
        server, root = lab.farm(kind, endpoints, first)
        with server:
            port = server.ports["farm"]["port"]
            block = f"{first}-{last}"
            total = endpoints * passes
            options = ["-p", port, "--workers", 1, "-c", IN_FLIGHT]
            bare = lab.floor("handshake", first, endpoints, port, total=total)
            plain = lab.scan("handshake", [block] * passes, first, total,
                             [*options, "--no-verify"])
            entrants = [bare, plain]
            if kind != "tls12-only":
                verified = lab.scan("handshake, verified", [block], first, endpoints,
                                    [*options, "--ca-file", root])
                entrants.append(verified)
            lab.say(f"handshake, {words}")
            lab.hold(entrants)
            rows.append(versus(group, words, plain, bare, HANDSHAKE_BUDGET))
            if kind != "tls12-only":
                rows.append(versus(group, "… chain verified, each leaf new", verified, bare))
    return rows


def measure_io(lab):
    """io_uring against epoll."""
    if not lab.programs.knows("--io"):
        lab.say("this trawl has no --io: left out")
        return []
    group = "epoll against io_uring: client CPU a target"
    rows = []
    with lab.canned() as server:
        for words, sort, outcome in [("grab, TLS 1.2", "tls12-ecdsa", "ok"),
                                     ("grab, TLS 1.3", "tls13-ecdsa", "ok"),
                                     ("refused connections", "refusing", "refused")]:
            port = server.ports[sort]["port"]
            ring, poll = (lab.sweep(name, port, [*GRAB, "--io", option], outcome=outcome)
                          for name, option in (("io_uring", "uring"), ("epoll", "epoll")))
            lab.say(f"io, {words}")
            lab.hold([ring, poll])
            rows.append(versus(group, words, poll, ring))
    return rows


def resident_with(lab, server, port, plan, count):
    """Memory of a scan while `count` handshakes have stopped half-way."""
    last = f"127.64.{(count - 1) // 256}.{(count - 1) % 256}"
    patience = [word for stage in ("", "connect-", "handshake-")
                for word in (f"--{stage}timeout", "600")]
    argv = [lab.programs.trawl, "scan", f"{FIRST}-{last}", "-p", str(port), "--plan", plan,
            "--workers", "1", "-c", str(IN_FLIGHT), "-q", "-o", "null", "--no-verify", *patience]
    while server.stalled():  # those of the run before
        time.sleep(0.01)
    return process.resident_while(argv, lambda: server.stalled() == count)


def measure_memory(lab):
    """The slope between few and many in flight, in a process that has room for the many."""
    group = "Memory a handshake in flight"
    few = 32
    rows = []
    with lab.canned() as server:
        for plan in ("grab", "handshake"):
            for sort, words in (("tls12-half", "TLS 1.2"), ("tls13-half", "TLS 1.3")):
                lab.say(f"memory, {plan}, {words}")
                port = server.ports[sort]["port"]
                slopes = []
                for _ in range(lab.rounds):
                    low = resident_with(lab, server, port, plan, few)
                    high = resident_with(lab, server, port, plan, IN_FLIGHT)
                    slopes.append((high - low) / (IN_FLIGHT - few) / 1024)
                rows.append(Row(group, f"{plan}, {words}", "KB", statistics.median(slopes),
                                budget=MEMORY_BUDGET_KB,
                                note=f"{IN_FLIGHT} in flight, half a flight received"))
    return rows


def per_second(entrant):
    return f"{1e6 / entrant.cpu():,.0f}/s and core"


def measure_dead(lab):
    group = "Dead addresses: client CPU an address"
    with lab.canned() as server:
        refusing, silent = (server.ports[name]["port"] for name in ("refusing", "silent"))
        refused = lab.sweep("refused", refusing, ["--plan", "grab"], outcome="refused")
        few = lab.sweep("refused", refusing, GRAB, outcome="refused")
        bare = lab.floor("tcp", FIRST, refused.targets, refusing, expect="refused")
        mute = lab.sweep("silent", silent, ["--plan", "grab", "--connect-timeout", "0.5"],
                         outcome="timeout")
        mute.idle_argv = lab.sweep("silent", silent, ["--plan", "grab", "--connect-timeout", "0.1"],
                                   outcome="timeout").idle_argv
        lab.say("dead addresses")
        lab.hold([bare, refused, few, mute])
    return [versus(group, "refused, 512 at once", few, bare, note=per_second(few)),
            versus(group, "refused, as many as it likes", refused, bare, note=per_second(refused)),
            Row(group, "silent, 0.5 s of patience", "µs", mute.cpu(), note=per_second(mute))]


def measure_workers(lab):
    """Two workers against one, on all cores."""
    group = "Two workers against one"
    cores = set(process.CORES)
    if len(cores) < 2:
        lab.say("one core only: left out")
        return []
    rows = []
    with lab.canned() as server:
        for words, sort, outcome in [("grab, TLS 1.3", "tls13-ecdsa", "ok"),
                                     ("refused connections", "refusing", "refused")]:
            port = server.ports[sort]["port"]
            one, two = (lab.sweep(f"{workers}", port, ["--plan", "grab", "-c", 2 * IN_FLIGHT],
                                  workers=workers, outcome=outcome, cores=cores)
                        for workers in (1, 2))
            one.name, two.name = "one", "two"
            lab.say(f"workers, {words}")
            lab.hold([one, two])
            rows.append(versus(group, f"{words}: CPU", two, one))
            if sort == "refusing":  # no server takes part: the cores are the workers'
                rows.append(Row(group, f"{words}: wall clock", "µs",
                                statistics.median(two.wall_us), statistics.median(one.wall_us),
                                "with one", contest.ratio(two, one, "wall_us"),
                                note=f"{len(cores)} cores; 0.5 is twice as fast, and what else "
                                     "runs counts"))
    return rows


MEASURES = {"grab": measure_grab, "handshake": measure_handshake, "io": measure_io,
            "memory": measure_memory, "dead": measure_dead, "workers": measure_workers,
            "ct": ct.measure_ct, "sinks": sinks.measure_sinks,
            "monitor": monitor.measure_monitor, "fleet": fleet.measure_fleet,
            "micro": micro.measure_micro}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": models[0] if models else os.uname().machine, "cores": len(process.CORES),
            "kernel": os.uname().release, "load": os.getloadavg()[0]}


def about(programs, of, rounds):
    """One line: what was measured, on what, how well."""
    return (f"{programs.version} · {of['cpu']}, {of['cores']} cores · Linux {of['kernel']} · load "
            f"{of['load']:.1f} · {datetime.date.today().isoformat()} · {rounds} rounds")
