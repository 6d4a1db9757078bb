"""The view of Compare and its link: each restores the other; a forged one gives defaults."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import streamlit as st

from core.services.library import compared
from core.services.search.together import TOGETHER
from core.services.specs import split_names
from pages.parts import agreement, builds, crop, given, part, refine, second, url_state, why
from pages.parts.beside import ALONE, Beside
from pages.parts.encoder_names import meant
from pages.parts.given import DATASET
from pages.parts.url_state import Kind, Param, Params, Refused
from pages.parts.words import short

ENCODERS, INDEX, K = second.ENCODERS, "keep_index", "keep_k"
QUERY, TRAIL, LINK, REMARKS = "query", "trail", "link", "remarks"
HIDDEN, PINNED = second.HIDDEN, second.PINNED
SIZE, WISH = "board_size", "board_wish"
COMPARED = "compared"
"""Data sets that this session has compared encoders on."""
SIZES, FIRST_SIZE = ("S", "M", "L"), "M"
EXAMPLE_TIMM = "convnext_nano.in12k_ft_in1k"
MAX_TRAIL = 50


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a link holds. ``query`` is ``item:<id>`` or ``up:<token>``; ``where`` the
    part that is searched; ``size`` that of the pictures; of the encoders some may be ``hidden`` and
    one ``pinned`` at the left; ``box`` is the part of the query that is searched with, and
    ``asked`` what is asked with beside it; ``rerank`` are (encoder, re-ranker), ``together`` is how
    the columns are joined, with a weight for each of ``encoders``."""

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
    asked: Beside = ALONE
    rerank: tuple[tuple[str, str], ...] = ()
    together: str = ""
    weights: tuple[float, ...] = ()

    @property
    def most(self) -> int:
        """How many hits a column shows at most."""
        return self.k if self.asked.threshold is None else refine.MAX_REACHED

    @property
    def shown(self) -> tuple[str, ...]:
        """The encoders that have a column, in the order of the columns."""
        left = [name for name in self.encoders if name not in self.hidden]
        return tuple(sorted(left, key=lambda name: name != self.pinned))

    def reranker(self, encoder: str) -> str:
        """What gives this encoder's first hits a new order; empty: nothing does."""
        return dict(self.rerank).get(encoder, "")


def restore(own: Collection[str] = ()) -> None:
    """Put a link that was opened (or gone back to) into the session; keep what is there where there
    is no link. ``own``: parameters that mean something else on this page.

    Without a link a page opens with what this session has just built, where the view does not hold
    that already.
    """
    here = PARAMS.but(own)
    params = here.given() or _not_shown(builds.just_built())
    if DATASET in st.session_state and (not params or params == st.session_state.get(LINK)):
        _rearrange()
        _heal()
        return refine.settle()
    remarks: list[str] = []
    here.take(params, remarks)
    refine.settle()
    for one in PARAMS:
        if one.name in own:  # stays as it was on Compare
            one.keep(one.value)
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
    nothing answers to, a picture that was deleted or is no longer shared."""
    state, remarks = st.session_state, []
    if state[DATASET] not in given.ready():
        state[DATASET] = PARAMS["dataset"].read(state[DATASET], remarks)
        dataset_changed()
    named = ",".join(meant(state[ENCODERS]))
    chosen = PARAMS["encoders"].read(named, remarks) if state[ENCODERS] else []
    if chosen != list(state[ENCODERS]):
        state[ENCODERS] = chosen
    url_state.put(INDEX, PARAMS["index"].read(state[INDEX], remarks))
    if (query := PARAMS["query"].read(state[QUERY], remarks)) != state[QUERY]:
        state[QUERY] = query
        crop.clear()
        why.clear()
    part.heal(state[DATASET])
    crop.heal()
    refine.heal(state[DATASET])
    if remarks:
        state[REMARKS] = remarks


def current() -> View:
    """The view as it is now."""
    state = st.session_state
    chosen = tuple(state[ENCODERS])
    return View(
        state[DATASET],
        state[QUERY],
        chosen,
        state[INDEX],
        int(state[K]),
        part.where(),
        state[SIZE],
        _hidden(),
        _pinned(),
        crop.box(),
        refine.now(),
        second.rerankers(chosen),
        second.method() if len(chosen) > 1 else "",
        second.weights(chosen),
    )


def _hidden() -> tuple[str, ...]:
    """The encoders without a column; none where they all would be."""
    chosen, hidden = st.session_state[ENCODERS], st.session_state[HIDDEN]
    found = tuple(name for name in chosen if name in hidden) if hidden else ()
    return found if len(found) < len(chosen) else ()


def _pinned() -> str:
    """The encoder whose column is the first, where one was made that."""
    pinned = st.session_state[PINNED]
    return pinned if pinned in st.session_state[ENCODERS] else ""


def written(own: Collection[str]) -> dict[str, str]:
    """The view as parameters in the link of a page that has parameters of its ``own``; what is
    Compare's alone, the box of the query, what is asked with beside it and the explanation that
    is open, is left out."""
    alone = {one.name for one in (*crop.PARAMS, *refine.PARAMS, *second.PARAMS, why.PARAM)}
    return PARAMS.but({*own, *alone}).written()


def wish(action: str) -> bool:
    """Note what the board asks of the view (``size:L``, ``hide:NAME``, ``show:NAME``, ``pin:NAME``,
    ``order:NAME,NAME``, ``rerank:NAME~RERANKER``, ``rematch:NAME~NAME``) for the next run: the list
    of encoders has been drawn in this one. Returns whether it was such a wish.
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
    if name == TOGETHER:
        return second.leave()
    st.session_state[HIDDEN] = [*st.session_state[HIDDEN], name]


