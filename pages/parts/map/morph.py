"""From one encoder's map to another's: a slider, and the pictures that go farthest; and the maps as
a component: what it is sent, piece by piece, and what it says back."""

import hashlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import streamlit as st

from core.services.maps import page as map_page
from pages.parts import cached, cached_maps, components, press, url_state
from pages.parts.components import WEB, _nothing
from pages.parts.map import board, selection, shown
from pages.parts.map import view as views
from pages.parts.map.shown import Shown, name_of
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.words import heading, note, quiet

SENT = "map_pieces_sent"
SIZE = "map_message_bytes"
LARGE = 600
MOST = 80
ASKED = ("hovered", "needed")
"""What the drawing of the maps asks for."""
DONE = {
    "selected": selection.enclosed,
    "picked": selection.clicked,
    "opened": selection.clicked,
    "morphed": press.finite,
}
"""What a person does on them, and how it is read."""
_script, _style = map_page.engine()
_maps = st.components.v2.component(
    "lookalike_maps",
    css=_style,
    js="\n".join(
        [_script, *((WEB / name).read_text("utf-8") for name in ("heard.js", "map_adapter.js"))]
    ),
)


def draw(
    view: dict, key: str, obey: Callable[[dict], None], look: Callable[[dict], dict] | None = None
) -> None:
    """Draw maps. ``obey`` is given what a person did: ``selected``, ``picked``, ``opened``,
    ``morphed``, where not None.

    Long texts (places, colours, pictures) go once in a session and are then known by their key; the
    sheets of small pictures go when the maps are drawn and the browser asks for them, and so does
    what a browser has lost. ``look`` answers where the pointer rests on a map of very many dots
    (``map``, ``x``, ``y``, ``reach``); only the maps then run, not the page.
    """
    pieces: dict[str, str] = {}
    slim = _slim(view, pieces)
    st.fragment(_draw)(slim, pieces, key, obey, look)


def _draw(
    slim: dict, pieces: dict[str, str], key: str, obey: Callable, look: Callable | None
) -> None:
    said = st.session_state.get(key, {})
    new = _unsent(slim, pieces, press.read(said.get("needed"), press.text))
    under = press.read(said.get("hovered"), selection.rested)
    data = {"view": slim, "pieces": new, "under": look(under) if look and under else None}
    data["heard"] = press.heard(key)
    told = {f"on_{name}_change": _nothing for name in ASKED}
    told |= {f"on_{name}_change": press.noting_each(key, name, of) for name, of in DONE.items()}
    _maps(key=key, data=data, **told)
    st.session_state[SIZE] = sum(map(len, new.values())) + len(str(slim))
    done = {name: (press.each(key, name) or [None])[-1] for name in DONE}
    if any(one is not None for one in done.values()):
        obey(done)


def _unsent(slim: dict, pieces: dict[str, str], asked: str | None) -> dict[str, str]:
    """What the browser lacks, noted as sent: sheets when asked; all where it lost something."""
    sent, late = st.session_state.setdefault(SENT, {}), set((slim["atlas"] or {}).get("sheets", ()))
    if asked in sent:
        sent.clear()
    new = {
        name: text
        for name, text in pieces.items()
        if name not in sent and (asked or name not in late)
    }
    sent.update(dict.fromkeys(new))
    while len(sent) > MOST:
        sent.pop(next(iter(sent)))
    return new


def _slim(value, pieces: dict[str, str]):
    """``value`` with every long text replaced by its key."""
    if isinstance(value, str) and len(value) > LARGE:
        name = "@" + hashlib.blake2b(value.encode(), digest_size=10).hexdigest()
        pieces[name] = value
        return name
    if isinstance(value, dict):
        return {key: _slim(one, pieces) for key, one in value.items()}
    return [_slim(one, pieces) for one in value] if isinstance(value, list | tuple) else value


