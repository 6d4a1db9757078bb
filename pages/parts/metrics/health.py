"""Data health: leaks between query and gallery, hubs, crowding, and score calibration."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

from itertools import pairwise

import plotly.graph_objects as go
import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import palette
from pages.parts.choosing import menu, segments
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.evaluation import studied
from pages.parts.metrics.views import encoders_of
from pages.parts.words import caption, heading, quiet, table

SAME, DIFFERENT = "#0072B2", "#E69F00"


def show(shown: Choice, cells: list[Cell]) -> None:
    known = studied("health", shown, cells)
    if not known:
        return
    heading("Near-duplicates between query and gallery")
    _duplicates(known)
    heading("Hubs and crowding")
    _space(known)
    heading("Score calibration")
    encoders = encoders_of(cells, known)
    chosen = menu("Encoder", choice.ENCODER, encoders, format_func=palette.title)
    _similarity(chosen, known[chosen]["similarity"])


def _duplicates(known: dict[str, dict]) -> None:
    twins = next(iter(known.values()))["duplicates"]
    if not twins["pairs"]:
        quiet(
            "No query has a near-duplicate in the gallery (difference hash, at most 10 of 256 bits"
            " apart): no score is inflated by leaks."
        )
        return
    rows = []
    for encoder, made in known.items():
        one = made["duplicates"]
        low, high = one["low"], one["high"]
        span = "" if low is None else f"{low:+.4f} to {high:+.4f}"
        rows.append(
            {
                "Encoder": palette.title(encoder),
                "mAP with them": f"{one['mAP with']:.4f}",
                "mAP without": f"{one['mAP without']:.4f}",
                "Change, 95 % interval": span,
            }
        )
    table(rows)
    quiet(
        f"{twins['pairs']:,} pairs (difference hash, at most 10 of 256 bits apart) touch"
        f" {twins['queries']:,} queries; {twins['across classes']:,} of them have different labels."
        " Without = the twin counts as neither right nor wrong."
    )
    with st.expander("The pairs"):
        table([{"Query": q, "Gallery": g, "Cosine": f"{s:.3f}"} for q, g, s in twins["shown"]])


def _space(known: dict[str, dict]) -> None:
    rows = []
    for encoder, made in known.items():
        hubs, space = made["hubness"], made["space"]
        rows.append(
            {
                "Encoder": palette.title(encoder),
                "Hubness (skewness)": f"{hubs['skewness']:.1f}",
                "Largest hub is in": f"{hubs['largest']:,} of {hubs['queries']:,}",
                "Never found": f"{hubs['never found']:.0%}",
                "Mean cosine": f"{space['mean cosine']:.2f}",
                "Effective dimensions": (
                    f"{space['effective dimensions']:.0f} of {space['dimensions']:,}"
                ),
            }
        )
    table(rows)
    worst = max(known, key=lambda encoder: known[encoder]["hubness"]["skewness"])
    tight = max(known, key=lambda encoder: known[encoder]["space"]["mean cosine"])
    quiet(
        f"{palette.title(worst)} has the strongest hubs: few pictures stand in many top tens,"
        f" others in none. In {palette.title(tight)} any two pictures look alike (mean cosine"
        f" {known[tight]['space']['mean cosine']:.2f}), so its scores say little by themselves."
    )


def _similarity(encoder: str, pairs: dict) -> None:
    wanted = _wanted(pairs)
    left, right = st.columns(2, gap="medium")
    with left:
        caption("Similarity of same and different pairs")
        _histogram(pairs, wanted)
    with right:
        caption("Chance that a pair is the same, by its similarity")
        _calibration(pairs, wanted)
    if wanted:
        _thresholds(pairs, wanted)
    else:
        quiet(
            f"No threshold on {palette.title(encoder)} separates same from different with 50 %"
            " precision or more."
        )
    share = f"{pairs['share same']:.2%} of {pairs['pairs']:,} pairs are the same"
    error = pairs.get("calibration") or {}
    said = (
        f" The curve is off by {_small(error['error'])} on average on queries that it was not"
        " fitted on."
        if error
        else ""
    )
    quiet(
        f"{share}. Thresholds are chosen on half of the queries and checked on the other"
        f" half.{said}"
    )


def _wanted(pairs: dict) -> dict | None:
    """The threshold that the reader chooses by its precision; None where there is none."""
    kept = {f"{t['wanted']:.0%}": t for t in pairs["thresholds"]}
    if not kept:
        return None
    label = "Of the pairs above the threshold, the same should be"
    return kept[segments(label, choice.WANTED, list(kept), list(kept)[-1])]


def _thresholds(pairs: dict, wanted: dict) -> None:
    quiet(
        f"From a similarity of {wanted['threshold']:.3f} on, {wanted['precision']:.1%} of the"
        f" pairs of other queries are the same, and {wanted['recall']:.1%} of all same pairs"
        " are found."
    )
    with st.expander("Every threshold"):
        table(
            [
                {
                    "Wanted precision": f"{t['wanted']:.0%}",
                    "Threshold": f"{t['threshold']:.3f}",
                    "Precision on other queries": f"{t['precision']:.1%}",
                    "Same pairs above it": f"{t['recall']:.1%}",
                    "Pairs above it": f"{t['pairs']:,}",
                }
                for t in pairs["thresholds"]
            ]
        )


def _small(share: float) -> str:
    return "less than 0.1 %" if share < 0.001 else f"{share:.1%}"


def _histogram(pairs: dict, wanted: dict | None) -> None:
    chart = palette.figure(240, barmode="overlay", bargap=0, showlegend=True)
    edges = pairs["edges"]
    middle = [(a + b) / 2 for a, b in pairwise(edges)]
    for name, colour in (("different", DIFFERENT), ("same", SAME)):
        total = sum(pairs[name]) or 1
        chart.add_bar(
            x=middle,
            y=[count / total for count in pairs[name]],
            name=name,
            opacity=0.6,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"{name}, around %{{x:.2f}}: %{{y:.1%}}<extra></extra>",
        )
    chart.update_layout(legend={"y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 28})
    chart.update_xaxes(title={"text": "cosine similarity"})
    chart.update_yaxes(title={"text": "share of such pairs"}, tickformat=".0%")
    _line(chart, wanted)
    palette.draw(chart, "metrics_pairs", "Histograms of similarity for same and different pairs")


def _line(chart: go.Figure, wanted: dict | None) -> None:
    """The threshold that was chosen, across the whole chart."""
    if wanted:
        tone, at = palette.ink(), wanted["threshold"]
        said = {"text": f"{at:.3f}", "font": {"color": tone["ink"]}, "xanchor": "right"}
        chart.add_vline(
            x=at, line={"color": tone["ink"], "width": 1.5, "dash": "dash"}, annotation=said
        )


def _calibration(pairs: dict, wanted: dict | None) -> None:
    if not pairs.get("calibration"):
        quiet("There are too few queries to fit and check a curve.")
        return
    tone, chart = palette.ink(), palette.figure(240)
    chart.add_scatter(
        x=pairs["calibration"]["similarity"],
        y=pairs["calibration"]["probability"],
        mode="lines",
        line={"color": tone["accent"], "width": 2},
        hovertemplate="%{x:.2f}: %{y:.1%}<extra></extra>",
    )
    chart.update_xaxes(title={"text": "cosine similarity"})
    chart.update_yaxes(title={"text": "chance of the same"}, tickformat=".0%", rangemode="tozero")
    _line(chart, wanted)
    palette.draw(
        chart, "metrics_calibration", "Probability that a pair is the same by its similarity"
    )
