"""Debian's certspotter on a log of bench/ctfarm: what it costs until all is downloaded and
verified."""
import json
import shutil
import time

from lab import contest
from lab.process import Failed


def program():
    """Its path; None where it is not installed."""
    return shutil.which("certspotter")


class Certspotter:
    """An entrant for a contest: reads all of the farm's RFC 6962 log, each time from nothing, and
    matches it against `names`. It follows a log for ever, so it is told to end when its state says
    that every entry is verified."""

    def __init__(self, lab, farm, names):
        self.farm, self.folder = farm, lab.scratch / "certspotter"
        watched = lab.scratch / "certspotter-names"
        watched.write_text("".join(f".{name}\n" for name in names), encoding="ascii")
        self.logs = lab.scratch / "certspotter-logs.json"
        self.logs.write_text(farm.list.read_text(encoding="utf-8"), encoding="utf-8")
        self.argv = [program(), "-logs", str(self.logs), "-state_dir", str(self.folder),
                     "-watchlist", str(watched), "-stdout", "-no_save"]

    def _forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def _verified(self):
        for path in self.folder.glob("logs/*/state.json"):
            try:
                state = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue  # it is being written
            return state["verified_sth"] and state["verified_position"]["size"]
        return 0

    def _until_verified(self, client):
        while self._verified() != self.farm.entries:
            if client.is_over():
                return
            time.sleep(0.01)
        client.terminate()

    def _check(self, _):
        if self._verified() != self.farm.entries:
            raise Failed("certspotter has not verified all entries")

    def entrant(self):
        return contest.Entrant("certspotter", self.farm.entries, self.argv,
                               [*self.argv, "-start_at_end"], self._check, prepare=self._forget,
                               beside=self._until_verified, idle_beside=self._until_verified)
