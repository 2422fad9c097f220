"""Fleets in trouble: workers killed and stopped, leaders killed, networks cut, a disk that is full, a
reader that is slow. In the end there is exactly one record a target all the same.

    python3 test_fleet_faults.py FOLDER [NAME...]     FOLDER holds tool_farm; NAME: only that test

Nodes and workers are on machines of their own where the kernel allows it: namespaces, cables that
are pulled, a disk of a few megabytes. Elsewhere a process that is stopped stands for a node that is
cut off, and the test of the disk is left out.
"""
import concurrent.futures
import contextlib
import errno
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import machines
from fleet_support import (LEASE, LEASE_SECONDS, MORE, PATIENCE, Collector, Lines, Targets, Worker,
                           check_exactly)
from nats_support import SERVER, NatsCluster, NatsServer, wait_until
from support import SKIPPED, Farm, check, finish, refusing_port

ENDPOINTS = 100
SILENT = ("silent", "dripping")  # those that only end by a timeout
TARGETS = 20000
SLOW = 800    # connections a second and worker, so that what happens, happens amid the job …
SLOWER = 300  # … and where a word has but half as many targets
KILL_SECONDS = 0.5
KILLED_MIN = 8
SMALL_DISK = 64 << 20
BUFFER = 1 << 20
FULL_SECONDS = 2


