"""How fast, how many at once, and where not: --rate, --max-per-host, --max-per-network,
--concurrency, --exclude, --shard, and what happens when descriptors or ports run out.

    python3 check_pacing.py FOLDER     FOLDER holds tool_dns_server; $TRAWL is the program
"""
import collections
import contextlib
import fcntl
import json
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from support import (FOREVER, HANG_SECONDS, Server, check, finish, loopback, refusing_port, run,
                     start)

WORKERS = len(os.sched_getaffinity(0))
BURST_SECONDS = 0.020  # what a loop that slept makes up for
NAMESPACE = "--in-a-network-of-its-own"


def scan(folder, lines, *arguments, **options):
    """Sweeps the lines; the records, and the figures of --stats."""
    stats = os.path.join(folder, "stats.json")
    result = run("scan", "-", "--plan", "grab", "--format", "json", "--stats", stats, *FOREVER,
                 *arguments, input="".join(line + "\n" for line in lines), **options)
    check(result.returncode == 0, arguments, "exit status", result.returncode, result.stderr)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return records, json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))


def outcomes_of(records):
    return collections.Counter(record["outcome"] for record in records)


def network_of(address):
    return address.rpartition(".")[0]


# --- Pace ---

def check_rate(folder):
    """At no moment have more come than the rate allows since the sweep began. A server that is late
    only sees them later. Names are resolved before their turn has come."""
    for rate, count, workers, name in ((100, 120, 1, None), (400, 500, 3, None),
                                       (300, 300, 2, "localhost")):
        with Server() as server:
            begin = time.monotonic()
            records, stats = scan(folder, [f"{name or loopback(i)}:{server.port}"
                                           for i in range(count)],
                                  "--rate", rate, "--workers", workers)
        burst = workers + rate * BURST_SECONDS
        early = [(i + 1, at - begin) for i, at in enumerate(server.times)
                 if i + 1 > rate * (at - begin) + burst]
        check(len(records) == count == len(server.times) <= stats["connections"], "rate:",
              len(records), "records,", len(server.times), "connections")
        check(not early, f"rate {rate}: too early:", early[:3])


def check_caps(folder):
    """Three hosts in two networks, many ports' worth of targets each."""
    hosts = ["127.70.1.1", "127.70.1.2", "127.70.2.1"]
    lines = [host for _ in range(40) for host in hosts]
    for options, key_of, most in (([], lambda host: host, None),
                                  (["--max-per-host", 2], lambda host: host, 2),
                                  (["--max-per-network", 3], network_of, 3),
                                  (["--max-per-host", 2, "--max-per-network", 3], network_of, 3)):
        with Server(hold=0.02, key_of=key_of) as server:
            records, stats = scan(folder, [f"{line}:{server.port}" for line in lines], *options)
        seen = collections.Counter(record["ip"] for record in records)
        check(all(seen[host] == 40 for host in hosts), options, "records:", seen)
        check(set(outcomes_of(records)) <= {"tls_failed", "reset"}, options, outcomes_of(records))
        if most:
            check(max(server.most.values()) <= most, options, "at once:", server.most)
            check(stats["held"] > 0, options, "nothing was held back")
        else:  # otherwise the caps have nothing to do
            check(min(server.most.values()) > 3, "without caps only", server.most, "at once")


def check_concurrency(folder):
    for most, count in ((1, 12), (2, 30), (5, 60), (64, 400)):
        with Server(hold=0.01) as server:
            records, _ = scan(folder, [f"{loopback(i)}:{server.port}" for i in range(count)],
                              "--concurrency", most)
        check(len(records) == count, f"concurrency {most}:", len(records), "records")
        check(server.most[None] <= most, f"concurrency {most}:", server.most[None], "at once")
    check(server.most[None] > 5, "64 at once were only", server.most[None])


# --- Where not ---

