"""What bench/run measures of Certificate Transparency: `trawl watch` on a log and a feed of
bench/ctfarm, against the hashing and unpacking that nobody can leave out, and against certspotter.
"""
import json
import statistics

from lab import certspotter, contest, micro, process
from lab.logfarm import LogFarm
from lab.process import Failed
from lab.rows import Row

# Entries a second and core, at least.
TILES, TILES_RECORDED, GET_ENTRIES, FEED, CERTSPOTTER_TIMES = 500e3, 250e3, 350e3, 400e3, 30

WATCHED = 1000 * 1000
PAGE = 256
FEED_RATE = 100 * 1000  # messages a second: a reader that cannot keep up loses some, as it should
FEED_CONNECT_S = 3.0

OF_A_MILLION = "matched against 1,000,000 names"
EVERY = ["--all", "--format", "json"]


class CtLaboratory:
    """What all groups need: watch lists, and how many entries are read."""

    def __init__(self, lab):
        self.lab = lab
        self.bits = 19 if lab.quick else 20
        self.distinct = 1 << 15
        self.names = lab.scratch / "names.txt"
        self._write_names()

    def _write_names(self):
        """Domains like those in the log, and none of them in it."""
        words = ["amber", "birch", "cloud", "dental", "ember", "forest", "green", "home", "light",
                 "market", "studio", "travel"]
        ends = ["com", "com", "com", "net", "org", "de", "co.uk", "io"]
        with open(self.names, "w", encoding="ascii") as file:
            for i in range(WATCHED):
                file.write(f"{words[i % 12]}{words[i // 12 % 12]}-{i:x}.{ends[i // 144 % 8]}\n")

    def floor(self, kind, total, count=1 << 15):
        def argv(how_many):
            return [self.lab.programs.floors, kind, f"--count={count}", f"--total={how_many}"]

        def check(output):
            if json.loads(output)["done"] != total:
                raise Failed(f"the floor '{kind}' ended so: {output.strip()}")
        return contest.Entrant(f"floor {kind}", total, argv(total), argv(1), check)

    def check(self, entries):
        def check(_):
            with open(self.lab.stats, encoding="utf-8") as file:
                found = json.load(file)
            if found["entries"] != entries or found["lost"] or found["malformed"]:
                raise Failed(f"expected {entries} entries, got {found}")
        return check

    def argv(self, source, what, output="null", workers=1, program=None):
        return [program or self.lab.programs.trawl, "watch", *map(str, source), *map(str, what),
                "-o", str(output), "-q", "--workers", str(workers), "--stats",
                str(self.lab.stats)]

    def log(self, name, farm, side, what, entries=None, cores=None, **more):
        """The last `entries` of a log, read to the end; for the start, a page of them."""
        entries = entries or farm.entries
        source = [*farm.options(side), "--to-the-end"]

        def argv(first):
            return self.argv([*source, "--from", first], what, **more)
        return contest.Entrant(name, entries, argv(farm.entries - entries),
                               argv(farm.entries - PAGE), self.check(entries), cores)

    def feed(self, name, farm, path, what, **more):
        """All of a feed: its messages come as soon as it is listened to."""
        def argv(seconds):
            return self.argv([f"{farm.feed}/{path}?from=0", "--duration", f"{seconds:.2f}"], what,
                             **more)
        return contest.Entrant(name, farm.entries,
                               argv(farm.entries / FEED_RATE + FEED_CONNECT_S), argv(0.3),
                               self.check(farm.entries), prepare=lambda: farm.set(1, 0),
                               beside=farm.pour(FEED_RATE))


def row(group, name, ours, floor=None, rate=None, by_the_clock=True):
    """`rate` is the budget: so many entries a second and core, at least."""
    note = f"{1e6 / ours.cpu():,.0f}/s and core"
    wall_us = statistics.median(ours.wall_us)
    if by_the_clock and wall_us:
        note += f"; {1e6 / wall_us:,.0f}/s by the clock"
    return Row(group, name, "µs", ours.cpu(), floor.cpu() if floor else None,
               floor.name if floor else "", contest.ratio(ours, floor) if floor else None,
               1e6 / rate if rate else None, note, budget_of="ours")


