"""What lessons need and Streamlit has no widget for: cards with progress, questions, a plane with
points that are dragged, a list that is put in order. Progress stays in the browser."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pages.parts import press
from pages.parts.learn.lesson import GROUPS, Lesson

WEB = Path(__file__).parent.parent / "web"


def _component(name: str, *scripts: str):
    def read(file: str) -> str:
        return (WEB / file).read_text(encoding="utf-8")

    return st.components.v2.component(
        f"lookalike_{name}",
        css=read(f"{name}.css"),
        js="\n".join(map(read, (*scripts, f"{name}.js"))),
    )


_cards = _component("learn_cards", "learn_store.js")
_quiz = _component("learn_quiz", "learn_store.js")
_tally = _component("learn_tally", "learn_store.js")
_ranking = _component("learn_ranking", "learn_store.js")
_sketch = _component("learn_sketch")


def _nothing() -> None:
    """A value needs a callback to be known; it is read from the result instead."""


def heard(key: str, name: str) -> float:
    """The number of what a component said last before this run: where it has said something since,
    the answer to this is older than what it shows."""
    said = (st.session_state.get(key) or {}).get(name)
    number = said.get("number") if isinstance(said, dict) else None
    return number if isinstance(number, int | float) else 0


def cards(lessons: Sequence[Lesson], here: str = "") -> str | None:
    """All lessons: as cards, or, where ``here`` names the one that is shown, as a list beside it.

    Returns:
        The name of the lesson that was chosen since the page came here last.
    """
    numbered = {one.name: number for number, one in enumerate(lessons, start=1)}
    groups = [
        {
            "name": group,
            "lessons": [
                {
                    "name": one.name,
                    "number": numbered[one.name],
                    "title": one.title,
                    "purpose": one.purpose,
                    "questions": len(one.questions),
                }
                for one in lessons
                if one.group == group
            ],
        }
        for group in GROUPS
    ]
    data = {
        "groups": [group for group in groups if group["lessons"]],
        "compact": bool(here),
        "here": here,
    }
    key = "learn_list" if here else "learn_cards"
    _cards(key=key, data=data, on_opened_change=press.noting(key, "opened"))
    return press.said(key, "opened")


def quiz(lesson: str, questions: Sequence[dict]) -> None:
    """Questions (``ask``, ``options``, ``right``, ``why``), explained once answered."""
    _quiz(key=f"learn_quiz_{lesson}", data={"lesson": lesson, "questions": list(questions)})


def tally(lesson: str, query: str = "", right: bool | None = None) -> None:
    """How the predictions of a lesson went; with ``query`` one more is noted."""
    outcome = None if right is None else {"query": query, "right": right}
    data = {
        "lesson": lesson,
        "outcome": outcome,
        "empty": "Choose one; the system answers. Your score stays in this browser.",
    }
    _tally(key=f"learn_tally_{lesson}", data=data)


def ranking(items: Sequence[dict], label: str, key: str, turn: int = 0) -> list[str]:
    """Pictures (``id``, ``uri``, ``name``, ``right``) that a person puts in order; another ``turn``
    begins anew. Returns the ids as they lie now."""
    key, given = f"{key}_{turn}", [one["id"] for one in items]
    data = {"items": list(items), "label": label, "turn": turn, "heard": heard(key, "order")}
    put = _ranking(key=key, data=data, on_order_change=_nothing).order
    order = press.read(put, lambda said: [press.text(one) for one in said["ids"]])
    return order if order and sorted(order) == sorted(given) else given


def sketch(
    key: str,
    frame: tuple[float, float, float, float],
    handles: Sequence[dict],
    marks,
    alt: str,
    size: tuple[int, int] = (440, 360),
) -> None:
    """A plane in the units of ``frame`` (left, bottom, right, top).

    Args:
        handles: points that can be dragged: ``name``, ``at``, ``label``, and may have ``short``,
            ``colour``, ``said`` and ``along`` (points of a curve that it stays on). Where one was
            put is read by
            :func:`pages.parts.learn.dials.places` before the next drawing.
        marks: what lies around them: dicts with a ``kind`` (``line``, ``path``, ``arrow``,
            ``circle``, ``dots``, ``image``, ``text``) and what ``learn_sketch.js`` takes for it.
    """
    data = {
        "frame": list(frame),
        "handles": list(handles),
        "marks": list(marks),
        "alt": alt,
        "width": size[0],
        "height": size[1],
        "heard": heard(key, "moved"),
    }
    _sketch(key=key, data=data, on_moved_change=_nothing)
