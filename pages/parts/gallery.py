"""Choosing a picture of the gallery: search, filter, pages of thumbnails."""

import streamlit as st

from core.services.library.library import Dataset
from pages.parts import cached, components, link, press
from pages.parts.link import View
from pages.parts.words import note, quiet

PAGE = 40
EVERY = "Every class"


def name_of(dataset: Dataset, item_id: str) -> str:
    """What a picture is called: its object, else its class, else its file."""
    item = dataset.items[dataset.rows[item_id]]
    return item.instance or item.label or item.id


@st.dialog("Choose from the gallery", width="large")
def choose(view: View) -> None:
    """A window over the page; a click on a picture makes it the query and closes it."""
    version, found = cached.version(view.dataset), cached.dataset(view.dataset)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search", placeholder="Part of a name, class or attribute", key="gallery_words"
        )
        kind = st.selectbox(
            "Class", [EVERY, *cached.classes(view.dataset, version)], key="gallery_class"
        )
    ids = cached.matching(view.dataset, version, words, "" if kind == EVERY else kind)
    if not ids:
        note("No picture matches.", "Use fewer words, or another class.")
        return
    page = _page(len(ids), f"{words}/{kind}")
    shown = ids[page * PAGE : (page + 1) * PAGE]
    names = {id: name_of(found, id) for id in shown}
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(view.dataset, version, id),
            "alt": f"{name} ({id})",
            "caption": name,
        }
        for id, name in names.items()
    ]
    picked = components.picture_grid(
        items, "Pictures of the gallery", "gallery_grid", side=92, selected=view.query[5:]
    )
    if picked and picked in found.rows:
        link.ask(f"item:{picked}")
        st.rerun()


def _page(total: int, filters: str) -> int:
    """Previous and Next buttons; another filter starts on the first page."""
    state = st.session_state
    if state.get("gallery_filters") != filters:
        state["gallery_filters"], state["gallery_page"] = filters, 0
    last = (total - 1) // PAGE
    page = min(state["gallery_page"], last)
    with st.container(horizontal=True, vertical_alignment="center"):
        first = page * PAGE + 1
        quiet(f"{first:,} to {min(first + PAGE - 1, total):,} of {total:,}")
        if press.button("Previous", disabled=page == 0, key="gallery_previous"):
            state["gallery_page"] = page - 1
            st.rerun(scope="fragment")
        if press.button("Next", disabled=page == last, key="gallery_next"):
            state["gallery_page"] = page + 1
            st.rerun(scope="fragment")
    return page
