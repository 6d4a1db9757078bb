"""Figures of the engines into their place in a page of the docs."""

import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.services.hardware import busy, hardware


def write(page: str, name: str, lines: list[str]) -> None:
    """Put ``lines``, with the machine and the day, between the marks ``name`` of ``docs/page``.

    Raises:
        ValueError: the page has no such marks.
    """
    path = ROOT / "docs" / page
    begin, end = f"<!-- {name}:begin (written by a program) -->", f"<!-- {name}:end -->"
    before = path.read_text()
    if begin not in before or end not in before:
        raise ValueError(f"{path} has no {begin}")
    told = f"{hardware()}; {date.today()}; programs that wanted each core at the end: {busy()}."
    text = "\n".join([begin, told, "", *lines, end])
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    path.write_text(found.sub(lambda _: text, before))
