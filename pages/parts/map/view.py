"""What the Map page shows, and its link: each restores the other. Forged, it gives a default."""

import json
import math
from dataclasses import dataclass

import streamlit as st

from core.errors import UserError
from core.services.maps.maps import Wanted
from pages.parts import cached, cached_maps, link, url_state
from pages.parts.url_state import FLAG, LATE, Kind, Param, Params, Refused
from pages.parts.words import short

MOST = 4
PROJECTION, COLOUR, CLASSES, PICTURES, MODE = (
    f"keep_map_{name}" for name in ("projection", "colour", "classes", "pictures", "mode")
)
SETTING = "keep_map_set_"
PICKED, LASSO, MORPH, SEEN = "map_picked", "map_lasso", "map_morph", "map_seen"
PAIR = "keep_map_pair"
"""From which encoder's map the morph goes to whose."""
MODES = ("Maps", "Morph", "Clusters")
FIRST_PROJECTION = "aligned"
MOST_CORNERS = 80


@dataclass(frozen=True, slots=True)
class MapView:
    """What a link holds. ``lasso`` is ``(encoder, corners in map units)``; ``picked`` an id."""

    base: link.View
    encoders: tuple[str, ...]
    projection: str
    params: dict[str, float]
    colour: str
    classes: tuple[str, ...]
    pictures: bool
    picked: str
    lasso: tuple[str, tuple[tuple[float, float], ...]] | None
    morph: float

    def wanted(self) -> list[Wanted]:
        dataset = self.base.dataset
        return cached_maps.together(
            dataset, cached.version(dataset), self.encoders, self.projection, said(self.params)
        )


def projection_row(name: str) -> dict:
    return next(row for row in cached_maps.projection_rows() if row["name"] == name)


def restore() -> None:
    """Put a link that was opened into the session; what is missing gets its default."""
    link.restore(OWN)
    state, params = st.session_state, dict(st.query_params)
    state.setdefault(PROJECTION, FIRST_PROJECTION)
    if params and params != state.get(SEEN):
        remarks = state.setdefault(link.REMARKS, [])
        PARAMS.take(params, remarks)
        _settings().take(params, remarks)
    for one in (*PARAMS, *_settings()):
        state.setdefault(one.key, one.first)


def _projection(text: str) -> str:
    if text in [row["name"] for row in cached_maps.projection_rows()]:
        return text
    raise ValueError(text)


def _picked(text: str) -> str:
    if text in cached.dataset(st.session_state[link.DATASET]).rows:
        return text
    raise ValueError(text)


def _lasso(text: str) -> tuple[str, tuple[tuple[float, float], ...]]:
    """``encoder;x,y;x,y;...`` as a polygon."""
    name, *corners = text.split(";")
    try:
        points = tuple((float(x), float(y)) for x, y in (one.split(",") for one in corners))
    except ValueError:
        points = ()
    if 3 <= len(points) <= MOST_CORNERS and all(math.isfinite(x + y) for x, y in points):
        return name, points
    raise Refused(
        None, f"The link's selection {short(text)!r} can't be read, so nothing is selected."
    )


def _pair(text: str) -> str:
    pair, known = text.split(" "), st.session_state[link.ENCODERS]
    if len(set(pair)) == len(pair) == 2 and set(pair) <= set(known):
        return text
    raise ValueError(text)


def _first_pair() -> str:
    """The morph that a view opens with."""
    return " ".join(st.session_state[link.ENCODERS][:2])


def _pair_now() -> str:
    """The first one where what was chosen is no longer mapped."""
    try:
        return _pair(st.session_state.get(PAIR, ""))
    except ValueError:
        return _first_pair()


def _lasso_words(lasso: tuple[str, tuple[tuple[float, float], ...]]) -> str:
    return ";".join([lasso[0], *(f"{x:.4g},{y:.4g}" for x, y in lasso[1])])


PARAMS = Params(
    (
        Param("map", PROJECTION, Kind(_projection), FIRST_PROJECTION, True),
        Param("colour", COLOUR, LATE, always=True),
        Param("view", MODE, url_state.choice(*MODES), MODES[0], True),
        Param("classes", CLASSES, Kind(lambda text: text.split("\n"), "\n".join, late=True), list),
        Param("pictures", PICTURES, FLAG, False),
        Param("picked", PICKED, Kind(_picked)),
        Param("lasso", LASSO, Kind(_lasso, _lasso_words), None),
        Param("morph", MORPH, url_state.number(0, 1, whole=False), 0.0),
        Param("pair", PAIR, Kind(_pair), _first_pair, get=_pair_now),
    )
)
OWN = frozenset(PARAMS.by_name)


def _settings() -> Params:
    """Those of the projection that is chosen."""

    def kind(name: str, setting) -> Kind:
        def read(text: str) -> float:
            try:
                return setting.check(name, float(text))
            except ValueError:
                wrong = f"{name} = {short(text)} was given."
            except UserError as error:
                wrong = str(error)
            raise Refused(
                setting.default, f"The link asks for {short(wrong, 120)} Using {setting.default}."
            )

        return Kind(read, lambda value: f"{value:g}")

    rows = projection_row(st.session_state[PROJECTION])["settings"]
    return Params(
        tuple(
            Param(name, SETTING + name, kind(name, setting), setting.default)
            for name, setting in rows.items()
        )
    )


def current() -> MapView:
    """The view as it is now."""
    state, base = st.session_state, link.current()
    settings = projection_row(state[PROJECTION])["settings"]
    params = {name: state[SETTING + name] for name in settings}
    return MapView(
        base,
        tuple(base.encoders[:MOST]),
        state[PROJECTION],
        params,
        state.get(COLOUR) or "",
        tuple(state[CLASSES]),
        state[PICTURES],
        state.get(PICKED) or "",
        state.get(LASSO),
        float(state.get(MORPH) or 0.0),
    )


def publish() -> None:
    """The address bar says the view."""
    own = link.written(OWN)
    params = own | PARAMS.written() | _settings().written()
    url_state.publish(params)
    st.session_state[link.LINK], st.session_state[SEEN] = own, params


def select(encoder: str, corners: list) -> None:
    """What a lasso on an encoder's map encloses is selected; no corners clear the selection."""
    state = st.session_state
    points = [(float(x), float(y)) for x, y in corners[:MOST_CORNERS]]
    # As the link says it: a dot at the edge is inside for whoever opens the link, or for nobody.
    state[LASSO] = _lasso(_lasso_words((encoder, tuple(points)))) if len(points) > 2 else None
    state[PICKED] = ""


def pick(item_id: str) -> None:
    st.session_state[PICKED] = item_id


def said(params: dict[str, float]) -> str:
    return json.dumps(params, sort_keys=True)
