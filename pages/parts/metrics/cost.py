"""What quality costs: one search's time stage by stage, the vectors' size, and what was spent once."""

from __future__ import annotations

import math

import streamlit as st

from core.services.cells import Cell
from pages.parts import cached_metrics, palette
from pages.parts.metrics import labels
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.naming import milliseconds, name_of, short
from pages.parts.words import heading, note, quiet, size
from pages.parts.words import table as words_table

TICKS = [base * 10.0**power for power in range(-2, 5) for base in (1, 2, 5)]
DOING = {"decode": "decoding the file", "preprocess": "preparing the picture", "encode": "encoding", "search": "searching"}
STAGES = {"decode": "#8A8A86", "preprocess": "#E69F00", "encode": "#0072B2", "search": "#009E73"}


def show(choice: Choice, cells: list[Cell]) -> None:
    timed = [cell for cell in cells if milliseconds(cell)]
    if not timed:
        note("No times were measured for this report.", "Make it again without --no-latency: python -m core evaluate.")
        return
    means = {(s.encoder, s.index): s for s in cached_metrics.standings(*choice.key, choice.metric, choice.group).standings}
    heading("Quality against time")
    _pareto(choice, timed, means)
    heading("Where the time goes")
    _stages(timed)
    heading("Size, and what was spent once")
    _once(timed)
    busy = max((cell.latency.get("busy") or 0.0 for cell in timed), default=0.0)
    if busy > 1.5:
        note("Times of a busy machine.", f"Up to {busy:.0f} programs wanted each core meanwhile: compare with care.")
    runs = timed[0].latency["total"]["single"]["runs"]
    quiet(f"Measured after warm-up on {timed[0].card['hardware']}, {runs} searches of one picture each; batches of 32 beside it.")


def front(points: list[tuple[float, float]]) -> list[int]:
    """Which (cost, worth) points no other beats on both, by rising cost."""
    best, kept = float("-inf"), []
    for at in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[at][1] > best:
            best = points[at][1]
            kept.append(at)
    return kept


def _pareto(choice: Choice, cells: list[Cell], means: dict) -> None:
    tone, chart = palette.ink(), palette.figure(360, hovermode="closest")
    points = [(milliseconds(cell), means[cell.encoder, cell.index].mean) for cell in cells]
    best = front(points)
    chart.add_scatter(x=[points[i][0] for i in best], y=[points[i][1] for i in best], mode="lines",
                      line={"color": tone["muted"], "width": 1, "dash": "dot", "shape": "hv"}, hoverinfo="skip")  # fmt: skip
    low, high = min(x for x, _ in points) / 1.8, max(milliseconds(cell, "p95") for cell in cells) * 1.5
    top = max(s.high for s in means.values()) * 1.1 or 1.0
    names = [name_of(cell.encoder, cell.index) for cell in cells]
    wide = math.log(high / low)
    where = labels.places([(math.log(x / low) / wide, y / top) for x, y in points], names)
    for cell, (x, y), name, place in zip(cells, points, names, where, strict=True):
        s, late = means[cell.encoder, cell.index], milliseconds(cell, "p95")
        chart.add_scatter(
            x=[x], y=[y], mode="markers+text", text=[name], textposition=place,
            textfont={"color": tone["ink"], "size": 12}, cliponaxis=False,
            marker={"color": palette.colour(cell.encoder), "symbol": palette.symbol(cell.encoder), "size": 11,
                    "line": {"color": tone["ink"], "width": 1}},
            error_x={"array": [late - x], "arrayminus": [0], "thickness": 1, "width": 3, "color": tone["muted"]},
            error_y={"array": [s.high - y], "arrayminus": [y - s.low], "thickness": 1, "width": 3, "color": tone["muted"]},
            hovertemplate=f"{name}<br>{y:.3f}<br>p50 {x:.1f} ms, p95 {late:.1f} ms<extra></extra>",
        )  # fmt: skip
    chart.update_xaxes(type="log", title={"text": "milliseconds for one search, p50 (whisker: p95)"}, minor={"showgrid": False},
                       range=[math.log10(low), math.log10(high)], tickvals=TICKS)  # fmt: skip
    chart.update_yaxes(title={"text": short(choice.metric)}, range=[0, top])
    palette.draw(
        chart, "metrics_pareto", "Quality against time of one search; a dotted line joins encoders that none beats on both"
    )
    verb = "is" if len(best) == 1 else "are"
    quiet(
        f"{', '.join(names[i] for i in best)} {verb} on the dotted front: no other encoder is both faster and better. "
        "Up and left is better."
    )


