"""Encoders in lists to choose from: their names, their cost, and which one words mean."""

from collections.abc import Callable, Container, Iterable, Sequence
from functools import cache

from core.services.embedding.opening import FIRST_ENCODERS
from pages.parts import builds, cached, palette
from pages.parts.words import size

WORDS = {"ready": "", "download": " · needs download", "unavailable": " · not available"}
"""What stands after the title of an index, by its state."""
BEFORE_STATE = " · "
SUGGESTED, START_S = 3, 3.0
"""Encoders that a new data set is begun with, where the first ones are missing; and seconds until a
process has loaded its networks."""


def labels(locators: Sequence[str], chosen: Container[str] = ()) -> Callable[[str], str]:
    """How a list to choose from shows each encoder: ``HOG · ready``, ``SIFT + VLAD · builds in
    about 16 s``.

    What is chosen already stands in a small label of its own, by its title alone.
    """

    @cache  # Streamlit asks several times for each
    def label(name: str) -> str:
        state = "" if name in chosen else state_words(name, locators)
        return f"{palette.title(name)}{BEFORE_STATE}{state}" if state else palette.title(name)

    return label


def state_words(name: str, locators: Sequence[str]) -> str:
    """``ready`` where it is built for every data set; else what stands in the way: a build, a
    download. Loads nothing.

    Without a data set only what has to be downloaded is said.
    """
    row = cached.encoder_row(name)
    if row is None:
        return ""
    if row["state"] == "unavailable":
        return "not available"
    if row["state"] == "download":
        return f"download {size(row['bytes'])}" if row["bytes"] else "needs download"
    missing = [one for one in locators if not cached.built(one, cached.version(one), name)]
    if not missing:
        return "ready" if locators else ""
    seconds = [cached.build_times().seconds(cached.dataset(one), name) for one in missing]
    return "not built" if None in seconds else f"builds in {builds.about(sum(seconds))}"


def meant(chosen: Iterable[str]) -> list[str]:
    """The names of what was chosen, each once.

    A browser sends the words that it shows. Where they have changed since (a build has ended),
    Streamlit takes the old words for something newly typed.
    """
    return list(dict.fromkeys(_name(one) for one in chosen))


def _name(words: str) -> str:
    titles = {row["title"].lower(): row["name"] for row in reversed(cached.encoder_rows())}
    bare = words.rpartition(BEFORE_STATE)[0] or words
    for said in (words, bare):
        if cached.encoder_row(said) is not None:
            return said
        if said.lower() in titles:
            return titles[said.lower()]
    return bare


def suggested() -> list[str]:
    """A pretrained network, our best one, a classical one; of these what needs no download."""
    rows = {row["name"]: row for row in cached.encoder_rows() if row["state"] == "ready"}
    first = [name for name in FIRST_ENCODERS if name in rows]
    return first or list(rows)[:SUGGESTED]


def suggested_seconds(pictures: int, encoders: Sequence[str]) -> float | None:
    """About how long these take for so many pictures; None where nothing is known of one."""
    each = [cached.build_times().each.get(name) for name in encoders]
    return None if None in each else START_S + sum(each) * pictures


def titles(encoders: Sequence[str]) -> str:
    """``A, B and C``."""
    said = [palette.title(name) for name in encoders]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
