"""What the Map page shows, and its link: each restores the other. A forged link gives a remark or
the default."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import streamlit as st

from core.errors import UserError
from core.services.maps.maps import Wanted
from pages.parts import cached, cached_maps, link
from pages.parts.words import short

MOST = 4
PROJECTION, COLOUR, CLASSES, PICTURES, MODE = (
    f"keep_map_{name}" for name in ("projection", "colour", "classes", "pictures", "mode")
)
SETTING = "keep_map_set_"
PICKED, LASSO, MORPH, SEEN = "map_picked", "map_lasso", "map_morph", "map_seen"
MODES = ("Maps", "Morph", "Clusters")
FIRST_PROJECTION = "aligned"
MOST_CORNERS = 80


@dataclass(frozen=True, slots=True)
class MapView:
    """Everything that a link of this page holds. ``lasso`` is ``(encoder, corners in map units)``;
    ``picked`` an item id."""

    base: link.View
    encoders: tuple[str, ...]
    projection: str
    params: dict[str, float]
    colour: str
    classes: tuple[str, ...]
    pictures: bool
    mode: str
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
    """Put a link that was opened into the session; then everything that is missing gets its
    default."""
    link.restore()
    params = dict(st.query_params)
    if params and params != st.session_state.get(SEEN):
        _take(params, st.session_state.setdefault(link.REMARKS, []))
    state = st.session_state
    if state.get(PROJECTION) not in [row["name"] for row in cached_maps.projection_rows()]:
        state[PROJECTION] = FIRST_PROJECTION
    for name, setting in projection_row(state[PROJECTION])["settings"].items():
        state.setdefault(SETTING + name, setting.default)
    state.setdefault(PICTURES, False)
    state.setdefault(CLASSES, [])
    if state.get(MODE) not in MODES:
        state[MODE] = MODES[0]


def _take(params: dict[str, str], remarks: list[str]) -> None:
    """A link's own words, checked one by one."""
    state = st.session_state
    state[PROJECTION] = params.get("map", FIRST_PROJECTION)
    state[COLOUR], state[MODE] = params.get("colour", ""), params.get("view", "")
    state[CLASSES] = [one for one in params.get("classes", "").split("\n") if one]
    state[PICTURES] = params.get("pictures") == "1"
    state[PICKED], state[LASSO] = params.get("picked", ""), _lasso(params.get("lasso", ""), remarks)
    state[MORPH] = min(max(_number(params.get("morph", "0")) or 0.0, 0.0), 1.0)
    for row in cached_maps.projection_rows():
        for name, setting in row["settings"].items():
            if row["name"] == state[PROJECTION] and name in params:
                state[SETTING + name] = _setting(name, setting, params[name], remarks)


def _setting(name: str, setting, given: str, remarks: list[str]) -> float:
    number = _number(given)
    try:
        return setting.check(name, number if number is not None else given)
    except UserError as error:
        remarks.append(f"The link asks for {short(str(error), 120)} Using {setting.default}.")
        return setting.default


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _lasso(text: str, remarks: list[str]) -> tuple | None:
    """``encoder;x,y;x,y;...`` as a polygon."""
    name, *corners = text.split(";")
    if not text:
        return None
    numbers = [[_number(part) for part in corner.split(",")] for corner in corners]
    if 3 <= len(numbers) <= MOST_CORNERS and all(
        len(pair) == 2 and None not in pair for pair in numbers
    ):
        return name, tuple((x, y) for x, y in numbers)
    remarks.append("The link's selection can't be read, so nothing is selected.")
    return None


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
        state[MODE],
        state.get(PICKED) or "",
        state.get(LASSO),
        float(state.get(MORPH) or 0.0),
    )


def publish(view: MapView) -> None:
    """The address bar says the view."""
    base, state = view.base, st.session_state
    own = link.written(base)
    params = {**own, "map": view.projection, "colour": view.colour, "view": view.mode}
    defaults = projection_row(view.projection)["settings"]
    params |= {
        name: f"{value:g}" for name, value in view.params.items() if value != defaults[name].default
    }
    more = {
        "classes": "\n".join(view.classes),
        "pictures": "1" if view.pictures else "",
        "picked": view.picked,
        "lasso": (
            ";".join([view.lasso[0], *(f"{x:.4g},{y:.4g}" for x, y in view.lasso[1])])
            if view.lasso
            else ""
        ),
        "morph": f"{view.morph:g}" if view.morph else "",
    }
    params |= {name: value for name, value in more.items() if value}
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    state[link.LINK], state[SEEN] = own, params


def select(encoder: str, corners: list) -> None:
    """What a lasso on an encoder's map encloses is selected; no corners clear the selection."""
    state = st.session_state
    points = [(float(x), float(y)) for x, y in corners[:MOST_CORNERS]]
    state[LASSO] = (encoder, tuple(points)) if len(points) > 2 else None
    state[PICKED] = ""


def pick(item_id: str) -> None:
    st.session_state[PICKED] = item_id


def said(params: dict[str, float]) -> str:
    return json.dumps(params, sort_keys=True)
