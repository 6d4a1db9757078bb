"""The subject of the query on Compare: found in the background, drawn as numbered frames, chosen or
drawn by the person. What looks for it is chosen in a window, which also takes a YOLO network and
removes one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.services.embedding import detecting
from core.services.library.library import Dataset
from core.services.search import subject
from core.services.search.request import Query
from core.services.search.subject import Subject as Found
from core.services.search.subject import rule, with_margin
from pages.parts import cached, components, crop, downloads, link
from pages.parts.guard import guarded
from pages.parts.link import View
from pages.parts.shell import hosted
from pages.parts.words import note, quiet, row_html, size, telling, trouble

SERIAL, DRAWN, OPEN, PICTURE = "box_serial", "subject_drawn", "subject_open", "query_picture"
MAX_FRAMES = 9
"""So many frames are drawn, the best; more would hide the picture."""
LOOKING = "Looking for the subject\u00a0…"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subject:
    """What the query panel shows of the subject: data for the picture, and the control under it."""

    view: View
    found: Found | None

    @property
    def drawn(self) -> dict:
        """What :func:`pages.parts.components.query_picture` draws on the picture."""
        return {"subject": _drawn(self.view, self.found), "on_boxed": partial(take, PICTURE)}

    def control(self) -> None:
        _control()


def now() -> Subject:
    """The subject as known now; the main one is chosen here where it always is."""
    found = known(link.current())
    if _chosen_by_itself(found):
        crop.choose(found.crop)
    return Subject(link.current(), found)


def known(view: View) -> Found | None:
    """What has been found on the query; None where nothing looks, or it has not ended."""
    return _asking(subject.found, view)


def begin(view: View, place: DeltaGenerator) -> Callable[[float], bool] | None:
    """Look for the subject in the background.

    Returns:
        What waits for it, so many seconds at most, draws on the query's picture what was found,
        through ``place``, and says whether it has; None where nothing looks. The page is not drawn
        anew for it: that would take several times what the detector does.
    """
    if crop.detector() == crop.OFF or known(view) is not None:
        return None
    wait = _asking(subject.begin, view)
    return None if wait is None else partial(_come, view, place, wait)


def _come(view: View, place: DeltaGenerator, wait: Callable[[float], bool], seconds: float) -> bool:
    if not wait(seconds):
        return False
    found = known(view)
    if found is None or _chosen_by_itself(found):
        st.rerun()
    with place.container(key="found_subject"):
        components.found_subject(_drawn(view, found), "found")
    return True


def _chosen_by_itself(found: Found | None) -> bool:
    """Whether the main subject is to be searched with though nobody has chosen it."""
    return found is not None and crop.always() and crop.kept() is None and found.crop is not None


def came(view: View) -> bool:
    """Whether something was found that is not drawn yet, for a board that moves alone."""
    return not st.session_state.get(DRAWN) and known(view) is not None


def _asking(call: Callable[[Query, str, Dataset], T], view: View) -> T | None:
    """Ask for what the chosen detector finds on the query; None where there is no picture."""
    if crop.detector() == crop.OFF:
        return None
    try:
        return call(cached.asked(view.query), crop.detector(), cached.dataset(view.dataset))
    except UserError:
        return None


def take(key: str) -> None:
    """The person chose a part of a query: ``serial|x0,y0,x1,y1|query``; no numbers are all of it.
    Called before the page runs.

    A part of a picture that is no longer the query is passed over.
    """
    serial, text, query = [*str(st.session_state[key]["boxed"] or "").split("|", 2), "", ""][:3]
    if not (serial.isascii() and serial.isdigit() and len(serial) < 10):
        return
    st.session_state[SERIAL] = int(serial)
    if query == st.session_state[link.QUERY]:
        edges, _ = crop.read(text) if text else (None, "")
        crop.choose(edges or (crop.WHOLE if crop.always() else None))


def _drawn(view: View, found: Found | None) -> dict:
    """What the picture needs to draw the subject, and what it sends back with a choice.

    ``box`` is searched with; ``frames`` have edges, the ``part`` that a click searches with, and
    words; ``main`` is the place of the main one. ``of``, the query, and ``serial`` come back: so an
    older choice is told from the last. While ``looking``, what is found of the same query by the
    same detector may come later.
    """
    st.session_state[DRAWN] = found is not None
    main = found.main if found else None
    boxes = _shown(found) if found else []
    frames = [
        {"edges": box.edges, "part": _part(box, found.size), "said": _said(box)} for box in boxes
    ]
    looking = found is None and crop.detector() != crop.OFF
    note = LOOKING if looking else found.note if found and view.box is None else ""
    return {
        "box": view.box,
        "frames": frames,
        "main": boxes.index(main) if main else None,
        "note": note,
        "looking": looking,
        "by": crop.detector(),
        "rule": rule() if main else "",
        "off": crop.detector() == crop.OFF,
        "of": view.query,
        "serial": st.session_state.get(SERIAL, 0),
    }


def _shown(found: Found) -> list:
    """The best boxes, the main one among them."""
    best = list(found.boxes[:MAX_FRAMES])
    return best if found.main in best or found.main is None else [*best[:-1], found.main]


def _part(box, size: tuple[int, int]) -> crop.Edges:
    return tuple(round(edge, crop.DIGITS) for edge in with_margin(box, size).edges)


def _said(box) -> str:
    return f"{box.label or 'score'} {box.score:.2f}"


def _control() -> None:
    """What looks for the subject, in a window where what is not here yet can be fetched."""
    rows = {row["name"]: row for row in cached.detector_rows()}
    short = _title(rows[crop.detector()]).partition(" (")[0]
    with st.popover(
        f"Find the subject: {short}", key=OPEN, on_change="rerun", width="stretch"
    ) as place:
        if not place.open:
            return
        there = [
            name for name, row in rows.items() if row["state"] == "ready" or name == crop.detector()
        ]
        st.radio(
            "Find the subject",
            there,
            key=crop.DETECTOR,
            format_func=lambda name: _title(rows[name]),
            captions=[_about(rows[name]) for name in there],
            on_change=crop.changed,
        )
        st.toggle(
            "Always search with the main subject",
            key=crop.ALWAYS,
            disabled=crop.detector() == crop.OFF,
            on_change=crop.changed,
            help="Of every next query, until you choose another part of it or the whole picture.",
        )
        for row in rows.values():
            if row["state"] == "download":
                _fetch(row)
        if missing := [row["title"] for row in rows.values() if row["state"] == "unavailable"]:
            quiet(f"Not installed here: {', '.join(missing)}.")
        panel(rows)


def _title(row: dict) -> str:
    return "Off" if row["name"] == crop.OFF else row["title"]


def _about(row: dict) -> str:
    if row["name"] == crop.OFF:
        return "The whole picture is searched, or what you draw."
    return row["about"]


def _fetch(row: dict) -> None:
    with st.container(key=f"row_{row['name']}", horizontal=True, vertical_alignment="center"):
        row_html(row["title"], f"{row['about']} {size(row['bytes'])}")
        with st.container(key=f"fetch_{row['name']}"):
            downloads.offer("detector", row)


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
    with telling(OUTCOME):
        brought = guarded(
            lambda: detecting.bring_upload(file.name, file.getvalue(), name.strip()),
            "Reading the network",
        )
        cached.forget_builds()
        st.session_state[OUTCOME] = brought
        st.session_state[ROUND] += 1
        st.session_state[crop.DETECTOR] = brought
        crop.changed()


def _remove(name: str) -> None:
    st.session_state.pop(OUTCOME, None)
    with telling(OUTCOME):
        guarded(lambda: detecting.remove(name), "Removing the network")
    cached.forget_builds()
    crop.heal()


def _outcome() -> None:
    outcome = st.session_state.get(OUTCOME)
    if isinstance(outcome, UserError):
        trouble(outcome)
    elif outcome:
        note(f"{outcome} looks for the subject now.", "", "good")
