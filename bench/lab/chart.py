"""A bar chart as SVG: for each row with a ratio two bars, the floor and trawl, and where its budget
ends; for encoders and sinks one bar each."""
from html import escape

WIDTH, LABEL, VALUE, BAR, GAP, MARGIN = 960, 330, 190, 11, 12, 24
STYLE = """text{font:12px sans-serif;fill:#24292f}.head{font-weight:bold;font-size:14px}
.small{font-size:11px;fill:#57606a}.theirs{fill:#b6c2cf}.ours{fill:#1f6feb}.miss{fill:#cf222e}
.budget{stroke:#24292f;stroke-dasharray:2 2}.axis{stroke:#d0d7de}"""


class Canvas:
    def __init__(self):
        self.parts, self.y = [], MARGIN

    def text(self, x, y, words, kind="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" '
                          f'text-anchor="{anchor}">{escape(words)}</text>')

    def bar(self, y, width, kind):
        self.parts.append(f'<rect x="{LABEL}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{BAR}" class="{kind}"/>')

    def tick(self, x, y, height):
        self.parts.append(f'<line x1="{x:.1f}" y1="{y - 3:.1f}" x2="{x:.1f}" '
                          f'y2="{y + height + 3:.1f}" class="budget"/>')

    def heading(self, words, legend=""):
        self.y += 20
        self.text(MARGIN, self.y, words, "head")
        self.text(WIDTH - MARGIN, self.y, legend, "small", "end")
        self.y += 18


def _pair(canvas, row, scale):
    ours, theirs = row.ours * scale, row.theirs * scale
    canvas.text(LABEL - 10, canvas.y + BAR + 4, row.name, anchor="end")
    canvas.bar(canvas.y, theirs, "theirs")
    canvas.bar(canvas.y + BAR + 1, ours, "miss" if row.passes() is False else "ours")
    limit = (row.limit() or 0) * scale
    if limit:
        canvas.tick(LABEL + limit, canvas.y, 2 * BAR + 1)
    end = LABEL + max(ours, theirs, limit) + 8
    canvas.text(end, canvas.y + BAR - 1, f"{row.theirs:.3g} {row.versus}", "small")
    canvas.text(end, canvas.y + 2 * BAR + 1, f"{row.ours:.3g} {row.unit} · × {row.ratio.middle:.2f}")
    canvas.y += 2 * BAR + GAP


def _rate(canvas, row, scale):
    canvas.text(LABEL - 10, canvas.y + BAR - 1, row.name, anchor="end")
    canvas.bar(canvas.y, row.rate_million * scale, "ours")
    canvas.text(LABEL + row.rate_million * scale + 8, canvas.y + BAR - 1,
                f"{row.rate_million:.3g} million/s")
    canvas.y += BAR + GAP


def draw(rows, title, subtitle):
    """The SVG as text."""
    canvas = Canvas()
    room = WIDTH - LABEL - VALUE
    canvas.text(MARGIN, canvas.y, title, "head")
    canvas.text(MARGIN, canvas.y + 16, subtitle, "small")
    canvas.y += 28
    pairs = [row for row in rows if row.ratio and row.unit == "µs"]
    for name in dict.fromkeys(row.group for row in pairs):
        members = [row for row in pairs if row.group == name]
        longest = max(max(row.ours, row.theirs, row.limit() or 0) for row in members)
        canvas.heading(name, "grey: floor or rival · blue: trawl · dashed: budget")
        for row in members:
            _pair(canvas, row, room / longest)
    rates = [row for row in rows if row.rate_million]
    if rates:
        canvas.heading("Records a second and core")
        for row in rates:
            _rate(canvas, row, room / max(rate.rate_million for rate in rates))
    height = canvas.y + MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img"><title>{escape(title)}</title>'
            f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
            + "\n".join(canvas.parts) + "</svg>\n")
