"""Sweeps with --checkpoint that are killed and run again: every target is reported, none is lost,
what is reported twice is at most what was on its way, and the outputs are whole.

    python3 check_resume.py FOLDER [--targets N]     $TRAWL is the program
"""
import argparse
import collections
import csv
import glob
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

from support import (HANG_SECONDS, Server, check, finish, loopback, msgpack_objects, refusing_port,
                     run, start)

KILLS = 12
EARLY_KILLS = 5  # while a run is still being set up
KILLED_BY = {signal.ITIMER_REAL: signal.SIGALRM, signal.ITIMER_PROF: signal.SIGPROF}
FIRST_BUDGET = 0.05  # seconds of processors
CONCURRENCY = 1024
RING = 2048      # targets between the sources and the workers
BATCH_BYTES = 65536
FIELDS = "host,port,outcome,error"


# --- Reading what came out ---

def read_json(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield record["host"], record["port"], record["outcome"]


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        check(next(rows, None) == FIELDS.split(","), path, "has another head")
        for row in rows:
            if check(len(row) == 4, path, "row", row):
                yield row[0], int(row[1]), row[2]


def read_msgpack(path):
    for record in msgpack_objects(pathlib.Path(path).read_bytes()):
        yield record["host"], record["port"], record["outcome"]


READERS = {".jsonl": read_json, ".csv": read_csv, ".msgpack": read_msgpack}


def counts_in(paths):
    """How often each target is in the files, but for records of cancelled ones."""
    counts = collections.Counter()
    for path in paths:
        try:
            counts.update((host, port) for host, port, outcome in
                          READERS[pathlib.Path(path).suffix](path) if outcome != "cancelled")
        except (ValueError, KeyError, IndexError, csv.Error) as error:
            check(False, path, "is not whole:", repr(error))
    return counts


def parts_of(path):
    """The file and the parts that were completed before it."""
    stem, suffix = os.path.splitext(path)
    return [p for p in [path, *sorted(glob.glob(f"{stem}-*{suffix}"))] if os.path.exists(p)]


def size_of(path):
    total = 0
    for part in parts_of(path):
        try:
            total += os.stat(part).st_size
        except FileNotFoundError:
            pass  # renamed meanwhile
    return total


# --- A sweep that is killed again and again ---

class Sweep:
    """`feed` is what a run reads on standard input, or None."""

    def __init__(self, name, folder, arguments, outputs, targets, feed=None):
        self.name = name
        self.checkpoint = os.path.join(folder, f"{name}.checkpoint")
        self.outputs = [os.path.join(folder, f"{name}{output}") for output in outputs]
        self.targets = targets
        self.feed = feed
        self.arguments = [*arguments, "--checkpoint", self.checkpoint, "--plan", "grab",
                          "--concurrency", CONCURRENCY, "--fields", FIELDS]
        for output in self.outputs:
            self.arguments += ["-o", output]
        self.kills = 0
        self.budget = FIRST_BUDGET

    def begin(self, **options):
        if not self.feed:
            return start("scan", *self.arguments, stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, **options), None
        feeder = subprocess.Popen(["cat", self.feed], stdout=subprocess.PIPE)
        process = start("scan", *self.arguments, stdin=feeder.stdout, stderr=subprocess.PIPE,
                        text=True, **options)
        feeder.stdout.close()
        return process, feeder

    @staticmethod
    def end(process, feeder):
        errors = process.communicate(timeout=HANG_SECONDS)[1]
        if feeder:
            feeder.wait(HANG_SECONDS)
        return errors

    def kill_after(self, clock, seconds):
        """The kernel kills a run after so many seconds of that clock: whoever of us is late, it
        gets no further. False when it had ended before."""
        process, feeder = self.begin(preexec_fn=lambda: signal.setitimer(clock, seconds))
        errors = self.end(process, feeder)
        killed = process.returncode == -KILLED_BY[clock]
        self.kills += killed
        check(killed, self.name, "ended with", process.returncode, "before it was killed", errors)
        return killed

    def kill_on_the_way(self, goal):
        """Once a run has written something: what it uses of processors for about so many bytes is
        known from those before it."""
        progress, killed = 0, True
        while killed and progress <= 0:
            before = size_of(self.outputs[0])
            killed = self.kill_after(signal.ITIMER_PROF, self.budget)
            progress = size_of(self.outputs[0]) - before
            self.budget *= min(2, max(0.5, goal / progress)) if progress > 0 else 1.5
        return killed

    def kill_often(self, kills, chance, record_bytes):
        for _ in range(EARLY_KILLS):
            self.kill_after(signal.ITIMER_REAL, chance.uniform(0.001, 0.03))
        for left in range(kills, 0, -1):
            # Each gets less than its share of the way, so that the last is killed, too.
            rest = len(self.targets) * record_bytes - size_of(self.outputs[0])
            if not self.kill_on_the_way(rest / (left + 2) * chance.uniform(0.2, 0.9)):
                return

    def complete(self):
        process, feeder = self.begin()
        errors = self.end(process, feeder)
        check(process.returncode == 0, self.name, "the last run ended with", process.returncode,
              errors)
        check(not os.path.exists(self.checkpoint), self.name, "the checkpoint is still there")
        return errors


def verify(sweep, twice_at_most, kills):
    """Every target in every output; says how many more than once."""
    check(sweep.kills >= kills, sweep.name, "killed only", sweep.kills, "times")
    for output in sweep.outputs:
        counts = counts_in(parts_of(output))
        lost = [target for target in sweep.targets if target not in counts]
        twice = sum(counts.values()) - len(counts)
        check(not lost, sweep.name, output, len(lost), "targets are lost:", lost[:3])
        check(len(counts) == len(set(sweep.targets)), sweep.name, output, "holds", len(counts),
              "targets of", len(sweep.targets))
        check(twice <= twice_at_most, sweep.name, output, twice, "records twice, at most",
              twice_at_most)
        print(f"{sweep.name}: {os.path.basename(output)}: {len(sweep.targets)} targets, "
              f"{sweep.kills} kills, {len(lost)} lost, {twice} twice (bound {twice_at_most})",
              flush=True)


def batch_records(record_bytes):
    """Records in one batch: all that a file sink can write twice, for the rest is cut."""
    return BATCH_BYTES // record_bytes + 1


def check_killed(folder, chance, port, count):
    """The three ways in which targets come, and the three formats of files."""
    everyone = [(loopback(i), port) for i in range(count)]
    listed = os.path.join(folder, "list.txt")
    pathlib.Path(listed).write_text("".join(f"{host}:{port}\n" for host, port in everyone),
                                    encoding="ascii")
    block = f"{loopback(0)}-{loopback(count - 1)}"
    for sweep, record_bytes in (
            (Sweep("list", folder, [f"@{listed}"], [".jsonl"], everyone), 84),
            (Sweep("block", folder, [block, "-p", port, "--seed", 42], [".csv"], everyone), 40),
            (Sweep("input", folder, ["-"], [".msgpack"], everyone, listed), 50)):
        sweep.kill_often(KILLS, chance, record_bytes)
        errors = sweep.complete()
        check("going on with a sweep of which" in errors, sweep.name, errors)
        done = re.search(r"(\d+) targets had been done before", errors)
        check(done and 0 < int(done[1]) < count, sweep.name, errors)
        verify(sweep, sweep.kills * min(batch_records(record_bytes // 2), CONCURRENCY + RING),
               KILLS)


def check_two_outputs(folder, chance, port, count):
    """What only one of the sinks has written is probed again; the seed is the first run's."""
    everyone = [(loopback(i), port) for i in range(count)]
    block = f"{loopback(0)}-{loopback(count - 1)}"
    sweep = Sweep("two", folder, [block, "-p", port], [".jsonl", ".csv"], everyone)
    sweep.kill_often(6, chance, 84)
    sweep.complete()
    verify(sweep, count, 6)


def check_rotation(folder, chance, port, count):
    everyone = [(loopback(i), port) for i in range(count)]
    block = f"{loopback(0)}-{loopback(count - 1)}"
    sweep = Sweep("rotated", folder, [block, "-p", port, "--rotate-size", "300k"], [".jsonl"],
                  everyone)
    sweep.kill_often(8, chance, 84)
    sweep.complete()
    parts = parts_of(sweep.outputs[0])
    check(len(parts) > 8 and sweep.outputs[0] not in parts, "rotated: parts", parts)
    check(all(os.stat(part).st_size <= 300 * 1024 for part in parts), "rotated: too large a part")
    verify(sweep, sweep.kills * batch_records(40), 8)


# --- Interrupted ---

def lines_in(path):
    try:
        return pathlib.Path(path).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def check_interrupted(folder, port):
    """Cancelled targets are no results: who goes on probes them, and nothing else again."""
    quick = [(loopback(i), port) for i in range(3000)]
    listed = os.path.join(folder, "mixed.txt")
    with Server(hold=3600) as silent:
        waiting = [(loopback(i), silent.port) for i in range(100)]
        pathlib.Path(listed).write_text(
            "".join(f"{host}:{at}\n" for host, at in waiting + quick), encoding="ascii")
        sweep = Sweep("interrupted", folder, [f"@{listed}", "--timeout", 3600,
                                              "--handshake-timeout", 3600], [".jsonl"],
                      waiting + quick)
        for times in (1, 2):  # the second time it has nothing but the silent ones
            process, _ = sweep.begin()
            while process.poll() is None and (lines_in(sweep.outputs[0]) < len(quick) or
                                              len(silent.times) < times * len(waiting)):
                time.sleep(0.002)
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=HANG_SECONDS)[1]
            check(process.returncode == 130, "interrupted: ended with", process.returncode, errors)
            check(os.path.exists(sweep.checkpoint), "interrupted: there is no checkpoint")
        silent.hold = 0  # from now on it closes what comes
        sweep.complete()
    counts = counts_in(sweep.outputs)
    check(set(counts.values()) == {1} and len(counts) == len(waiting + quick),
          "interrupted:", len(counts), "targets,", max(counts.values(), default=0), "times at most")
    cancelled = sum(outcome == "cancelled" for _, _, outcome in read_json(sweep.outputs[0]))
    check(cancelled == 2 * len(waiting), "interrupted:", cancelled, "records of cancelled targets")


# --- Refused ---

def refuse(name, arguments, *words, status=2):
    result = run("scan", *arguments)
    check(result.returncode == status, name, "exit status", result.returncode, result.stderr)
    for word in words:
        check(word in result.stderr, name, "does not say", repr(word), "but", result.stderr)


def check_refused(folder, port):
    listed, output, checkpoint = (os.path.join(folder, name) for name in
                                  ("small.txt", "small.jsonl", "small.checkpoint"))
    count = 20000
    pathlib.Path(listed).write_text("".join(f"{loopback(i)}:{port}\n" for i in range(count)),
                                    encoding="ascii")
    sweep = Sweep("small", folder, [f"@{listed}"], [".jsonl"],
                  [(loopback(i), port) for i in range(count)])
    sweep.kill_on_the_way(count * 84 / 4)
    before = pathlib.Path(output).read_bytes()
    same = [f"@{listed}", "--checkpoint", checkpoint, "--fields", FIELDS, "-o", output]
    other = "is of a sweep with other targets, ports, shard, exclusions or outputs"
    refuse("other port", [*same, "-p", "8443"], other)
    refuse("other shard", [*same, "--shard", "1/2"], other)
    refuse("other exclusion", [*same, "--exclude", "192.0.2.0/24"], other)
    refuse("other fields", [*same[:3], "--fields", "host", "-o", output], other)
    refuse("one more target", ["192.0.2.1", *same], other)
    refuse("one more output", [*same, "-o", os.path.join(folder, "more.jsonl")],
           "is no checkpoint of this sweep")
    refuse("another file", [*same[:1], "--checkpoint", listed, *same[3:]],
           "is no checkpoint of this sweep")
    check(pathlib.Path(output).read_bytes() == before, "small: a refused run changed the output")
    check(lines_in(listed) == count, "small: a refused run changed the list")

    shutil.copy2(output, output + ".copy")
    os.rename(output, output + ".moved")
    os.rename(output + ".copy", output)
    refuse("replaced output", same, "is not the file that holds the sweep so far", "--append")
    check(pathlib.Path(output).read_bytes() == before, "replaced output: it was changed")
    os.rename(output + ".moved", output)

    first = start("scan", "-", *same[1:2], checkpoint + "2", "-o", os.devnull,
                  stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    first.stdin.write(f"{loopback(0)}:{port}\n".encode())
    while first.poll() is None and size_of(checkpoint + "2") == 0:  # it is locked before it grows
        time.sleep(0.002)
    refuse("in use", ["-", "--checkpoint", checkpoint + "2", "-o", os.devnull],
           "is in use by another trawl")
    first.stdin.close()
    check(first.wait(HANG_SECONDS) == 0, "in use: the first ended with", first.returncode)

    with open(listed, "a", encoding="ascii") as more:
        more.write(f"{loopback(count)}:{port}\n")
    refuse("changed list", same, other, "one of its lists has changed")


def check_gzip(folder, port):
    """A compressor holds back what it was given: it is told before anything is done, and the plain
    run that follows is not in its way."""
    output, checkpoint = os.path.join(folder, "z.jsonl"), os.path.join(folder, "z.checkpoint")
    common = [f"{loopback(0)}/24", "-p", port, "--checkpoint", checkpoint]
    for arguments in (["-o", output + ".gz"], ["-o", output, "--gzip"],
                      ["-o", os.path.join(folder, "y.jsonl"), "-o", output + ".gz"]):
        refuse("gzip", [*common, *arguments], "cannot be resumed", "compress it when")
        check(not os.path.exists(checkpoint), "gzip: a checkpoint is left", arguments)
    result = run("scan", *common, "-o", output)
    check(result.returncode == 0 and lines_in(output) == 256, "after gzip:", result.stderr)


def check_reader_gone(folder, port):
    """A reader that left has not had everything, even when every probe was through."""
    checkpoint = os.path.join(folder, "gone.checkpoint")
    process = start("scan", f"{loopback(0)}/22", "-p", port, "--checkpoint", checkpoint,
                    "--format", "json", "--quiet", stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    check(process.wait(HANG_SECONDS) == 0, "reader gone: exit status", process.returncode)
    check(os.path.exists(checkpoint), "reader gone: the checkpoint was removed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--targets", type=int, default=80000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # children started in the background ignore it
    chance = random.Random(options.seed)
    holder, port = refusing_port()
    with tempfile.TemporaryDirectory() as folder, holder:
        check_killed(folder, chance, port, options.targets)
        check_two_outputs(folder, chance, port, min(options.targets, 50000))
        check_rotation(folder, chance, port, min(options.targets, 50000))
        check_interrupted(folder, port)
        check_refused(folder, port)
        check_gzip(folder, port)
        check_reader_gone(folder, port)
    finish()


main()
