"""Small pieces of page made of words; whatever comes from people is escaped here and nowhere else,
and what strangers read on a public server names no place of it, whoever wrote it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape as escaped

import streamlit as st

from core.disk import ROOM, Closed, Full
from core.errors import UserError
from core.services.hosting import ownership

JOINTS = re.compile(r"([._])(?=[^\W\d])")
FIGURE = re.compile(r"[-+−±]?[\d.,]+ ?%?")


def escape(words: str, quote: bool = True) -> str:
    """``words`` as HTML, for whoever looks at the page."""
    return escaped(ownership.public(words), quote=quote)


def heading(text: str) -> None:
    """A heading inside a page."""
    st.html(f'<h2 class="ll-h2">{escape(text)}</h2>')


def caption(text: str, level: int = 3) -> None:
    """A small heading over a group of controls or a table. ``level``: 2 over a panel, which stands
    right below the page's own heading for who reads by headings; 3 within a part of a page."""
    st.html(f'<h{level} class="ll-h3">{escape(text)}</h{level}>')


def text(words: str) -> None:
    """A paragraph."""
    st.html(f'<p class="ll-text">{escape(words)}</p>')


def quiet(words: str) -> None:
    """A paragraph in the small, muted size."""
    st.html(f'<p class="ll-quiet" dir="auto">{escape(words)}</p>')


def note(title: str, words: str = "", tone: str = "") -> None:
    """A message. ``tone``: ``bad`` (failed), ``good`` (worked), else a remark."""
    role = "alert" if tone == "bad" else "status"
    st.html(
        f'<div class="ll-note {tone}" role="{role}" dir="auto">{escape(title)}'
        + (f" <span>{escape(words)}</span>" if words else "")
        + "</div>"
    )


def trouble(error: UserError) -> None:
    """A UserError as a message: what was given, what is allowed, what to do. Of a disk that takes
    nothing more visitors hear what they can still do, and its owner gets the way to free space."""
    if not isinstance(error, Full | Closed):
        note(error.given, " ".join(part for part in (error.allowed, error.fix) if part), tone="bad")
    elif ownership.is_visitor():
        why = "its disk is full" if isinstance(error, Full) else "its disk can't be written"
        note(f"This server can keep nothing now: {why}.", KEEPS, "bad")
    else:
        note(error.given, error.fix, "bad")
        if error.fix == ROOM:
            st.page_link("pages/library.py", label="Free space", icon=":material/delete_sweep:",
                         query_params={"tab": "Caches"})  # fmt: skip


KEEPS = (
    "Searching what is here goes on, and nothing that was kept is lost. Try again later, or tell"
    " the operator."
)


@contextmanager
def telling(key: str = "") -> Iterator[None]:
    """A block that a UserError ends: it is said in the place of what follows; with ``key`` it is
    kept in the session, for the run that draws what a callback met."""
    try:
        yield
    except UserError as error:
        if key:
            st.session_state[key] = error
        else:
            trouble(error)


def row_html(
    title: str, what: str, tag: str = "", tone: str = "", more: str = "", hint: str = ""
) -> None:
    """One row of a list: a title with a tag, facts below it, and a sentence where there is one."""
    mark = f' <span class="ll-tag {tone}">{escape(tag)}</span>' if tag else ""
    extra = f'<p class="ll-quiet" dir="auto">{escape(more)}</p>' if more else ""
    name = f'<b dir="auto" title="{escape(hint or title, quote=True)}">{escape(title)}</b>'
    st.html(
        f'<div class="ll-row"><div class="ll-row-title">{name}{mark}</div>'
        f'<p class="ll-quiet" dir="auto">{escape(what)}</p>{extra}</div>'
    )


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Names at the left, values at the right; long names break after dots and underscores."""
    shown = [(escape(name), JOINTS.sub(r"\1<wbr>", escape(value))) for name, value in pairs]
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in shown)
    st.html(f'<dl class="ll-facts">{rows}</dl>')


def table(rows: Sequence[Mapping[str, str]]) -> None:
    """A plain table of texts: heading -> cell, in every row the same headings; figures are not
    broken."""
    top = "".join(f"<th>{escape(name)}</th>" for row in rows[:1] for name in row)
    body = "".join(
        "<tr>"
        + "".join(f"<td {_look(cell)}>{escape(cell)}</td>" for cell in row.values())
        + "</tr>"
        for row in rows
    )
    st.html(f'<table class="ll-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>')


def _look(cell: str) -> str:
    return 'class="num"' if FIGURE.fullmatch(cell) else 'dir="auto"'


def saveable(name: str, head: Sequence[str] = (), rows: Sequence[Sequence[object]] = ()) -> str:
    """Attributes of an element that the menu Figures saves under this name, with its numbers."""
    held = escaped(json.dumps({"head": list(head), "rows": [list(row) for row in rows]}))
    return f' data-figure="{escape(name)}"' + (f' data-numbers="{held}"' if rows else "")


def size(count: float) -> str:
    """Bytes for people: 8.4 MB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            if count < 100 * step:
                return f"{count / step:.1f} {unit}"
            return f"{count / step:,.0f} {unit}"
    return f"{count:.0f} bytes"


def duration(seconds: float | None) -> str:
    """Seconds for people: 8 s, 3 min, 1 h 20 min; an empty string where it is not known."""
    if seconds is None:
        return ""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def per_second(rate: float) -> str:
    """A rate for people: 1.7, 350."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def ago(seconds: float) -> str:
    """How long ago, for people."""
    return (
        "just now"
        if seconds < 60
        else f"{duration(seconds)} ago"
        if seconds < 86400
        else _days(seconds)
    )


def _days(seconds: float) -> str:
    days = int(seconds // 86400)
    return f"{days} day{'s' if days > 1 else ''} ago"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 picture``, ``2,720 pictures``; ``plural`` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(value: object) -> str:
    """A value, or the values of a list with commas between."""
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def sentence(words: str) -> str:
    """With a capital at its beginning."""
    return words[:1].upper() + words[1:]


def short(words: str, limit: int = 60) -> str:
    """At most ``limit`` characters, for a message that repeats what a link or a file said."""
    known = ownership.public(words)  # before it is cut: the rest of a path would not look like one
    clean = "".join(c if c.isprintable() else " " for c in known)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
