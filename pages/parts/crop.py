"""The part of the query that is searched with, and its detector: in session and link."""

import streamlit as st

from core.errors import UserError
from core.services.search import subject
from core.services.search.export import box_words
from core.services.search.request import Query
from pages.parts import cached
from pages.parts.url_state import FLAG, Kind, Param, Refused
from pages.parts.words import short

Edges = tuple[float, float, float, float]
BOX, DETECTOR, ALWAYS = "query_box", "keep_subject", "keep_subject_always"
WHOLE: Edges = (0.0, 0.0, 1.0, 1.0)
OFF = "whole"
"""The detector that finds the whole picture: none looks for a subject."""
FIRST = "auto"
"""What looks for the subject where it can be used."""
DIGITS = 4
NO_BOX = "box=x0,y0,x1,y1 are four fractions of the picture"


def first() -> str:
    """The detector that a page opens with."""
    if any(row["name"] == FIRST and row["state"] == "ready" for row in cached.detector_rows()):
        return FIRST
    return OFF


def box() -> Edges | None:
    """The part that is searched with; None = all of the picture."""
    return None if (edges := kept()) == WHOLE else edges


def kept() -> Edges | None:
    """The part that was chosen, which may be WHOLE; None where nothing was."""
    return st.session_state.get(BOX)


def choose(edges: Edges | None) -> None:
    """Search with this part; WHOLE = all of it, None too, or what ``always`` chooses."""
    st.session_state[BOX] = tuple(round(float(edge), DIGITS) for edge in edges) if edges else None


def clear() -> None:
    """Another picture: nothing is chosen of it."""
    choose(None)


def detector() -> str:
    return st.session_state.get(DETECTOR, OFF)


def always() -> bool:
    """Whether the main subject of every query is searched with, unless a part of it was chosen."""
    return bool(st.session_state.get(ALWAYS)) and detector() != OFF


def changed() -> None:
    """Another detector, or ``always``: then the main subject is what it finds."""
    if always():
        clear()


def heal() -> None:
    """A detector that was chosen may be gone."""
    if detector() not in [row["name"] for row in cached.detector_rows()]:
        st.session_state[DETECTOR] = first()


def _detector(text: str) -> str:
    known = [row["name"] for row in cached.detector_rows()]
    if text in known:
        return text
    wrong = f"There is no detector named {short(text)!r}. Known: {', '.join(known)}."
    raise Refused(first(), wrong)


def _box(text: str) -> Edges | None:
    edges, remark = read(text)
    if remark:
        raise Refused(edges, remark)
    return edges


def read(text: str) -> tuple[Edges | None, str]:
    """``0.1,0.2,0.5,0.75`` -> edges inside the picture and an empty remark; else None and why."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
        settled, remark = subject.settled(
            Query(box=tuple(round(number, DIGITS) for number in numbers))
        )
    except (ValueError, OverflowError, UserError):
        return None, f"The link's box {short(text)!r} can't be read: {NO_BOX}. {subject.WHOLE}"
    return settled.box, short(remark, 160)


PARAMS = (
    Param("subject", DETECTOR, Kind(_detector), first),
    Param("always", ALWAYS, FLAG, False, get=always),
    Param(
        "box",
        kind=Kind(_box, box_words),
        default=None,
        get=lambda: kept() if always() else box(),
        put=choose,
    ),
)
"""In a link only what was chosen; the whole picture only if a subject were searched with."""
