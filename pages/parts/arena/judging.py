"""Pooled judging: all encoders' first hits for a query, shuffled; clicks say what is wrong."""

import streamlit as st

from core.errors import UserError
from core.services.arena import ballots, pools
from pages.parts import cached, components, palette, press
from pages.parts.arena import lists, place
from pages.parts.shell import places
from pages.parts.words import caption, count, heading, note, quiet, table, telling, trouble

QUERY, FITS = "arena_judged_query", "arena_fits"
MAX_QUERIES = 400


def show() -> None:
    """The next query that this judge has not seen, its pool, and what all judgements say."""
    locator = place.dataset()
    names = st.session_state.get(place.ENCODERS) or place.encoders(locator)[:4]
    dataset, voter = cached.dataset(locator), place.voter()
    rows = ballots.judgements(locator)
    seen = {query for query, _, who, _ in rows if who == voter}
    query = next((id for id in _order(locator) if id not in seen), None)
    panel, answer = places("panel_query", "answer")
    with panel:
        caption("Query", level=2)
        if query is not None:
            st.html(lists.picture(locator, query, lists.QUERY_SIDE, "the query"))
        quiet(f"{count(len(seen), 'query', 'queries')} judged by you.")
        st.button("Back to the Arena", on_click=place.go)
    with answer:
        if query is None:
            note("You have judged every query of this data set.", tone="good")
        else:
            _pool(locator, query, pools.pool(dataset, names, query), voter)
        _result(locator, names, pools.truth(rows))


def _order(locator: str) -> list[str]:
    """Queries of different classes first, the same for every judge, so that judgements meet."""
    return cached.examples(locator, cached.version(locator), MAX_QUERIES)


def _pool(locator: str, query: str, ids: list[str], voter: str) -> None:
    chosen = st.session_state.setdefault(FITS, set())
    if st.session_state.get(QUERY) != query:
        st.session_state[QUERY], st.session_state[FITS] = query, (chosen := set())
    heading("Which of these are relevant to the query?")
    quiet("Click each relevant picture. Encoders and ranks are hidden.")
    version = cached.version(locator)
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(locator, version, id, 176),
            "alt": f"picture {place}{', relevant' if id in chosen else ''}",
            "badge": "relevant" if id in chosen else "",
        }
        for place, id in enumerate(ids, start=1)
    ]
    picked = components.pictures_picked(items, "The pool", f"arena_pool_{query}", side=96)
    for id in picked:
        chosen.symmetric_difference_update({id} & {*ids})
    words = f"{len(chosen)} relevant: next query"
    # of one query: pressed twice it does not judge the next, which nobody has looked at
    done = press.button(words, key=f"arena_judged_{query}", type="primary", shortcut="Enter")
    if done:
        _keep(locator, query, ids, voter)
    if done or picked:
        st.rerun()


def _keep(locator: str, query: str, ids: list[str], voter: str) -> None:
    chosen = st.session_state.get(FITS, set())
    with telling("arena_refused"):
        for id in ids:
            ballots.judge(locator, query, id, voter, id in chosen)


def _result(locator: str, names: list[str], judged: pools.Judgements) -> None:
    if not any(any(items.values()) for items in judged.values()):
        return
    dataset = cached.dataset(locator)
    heading("What the judgements say")
    try:
        report = pools.evaluated(dataset, names, judged)
    except UserError as error:
        trouble(error)
        return
    missing = {one.encoder: one.share for one in pools.unjudged(dataset, names, judged)}
    means = [cell.means() for cell in report.cells]
    shown = {"P@10": "precision@10", "hit@1": "hit@1", "mAP": "mAP"}
    table(
        [
            {
                "Encoder": palette.title(cell.encoder),
                **{title: f"{mean[name]:.3f}" for title, name in shown.items()},
                "Unjudged hits": f"{missing[cell.encoder]:.0%}",
            }
            for cell, mean in zip(report.cells, means, strict=True)
        ]
    )
    quiet(
        f"{count(len(judged), 'query', 'queries')} judged. A hit that nobody judged counts as not"
        " relevant."
    )
    with st.container(horizontal=True):
        st.button("Show in Metrics", on_click=_save, args=(report,), key="arena_metrics")
        press.download(
            "Qrels (TREC)", lambda: "".join(pools.qrels(judged)), "arena.qrels", key="arena_qrels"
        )


def _save(report) -> None:
    report.save()
    st.session_state["arena_saved"] = report.name
