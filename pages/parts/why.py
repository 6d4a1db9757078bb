"""Why a hit was found: the explanation that is open beside a hit, kept in the session and in the
link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import UserError
from pages.parts import cached, why_data
from pages.parts.guard import guarded
from pages.parts.words import short

if TYPE_CHECKING:
    from pages.parts.answers import Gathered
    from pages.parts.link import View

PARAM = "why"
OPEN, OUTCOMES, RESTORED = "why_open", "why_outcomes", "why_restored"
MAX_OUTCOMES = 40
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
    st.session_state[OPEN] = str(st.session_state[key]["why"] or "")


def clear() -> None:
    """Another query, or another gallery: nothing of it is explained yet."""
    st.session_state[OPEN] = ""


def written() -> dict[str, str]:
    """The parameter of a link: only where an explanation is open."""
    asked = read(st.session_state.get(OPEN, ""))
    return {PARAM: asked.text} if asked else {}


def restore(
    params: Mapping[str, str], locator: str, encoders: list[str], remarks: list[str]
) -> None:
    """Put a link's explanation into the session; one of a hit or a column that is not there gives a
    remark."""
    clear()
    if not (given := params.get(PARAM, "")):
        return
    asked = read(given)
    if asked and asked.encoder in encoders and asked.hit in cached.dataset(locator).rows:
        st.session_state[OPEN] = asked.text
        return
    remarks.append(f"The link explains {short(given)!r}, which is not shown here.")


def sent(view: View) -> dict:
    """What the board gets: the explanation that is ``open``, what is ``known`` of it, and what the
    buttons say."""
    asked = read(st.session_state.get(OPEN, ""))
    known = _outcomes().get(_key(view, asked)) if asked else None
    return {"open": asked.text if asked else "", "known": known}


def work(view: View, found: Gathered) -> bool:
    """Make the explanation that is open, once the encoder has answered; whether there is a new
    one."""
    asked = read(st.session_state.get(OPEN, ""))
    if asked is None or asked.encoder not in found.answers or _key(view, asked) in _outcomes():
        return False
    try:
        made = guarded(lambda: _explained(view, asked), asked.encoder)
    except UserError as error:
        made = {
            "key": asked.text,
            "failed": error.given,
            "message": " ".join(part for part in (error.allowed, error.fix) if part),
        }
    known = _outcomes()
    known[_key(view, asked)] = made
    while len(known) > MAX_OUTCOMES:
        known.pop(next(iter(known)))
    return True


def _explained(view: View, asked: Asked) -> dict:
    version = cached.version(view.dataset)
    explained, methods = cached.explanation(
        view.dataset,
        version,
        view.query,
        asked.encoder,
        asked.hit,
        asked.method,
        view.index,
        view.box,
    )
    return {"key": asked.text, **why_data.plain(explained, methods)}


def _outcomes() -> dict:
    return st.session_state.setdefault(OUTCOMES, {})


def _key(view: View, asked: Asked) -> tuple:
    version = cached.version(view.dataset)
    return view.dataset, version, view.query, view.box, view.index, asked.text
