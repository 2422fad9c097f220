"""What bench/run measures of sinks: what each adds to a sweep of grabs at full speed, alone and all
together, and how many records a second each takes that are there already.
"""
import contextlib
import json
import os
import statistics

from lab import backends, contest
from lab.process import Failed, run
from lab.rows import Row

SHARE = 0.15  # of a sweep's CPU time that a file may take, at most
BATCH = 100   # records a message of a webhook
FIRST, IN_FLIGHT = "127.64.0.0", 512
STORED_FIRST = "127.93.0.0"

SWEEP = "Sinks in a sweep of grabs: client CPU a target"
ALONE = "Sinks alone, each certificate new: client CPU a record"


class Sink:
    """`specs` stand behind -o; `clear` empties what was filled; `count` says how many records are
    there, where that can be asked."""

    def __init__(self, name, specs, clear=lambda: None, count=None):
        self.name, self.specs, self.clear, self.count = name, specs, clear, count

    def outputs(self):
        return [word for spec in self.specs for word in ("-o", str(spec))]


def file_sink(name, path):
    return Sink(name, [path], lambda: path.unlink(missing_ok=True))


def stored(name, backend):
    return Sink(name, [backend.url], backend.clear, backend.count)


def together(sinks):
    def clear():
        for sink in sinks:
            sink.clear()
    return Sink(f"all {len(sinks)} together", [spec for sink in sinks for spec in sink.specs], clear)


class Backends:
    """Sinks with something behind them, as long as the `with` block."""

    def __init__(self, lab):
        self.stack, self.missing = contextlib.ExitStack(), []
        self.files = [file_sink("JSON to a file", lab.scratch / "sink.jsonl"),
                      file_sink("MessagePack to a file", lab.scratch / "sink.msgpack")]
        self.others = []
        self.lab = lab

    def __enter__(self):
        lab, enter = self.lab, self.stack.enter_context
        with contextlib.ExitStack() as until_complete:
            until_complete.push(self.stack)
            plain, acks = (enter(backends.Reader(lab.programs.trawl, lab.scratch, name, acknowledges))
                           for name, acknowledges in (("plain", False), ("acks", True)))
            hook = enter(backends.Webhook(f"batch={BATCH}"))
            self.others = [Sink("MessagePack to a reader", [plain.url]),
                           Sink("… that acknowledges", [acks.url]),
                           stored("SQLite", backends.Sqlite(lab.scratch, "sink")),
                           Sink(f"webhook, {BATCH} a message", [hook.url])]
            for name, backend in (("PostgreSQL", backends.Postgres), ("NATS", backends.Nats)):
                if backend.find():
                    self.others.append(stored(name, enter(backend(lab.scratch))))
                else:
                    self.missing.append(f"{name} is not installed: left out")
            until_complete.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def all(self):
        return self.files + self.others


def check_written(lab, targets, sink):
    of_sweep = lab.check_outcomes("ok", targets)

    def check(output):
        of_sweep(output)
        with open(lab.stats, encoding="utf-8") as file:
            found = json.load(file)["outputs"]
        if any(one["written"] != targets for one in found):
            raise Failed(f"expected {targets} records in each output, got {found}")
        check_stored(sink, targets)
    return check


def check_stored(sink, records):
    if sink.count and sink.count() != records:
        raise Failed(f"{sink.name} has {sink.count()} of {records} records")


def share_of(entrant, bare):
    """What a sink takes of the sweep's time, in percent."""
    return 100 * (1 - 1 / contest.ratio(entrant, bare).middle)


def measure_sweep(lab, sinks):
    with lab.canned() as server:
        port = server.ports["tls13-ecdsa"]["port"]
        options = ["--plan", "grab", "-c", IN_FLIGHT]
        bits = 18 if lab.quick else 17  # what is compared is a few µs: fewer targets do not show it
        bare = lab.sweep("null", port, options, bits)
        entrants = []
        for sink in [*sinks, together(sinks)]:
            entrant = lab.sweep(sink.name, port, [*options, *sink.outputs()[2:]], bits,
                                output=str(sink.specs[0]))
            entrant.prepare, entrant.check = sink.clear, check_written(lab, entrant.targets, sink)
            entrants.append(entrant)
        lab.say("sinks, a sweep")
        lab.hold([bare, *entrants])
    return [Row(SWEEP, one.name, "µs", one.cpu(), bare.cpu(), "with null", contest.ratio(one, bare),
                1 / (1 - SHARE) if one.name.endswith("to a file") else None,
                f"{share_of(one, bare):.0f} % of the sweep; "
                f"{1e6 / statistics.median(one.wall_us):,.0f} targets/s by the clock")
            for one in entrants]


def records_file(lab):
    """Records of as many endpoints, each with a certificate of its own, and a file of the first."""
    count = 8192
    many, one = lab.scratch / "many.msgpack", lab.scratch / "one.msgpack"
    server, _ = lab.farm("good-ecdsa", count, STORED_FIRST)
    first, net = STORED_FIRST, STORED_FIRST.rsplit(".", 2)[0]
    with server:
        for path, block, targets in ((many, f"{first}-{net}.{count // 256 - 1}.255", count),
                                     (one, first, 1)):
            run([lab.programs.trawl, "scan", block, "-p", str(server.ports["farm"]["port"]),
                 "--plan", "grab", "-q", "-o", str(path), "--stats", str(lab.stats)])
            lab.check_outcomes("ok", targets)("")
    return many, one, count


def measure_alone(lab, sinks):
    many, one, count = records_file(lab)

    def entrant(sink):
        def argv(path):
            is_webhook = str(sink.specs[0]).startswith("webhook+")
            return [lab.programs.trawl, "decode", str(path), "-q", "--format",
                    "json" if is_webhook else "auto", *sink.outputs()]
        return contest.Entrant(sink.name, count, argv(many), argv(one),
                               lambda _: check_stored(sink, count), prepare=sink.clear)

    reading = entrant(Sink("null", ["null"]))
    entrants = [entrant(sink) for sink in sinks]
    lab.say("sinks, alone")
    lab.hold([reading, *entrants])
    rows = [Row(ALONE, "reading the records, no sink", "µs", reading.cpu())]
    for one in entrants:
        clock = 1e6 / max(statistics.median(one.wall_us), 0.01)
        rows.append(Row(ALONE, one.name, "µs", one.cpu(),
                        note=f"{1e6 / max(one.cpu(), 0.01):,.0f}/s and core; "
                             f"{clock:,.0f}/s by the clock"))
    return rows


def measure_sinks(lab):
    os.environ["TRAWL_SPOOL"] = "off"  # what cannot be delivered holds back: all is written
    with Backends(lab) as found:
        rows = measure_sweep(lab, found.all()) + measure_alone(lab, found.all())
        return rows + [Row(ALONE, words, "µs", None) for words in found.missing]
