"""A part that runs again on its own: at a slider's move, or every second during work."""

from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from pages.parts.guard import guarded
from pages.parts.words import trouble


def live(draw: Callable[..., None], *given: object, every: float | None = None) -> None:
    """Draw now and again later. An error stays inside, where it belongs."""
    st.fragment(_safely, run_every=every)(draw, given)


def _safely(draw: Callable[..., None], given: tuple) -> None:
    try:
        guarded(lambda: draw(*given), "This view")
    except UserError as error:
        trouble(error)
