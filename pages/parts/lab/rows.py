"""The exact answer above that of an index: hits, missed neighbours where they belong, and extra
hits.

And signatures drawn as squares in bands, large enough for the back row: the query above, a picture
a line below.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import streamlit as st

from core.services.index_lab.buckets import Buckets, Pair
from core.services.index_lab.view import Shown
from core.services.library.library import Dataset
from core.services.search.result import IDENTICAL
from pages.parts import cached, components, gallery, link

SIDE = 64
"""Ten of them stand in one row on a screen of 1280."""
MARKS = {"found": "", "ghost": "ghost", "extra": "extra"}
"""State -> class of the picture in the grid's style."""
KEY = (
    '<div class="ll-key lab-key">'
    '<span><i class="ghost"></i>missed 7: rank 7 of the exact answer, not found by the index</span>'
    '<span><i class="extra"></i>9 extra: rank 9 of the index, not among the exact nearest</span>'
    "</div>"
)


def names_of(dataset: Dataset, ids: Iterable[str]) -> dict[str, str]:
    """Pictures' names, by id where several share one, or its last part if that suffices."""
    called = {id: gallery.name_of(dataset, id) for id in ids}
    many, short = Counter(called.values()), Counter(_last(id) for id in called)
    return {
        id: name if many[name] == 1 else _last(id) if short[_last(id)] == 1 else id
        for id, name in called.items()
    }


def _last(id: str) -> str:
    return id.rstrip("/").rpartition("/")[2]


def item(locator: str, version: str, shown: Shown, name: str) -> dict:
    """A picture of the index's answer for the grid; a missed one says its exact rank."""
    rank, badge, said = {
        "found": (str(shown.rank), "", f"rank {shown.rank}"),
        "ghost": ("", f"missed {shown.true_rank}", f"missed, exact rank {shown.true_rank}"),
        "extra": (
            "",
            f"{shown.rank} extra",
            f"extra at rank {shown.rank}, not among the exact nearest",
        ),
    }[shown.state]
    return {
        "id": shown.id,
        "uri": cached.thumbnail(locator, version, shown.id),
        "mark": MARKS[shown.state],
        "badge": badge,
        "rank": rank,
        "alt": f"{name}, {said}, cosine {shown.score:.3f}{_file(shown)}. Search with this picture.",
        "caption": f"{shown.score:.3f}{_file(shown)}\n{name}",
    }


def _file(shown: Shown) -> str:
    return f", {IDENTICAL}" if shown.identical else ""


def plain(locator: str, version: str, shown: Shown, name: str) -> dict:
    """The same picture in the exact answer; an empty place where only the index has one."""
    if not shown.true_rank:
        return {"id": "", "blank": True}
    made = item(locator, version, shown, name)
    return {
        **made,
        "mark": "",
        "badge": "",
        "rank": str(shown.true_rank),
        "caption": "",
        "alt": (
            f"{name}, exact rank {shown.true_rank}, cosine {shown.score:.3f}. Search with this"
            " picture."
        ),
    }


def grid(locator: str, version: str, hits: Sequence[Shown]) -> None:
    """Draw both answers, the exact one above; a click makes a picture the next query."""
    found = cached.dataset(locator)
    called = names_of(found, [one.id for one in hits])
    items = [
        {
            **plain(locator, version, one, called[one.id]),
            "below": item(locator, version, one, called[one.id]),
        }
        for one in hits
    ]
    picked = components.picture_grid(
        items, "Exact answer above, answer of the index below", "lab_pairs", side=SIDE
    )
    if picked and picked in found.rows:
        link.ask(f"item:{picked}")
        st.rerun()


MOST_SQUARES = 256
"""More than these are cut off, and the line says so."""


def how_to_read(found: Buckets) -> str:
    part = "bit" if found.method == "lsh" else "minimum"
    squares = "1 square is" if found.rows == 1 else f"{found.rows} squares are"
    return (
        f"A filled square is a {part} that agrees with the query, a hollow one differs. {squares} a"
        " band. A band that agrees as a whole is framed and ticked: there the two pictures fall"
        " into the same bucket and collide."
    )


def draw(found: Buckets, locator: str, version: str) -> str:
    """HTML of the whole table of signatures."""
    shown = bands_shown(found)
    cut = ""
    if shown < found.bands:
        cut = f'<p class="ll-quiet">The first {shown} of {found.bands} bands are drawn.</p>'
    names = names_of(cached.dataset(locator), [found.query, *(pair.id for pair in found.pairs)])
    pictures = {
        id: (cached.thumbnail(locator, version, id, 112), name) for id, name in names.items()
    }
    lines = [
        _query(found, pictures, shown),
        *(_pair(found, pair, pictures, shown) for pair in found.pairs),
    ]
    return f'<div class="lab-bits">{"".join(lines)}</div>{cut}'


def bands_shown(found: Buckets) -> int:
    return max(1, min(found.bands, MOST_SQUARES // max(found.rows, 1)))


def _query(found: Buckets, pictures: Mapping[str, tuple[str, str]], shown: int) -> str:
    """The query's own code: bits as 0 and 1; the minima of a MinHash are left out."""
    cells = []
    for band in range(shown if found.method == "lsh" else 0):
        part = found.code[band * found.rows : (band + 1) * found.rows]
        cells.append(
            f'<span class="band">{"".join(f"<i>{int(value)}</i>" for value in part)}</span>'
        )
    return _line(*pictures[found.query], "the query", "".join(cells), "asked")


def _pair(found: Buckets, pair: Pair, pictures: Mapping[str, tuple[str, str]], shown: int) -> str:
    cells = []
    for band in range(shown):
        equal = pair.equal[band * found.rows : (band + 1) * found.rows]
        met = bool(pair.bands[band])
        squares = "".join(f'<i class="{"on" if one else "off"}"></i>' for one in equal)
        cells.append(
            f'<span class="band{" met" if met else ""}">{squares}{"<b>✓</b>" if met else ""}</span>'
        )
    agree, bands = int(np.count_nonzero(pair.equal)), int(np.count_nonzero(pair.bands))
    word = "cosine" if found.method == "lsh" else "Jaccard"
    said = (
        f"{word} {pair.similarity:.2f} · {agree} of {len(pair.equal)} agree · "
        + (f"collides in {bands} of {found.bands} bands" if pair.met else "no collision")
        + f" · probability at this similarity {pair.expected:.0%}"
    )
    return _line(*pictures[pair.id], said, "".join(cells), "yes" if pair.met else "no")


def _line(uri: str, name: str, said: str, cells: str, kind: str) -> str:
    mark = {"yes": "✓ ", "no": "✕ ", "asked": ""}[kind]
    told = (
        f'<div class="told"><b dir="auto">{mark}{escape(name)}</b><span>{escape(said)}</span></div>'
    )
    code = f'<div class="code" role="img" aria-label="{escape(said, quote=True)}">{cells}</div>'
    return f'<div class="row {kind}"><img src="{uri}" alt="">{told}{code}</div>'
