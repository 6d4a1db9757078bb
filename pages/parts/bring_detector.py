"""Bringing a YOLO network from the browser, and removing one: part of the window that chooses what
looks for the subject."""

import streamlit as st

from core.errors import UserError
from core.services.embedding import detecting
from pages.parts import cached, crop
from pages.parts.guard import guarded
from pages.parts.shell import hosted
from pages.parts.words import note, quiet, trouble

OUTCOME, ROUND = "yolo_outcome", "yolo_round"
MOST_MB = 512


def panel(rows: dict[str, dict]) -> None:
    """File and name, then what came of it; nothing on a public demo.

    Args:
        rows: detectors by name.
    """
    if hosted():
        return
    with st.expander("Add a YOLO model", key="yolo_bring"):
        quiet("An ONNX file of a YOLO detector, v5 or newer. It holds no program.")
        turn = st.session_state.setdefault(ROUND, 0)
        file = st.file_uploader(
            "ONNX file", type=None, key=f"yolo_file_{turn}", max_upload_size=MOST_MB
        )
        name = st.text_input("Name", placeholder="mine", key=f"yolo_name_{turn}", max_chars=40)
        st.button(
            "Add it",
            width="stretch",
            disabled=not (file and name.strip()),
            key="yolo_take",
            on_click=_bring,
            args=(turn,),
        )
        _outcome()
        for row in (row for row in rows.values() if row["tier"] == "imported"):
            st.button(
                f"Remove {row['title']}",
                width="stretch",
                key=f"yolo_remove_{row['name']}",
                on_click=_remove,
                args=(row["name"],),
            )


def _bring(turn: int) -> None:
    """Called before the page runs, so that the choice above holds what was brought."""
    file, name = (st.session_state.get(f"yolo_{field}_{turn}") for field in ("file", "name"))
    if file is None or not name:
        return
    try:
        brought = guarded(
            lambda: detecting.bring_upload(file.name, file.getvalue(), name.strip()),
            "Reading the network",
        )
    except UserError as error:
        st.session_state[OUTCOME] = error
        return
    cached.detector_rows.clear()
    st.session_state[OUTCOME] = brought
    st.session_state[ROUND] += 1
    st.session_state[crop.DETECTOR] = brought
    crop.changed()


def _remove(name: str) -> None:
    st.session_state.pop(OUTCOME, None)
    try:
        guarded(lambda: detecting.remove(name), "Removing the network")
    except UserError as error:
        st.session_state[OUTCOME] = error
    cached.detector_rows.clear()
    crop.heal()


def _outcome() -> None:
    outcome = st.session_state.get(OUTCOME)
    if isinstance(outcome, UserError):
        trouble(outcome)
    elif outcome:
        note(f"{outcome} looks for the subject now.", "", "good")
