"""The load generator: what it counts adds up, and what it says about waiting is honest.

    python3 check_bench.py FOLDER     FOLDER holds the executable tool_farm; $TRAWL is the program
"""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from support import (HANG_SECONDS, Farm, Server, check, finish, refusing_port, run, start)

ENDPOINTS = 200
STALLED, STALL_SECONDS = 300, 0.4
STAGES = ["connect_us", "handshake_us", "total_us"]
NUMBERS = ["min", "p50", "p90", "p99", "p99.9", "max"]
ATTEMPTS = 10  # at what cannot be told when the machine stands still at the wrong time


def check_figures(name, figures):
    """What holds for every run."""
    outcomes = figures["outcomes"]
    check(figures["connections"] == sum(outcomes.values()), name, figures)
    check(figures["ok"] == outcomes.get("ok", 0), name, figures)
    if figures["seconds"] > 0:
        rate = figures["ok"] / figures["seconds"]
        check(abs(figures["ok_per_second"] - rate) <= 0.1 + rate * 0.001 / figures["seconds"], name,
              "rate", figures["ok_per_second"], rate)
    for stage in STAGES:
        values = [figures[stage][number] for number in NUMBERS]
        check(values == sorted(values), name, stage, "is out of order:", figures[stage])
        check(figures[stage]["min"] <= figures[stage]["mean"] <= figures[stage]["max"], name, stage,
              figures[stage])
        check((figures[stage]["max"] > 0) == (figures["ok"] > 0), name, stage, figures[stage])
    check(figures["handshake_us"]["max"] <= figures["total_us"]["max"], name, figures)


def bench(*arguments, statuses=(0,)):
    result = run("bench", *arguments, "--timeout", 3600, "--json")
    check(result.returncode in statuses, arguments, "exit status", result.returncode,
          result.stderr)
    figures = json.loads(result.stdout)
    check_figures(arguments, figures)
    return figures


# --- Closed loop ---

def check_count(endpoint):
    """Exactly so many, with every plan and any number of connections at once."""
    target = f"{endpoint['name']}@{endpoint['address']}:{endpoint['port']}"
    for plan in ("handshake", "grab"):
        for concurrency, workers, count in ((1, 1, 1), (1, 2, 50), (7, 2, 600), (64, 3, 1500)):
            figures = bench(target, "-n", count, "-c", concurrency, "--workers", workers, "--plan",
                            plan, "--warmup", 0)
            check(figures["connections"] == figures["ok"] == count, plan, concurrency,
                  figures["connections"], "connections, not", count)
            check(1 <= figures["concurrency"] <= concurrency, "concurrency", figures["concurrency"])
            check((figures["ip"], figures["port"], figures["sni"], figures["plan"]) ==
                  (endpoint["address"], endpoint["port"], endpoint["name"], plan), figures)
            check(figures["loop"] == "closed" and figures["rate_wanted"] == 0, figures)


def check_duration(endpoint):
    target = f"{endpoint['address']}:{endpoint['port']}"
    for options, seconds in ((["--warmup", 0.1], 0.5), (["--warmup", 0, "-n", 1000000], 0.3)):
        for _ in range(ATTEMPTS):
            figures = bench(target, "-d", seconds, *options, "-c", 4, statuses=(0, 1))
            check(figures["seconds"] >= seconds - 0.001, figures)
            check(figures["ok"] == figures["connections"] < 1000000 and figures["sni"] == "",
                  figures)
            if figures["connections"]:
                break
        check(figures["connections"] > 0, "duration:", options, figures)


def check_concurrency():
    """Never more at once, in both loops."""
    for most, options in ((1, []), (5, []), (5, ["--rate", 1000])):
        with Server(hold=0.01, reset=True) as server:
            figures = bench(f"127.0.0.1:{server.port}", "-n", 100, "-c", most, "--warmup", 0,
                            *options, statuses=(1,))
        check(server.most[None] <= most, "-c", most, options, server.most[None], "at once")
        check(figures["connections"] == 100 and not figures["ok"], figures)
        check(set(figures["outcomes"]) <= {"reset", "tls_failed"}, figures["outcomes"])


def check_refused():
    holder, port = refusing_port()
    with holder:
        figures = bench(f"127.0.0.1:{port}", "-n", 500, "--warmup", 0, statuses=(1,))
        check(figures["outcomes"] == {"refused": 500}, figures["outcomes"])
        result = run("bench", f"127.0.0.1:{port}", "-n", 10, "--warmup", 0)
        check(result.returncode == 1 and "10 ended with refused" in result.stdout, result.stdout)


def check_people(endpoint):
    """What people read says which loop it was."""
    target = f"{endpoint['address']}:{endpoint['port']}"
    closed = run("bench", target, "-n", 20, "--warmup", 0).stdout
    for words in ("handshakes/s", "20 in ", "connect ", "handshake ", "total ", "p99.9", "µs of",
                  "coordinated omission"):
        check(words in closed, repr(words), "is not in", closed)
    opened = run("bench", target, "-n", 20, "--warmup", 0, "--rate", 200).stdout
    check("at a fixed rate" in opened and "closed loop" not in opened, opened)


# --- Open loop ---