def _show(name: str) -> None:
    st.session_state[HIDDEN] = [one for one in st.session_state[HIDDEN] if one != name]


def _pin(name: str) -> None:
    st.session_state[PINNED] = name


_WISHES = {
    "order": _order,
    "size": _resize,
    "hide": _hide,
    "show": _show,
    "pin": _pin,
    "rerank": second.choose,
    "rematch": second.rematch,
}


def _size(text: str) -> str:
    if text in SIZES:
        return text
    sizes = f"Pictures are shown in the sizes {', '.join(SIZES)}"
    raise Refused(FIRST_SIZE, f"{sizes}; the link asks for {short(text, 20)}.")


def _columns(text: str) -> list[str]:
    """Names of a link that are among the columns."""
    named, chosen = split_names(text), st.session_state[ENCODERS]
    kept = [name for name in named if name in chosen]
    if gone := [name for name in named if name not in chosen]:
        raise Refused(kept, f"There is no column of {short(', '.join(gone))}. Left out.")
    return kept


def _column(text: str) -> str:
    try:
        return "".join(_columns(text)[:1])
    except Refused as error:
        raise Refused("", *error.remarks) from error


PARAMS = Params(
    (
        Param("dataset", DATASET, Kind(given.dataset, given.link_name), given.FIRST_DATASET, True),
        Param("encoders", ENCODERS, Kind(given.encoders, ",".join), given.usual, True),
        Param("index", INDEX, Kind(given.index), given.FIRST_INDEX, True),
        Param("k", K, Kind(given.k), given.FIRST_K, True),
        part.PARAM,
        Param("query", QUERY, Kind(given.query), given.example, True),
        *crop.PARAMS,
        *refine.PARAMS,
        *second.PARAMS,
        why.PARAM,
        Param("size", SIZE, Kind(_size), FIRST_SIZE),
        Param("hide", HIDDEN, Kind(_columns, ",".join), list, get=_hidden),
        Param("pin", PINNED, Kind(_column), get=_pinned),
        agreement.PARAM,
    )
)


def publish() -> View:
    """The view as it is now; the address bar is made to say it."""
    state, params = st.session_state, PARAMS.written()
    url_state.publish(params)
    state[LINK] = params
    if state[DATASET] not in state.setdefault(COMPARED, set()):
        state[COMPARED].add(state[DATASET])
        compared.note(state[DATASET])
    return current()


def to(page: str, **params: str) -> None:
    """Open another page; ``dataset`` is a locator."""
    if "dataset" in params:
        params["dataset"] = given.link_name(params["dataset"])
    url_state.go(f"pages/{page}.py", params)


def ask(query: str) -> None:
    """Make ``query`` the next one, all of it, and remember the last for Back."""
    state = st.session_state
    if query != state[QUERY]:
        last = state[DATASET], state[QUERY], crop.kept(), refine.held()
        state[TRAIL] = [*state[TRAIL], last][-MAX_TRAIL:]
        state[QUERY] = query
    crop.clear()
    why.clear()
    refine.forget()
    state[REMARKS] = []


def back() -> None:
    """Return to the query before, and to the data set that it was asked in."""
    state = st.session_state
    if state[TRAIL]:
        *state[TRAIL], (state[DATASET], state[QUERY], box, asked) = state[TRAIL]
        crop.choose(box)
        why.clear()
        refine.put(asked)


def dataset_changed() -> None:
    """Another data set opens with its own encoders; an uploaded query stays."""
    state = st.session_state
    state[ENCODERS] = given.opening(state[DATASET])
    if state[QUERY].startswith("item:"):
        state[QUERY] = given.first_query(state[DATASET])
        crop.clear()
    state[TRAIL] = []
    why.clear()
    part.clear()
    refine.forget()
