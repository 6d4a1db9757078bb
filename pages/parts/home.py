"""The first ten seconds: an answered example, what it was found in, and where to go next."""

import streamlit as st

from core.images import EXTENSIONS
from core.services.library import uploads
from pages.parts import answers, builds, cached, components, given, key, link, press
from pages.parts.answers import Gathered
from pages.parts.link import View
from pages.parts.shell import MENU
from pages.parts.words import heading, quiet, telling, text

ROWS = 6
"""Hits of a column: whole rows of two."""
OWN = "home_own"
DOORS = {
    "Compare": "Ask with your own picture, or any of the gallery, and choose the encoders.",
    "Map": "See how each encoder arranges the gallery.",
    "Metrics": "Which encoder is better, and is the difference certain?",
    "Index lab": "What does a faster, approximate search lose?",
    "Learn": "How it works: a short lesson for each approach, with predictions and questions.",
    "Train": "Train an encoder of your own.",
    "Arena": "Vote blind, alone or with a class: which encoder do people prefer?",
    "Library": "Data sets, encoders and caches: add your pictures, build, delete.",
}


def own() -> None:
    """A wide place for one's own photograph, answered on Compare, in the embedded gallery."""
    with st.container(key="drop"):
        file = st.file_uploader(
            "Drop your own photograph here: a shoe, a cup, a watch, a chair",
            type=[ending.lstrip(".") for ending in EXTENSIONS],
            key=OWN,
        )
    if file is None:
        return
    with telling():
        query = f"up:{uploads.keep(file.getvalue())}"
        link.to("compare", dataset=given.FIRST_DATASET, query=query)


def example() -> tuple[View, Gathered]:
    """The example query, answered by three encoders; the first start on a machine builds them.

    Returns:
        What :func:`pages.parts.answers.finish` takes, as it was before the board was drawn: who has
        answered since is asked once more and drawn.
    """
    version = cached.version(given.FIRST_DATASET)
    names = tuple(given.opening(given.FIRST_DATASET))
    view = View(
        given.FIRST_DATASET, given.first_query(given.FIRST_DATASET), names, given.FIRST_INDEX, ROWS
    )
    missing = [
        name for name in names if not cached.built(view.dataset, version, name) and _offline(name)
    ]
    if missing and not any(builds.ended(view.dataset, name) for name in missing):
        builds.start(view.dataset, missing)
    gathered = answers.gather(view)
    with st.container(key="home_frame"):
        asked, board = st.container(key="panel_example"), st.container(key="example_board")
    with asked:
        _asked(view, version)
    with board:
        st.fragment(_answer, run_every=1.0 if missing or gathered.busy else None)(
            view, bool(missing)
        )
    return view, gathered


def _offline(name: str) -> bool:
    """Whether an encoder can be built without a download, which nobody asked for."""
    return (cached.encoder_row(name) or {}).get("state") == "ready"


def _asked(view: View, version: str) -> None:
    id = view.query[5:]
    uri = cached.thumbnail(view.dataset, version, id, 448)
    st.html(f'<figure class="ll-query"><img src="{uri}" alt="The example query"></figure>')
    heading("One picture, three ways to look at it")
    quiet(
        "Each column is one encoder's answer to the picture above, nearest first. A solid edge is"
        " the same product seen from another side, a dashed edge another product of its category."
        " Click any picture to search with it."
    )
    if press.button("Open in Compare", width="stretch", key="to_compare"):
        link.to("compare", dataset=view.dataset, query=view.query)


def _answer(view: View, was_missing: bool) -> None:
    gathered = answers.gather(view)
    picked, actions = answers.draw(view, gathered, "example")
    key.under_board(gathered.answers.values())
    if picked:
        link.to("compare", dataset=view.dataset, query=f"item:{picked}")
    for action in actions:
        answers.act(view, action)
    if actions:
        st.rerun()
    if gathered.busy and answers.step(view, gathered):  # one that has loaded meanwhile
        st.rerun()
    if was_missing and not gathered.busy:
        cached.forget_builds()
        st.rerun()


def gallery() -> None:
    """What is in the embedded gallery: one picture a category, and the facts."""
    found, version = cached.dataset(given.FIRST_DATASET), cached.version(given.FIRST_DATASET)
    kinds = cached.classes(given.FIRST_DATASET, version)
    heading("What is in the gallery")
    products = len({item.instance for item in found.items})
    sides = len(found.items) // products
    text(
        f"{len(found.items):,} pictures of {products} invented products in {len(kinds)} categories,"
        f" each from {sides} sides."
    )
    quiet(
        "They are rendered, not photographed: backgrounds are cleaner than in people's photographs,"
        " so scores are higher here."
    )
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(given.FIRST_DATASET, version, id),
            "alt": f"Search with {id}",
            "caption": kind,
        }
        for kind, id in cached.one_of_each(given.FIRST_DATASET, version).items()
    ]
    picked = components.picture_grid(items, "One picture of each category", "home_gallery", side=92)
    if picked and picked in found.rows:
        link.to("compare", dataset=found.name, query=f"item:{picked}")


def doors() -> None:
    """A way to every other page, with what it answers."""
    heading("Where to go")
    with st.container(key="doors"):
        for name, path, icon in MENU:
            if name in DOORS:
                with st.container(key=f"panel_door_{name.lower().replace(' ', '_')}", gap=None):
                    st.page_link(path, label=name, icon=icon)
                    quiet(DOORS[name])
