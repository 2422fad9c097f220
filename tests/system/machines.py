"""Machines with a network of their own, as far as the kernel lets a script have them: network
namespaces within one that the whole script runs in, joined by bridges. What happens there reaches
nobody else, and is gone with the script. Packages: iproute2, util-linux.

     the script, its farm: 10.77.0.1 ──┬── net ──┬──┬──┐       what they all reach each other by
                                       machines: .2 .3 .4 …
                                                 └──┴──┴── inner, 10.78.0.0/24: only they
"""
import contextlib
import itertools
import os
import shutil
import subprocess
import sys

import servers

INSIDE = "TRAWL_TEST_NETWORK"  # set for the script that runs in a network of its own
FARM = "127.77.0.0/16"         # of the script's loopback, that the machines reach by the bridge
HERE = "10.77.0.1"


def _run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _may(*words):
    return subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0


def enter():
    """Runs the script again in a network of its own, and with mounts that nobody else sees: as root,
    or as root of a user namespace. False where neither is allowed."""
    os.environ["PATH"] = servers.PATH
    if os.environ.get(INSIDE):
        _set_up()
        return True
    if not shutil.which("ip") or not shutil.which("nsenter"):
        return False
    for words in (["unshare", "--net", "--mount"],
                  ["unshare", "--net", "--mount", "--user", "--map-root-user"]):
        if shutil.which("unshare") and _may(*words):
            os.environ[INSIDE] = "1"
            sys.stdout.flush()
            os.execvp("unshare", [*words, sys.executable, "-B", *sys.argv])
    return False


def _set_up():
    _run("ip", "link", "set", "lo", "up")
    for bridge in ("net", "inner"):
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "link", "set", bridge, "up")
    _run("ip", "address", "add", f"{HERE}/24", "dev", "net")
    _route_loopback("net")


def _route_loopback(device, prefix=()):
    _run(*prefix, "sysctl", "-qw", f"net.ipv4.conf.{device}.route_localnet=1")


class Machine:
    """One, as long as the `with` block. What is started behind `prefix` runs there."""

    _numbers = itertools.count(2)  # asked by several threads

    def __init__(self):
        self.number = next(Machine._numbers)
        self.address, self.inner = f"10.77.0.{self.number}", f"10.78.0.{self.number}"
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        self.prefix = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]

    def __enter__(self):
        for bridge, device, address in (("net", "eth0", self.address),
                                        ("inner", "eth1", self.inner)):
            ours = self._cable(bridge)
            _run("ip", "link", "add", ours, "type", "veth", "peer", "name", device, "netns",
                 str(self._holder.pid))
            _run("ip", "link", "set", ours, "master", bridge, "up")
            _run(*self.prefix, "ip", "address", "add", f"{address}/24", "dev", device)
            _run(*self.prefix, "ip", "link", "set", device, "up")
        _run(*self.prefix, "ip", "link", "set", "lo", "up")
        _route_loopback("eth0", self.prefix)
        # Within the table of local addresses, where the longest match is the one that counts.
        _run(*self.prefix, "ip", "route", "add", FARM, "via", HERE, "src", self.address, "table",
             "local")
        return self

    def __exit__(self, *_):
        self._holder.communicate()

    def _cable(self, bridge):
        return f"{bridge}{self.number}"

    def cut(self, bridge):
        """Pulls the cable: nothing comes or goes, and nobody is told."""
        _run("ip", "link", "set", self._cable(bridge), "down")

    def heal(self, bridge):
        _run("ip", "link", "set", self._cable(bridge), "up")


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of so many bytes at that folder, there for this script only."""
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))
