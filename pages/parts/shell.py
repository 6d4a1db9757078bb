"""What stands on every page: title, menu, style, one sentence of purpose; and widget values that
outlive a page change."""

from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.services import warm
from pages.parts import arriving, components, given, heard, presenting, tray, url_state, visitors
from pages.parts.builds import REFUSED
from pages.parts.guard import hosted
from pages.parts.words import note, trouble

__all__ = ["MENU", "hosted", "places", "shell"]
BEFORE, NOW = "page_before", "page_now"
"""The page that the last run drew, and the one that this run draws."""
KEPT = "keep_"
"""Widgets whose key starts so keep their value when another page was shown in between."""

MENU = (
    ("Home", "streamlit_app.py", ":material/home:"),
    ("Compare", "pages/compare.py", ":material/view_week:"),
    ("Map", "pages/map.py", ":material/bubble_chart:"),
    ("Metrics", "pages/metrics.py", ":material/leaderboard:"),
    ("Index lab", "pages/index_lab.py", ":material/speed:"),
    ("Learn", "pages/learn.py", ":material/school:"),
    ("Arena", "pages/arena.py", ":material/how_to_vote:"),
    ("Train", "pages/train.py", ":material/model_training:"),
    ("Library", "pages/library.py", ":material/photo_library:"),
    ("Talk", "pages/talk.py", ":material/co_present:"),
)

PATHS = {name: path for name, path, _ in MENU}
SCENES = tuple(name for name, _, _ in MENU if name != "Talk")
"""Pages whose views can be scenes of a talk."""


def shell(page: str, purpose: str, title: str = "") -> DeltaGenerator:
    """Begin a page, called ``page`` in the menu and ``title`` over its text; the first page of a
    server also begins to load the encoders that pages open with.

    Returns:
        The place right of the title, for the page's own buttons.
    """
    warm.start(given.FIRST_DATASET, given.FIRST_ENCODERS, given.FIRST_INDEX)
    st.set_page_config(page_title=f"{page} · Lookalike", layout="wide", initial_sidebar_state=216)
    if style := arriving.late():
        st.html(style)
    st.html(f"<style>:root {{ color-scheme: {st.context.theme.type or 'light'}; }}</style>")
    st.session_state[BEFORE] = st.session_state.get(NOW, page)
    st.session_state[NOW] = page
    _keep_values()
    visitors.remember()
    if presenting.on():
        presenting.frame(page, PATHS)
    _menu(page)
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        st.html(
            f'<div class="ll-head"><h1>{escape(title or page)}</h1><p>{escape(purpose)}</p></div>'
        )
        actions = st.container(horizontal=True, width="content", key="head_actions", border=True)
        if page in SCENES:
            components.figures(page)
            presenting.button(page)
        with st.container(width="content", key="tray"):
            tray.show()
    if (refused := st.session_state.pop(REFUSED, None)) is not None:
        with st.container(key="refused"):
            trouble(refused)
    if heard.refused():
        note("What was chosen is not offered here.", "The page shows what was chosen before.")
    return actions


def places(*names: str) -> list[DeltaGenerator]:
    """The panels of a page and its answer, by their keys, with their places before they have
    anything in them: Streamlit leaves out what is empty, and what is there would move when it
    comes."""
    with st.container(key="frame"):
        return [st.container(key=name, border=True) for name in names]


def _keep_values() -> None:
    """A value that is put into the session is told to the browser, and over a slow connection takes
    back what was chosen there meanwhile. Under its own key, as ``persist_state`` of a widget keeps
    it, it is told only where the browser does not have it."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return
    kept = context.session_state._state._old_state  # there is no public way for all widgets at once
    for key in st.session_state:  # a list of them would have all of it gathered once more
        if isinstance(key, str) and key.startswith(KEPT):
            kept[key] = st.session_state[key]


def _menu(page: str) -> None:
    names = [name for name, _, _ in MENU]
    # The key says which line stands out: a container around each would be ten messages more.
    here = f"menu_here_{names.index(page)}" if page in names else "menu"
    with st.sidebar, st.container(gap=None, key=here):
        st.html('<div class="ll-brand">Lookalike</div>')
        for name, path, icon in MENU:
            again = url_state.AFRESH if name == page else None
            st.page_link(path, label=name, icon=icon, width="stretch", query_params=again)
        components.folding_menu()
