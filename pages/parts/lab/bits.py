"""Signatures drawn as squares in bands, large enough for the back row: the query above, a picture a
line below."""

from collections.abc import Mapping
from html import escape

import numpy as np

from core.services.index_lab.buckets import Buckets, Pair
from pages.parts import cached
from pages.parts.lab import rows

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
    cut = (
        f'<p class="ll-quiet">The first {shown} of {found.bands} bands are drawn.</p>'
        if shown < found.bands
        else ""
    )
    names = rows.names(cached.dataset(locator), [found.query, *(pair.id for pair in found.pairs)])
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
    """The query's own code: bits as 0 and 1; minima of a MinHash say nothing to the eye and are
    left out."""
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
