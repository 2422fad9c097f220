"""Clients whose CPU time is measured, and servers that run beside them on another core."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

TIMEOUT_S = 300

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, CLIENT_CORES = {CORES[0]}, {CORES[-1]}  # the same on a machine with one core


class Failed(Exception):
    """A program did not do what it was run for; the measurement is void."""


@dataclass
class Run:
    cpu_s: float  # user and system time of the process and its threads
    wall_s: float
    output: str


def _pinned(cores):
    return lambda: os.sched_setaffinity(0, cores)


class Running:
    """A program while it runs, for what is done beside it."""

    def __init__(self, pid):
        self.pid, self.terminated = pid, False

    def is_over(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self):
        """That is its end, whatever it then says."""
        self.terminated = True
        os.kill(self.pid, signal.SIGTERM)


def run(argv, cores=None, input_path=os.devnull, environment=None, beside=None):
    """Runs a program to its end on the client's core. `beside` is called with it meanwhile."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            open(input_path, "rb") as stdin:
        began = time.monotonic()
        child = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err,
                                 env={**os.environ, **(environment or {})},
                                 preexec_fn=_pinned(cores or CLIENT_CORES))
        killer = threading.Timer(TIMEOUT_S, child.kill)
        killer.start()
        running = Running(child.pid)
        try:
            if beside:
                beside(running)
        except Exception:
            child.kill()
            raise
        finally:
            _, status, usage = os.wait4(child.pid, 0)
            killer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        if child.returncode and not running.terminated:
            raise Failed(f"{' '.join(argv[:3])} …: exit status {child.returncode}: "
                         f"{err.read().decode(errors='replace').strip()[-300:]}")
        return Run(usage.ru_utime + usage.ru_stime, wall_s,
                   out.read().decode(errors="replace"))


class Server:
    """bench-server in a process of its own, on the server's core. `ports` are its lines by name."""

    def __init__(self, program, *arguments):
        self.child = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True,
                                      preexec_fn=_pinned(SERVER_CORES))
        self.ports = {}
        for line in self.child.stdout:
            if line.strip() == "ready":
                return
            entry = json.loads(line)
            self.ports[entry["name"]] = entry
        self.stop()
        raise Failed(f"{program} {' '.join(arguments)} does not start")

    def stalled(self):
        """How many connections have got half a flight."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return int(self.child.stdout.readline())

    def stop(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def resident_bytes(pid):
    """What a process has of the machine's memory, shared pages left out."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line and "-" not in line)
    return 1024 * sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))


def resident_while(argv, is_reached):
    """Memory of a client at the moment when `is_reached()` first says so; then it is interrupted."""
    with tempfile.TemporaryFile() as err:
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=err,
                                 preexec_fn=_pinned(CLIENT_CORES))
        try:
            until = time.monotonic() + TIMEOUT_S
            while not is_reached():
                if child.poll() is not None or time.monotonic() > until:
                    err.seek(0)
                    raise Failed(f"{' '.join(argv[:3])} …: {err.read().decode()[-300:]}")
                time.sleep(0.02)
            return resident_bytes(child.pid)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                child.wait()
