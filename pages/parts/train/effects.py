"""Before and after: what a run changed on its own pictures, and what was forgotten elsewhere."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.errors import UserError
from core.services.hosting import limits
from core.services.jobs import JobStatus
from core.services.sharing.training import effect_page
from core.services.training.effect import Effect, RankChange
from pages.parts import (
    builds,
    cached,
    cached_train,
    gallery,
    guard,
    link,
    palette,
    press,
    url_state,
    watching,
)
from pages.parts.words import caption, heading, note, quiet, row_html

FOOT = (
    "Brackets: 95 % interval of the change (paired bootstrap over queries, those of one object"
    " together)."
)
ASKED = {
    "split": "queries of its query split, never trained on",
    "held": "held-out pictures as queries, never trained on",
    "other": "queries, none of them trained on",
    "all": "queries, training pictures among them: too optimistic",
}
"""Which pictures the queries are."""
ALSO, CHOSEN = "keep_train_also", "keep_train_effect"


def show(run: str) -> None:
    """What was measured, a way to measure more, and the queries whose ranks changed."""
    found = cached_train.effects(run)
    if found:
        _best(run)
        _summary(found)
        press.download(
            "Report (HTML, works offline)",
            lambda: effect_page(run),
            f"{run}.html",
            icon=":material/description:",
            key="train_report",
        )
    watching.follow(lambda: _at_work(run), lambda job: _measure(run, job), cached_train.forget)
    if found:
        _queries(run, found)


def _summary(found: list[Effect]) -> None:
    before, after = found[0].encoders
    for learned, title in ((True, "On its training data"), (False, "On other data: forgetting")):
        rows = [one for one in found if one.learned is learned]
        if rows:
            heading(title)
            st.html(f'<div class="ll-shifts">{"".join(map(_row, rows))}</div>')
    quiet(
        f"mAP of exact search. Before: {palette.title(before)} ({before}). After: {after}. " + FOOT
    )


def _row(one: Effect) -> str:
    """A track from 0 to 1 with both means, and the change in words."""
    low, high = sorted((one.before, one.after))
    tone = ("up" if one.change > 0 else "down") if one.sure and _signed(one.change) else "even"
    track = (
        f'<div class="track {tone}" role="img" aria-label="{escape(reading(one), quote=True)}">'
        f'<u style="left:{low:.1%};width:{high - low:.1%}"></u>'
        f'<i class="before" style="left:{one.before:.1%}"></i>'
        f'<i class="after" style="left:{one.after:.1%}"></i></div>'
    )
    figures = (
        f"<b>{one.before:.3f} → {one.after:.3f}</b>"
        f' <span class="{tone}">{_signed(one.change) or "0.000"}</span>'
        f" <small>[{_signed(one.low) or '0.000'}, {_signed(one.high) or '0.000'}]</small>"
    )
    name = f'<b dir="auto">{escape(_title(one))}</b><small>same {escape(one.protocol)}</small>'
    return (
        f'<div class="name">{name}</div>{track}<div class="figures">{figures}</div>'
        f'<p class="ll-quiet">{escape(reading(one))}<br>{escape(_small(one))}</p>'
    )


def _small(one: Effect) -> str:
    """``372 queries of its query split, never learned from · hit@1 .801 → .919 · P@10 .747 →
    .899``"""
    pairs = [
        f"{name} {two[0]:.3f} → {two[1]:.3f}"
        for name, two in (("hit@1", one.hit1), ("P@10", one.p10))
        if two
    ]
    return " · ".join([f"{one.queries:,} {ASKED[one.asked]}", *pairs])


def _best(run: str) -> None:
    """Said where training brought nothing: then the model is what it started from."""
    best = cached_train.status(run).best
    if best and best[0] == 0:
        note(
            "No epoch was better than the initial weights.",
            "They scored best on the held-out pictures, so they were kept. "
            "More pictures, more time or a lower learning rate may help.",
        )


def _title(one: Effect) -> str:
    row = next((row for row in cached.dataset_rows() if row["locator"] == one.locator), None)
    return row["title"] if row else one.dataset


def reading(one: Effect) -> str:
    """The change in a sentence."""
    by = _signed(one.change) or "less than 0.001"
    if one.sure:
        rose = "rose" if one.change > 0 else "fell"
        way = f"mAP {rose} by {by.lstrip('+-')}, a significant change"
    else:
        way = f"The difference of {by} is not significant"
    better = f"{one.better:,} of {one.queries:,}"
    queries = "query" if one.queries == 1 else "queries"
    return f"{way}: {better} {queries} got better, {one.poorer:,} got worse."


def _signed(change: float) -> str:
    """``+0.012``; empty where nothing of it is left in three places."""
    return f"{change:+.3f}" if abs(change) >= 0.0005 else ""


def _measure(run: str, at_work: JobStatus | None) -> None:
    """Measuring as a job: choose what else to look at, progress, how it ended."""
    if at_work is not None:
        _running(at_work)
        return
    job = _job(run)
    if not limits.may("effect"):
        return
    found, told = cached_train.effects(run), cached_train.told(run)
    rows = {
        row["locator"]: row
        for row in cached.dataset_rows()
        if row["state"] == "ready" and row["protocols"] != ["search"]
    }
    others = [one for one in rows if one not in told["datasets"]]
    why = "" if found else cached_train.status(run).message
    if why:
        note("Before and after were not compared.", guard.public(why))
    elif not found:
        note(
            "Not measured yet.",
            "Every query is searched with the encoder as it was before and as it is now. Both"
            " encode the pictures once; that takes about as long as a build.",
        )
    url_state.put(ALSO, [one for one in st.session_state.get(ALSO, []) if one in others])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        also = st.multiselect(
            "Forgetting: measure on other data sets, too",
            others,
            key=ALSO,
            placeholder="Choose data sets",
            format_func=lambda one: f"{rows[one]['title']} · {rows[one]['pictures']:,}",
        )
        label = "Measure before and after" if not found else "Measure"
        if press.button(
            label, type="primary", key="train_effect", disabled=bool(found) and not also
        ):
            arguments = [
                "effect",
                "--run",
                run,
                *(word for one in also for word in ("--also", one)),
            ]
            builds.begin(f"Before and after of {told['name']}", arguments)
            cached_train.forget()
            st.rerun()
    if job is not None and job.state == "failed":
        note("It could not be measured.", guard.public(job.message), "bad")


def _running(job: JobStatus) -> None:
    with st.container(key="panel_job_effect"):
        with st.container(horizontal=True, vertical_alignment="center"):
            row_html(job.title, builds.progress_words(job))
            if press.button("Cancel", key="cancel_effect"):
                builds.stop(job.id)
                cached_train.forget()
                st.rerun()
        st.progress(min(job.done / job.total, 1.0) if job.total else 0.0)


def _job(run: str) -> JobStatus | None:
    """The last job that measured this run."""
    return next(
        (job for job in cached.all_jobs() if job.arguments[:3] == ("effect", "--run", run)), None
    )


def _at_work(run: str) -> JobStatus | None:
    job = _job(run)
    return job if job is not None and job.active else None


def _queries(run: str, found: list[Effect]) -> None:
    """The queries of one comparison whose average precision changed most."""
    heading("Rank changes")
    names = {f"{place}": f"{_title(one)} · same {one.protocol}" for place, one in enumerate(found)}
    if st.session_state.get(CHOSEN) not in names:
        st.session_state[CHOSEN] = next(
            (place for place, one in zip(names, found, strict=True) if one.better or one.poorer),
            "0",
        )
    if len(names) > 1:
        st.selectbox("On", list(names), key=CHOSEN, format_func=names.__getitem__)
    one = found[int(st.session_state[CHOSEN])]
    if press.button("Compare both encoders", icon=":material/view_week:", key="train_compare"):
        _to_compare(one, None)
    for rows, title in ((one.improved, "Largest gains"), (one.worse, "Largest losses")):
        caption(f"{title}, one query of each object" if rows else f"{title}: none")
        _changed_rows(one, rows, title.split()[-1])


FIRST, SIDE = 4, 128


def _changed_rows(one: Effect, found: Sequence[RankChange], key: str) -> None:
    """A row for each query; the first few at once, the others behind a fold."""
    try:
        version = cached.version(one.locator)
        known = cached.dataset(one.locator).rows
    except UserError:
        quiet(
            f"The pictures of {one.dataset} are not here any more: "
            + ", ".join(query.id for query in found)
        )
        return
    shown = [query for query in found if query.id in known]
    for place, query in enumerate(shown[:FIRST]):
        _changed_row(one, query, version, f"{key}_{place}")
    if len(shown) > FIRST:
        with st.expander(f"{len(shown) - FIRST} more"):
            for place, query in enumerate(shown[FIRST:], FIRST):
                _changed_row(one, query, version, f"{key}_{place}")


def _changed_row(one: Effect, query: RankChange, version: str, key: str) -> None:
    name = gallery.name_of(cached.dataset(one.locator), query.id)
    lists = "".join(
        f'<div class="list"><small>{title} · average precision {value:.2f}</small>'
        f"<div>{_changed_strip(one, version, hits)}</div></div>"
        for title, value, hits in (
            ("Before", query.before, query.hits_before),
            ("After", query.after, query.hits_after),
        )
    )
    uri = cached.thumbnail(one.locator, version, query.id, SIDE)
    asked = (
        f'<figure><img src="{uri}" alt="{escape(name, quote=True)}">'
        f'<figcaption dir="auto">{escape(name)}</figcaption></figure>'
    )
    with st.container(key=f"ranks_{key}", horizontal=True, vertical_alignment="center"):
        st.html(f'<div class="ll-ranks">{asked}{lists}</div>')
        if press.button(
            "Compare",
            key=f"train_ranks_{key}",
            help=f"Open {query.id} in Compare, with both encoders",
        ):
            _to_compare(one, query.id)


def _changed_strip(one: Effect, version: str, hits: Sequence[tuple[str, bool]]) -> str:
    """The head of a list, without lost pictures: a tick for right ones, a cross for others."""
    known = cached.dataset(one.locator).rows
    return "".join(
        _changed_hit(cached.thumbnail(one.locator, version, id, SIDE), id, right)
        for id, right in hits
        if id in known
    )


def _changed_hit(uri: str, id: str, right: bool) -> str:
    name = escape(id, quote=True)
    kind, mark, word = ("yes", "✓", "right") if right else ("no", "✕", "wrong")
    return (
        f'<span class="{kind}"><img src="{uri}" alt="{name}, {word}" title="{name}">'
        f"<b>{mark}</b></span>"
    )


def _to_compare(one: Effect, query: str | None) -> None:
    """Open Compare with the encoder as it was and as it is."""
    asked = query or next((change.id for change in (*one.improved, *one.worse)), None)
    params = {
        "dataset": one.locator,
        "encoders": ",".join(one.encoders),
        **({"query": f"item:{asked}"} if asked else {}),
    }
    link.to("compare", **params)
