"""Why a hit was found: made when the board stands, kept for the session, and sent to the board."""

import streamlit as st

from core.errors import UserError
from core.services.search.result import SearchResult
from core.services.search.together import TOGETHER
from pages.parts import cached, link, why, why_data
from pages.parts.answers import Gathered
from pages.parts.beside import ALONE
from pages.parts.guard import guarded
from pages.parts.link import View

OUTCOMES = "why_outcomes"
MAX_OUTCOMES = 40
_GONE = "The picture that the link explains is not among the hits shown."
_BESIDE = "Explained for the query's picture alone, without what is asked with beside it."


def sent(view: View) -> dict:
    """What the board gets: the explanation that is ``open``, what is ``known`` of it, and what the
    buttons say."""
    asked = why.now()
    known = _outcomes().get(_key(view, asked)) if asked else None
    return {"open": asked.text if asked else "", "known": known}


def work(view: View, found: Gathered) -> bool:
    """Make the explanation that is open, once the encoder has answered; whether there is a new
    one."""
    asked = why.now()
    answer = _answer(found, asked)
    if asked is None or answer is None:
        return False
    if all(asked.hit != hit.id for hit in answer.hits):
        st.session_state[link.REMARKS] = [_GONE]
        why.clear()
        return True
    if _key(view, asked) in _outcomes():
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


def _answer(found: Gathered, asked: why.Asked | None) -> SearchResult | None:
    """The list that the explained hit stands in; None while it is still to come."""
    if asked is None:
        return None
    return found.together if asked.encoder == TOGETHER else found.answers.get(asked.encoder)


def _explained(view: View, asked: why.Asked) -> dict:
    if asked.encoder == TOGETHER:
        raise UserError(
            "The encoders found this together: it has no reason of its own.",
            fix="Open the picture in the column of one of them, which says why.",
        )
    if view.asked.words_alone:
        raise UserError(
            "The query is words, not a picture: regions can't be matched.",
            fix="Ask with a picture to see why a hit was found.",
        )
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
        view.reranker(asked.encoder),
    )
    told = {"key": asked.text, **why_data.plain(explained, methods)}
    if view.asked != ALONE:
        told["remarks"] = [_BESIDE, *told["remarks"]]
    return told


def _outcomes() -> dict:
    return st.session_state.setdefault(OUTCOMES, {})


def _key(view: View, asked: why.Asked) -> tuple:
    version = cached.version(view.dataset)
    ways = view.box, view.asked, view.index, view.reranker(asked.encoder)
    return view.dataset, version, view.query, *ways, asked.text
