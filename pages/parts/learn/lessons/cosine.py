"""Vectors that are dragged, and neighbours that vote."""

import math

import streamlit as st

from core.services.teaching import geometry
from pages.parts import cached_learn
from pages.parts.learn import dials, shown, widgets
from pages.parts.learn.predict import encoder_titles
from pages.parts.words import caption, quiet

PICTURES = {
    "a": ("mug-15-0", "#0072B2"),
    "b": ("teapot-14-1", "#E69F00"),
    "c": ("lamp-18-2", "#009E73"),
}
START = {"query": (0.62, 0.5), "a": (0.38, 0.72), "b": (1.0, 0.5), "c": (-0.55, 0.42)}
ENCODERS = ("tf_efficientnet_lite0.in1k", "hog.8x8", "hsv.12x4x4", "vit.lookalike")
FRAME = (-1.35, -1.08, 1.35, 1.28)
MEASURES = {"product": "inner product", "distance": "Euclidean distance", "cosine": "cosine"}


def live() -> None:
    left, right = st.columns((6, 5), gap="medium")
    with right:
        unit = dials.switch("unit", "Length 1 (L2 normalisation)")
    given = dials.places("learn_vectors", START, FRAME)
    names = list(given)
    ends = geometry.normalised(list(given.values())).tolist() if unit else list(given.values())
    at = dict(zip(names, map(tuple, ends), strict=True))
    near = geometry.nearness(at["query"], [at[name] for name in PICTURES])
    with left:
        _plane(given, at, unit)
    with right:
        _orders(near)
    caption("The neighbours vote, in the real gallery")
    _vote()


def _plane(given: dict, at: dict, unit: bool) -> None:
    marks = [
        {"kind": "line", "from": (FRAME[0], 0), "to": (FRAME[2], 0), "look": "faint"},
        {"kind": "line", "from": (0, FRAME[1]), "to": (0, FRAME[3]), "look": "faint"},
        {"kind": "circle", "at": (0, 0), "radius": 1, "look": "dashed"},
    ]
    if unit:
        marks += [
            {"kind": "line", "from": at[name], "to": place, "look": "faint dashed"}
            for name, place in given.items()
        ]
    for name, (id, colour) in PICTURES.items():
        x, y = at[name]
        marks.append({"kind": "arrow", "from": (0, 0), "to": (x, y), "colour": colour})
        marks.append(
            {"kind": "image", "at": _beyond(x, y), "side": 40, "uri": shown.picture(id, 96)}
        )
    marks.append({"kind": "arrow", "from": (0, 0), "to": at["query"]})
    handles = [{"name": "query", "at": given["query"], "label": "The query", "short": "query"}]
    handles += [
        {"name": name, "at": given[name], "label": shown.name_of(id), "colour": colour}
        for name, (id, colour) in PICTURES.items()
    ]
    widgets.sketch(
        "learn_vectors",
        FRAME,
        handles,
        marks,
        "Four vectors from the middle: the query and three pictures",
        (440, 385),
    )


def _beyond(x: float, y: float) -> tuple[float, float]:
    """Where the picture of an arrow stands: past its tip, and within the frame."""
    long = math.hypot(x, y) or 1.0
    (left, bottom, right, top), half = FRAME, 0.16
    at_x, at_y = (value + 0.24 * value / long for value in (x, y))
    return min(max(at_x, left + half), right - half), min(max(at_y, bottom + half), top - half)


def _orders(near: geometry.Nearness) -> None:
    ids = [id for id, _ in PICTURES.values()]
    lines = []
    for measure, order in near.orders.items():
        values = getattr(near, measure)
        hits = "".join(
            shown.figure(
                shown.picture(ids[place], 96),
                f"Rank {rank}: {shown.name_of(ids[place])}",
                caption=f"{values[place]:.2f}",
            )
            for rank, place in enumerate(order, start=1)
        )
        inner = f'<div class="learn-hits">{hits}</div>'
        lines.append(shown.answer_html(MEASURES[measure], "nearest first", inner))
    shown.said(
        "All three put the pictures in the same order."
        if near.agree
        else "The orders differ: what is nearest depends on the measure."
    )
    shown.answers(lines)


def _vote() -> None:
    queries = list(cached_learn.ask("knn.telling", ENCODERS[1]))
    titles = encoder_titles(ENCODERS)
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Picture", queries, queries[0], shown.name_of)
        encoder = dials.pick("encoder", "Encoder", ENCODERS, ENCODERS[1], titles.get)
        k = dials.number("k", "K: neighbours that vote", 1, 60, 5, 1)
    found = cached_learn.ask("knn.vote", encoder, query, k)
    told = ", ".join(f"{name} {votes}" for name, votes in found.votes[:5])
    shown.said(
        f"K = {k}: the vote says {found.winner},"
        f" {'which is right' if found.right else f'but it is {found.own}'}."
    )
    quiet(
        f"Votes: {told}{' ...' if len(found.votes) > 5 else ''}. Pictures of the same product"
        " do not vote."
    )
    st.html(shown.hits_html(found.hits[:20]))
