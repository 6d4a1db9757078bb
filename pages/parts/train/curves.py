"""The live curves of a run: loss, validation, learning rate, throughput."""

from collections.abc import Sequence

import streamlit as st

from core.metrics import table
from core.services import marks
from core.services.training.runs import RunStatus, thinned, trend
from pages.parts import cached_train, palette
from pages.parts.words import caption, quiet

SMOOTH = 12
"""The loss is smoothed over a twelfth of the curve, and over ten points at most."""
HEIGHT, LOW = 260, 190
FORMULA = table.formula("MAP@R")


def show(run: str) -> None:
    """Four charts over the same steps."""
    found = cached_train.status(run)
    if not found.loss:
        quiet("The curves begin with the first step.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        caption("Loss")
        _loss(found)
        quiet(_loss_words(found))
    with right:
        caption("Validation, on held-out pictures")
        _validation(found)
        quiet(_validation_words(found))
    left, right = st.columns(2, gap="medium")
    with left:
        caption("Learning rate")
        _line(found, found.rate, "train_rate", "learning rate", LOW)
    with right:
        caption("Throughput")
        _line(found, found.speed, "train_speed", "pictures per second", LOW, "tozero")


def smoothed(values: Sequence[float]) -> list[float]:
    """A running mean that starts without bias."""
    weight = 1 - 1 / min(max(len(values) / SMOOTH, 2), 10)
    mean, out = 0.0, []
    for place, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**place))
    return out


def _loss(found: RunStatus) -> None:
    chart, tone, points = palette.figure(HEIGHT), palette.ink(), thinned(found.loss)
    steps, values = zip(*points, strict=True)
    chart.add_scatter(
        x=steps,
        y=values,
        name="every step",
        mode="lines",
        line={"color": tone["muted"], "width": 1},
        opacity=0.45,
        hoverinfo="skip",
    )
    chart.add_scatter(
        x=steps,
        y=smoothed(values),
        name="running mean",
        mode="lines",
        line={"color": tone["accent"], "width": 2.2},
        hovertemplate="step %{x:.0f}<br>loss %{y:.3f}, smoothed<extra></extra>",
    )
    _finish(chart, found, "train_loss", f"Loss over {found.step} steps")


def _line(found: RunStatus, curve, key: str, what: str, height: int, mode: str = "normal") -> None:
    chart, points = palette.figure(height), thinned(curve)
    steps, values = zip(*points, strict=True)
    chart.add_scatter(
        x=steps,
        y=values,
        name=what,
        mode="lines",
        line={"color": palette.ink()["accent"], "width": 2},
        hovertemplate=f"step %{{x:.0f}}<br>%{{y:.4g}} {what}<extra></extra>",
    )
    chart.update_yaxes(rangemode=mode, tickformat="~g")
    _finish(chart, found, key, what)


def _validation(found: RunStatus) -> None:
    if not found.validation:
        st.html('<div class="ll-wait">After the first epoch</div>')
        return
    chart, tone = palette.figure(HEIGHT), palette.ink()
    names = [name for name in found.validation[0] if name not in ("step", "epoch", "mean")]
    for place, name in enumerate(["mean", *(names if len(names) > 1 else [])]):
        colour = (
            tone["accent"] if name == "mean" else marks.COLOURS[(place - 1) % len(marks.COLOURS)]
        )
        line = {"color": colour, "width": 2.2 if name == "mean" else 1.4}
        chart.add_scatter(
            x=[row["step"] for row in found.validation],
            y=[row.get(name) for row in found.validation],
            name=name,
            mode="lines+markers",
            cliponaxis=False,
            line=line,
            marker={"size": 7},
            customdata=[row["epoch"] for row in found.validation],
            hovertemplate=f"epoch %{{customdata}}<br>{name} %{{y:.3f}}<extra></extra>",
        )
    chart.update_layout(showlegend=len(names) > 1)
    _finish(chart, found, "train_validation", "Validation after each epoch")


def _finish(chart, found: RunStatus, key: str, alt: str) -> None:
    """The same steps on every chart, from the first to the last that is planned."""
    chart.update_xaxes(range=[0, 1.02 * max(found.steps, found.step, 1)], title={"text": "step"})
    palette.draw(chart, key, alt)


def _loss_words(found: RunStatus) -> str:
    values = [value for _, value in found.loss]
    way, lines = trend(values), "Thin: every step; thick: running mean."
    if not way:
        return f"Too few steps so far to say whether it falls. {lines}"
    part = len(values) // 5
    first, last = sum(values[:part]) / part, sum(values[-part:]) / part
    said = {"fell": "falls", "rose": "rises", "flat": "does not change beyond its noise"}[way]
    return (
        f"The loss {said}: {first:.3f} in the first fifth of the steps, {last:.3f} in the last."
        f" {lines}"
    )


def _validation_words(found: RunStatus) -> str:
    if not found.validation or found.best is None:
        return f"{FORMULA}."
    epoch, score = found.best
    if not epoch:
        return f"Best: {score:.3f}, by the initial weights; no epoch was better so far. {FORMULA}."
    return f"Best: {score:.3f} after epoch {epoch}, whose weights are kept. {FORMULA}."
