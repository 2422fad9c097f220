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
    cpu_us: list = field(default_factory=list)   # a target, by round
    wall_us: list = field(default_factory=list)  # a target, by round

    def run_once(self):
        start = process.run(self.idle_argv, self.cores) if self.idle_argv else None
        run = process.run(self.argv, self.cores)
        self.check(run.output)
        start_s = start.cpu_s if start else 0
        self.cpu_us.append(max(0.0, run.cpu_s - start_s) / self.targets * 1e6)
        self.wall_us.append(run.wall_s / self.targets * 1e6)

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


def ratio(entrant, floor, by="cpu_us"):
    """Of two entrants of the same contest, round by round."""
    pairs = [a / b for a, b in zip(getattr(entrant, by), getattr(floor, by))]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))
