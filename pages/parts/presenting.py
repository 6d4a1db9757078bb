"""Presenting: scenes one after another without controls, in a size that the last row reads."""

import secrets
from html import escape
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.services.search import serving
from core.services.sharing import talks
from core.services.sharing.talks import Scene
from pages.parts import cached, components, press, url_state
from pages.parts.link import REMARKS
from pages.parts.words import telling, trouble

SHOWN = "talk_scene"
"""Place from 0 of the scene that this session shows; absent while it does not present."""
SHOW = "talk_show"
"""Tells this show from another one."""
PERSONAL = ("voter",)
"""What a link says of the person who looks, and a scene does not."""
ASKS = ("Learn", "Arena")
"""Pages that a class answers while they are presented: their buttons stay."""
STYLE = Path(__file__).parent / "web" / "presenting.css"


def on() -> bool:
    """Whether this session presents."""
    return SHOWN in st.session_state


def below() -> int:
    """Pixels of the second line in a cell of a chart: while presenting, what the last row reads."""
    return 12 if on() else 9


def begin(place: int = 0) -> None:
    """Present from this scene on, from the next run."""
    st.session_state[SHOWN], st.session_state[SHOW] = place, secrets.token_hex(4)
    warm()


def warm() -> None:
    """Load what the scenes of Compare will ask, before anybody waits for it."""
    for scene in talks.read().scenes:
        if scene.page != "Compare":
            continue
        try:
            found = cached.dataset(scene.params.get("dataset", "catalogue"))
        except UserError:  # said on the page when its scene comes
            continue
        for name in scene.params.get("encoders", "").split(","):
            if name:
                serving.begin(found, name, scene.params.get("index", "exact"))


def frame(page: str, paths: dict[str, str]) -> None:
    """On a page while the session presents: no controls, large, and the keys that step."""
    talk, place = talks.read(), st.session_state[SHOWN]
    if not talk.scenes:
        del st.session_state[SHOWN]
        return
    st.html(STYLE)
    place = min(place, len(talk.scenes) - 1)
    to = components.stepper("talk_step", place, len(talk.scenes), st.session_state.get(SHOW, ""))
    if to is not None:
        _step(to if to >= 0 else None, paths)
    scene = talk.scenes[place]
    if scene.page != page or not _there(scene):
        _go(scene, paths)
    kind = "asks" if page in ASKS else "shows"
    st.html(f'<div class="ll-scene {kind}">{escape(scene.title)}</div>')


def _there(scene: Scene) -> bool:
    """Whether the page was sent to this scene; what the person does on it afterwards is theirs."""
    return st.session_state.get("talk_sent") == st.session_state[SHOWN]


def _step(place: int | None, paths: dict[str, str]) -> None:
    scene = talks.show(place)
    if scene is None:
        del st.session_state[SHOWN]
        st.session_state.pop("talk_sent", None)
        st.switch_page(paths["Talk"])
    st.session_state[SHOWN] = talks.read().now
    _go(scene, paths)


def _go(scene: Scene, paths: dict[str, str]) -> None:
    st.session_state["talk_sent"] = st.session_state[SHOWN]
    st.session_state[REMARKS] = []
    if (path := paths.get(scene.page)) is None:
        st.html(f'<div class="ll-scene">{escape(scene.title)}</div>')
        trouble(UserError(f"There is no page {scene.page!r}.", fix="Go on to the next scene."))
        return
    url_state.go(path, scene.params)


def button(page: str) -> None:
    """The way to add the view of a page to the talk."""
    if press.button("Add to talk", key="talk_add", icon=":material/co_present:"):
        here = st.query_params
        _dialog(page, {name: str(here[name]) for name in here if name not in PERSONAL})


@st.dialog("Add this view to the talk")
def _dialog(page: str, params: dict[str, str]) -> None:
    with st.form("talk_new", border=False):
        title = st.text_input("Title of the scene", value=page, max_chars=talks.MAX_TITLE)
        notes = st.text_area("Notes for the speaker", max_chars=talks.MAX_NOTES)
        if not press.submit("Add", key="talk_new_add", type="primary"):
            return
    with telling():
        count = talks.add(Scene(title, page, params, notes))
        st.toast(f"Scene {count} of the talk.")
        st.rerun()
