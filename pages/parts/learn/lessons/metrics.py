"""A ranked list in the student's order, scored by the system."""

import string

import streamlit as st

from core.metrics import table
from core.services.teaching import lists
from pages.parts import cached_learn
from pages.parts.learn import dials, shown, widgets
from pages.parts.learn.predict import encoder_titles
from pages.parts.url_state import Kind
from pages.parts.words import caption, facts, quiet

ENCODERS = ("resnet.lookalike", "vgg.lookalike", "hog.8x8", "sift.vlad32")
TURN = "learn_list_turn"
"""Session: the component that holds the list; another one begins anew."""
DIGITS = string.digits + string.ascii_lowercase
"""Places in the encoder's own list, as a link says their order."""
ORDERS = {"own": "The encoder's order", "best": "Best order", "worst": "Worst order"}


def live() -> None:
    queries = cached_learn.ask("lists.telling", ENCODERS[0])
    titles = encoder_titles(ENCODERS)
    with st.container(horizontal=True, key="learn_dials", vertical_alignment="bottom"):
        query = dials.pick("query", "Query", queries, queries[0], shown.name_of)
        encoder = dials.pick("encoder", "List of", ENCODERS, ENCODERS[0], titles.get)
        for name, words in ORDERS.items():
            st.button(words, key=f"learn_order_{name}", on_click=_again, args=(name,))
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


def _again(name: str) -> None:
    """The list in one of the orders that a button names."""
    dials.keep("begun", name)


def _ranked(encoder: str, query: str, found: lists.Listed) -> list[str]:
    """The list to be put in order, as it lies now."""
    right, state = dict(zip(found.ids, found.right, strict=True)), st.session_state
    own = DIGITS[: len(found.ids)]
    key = dials.kept("list", own, Kind(lambda text: _permuted(text, own)))
    if dials.own("of", (encoder, query)) != (encoder, query):
        dials.keep("of", (encoder, query))
        dials.keep("begun", "own")
    begun = dials.own("begun")
    if begun:
        state[key] = _begun(found, begun)
        dials.keep("begun", None)
    if begun or dials.fresh():
        state[TURN] = state.get(TURN, 0) + 1
    items = [
        {"id": id, "uri": shown.picture(id), "name": shown.name_of(id), "right": right[id]}
        for id in (found.ids[DIGITS.index(one)] for one in state[key])
    ]
    name = f"learn_list_{encoder}_{query}"
    order = widgets.ranking(items, "The list, rank 1 first", name, state.get(TURN, 0))
    state[key] = "".join(DIGITS[found.ids.index(id)] for id in order)
    return order


def _permuted(text: str, own: str) -> str:
    if sorted(text) != sorted(own):
        raise ValueError(text)
    return text


def _begun(found: lists.Listed, kind: str) -> str:
    """The order in which the list begins, by the places in the encoder's own."""
    places = list(range(len(found.ids)))
    if kind != "own":
        places.sort(key=lambda place: found.right[place] is not (kind == "best"))
    return "".join(DIGITS[place] for place in places)


def _scores(now: lists.Scores, was: lists.Scores) -> None:
    """Every metric, with its change against the encoder's own order."""
    cells = []
    for name, value in now.values.items():
        by = value - was.values[name]
        label = "AP" if name == "mAP" else "reciprocal rank" if name == "MRR" else table.label(name)
        cells.append((f"{value:.2f}", label, "" if abs(by) < 5e-3 else f"{by:+.2f}"))
    shown.figures(cells)
