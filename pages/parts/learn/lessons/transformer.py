"""A patch that is dragged over the picture, and where it looks."""

import numpy as np
import streamlit as st

from pages.parts import cached, cached_learn
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown, widgets
from pages.parts.words import quiet

FACTS = {"vit": "vit.lookalike", "resnet": "resnet.lookalike", "lite": "tf_efficientnet_lite0.in1k"}
START = {"patch": (0.55, 0.55)}
FRAME = (0, 0, 1, 1)
SIDE = 340


def measured() -> dict[str, str]:
    return means(FACTS)


def live() -> None:
    queries = list(cached.examples(*gallery(), 10))
    blocks, heads, side = cached_learn.ask("attention.shape")
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Picture", queries, queries[0], shown.name_of)
        block = dials.choice("block", "Block", tuple(range(1, blocks + 1)), blocks)
        head = dials.choice(
            "head", "Head", tuple(range(heads + 1)), 0, lambda one: f"{one}" if one else "mean"
        )
    x, y = dials.places("learn_patch", START, FRAME)["patch"]
    column, row = min(int(x * side), side - 1), min(int((1 - y) * side), side - 1)
    patch = row * side + column
    picture, weights = cached_learn.ask("attention.looks", query, block - 1, head - 1, patch)
    left, right = st.columns(2, gap="medium")
    with left:
        _patches(query, side, (column, row), (x, y))
        quiet("The picture in its grid of patches; drag the point.")
    with right:
        seen = shown.figure(
            cached.data_uri(picture), f"What patch {row + 1}, {column + 1} attends to"
        )
        st.html(f'<div class="learn-large wide">{seen}</div>')
        quiet("Bright: the patches that it attends to.")
    _figures(weights, row, column)


def _patches(query: str, side: int, at: tuple[int, int], place: tuple[float, float]) -> None:
    marks = [{"kind": "image", "at": (0.5, 0.5), "side": SIDE, "uri": shown.picture(query, 448)}]
    for step in range(1, side):
        here = step / side
        marks.append({"kind": "line", "from": (here, 0), "to": (here, 1), "look": "faint"})
        marks.append({"kind": "line", "from": (0, here), "to": (1, here), "look": "faint"})
    column, row = at
    left = column / side
    right = (column + 1) / side
    top = 1 - row / side
    bottom = 1 - (row + 1) / side
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    marks.append({"kind": "path", "points": corners, "look": "good wide"})
    handle = {"name": "patch", "at": place, "label": f"Patch in row {row + 1}, column {column + 1}"}
    widgets.sketch("learn_patch", FRAME, [handle], marks, "Patches", (SIDE, SIDE))


def _figures(weights: np.ndarray, row: int, column: int) -> None:
    order = np.sort(weights.ravel())[::-1]
    best = divmod(int(weights.argmax()), weights.shape[1])
    shown.figures(
        [
            (
                f"{order[0]:.1%}",
                f"on the patch in row {best[0] + 1}, column {best[1] + 1}, the most",
            ),
            (f"{weights[row, column]:.1%}", "on itself"),
            (f"{order[:5].sum():.0%}", "on its five strongest together"),
            (f"{1 / weights.size:.1%}", f"each, if it attended evenly to all {weights.size}"),
        ]
    )
