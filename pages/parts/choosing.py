"""Choosing one of what there is: what a link or an earlier choice said is healed first."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.parts import url_state


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
