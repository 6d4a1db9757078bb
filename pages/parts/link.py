"""The view of Compare and its link: each restores the other. A forged link gives a remark and the
default, never an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from core.services.naming import split_names
from pages.parts import builds, crop, given, part, why
from pages.parts.encoder_names import meant
from pages.parts.words import short

DATASET, ENCODERS, INDEX, K = "keep_dataset", "keep_encoders", "keep_index", "keep_k"
QUERY, TRAIL, LINK, REMARKS = "query", "trail", "link", "remarks"
SIZE, HIDDEN, PINNED, WISH = "board_size", "board_hidden", "board_pinned", "board_wish"
SIZES, FIRST_SIZE = ("S", "M", "L"), "M"
EXAMPLE_TIMM = "convnext_nano.in12k_ft_in1k"
MAX_TRAIL = 50
PARAMS = (
    "dataset",
    "query",
    "encoders",
    "index",
    "k",
    part.PARAM,
    "size",
    "hide",
    "pin",
    *crop.PARAMS,
    why.PARAM,
)


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a link holds. ``query`` is ``item:<id>`` or ``up:<token>``; ``where`` the
    part that is searched; ``size`` that of the pictures; of the encoders some may be ``hidden`` and
    one ``pinned`` at the left; ``box`` is the part of the query that is searched with."""

    dataset: str
    query: str
    encoders: tuple[str, ...]
    index: str
    k: int
    where: tuple[str, ...] = ()
    size: str = FIRST_SIZE
    hidden: tuple[str, ...] = ()
    pinned: str = ""
    box: crop.Edges | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """The encoders that have a column, in the order of the columns."""
        left = [name for name in self.encoders if name not in self.hidden]
        return tuple(sorted(left, key=lambda name: name != self.pinned))


def restore() -> None:
    """Put a link that was opened (or gone back to) into the session; keep what is there where there
    is no link.

    Without a link a page opens with what this session has just built, where the view does not hold
    that already.
    """
    params = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    if not params:
        params = _not_shown(builds.just_built())
    if DATASET in st.session_state and (not params or params == st.session_state.get(LINK)):
        _rearrange()
        return _heal()
    remarks: list[str] = []
    st.session_state[DATASET] = given.dataset(params, remarks)
    st.session_state[ENCODERS] = given.encoders(params, st.session_state[DATASET], remarks)
    st.session_state[INDEX] = given.index(params, remarks)
    st.session_state[K] = given.k(params, remarks)
    part.restore(params, st.session_state[DATASET], remarks)
    st.session_state[QUERY] = given.query(params, st.session_state[DATASET], remarks)
    crop.restore(params, remarks)
    why.restore(params, st.session_state[DATASET], st.session_state[ENCODERS], remarks)
    _look(params, remarks)
    st.session_state.setdefault(TRAIL, [])
    st.session_state[REMARKS] = remarks
    st.session_state.pop(WISH, None)


def _not_shown(built: Mapping[str, str]) -> dict[str, str]:
    """``built`` where the view lacks any of it; a query that suits the data set stays."""
    state = st.session_state
    if not built or built["dataset"] not in given.ready():
        return {}
    same = state.get(DATASET) == built["dataset"]
    if same and set(built["encoders"].split(",")) <= set(state[ENCODERS]):
        return {}
    query = state.get(QUERY, "")
    kept = {"query": query} if query.startswith("up:") or (same and query) else {}
    return {**built, **kept, **({"k": str(state[K])} if K in state else {})}


def _heal() -> None:
    """What was chosen may be gone: a data set removed on the Library page, a name typed that
    nothing answers to."""
    state, remarks = st.session_state, []
    if state[DATASET] not in given.ready():
        state[DATASET] = given.dataset({"dataset": state[DATASET]}, remarks)
        dataset_changed()
    named = {"encoders": ",".join(meant(state[ENCODERS]))}
    chosen = given.encoders(named, state[DATASET], remarks) if state[ENCODERS] else []
    if chosen != list(state[ENCODERS]):
        state[ENCODERS] = chosen
    state[INDEX] = given.index({"index": state[INDEX]}, remarks)
    part.heal(state[DATASET])
    crop.heal()
    if remarks:
        state[REMARKS] = remarks


