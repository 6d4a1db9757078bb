"""A point in a triangle mixes three codes; the decoder draws what lies there."""

import numpy as np
import streamlit as st

from pages.parts import cached, cached_learn
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown, widgets
from pages.parts.words import caption, quiet

FACTS = {"auto": "autoencoder.lookalike", "tiny": "tiny.16x16", "triplet": "triplet.lookalike"}
CORNERS = ((-0.8, -0.55), (0.8, -0.55), (0.0, 0.8))
START = {"code": (0.0, -0.12)}
FRAME = (-1.2, -0.95, 1.2, 1.1)


def measured() -> dict[str, str]:
    return means(FACTS)


def live() -> None:
    queries = list(cached.examples(*gallery(), 12))
    with st.container(horizontal=True, key="learn_dials"):
        ids = tuple(
            dials.pick(name, f"Corner {place}", queries, queries[start], shown.name_of)
            for place, (name, start) in enumerate((("a", 0), ("b", 3), ("c", 7)), start=1)
        )
    at = dials.places("learn_code", START, FRAME)["code"]
    weights = mixture(at)
    drawn = cached_learn.ask("codes.mixed", ids, weights)
    left, right = st.columns((6, 5), gap="medium")
    with left:
        _triangle(ids, at)
    with right:
        name = "The reconstruction of the mixed code"
        picture = shown.figure(cached.data_uri(drawn.picture), name)
        st.html(f'<div class="learn-large">{picture}</div>')
        told = ", ".join(
            f"{weight:.0%} {shown.name_of(id)}" for weight, id in zip(weights, ids, strict=True)
        )
        shown.said(told)
        quiet("Nearest in the gallery to this code:")
        st.html(shown.hits_html(drawn.nearest, [f"{one:.2f}" for one in drawn.cosines]))
    caption("Before and after the bottleneck")
    _copies(ids)


def mixture(at: tuple[float, float]) -> tuple[float, float, float]:
    """Barycentric weights of a place; they sum to 1, and leave 0..1 outside the triangle."""
    a, b, c = (np.array(corner) for corner in CORNERS)
    first, second = np.linalg.solve(np.stack([a - c, b - c], axis=1), np.array(at) - c)
    kept = [round(float(value), 2) for value in (first, second)]
    return kept[0], kept[1], round(1 - sum(kept), 2)


def _triangle(ids: tuple[str, ...], at: tuple[float, float]) -> None:
    marks = [
        {"kind": "path", "points": [*CORNERS, CORNERS[0]]},
        *({"kind": "line", "from": at, "to": corner, "look": "faint dashed"} for corner in CORNERS),
        *(
            {"kind": "image", "at": corner, "side": 64, "uri": shown.picture(id, 128)}
            for corner, id in zip(CORNERS, ids, strict=True)
        ),
    ]
    handle = {"name": "code", "at": at, "label": "The code that is decoded", "short": "code"}
    widgets.sketch("learn_code", FRAME, [handle], marks, "Three codes and one between", (440, 376))


def _copies(ids: tuple[str, ...]) -> None:
    cells = []
    for id in ids:
        copy = cached_learn.ask("codes.copied", id)
        name = shown.name_of(id)
        cells += [
            shown.figure(cached.data_uri(copy.before), name, caption="picture"),
            shown.figure(
                cached.data_uri(copy.after),
                f"{name}, reconstructed",
                caption=f"recon\u00adstruction, MAE {copy.error:.0f}",
            ),
        ]
    st.html(f'<div class="learn-hits">{"".join(cells)}</div>')
    quiet("MAE: mean absolute error of a colour value, of 255.")
