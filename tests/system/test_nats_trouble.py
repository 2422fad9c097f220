"""NATS in trouble: servers that are not there, are killed, hang or lose their leader, connections that
break before anything is acknowledged. Every record stands in the stream once all the same.

    python3 test_nats_trouble.py FOLDER [NAME...]     NAME: only that test
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

from nats_support import NatsCluster, NatsServer, compare, run_tests, wait_until
from servers import free_port
from support import HANG_SECONDS, Sweep, block, check, loopback, run

MANY = 20000
REST = 100


class HeldBack(Sweep):
    """A sweep of so many targets, of which the last few are given to it at its end: what happens
    before happens amid it, however fast it is."""

    def __init__(self, count, *arguments):
        super().__init__("-", *arguments, stdin=subprocess.PIPE)
        self._count = count
        self._give(block(count - REST))

    def _give(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def give_rest(self):
        self._give(f"{loopback(self._count - REST)}-{loopback(self._count - 1)}")
        self.process.stdin.close()


def test_restart(folder, port):
    """Nobody is there at first; then the server is killed in the midst, and comes back."""
    output = os.path.join(folder, "a.jsonl")
    where = free_port()
    sweep = HeldBack(MANY, "-p", port, "--rate", "15000", "-o", output, "-o",
                     f"nats://127.0.0.1:{where}/trawl.records#spool=off,stream=T,create,window=500")
    sweep.hears("cannot connect")
    with NatsServer(folder, port=where) as server:
        with server.client() as client:
            client.wait_for("T", 1000)
        server.kill()
        server.start()
        sweep.give_rest()
        sweep.end()
        with server.client() as client:
            compare("restart:", client.messages("T"), output)


class Relay:
    """Between trawl and a server. Three times it swallows what the server says, from some bytes on,
    and breaks the connection some bytes later: all that had come was stored, and nothing of it
    acknowledged."""
    CUTS = 3

    def __init__(self, port):
        self.server_port = port
        self.cuts, self.swallowed = 0, 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._socket.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server_port))
            swallows, swallowed = threading.Event(), threading.Event()
            for way in self._up, self._down:
                threading.Thread(target=way, args=(client, server, swallows, swallowed),
                                 daemon=True).start()

    def _count_cut(self):
        with self._lock:
            self.cuts += self.cuts < self.CUTS

    def _up(self, client, server, swallows, swallowed):
        passed = 0
        try:
            while data := client.recv(65536):
                passed += len(data)
                server.sendall(data)
                if self.cuts < self.CUTS and passed > 300000:
                    swallows.set()
                if swallows.is_set() and passed > 500000 and swallowed.wait(HANG_SECONDS):
                    self._count_cut()
                    break
            # The server takes what it was given to the end.
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        client.close()

    def _down(self, client, server, swallows, swallowed):
        try:
            while data := server.recv(65536):
                if not swallows.is_set():
                    client.sendall(data)
                elif count := data.count(b'"stream"'):
                    self.swallowed += count
                    swallowed.set()
        except OSError:
            pass
        server.close()
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def test_duplicates(folder, port):
    """Stored, but not acknowledged: sent again, and removed by the server."""
    output = os.path.join(folder, "a.jsonl")
    with NatsServer(folder) as server, server.client() as client:
        relay = Relay(server.port)
        # Nothing is sent again but after a cut.
        sweep = Sweep(block(MANY // 2), "-p", port, "-o", output, "-o",
                      f"nats://127.0.0.1:{relay.port}/trawl.records#spool=off,stream=T,create,"
                      f"timeout={HANG_SECONDS}s")
        sweep.end()
        relay.close()
        check(relay.cuts == Relay.CUTS and relay.swallowed > 0, "duplicates: cuts", relay.cuts,
              relay.swallowed)
        compare("duplicates:", client.messages("T"), output)


def test_cluster(folder, port):
    """Three nodes with all records on each: the leader is killed in the midst."""
    output = os.path.join(folder, "a.jsonl")
    with NatsCluster(folder) as cluster:
        sweep = HeldBack(MANY, "-p", port, "--rate", "8000", "-o", output, "-o",
                         f"{cluster.url}/trawl.records#spool=off,stream=T,create,replicas=3,timeout=2s")
        with wait_until(lambda: cluster.leader("T"), "no leader").client() as client:
            client.wait_for("T", 1000)
        leader = wait_until(lambda: cluster.leader("T"), "no leader")
        leader.kill()
        sweep.give_rest()
        sweep.end()
        other = wait_until(lambda: cluster.leader("T"), "no other leader")
        check(other is not leader, "cluster: the leader is still there")
        with other.client() as client:
            client.wait_for("T", MANY)  # a new leader looks through what it has
            compare("cluster:", client.messages("T"), output)


def test_stopped(folder, port):
    """A server that hangs for longer than answers are waited for, and goes on."""
    output = os.path.join(folder, "a.jsonl")
    with NatsServer(folder) as server:
        sweep = HeldBack(MANY // 2, "-p", port, "--rate", "15000", "-o", output, "-o",
                         f"nats://127.0.0.1:{server.port}/trawl.records#spool=off,stream=T,create,"
                         "timeout=200ms")
        with server.client() as client:
            client.wait_for("T", 1000)
            server.process.send_signal(signal.SIGSTOP)
            sweep.give_rest()
            sweep.hears("does not acknowledge")
            server.process.send_signal(signal.SIGCONT)
            sweep.end()
            compare("stopped:", client.messages("T"), output)


def test_spooled(folder, port):
    """With a spool the sweep does not wait for a server that is away, and `trawl spool replay`
    brings what is kept there; twice does no harm."""
    output, spool, where = os.path.join(folder, "a.jsonl"), os.path.join(folder, "s"), free_port()
    result = run("scan", block(3000), "-p", port, "-o", output, "-o",
                 f"nats://127.0.0.1:{where}/trawl.records#stream=T,create,spool={spool}")
    check(result.returncode == 0 and "3000 wait" in result.stderr, "spooled:", result.returncode,
          result.stderr)
    with NatsServer(folder, port=where) as server, server.client() as client:
        for _ in range(2):
            result = run("spool", "replay", "--spool", spool)
            check(result.returncode == 0, "spooled: replay", result.returncode, result.stderr)
            compare("spooled:", client.messages("T"), output)


def test_given_up(folder, port):
    """No server ever comes: the user ends it, and what is lost is counted."""
    stats = os.path.join(folder, "stats")
    sweep = Sweep(block(100), "-p", port, "--stats", stats, "-o",
                  f"nats://127.0.0.1:{free_port()}/trawl.records#spool=off")
    sweep.hears("cannot connect")
    sweep.process.send_signal(signal.SIGINT)
    sweep.hears("interrupt again to give it up")
    sweep.process.send_signal(signal.SIGINT)
    sweep.end(1)
    figures = json.loads(pathlib.Path(stats).read_text())
    check(figures["records_lost"] == figures["records"] > 0, "given up:", figures)


run_tests([test_restart, test_duplicates, test_cluster, test_stopped, test_spooled,
           test_given_up])
