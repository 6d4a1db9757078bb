"""Approximation loss: one encoder's vectors compressed and searched faster, a stage at a time."""

from collections.abc import Mapping

import streamlit as st

from core.metrics import table as metrics
from core.services.index_lab.waterfall import Stage, Waterfall
from pages.parts import cached, cached_lab, components, gallery, link, palette, press, url_state
from pages.parts.guard import guarded
from pages.parts.lab import measuring, rows, state
from pages.parts.lab.chart import ms
from pages.parts.lab.state import LabView, said
from pages.parts.words import caption, count, facts, heading, note, quiet, table

DIMS = (0, 8, 16, 32, 64, 128, 256, 512, 1024)
RERANKS = (0, 1, 2, 4, 8, 16, 32)
SHOWN_QUERIES, SHOWN_LOST = 4, 5
KNOWN = "lab_losses"
CODE_NAMES = {"float32": "float32", "float16": "float16", "int8": "SQ8", "pq": "PQ"}
CODE_HELP = (
    "float16: half precision. SQ8: scalar quantisation to 8 bits per dimension. PQ: product"
    " quantisation, one byte for each sub-vector."
)


def show(now: LabView) -> None:
    chain = _controls(now)
    state.publish()
    key = (*now.key, *chain, now.base.k)
    known = st.session_state.setdefault(KNOWN, {})
    large = len(cached.dataset(now.base.dataset).items) > measuring.AT_ONCE
    if large and key not in known:
        note(
            "Each stage is measured on the same queries.",
            "With a gallery of this size that may take a minute.",
        )
        if not press.button("Measure the stages", type="primary", key="lab_losses_measure"):
            return
    with st.spinner("Measuring the stages"):
        found = guarded(lambda: cached_lab.losses(*key), "The measurement of the stages")
    known[key] = True
    _chart(found)
    said(found.sentence)
    _table(found)
    _pictures(now, found)


def _controls(now: LabView) -> tuple[int, str, str, int]:
    """The stages, in the order in which a vector passes them."""
    most = guarded(lambda: cached_lab.most_pca(*now.key), "Reading the vectors")
    with st.container(key="panel_lab_chain"), st.container(horizontal=True, key="lab_chain"):
        dims = [one for one in DIMS if one < most]
        url_state.put(state.key("pca"), min(int(state.value("pca")), most))
        pca = state.slider("pca", "PCA to", dims, _dimensions, width=240)
        code = state.switch("code", "Quantisation", CODE_NAMES, help=CODE_HELP)
        names = state.index_names(*state.value("indexes"), state.value("through"))
        index = st.selectbox(
            "Index", names, key=state.key("through"), format_func=state.title, width=220
        )
        label = "Re-ranking by full vectors"
        rerank = state.slider("rerank", label, RERANKS, _candidates, width=240)
    return int(pca), code, index, int(rerank)


def _dimensions(many: float) -> str:
    return f"{many} dimensions" if many else "no PCA"


def _candidates(many: float) -> str:
    return f"{count(int(many), 'candidate')} per hit" if many else "none"


def _chart(found: Waterfall) -> None:
    """Recall of each stage as a bar; what it loses is hatched, what it recovers is solid."""
    tone, chart = palette.ink(), palette.figure(60 + 52 * len(found.stages), barmode="overlay")
    before = [found.stages[0].recall, *(stage.recall for stage in found.stages[:-1])]
    names = [stage.title for stage in found.stages]
    kept = [min(stage.recall, last) for stage, last in zip(found.stages, before, strict=True)]
    lost = [max(last - stage.recall, 0.0) for stage, last in zip(found.stages, before, strict=True)]
    won = [max(stage.recall - last, 0.0) for stage, last in zip(found.stages, before, strict=True)]
    for name, width, base, colour, shape in (
        ("kept", kept, None, tone["muted"], ""),
        ("lost", lost, kept, "#D55E00", "/"),
        ("won", won, kept, "#009E73", ""),
    ):
        chart.add_bar(
            name=name,
            y=names,
            x=width,
            base=base,
            orientation="h",
            width=0.5,
            hoverinfo="skip",
            marker={
                "color": colour,
                "opacity": 0.55 if base is None else 0.95,
                "line": {"width": 0},
                "pattern": {"shape": shape, "solidity": 0.5, "fgcolor": colour, "size": 7},
            },
        )
    for stage, last in zip(found.stages, before, strict=True):
        change = stage.recall - last
        text = f"<b>{stage.recall:.3f}</b>" + (f"  {change:+.3f}" if abs(change) >= 0.0005 else "")
        chart.add_annotation(
            y=stage.title,
            x=0.012,
            xanchor="left",
            text=text,
            showarrow=False,
            font={"color": tone["ink"], "size": 13},
        )
    chart.update_xaxes(range=[0, 1.02], title={"text": f"recall@{found.k} against exact search"})
    chart.update_yaxes(
        autorange="reversed", tickfont={"color": tone["ink"], "size": 13}, showgrid=False
    )
    palette.draw(
        chart,
        "lab_losses",
        "Recall after each stage: " + ", ".join(f"{s.title} {s.recall:.3f}" for s in found.stages),
    )


