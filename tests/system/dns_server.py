"""Runs tool_dns_server for the scripts of this folder."""
import collections
import os
import subprocess
import tempfile
import threading

HANG_SECONDS = 240  # only stops what hangs


class Dns:
    """Serves the zone as long as the `with` block, at `server`."""

    def __init__(self, folder, zone):
        with tempfile.NamedTemporaryFile("w", suffix=".zone") as file:
            file.write(zone)
            file.flush()
            self.process = subprocess.Popen(
                [os.path.join(folder, "tool_dns_server"), "--zone", file.name, "--log"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.server = "127.0.0.1:" + self.process.stdout.readline().strip()
        self.lines = []
        self.reader = threading.Thread(target=self.read)

    def __enter__(self):
        self.reader.start()
        return self

    def read(self):
        """Transport, type and name of each question; one that is repeated counts once."""
        seen = set()
        for line in self.process.stdout:
            if line not in seen:
                seen.add(line)
                self.lines.append(line.split()[:3])

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(HANG_SECONDS)
        self.reader.join()

    def asked(self, name):
        """The questions for a name, when the server has ended."""
        return collections.Counter((how, what) for how, what, asked in self.lines if asked == name)
