"""Which hit is explained beside the query, and how: kept in the session and in the link."""

from dataclasses import dataclass

import streamlit as st

from core.services.search.together import TOGETHER
from pages.parts import cached
from pages.parts.given import DATASET
from pages.parts.url_state import Kind, Param, Refused
from pages.parts.words import short

OPEN = "why_open"
MARK = "|"


@dataclass(frozen=True, slots=True)
class Asked:
    """A hit of an encoder, and the method that explains it; empty: the encoder's own."""

    method: str
    encoder: str
    hit: str

    @property
    def text(self) -> str:
        return MARK.join((self.method, self.encoder, self.hit))


def read(text: str) -> Asked | None:
    """``method|encoder|hit``; None where nothing is asked."""
    parts = text.split(MARK, 2)
    return Asked(*parts) if len(parts) == 3 and parts[1] and parts[2] else None


def remember(key: str) -> None:
    """Called before the page runs, when an explanation is opened, changed or closed."""
    asked = read(str(st.session_state[key]["why"] or ""))
    st.session_state[OPEN] = asked.text if asked else ""


def now() -> Asked | None:
    """What is explained now; None where nothing is."""
    return read(st.session_state.get(OPEN, ""))


def clear() -> None:
    """Another query, or another gallery: nothing of it is explained yet."""
    st.session_state[OPEN] = ""


def _read(text: str) -> str:
    """A link's explanation, where its column and its hit are there."""
    asked, state = read(text), st.session_state
    there = asked is not None and asked.encoder in (*state["keep_encoders"], TOGETHER)
    if there and asked.hit in cached.dataset(state[DATASET]).rows:
        return asked.text
    raise Refused("", f"The link explains {short(text)!r}, which is not shown here.")


PARAM = Param("why", OPEN, Kind(_read))
