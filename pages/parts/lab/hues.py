"""Colours of indexes: Okabe and Ito's palette; beyond eight the line is dashed and the marker
another one."""

import zlib

from core.services import marks
from pages.parts import cached, palette
from pages.parts.lab import state

SYMBOLS = ("circle", "diamond-open", "square", "triangle-up-open")


def _place(index: str) -> int:
    names = [row["name"] for row in cached.index_rows()]
    return (
        names.index(index)
        if index in names
        else len(names) + zlib.crc32(index.encode()) % len(marks.COLOURS)
    )


def colour(index: str) -> str:
    return marks.COLOURS[_place(index) % len(marks.COLOURS)]


def dash(index: str) -> str:
    return palette.DASHES[_place(index) // len(marks.COLOURS) % len(palette.DASHES)]


def symbol(index: str) -> str:
    return SYMBOLS[_place(index) // len(marks.COLOURS) % len(SYMBOLS)]


def title(index: str) -> str:
    """What people call an index."""
    return state.index_row(index).get("title") or index
