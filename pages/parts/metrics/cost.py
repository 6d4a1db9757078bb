"""What quality costs: one search's time stage by stage, the vectors' size, and what was spent
once."""

import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.latency import BUSY
from pages.parts import cached_metrics, palette
from pages.parts.metrics import evaluation, worth
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.naming import milliseconds, name_of, spent
from pages.parts.words import count, heading, note, quiet, size
from pages.parts.words import table as words_table

DOING = {
    "decode": "decoding the file",
    "preprocess": "preparing the picture",
    "encode": "encoding",
    "search": "searching",
}
STAGES = {"decode": "#8A8A86", "preprocess": "#E69F00", "encode": "#0072B2", "search": "#009E73"}


def show(shown: Choice, cells: list[Cell]) -> None:
    timed = [cell for cell in cells if milliseconds(cell)]
    if not timed:
        note("No times were measured for this report.", "Evaluate again: times are measured then.")
        evaluation.offer(shown, cells)
        return
    board = cached_metrics.standings(*shown.key, shown.metric, shown.group)
    worth.show(shown.metric, timed, {(s.encoder, s.index): s for s in board.standings})
    heading("Latency by stage")
    _stages(timed)
    heading("Vector size and build cost")
    _once(timed)
    busy = max((cell.latency.get("busy") or 0.0 for cell in timed), default=0.0)
    if busy > BUSY:
        note(
            "The machine was busy.",
            f"Up to {busy:.0f} processes per core ran meanwhile: compare these times with care.",
        )
    runs = count(timed[0].latency["total"]["single"]["runs"], "search", "searches")
    quiet(
        f"Measured after warm-up on {timed[0].card['hardware']}: {runs} of one picture each, and"
        " batches of 32."
    )


def _stages(cells: list[Cell]) -> None:
    tone, chart = (
        palette.ink(),
        palette.figure(90 + 30 * len(cells), barmode="stack", showlegend=True),
    )
    ordered = sorted(cells, key=lambda cell: -milliseconds(cell))
    names = [name_of(cell.encoder, cell.index) for cell in ordered]
    for stage, colour in STAGES.items():
        values = [cell.latency.get(stage, {}).get("single", {}) for cell in ordered]
        chart.add_bar(
            y=names,
            x=[v.get("p50", 0) for v in values],
            name=stage,
            orientation="h",
            marker={"color": colour, "line": {"color": tone["paper"], "width": 1}},
            customdata=[[v.get("p95", 0), v.get("p99", 0), v.get("runs", 0)] for v in values],
            hovertemplate=(
                f"%{{y}}, {stage}<br>"
                "p50 %{x:.2f} ms, p95 %{customdata[0]:.2f}, p99 %{customdata[1]:.2f}<br>"
                "%{customdata[2]} runs<extra></extra>"
            ),
        )
    chart.update_layout(
        legend={"y": 1.02, "yanchor": "bottom", "traceorder": "normal"}, margin={"t": 30}
    )
    chart.update_xaxes(title={"text": "milliseconds per picture (p50)"})
    palette.draw(chart, "metrics_stages", "Milliseconds of each stage for each encoder")
    slow = ordered[0]
    stage = max(STAGES, key=lambda name: slow.latency.get(name, {}).get("single", {}).get("p50", 0))
    quiet(f"{names[0]} takes longest; most of its time goes into {DOING[stage]}.")
    with st.expander("p50, p95 and p99 of every stage"):
        rows = [
            _row(cell, stage, mode)
            for cell in ordered[::-1]
            for stage in STAGES
            for mode in ("single", "batch")
        ]
        words_table(
            ["Encoder", "Stage", "Pictures", "p50 ms", "p95 ms", "p99 ms", "Runs"],
            [row for row in rows if row],
        )


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
        once = cell.latency.get("build", {})
        seconds, index_s = once.get("encode_s"), once.get("index_s")
        rows.append(
            [
                name_of(cell.encoder, cell.index),
                f"{cell.card['dimensions']:,}",
                size(4 * cell.card["dimensions"]),
                (
                    "with the code"
                    if seconds is None
                    else f"{seconds:.1f} s for {once.get('pictures') or 0:,} pictures"
                ),
                spent(index_s),
                size(once["index_bytes"]) if "index_bytes" in once else "",
            ]
        )
    head = [
        "Encoder",
        "Dimensions",
        "Bytes per vector",
        "Encoding the gallery",
        "Building the index",
        "Index on disk",
    ]
    with st.container(key="metrics_once"):
        words_table(head, rows)
    quiet("Encoders that were built together share one pass over the pictures, and its time.")
