"""Which classes are hard for which encoder: one shade a mean, light to dark, so that two hundred classes still read."""

from __future__ import annotations

from core.services.cells import Cell
from pages.parts import cached_metrics, palette
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.naming import name_of, short
from pages.parts.words import caption, note, quiet

TEXT_UP_TO = 24


def show(choice: Choice, cells: list[Cell]) -> None:
    names, means, sizes = cached_metrics.class_table(*choice.key, choice.metric)
    if len(names) < 2:
        note("There is only one class.", "A heat map compares classes: this data set names no more than one.")
        return
    order = sorted(range(len(names)), key=lambda i: float(means[i].mean()))
    values = means[order].T.tolist()
    rows = [name_of(cell.encoder, cell.index) for cell in cells]
    tone = palette.ink()
    label = short(choice.metric)
    caption(f"{label} by class, the hardest at the left")
    chart = palette.figure(120 + 28 * len(rows))
    chart.add_heatmap(
        z=values, x=[f"{names[i]}" for i in order], y=rows, xgap=1, ygap=1, zmin=0, zmax=max(map(max, values)) or 1,
        colorscale=[[0, tone["panel"]], [1, tone["accent"]]],
        customdata=[[int(sizes[i]) for i in order]] * len(rows),
        hovertemplate="%{y}<br>%{x}: %{z:.3f}<br>%{customdata} queries<extra></extra>",
        texttemplate="%{z:.2f}" if len(names) <= TEXT_UP_TO else None, textfont={"size": 11},
        colorbar={"thickness": 8, "outlinewidth": 0, "tickfont": {"color": tone["muted"]}, "nticks": 4},
    )  # fmt: skip
    chart.update_xaxes(showgrid=False, tickangle=-45 if len(names) > 6 else 0)
    chart.update_yaxes(showgrid=False, autorange="reversed")
    palette.draw(chart, "metrics_classes", f"{label} of each encoder in each class")
    quiet(_reading(names, means, cells, order))


def _reading(names: list[str], means, cells: list[Cell], order: list[int]) -> str:
    hard, easy = names[order[0]], names[order[-1]]
    winners = means.argmax(axis=1)
    counts = sorted(((int((winners == e).sum()), name_of(c.encoder, c.index)) for e, c in enumerate(cells)), reverse=True)
    return f"{hard} is hardest and {easy} easiest on average. {counts[0][1]} is best in {counts[0][0]} of {len(names)} classes."