class Site:
    """What the tests share."""

    def __init__(self, stack, tools, folder, has_machines):
        holder, self.port = refusing_port()
        stack.enter_context(holder)
        self._folder, self.has_machines = folder, has_machines
        self.farm = stack.enter_context(Farm(tools, os.path.join(folder, "root.pem"), ENDPOINTS,
                                             SILENT))

    def folder(self, name):
        path = os.path.join(self._folder, name)
        os.mkdir(path)
        return path

    def machine(self, stack):
        return stack.enter_context(machines.Machine()) if self.has_machines else Here()

    def cluster(self, stack, folder, limits=""):
        """Three nodes; `place` of each is its machine."""
        places = [self.machine(stack) for _ in range(3)]
        cluster = NatsCluster(folder, limits=limits,
                              places=[(p.address, p.inner, p.prefix) for p in places])
        for node, place in zip(cluster.nodes, places):
            node.place = place
        return cluster

    def workers(self, stack, url, count):
        return [stack.enter_context(Post(url, self.machine(stack))) for _ in range(count)]

    def sweep(self, folder, url, *options, is_counted=False):
        """A job over a list and its ledger; when it `is_counted`, over as many words, so that its size
        is known, and it is cut into smaller pieces."""
        targets = Targets(folder, self.farm.endpoints, self.port,
                          TARGETS // 2 if is_counted else TARGETS, every=40)
        output = os.path.join(folder, "out.jsonl")
        return targets, output, Collector(
            url, *(targets.lines if is_counted else [targets.spec]), "--ca-file", self.farm.root,
            "--lease", LEASE, *PATIENCE, "-o", output, *options)


class Here:
    """Where there are no machines: this one."""
    address = inner = "127.0.0.1"
    prefix = ()


class Post:
    """A place for a worker, and the one who is there now."""

    def __init__(self, url, machine):
        self.url, self.machine = url, machine
        self.start()

    def start(self):
        self.worker = Worker(self.url, prefix=self.machine.prefix)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.__exit__()

    def replace(self):
        self.worker.kill()
        self.start()


def hurry(stack, posts):
    """More workers, there where some are already: the job was to last until now, and no longer."""
    for i in range(MORE):
        post = posts[i % len(posts)]
        stack.enter_context(Post(post.url, post.machine))


def cut(node):
    """The other nodes and those who are connected to it hear no more of it, nor it of them."""
    if isinstance(node.place, machines.Machine):
        for bridge in ("net", "inner"):
            node.place.cut(bridge)
    else:
        node.process.send_signal(signal.SIGSTOP)


def heal(node):
    if isinstance(node.place, machines.Machine):
        for bridge in ("net", "inner"):
            node.place.heal(bridge)
    else:
        node.process.send_signal(signal.SIGCONT)


def is_over(collector):
    return collector.process.poll() is not None


def go_on(stack, posts, lines, fleet):
    """When records come again, to the end of the job."""
    lines.wait(lines.count() + 500, fleet)
    hurry(stack, posts)
    fleet.end()


def leader_of(cluster, stream):
    return wait_until(lambda: cluster.leader(stream), f"{stream} has no leader")


# --- Workers ---

def test_workers(site):
    """Every half second one is killed and another comes; one stands still for longer than its lease,
    and goes on."""
    folder, chance, killed, is_hurried = site.folder("workers"), random.Random(), 0, False
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(site.cluster(stack, folder))
        posts = site.workers(stack, cluster.url, 3)
        targets, output, fleet = site.sweep(folder, cluster.url, "--rate", SLOWER, is_counted=True)
        Lines(output).wait(500, fleet)
        sleeper, awake_at = posts[0].worker, time.monotonic() + 2 * LEASE_SECONDS
        sleeper.signal(signal.SIGSTOP)
        while not is_over(fleet):
            time.sleep(KILL_SECONDS)
            if sleeper and time.monotonic() > awake_at:
                sleeper.signal(signal.SIGCONT)
                sleeper = None
            chance.choice(posts[1 if sleeper else 0:]).replace()
            killed += 1
            if killed >= KILLED_MIN and not sleeper and not is_hurried:
                hurry(stack, posts)
                is_hurried = True
        fleet.end()
        check(killed > 3 and not sleeper, "workers: only", killed, "were killed")
    check_exactly("workers:", output, targets.rows)
    print(f"workers: {killed} killed")


# --- Nodes ---

def kill_leader(site, name, stream_of):
    folder = site.folder(name)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(site.cluster(stack, folder))
        posts = site.workers(stack, cluster.url, 2)
        targets, output, fleet = site.sweep(folder, cluster.url, "--rate", SLOW)
        lines = Lines(output)
        lines.wait(1000, fleet)
        stream = stream_of(fleet.job)
        leader = leader_of(cluster, stream)
        leader.kill()
        leader_of(cluster, stream)
        leader.start()
        go_on(stack, posts, lines, fleet)
    check_exactly(f"{name}:", output, targets.rows)


def test_work_leader(site):
    """The node that leads the stream of work is killed, and comes back."""
    kill_leader(site, "work", lambda _: "trawl-work")


def test_results_leader(site):
    """The node that leads the queue of results is killed, and comes back."""
    kill_leader(site, "results", lambda job: f"trawl-results-{job}")


def test_partition(site):
    """The leader of the results is cut off from everybody until there is another; then the cable is
    plugged in again."""
    folder = site.folder("partition")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(site.cluster(stack, folder))
        posts = site.workers(stack, cluster.url, 2)
        targets, output, fleet = site.sweep(folder, cluster.url, "--rate", SLOW)
        lines = Lines(output)
        lines.wait(1000, fleet)
        stream = f"trawl-results-{fleet.job}"
        leader = leader_of(cluster, stream)
        others = [node for node in cluster.nodes if node is not leader]
        cut(leader)

        def another():
            for node in others:
                with node.client() as client:
                    found = client.stream(stream)
                name = found and found.get("cluster", {}).get("leader")
                if name and name != leader.name:
                    return name
            return None
        wait_until(another, "no other leader")
        heal(leader)
        go_on(stack, posts, lines, fleet)
    check_exactly("partition:", output, targets.rows)


def fill(path):
    """As long as there is room on its disk."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            check(error.errno == errno.ENOSPC, "disk:", error)


def test_full_disk(site):
    """The node that leads the results cannot write any more, which the server hides as long as it can;
    then there is room again, and it is started anew."""
    if not site.has_machines:
        print("full disk: left out, no mounts of its own here")
        return
    folder = site.folder("disk")
    with contextlib.ExitStack() as stack:
        cluster = site.cluster(stack, folder, "max_file: 10G")  # of which they know no better
        for node in cluster.nodes:
            (node.folder / "store").mkdir()
            stack.enter_context(machines.small_disk(node.folder / "store", SMALL_DISK))
        stack.enter_context(cluster)
        posts = site.workers(stack, cluster.url, 2)
        targets, output, fleet = site.sweep(folder, cluster.url, "--rate", SLOW)
        lines = Lines(output)
        lines.wait(1000, fleet)
        node = leader_of(cluster, f"trawl-results-{fleet.job}")
        fill(node.folder / "store" / "full")
        before = lines.count()
        time.sleep(FULL_SECONDS)
        print(f"disk: {lines.count() - before} records while it was full")
        os.unlink(node.folder / "store" / "full")
        node.kill()
        node.start()
        go_on(stack, posts, lines, fleet)
    check_exactly("disk:", output, targets.rows)


# --- Collectors ---

class SlowReader(threading.Thread):
    """Reads a pipe a little at a time until told otherwise; keeps what it read."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.may_run, self.data = path, threading.Event(), []
        os.mkfifo(path)
        self.start()

    def run(self):
        with open(self.path, "rb", buffering=0) as pipe:
            while data := pipe.read(4096):
                self.data.append(data)
                self.may_run.wait(0.02)


class Most:
    """How large a queue grew, and whether it is near its bound and grows no more."""
    STEADY_SECONDS = 1

    def __init__(self, look):
        self._look, self.bytes, self._since = look, 0, time.monotonic()

    def is_steady(self):
        found = self._look()
        size = found["state"]["bytes"] if found else 0
        if size > self.bytes:
            self.bytes, self._since = size, time.monotonic()
        return self.bytes > BUFFER // 2 and time.monotonic() - self._since > self.STEADY_SECONDS


def test_slow_collector(site):
    """The queue of results is full, and the workers wait; nothing is lost, and the queue does not grow
    far beyond its bound."""
    folder = site.folder("slow")
    with contextlib.ExitStack() as stack:
        place = site.machine(stack)
        server = stack.enter_context(NatsServer(folder, host=place.address, prefix=place.prefix))
        client = stack.enter_context(server.client())
        reader = SlowReader(os.path.join(folder, "pipe.jsonl"))
        site.workers(stack, server.url, 2)
        targets, output, fleet = site.sweep(folder, server.url, "--buffer", BUFFER, "-o", reader.path)
        stream = f"trawl-results-{fleet.job}"
        most = Most(lambda: client.stream(stream))
        wait_until(lambda: most.is_steady() or is_over(fleet), "the queue of results still grows")
        check(not is_over(fleet), "slow: over too soon")
        check(most.bytes < 2 * BUFFER, "slow: the queue grew to", most.bytes, "bytes")
        reader.may_run.set()
        fleet.end()
        reader.join()
    check_exactly("slow:", output, targets.rows)
    piped = b"".join(reader.data)
    check(sorted(piped.splitlines()) == sorted(pathlib.Path(output).read_bytes().splitlines()),
          "slow: the pipe had", piped.count(b"\n"))


# --- All together ---

def test_million(site):
    """The show-piece, small: bench/million."""
    folder = site.folder("million")
    result = subprocess.run(
        [sys.executable, "-B", "bench/million", "--build", os.environ["TRAWL_BUILD"], "--targets",
         str(TARGETS // 2), "--farm", "500", "--rate", "2000", "--kill-every", "1"],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": folder})
    check(result.returncode == 0 and f"{TARGETS // 2:,} unique ids" in result.stdout, "million:",
          result.stdout[-1500:], result.stderr[-1500:])


TESTS = [test_work_leader, test_results_leader, test_partition, test_workers, test_full_disk,
         test_slow_collector, test_million]


def timed(test, site):
    began = time.monotonic()
    test(site)
    print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)


def main():
    if not SERVER:
        print("there is no nats-server on this machine")
        sys.exit(SKIPPED)
    has_machines = machines.enter()
    print("nodes and workers have machines of their own" if has_machines else
          "no network namespaces here: a stopped node stands for one that is cut off")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        site = Site(stack, sys.argv[1], folder, has_machines)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(timed, test, site) for test in TESTS
                         if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]:
                done.result()
    finish()


main()
