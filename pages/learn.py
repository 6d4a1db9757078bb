"""Learn: how does it work? One lesson for each approach, on the live system."""

from pathlib import Path

import streamlit as st

from core.errors import UserError
from pages.parts import components
from pages.parts.guard import run
from pages.parts.learn import dials, frame, lesson, widgets
from pages.parts.shell import places, shell
from pages.parts.words import note, short

STYLE = Path(__file__).parent / "parts" / "web" / "learn.css"
PURPOSE = "How image search works, ten minutes a lesson, on the live system"


def main() -> None:
    named = st.query_params.get(dials.PARAM, "")
    shown = lesson.get(named) if named in lesson.names() else None
    actions = shell("Learn", shown.purpose if shown else PURPOSE, shown.title if shown else "")
    st.html(STYLE)
    with actions:
        components.copy_link("copy")
    if shown is None:
        _all(named)
        return
    listed, answer = places("panel_settings", "answer")
    with listed:
        chosen = widgets.cards(lesson.lessons(), shown.name)
    with answer:
        frame.show(shown)
    if chosen in lesson.names() and chosen != shown.name:
        frame.go(chosen)


def _all(named: str) -> None:
    """The lessons as cards."""
    if named:
        note(f"There is no lesson {short(named)!r}.", "These are the lessons there are.")
    found = lesson.lessons()
    if not found:
        raise UserError("There is no lesson in this copy of the code.", fix="Install it again.")
    chosen = widgets.cards(found)
    if chosen in lesson.names():
        frame.go(chosen)


run(main, "Learn")
