"""Write README.md's tables: encoders from the registry, scores from
``artifacts/reports/encoders.md``. ``--check``: hold the table of encoders against the registry.

The check goes encoder by encoder. A row that says something else than the code, or that no code
answers to, fails. An encoder that has just been added has no row yet: it is named as new, with the
row that ``make readme`` would write, and fails only where no row can be made of what it says about
itself.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.services.library import library

README = ROOT / "README.md"
BEGIN, END = "<!-- encoders:begin (written by tools/write_readme.py) -->", "<!-- encoders:end -->"
SCORES = ROOT / "artifacts" / "reports" / "encoders.md"
SCORES_BEGIN, SCORES_END = (
    "<!-- scores:begin (from artifacts/reports/encoders.md) -->",
    "<!-- scores:end -->",
)
HEAD = ["| name | what it is | family | dimensions | |", "|---|---|---|---|---|"]


def known() -> dict[str, str]:
    """Name -> line of the table, for the listed encoders that everyone has: as if nothing were
    downloaded or trained here."""
    before = os.environ.get("LOOKALIKE_ARTIFACTS")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        os.environ["LOOKALIKE_ARTIFACTS"] = empty
        try:
            rows = sorted(library.encoder_rows(), key=lambda row: row["state"] != "ready")
        finally:
            (
                os.environ.pop("LOOKALIKE_ARTIFACTS")
                if before is None
                else os.environ.update(LOOKALIKE_ARTIFACTS=before)
            )
    return {row["name"]: line(row) for row in rows}


def line(row: dict) -> str:
    """One encoder as a line of Markdown."""
    tier = row["tier"] if row["state"] == "ready" else f"download, {row['bytes'] / 1e6:.0f} MB"
    return f"| `{row['name']}` | {row['title']} | {row['family']} | {row['dim']} | {tier} |"


def claimed(text: str) -> dict[str, str]:
    """Name -> line of the table as it stands in a README."""
    table = text.partition(BEGIN)[2].partition(END)[0]
    return {name: whole for whole, name in re.findall(r"^(\| `([^`]+)` .*)$", table, re.M)}


def verdicts(text: str) -> dict[str, tuple[str, str]]:
    """Name -> (``right``, ``new`` or ``wrong``; what to say of it), for every encoder of the README
    or of the code."""
    says, is_so, found = claimed(text), known(), {}
    for name in dict.fromkeys([*says, *is_so]):
        if name not in is_so:
            found[name] = "wrong", "stands in README.md, and no code answers to it"
        elif not re.fullmatch(
            r"\| `[^`|\s]+` \| [^|\n]*\w[^|\n]* \| [^|\n]*\w[^|\n]* \| [1-9]\d* \| [^|\n]+ \|",
            is_so[name],
        ):
            found[name] = (
                "wrong",
                f"its name, title, family or dim makes no line of a table: {is_so[name]!r}",
            )
        elif name not in says:
            found[name] = "new", f"make readme adds: {is_so[name]}"
        elif says[name] != is_so[name]:
            found[name] = "wrong", f"README.md says {says[name]}; the code says {is_so[name]}"
        else:
            found[name] = "right", ""
    return found


def written(text: str) -> str:
    """README text with both tables in their places."""
    return _between(
        _between(text, BEGIN, END, "\n".join([*HEAD, *known().values()])),
        SCORES_BEGIN,
        SCORES_END,
        scores(),
    )


def scores() -> str:
    """The table that ``tools/measure_models.py`` made."""
    return SCORES.read_text().strip()


def _between(text: str, begin: str, end: str, table: str) -> str:
    return re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n{table}\n{end}",
        text,
        flags=re.DOTALL,
    )


def main() -> int:
    """Write, or check: exit code 1 where the README says something untrue."""
    if "--check" not in sys.argv:
        README.write_text(written(README.read_text()))
        return 0
    found = verdicts(README.read_text())
    for name, (verdict, why) in found.items():
        print(f"{verdict:5}  {name}{f': {why}' if why else ''}")
    wrong = [name for name, (verdict, _) in found.items() if verdict == "wrong"]
    print(
        f"{len(found)} encoders, {len(wrong)}"
        f" wrong{' (make readme writes the table anew)' if wrong else ''}"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
