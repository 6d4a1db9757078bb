"""What the subject is worth: boxes against the true ones, searches with and without crop."""

import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.worth import KINDS, METRICS, TRUE, WHOLE, Asked, Figure, Found, Worth
from pages.parts import cached, cached_metrics, palette
from pages.parts.choosing import segments
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice
from pages.parts.words import heading, note, quiet, table

CHANGE = {"mAP": "mAP", "right category first": "hit@1 (category)"}
"""What the measured metrics are called."""
PICTURES = {"cluttered": "Cluttered", "clean": "Clean"}
ABOUT = {
    "cluttered": "test products pasted small into test photographs of clothing, cats and dogs",
    "clean": "test products as the catalogue shows them",
}


def show(shown: Choice, cells: list[Cell]) -> None:
    """Both charts of the kind of pictures that the reader chooses; the same in every report."""
    made = cached_metrics.subject_worth()
    if made is None:
        note(
            "What a crop is worth is not known here.",
            "The figures come with the code; their file is missing or can\u2019t be read.",
        )
        return
    kinds = [kind for kind in KINDS if kind in made.boxes]
    kind = segments("Pictures", choice.PICTURES, kinds, format_func=PICTURES.get)
    rows = made.boxes[kind]
    quiet(
        f"{PICTURES[kind]}: {ABOUT[kind]}; {rows[0].pictures} pictures of {rows[0].products}"
        " products, category search in the catalogue, intervals of 95 % over products. The same in"
        " every report."
    )
    heading("Boxes against true boxes")
    _boxes(rows)
    heading("Search with the crop and without")
    _searches(made, kind)


def _boxes(rows: list[Found]) -> None:
    best = max(rows, key=lambda row: row.overlap.mean)
    chart = palette.figure(70 + 34 * len(rows))
    names = [detector_title(row.detector) for row in rows]
    for row, name in zip(rows, names, strict=True):
        chart.add_scatter(
            x=[row.overlap.mean],
            y=[name],
            error_x=_whisker(row.overlap),
            mode="markers",
            marker={"size": 11, "color": palette.ink()["accent"]},
            hovertemplate=f"{name}<br>IoU {_figure(row.overlap)}<extra></extra>",
        )
    chart.update_xaxes(title={"text": "mean IoU with the true box"}, range=[0, 1])
    chart.update_yaxes(autorange="reversed")
    palette.draw(chart, "metrics_subject_boxes", "Mean IoU of each detector with its interval")
    quiet(
        f"{detector_title(best.detector)} matches the true box best: IoU {best.overlap.mean:.2f},"
        f" above 0.5 in {best.half.mean:.0%} of the pictures."
    )
    figures = [(_figure(row.overlap), _figure(row.half)) for row in rows]
    table(
        [
            {"Detector": name, "Mean IoU": overlap, "Share above 0.5": half}
            for name, (overlap, half) in zip(names, figures, strict=True)
        ]
    )


def _searches(made: Worth, kind: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        metric = segments("Measure", choice.WORTH, list(METRICS), format_func=CHANGE.get)
    detectors = made.detectors
    with right:
        detector = segments(
            "Crop by", choice.DETECTOR, detectors, detectors[-1], format_func=detector_title
        )
    rows = _by_encoder(made.asked[kind, metric], detector)
    if not rows:
        note("No search was measured on these pictures.")
        return
    _chart(rows, metric, detector)
    quiet(reading(rows, metric, detector))
    table(
        [
            {
                "Encoder": palette.title(encoder),
                "Whole picture": f"{ways[WHOLE].score.mean:.3f}",
                "Crop": f"{ways[detector].score.mean:.3f}",
                "Change": _figure(ways[detector].change, "+"),
                "True box": f"{ways[TRUE].score.mean:.3f}",
            }
            for encoder, ways in rows.items()
        ]
    )


def _by_encoder(asked: list[Asked], detector: str) -> dict[str, dict[str, Asked]]:
    """Encoder -> its ways of asking, best with the crop first; only where asked in all three."""
    found: dict[str, dict[str, Asked]] = {}
    for row in asked:
        found.setdefault(row.encoder, {})[row.way] = row
    whole = {
        encoder: ways for encoder, ways in found.items() if {WHOLE, detector, TRUE} <= ways.keys()
    }
    return dict(sorted(whole.items(), key=lambda pair: -pair[1][detector].score.mean))


def _chart(rows: dict[str, dict[str, Asked]], metric: str, detector: str) -> None:
    """From the whole picture to the crop, a line an encoder; a bar: the true box."""
    chart, tone = palette.figure(80 + 30 * len(rows)), palette.ink()
    for encoder, ways in rows.items():
        name, line = palette.title(encoder), {"color": palette.colour(encoder), "width": 3}
        ends = [ways[WHOLE].score.mean, ways[detector].score.mean]
        chart.add_scatter(
            x=ends, y=[name] * 2, mode="lines", line=line, hoverinfo="skip", meta="guide"
        )
        marks = (
            (ends[0], "circle-open", tone["muted"], "whole picture"),
            (ways[TRUE].score.mean, "line-ns-open", tone["muted"], "true box"),
            (ends[1], palette.symbol(encoder), palette.colour(encoder), "crop"),
        )
        for x, symbol, colour, said in marks:
            chart.add_scatter(
                x=[x],
                y=[name],
                name=said,
                mode="markers",
                marker={"symbol": symbol, "color": colour, "size": 11, "line": {"width": 2}},
                hovertemplate=f"{name}<br>{said}: %{{x:.3f}}<extra></extra>",
            )
    chart.update_xaxes(title={"text": CHANGE[metric]}, range=[0, 1.02])
    chart.update_yaxes(autorange="reversed")
    said = "For each encoder the score with the whole picture, with the crop and with the true box"
    palette.draw(chart, "metrics_subject_search", said)
    quiet("○ whole picture · filled mark: crop · upright line: true box.")


def reading(rows: dict[str, dict[str, Asked]], metric: str, detector: str) -> str:
    """What the chart says, in one line."""
    changes = {encoder: ways[detector].change for encoder, ways in rows.items()}
    better = [name for name, change in changes.items() if change.certain and change.mean > 0]
    worse = [name for name, change in changes.items() if change.certain and change.mean < 0]
    first = max(changes, key=lambda name: changes[name].mean)
    said = (
        f"The crop of {detector_title(detector)} raises {CHANGE[metric]} of {len(better)} of"
        f" {len(rows)} encoders"
    )
    said += f", lowers that of {len(worse)}" if worse else ""
    if better:
        said += f"; most of {palette.title(first)}, by {100 * changes[first].mean:.0f} points"
    rest = len(rows) - len(better) - len(worse)
    return f"{said}." + (f" For {rest} the difference is not significant." if rest else "")


def detector_title(name: str) -> str:
    """What people call a detector, without what stands in brackets behind it."""
    titles = {row["name"]: row["title"] for row in cached.detector_rows()}
    return titles.get(name, name).split(" (")[0]


def _whisker(figure: Figure) -> dict:
    return {
        "array": [figure.high - figure.mean],
        "arrayminus": [figure.mean - figure.low],
        "thickness": 1.5,
        "width": 4,
        "color": palette.ink()["muted"],
    }


def _figure(figure: Figure, sign: str = "") -> str:
    middle, low, high = (
        format(value, f"{sign}.3f") for value in (figure.mean, figure.low, figure.high)
    )
    return f"{middle} ({low} to {high})"