def measure_tiles(ct):
    group = "CT, static-ct tiles: client CPU an entry"
    lab = ct.lab
    with LogFarm(lab.programs.ctserver, 1 << ct.bits, "--warm-tiles", distinct=ct.distinct) as farm, \
            LogFarm(lab.programs.ctserver, 1 << (ct.bits - 1), "--warm-tiles", "--gzip", "--tls",
                    distinct=ct.distinct) as public:
        floor = ct.floor("tiles", farm.entries)
        million, one = ["-w", ct.names], ["-d", "trawl.example"]
        matched = ct.log("a million", farm, "Tiles", million)
        few = ct.log("one name", farm, "Tiles", one)
        plain = ct.log("plain", farm, "Tiles", million, program=lab.programs.plain)
        recorded = ct.log("recorded", farm, "Tiles", EVERY, output="/dev/null")
        written = ct.log("written", farm, "Tiles", ["--all"], entries=1 << 16,
                         output=lab.scratch / "entries.jsonl")
        wrapped = ct.log("wrapped", public, "Tiles", million)
        lab.say("CT, tiles")
        lab.hold([floor, matched, few, plain, recorded, written, wrapped])
    return [row(group, f"verified, bound, {OF_A_MILLION}", matched, floor, TILES),
            row(group, "… against one name", few, floor),
            row(group, "… of a million, without AVX-512 and SHA-NI", plain, floor),
            row(group, "… of a million, compressed and over TLS", wrapped, floor),
            row(group, "all hashes and a record of each as JSON", recorded, floor, TILES_RECORDED),
            row(group, "… to a file", written, floor)]


def measure_get_entries(ct):
    group = "CT, RFC 6962: client CPU an entry"
    lab = ct.lab
    with LogFarm(lab.programs.ctserver, 1 << ct.bits, "--warm-entries",
                 distinct=ct.distinct) as farm:
        floor = ct.floor("get-entries", farm.entries)
        million = ["-w", ct.names]
        matched = ct.log("a million", farm, "Classic", million)
        plain = ct.log("plain", farm, "Classic", million, program=lab.programs.plain)
        recorded = ct.log("recorded", farm, "Classic", EVERY, output="/dev/null")
        written = ct.log("written", farm, "Classic", ["--all"], entries=1 << 16,
                         output=lab.scratch / "entries.jsonl")
        lab.say("CT, RFC 6962")
        lab.hold([floor, matched, plain, recorded, written])
    return [row(group, f"verified, bound, {OF_A_MILLION}", matched, floor, GET_ENTRIES),
            row(group, "… of a million, without AVX-512 and SHA-NI", plain, floor),
            row(group, "all hashes and a record of each as JSON", recorded, floor),
            row(group, "… to a file", written, floor)]


def measure_feed(ct):
    group = "CT, certstream feed: client CPU a message"
    lab = ct.lab
    entries = 1 << (ct.bits - 2)
    with LogFarm(lab.programs.ctserver, entries, "--warm-feed") as farm:
        # It makes its messages before it reads them, which costs more than reading them once.
        floor = ct.floor("feed", 16 * entries)
        million = ["-w", ct.names]
        entrants = [floor] + [
            ct.feed(name, farm, path, what, **more)
            for name, path, what, more in [
                ("full", "full-stream", million, {}),
                ("plain", "full-stream", million, {"program": lab.programs.plain}),
                ("recorded", "full-stream", EVERY, {"output": "/dev/null"}),
                ("lite", "", million, {}),
                ("domains", "domains-only", million, {})]]
        lab.say("CT, certstream")
        lab.hold(entrants)
    floor, full, plain, recorded, lite, domains = entrants
    rows = [row(group, f"full, {OF_A_MILLION}", full, floor, FEED, False),
            row(group, "… without AVX-512", plain, floor, None, False),
            row(group, "full, all hashes and a record of each as JSON", recorded, floor, None, False),
            row(group, f"lite, {OF_A_MILLION}", lite, None, None, False),
            row(group, f"domains alone, {OF_A_MILLION}", domains, None, None, False)]
    return rows


