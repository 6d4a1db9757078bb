"""Pictures of an answer in a row: what was found, what was lost (a ghost at the place where it belongs), what is too much."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.services.lab.view import Shown
from pages.parts import cached, components, gallery, link

SIDE = 80
MARKS = {"found": "", "ghost": "ghost", "extra": "extra"}
BADGES = {"ghost": "lost", "extra": "extra"}
KEY = (
    '<div class="ll-key lab-key"><span><i class="ghost"></i>lost: belongs here, the index missed it</span>'
    '<span><i class="extra"></i>extra: in its place, the index brought this</span></div>'
)


def item(locator: str, version: str, shown: Shown) -> dict:
    """A picture of the index's answer for the grid; a ghost says its rank in the exact one."""
    name = gallery.name_of(cached.dataset(locator), shown.id)
    rank = shown.rank or shown.true_rank
    said = {
        "found": f"rank {rank}",
        "ghost": f"lost, belongs at rank {shown.true_rank}",
        "extra": f"extra at rank {shown.rank}, not among the exact nearest",
    }[shown.state]
    return {
        "id": shown.id, "uri": cached.thumbnail(locator, version, shown.id), "mark": MARKS[shown.state],
        "badge": BADGES.get(shown.state, ""), "rank": str(rank),
        "alt": f"{name}, {said}, cosine {shown.score:.3f}. Search with this picture.", "caption": f"{shown.score:.3f}  {name}",
    }  # fmt: skip


def plain(locator: str, version: str, shown: Shown) -> dict:
    """The same picture in the exact answer; an empty place where only the index has one, so that the two rows align."""
    if not shown.true_rank:
        return {"id": "", "blank": True}
    made = item(locator, version, shown)
    name = gallery.name_of(cached.dataset(locator), shown.id)
    return {**made, "mark": "", "badge": "", "rank": str(shown.true_rank),
            "alt": f"{name}, exact rank {shown.true_rank}, cosine {shown.score:.3f}. Search with this picture."}  # fmt: skip


def grid(locator: str, version: str, hits: Sequence[Shown], label: str, key: str, exact: bool = False) -> None:
    """Draw them; a click makes a picture the next query."""
    items = [(plain if exact else item)(locator, version, one) for one in hits]
    picked = components.picture_grid(items, label, key, side=SIDE)
    if picked and picked in cached.dataset(locator).rows:
        link.ask(f"item:{picked}")
        st.rerun()
