"""A cluster of NATS servers with JetStream, on loopback; what it leads is asked of the nodes' monitors."""
import contextlib
import json
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from lab.backends import ENVIRONMENT, Nats, free_port, wait_for
from lab.process import Failed

ANSWER_S = 2

CONFIG = """
server_name: "{name}"
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
jetstream {{ store_dir: "{folder}/store" }}
"""
ROUTES = """
cluster {{ name: "bench", listen: "127.0.0.1:{route}", no_advertise: true, {pool}routes: [{routes}] }}
"""


def _pool():
    """Of routes, since 2.10: nodes that connect to each other at the same time may close all of
    several."""
    said = subprocess.run([Nats.find(), "--version"], capture_output=True, text=True, check=True)
    major, minor = re.search(r"v(\d+)\.(\d+)", said.stdout).groups()
    return "pool_size: -1, " if (int(major), int(minor)) >= (2, 10) else ""


class Node:
    def __init__(self, folder, name):
        self.name = name
        self.folder = pathlib.Path(folder, name)
        self.port, self.monitor, self.route = free_port(), free_port(), free_port()
        self.child = None

    def configure(self, routes):
        """`routes` of all nodes; none for one that is alone."""
        self.folder.mkdir()
        text = CONFIG.format(name=self.name, port=self.port, monitor=self.monitor, folder=self.folder)
        if routes:
            text += ROUTES.format(route=self.route, routes=routes, pool=_pool())
        (self.folder / "server.conf").write_text(text, encoding="ascii")

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.child = subprocess.Popen([Nats.find(), "-c", self.folder / "server.conf"],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=ENVIRONMENT)

    def kill(self):
        if self.child:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            self.child = None

    def ask(self, what):
        """What its monitor says, or {}."""
        with contextlib.suppress(OSError, urllib.error.URLError, ValueError), urllib.request.urlopen(
                f"http://127.0.0.1:{self.monitor}/{what}", timeout=ANSWER_S) as answer:
            return json.load(answer)
        return {}


class Cluster:
    """As long as the `with` block; `url` names all its nodes."""

    def __init__(self, folder, count=3):
        self.folder = pathlib.Path(folder, "cluster")
        self.nodes = [Node(self.folder, f"node{i}") for i in range(count)]
        self.url = "nats://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def __enter__(self):
        if not Nats.find():
            raise Failed("nats-server is not installed")
        self.folder.mkdir()
        routes = ", ".join(f"nats-route://127.0.0.1:{node.route}" for node in self.nodes)
        for node in self.nodes:
            node.configure(routes if len(self.nodes) > 1 else "")
            node.start()
        wait_for("the cluster", lambda: all(self._is_ready(node) for node in self.nodes))
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _is_ready(node):
        return node.ask("healthz").get("status") == "ok"

    def streams(self):
        """What the nodes that live say of the streams that they have: name, node, leader, state."""
        for node in self.nodes:
            if not node.child:
                continue
            for account in node.ask("jsz?streams=true&accounts=true").get("account_details", []):
                for stream in account.get("stream_detail") or []:
                    yield (stream["name"], node, stream.get("cluster", {}).get("leader", node.name),
                           stream["state"])

    def leader(self, stream):
        """The node that leads it, by its own word; None during an election."""
        return next((node for name, node, leader, _ in self.streams()
                     if name.startswith(stream) and leader == node.name), None)

    def wait_for_leader(self, stream):
        wait_for(f"a leader of {stream}", lambda: self.leader(stream))
        return self.leader(stream)

    def revive(self, node):
        """Starts one that was killed, and waits until it serves again."""
        node.start()
        until = time.monotonic() + 60
        while not self._is_ready(node) and time.monotonic() < until:
            time.sleep(0.1)
