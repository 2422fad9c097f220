"""The CT servers of bench/ctfarm, on the server's core, and what they are asked while a client
runs."""
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from lab import process
from lab.process import Failed

_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class LogFarm:
    """A complete log of so many entries, of which `distinct` are different, made ready to be sent.
    `more` are further options of bench-ctserver."""

    def __init__(self, program, entries, *more, distinct=0):
        self.entries = entries
        self._folder = tempfile.TemporaryDirectory(prefix="trawl-bench-log-")
        self.folder = pathlib.Path(self._folder.name)
        self.child = subprocess.Popen(
            [program, "--entries", str(entries), "--distinct", str(distinct), "--page", "1024",
             "--cache", "4G", "--heartbeat", "0", "--dir", str(self.folder), *map(str, more)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, process.SERVER_CORES))
        line = self.child.stdout.readline()
        if not line:
            self.stop()
            raise Failed(f"{program} does not start")
        ready = json.loads(line)
        self.url, self.feed = ready["url"], ready["feed"].rsplit("/", 1)[0]
        self.list = self.folder / "log_list.json"

    def _ask(self, path, data=None):
        with _open(f"{self.url}{path}", data, timeout=process.TIMEOUT_S) as answer:
            return json.load(answer)

    def set(self, size, rate):
        """It has `size` entries now, and `rate` more come each second."""
        self._ask(f"/control?size={size}&rate={rate}", b"")

    def options(self, side):
        """Of `trawl watch`, to follow one of its logs: "Tiles" or "Classic"."""
        return ["--log-list", self.list, "--log-list-key", self.folder / "log_list.pem", "--log",
                side, "--ca-file", self.folder / "ca.pem"]

    def given(self):
        """How many entries it has sent."""
        return self._ask("/stats")["entries"]

    def pour(self, rate):
        """As soon as a client listens, entries come at this rate, up to the last; beside a run."""
        def beside(client):
            while not self._ask("/stats")["feeds_open"]:
                if client.is_over():
                    return
                time.sleep(0.01)
            self.set(1, rate)
        return beside

    def stop(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
