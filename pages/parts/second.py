"""The second look on Compare: re-rankers, and columns as one; kept in session and link."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services.search import looking, together
from core.services.specs import split_names
from pages.parts import cached, palette
from pages.parts.url_state import Kind, Param, Refused, choice
from pages.parts.words import short

ENCODERS, HIDDEN, PINNED = "keep_encoders", "board_hidden", "board_pinned"
RERANK, TOGETHER, WEIGHT = "board_rerank", "keep_together", "keep_weight_"
JOINT = "~"
"""Stands between an encoder and its re-ranker in a link: ``hog.8x8~geometric``."""
OFF = ""
MAX_WEIGHT = 2.0
_MATCHED = (
    "How the nearest descriptors are found: brute force compares all of them, FLANN looks in k-d"
    " trees and may miss some. Columns of both: add the other one's name to the encoders."
)


def _chosen() -> list[str]:
    """The encoders of the page."""
    return list(st.session_state.get(ENCODERS, []))


def _rerankers(text: str) -> dict[str, str]:
    found, remarks = {}, []
    for pair in split_names(text):
        encoder, _, name = pair.rpartition(JOINT)
        try:
            spelt = looking.spelt(name)
        except UserError as error:
            remarks.append(f"{short(error.given, 80)} {short(error.allowed, 160)}")
            continue
        if encoder in _chosen() and spelt != looking.NONE:
            found[encoder] = spelt
    if remarks:
        raise Refused(found, *remarks)
    return found


def _weights(text: str) -> tuple[float, ...]:
    found = tuple(float(one) for one in split_names(text))
    if len(found) != len(_chosen()) or not all(0 <= one <= MAX_WEIGHT for one in found):
        raise ValueError(text)
    return found


def _put_weights(found: tuple[float, ...] | None) -> None:
    for name, weight in zip(_chosen(), found or [1.0] * len(_chosen()), strict=True):
        st.session_state[WEIGHT + name] = weight


def _get_weights() -> tuple[float, ...] | None:
    """None where nothing is joined, or all count alike."""
    each = weights(_chosen())
    return each if method() and set(each) != {1.0} else None


def rerankers(chosen: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The re-ranker of each encoder that has one."""
    known = st.session_state.get(RERANK, {})
    return tuple((name, known[name]) for name in chosen if name in known)


def method() -> str:
    """How the columns are joined; empty: they are not."""
    return st.session_state.get(TOGETHER, OFF)


def weights(chosen: Sequence[str]) -> tuple[float, ...]:
    """The weight of each encoder."""
    return tuple(float(st.session_state.get(WEIGHT + name, 1.0)) for name in chosen)


def choose(action: str) -> None:
    """``hog.8x8~geometric``, as a column's menu asks; ``none`` is no re-ranker."""
    encoder, _, name = action.rpartition(JOINT)
    known = {one: by for one, by in st.session_state.get(RERANK, {}).items() if one != encoder}
    if name in looking.reranker_names() and name != looking.NONE:
        known[encoder] = name
    st.session_state[RERANK] = known


def rematch(action: str) -> None:
    """``sift.match~sift.match:matcher=flann``, as a column's menu asks: the same encoder with
    another way to match key points, in the same place."""
    old, _, new = action.rpartition(JOINT)
    state = st.session_state
    known = [name for name, _ in (cached.encoder_row(old) or {}).get("matchers", [])]
    if new not in known or new in state[ENCODERS]:
        return
    for key in (ENCODERS, HIDDEN):
        state[key] = [new if name == old else name for name in state[key]]
    state[PINNED] = new if state[PINNED] == old else state[PINNED]
    state[WEIGHT + new] = state.get(WEIGHT + old, 1.0)


def leave() -> None:
    """The column of all encoders is hidden: they are no longer joined."""
    st.session_state[TOGETHER] = OFF


def menu(name: str) -> dict:
    """The re-rankers of a column's menu; for an encoder that matches key points, and can't be
    re-ranked, the ways to match them that no other column has."""
    row = cached.encoder_row(name) or {}
    if not row.get("reranks", True):
        free = [one for one in row["matchers"] if one[0] == name or one[0] not in _chosen()]
        return {"matcher": {"now": name, "choices": [[*one, _MATCHED] for one in free]}}
    now = st.session_state.get(RERANK, {}).get(name, looking.NONE)
    rows = [[row["name"], row["title"], row["about"]] for row in looking.reranker_rows()]
    return {"rerank": {"now": now, "choices": rows}}


def control(chosen: Sequence[str]) -> None:
    """Whether, how and with what weights the columns are joined."""
    if len(chosen) < 2:
        return
    st.session_state.setdefault(TOGETHER, OFF)
    st.selectbox(
        "Together",
        [OFF, *together.METHODS],
        key=TOGETHER,
        format_func=lambda name: together.METHODS.get(name, "Off"),
        help=(
            "One more column: the hits of all encoders as one list. Reciprocal rank fusion adds"
            " 1 / (60 + rank); CombSUM adds scores, each on its encoder's own scale from random"
            " pairs (0) to true neighbours (1); CombMNZ multiplies that by the number of encoders"
            " that found the picture."
        ),
    )
    if not method():
        return
    with st.expander("Weights"):
        for name in chosen:
            st.session_state.setdefault(WEIGHT + name, 1.0)
            st.slider(palette.title(name), 0.0, MAX_WEIGHT, step=0.1, key=WEIGHT + name)


PARAMS = (
    Param(
        "rerank",
        RERANK,
        Kind(_rerankers, lambda found: ",".join(f"{one}{JOINT}{by}" for one, by in found.items())),
        dict,
        get=lambda: dict(rerankers(_chosen())),
    ),
    Param("together", TOGETHER, choice(OFF, *together.METHODS), OFF),
    Param(
        "weights",
        kind=Kind(_weights, lambda each: ",".join(f"{one:g}" for one in each)),
        default=None,
        get=_get_weights,
        put=_put_weights,
    ),
)
