"""Three points on a circle with the loss that they cost, and three pictures before and after."""

import math

import numpy as np
import streamlit as st

from core.services.teaching import triplets
from pages.parts import cached_learn, palette
from pages.parts.learn import dials, shown, widgets
from pages.parts.words import caption, quiet

BEFORE, AFTER = "tf_efficientnet_lite0.in1k", ("triplet.lookalike", "siamese.lookalike")
FACTS = {"before": BEFORE, "triplet": AFTER[0], "siamese": AFTER[1]}
LOSSES = {"triplet": "Triplet loss", "contrastive": "Contrastive loss (siamese)"}
POINTS = {
    "anchor": ("#0072B2", (0.26, 0.97)),
    "positive": ("#009E73", (0.82, 0.57)),
    "negative": ("#D55E00", (-0.26, 0.97)),
}
FRAME = (-1.45, -1.35, 1.45, 1.4)
STEP = 0.22
"""How long an arrow of the gradient is drawn, in lengths of it."""


def measured() -> dict[str, str]:
    return cached_learn.means(FACTS)


def live() -> None:
    with st.container(horizontal=True, key="learn_dials"):
        loss = dials.choice("loss", "Loss", tuple(LOSSES), "triplet", LOSSES.get)
        usual = triplets.usual_margin(loss)
        margin = dials.number(f"margin_{loss}", "Margin", 0.0, 1.0, usual, 0.05)
    given = dials.places("learn_triplet", {name: at for name, (_, at) in POINTS.items()}, FRAME)
    units = {name: _onto_circle(place) for name, place in given.items()}
    found = triplets.pull(loss, float(margin), np.array(list(units.values())))
    left, right = st.columns((6, 5), gap="medium")
    with left:
        _circle(units, found)
    with right:
        _said(found, loss, margin)
    caption("The trained networks, on three pictures of the gallery")
    _trained()


def _onto_circle(place: tuple[float, float]) -> tuple[float, float]:
    long = math.hypot(*place) or 1.0
    return place[0] / long, place[1] / long


def _circle(units: dict, found: triplets.Pull) -> None:
    names = list(units)
    marks = [{"kind": "circle", "at": (0, 0), "radius": 1}]
    for other, look in (("positive", "good"), ("negative", "bad")):
        marks.append({"kind": "line", "from": units["anchor"], "to": units[other], "look": look})
    for name, push in zip(names, found.push, strict=True):
        if np.linalg.norm(push) > 1e-6:
            x, y = units[name]
            to = (x + STEP * float(push[0]), y + STEP * float(push[1]))
            marks.append({"kind": "arrow", "from": (x, y), "to": to, "colour": POINTS[name][0]})
    handles = [
        {"name": name, "at": at, "label": name, "short": name, "colour": POINTS[name][0]}
        for name, at in units.items()
    ]
    widgets.sketch("learn_triplet", FRAME, handles, marks, "Three vectors of length 1", (440, 416))


def _said(found: triplets.Pull, loss: str, margin: float) -> None:
    positive, negative = found.distances
    shown.figures(
        [
            (f"{found.loss:.2f}", LOSSES[loss].lower()),
            (f"{positive:.2f}", "anchor to positive"),
            (f"{negative:.2f}", "anchor to negative"),
        ]
    )
    if found.loss == 0:
        shown.said("Nothing to learn: every distance keeps its margin, and no arrow is left.")
    elif negative < positive:
        shown.said("A hard case: the negative is nearer than the positive.")
    else:
        shown.said("The order is right, but the margin is not kept.")
    if loss == "triplet":
        quiet(f"max(0, {positive:.2f} − {negative:.2f} + {margin:.2f}) = {found.loss:.2f}")
    else:
        quiet(
            f"Same pairs cost beyond {margin / 2:.2f}, others within {2 * margin:.2f}; all pairs"
            " of the three points count, positive and negative as well."
        )
    quiet("Arrows: the negative gradient, where a step of learning moves each point.")


def _trained() -> None:
    chosen = cached_learn.ask("triplets.telling", BEFORE, AFTER[0])
    ids = {one[0]: one for one in chosen}
    query = dials.pick("query", "Anchor", tuple(ids), next(iter(ids)), shown.name_of)
    cells = [
        shown.figure(shown.picture(id), f"{role}: {shown.name_of(id)}", look, role)
        for id, role, look in zip(
            ids[query], ("anchor", "positive", "negative"), ("asked", "same", ""), strict=True
        )
    ]
    lines = [f'<div class="learn-hits">{"".join(cells)}</div>']
    st.html(lines[0])
    for one in cached_learn.ask("triplets.distances", ids[query], (BEFORE, *AFTER)):
        right = one.positive < one.negative
        st.html(
            shown.answer_html(
                palette.title(one.encoder),
                "the positive is nearer" if right else "the negative is nearer",
                shown.gap_html(one.positive, one.negative, 2.0),
                palette.mark_html(one.encoder),
                right,
            )
        )
    quiet(
        "Bars: distance of unit vectors, 0 to 2; the picture farthest among the anchor's views"
        " against the nearest of another product, both by the network before."
    )
