"""Bits in bands, and the collision curve with the student's point on it."""

import numpy as np
import streamlit as st

from core.services.index_lab.buckets import Buckets
from core.services.teaching import hashes
from pages.parts import cached, cached_learn
from pages.parts.cached_learn import gallery
from pages.parts.lab import rows as signatures
from pages.parts.learn import dials, shown, widgets
from pages.parts.words import caption, quiet

ENCODER = "tf_efficientnet_lite0.in1k"
METHODS = {"lsh": "Random hyperplanes (LSH)", "minhash": "MinHash"}
START = {"you": (0.8, 0.0)}
FRAME = (-0.02, -0.06, 1.02, 1.08)


def live() -> None:
    st.html(widgets.WEB / "lab.css")
    queries = list(cached.examples(*gallery(), 10))
    with st.container(horizontal=True, key="learn_dials"):
        method = dials.choice("hash", "Method", tuple(METHODS), "lsh", METHODS.get)
        query = dials.pick("query", "Picture", queries, queries[0], shown.name_of)
        bits = dials.stops(
            "bits", "Bits" if method == "lsh" else "Permutations", (16, 32, 64, 128, 256), 64
        )
        rows, threshold = 8, 0.5
        if method == "lsh":
            rows = dials.stops("rows", "Bits per band", (1, 2, 4, 8, 16), 8)
        else:
            threshold = dials.number(
                "threshold", "Similarity from which pairs should collide", 0.1, 0.9, 0.5, 0.05
            )
    found = cached_learn.ask(
        "hashes.hashed", ENCODER, method, query, bits, min(rows, bits), float(threshold)
    )
    left, right = st.columns((6, 5), gap="medium")
    with left:
        similarity = _curve(found)
    with right:
        _said(found, similarity)
    caption("The bits of the query, its three nearest and three far pictures")
    st.html(signatures.draw(found, *gallery()))
    quiet(signatures.how_to_read(found))


def _curve(found: Buckets) -> float:
    points = [
        (float(x), float(y))
        for x, y in zip(found.similarity, found.probability, strict=True)
        if x >= 0
    ]
    similarity = float(np.clip(dials.places("learn_curve", START, FRAME)["you"][0], 0.0, 1.0))
    _, chance = hashes.chance(found, similarity)
    name = "cosine" if found.method == "lsh" else "Jaccard similarity"
    marks = [
        *({"kind": "line", "from": (0, y), "to": (1, y), "look": "faint"} for y in (0.0, 0.5, 1.0)),
        *({"kind": "text", "at": (0.005, y), "dy": -4, "text": f"{y:.0%}"} for y in (0.5, 1.0)),
        {"kind": "path", "points": points, "look": "wide good"},
        {
            "kind": "dots",
            "places": [(x, y) for x, y, _ in found.measured],
            "size": 4,
            "look": "ink",
        },
        *(
            {"kind": "line", "from": (pair.similarity, -0.05), "to": (pair.similarity, 0.0)}
            for pair in found.pairs
        ),
        {"kind": "line", "from": (similarity, 0), "to": (similarity, chance), "look": "dashed"},
        {
            "kind": "text",
            "at": (1, 0),
            "dy": -6,
            "anchor": "end",
            "text": f"{name} of a pair, 0 to 1",
        },
    ]
    handle = {
        "name": "you",
        "at": (similarity, chance),
        "label": f"A pair of {name} {similarity:.2f}",
        "said": f"{chance:.0%} collide",
        "short": f"{similarity:.2f}: {chance:.0%}",
        "along": points,
    }
    widgets.sketch("learn_curve", FRAME, [handle], marks, "The collision curve", (440, 320))
    quiet("Line: the formula. Dots: pairs of this gallery. Strokes below: the pictures underneath.")
    return similarity


def _said(found: Buckets, similarity: float) -> None:
    bit, chance = hashes.chance(found, similarity)
    near, far = (found.pairs[: hashes.SHOWN], found.pairs[hashes.SHOWN :])
    part = "bit" if found.method == "lsh" else "minimum"
    shown.figures(
        [
            (f"{chance:.0%}", f"of pairs at {similarity:.2f} collide in some band"),
            (f"{bit:.0%}", f"chance that one {part} of such a pair agrees"),
            (f"{found.bands} × {found.rows}", f"bands × {'bits' if part == 'bit' else 'minima'}"),
            (f"{found.shares:.1%}", "of the gallery collides with this query"),
        ]
    )
    shown.said(
        f"{sum(pair.met for pair in near)} of the {len(near)} nearest collide with the query, and"
        f" {sum(pair.met for pair in far)} of the {len(far)} far ones."
    )
    quiet(found.search)