def current() -> View:
    """The view as it is now."""
    state = st.session_state
    chosen = tuple(state[ENCODERS])
    hidden = tuple(name for name in chosen if name in state[HIDDEN])
    pinned = state[PINNED] if state[PINNED] in chosen else ""
    return View(
        state[DATASET],
        state[QUERY],
        chosen,
        state[INDEX],
        int(state[K]),
        part.where(),
        state[SIZE],
        hidden if len(hidden) < len(chosen) else (),
        pinned,
        crop.box(),
    )


def written(view: View) -> dict[str, str]:
    """A view as parameters of a link: a part of the gallery and the looks of the board only where
    they were chosen. What is Compare's alone, the box of the query, :func:`publish` adds."""
    params = {
        "dataset": given.public_name(view.dataset),
        "query": view.query,
        "encoders": ",".join(view.encoders),
        "index": view.index,
        "k": str(view.k),
    }
    size = "" if view.size == FIRST_SIZE else view.size
    chosen = {
        part.PARAM: "".join(view.where),
        "size": size,
        "hide": ",".join(view.hidden),
        "pin": view.pinned,
    }
    return params | {name: value for name, value in chosen.items() if value}


def wish(action: str) -> bool:
    """Note what the board asks of the view (``size:L``, ``hide:NAME``, ``show:NAME``, ``pin:NAME``,
    ``order:NAME,NAME``) for the next run: the list of encoders has been drawn in this one. Returns
    whether it was such a wish.
    """
    verb = action.partition(":")[0]
    if verb in _WISHES:
        st.session_state[WISH] = [*st.session_state.get(WISH, []), action]
    return verb in _WISHES


def _rearrange() -> None:
    for action in st.session_state.pop(WISH, []):
        verb, _, value = action.partition(":")
        _WISHES[verb](value)


def _order(names: str) -> None:
    """The columns in this order, those that are hidden after them."""
    state, wanted = st.session_state, split_names(names)
    state[ENCODERS] = sorted(
        state[ENCODERS], key=lambda name: wanted.index(name) if name in wanted else len(wanted)
    )
    if wanted and wanted[0] != state[PINNED]:
        state[PINNED] = ""


def _resize(size: str) -> None:
    st.session_state[SIZE] = size if size in SIZES else FIRST_SIZE


def _hide(name: str) -> None:
    st.session_state[HIDDEN] = [*st.session_state[HIDDEN], name]


def _show(name: str) -> None:
    st.session_state[HIDDEN] = [one for one in st.session_state[HIDDEN] if one != name]


def _pin(name: str) -> None:
    st.session_state[PINNED] = name


_WISHES = {"order": _order, "size": _resize, "hide": _hide, "show": _show, "pin": _pin}


def _look(params: Mapping[str, str], remarks: list[str]) -> None:
    """Size, hidden and pinned columns of a link."""
    state, size = st.session_state, params.get("size", FIRST_SIZE)
    if size not in SIZES:
        remarks.append(
            f"Pictures are shown in the sizes {', '.join(SIZES)}; the link asks for"
            f" {short(size, 20)}."
        )
    _resize(size)
    state[HIDDEN] = [
        name for name in split_names(params.get("hide", "")) if name in state[ENCODERS]
    ]
    state[PINNED] = params.get("pin", "") if params.get("pin", "") in state[ENCODERS] else ""


def publish() -> View:
    """The view as it is now; the address bar is made to say it."""
    state, view = st.session_state, current()
    params = written(view) | crop.written() | why.written()
    if params != {name: st.query_params[name] for name in PARAMS if name in st.query_params}:
        st.query_params.from_dict(params)
    state[LINK] = params
    return view


def ask(query: str) -> None:
    """Make ``query`` the next one, all of it, and remember the last for Back."""
    state = st.session_state
    if query != state[QUERY]:
        state[TRAIL] = [*state[TRAIL], (state[DATASET], state[QUERY], crop.kept())][-MAX_TRAIL:]
        state[QUERY] = query
    crop.clear()
    why.clear()
    state[REMARKS] = []


def back() -> None:
    """Return to the query before, and to the data set that it was asked in."""
    state = st.session_state
    if state[TRAIL]:
        *state[TRAIL], (state[DATASET], state[QUERY], box) = state[TRAIL]
        crop.choose(box)
        why.clear()


def dataset_changed() -> None:
    """Another data set opens with its own encoders. A picture of the old one is no query in it; an
    uploaded one still is."""
    state = st.session_state
    state[ENCODERS] = given.opening(state[DATASET])
    if state[QUERY].startswith("item:"):
        state[QUERY] = given.first_query(state[DATASET])
        crop.clear()
    state[TRAIL] = []
    why.clear()
    part.clear()
