"""Adding pictures of one's own: a place on this machine, or a zip from the browser."""

from __future__ import annotations

import streamlit as st

from core.errors import UserError
from core.services.hosting.settings import value
from core.services.library import library
from pages.parts import cached, library_build
from pages.parts.shell import hosted
from pages.parts.words import caption, count, note, quiet, trouble

OUTCOME, ROUND, PATH = "add_outcome", "add_round", "add_path"
ZIP_MB = 1024


def panel() -> None:
    """Two ways to add. A hosted demo has only the zip: paths of its server are not shown to
    visitors."""
    caption("Add pictures")
    if not hosted():
        with st.form("add_place", border=False):
            st.text_input("Path on this machine", placeholder="~/Pictures", key=PATH)
            quiet(
                "A folder (class/, split/class/, category/instance/), a zip, a CSV manifest or"
                " Parquet. Nothing is copied."
            )
            st.form_submit_button("Add", key="add", width="stretch", on_click=_typed)
    field = f"add_zip_{st.session_state.setdefault(ROUND, 0)}"
    limit = int(value("visitor_zip_mb")) if hosted() else ZIP_MB
    st.file_uploader(
        "A zip of such a folder",
        type=["zip"],
        key=field,
        max_upload_size=limit,
        on_change=_uploaded,
        args=(field,),
    )
    _outcome()


def _typed() -> None:
    place = st.session_state[PATH].strip()
    if place:
        _add(lambda: library.add_folder(place))
    else:
        fix = "Type the folder of the pictures, for example ~/Pictures."
        st.session_state[OUTCOME] = UserError("No path was given.", fix=fix)


def _uploaded(field: str) -> None:
    file = st.session_state.get(field)
    if file is not None:
        st.session_state[ROUND] += 1
        _add(lambda: library.add_archive(file.name, file.getvalue()))


def _add(call) -> None:
    """What was added is what the panel above offers to build next."""
    try:
        locator = call()
        st.session_state[OUTCOME] = st.session_state[library_build.DATASET] = locator
        cached.forget_datasets()
    except UserError as error:
        st.session_state[OUTCOME] = error


def _outcome() -> None:
    """How the last adding went: what was found, or what was wrong."""
    outcome = st.session_state.get(OUTCOME)
    if isinstance(outcome, UserError):
        trouble(outcome)
    elif outcome:
        row = next((row for row in cached.dataset_rows() if row["locator"] == outcome), None)
        if row and row["state"] == "ready":
            over = f", {row['skipped']:,} passed over" if row["skipped"] else ""
            over += f", {count(len(row['remarks']), 'remark')}" if row["remarks"] else ""
            words = (
                f"{count(row['pictures'], 'picture')}{over}. Build an encoder for it to search"
                " in it."
            )
            note(f"Added {row['title']}:", words, "good")
