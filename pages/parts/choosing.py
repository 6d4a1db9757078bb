"""Choosing one of what there is: what a link or an earlier choice said is healed first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.parts import url_state
from pages.parts.guard import drawn


def view(key: str, views: Mapping[str, Callable[[], object]], first: str | None = None) -> None:
    """The switch between the views of a page, and below it the one that is chosen."""
    name = segments("View", key, list(views), first, label_visibility="collapsed")
    drawn(views[name], f"The view {name}")


def menu(
    label: str, key: str, options: Sequence[str], first: str | None = None, **more: Any
) -> str:
    """One of many, in a list that opens; ``first`` where nothing possible was chosen."""
    return st.selectbox(label, url_state.heal(key, options, first), key=key, **more)


def segments(
    label: str, key: str, options: Sequence[str], first: str | None = None, **more: Any
) -> str:
    """One of a few, all of them visible."""
    options = url_state.heal(key, options, first)
    return st.segmented_control(label, options, key=key, required=True, **more)
