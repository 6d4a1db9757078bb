"""Talk: views of pages in an order, presented without controls."""

from dataclasses import replace
from functools import partial

import streamlit as st

from core.services.sharing import talks
from core.services.sharing.scenes import talk_page
from core.services.sharing.talks import Scene, Talk
from pages.parts import presenting, press, url_state
from pages.parts.guard import run
from pages.parts.shell import PATHS, shell
from pages.parts.words import caption, count, heading, note, quiet, telling, text, trouble

LOOK_S = 0.5


def main() -> None:
    if st.query_params.get("notes"):
        shell("Talk", "What you say to the scene that is shown", "Notes")
        st.fragment(_notes, run_every=LOOK_S)()
        return
    actions = shell("Talk", "Views of the app as the scenes of a talk, shown without controls")
    talk = talks.read()
    with actions:
        _files(talk)
        st.link_button(
            "Notes",
            "?notes=1",
            disabled=not talk.scenes,
            help="The notes, in a window of their own",
        )
        if press.button("Present", key="talk_present", type="primary", disabled=not talk.scenes):
            _present(0)
    if (error := st.session_state.pop("talk_error", None)) is not None:
        trouble(error)
    if not talk.scenes:
        note(
            "The talk has no scene yet.",
            "Open a view on any page, and press Add to talk at its top: a comparison, a map, a"
            " leaderboard, a lesson. Here scenes are put in order, given notes and presented.",
        )
        with st.container(horizontal=True):
            for name in ("Compare", "Map", "Metrics", "Learn"):
                st.page_link(PATHS[name], label=name)
        return
    quiet(
        f"{count(len(talk.scenes), 'scene')}. While you present, arrows or a clicker (Page Down,"
        " Page Up) step, Escape ends the show, and ? shows all keys."
    )
    for place, scene in enumerate(talk.scenes):
        _scene(place, scene, len(talk.scenes))


def _present(place: int) -> None:
    scene = talks.show(place)
    presenting.begin(place)
    if scene is not None and scene.page in PATHS:
        st.session_state["talk_sent"] = place
        url_state.go(PATHS[scene.page], scene.params)


def _files(talk: Talk) -> None:
    with st.popover("File"):
        some = {"disabled": not talk.scenes, "width": "stretch"}
        made = partial(talks.written, replace(talk, now=None))
        press.download("Export talk", made, "talk.json", **some)
        label = "Whole talk (HTML, works offline)"
        press.download(label, partial(talk_page, talk), "talk.html", key="talk_html", **some)
        given = st.file_uploader("Open a talk", type=["json"], key="talk_file")
        if given is not None and st.session_state.get("talk_read") != given.file_id:
            st.session_state["talk_read"] = given.file_id
            _do(lambda: talks.keep(talks.from_file(given.getvalue())))
            st.rerun()


def _do(work) -> None:
    with telling("talk_error"):
        work()


def _scene(place: int, scene: Scene, scenes: int) -> None:
    with st.container(key=f"row_scene_{place}", horizontal=True, vertical_alignment="center"):
        with st.container():
            heading(f"{place + 1}. {scene.title}")
            quiet(" · ".join([scene.page, *([scene.notes] if scene.notes else [])]))
        with st.container(horizontal=True, width="content"):
            _acts(place, scene, scenes)


def _acts(place: int, scene: Scene, scenes: int) -> None:
    st.button(
        "Show",
        key=f"scene_show_{place}",
        help="Present from this scene on",
        on_click=_begin,
        args=(place,),
    )
    for words, icon, by in (("Up", "arrow_upward", -1), ("Down", "arrow_downward", 1)):
        st.button(
            words,
            icon=f":material/{icon}:",
            key=f"scene_{words}_{place}",
            disabled=not 0 <= place + by < scenes,
            on_click=_do,
            args=(lambda by=by: talks.move(place, by),),
        )
    with st.popover("Edit"):
        title = st.text_input("Title", scene.title, key=f"scene_title_{place}_{scene.title}")
        notes = st.text_area("Notes", scene.notes, key=f"scene_notes_{place}_{scene.title}")
        if press.button("Save", key=f"scene_save_{place}", type="primary"):
            _do(lambda: talks.change(place, replace(scene, title=title, notes=notes)))
            st.rerun()
        st.button(
            "Remove", key=f"scene_drop_{place}", on_click=_do, args=(lambda: talks.drop(place),)
        )


def _begin(place: int) -> None:
    talks.show(place)
    presenting.begin(place)


def _notes() -> None:
    """The window of the speaker: this scene's notes, and what comes next."""
    talk = talks.read()
    if talk.now is None:
        note("Nothing is presented yet.", "Press Present in the other window.")
        return
    scene = talk.scenes[talk.now]
    with st.container(key="notes"):
        caption(f"Scene {talk.now + 1} of {len(talk.scenes)}")
        heading(scene.title)
        for line in (scene.notes or "No notes.").splitlines():
            text(line)
        if talk.now + 1 < len(talk.scenes):
            caption("Next")
            quiet(talk.scenes[talk.now + 1].title)


run(main, "Talk")
