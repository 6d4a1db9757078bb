"""The exact answer above that of an index: hits, missed neighbours where they belong, and extra
hits."""

from collections import Counter
from collections.abc import Iterable, Sequence

import streamlit as st

from core.services.index_lab.view import Shown
from core.services.library.library import Dataset
from core.services.search.result import IDENTICAL
from pages.parts import cached, components, gallery, link

SIDE = 64
"""Ten of them stand in one row on a screen of 1280."""
MARKS = {"found": "", "ghost": "ghost", "extra": "extra"}
"""State -> class of the picture in the grid's style."""
KEY = (
    '<div class="ll-key lab-key">'
    '<span><i class="ghost"></i>missed 7: rank 7 of the exact answer, not found by the index</span>'
    '<span><i class="extra"></i>9 extra: rank 9 of the index, not among the exact nearest</span>'
    "</div>"
)


def names(dataset: Dataset, ids: Iterable[str]) -> dict[str, str]:
    """What pictures are called; by their id where several share a name, and its last part where
    that tells them apart."""
    called = {id: gallery.name_of(dataset, id) for id in ids}
    many, short = Counter(called.values()), Counter(_last(id) for id in called)
    return {
        id: name if many[name] == 1 else _last(id) if short[_last(id)] == 1 else id
        for id, name in called.items()
    }


def _last(id: str) -> str:
    return id.rstrip("/").rpartition("/")[2]


def item(locator: str, version: str, shown: Shown, name: str) -> dict:
    """A picture of the index's answer for the grid; a missed neighbour says its rank in the exact
    one."""
    rank, badge, said = {
        "found": (str(shown.rank), "", f"rank {shown.rank}"),
        "ghost": ("", f"missed {shown.true_rank}", f"missed, exact rank {shown.true_rank}"),
        "extra": (
            "",
            f"{shown.rank} extra",
            f"extra at rank {shown.rank}, not among the exact nearest",
        ),
    }[shown.state]
    return {
        "id": shown.id,
        "uri": cached.thumbnail(locator, version, shown.id),
        "mark": MARKS[shown.state],
        "badge": badge,
        "rank": rank,
        "alt": f"{name}, {said}, cosine {shown.score:.3f}{_file(shown)}. Search with this picture.",
        "caption": f"{shown.score:.3f}{_file(shown)}\n{name}",
    }


def _file(shown: Shown) -> str:
    return f", {IDENTICAL}" if shown.identical else ""


def plain(locator: str, version: str, shown: Shown, name: str) -> dict:
    """The same picture in the exact answer; an empty place where only the index has one, so that
    the two rows align."""
    if not shown.true_rank:
        return {"id": "", "blank": True}
    made = item(locator, version, shown, name)
    return {
        **made,
        "mark": "",
        "badge": "",
        "rank": str(shown.true_rank),
        "caption": "",
        "alt": (
            f"{name}, exact rank {shown.true_rank}, cosine {shown.score:.3f}. Search with this"
            " picture."
        ),
    }


def grid(locator: str, version: str, hits: Sequence[Shown]) -> None:
    """Draw both answers, one place of the exact one above the same of the index; a click makes a
    picture the next query."""
    found = cached.dataset(locator)
    called = names(found, [one.id for one in hits])
    items = [
        {
            **plain(locator, version, one, called[one.id]),
            "below": item(locator, version, one, called[one.id]),
        }
        for one in hits
    ]
    picked = components.picture_grid(
        items, "Exact answer above, answer of the index below", "lab_pairs", side=SIDE
    )
    if picked and picked in found.rows:
        link.ask(f"item:{picked}")
        st.rerun()
