"""The query side of Compare: the picture that is asked, and the ways to change it."""

import base64
import binascii
from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from core.images import EXTENSIONS
from core.services.library import addresses, uploads
from pages.parts import cached, components, gallery, link, press, refining, url_state
from pages.parts.guard import guarded
from pages.parts.link import View
from pages.parts.shell import hosted
from pages.parts.subject import PICTURE, Subject
from pages.parts.words import telling, trouble

TROUBLE, ROUND = "query_trouble", "query_round"
CAMERA_OPEN = "camera_open"


def panel(view: View, subject: Subject | None = None) -> None:
    """The query's picture, which takes another one however it comes; Back, camera and gallery;
    examples below.

    ``subject`` is what was found on it and what can be chosen there; None where a page searches
    with all of it.
    """
    version, turn = cached.version(view.dataset), st.session_state.setdefault(ROUND, 0)
    title, detail = names(view)
    drawn = subject.drawn if subject else {}
    components.query_picture(
        picture(view), title, detail, EXTENSIONS, PICTURE, turn, on_given=_given, **drawn
    )
    if error := st.session_state.get(TROUBLE):
        trouble(error)
    with st.container(key="chips"):
        with st.popover("Camera", key=CAMERA_OPEN, on_change="rerun", width="stretch") as camera:
            if camera.open:
                field = f"camera_{turn}"
                st.camera_input(
                    "Take a photograph",
                    key=field,
                    on_change=_photographed,
                    args=(field,),
                    width=360,
                )
        if press.button("Gallery", key="open_gallery", width="stretch"):
            gallery.choose(view)
        if addresses.allowed():
            _address(turn, _came)
    if subject:
        subject.control()
    _sharing(view)
    if st.session_state[link.TRAIL]:
        st.button(
            "Back to the last query",
            icon=":material/arrow_back:",
            key="back",
            on_click=link.back,
            width="stretch",
        )
    if subject:
        refining.panel(view)
    _examples(view, version)


def _sharing(view: View) -> None:
    """Where strangers use the server: whether a link to this page shows one's own picture."""
    kind, _, token = view.query.partition(":")
    if not hosted() or kind != "up" or not uploads.is_own(token):
        return
    field = f"share_{token}"
    url_state.put(field, uploads.is_shared(token))
    st.toggle(
        "Share my picture",
        key=field,
        on_change=_shared,
        args=(token, field),
        help="Off: a link to this page shows your picture to you alone. On: to whoever has it.",
    )


def _shared(token: str, field: str) -> None:
    with telling(TROUBLE):
        uploads.share(token, st.session_state[field])


def picture(view: View, side: int = 448, box: cached.Box = None) -> str:
    """The query, or the part of it inside ``box``, as a data URI, at most ``side`` pixels long."""
    kind, _, name = view.query.partition(":")
    if kind == "up":
        return cached.upload(name, side, box)
    return cached.thumbnail(view.dataset, cached.version(view.dataset), name, side, box)


def _given() -> None:
    """The picture was given another one. Called before the page runs, so that it runs once."""
    given = st.session_state[PICTURE]["given"]
    if not isinstance(given, str) or not given or link.QUERY not in st.session_state:
        return
    with telling(TROUBLE):
        guarded(lambda: take(st.session_state[link.DATASET], given), "Taking the picture")


def take(dataset: str, given: str) -> None:
    """What the picture was given as the next query: ``item:<id>``, or a file's data URL."""
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    if given.startswith("item:"):
        if given[5:] in cached.dataset(dataset).rows:
            _take(given)
        return
    try:
        _keep(base64.b64decode(given.partition(",")[2], validate=True))
    except (binascii.Error, ValueError):
        st.session_state[TROUBLE] = UserError(
            "What was given is not a picture.", fix="Copy a picture first, or choose a file."
        )


def _examples(view: View, version: str) -> None:
    found = cached.dataset(view.dataset)
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(view.dataset, version, id, 112),
            "alt": f"Example: {gallery.name_of(found, id)}",
        }
        for id in cached.examples(view.dataset, version)
    ]
    picked = components.picture_grid(
        items, "Example queries", f"examples_{version}", side=44, selected=view.query[5:]
    )
    if picked and picked in found.rows:
        _take(f"item:{picked}")
        st.rerun()


def names(view: View) -> tuple[str, str]:
    """What the query is called, and what else is known of it."""
    kind, _, name = view.query.partition(":")
    if kind == "up":
        if not uploads.is_own(name):
            return "A shared picture", "for as long as its owner shares it"
        return "Your picture", f"kept for {uploads.kept_for()}"
    found = cached.dataset(view.dataset)
    item = found.items[found.rows[name]]
    title = gallery.name_of(found, name)
    return title, (
        (item.category or item.label or "") if title != (item.category or item.label) else item.id
    )


def _photographed(field: str) -> None:
    file = st.session_state.get(field)
    if file is not None:
        _came(file.getvalue())
        st.session_state[CAMERA_OPEN] = False


def _came(data: bytes) -> None:
    _keep(data)
    st.session_state[ROUND] += 1


def _keep(data: bytes) -> None:
    with telling(TROUBLE):
        _take(f"up:{uploads.keep(data)}")


def _take(query: str) -> None:
    st.session_state.pop(TROUBLE, None)
    link.ask(query)


OPEN, ERROR = "address_open", "address_trouble"


def _address(turn: int, keep: Callable[[bytes], None]) -> None:
    """A field for an address; ``keep`` takes its bytes. A new ``turn`` empties the field."""
    with st.popover("Address", key=OPEN, on_change="rerun", width="stretch") as place:
        if not place.open:
            return
        field = f"address_{turn}"
        st.text_input(
            "Address of a picture",
            key=field,
            placeholder="https://",
            max_chars=addresses.MAX_ADDRESS,
            help="The server fetches it; Enter begins.",
            on_change=_fetch,
            args=(field, keep),
        )
        if error := st.session_state.get(ERROR):
            trouble(error)


def _fetch(field: str, keep: Callable[[bytes], None]) -> None:
    """Called before the page runs."""
    st.session_state.pop(ERROR, None)
    text = st.session_state[field].strip()
    if not text:
        return
    with telling(ERROR):
        found = guarded(lambda: addresses.picture_at(text), "Fetching the picture")
        st.session_state[OPEN] = False
        keep(found)
