"""What is reported: rows, as text, as Markdown and as JSON."""
import pathlib
from dataclasses import dataclass


@dataclass
class Row:
    """`ours` against `theirs` in `unit`; `ours` is None where nothing was measured. `budget` is what
    the ratio may be at most, or, where there is no ratio or `budget_of` is "ours", what `ours` may
    be at most; of "least" it is what the ratio must be at least."""
    group: str
    name: str
    unit: str
    ours: float
    theirs: float = None
    versus: str = ""
    ratio: object = None  # contest.Ratio
    budget: float = None
    note: str = ""
    rate_million: float = None  # a second and core; for the chart
    budget_of: str = "ratio"

    def _is_of_ratio(self):
        return self.ratio and self.budget_of != "ours"

    def passes(self):
        if self.budget is None:
            return None
        value = self.ratio.middle if self._is_of_ratio() else self.ours
        return value >= self.budget if self.budget_of == "least" else value <= self.budget

    def limit(self):
        """What `ours` may be at most, in its unit; None without a budget."""
        if self.budget is None or not self._is_of_ratio():
            return self.budget
        return self.theirs / self.budget if self.budget_of == "least" else self.theirs * self.budget

    def verdict(self):
        return {None: "", True: "pass", False: "MISS"}[self.passes()]

    def cells(self):
        unit = "" if self._is_of_ratio() else f" {self.unit}"
        sign = "≥" if self.budget_of == "least" else "≤"
        budget = "" if self.budget is None else f"{sign} {number(self.budget)}{unit}"
        return [self.name, "" if self.ours is None else f"{number(self.ours)} {self.unit}",
                "" if self.theirs is None else f"{number(self.theirs)} {self.versus}",
                str(self.ratio) if self.ratio else "", budget, self.verdict(), self.note]

    def as_json(self):
        result = {key: getattr(self, key) for key in
                  ("group", "name", "unit", "ours", "theirs", "versus", "budget", "note")}
        result["ratio"] = vars(self.ratio) if self.ratio else None
        result["verdict"] = self.verdict().lower() or None
        return result


HEAD = ["", "trawl", "against", "ratio (range)", "budget", "", ""]


def number(value):
    if value >= 10000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def groups(rows):
    names = dict.fromkeys(row.group for row in rows)
    return [(name, [row for row in rows if row.group == name]) for name in names]


def aligned(table):
    """Lines of cells as lines of text for a terminal."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in table]


def piped(table):
    """The same for Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in table]
    return "\n".join([lines[0], "|---" * len(table[0]) + "|", *lines[1:]]) + "\n"


def text(rows):
    """One table, the groups under their names."""
    head, *lines = aligned([HEAD] + [row.cells() for row in rows])
    out = [head]
    for name, members in groups(rows):
        out += ["", name] + [lines[rows.index(row)] for row in members]
    return "\n".join(out)


def markdown(rows):
    """A table a group, without the columns that nothing stands in."""
    tables = []
    for name, members in groups(rows):
        cells = [row.cells() for row in members]
        used = [i for i in range(len(HEAD)) if i == 0 or any(line[i] for line in cells)]
        tables.append(piped([[name] + [HEAD[i] for i in used[1:]]]
                            + [[line[i] for i in used] for line in cells]))
    return "\n".join(tables)


def put_into_readme(mark, words):
    """Replaces what stands between a pair of marks in bench/README.md."""
    path = pathlib.Path(__file__).resolve().parents[1] / "README.md"
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    path.write_text(before + begin + words + end + rest.split(end)[1], encoding="utf-8")
