"""The query side of Compare: the picture that is asked, and the ways to change it."""

from __future__ import annotations

import base64
import binascii
from html import escape

import streamlit as st

from core.errors import UserError
from core.images import EXTENSIONS
from core.services import uploads
from pages.parts import cached, components, gallery, link
from pages.parts.link import View
from pages.parts.words import caption, trouble

TROUBLE, ROUND = "query_trouble", "query_round"
UPLOAD_OPEN, CAMERA_OPEN = "upload_open", "camera_open"


def panel(view: View) -> None:
    """The query's picture, its name, Back, and the four ways to another one; examples below."""
    version = cached.version(view.dataset)
    kind, _, name = view.query.partition(":")
    uri = cached.thumbnail(view.dataset, version, name, 448) if kind == "item" else cached.upload(name)
    title, detail = _names(view)
    safe, more = escape(title, quote=True), escape(detail, quote=True)
    name_row = f'<b dir="auto" title="{safe}">{safe}</b><span dir="auto" title="{more}">{more.rsplit("/", 1)[-1]}</span>'
    st.html(
        f'<figure class="ll-query"><img src="{uri}" alt="Query: {safe}"></figure><div class="ll-asked">{name_row}</div>'
    )
    if st.session_state[link.TRAIL]:
        st.button("Back to the last query", icon=":material/arrow_back:", key="back", on_click=link.back, width="stretch")
    if error := st.session_state.get(TROUBLE):
        trouble(error)
    caption("Change the query")
    _ways(view)
    _examples(view, version)


def _ways(view: View) -> None:
    turn = st.session_state.setdefault(ROUND, 0)
    with st.container(key="chips"):
        with st.popover("Upload", key=UPLOAD_OPEN, on_change="rerun", width="stretch"):
            field = f"upload_{turn}"
            types = [ending.lstrip(".") for ending in EXTENSIONS]
            st.file_uploader("A picture from your computer", type=types, key=field, on_change=_uploaded, args=(field,))
        if pasted := components.paste("paste"):
            _take_url(pasted)
            st.rerun()
        with st.popover("Camera", key=CAMERA_OPEN, on_change="rerun", width="stretch") as camera:
            if camera.open:
                field = f"camera_{turn}"
                st.camera_input("Take a photograph", key=field, on_change=_uploaded, args=(field,), width=360)
        if st.button("Gallery", key="open_gallery", width="stretch"):
            gallery.choose(view)


def _examples(view: View, version: str) -> None:
    found = cached.dataset(view.dataset)
    items = [
        {"id": id, "uri": cached.thumbnail(view.dataset, version, id, 112), "alt": f"Example: {gallery.name_of(found, id)}"}
        for id in cached.examples(view.dataset, version)
    ]
    picked = components.picture_grid(items, "Example queries", f"examples_{version}", side=44, selected=view.query[5:])
    if picked and picked in found.rows:
        _take(f"item:{picked}")
        st.rerun()


def _names(view: View) -> tuple[str, str]:
    kind, _, name = view.query.partition(":")
    if kind == "up":
        return "Your picture", "kept for 14 days"
    found = cached.dataset(view.dataset)
    item = found.items[found.rows[name]]
    title = gallery.name_of(found, name)
    return title, (item.category or item.label or "") if title != (item.category or item.label) else item.id


def _uploaded(field: str) -> None:
    file = st.session_state.get(field)
    if file is not None:
        _keep(file.getvalue())
        st.session_state[UPLOAD_OPEN] = st.session_state[CAMERA_OPEN] = False
        st.session_state[ROUND] += 1


def _take_url(url: str) -> None:
    """A pasted picture; anything that is not a base64 data URL is refused like any other bad file."""
    try:
        _keep(base64.b64decode(url.partition(",")[2], validate=True))
    except (binascii.Error, ValueError):
        st.session_state[TROUBLE] = UserError("What was pasted is no picture.", fix="Copy a picture first, or upload a file.")


def _keep(data: bytes) -> None:
    try:
        _take(f"up:{uploads.keep(data)}")
    except UserError as error:
        st.session_state[TROUBLE] = error


def _take(query: str) -> None:
    st.session_state.pop(TROUBLE, None)
    link.ask(query)
