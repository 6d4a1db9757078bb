"""A slider that loses pictures, and the curve on which it stands."""

import streamlit as st

from core.services.teaching import approximate
from core.services.teaching.contests import Found
from pages.parts import cached_lab, cached_learn, palette
from pages.parts.cached_learn import gallery
from pages.parts.learn import dials, shown
from pages.parts.words import caption, quiet

ENCODER, K = "tf_efficientnet_lite0.in1k", 10
TITLES = {
    "ivf_flat": "Inverted lists",
    "hnsw:M=4": "Thin HNSW graph",
    "lsh:rerank=1": "Hash codes alone",
}
KNOBS = {"nprobe": "Lists visited (nprobe)", "efSearch": "Candidates (efSearch)", "bits": "Bits"}
LOSING = tuple(f"{ENCODER} ivf_flat:nprobe={lists}" for lists in (1, 16))
"""Queries are offered on which these two differ."""
FACTS = {
    "one": "ivf_flat:nprobe=1",
    "four": "ivf_flat:nprobe=4",
    "graph": "hnsw:efSearch=8,M=4",
    "codes": "lsh:rerank=1",
}


def measured() -> dict[str, str]:
    """Mean recall of the settings of the prediction."""
    return {
        name: f"{cached_learn.ask('approximate.recall', ENCODER, spec):.0%}"
        for name, spec in FACTS.items()
    }


def live() -> None:
    queries = cached_learn.rounds(*gallery(), LOSING, "kept", K)
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Query", queries, queries[0], shown.name_of)
        index = dials.choice("index", "Index", tuple(TITLES), "ivf_flat", TITLES.get)
        knob, stops = approximate.KNOBS[index]
        value = dials.stops(knob, KNOBS[knob], stops, stops[0])
    spec = approximate.spec(index, value)
    view = cached_lab.one_query(*gallery(), ENCODER, spec, f"item:{query}", K)
    lost = [one.true_rank for one in view.ghosts]
    with st.container(horizontal=True, key="learn_beside"):
        with st.container(width=150):
            shown.query(query)
        with st.container(width="stretch"):
            shown.said(_said(lost))
            hits = [Found(one.id, one.verdict, one.state == "ghost") for one in view.exact]
            st.html(shown.hits_html(hits))
            quiet("The exact answer, nearest first; what the index misses is faded.")
    recalls = cached_learn.ask("approximate.swept", ENCODER, index)
    caption("Mean over many queries")
    _curve(stops, recalls, value, view.recall, KNOBS[knob])


def _said(lost: list[int]) -> str:
    if not lost:
        return "Nothing is missed: this setting finds the exact answer for this query."
    if len(lost) == K:
        return f"Missed: all {K} of the exact answer."
    ranks = f"rank{'s' * (len(lost) > 1)} {', '.join(map(str, lost))}"
    return f"Missed: {len(lost)} of {K}, at {ranks} of the exact answer."


def _curve(stops: tuple, recalls: tuple, value: int, here: float, title: str) -> None:
    tone, chart, at = palette.ink(), palette.figure(230), stops.index(value)
    names = [f"{stop:,}" for stop in stops]
    chart.add_scatter(
        x=names,
        y=recalls,
        name="mean of the queries",
        mode="lines+markers",
        line={"color": "#0072B2", "width": 3},
        marker={"size": 8},
        hovertemplate="%{x}: recall %{y:.2f}<extra></extra>",
    )
    chart.add_scatter(
        x=[names[at]],
        y=[recalls[at]],
        mode="markers",
        meta="guide",
        hoverinfo="skip",
        marker={"size": 17, "symbol": "circle-open", "color": tone["ink"], "line": {"width": 2}},
    )
    chart.add_scatter(
        x=[names[at]],
        y=[here],
        name="this query",
        mode="markers",
        marker={"size": 11, "symbol": "diamond", "color": "#E69F00"},
        hovertemplate="this query: recall %{y:.2f}<extra></extra>",
    )
    chart.update_xaxes(title={"text": title}, type="category")
    chart.update_yaxes(title={"text": f"recall@{K}"}, range=[-0.06, 1.06], tickvals=[0, 0.5, 1])
    alt = f"Mean recall against the search parameter; {recalls[at]:.2f} at {value}"
    palette.draw(chart, "learn_recall", alt)
    quiet(f"Ring: the mean at your setting, {recalls[at]:.2f}. Diamond: this query, {here:.2f}.")
