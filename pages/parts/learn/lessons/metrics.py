"""A ranked list in the student's order, scored by the system."""

import streamlit as st

from core.metrics import table
from core.services.teaching import lists
from pages.parts import cached_learn
from pages.parts.learn import dials, shown, widgets
from pages.parts.learn.predict import encoder_titles
from pages.parts.words import caption, facts, quiet

ENCODERS = ("resnet.lookalike", "vgg.lookalike", "hog.8x8", "sift.vlad32")
TURN, ORDER = "learn_list_turn", "learn_list_order"
ORDERS = {"own": "The encoder's order", "best": "Best order", "worst": "Worst order"}


def live() -> None:
    queries = cached_learn.ask("lists.telling", ENCODERS[0])
    titles = encoder_titles(ENCODERS)
    with st.container(horizontal=True, key="learn_dials", vertical_alignment="bottom"):
        query = dials.pick("query", "Query", queries, queries[0], shown.name_of)
        encoder = dials.pick("encoder", "List of", ENCODERS, ENCODERS[0], titles.get)
        for name, words in ORDERS.items():
            if st.button(words, key=f"learn_order_{name}"):
                st.session_state[ORDER] = name
                st.session_state[TURN] = st.session_state.get(TURN, 0) + 1
    found = cached_learn.ask("lists.listed", encoder, query)
    right = dict(zip(found.ids, found.right, strict=True))
    with st.container(horizontal=True, key="learn_beside"):
        with st.container(width=150):
            shown.query(query)
        with st.container(width="stretch"):
            order = _ranked(encoder, query, found)
    now = lists.scored([right[id] for id in order], found.relevant)
    was = lists.scored(found.right, found.relevant)
    _scores(now, was)
    caption("How AP and nDCG come about")
    facts([("AP", now.steps["mAP"]), ("nDCG@10", now.steps["nDCG@10"])])
    quiet(
        f"R = {found.relevant} views of this product in the gallery, {sum(found.right)} of them in"
        " these ten places. What the list does not hold counts as not found."
    )


def _ranked(encoder: str, query: str, found: lists.Listed) -> list[str]:
    """The list to be put in order, as it lies now."""
    right = dict(zip(found.ids, found.right, strict=True))
    items = [
        {"id": id, "uri": shown.picture(id), "name": shown.name_of(id), "right": right[id]}
        for id in _begun(found)
    ]
    turn = st.session_state.get(TURN, 0)
    return widgets.ranking(items, "The list, rank 1 first", f"learn_list_{encoder}_{query}", turn)


def _begun(found: lists.Listed) -> list[str]:
    """The order in which the list begins."""
    pairs = list(zip(found.ids, found.right, strict=True))
    kind = st.session_state.get(ORDER, "own")
    if kind != "own":
        pairs.sort(key=lambda pair: pair[1] is not (kind == "best"))
    return [id for id, _ in pairs]


def _scores(now: lists.Scores, was: lists.Scores) -> None:
    """Every metric, with its change against the encoder's own order."""
    cells = []
    for name, value in now.values.items():
        by = value - was.values[name]
        label = "AP" if name == "mAP" else "reciprocal rank" if name == "MRR" else table.label(name)
        cells.append((f"{value:.2f}", label, "" if abs(by) < 5e-3 else f"{by:+.2f}"))
    shown.figures(cells)
