"""Interleaved rounds: every entrant runs once a round, so that whatever else the machine does hits
all alike, and what counts are ratios within a round."""
import statistics
from dataclasses import dataclass, field

from lab import process


@dataclass
class Entrant:
    name: str
    targets: int
    argv: list            # of the run that counts
    idle_argv: list       # the same program with one target: its start, which is taken off
    check: object         # called with the output; raises Failed when the work was not done
    cores: object = None  # where it may run; the client's core when None
    prepare: object = None      # called before each run
    beside: object = None       # what is done while it runs; and while it only starts
    idle_beside: object = None
    starts: list = field(default_factory=list)  # process.Run, by round
    runs: list = field(default_factory=list)

    def _run(self, argv, beside):
        if self.prepare:
            self.prepare()
        return process.run(argv, self.cores, beside=beside)

    def run_once(self):
        if self.idle_argv:
            self.starts.append(self._run(self.idle_argv, self.idle_beside))
        self.runs.append(self._run(self.argv, self.beside))
        self.check(self.runs[-1].output)

    def _less_start(self, seconds):
        """Microseconds a target, by round. All rounds start alike, so the middle start is taken off."""
        start = statistics.median(map(seconds, self.starts)) if self.starts else 0
        return [max(0.0, seconds(run) - start) / self.targets * 1e6 for run in self.runs]

    @property
    def cpu_us(self):
        return self._less_start(lambda run: run.cpu_s)

    @property
    def wall_us(self):
        return self._less_start(lambda run: run.wall_s)

    def cpu(self):
        return statistics.median(self.cpu_us)


def hold(entrants, rounds, say):
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        turn = number % len(entrants)
        for entrant in entrants[turn:] + entrants[:turn]:
            entrant.run_once()


@dataclass
class Ratio:
    middle: float
    low: float
    high: float

    def __str__(self):
        return f"{self.middle:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio_of(ours, theirs):
    """Of two lists of figures by round, round by round."""
    pairs = [a / b for a, b in zip(ours, theirs)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))


def ratio(entrant, floor, by="cpu_us"):
    """Of two entrants of the same contest."""
    return ratio_of(getattr(entrant, by), getattr(floor, by))
