"""Hash buckets: which bits of two pictures agree, which bands collide, how probably."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from core.services.index_lab.buckets import Buckets
from pages.parts import cached_lab, palette
from pages.parts.guard import guarded
from pages.parts.lab import state
from pages.parts.lab.live import live
from pages.parts.lab.rows import draw, how_to_read
from pages.parts.lab.state import LabView, said
from pages.parts.words import heading, note, quiet

METHODS = {"lsh": "Random hyperplanes (LSH)", "minhash": "MinHash"}
BITS = (16, 32, 64, 128, 256, 512)
ROWS = (1, 2, 4, 8, 16, 32)
HASH_DIMS = (16, 32, 64, 128, 256)
SIMILAR = {
    "lsh": (
        "The similarity that the dashed line marks. It changes no bands: bits and band size alone"
        " decide who collides."
    ),
    "minhash": "Pairs at least this similar should collide. MinHash chooses its bands by it.",
}


def show(now: LabView) -> None:
    live(_live, now)


def _live(now: LabView) -> None:
    method, many, rows, threshold, hash_dim = _controls()
    state.publish()
    kind, _, query = now.base.query.partition(":")
    if kind != "item":
        note(
            "Your own picture is not in the gallery.",
            "Choose a query from the gallery to see its buckets.",
        )
        return
    found = guarded(
        lambda: cached_lab.hashed(*now.key, method, query, many, rows, threshold, hash_dim),
        "Hashing",
    )
    _said(found)
    quiet(found.search)
    heading("The bits" if found.method == "lsh" else "The signatures")
    quiet(how_to_read(found))
    st.html(draw(found, *now.key[:2]))
    heading("The collision curve")
    _chart(found)
    quiet(f"{found.formula} ({found.source}).")
    quiet(found.about)


def _controls() -> tuple[str, int, int, float, int]:
    with st.container(key="panel_lab_hash"), st.container(horizontal=True, key="lab_hash"):
        method = state.switch("hash", "Method", METHODS)
        many, rows, hash_dim = _of_lsh() if method == "lsh" else _of_minhash()
        threshold = st.slider(
            "Similarity threshold",
            0.05,
            0.95,
            step=0.05,
            key=state.key("threshold"),
            width=220,
            help=SIMILAR[method],
        )
    return method, many, rows, float(threshold), hash_dim


def _of_lsh() -> tuple[int, int, int]:
    """Bits, bits per band, bits of a set: the last belongs to MinHash and stays as it is."""
    bit = "A bit says on which side of a random hyperplane a vector lies."
    many = _slider("Bits", "bits", BITS, bit)
    fitting = [one for one in ROWS if one <= many]
    band = "Two pictures collide where all bits of a band agree: more bits, fewer collisions."
    return many, _slider("Bits per band", "rows", fitting, band), int(state.value("hashdim"))


def _of_minhash() -> tuple[int, int, int]:
    """Permutations, rows per band, bits of a set: MinHash chooses the second by itself."""
    many = _slider("Permutations", "perms", BITS, "Minima in a signature.")
    set_of = "A vector becomes a set: for each of so many hyperplanes, the side on which it lies."
    return many, int(state.value("rows")), _slider("Bits of the set", "hashdim", HASH_DIMS, set_of)


def _slider(label: str, name: str, usual: Sequence[int], about: str) -> int:
    return int(state.slider(name, label, usual, str, width=220, help=about))


def _said(found: Buckets) -> None:
    met = sum(pair.met for pair in found.pairs)
    said(
        f"{met} of the {len(found.pairs)} pictures below {'collides' if met == 1 else 'collide'}"
        f" with the query in at least one band; of the whole gallery about {found.shares:.1%}."
    )


def _chart(found: Buckets) -> None:
    chart = palette.figure(320)
    _probability(chart, found)
    _threshold(chart, found)
    _shown(chart, found)
    name = "cosine" if found.method == "lsh" else "Jaccard similarity of the sets"
    chart.update_xaxes(
        title={"text": f"similarity of a pair: {name}"},
        range=[min(0.0, min(found.similarity)), 1.0],
    )
    chart.update_yaxes(
        title={"text": "collision probability"},
        range=[-0.04, 1.16],
        tickvals=[0, 0.5, 1],
        tickformat=".0%",
    )
    palette.draw(
        chart,
        "lab_collisions",
        f"Collision probability against similarity; {found.at_threshold:.0%} at the threshold",
    )
    quiet(
        "Line: the formula. Diamonds: pairs of this gallery. Strokes: the pictures above, at the"
        f" top those that collide. The curve is steepest at {found.steepest:.2f}."
    )


def _probability(chart: go.Figure, found: Buckets) -> None:
    """By the formula, and of the gallery's pairs."""
    chart.add_scatter(
        x=found.similarity,
        y=found.probability,
        name="formula",
        mode="lines",
        line={"color": "#0072B2", "width": 3},
        hovertemplate="similarity %{x:.2f}: %{y:.1%} collide<extra></extra>",
    )
    if found.measured:
        x, y, n = zip(*found.measured, strict=True)
        chart.add_scatter(
            x=x,
            y=y,
            name="pairs of the gallery",
            mode="markers",
            customdata=n,
            marker={
                "color": "#E69F00",
                "size": 9,
                "symbol": "diamond",
                "line": {"color": palette.ink()["ink"], "width": 1},
            },
            hovertemplate=(
                "%{customdata:,} real pairs near %{x:.2f}: %{y:.1%} collided<extra></extra>"
            ),
        )


def _threshold(chart: go.Figure, found: Buckets) -> None:
    tone = palette.ink()
    chart.add_vline(x=found.threshold, line={"color": tone["ink"], "width": 2, "dash": "dash"})
    left = found.threshold > 0.6
    chart.add_annotation(
        x=found.threshold,
        y=1.1,
        xanchor="right" if left else "left",
        showarrow=False,
        text=f" your threshold {found.threshold:.2f}: {found.at_threshold:.0%} collide ",
        font={"color": tone["ink"], "size": 13},
    )


def _shown(chart: go.Figure, found: Buckets) -> None:
    """The pictures above the chart, at the top those that collide."""
    muted, met = palette.ink()["muted"], found.pairs
    chart.add_scatter(
        x=[pair.similarity for pair in met],
        y=[1.0 if pair.met else 0.0 for pair in met],
        name="pictures that are shown",
        mode="markers",
        marker={
            "symbol": "line-ns",
            "size": 12,
            "color": muted,
            "line": {"width": 2, "color": muted},
        },
        text=[pair.id for pair in met],
        hovertemplate="%{text}: similarity %{x:.2f}<extra></extra>",
    )
