"""NATS servers with JetStream, alone and as three nodes, and a client of its own that speaks their
protocol. Packages: nats-server."""
import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import servers
from support import HANG_SECONDS, SKIPPED, check, finish, refusing_port

SERVER = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
PAUSE_SECONDS = 0.02
ANSWER_SECONDS = 1  # a node that has no leader does not answer; it is asked again
# What a server waits for before it ends a connection that is not through: the machine may be busy.
SERVER_PATIENCE = f"timeout: {HANG_SECONDS}"

Message = collections.namedtuple("Message", "subject reply headers data")


def has_route_pools():
    """Since 2.10."""
    said = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"v(\d+)\.(\d+)", said).groups()
    return (int(major), int(minor)) >= (2, 10)


def wait_until(condition, what):
    """The first true value of `condition()`; for what has no event to wait for."""
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(PAUSE_SECONDS)
    raise TimeoutError(what)


class Client:
    """A connection to one server. Requests are answered in the order in which they are asked, each
    within `answer_seconds`; what comes to other subscriptions waits in queues."""

    def __init__(self, port, login=None, tls=None, host="127.0.0.1", answer_seconds=HANG_SECONDS):
        self._answer_seconds = answer_seconds
        self._socket = socket.create_connection((host, port), timeout=HANG_SECONDS)
        self._file = self._socket.makefile("rb")
        self.info = json.loads(self._file.readline().split(b" ", 1)[1])
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
            self._file = self._socket.makefile("rb")
        self._subscriptions, self._next = {}, 1
        self._lock = threading.Lock()
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True,
                   "name": "test", "lang": "python", "version": "0", **(login or {})}
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        line = self._file.readline()
        if line != b"PONG\r\n":
            self.close()
            raise ConnectionRefusedError(line.decode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.inbox = f"_INBOX.{os.getpid()}.{id(self)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._file.close()
        self._socket.close()

    def _send(self, data):
        with self._lock:
            self._socket.sendall(data)

    def _read(self):
        try:
            while line := self._file.readline():
                words = line.split()
                if words[0] == b"PING":
                    self._send(b"PONG\r\n")
                elif words[0] in (b"MSG", b"HMSG"):
                    self._take(words)
        except (OSError, ValueError):
            pass
        for waiting in list(self._subscriptions.values()):
            waiting.put(None)

    def _take(self, words):
        sizes = [int(word) for word in words[-2:]] if words[0] == b"HMSG" else [0, int(words[-1])]
        head, total = sizes
        reply = words[3] if len(words) == (6 if words[0] == b"HMSG" else 5) else b""
        body = self._file.read(total + 2)[:-2]
        lines = body[:head].decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        headers["Status"] = lines[0].removeprefix("NATS/1.0").strip()
        self._subscriptions[int(words[2])].put(
            Message(words[1].decode(), reply.decode(), headers, body[head:]))

    def subscribe(self, subject):
        number, self._next = self._next, self._next + 1
        self._subscriptions[number] = queue.Queue()
        self._send(f"SUB {subject} {number}\r\n".encode())
        return self._subscriptions[number]

    def publish(self, subject, data=b"", reply=""):
        self._send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def request(self, subject, data=b""):
        """The answer, or None when there is none."""
        reply = f"{self.inbox}.{self._next}"
        answers = self.subscribe(reply)
        self.publish(subject, data, reply)
        try:
            answer = answers.get(timeout=self._answer_seconds)
        except queue.Empty:
            return None
        return None if answer is None or answer.headers["Status"].startswith("503") else answer

    def api(self, call, **arguments):
        """What JetStream answers, or None."""
        answer = self.request(f"$JS.API.{call}", json.dumps(arguments).encode() if arguments else b"")
        return answer and json.loads(answer.data)

    def stream(self, name):
        """Its state and the rest, or None."""
        found = self.api(f"STREAM.INFO.{name}")
        return None if not found or "error" in found else found

    def count(self, name):
        found = self.stream(name)
        return found["state"]["messages"] if found else 0

    def wait_for(self, name, count):
        wait_until(lambda: self.count(name) >= count, f"{name} never has {count} messages")

    def _deliver(self, stream):
        """A queue that all of a stream comes to, or None. Each time by a consumer of another name:
        one that was given to a node that has just died is never there. And to another subject: one
        that was made, though nobody said so, delivers as well."""
        inbox = f"{self.inbox}.all.{self._next}"
        arriving = self.subscribe(inbox)
        config = {"name": f"all{self._next}", "deliver_subject": inbox, "ack_policy": "none",
                  "deliver_policy": "all", "inactive_threshold": 60 * 10**9, "num_replicas": 1,
                  "mem_storage": True}
        made = self.api(f"CONSUMER.CREATE.{stream}.{config['name']}", stream_name=stream,
                        config=config)
        return arriving if made and "error" not in made else None

    def messages(self, name):
        """All that a stream has."""
        count = wait_until(lambda: self.stream(name), f"no stream {name}")["state"]["messages"]
        arriving = wait_until(lambda: self._deliver(name), "no consumer")
        return [arriving.get(timeout=HANG_SECONDS) for _ in range(count)]


class NatsServer:
    """One server as long as the `with` block, in a folder of its own. `options` are further lines
    of its configuration, `limits` of JetStream; `prefix` is a command that runs the server
    somewhere else, at `host`. It answers each request, but when it is one of several."""

    def __init__(self, folder, options="", jetstream=True, port=None, name="alone",
                 host="127.0.0.1", prefix=(), limits="", answer_seconds=HANG_SECONDS):
        self._answer_seconds = answer_seconds
        self.folder = pathlib.Path(folder, f"nats-{name}")
        self.folder.mkdir()
        self.name = name
        self.host = host
        self.port = port or servers.free_port()
        self.url = f"nats://{host}:{self.port}"
        self.process = None
        self._prefix = prefix
        store = f'jetstream {{ store_dir: "{self.folder}/store"\n{limits} }}\n' if jetstream else ""
        self._config = self.folder / "server.conf"
        self._config.write_text(f'host: "{host}"\nport: {self.port}\nserver_name: "{name}"\n'
                                f"{store}{options}\n")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def begin(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self._prefix, SERVER, "-c", self._config], stdout=log,
                                            stderr=log)

    def start(self):
        self.begin()
        wait_until(self.listens, f"{self.name} does not listen: {self.log()[-2000:]}")

    def listens(self):
        assert self.process.poll() is None, self.log()[-2000:]
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as probe:
                return probe.recv(5) == b"INFO "
        except OSError:
            return False

    def kill(self):
        """At once: nothing is put in order."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def client(self, **options):
        return Client(self.port, host=self.host, answer_seconds=self._answer_seconds, **options)


class NatsCluster:
    """Three nodes with JetStream, as long as the `with` block: at the `places` (host, host for the
    other nodes, prefix) when they are given."""

    def __init__(self, folder, options="", nodes=3, places=None, limits=""):
        places = places or nodes * [("127.0.0.1", "127.0.0.1", ())]
        ports = [servers.free_port() for _ in range(2 * nodes)]
        inner = [f"{place[1]}:{port}" for place, port in zip(places, ports[nodes:])]
        routes = ", ".join(f"nats-route://{at}" for at in inner)
        # Nodes that connect to each other at the same time may close all of several routes.
        pool = "pool_size: -1, " if has_route_pools() else ""
        self.nodes = [NatsServer(
            folder, port=ports[i], name=f"node{i}", host=host, prefix=prefix, limits=limits,
            answer_seconds=ANSWER_SECONDS, options=(
                f'cluster {{ name: "test", listen: "{inner[i]}", no_advertise: true, '
                f"{pool}routes: [{routes}] }}\n{options}"))
                      for i, (host, _, prefix) in enumerate(places)]
        self.url = "nats://" + ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    def __enter__(self):
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            wait_until(node.listens, f"{node.name} does not listen")
        wait_until(self.is_ready, "the cluster is not complete")
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()

    def alive(self):
        return [node for node in self.nodes if node.process]

    def is_ready(self):
        """All nodes know of each other: there can be something that each of them has."""
        with self.alive()[0].client() as client:
            made = client.api("STREAM.CREATE.ready", name="ready", subjects=["ready"],
                              storage="memory", num_replicas=len(self.nodes))
            return made and "error" not in made and client.api("STREAM.DELETE.ready")

    def leader(self, stream):
        """The node that leads a stream, or None."""
        for node in self.alive():
            with node.client() as client:
                found = client.stream(stream)
            name = found and found.get("cluster", {}).get("leader")
            for other in self.alive():
                if other.name == name:
                    return other
        return None


def tls_context(root):
    return ssl.create_default_context(cafile=root)


# --- Sweeps ---

def lines_of(path):
    return pathlib.Path(path).read_bytes().splitlines()


def compare(name, messages, path):
    """The stream against the file of the same sweep: the same records, each once."""
    wanted = collections.Counter(lines_of(path))
    found = collections.Counter(message.data for message in messages)
    check(found == wanted, name, "the stream is not the file:", len(messages), "of",
          sum(wanted.values()), "missing", (wanted - found).total(), "too many",
          (found - wanted).total())


def run_tests(tests):
    """All of them at once, since they mostly wait, or those that the command line names."""
    if not SERVER:
        print("there is no nats-server on this machine")
        sys.exit(SKIPPED)
    tests = [test for test in tests if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    holder, port = refusing_port()
    with holder, concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(run_test, test, port) for test in tests]:
            done.result()
    finish()


def run_test(test, port):
    with tempfile.TemporaryDirectory() as folder:
        test(folder, port)