def _table(found: Waterfall) -> None:
    heading("What each stage costs and saves")
    shown = list(found.stages[0].quality)[:2]
    digits = {
        name: _digits([stage.quality[name] for stage in found.stages if name in stage.quality])
        for name in shown
    }
    with st.container(key="lab_stages"):
        table([_row(stage, digits) for stage in found.stages])
    with st.container(key="lab_stage_notes"):
        facts([(stage.title, stage.about) for stage in found.stages])
    if not shown:
        quiet(
            "These pictures have no labels, so only recall against exact search can be evaluated,"
            " not relevance."
        )
    else:
        quiet(
            f"{found.judged:,} of {found.queries:,} queries are evaluated; relevant is the same"
            f" {found.protocol}. Intervals: 95 %, of the paired difference."
        )


def _row(stage: Stage, shown: Mapping[str, int]) -> dict[str, str]:
    """``shown``: metrics, each with how many digits it takes."""
    quality = {
        metrics.label(name).split(" (")[0]: (
            f"{stage.quality[name]:.{digits}f}" if name in stage.quality else ""
        )
        for name, digits in shown.items()
    }
    change = "" if stage.low is None or stage.high is None else between(stage.low, stage.high)
    return {
        "Stage": stage.title,
        "Recall": f"{stage.recall:.3f}",
        **quality,
        **{f"{name} against the previous stage": change for name in list(quality)[:1]},
        "Bytes per vector": f"{stage.bytes:,.0f}",
        "One query": ms(stage.ms),
        "Newly missed": f"{stage.lost_count:,}",
        "Recovered": f"{stage.won_back:,}",
    }


def _digits(values: list[float]) -> int:
    """Three, or four where three would hide a difference."""
    apart = {round(value, 5) for value in values}
    return 3 if len({round(value, 3) for value in apart}) == len(apart) else 4


def between(low: float, high: float) -> str:
    """``-0.006 to +0.008``: with the digits that it takes to see a change, or "no change"."""
    for digits in (3, 4, 5):
        ends = [round(value, digits) + 0.0 for value in (low, high)]
        if any(ends):
            return " to ".join(f"{end:+.{digits}f}" if end else "0" for end in ends)
    return "no change"


def _pictures(now: LabView, found: Waterfall) -> None:
    """Of each stage a few queries, each followed by what it does not find any more."""
    losing = [stage for stage in found.stages if stage.lost]
    if not losing:
        return
    heading("Missed neighbours of each stage")
    quiet(
        "A query, framed, then the neighbours that it misses from this stage on, with their rank in"
        " the exact answer."
    )
    for stage in losing:
        caption(f"{stage.title}: {count(stage.lost_count, 'missed neighbour')}")
        items = _items(now, stage)
        picked = components.picture_grid(
            items, f"Missed by {stage.title}", f"lab_lost_{stage.name}", side=84
        )
        if picked and picked in cached.dataset(now.base.dataset).rows:
            link.ask(f"item:{picked}")
            state.go(state.VIEWS[1])


def _items(now: LabView, stage: Stage) -> list[dict]:
    by_query: dict[str, list] = {}
    for loss in stage.lost:
        by_query.setdefault(loss.query, []).append(loss)
    items = []
    for query, lost in list(by_query.items())[:SHOWN_QUERIES]:
        items.append(_item(now, query, "query", "query", "", "Query"))
        for loss in sorted(lost, key=lambda one: one.rank)[:SHOWN_LOST]:
            right = {True: "✓ relevant", False: "✕ other", None: ""}[loss.relevant]
            items.append(
                _item(
                    now, loss.lost, "lost", f"missed {loss.rank}", str(loss.rank), right or "Missed"
                )
            )
    called = rows.names_of(
        cached.dataset(now.base.dataset), dict.fromkeys(item["id"] for item in items)
    )
    return [{**item, "caption": f"{item['caption']}\n{called[item['id']]}"} for item in items]


def _item(now: LabView, id: str, mark: str, badge: str, rank: str, words: str) -> dict:
    locator, version, _ = now.key
    name = gallery.name_of(cached.dataset(locator), id)
    said = f"missed, exact rank {rank}" if rank else "the query"
    return {
        "id": id,
        "uri": cached.thumbnail(locator, version, id),
        "mark": mark,
        "badge": badge,
        "rank": "",
        "alt": f"{name}, {said}. Look at it under One query.",
        "caption": words,
    }
