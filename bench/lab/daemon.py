"""Servers that run beside a measurement or a check, on loopback and nowhere else."""
import ctypes
import os
import signal
import socket
import subprocess
import time

from lab.process import Failed

HOST = "127.0.0.1"
PATIENCE_S = 120  # for what is waited for
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, CAP_LINUX_IMMUTABLE = 1, 24, 9


def free_port():
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


def wait_for(what, is_reached, child=None):
    until = time.monotonic() + PATIENCE_S
    while not is_reached():
        if child and child.poll() is not None:
            raise Failed(f"{what}: ended with {child.returncode}")
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)


def accepts(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


class Daemon:
    """A server in a folder, until the end of this script, however that comes. It may not make its
    files immutable, as sunlight does when root starts it: nobody could remove them. A proxy that
    refuses all takes what it might ask the outside, should a setting be missing here."""

    def __init__(self, folder, port, *argv):
        self.log = folder / f"{os.path.basename(argv[0])}.log"
        library = ctypes.CDLL(None)

        def restrict():
            library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            library.prctl(PR_CAPBSET_DROP, CAP_LINUX_IMMUTABLE, 0, 0, 0)
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                list(map(str, argv)), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=restrict, env={**os.environ, "HTTP_PROXY": f"http://{HOST}:9",
                                          "HTTPS_PROXY": f"http://{HOST}:9",
                                          "OTEL_METRICS_EXPORTER": "none",
                                          "OTEL_TRACES_EXPORTER": "none"})
        try:
            wait_for(os.path.basename(argv[0]), lambda: accepts(port), self.child)
        except Failed as error:
            self.stop()
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-600:]
            raise Failed(f"{error}: {tail}") from None

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
