"""What Streamlit has no widget for: the compare board, the query picture, a picture grid, copy
link, the figures of a page as files.

Each is a ``st.components.v2`` component: a function of its data, no iframe, no network. What comes
from people (names, messages) is sent as data and only ever set as text.

Data with lists go as the one entry of a list: of each value of a dictionary Streamlit asks whether
it is a table, and imports pandas and Arrow for that, half a second before the first board.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from pages.parts import press

WEB = Path(__file__).parent / "web"


def _read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


BOARD_FILES = ("mark", "heard", "board_parts", "why_parts", "why", "board_over", "board")
BOARD_JS = "\n".join(_read(f"{name}.js") for name in BOARD_FILES)
_board = st.components.v2.component(
    "lookalike_board",
    css="".join(map(_read, ("board.css", "board_over.css", "why.css"))),
    js=BOARD_JS,
)
QUERY_CSS = "".join(map(_read, ("button.css", "query.css", "frames.css")))
QUERY_JS = "\n".join(map(_read, ("frames.js", "query.js")))
_query = st.components.v2.component("lookalike_query", css=QUERY_CSS, js=QUERY_JS)
_found = st.components.v2.component("lookalike_found", js=_read("found.js"))
_grid = st.components.v2.component(
    "lookalike_grid",
    css=_read("grid.css"),
    js=_read("heard.js") + _read("grid.js"),
    isolate_styles=False,
)
"""Not isolated: a dialog's keyboard passes over what lies in a shadow root."""
_copy = st.components.v2.component("lookalike_copy", css=_read("button.css"), js=_read("copy.js"))

_menu = st.components.v2.component("lookalike_menu", js=_read("menu.js"))
_top = st.components.v2.component("lookalike_top", js=_read("top.js"))

_stepper = st.components.v2.component(
    "lookalike_stepper", css=_read("stepper.css"), js=_read("stepper.js")
)

FIGURES_FILES = ("figures_read", "figures_forms", "figures_draw", "figures")
_figures = st.components.v2.component(
    "lookalike_figures",
    css=_read("button.css") + _read("figures.css"),
    js="\n".join(_read(f"{name}.js") for name in FIGURES_FILES),
)


def folding_menu() -> None:
    """The menu, which lies over the page of a phone, goes away when something of it was chosen; and
    a page whose theme changed is drawn again in its colours."""
    _menu(key="folding_menu", data=None, on_themed_change=_nothing)


def from_the_top(view: str) -> None:
    """Where the page shows another view than before, it is seen from its top; ``view`` tells one
    from another."""
    _top(key="from_the_top", data={"view": view})


def _nothing() -> None:
    """A trigger needs a callback to be known; the value is read from the result instead."""


def board(
    columns: Sequence[dict],
    pictures: dict[str, str],
    rows: int,
    key: str,
    *,
    on_opened: Callable[[], None] | None = None,
    on_why: Callable[[], None] | None = None,
    **more: object,
) -> tuple[str | None, list[str]]:
    """Draw all columns of a comparison.

    Args:
        columns: one dict an encoder, as :func:`pages.parts.columns.done` makes them.
        pictures: item id -> data URI; sent once even where several columns show the same picture.
        rows: how many places a column that is still working keeps.
        on_opened: called when a hit is opened large; its id is ``st.session_state[key]["opened"]``.
        on_why: the same for an explanation, opened or closed: ``["why"]``, see :mod:`.why`.
        more: ``tools`` (sizes, menus, keys and a hit opened large; without them a click searches),
            ``look`` (``size``, ``pinned``, ``hidden``), ``query`` (``key``, ``title``, ``uri``),
            ``detail`` (as :mod:`pages.parts.detail` makes it), ``why`` (as :mod:`pages.parts.why`).

    Returns:
        The item id to search with, None where none was chosen since the page came here last; and
        every ``"action:encoder"`` that was pressed since.
    """
    plain = {
        "tools": False,
        "look": {"size": "M", "pinned": "", "hidden": []},
        "query": None,
        "detail": None,
        "why": {"open": "", "known": None},
    }
    data = {
        **plain,
        **more,
        "columns": list(columns),
        "pictures": pictures,
        "rows": rows,
        "at": time.time(),
        "heard": press.heard(key),
    }
    _board(
        key=key,
        data=[data],
        on_picked_change=press.noting_each(key, "picked"),
        on_acted_change=press.noting_each(key, "acted"),
        on_opened_change=on_opened or _nothing,
        on_why_change=on_why or _nothing,
    )
    picked, acted = press.each(key, "picked"), press.each(key, "acted")
    return (picked or [None])[-1], acted


