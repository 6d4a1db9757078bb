"""Key points of two pictures joined by lines; one of the pictures is turned, shrunk and moved."""

import streamlit as st

from core.services.teaching import points
from pages.parts import cached, cached_learn
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown, widgets
from pages.parts.words import quiet

OTHERS = {"same": "The same picture", "view": "Another view", "other": "Another product"}
FACTS = {"sift": "sift.vlad32", "hog": "hog.8x8", "vgg": "vgg.lookalike"}
GAP, SIDE = 1.16, 300
MOST_REJECTED = 60


def measured() -> dict[str, str]:
    return means(FACTS)


def live() -> None:
    queries = list(cached.examples(*gallery(), 10))
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Picture", queries, queries[0], shown.name_of)
        which = dials.choice("with", "Compare with", tuple(OTHERS), "same", OTHERS.get)
        turn = dials.number("turn", "Rotation, degrees", 0, 180, 35, 5)
        smaller = dials.number("smaller", "Size reduction, %", 0, 70, 20, 5)
        move = dials.number("move", "Shift, % of the width", 0, 40, 0, 5)
        ratio = dials.number("ratio", "Ratio test threshold", 0.5, 1.0, 0.8, 0.05)
    other = query if which == "same" else cached_learn.ask(f"points.other_{NAMES[which]}", query)
    found = cached_learn.ask(
        "points.matched", query, other, float(turn), float(smaller), float(move), float(ratio)
    )
    _draw(found, query, other)
    kept, all_ = int(found.kept.sum()), len(found.kept)
    shown.figures(
        [
            (str(kept), "matches agree with one view (inliers)"),
            (str(all_), "matches pass the ratio test"),
            (f"{found.counts[0]} | {found.counts[1]}", "key points left and right"),
        ]
    )
    quiet(
        found.reason
        or "Solid: inliers of one homography. Dashed: matches that no single view explains."
    )


NAMES = {"view": "view", "other": "product"}
"""What is compared -> the end of the service's name."""


def _draw(found: points.Matched, query: str, other: str) -> None:
    marks = [
        {"kind": "image", "at": (0.5, 0.5), "side": SIDE, "uri": cached.data_uri(found.left)},
        {
            "kind": "image",
            "at": (0.5 + GAP, 0.5),
            "side": SIDE,
            "uri": cached.data_uri(found.right),
        },
    ]
    rejected = 0
    for (x, y, to_x, to_y), kept in sorted(
        zip(found.pairs.tolist(), found.kept.tolist(), strict=True), key=lambda pair: pair[1]
    ):
        rejected += not kept
        if kept or rejected <= MOST_REJECTED:
            ends = {"from": (x, 1 - y), "to": (GAP + to_x, 1 - to_y)}
            marks.append({"kind": "line", **ends, "look": "good" if kept else "bad thin"})
    size = (round(SIDE * (1 + GAP)), SIDE)
    widgets.sketch(
        "learn_points",
        (0, 0, 1 + GAP, 1),
        [],
        marks,
        f"Key points of {shown.name_of(query)} joined with those of {shown.name_of(other)}",
        size,
    )
