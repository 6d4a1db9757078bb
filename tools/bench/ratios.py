"""What a file of this folder hands to ``make bench``, and the report that is made of it.

A file that takes part has two names::

    TITLE = "Builds"                    # the heading of its rows

    def rows() -> Iterator[Row]:        # measures, and gives each row as soon as it is known
        yield Row("ResNet-50: build / ceiling", 0.87, goal=0.85, told="71 of 82 pictures/s")

``make bench`` (``tools/bench/__main__.py``) runs each file in a process of its own, one after the
other, prints every row with its goal beside it, and writes ``artifacts/reports/bench.json`` and the
table of ``docs/bench.md``. ``rows`` takes no arguments and at most two minutes on two cores; data
that are not there (``LOOKALIKE_DATA``) mean fewer rows, and no error. Both sides of a ratio are
measured in turn in one run. Sizes that a person may change stay options of the file's own ``main``.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
JSON, PAGE = ROOT / "artifacts" / "reports" / "bench.json", ROOT / "docs" / "bench.md"
BEGIN, END = "<!-- bench:begin (written by make bench) -->", "<!-- bench:end -->"
HEAD = ["| what | value | goal | | measured |", "|---|---|---|---|---|"]


@dataclass(frozen=True)
class Row:
    """One figure: mostly a ratio of two sides that were measured in one run."""

    what: str
    value: float
    goal: float | None = None
    """What it should reach; None where nothing is promised."""
    at_most: bool = False
    """Whether less is better: the goal is the largest value that meets it."""
    unit: str = ""
    """Empty for a ratio."""
    told: str = ""
    """The figures behind it, in a few words."""

    def __post_init__(self) -> None:
        if "|" in self.what + self.told + self.unit:
            raise ValueError(f"{self.what!r}: a bar would break the table")

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached, None without a goal. What is printed is what is judged."""
        if self.goal is None:
            return None
        shown = float(number(self.value))
        return shown <= self.goal if self.at_most else shown >= self.goal


@dataclass(frozen=True)
class Part:
    """The rows of one file, and when they were measured. ``busy``: programs that wanted each core
    when it began."""

    title: str
    rows: tuple[Row, ...]
    date: str
    seconds: float
    busy: float | None = None


@dataclass(frozen=True)
class Report:
    """Everything that was measured on one machine, by file."""

    machine: str
    versions: dict[str, str]
    parts: dict[str, Part] = field(default_factory=dict)

    def missed(self) -> list[Row]:
        """Rows that do not reach their goal."""
        return [row for part in self.parts.values() for row in part.rows if row.met is False]


def number(value: float) -> str:
    """A figure with about three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"


def goal(row: Row) -> str:
    """``>= 0.85``, or nothing."""
    if row.goal is None:
        return ""
    return f"{'<=' if row.at_most else '>='} {number(row.goal)}{' ' * bool(row.unit)}{row.unit}"


def line(row: Row) -> str:
    """A row as a person reads it on the terminal."""
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    shown = f"{number(row.value)} {row.unit}".rstrip()
    return f"  {row.what}: {shown}   {goal(row)} {verdict}   ({row.told})".replace("   ()", "")


def table(report: Report) -> str:
    """The report as Markdown."""
    when = sorted({part.date for part in report.parts.values()})
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    found = [f"{report.machine}; {' to '.join(dict.fromkeys([when[0], when[-1]]))}. {versions}."]
    for part in report.parts.values():
        busy = "" if part.busy is None else f", {part.busy:g} programs wanted each core before"
        found += ["", f"**{part.title}** ({part.seconds:.0f} s{busy})", "", *HEAD]
        for row in part.rows:
            verdict = {None: "", True: "met", False: "**missed**"}[row.met]
            shown = f"{number(row.value)} {row.unit}".rstrip()
            found.append(f"| {row.what} | {shown} | {goal(row)} | {verdict} | {row.told} |")
    return "\n".join(found)


def read(path: Path = JSON) -> Report | None:
    """The report that was written, or None."""
    if not path.is_file():
        return None
    held = json.loads(path.read_text())
    parts = {
        name: Part(**{**part, "rows": tuple(_row(row) for row in part["rows"])})
        for name, part in held.pop("parts").items()
    }
    return Report(**held, parts=parts)


def _row(held: dict) -> Row:
    return Row(**{name: value for name, value in held.items() if name != "met"})


def write(report: Report, path: Path = JSON, page: Path = PAGE) -> None:
    """The report as JSON, and its table in the page."""
    held = asdict(report)
    for name, part in report.parts.items():
        held["parts"][name]["rows"] = [asdict(row) | {"met": row.met} for row in part.rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, indent=1) + "\n")
    page.write_text(written(page.read_text(), report))


def written(text: str, report: Report) -> str:
    """The page's text with the table in its place."""
    place = f"{re.escape(BEGIN)}.*?{re.escape(END)}"
    return re.sub(place, lambda _: f"{BEGIN}\n{table(report)}\n{END}", text, flags=re.DOTALL)


def shown(text: str) -> str:
    """The table that stands in a page's text."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()
