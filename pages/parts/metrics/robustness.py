"""The perturbation lab: curves over growing distortion for every encoder, and one picture live."""

from collections.abc import Sequence

import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.distortions import DISTORTIONS
from core.services.evaluation.perturb import Outcome
from pages.parts import cached, cached_metrics, given, palette, url_state
from pages.parts.choosing import menu, segments
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.curves import legend
from pages.parts.metrics.evaluation import studied
from pages.parts.metrics.views import built_of, place_of
from pages.parts.words import caption, count, heading, note, quiet, table

MEASURES = {
    "Original first": ("recall@1", "share of distorted pictures that find their original first"),
    "Original in ten": ("recall@10", "share that find their original among ten"),
    "Same answer": ("overlap", "share of the undistorted picture's top ten that is left"),
    "Same ranks": ("rbo", "rank-biased overlap with the undistorted picture's answer"),
}
TITLES = {
    "Original first": "hit@1 (original)",
    "Original in ten": "hit@10 (original)",
    "Same answer": "Overlap@10",
    "Same ranks": "Rank-biased overlap",
}
"""What a measure is called; its key stands in links."""
LIVE_MOST = 6


def show(shown: Choice, cells: list[Cell]) -> None:
    if known := studied("robustness", shown, cells):
        _curves(known, [cell for cell in cells if cell.encoder in known and cell.index == "exact"])
    heading("One picture, live")
    _live(shown, cells)


def _curves(known: dict[str, dict], cells: list[Cell]) -> None:
    measure = segments("Measure", choice.MEASURE, list(MEASURES), format_func=TITLES.get)
    name, about = MEASURES[measure]
    st.html(legend(cells))
    kinds = [kind for kind in DISTORTIONS if all(kind in made["curves"] for made in known.values())]
    for start in range(0, len(kinds), 3):
        for column, kind in zip(
            st.columns(3, gap="medium"), kinds[start : start + 3], strict=False
        ):
            with column:
                _chart(
                    kind, {encoder: made["curves"][kind] for encoder, made in known.items()}, name
                )
    sample = next(iter(known.values()))["sample"]
    quiet(
        f"Up: {about}; across: strength. A fixed sample of {count(sample, 'picture')}."
        f" {_reading(known, name)}"
    )


def _chart(kind: str, curves: dict[str, list[dict]], name: str) -> None:
    row, chart = DISTORTIONS[kind], palette.figure(190)
    caption(row.title)
    for encoder, rows in curves.items():
        chart.add_scatter(
            x=[abs(step["strength"]) for step in rows],
            y=[step[name] for step in rows],
            name=palette.title(encoder),
            mode="lines+markers",
            line={"color": palette.colour(encoder), "dash": palette.dash(encoder), "width": 2},
            marker={"size": 5, "symbol": palette.symbol(encoder)},
            hovertemplate=f"{palette.title(encoder)}<br>%{{x:g}}: %{{y:.2f}}<extra></extra>",
        )
    chart.update_yaxes(range=[-0.03, 1.05], tickvals=[0, 0.5, 1])
    chart.update_xaxes(title={"text": row.unit})
    palette.draw(
        chart, f"metrics_robust_{kind}", f"{row.title}: one line an encoder over growing strength"
    )


def _reading(known: dict[str, dict], name: str) -> str:
    """Which encoder keeps most on average, and which distortion costs most."""
    kept = {
        encoder: _mean([step[name] for rows in made["curves"].values() for step in rows[1:]])
        for encoder, made in known.items()
    }
    hurt = {
        kind: _mean(
            [step[name] for made in known.values() for step in made["curves"].get(kind, [])[1:]]
        )
        for kind in DISTORTIONS
    }
    best, worst = max(kept, key=kept.__getitem__), min(hurt, key=hurt.__getitem__)
    return (
        f"{palette.title(best)} keeps most ({kept[best]:.0%} on average);"
        f" {DISTORTIONS[worst].title.lower()} costs most."
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0


def _live(shown: Choice, cells: list[Cell]) -> None:
    """A slider, the distorted picture, and where its original stands now."""
    locator = place_of(shown, cells)
    if locator is None:
        note(
            f"The pictures of {shown.dataset} are not in this library.",
            "Add the data set on the Library page.",
        )
        return
    version = cached.version(locator)
    ready = built_of(locator, cells)[:LIVE_MOST]
    left, right = st.columns((1, 2), gap="medium")
    with left:
        kind, strength, item = _controls(cached.examples(locator, version, 12))
    picture, outcomes = cached_metrics.distorted(
        locator, version, item, kind, strength, tuple(ready)
    )
    with left:
        said = f"{DISTORTIONS[kind].title}, strength {strength:g}"
        st.html(f'<figure class="ll-query"><img src="{picture}" alt="{said}"></figure>')
    with right:
        _outcomes(outcomes)


def _controls(ids: Sequence[str]) -> tuple[str, float, str]:
    """Distortion, its strength, and which of the pictures ``ids``."""
    kind = menu(
        "Distortion",
        choice.DISTORTION,
        list(DISTORTIONS),
        format_func=lambda name: DISTORTIONS[name].title,
    )
    row = DISTORTIONS[kind]
    steps = url_state.heal(
        choice.STRENGTH, [f"{one:g}" for one in (row.none, *row.strengths)], f"{row.strengths[1]:g}"
    )
    strength = float(st.select_slider(f"Strength, {row.unit}", steps, key=choice.STRENGTH))
    first = given.FIRST_ITEM if given.FIRST_ITEM in ids else ids[0]
    return kind, strength, menu("Picture", choice.PICTURE, ids, first)


def _outcomes(outcomes: Sequence[Outcome]) -> None:
    """Where the original stands now."""
    if not outcomes:
        note("No encoder is built for this data set.", "Build one on the Library page.")
        return
    table(
        [
            {
                "Encoder": palette.title(o.encoder),
                "Rank of the original": f"{o.rank:,}",
                "Cosine to it": f"{o.cosine:.3f}",
                "Overlap@10": f"{o.overlap:.0%}",
                "Rank-biased overlap": f"{o.rbo:.2f}",
            }
            for o in outcomes
        ]
    )
    lost = [palette.title(o.encoder) for o in outcomes if o.rank > 1]
    verb = "finds" if len(lost) == 1 else "find"
    gone = f"{', '.join(lost)} no longer {verb} the original first."
    quiet(gone if lost else "Every encoder still finds the original first.")
