"""One query before and after, the classes, and what happened to other sets."""

import streamlit as st

from pages.parts import cached_learn, palette
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown
from pages.parts.learn.predict import encoder_titles
from pages.parts.words import caption, quiet, table

BEFORE, AFTER = "tf_efficientnet_lite0.in1k", ("siamese.lookalike", "triplet.lookalike")
FACTS = {"before": BEFORE, "siamese": AFTER[0], "triplet": AFTER[1]}


def measured() -> dict[str, str]:
    return means(FACTS, "mAP", ".2f")


def live() -> None:
    titles = encoder_titles(AFTER)
    with st.container(horizontal=True, key="learn_dials"):
        after = dials.choice("after", "Trained further as", AFTER, AFTER[0], titles.get)
        queries = cached_learn.ask("tuning.telling", BEFORE, after)
        query = dials.pick("query", "Query", queries, queries[0], shown.name_of)
    with st.container(horizontal=True, key="learn_beside"):
        with st.container(width=150):
            shown.query(query)
        with st.container(width="stretch"):
            results = cached_learn.play(*gallery(), (BEFORE, after), "first", query, 7)
            shown.answers(
                [
                    shown.answer_html(
                        f"{when}: {palette.title(one.contender.encoder)}",
                        one.said,
                        shown.hits_html(one.hits),
                        palette.mark_html(one.contender.encoder),
                        one.won,
                    )
                    for when, one in zip(("Before", "After"), results, strict=True)
                ]
            )
    _classes(after)
    _elsewhere(after)


def _classes(after: str) -> None:
    before, now = (cached_learn.ask("tuning.by_category", name) for name in (BEFORE, after))
    gained = sorted((name for name in before if name), key=lambda name: before[name] - now[name])
    worse = [name for name in gained if now[name] < before[name]]
    shown.said(
        f"mAP over all queries: {before['']:.2f} before, {now['']:.2f} after;"
        f" {len(gained) - len(worse)} of {len(gained)} classes gained."
    )
    caption("mAP by class: before (grey) and after")
    shown.changes([(name, before[name], now[name]) for name in gained], palette.colour(after))


def _elsewhere(after: str) -> None:
    rows = cached_learn.ask("tuning.elsewhere", BEFORE, after)
    if not rows:
        return
    caption("Other sets, measured when the code was shipped (mAP)")
    table(
        [
            {
                "set": one.name,
                "before": f"{one.before:.2f}",
                "after": f"{one.after:.2f}",
                "change": f"{one.after - one.before:+.2f}",
                "of it in training": one.seen,
            }
            for one in rows
        ]
    )
    quiet(
        "In training: 'training part' means other pictures of the set, 'these pictures' the queries"
        " themselves, 'none' nothing of it."
    )