def check_rate(endpoint):
    """Never sooner than due."""
    target = f"{endpoint['name']}@{endpoint['address']}:{endpoint['port']}"
    for rate, count in ((200, 100), (1000, 400)):
        begin = time.monotonic()
        figures = bench(target, "--rate", rate, "-n", count, "--warmup", 0)
        took = time.monotonic() - begin
        check(figures["loop"] == "open" and figures["rate_wanted"] == rate, figures)
        check(figures["connections"] == count, figures["connections"], "connections, not", count)
        check(count <= rate * took + 1, "rate", rate, "was exceeded:", count, "in", took)


class Stalling:
    """A TLS server that does one connection after another, and sleeps in the middle."""

    def __init__(self, folder, stall_at, stall_seconds):
        self.stall_at, self.stall_seconds, self.seen = stall_at, stall_seconds, 0
        self.over = threading.Event()
        certificate, key = (os.path.join(folder, name) for name in ("stall.pem", "stall.key"))
        if not os.path.exists(key):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=stall", "-days", "9",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.num_tickets = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            if self.over.is_set():
                connection.close()
                return
            self.seen += 1
            if self.seen == self.stall_at:
                time.sleep(self.stall_seconds)
            try:
                with self.context.wrap_socket(connection, server_side=True) as session:
                    session.recv(1)
            except OSError:
                pass  # it left, as it may

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.socket.close()


def bench_stalling(folder, *options):
    """Connections to a server that stalls at half of them: their times."""
    with Stalling(folder, STALLED // 2, STALL_SECONDS) as server:
        figures = bench(f"127.0.0.1:{server.port}", "-n", STALLED, "--warmup", 0, *options)
    check(figures["ok"] == STALLED, options, figures["outcomes"])
    check(figures["total_us"]["max"] >= STALL_SECONDS * 1e6, options, "the stall is not seen:",
          figures["total_us"])
    return figures["total_us"]


def check_coordinated_omission(folder):
    """The same server, which stalls once: whoever waits for it meets that with one connection, at a
    rate all that were due meanwhile have waited, also those that could not even be begun."""
    # 60 connections were due in those 400 ms: 30 of them, a tenth of all, waited half of it.
    noticed = STALL_SECONDS * 1e6 / 4
    opened = bench_stalling(folder, "--rate", 150, "-c", 2)
    check(opened["p90"] >= noticed, "open loop:", opened)
    for _ in range(ATTEMPTS):
        closed = bench_stalling(folder, "-c", 1)
        if closed["p90"] < noticed:
            break
    check(closed["p90"] < noticed, "90 %: closed", closed, "open", opened)


# --- Ends ---

def interrupted(folder, number, *options):
    """Interrupts a run that would take an hour once its server has seen it."""
    with Stalling(folder, 0, 0) as server:
        process = start("bench", f"127.0.0.1:{server.port}", "-c", 2, "--json", *options,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while server.seen < 10 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(number)
        out, errors = process.communicate(timeout=HANG_SECONDS)
    check(process.returncode == 130 and not errors, "interrupted:", process.returncode, errors)
    figures = json.loads(out)
    check_figures("interrupted", figures)
    return figures


def check_interrupted(folder):
    for number, options in ((signal.SIGINT, []), (signal.SIGTERM, ["--rate", 50])):
        figures = interrupted(folder, number, "-d", 3600, "--warmup", 0, *options)
        check(0 < figures["seconds"] < 3600 and figures["ok"] > 0, "interrupted:", figures)
    figures = interrupted(folder, signal.SIGINT, "--warmup", 3600)
    check(figures["connections"] == 0 == figures["seconds"], "while it warms up:", figures)


def check_usage(folder):
    listed = os.path.join(folder, "two.txt")
    with open(listed, "w", encoding="ascii") as file:
        file.write("127.0.0.1:1\n127.0.0.1:2\n")
    for arguments, words in (([], "one server"), (["127.0.0.1:1", "127.0.0.1:2"], "one server"),
                             (["127.0.0.0/30"], "not one server"),
                             ([f"@{listed}"], "not one server"),
                             (["127.0.0.1:70000"], "70000"), (["127.0.0.1:1", "-c", "0"], "0"),
                             (["127.0.0.1:1", "--rate", "0"], "0"),
                             (["127.0.0.1:1", "-n", "x"], "x"),
                             (["127.0.0.1:1", "--plan", "fly"], "fly"),
                             (["127.0.0.1:1", "--io", "none"], "none"),
                             (["127.0.0.1:1", "--no-such-option"], "no-such-option")):
        result = run("bench", *arguments)
        check(result.returncode == 2, arguments, "exit status", result.returncode)
        check(words in result.stderr and not result.stdout, arguments, result.stderr, result.stdout)


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # children started in the background ignore it
    with tempfile.TemporaryDirectory() as folder, \
            Farm(sys.argv[1], os.path.join(folder, "root.pem"), ENDPOINTS) as farm:
        endpoint = farm.named("good")[0]
        check_count(endpoint)
        check_duration(endpoint)
        check_people(endpoint)
        check_rate(endpoint)
        check_interrupted(folder)
        check_concurrency()
        check_refused()
        check_coordinated_omission(folder)
        check_usage(folder)
    finish()


main()
