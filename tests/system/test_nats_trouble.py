"""NATS in trouble: servers that are not there, are killed, hang or lose their leader, connections that
break before anything is acknowledged. Every record stands in the stream once all the same.

    python3 test_nats_trouble.py FOLDER [NAME...]     NAME: only that test
"""
import json
import os
import pathlib
import signal
import socket
import threading

from nats_support import NatsCluster, NatsServer, compare, free_ports, run_tests, wait_until
from support import Sweep, block, check, run

MANY = 20000


def test_restart(folder, port):
    """Nobody is there at first; then the server is killed in the midst, and comes back."""
    output = os.path.join(folder, "a.jsonl")
    where = free_ports(1)[0]
    sweep = Sweep(block(MANY), "-p", port, "--rate", "15000", "-o", output, "-o",
                  f"nats://127.0.0.1:{where}/trawl.records#spool=off,stream=T,create,window=500")
    sweep.hears("cannot connect")
    with NatsServer(folder, port=where) as server:
        with server.client() as client:
            client.wait_for("T", 1000)
        server.kill()
        server.start()
        sweep.end()
        with server.client() as client:
            compare("restart:", client.messages("T"), output)


class Relay:
    """Between trawl and a server. When told to, it swallows what the server says, and after some
    bytes from trawl it breaks the connection: all that had come was stored, and nothing of it
    acknowledged."""

    def __init__(self, port):
        self.server_port = port
        self.cuts, self.swallowed = 0, 0
        self._cuts_wanted = 3
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
            state = {"swallow": False}
            threading.Thread(target=self._up, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, state), daemon=True).start()

    def _up(self, client, server, state):
        passed = 0
        try:
            while data := client.recv(65536):
                passed += len(data)
                server.sendall(data)
                state["swallow"] |= self.cuts < self._cuts_wanted and passed > 300000
                if state["swallow"] and passed > 500000:
                    self.cuts += 1
                    break
        except OSError:
            pass
        # The server takes what it was given to the end.
        server.shutdown(socket.SHUT_WR)
        client.close()

    def _down(self, client, server, state):
        try:
            while data := server.recv(65536):
                if state["swallow"]:
                    self.swallowed += data.count(b'"stream"')
                else:
                    client.sendall(data)
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
        sweep = Sweep(block(MANY // 2), "-p", port, "-o", output, "-o",
                      f"nats://127.0.0.1:{relay.port}/trawl.records#spool=off,stream=T,create")
        sweep.end()
        relay.close()
        check(relay.cuts == 3 and relay.swallowed > 0, "duplicates: cuts", relay.cuts,
              relay.swallowed)
        compare("duplicates:", client.messages("T"), output)


def test_cluster(folder, port):
    """Three nodes with all records on each: the leader is killed in the midst."""
    output = os.path.join(folder, "a.jsonl")
    with NatsCluster(folder) as cluster:
        sweep = Sweep(block(MANY), "-p", port, "--rate", "8000", "-o", output, "-o",
                      f"{cluster.url}/trawl.records#spool=off,stream=T,create,replicas=3,timeout=2s")
        leader = wait_until(lambda: cluster.leader("T"), "no leader")
        with leader.client() as client:
            client.wait_for("T", 1000)
        leader.kill()
        sweep.end()
        other = wait_until(lambda: cluster.leader("T"), "no other leader")
        check(other is not leader, "cluster: the leader is still there")
        with other.client() as client:
            compare("cluster:", client.messages("T"), output)


def test_stopped(folder, port):
    """A server that hangs for longer than answers are waited for, and goes on."""
    output = os.path.join(folder, "a.jsonl")
    with NatsServer(folder) as server:
        sweep = Sweep(block(MANY // 2), "-p", port, "--rate", "15000", "-o", output, "-o",
                      f"nats://127.0.0.1:{server.port}/trawl.records#spool=off,stream=T,create,timeout=200ms")
        with server.client() as client:
            client.wait_for("T", 1000)
            server.process.send_signal(signal.SIGSTOP)
            sweep.hears("does not acknowledge")
            server.process.send_signal(signal.SIGCONT)
            sweep.end()
            compare("stopped:", client.messages("T"), output)


def test_spooled(folder, port):
    """With a spool the sweep does not wait for a server that is away, and `trawl spool replay`
    brings what is kept there; twice does no harm."""
    output, spool, where = os.path.join(folder, "a.jsonl"), os.path.join(folder, "s"), free_ports(1)[0]
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
                  f"nats://127.0.0.1:{free_ports(1)[0]}/trawl.records#spool=off")
    sweep.hears("cannot connect")
    sweep.process.send_signal(signal.SIGINT)
    sweep.hears("interrupt again to give it up")
    sweep.process.send_signal(signal.SIGINT)
    sweep.end(1)
    figures = json.loads(pathlib.Path(stats).read_text())
    check(figures["records_lost"] == figures["records"] > 0, "given up:", figures)


run_tests([test_restart, test_duplicates, test_cluster, test_stopped, test_spooled,
           test_given_up])
