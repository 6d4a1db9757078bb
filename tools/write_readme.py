"""Write the table of encoders into README.md from the registry; with ``--check``, only say whether it is up to date."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.services import library

BEGIN, END = "<!-- encoders:begin (written by tools/write_readme.py) -->", "<!-- encoders:end -->"


def table() -> str:
    """The listed encoders that everyone has, as Markdown."""
    with tempfile.TemporaryDirectory() as empty:  # as on a fresh machine: nothing downloaded, nothing trained
        os.environ["LOOKALIKE_ARTIFACTS"] = empty
        rows = sorted(library.encoder_rows(), key=lambda row: row["state"] != "ready")
    lines = ["| name | what it is | family | numbers | |", "|---|---|---|---|---|"]
    for row in rows:
        tier = "bundled" if row["state"] == "ready" else f"download, {row['bytes'] / 1e6:.0f} MB"
        lines.append(f"| `{row['name']}` | {row['title']} | {row['family']} | {row['dim']} | {tier} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """README text with the table in its place."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{table()}\n{END}", text, flags=re.DOTALL)


def main() -> int:
    """Write, or check: exit code 1 where the table is stale."""
    path = ROOT / "README.md"
    old = path.read_text()
    new = written(old)
    if "--check" in sys.argv:
        lost = sorted(set(new.splitlines()) ^ set(old.splitlines()))
        print("README.md is up to date" if old == new else "README.md is stale (make readme writes it anew):\n" + "\n".join(lost))
        return int(old != new)
    path.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