def show(view: MapView, maps: Sequence[Shown]) -> None:
    """The morph of two maps and its movers."""
    if len(maps) < 2:
        note("A morph goes from one map to another.", "Choose two encoders.")
        return
    encoders = [one.encoder for one in maps]
    pairs = [f"{a} {b}" for a in encoders for b in encoders if a != b]
    url_state.heal(views.PAIR, pairs)
    st.selectbox("From, to", pairs, key=views.PAIR, format_func=_titles, width=420)
    names = st.session_state[views.PAIR].split(" ")
    first, second = (next(one for one in maps if one.encoder == name) for name in names)
    quiet(
        f"Each dot goes from its place on the map by {title(names[0])} to its place on the map by"
        f" {title(names[1])}."
    )
    draw(_data(view, first, second), "maps_morph", _keep)
    _movers(view, first, second)


def _keep(said: dict) -> None:
    """How far the morph has gone stands in the link."""
    if said.get("morphed") is not None:
        st.session_state[views.MORPH] = round(min(max(said["morphed"], 0.0), 1.0), 3)
        views.publish()


def _titles(pair: str) -> str:
    return " → ".join(map(title, pair.split(" ")))


def _data(view: MapView, first: Shown, second: Shown) -> dict:
    ids, a, b = cached_maps.comparable(first.key, second.key)
    if len(ids) > map_page.VECTOR_UP_TO:
        rows = board.overlay(view, [first, second], ids)
    else:
        rows = np.arange(len(ids))
    frame = map_page.box([SimpleNamespace(positions=a[rows]), SimpleNamespace(positions=b[rows])])
    hue, place = board.colours(view, first), {id: row for row, id in enumerate(first.found.ids)}
    index = hue.index[[place[ids[row]] for row in rows]]
    chosen = [
        np.isin(
            [ids[row] for row in rows],
            [one.id for one in cached_maps.movers(first.key, second.key)],
        )
    ]
    if len(rows) < len(ids):
        note = f"{len(rows):,} of {len(ids):,} pictures"
    else:
        note = f"{len(ids):,} pictures"
    both = f"{title(first.encoder)} → {title(second.encoder)}"
    shared = {
        "box": frame,
        "colour": map_page.b64(index),
        "note": f"{note} · the {int(chosen[0].sum())} that move farthest are highlighted",
    }
    return {
        "morph": {"t": view.morph, "names": [title(first.encoder), title(second.encoder)]},
        "layout": f"morph-{first.encoder}-{second.encoder}",
        "linked": True,
        "pictures": view.pictures,
        "palette": hue.palette,
        "legend": hue.legend,
        "scale": hue.scale,
        "atlas": board.atlas(view, ids, rows),
        "selection": map_page.bits(np.flatnonzero(chosen[0]), len(rows)),
        **board.labels(view, [ids[row] for row in rows]),
        "hint": "Move the slider, or press Play. Drag and scroll as on the maps.",
        "maps": [
            {**shared, "title": both, "xy": map_page.places(side[rows], frame)} for side in (a, b)
        ],
    }


def _movers(view: MapView, first: Shown, second: Shown) -> None:
    found = cached_maps.movers(first.key, second.key)
    if not found:
        return
    heading("Largest neighbourhood changes")
    quiet(shown.of_movers(first, second, float(np.mean([one.kept for one in found])), found[0].k))
    version = cached.version(view.base.dataset)
    items = [
        {
            "id": one.id,
            "uri": cached.thumbnail(view.base.dataset, version, one.id, 176),
            "caption": f"{one.shift:.1f} · keeps {one.kept}",
            "alt": (
                f"{name_of(view, one.id)}: moves {one.shift:.1f} map radii, keeps {one.kept} of"
                f" {one.k} neighbours"
            ),
        }
        for one in found
    ]
    picked = components.picture_grid(
        items, "Pictures that move most", "map_movers", side=92, selected=view.picked
    )
    if picked and picked in {one.id for one in found}:
        views.pick(picked)
        st.session_state[views.MODE] = views.MODES[0]
        st.rerun()