def measure_rival(ct):
    group = "CT, certspotter on the same log: client CPU an entry"
    lab = ct.lab
    if not certspotter.program():
        return [Row(group, "certspotter is not installed: left out", "µs", None)]
    names = [f"example{number}.org" for number in range(10)]
    watched = lab.scratch / "ten-names.txt"
    watched.write_text("\n".join(names), encoding="ascii")
    with LogFarm(lab.programs.ctserver, 1 << (ct.bits - 3), "--warm-entries", "--warm-tiles",
                 distinct=ct.distinct) as farm:
        theirs = certspotter.Certspotter(lab, farm, names).entrant()
        ours = ct.log("RFC 6962", farm, "Classic", ["-w", watched])
        tiles = ct.log("tiles", farm, "Tiles", ["-w", watched])
        lab.say("CT, certspotter")
        lab.hold([theirs, ours, tiles])
    note = "verified, matched against ten names"
    return [Row(group, f"RFC 6962, {note}", "µs", ours.cpu(), theirs.cpu(), "certspotter",
                contest.ratio(theirs, ours), CERTSPOTTER_TIMES, "times as fast", budget_of="least"),
            Row(group, "the same log as tiles", "µs", tiles.cpu(), theirs.cpu(), "certspotter",
                contest.ratio(theirs, tiles), None, "times as fast")]


def measure_two_workers(ct):
    group = "CT, two workers against one"
    lab = ct.lab
    cores = set(process.CORES)
    if len(cores) < 2:
        lab.say("one core only: left out")
        return []
    with LogFarm(lab.programs.ctserver, 1 << ct.bits, "--warm-tiles", distinct=ct.distinct) as farm:
        one, two = (ct.log(name, farm, "Tiles", EVERY, cores=cores, workers=workers,
                           output="/dev/null")
                    for name, workers in (("one", 1), ("two", 2)))
        lab.say("CT, two workers")
        lab.hold([one, two])
    return [Row(group, "tiles, a record of each: CPU", "µs", two.cpu(), one.cpu(), "with one",
                contest.ratio(two, one)),
            Row(group, "tiles, a record of each: wall clock", "µs", statistics.median(two.wall_us),
                statistics.median(one.wall_us), "with one", contest.ratio(two, one, "wall_us"),
                note=f"{len(cores)} cores, the server's among them")]


def measure_memory(ct):
    """In the middle of a log, as it is read."""
    group = "CT, memory while a log is read"
    lab = ct.lab
    rows = []
    with LogFarm(lab.programs.ctserver, 1 << ct.bits, "--warm-tiles", "--warm-entries",
                 distinct=ct.distinct) as farm:
        for name, side, what in [("tiles, one name", "Tiles", ["-d", "trawl.example"]),
                                 ("tiles, 1,000,000 names", "Tiles", ["-w", ct.names]),
                                 ("RFC 6962, one name", "Classic", ["-d", "trawl.example"]),
                                 ("tiles, a record of each", "Tiles", EVERY)]:
            lab.say(f"CT, memory, {name}")
            argv = ct.argv([*farm.options(side), "--from", 0], what, "/dev/null")
            sizes = []
            for _ in range(lab.rounds):
                until = farm.given() + farm.entries // 2
                sizes.append(process.resident_while(argv, lambda: farm.given() >= until))
            rows.append(Row(group, name, "MB", statistics.median(sizes) / 1e6))
    return rows


def measure_ct(lab):
    ct = CtLaboratory(lab)
    rows = [row for measure in (measure_tiles, measure_get_entries, measure_feed, measure_rival,
                                measure_two_workers, measure_memory) for row in measure(ct)]
    return rows + micro.measure_decoder(lab)