@contextlib.contextmanager
def dns_server(folder, tools, zone):
    path = os.path.join(folder, "zone")
    pathlib.Path(path).write_text(zone, encoding="ascii")
    process = subprocess.Popen([os.path.join(tools, "tool_dns_server"), "--zone", path],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield "127.0.0.1:" + process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(HANG_SECONDS)


def check_exclude(folder, tools):
    listed = os.path.join(folder, "exclude.txt")
    pathlib.Path(listed).write_text("# ours\n127.80.0.40\n127.80.0.48/30\n", encoding="ascii")
    zone = ("inside.example a 127.80.0.5\n"
            "both.example a 127.80.0.6 a 127.80.1.6\n"
            "outside.example a 127.80.1.7\n")
    excluded = {f"127.80.0.{i}" for i in [*range(16), *range(20, 26), 40, *range(48, 52)]}
    options = ["--exclude", "127.80.0.0/28", "--exclude", "127.80.0.20-127.80.0.25", "--exclude",
               f"@{listed}", "--exclude", "::1"]
    with dns_server(folder, tools, zone) as resolver, Server() as server:
        lines = ["127.80.0.0/26", "127.80.0.9", "shown.example@127.80.0.10", "::1",
                 "inside.example", "both.example", "outside.example"]
        records, stats = scan(folder, lines, *options, "--resolver", resolver, "-p", server.port)
    wanted = {f"127.80.0.{i}" for i in range(64)} - excluded
    by_host = {record["host"]: record for record in records}
    check(len(by_host) == len(records) and
          set(by_host) == wanted | {"inside.example", "both.example", "outside.example"},
          "exclude: records", sorted(by_host))
    check(stats["excluded"] == len(excluded) + 3, "exclude:", stats["excluded"], "excluded")
    check(by_host.get("inside.example", {}).get("outcome") == "blocked", "exclude:",
          by_host.get("inside.example"))
    check(by_host.get("both.example", {}).get("ip") == "127.80.1.6", "exclude:",
          by_host.get("both.example"))
    check(sorted(server.hosts) == sorted(wanted | {"127.80.1.6", "127.80.1.7"}),
          "exclude: connections to", sorted(excluded & set(server.hosts)))
    for wrong in ("300.1.1.1", "127.0.0.0/33", "@" + os.path.join(folder, "missing")):
        result = run("scan", "127.0.0.1", "--exclude", wrong)
        check(result.returncode in (1, 2) and result.stderr and not result.stdout, "exclude", wrong,
              result.returncode, result.stderr)


def check_shards(folder):
    (holder, port), (other_holder, other_port) = refusing_port(), refusing_port()
    listed = os.path.join(folder, "shards.txt")
    plain = [(f"127.90.9.{i}", at) for at in (port, other_port) for i in range(250)]
    lines = [f"{host}:{at}" for host, at in plain]
    pathlib.Path(listed).write_text("\n".join(lines) + "\n", encoding="ascii")
    block = [(f"127.90.{i >> 8}.{i & 255}", at) for i in range(512) for at in (port, other_port)]
    with holder, other_holder:
        for name, sources, everyone, text in (
                ("block", ["127.90.0.0/23"], block, []),
                ("list", [f"@{listed}"], plain, []),
                ("input", ["-"], plain, lines),
                ("all", ["127.90.0.0/23", "-", f"@{listed}"], block + plain + plain, lines)):
            parts = []
            for number in (1, 2, 3):
                result = run("scan", *sources, "-p", f"{port},{other_port}", "--shard",
                             f"{number}/3", "--format", "json", "--fields", "host,port", "--quiet",
                             input="".join(line + "\n" for line in text))
                check(result.returncode == 0, name, number, result.stderr)
                parts.append([tuple(json.loads(line).values())
                              for line in result.stdout.splitlines()])
            sizes = [len(part) for part in parts]
            check(collections.Counter(sum(parts, [])) == collections.Counter(everyone), name,
                  "shards are no partition:", sizes, "of", len(everyone))
            check(max(sizes) - min(sizes) <= 1, name, "shards of", sizes)
    for wrong in ("0/3", "4/3", "3", "1/0", "a/b", "1/3x", "-1/3"):
        result = run("scan", "127.0.0.1", "--shard", wrong)
        check(result.returncode == 2 and "--shard" in result.stderr, wrong, result.stderr)


# --- What runs out ---

def limit_descriptors(count):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    return limit


def can_use_uring():
    holder, port = refusing_port()
    with holder:
        return run("scan", f"127.0.0.1:{port}", "--io", "uring", "-q", "-o", "null").returncode == 0


def connecting_to(port):
    """How many sockets of this machine wait for an answer from that port. The kernel may tell of one
    twice while the table changes."""
    wanted = f":{port:04X} 02 "
    with open("/proc/net/tcp", encoding="ascii") as table:
        return len({tuple(line.split()[1:3]) for line in table if wanted in line})


def check_many_rings():
    """12,000 connections at once where one ring may have 2,000 descriptors. A listener whose
    backlog is full answers no SYN."""
    count, descriptors = 12000, 2000
    if not can_use_uring():
        print("many rings: skipped, for io_uring cannot be used here")
        return
    listener = socket.socket()
    listener.bind(("0.0.0.0", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    waiting = connecting_to(port)
    process = start("scan", f"{loopback(0)}-{loopback(count - 1)}", "-p", port, "--io", "uring",
                    "--concurrency", count, *FOREVER, "--format", "json", "--fields", "outcome",
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    preexec_fn=limit_descriptors(descriptors))
    at_once, polls_without_more = 0, 0
    while process.poll() is None and at_once < count and polls_without_more < 300:
        time.sleep(0.1)
        now = connecting_to(port) - waiting
        polls_without_more = 0 if now > at_once else polls_without_more + 1
        at_once = max(at_once, now)
    check(at_once == count, "many rings:", at_once, "at once")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=HANG_SECONDS)
    for each in [listener, *fillers]:
        each.close()
    check(process.returncode == 130, "many rings: ended with", process.returncode, errors)
    check(out.count("cancelled") == count == len(out.splitlines()), "many rings:",
          len(out.splitlines()), "records")


def check_few_descriptors(folder):
    """Back-pressure, and no target's outcome: with a low limit, and with descriptors that somebody
    else has taken."""
    kinds = ["uring", "epoll"] if can_use_uring() else ["epoll"]
    for kind in kinds:
        with Server(hold=0.02) as server:
            records, _ = scan(folder, [f"{loopback(i)}:{server.port}" for i in range(2000)],
                              "--io", kind, preexec_fn=limit_descriptors(300))
        check(len(records) == 2000 and set(outcomes_of(records)) <= {"tls_failed", "reset"},
              kind, "under a limit:", outcomes_of(records))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(200)]
    try:
        with Server(hold=0.1) as server:
            records, stats = scan(folder, [f"{loopback(i)}:{server.port}" for i in range(600)],
                                  "--io", "epoll", pass_fds=taken,
                                  preexec_fn=limit_descriptors(max(taken) + 120))
    finally:
        for fd in taken:
            os.close(fd)
    check(len(records) == 600 and set(outcomes_of(records)) <= {"tls_failed", "reset"},
          "descriptors taken:", outcomes_of(records))
    check(stats["back_pressure"] > 0, "descriptors taken: there was no back-pressure")
    result = run("scan", "127.0.0.1", preexec_fn=limit_descriptors(100))
    check(result.returncode == 1 and "ulimit -n" in result.stderr, "100 descriptors:",
          result.returncode, result.stderr)


def check_few_ports(folder):
    """Inside the namespace: 20 ports for connections, and a server that holds every one."""
    with socket.socket() as any_socket:  # SIOCSIFFLAGS
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 1))
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40019",
                                                                      encoding="ascii")
    kinds = ["uring", "epoll"] if can_use_uring() else ["epoll"]
    for kind in kinds:
        with Server(hold=0.05, reset=True) as server:
            records, stats = scan(folder, [f"127.0.0.1:{server.port}"] * 150, "--io", kind)
        check(len(records) == 150 and set(outcomes_of(records)) <= {"tls_failed", "reset"},
              kind, "few ports:", outcomes_of(records))
        check(stats["back_pressure"] > 0, kind, "few ports: there was no back-pressure")
        check(server.most[None] <= 20, kind, "few ports:", server.most[None], "at once")


def check_few_ports_in_namespace(folder, tools):
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    try:
        able = subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        print("few ports: skipped, for no network namespace can be made here")
        return
    result = subprocess.run([*unshare, sys.executable, "-B", __file__, tools, NAMESPACE, folder],
                            timeout=HANG_SECONDS, check=False)
    check(result.returncode == 0, "few ports: see above")


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # children started in the background ignore it
    if NAMESPACE in sys.argv:
        check_few_ports(sys.argv[3])
        finish()
    with tempfile.TemporaryDirectory() as folder:
        check_rate(folder)
        check_caps(folder)
        check_concurrency(folder)
        check_exclude(folder, sys.argv[1])
        check_shards(folder)
        check_many_rings()
        check_few_descriptors(folder)
        check_few_ports_in_namespace(folder, sys.argv[1])
    finish()


main()
