"""A part that runs again on its own: at a slider's move, or every second during work."""

from collections.abc import Callable

import streamlit as st

from pages.parts.guard import drawn


def live(draw: Callable[..., None], *given: object, every: float | None = None) -> None:
    """Draw now and again later. An error stays inside, where it belongs."""
    st.fragment(_safely, run_every=every)(draw, given)


def _safely(draw: Callable[..., None], given: tuple) -> None:
    drawn(lambda: draw(*given), "This view")