def query_picture(
    uri: str,
    title: str,
    detail: str,
    types: Sequence[str],
    key: str,
    turn: int = 0,
    subject: dict | None = None,
    on_given: Callable[[], None] = _nothing,
    on_boxed: Callable[[], None] | None = None,
) -> None:
    """The query, large: a picture can be dropped on it, pasted anywhere on the page, or chosen by a
    click.

    Args:
        uri: the picture as a data URI; ``title`` and ``detail`` stand under it.
        types: endings of files that may be chosen, as ``.png``.
        turn: another number takes away what the component last said.
        subject: as :class:`pages.parts.subject.Subject` makes it: found boxes and the one that is
            searched with, which can be drawn, moved and resized; ``on_boxed`` is called with each
            choice in ``st.session_state[key]["boxed"]``.
        on_given: called, before the page runs, with a data URL of the file given, or ``item:<id>``
            of a hit that was dragged here, in ``st.session_state[key]["given"]``.
    """
    data = {
        "uri": uri,
        "title": title,
        "detail": detail,
        "types": list(types),
        "turn": turn,
        "subject": subject,
    }
    _query(key=key, data=[data], on_given_change=on_given, on_boxed_change=on_boxed or _nothing)


def found_subject(subject: dict, key: str) -> None:
    """Tell :func:`query_picture` of the page what was found of its subject after it was drawn;
    nothing is seen of this itself."""
    _found(key=key, data=subject)


def picture_grid(
    items: Sequence[dict], label: str, key: str, side: int = 96, selected: str | None = None
) -> str | None:
    """Thumbnails to choose one from, as :func:`pictures_picked`. Returns the id clicked last."""
    return (pictures_picked(items, label, key, side, selected) or [None])[-1]


def pictures_picked(
    items: Sequence[dict], label: str, key: str, side: int = 96, selected: str | None = None
) -> list[str]:
    """Thumbnails that are clicked; each item has ``id``, ``uri``, ``alt`` and may have ``caption``,
    ``rank`` and ``badge`` (words over the picture), ``mark`` (``ghost``, ``lost``, ``extra``,
    ``query``: its look) and ``below`` (another item that stays under it, however the grid wraps);
    ``blank`` ones are empty places. A caption of several lines wraps, one of a single line is cut.

    Returns the ids clicked since the page came here last, in their order.
    """
    data = {"items": list(items), "label": label, "side": side, "selected": selected}
    data["heard"] = press.heard(key)
    _grid(key=key, data=[data], on_picked_change=press.noting_each(key, "picked"))
    return press.each(key, "picked")


def stepper(key: str, at: int, count: int, show: str) -> int | None:
    """The keys and buttons that step through a talk, which shows scene ``at`` of ``count``, from 0.
    ``show`` tells this show from another one. Returns the scene to go to, -1 for the end of the
    show; None where nothing was pressed."""
    data = {"at": at, "count": count, "show": show}
    _stepper(key=key, data=data, on_to_change=press.noting(key, "to", int))
    return press.said(key, "to")


def copy_link(key: str) -> None:
    """A button that copies the address of the view."""
    _copy(key=key, data={"label": "Copy link"}, width=104)


def figures(page: str) -> None:
    """A button that saves every chart, board and table that stands on the page: SVG and PNG at
    twice the size; of what holds numbers CSV, JSON, LaTeX and Markdown. The browser makes them of
    what it shows, so no page has to do anything for a figure of its own."""
    _figures(key="figures", data={"page": page}, width=84)