def _stages(cells: list[Cell]) -> None:
    tone, chart = palette.ink(), palette.figure(90 + 30 * len(cells), barmode="stack", showlegend=True)
    ordered = sorted(cells, key=lambda cell: -milliseconds(cell))
    names = [name_of(cell.encoder, cell.index) for cell in ordered]
    for stage, colour in STAGES.items():
        values = [cell.latency.get(stage, {}).get("single", {}) for cell in ordered]
        chart.add_bar(
            y=names, x=[v.get("p50", 0) for v in values], name=stage, orientation="h",
            marker={"color": colour, "line": {"color": tone["paper"], "width": 1}},
            customdata=[[v.get("p95", 0), v.get("p99", 0), v.get("runs", 0)] for v in values],
            hovertemplate=f"%{{y}}, {stage}<br>p50 %{{x:.2f}} ms, p95 %{{customdata[0]:.2f}}, p99 %{{customdata[1]:.2f}}"
                          "<br>%{customdata[2]} runs<extra></extra>",
        )  # fmt: skip
    chart.update_layout(legend={"y": 1.02, "yanchor": "bottom", "traceorder": "normal"}, margin={"t": 30})
    chart.update_xaxes(title={"text": "milliseconds a picture, p50 of each stage"})
    palette.draw(chart, "metrics_stages", "Milliseconds of each stage for each encoder")
    slow = ordered[0]
    stage = max(STAGES, key=lambda name: slow.latency.get(name, {}).get("single", {}).get("p50", 0))
    quiet(f"{names[0]} takes longest; most of its time goes into {DOING[stage]}.")
    with st.expander("p50, p95 and p99 of every stage"):
        rows = [_row(cell, stage, mode) for cell in ordered[::-1] for stage in STAGES for mode in ("single", "batch")]
        words_table(["Encoder", "Stage", "Pictures", "p50 ms", "p95 ms", "p99 ms", "Runs"], [row for row in rows if row])


def _row(cell: Cell, stage: str, mode: str) -> list[str]:
    times = cell.latency.get(stage, {}).get(mode)
    if not times:
        return []
    many = "one" if mode == "single" else str(times.get("size", ""))
    return [
        name_of(cell.encoder, cell.index),
        stage,
        many,
        *(f"{times[p]:.2f}" for p in ("p50", "p95", "p99")),
        str(times["runs"]),
    ]


def _once(cells: list[Cell]) -> None:
    rows = []
    for cell in sorted(cells, key=lambda cell: cell.card["dimensions"]):
        spent = cell.latency.get("build", {})
        seconds, index_s = spent.get("encode_s"), spent.get("index_s")
        rows.append([
            name_of(cell.encoder, cell.index), f"{cell.card['dimensions']:,}", size(4 * cell.card["dimensions"]),
            "with the code" if seconds is None else f"{seconds:.1f} s for {spent.get('pictures') or 0:,} pictures",
            "" if index_s is None else f"{index_s:.2f} s", size(spent["index_bytes"]) if "index_bytes" in spent else "",
        ])  # fmt: skip
    words_table(
        ["Encoder", "Numbers a vector", "Bytes a vector", "Encoding the gallery", "Building the index", "Index on disk"], rows
    )
    quiet("Encoders that were built together share one pass over the pictures, and its seconds.")
