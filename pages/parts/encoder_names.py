"""What an encoder is called in a list to choose from, and which one such words mean."""

from __future__ import annotations

from collections.abc import Iterable

from pages.parts import cached

WORDS = {"ready": "", "download": " · needs download", "unavailable": " · not available"}
"""What stands after a title, by the state of what has it."""


def title(name: str) -> str:
    """``HOG``; ``ResNet-50 · needs download``."""
    row = cached.encoder_row(name)
    return f"{row['title'] or name}{WORDS.get(row['state'], '')}" if row else name


def meant(chosen: Iterable[str]) -> list[str]:
    """The names of what was chosen, each once.

    A browser sends the words that it shows. Where they have changed since (a download has ended), Streamlit takes the old
    words for something newly typed.
    """
    return list(dict.fromkeys(_name(one) for one in chosen))


def _name(words: str) -> str:
    if cached.encoder_row(words) is not None:
        return words
    bare = next((words.removesuffix(tail) for tail in WORDS.values() if tail and words.endswith(tail)), words)
    return next((row["name"] for row in cached.encoder_rows() if row["title"] == bare), bare)
