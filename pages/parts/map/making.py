"""Maps that are not there yet: made as a job, watched, and what went wrong said. Of maps that came
ready made the embeddings may be missing: said in one sentence, and built where they are needed."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services.jobs import JobStatus
from core.services.maps import maps
from core.services.maps.maps import Map
from pages.parts import builds, cached, cached_maps, press, watching
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.words import count, note, quiet, trouble

AT_ONCE = 6_000
"""Sets up to this size are arranged without asking: it takes seconds."""


def paths(view: MapView) -> list[str | None]:
    """Where each map of a view is; None for one that has to be made."""
    version = cached.version(view.base.dataset)
    return [
        cached_maps.path(view.base.dataset, version, cached_maps.spec_of(one))
        for one in view.wanted()
    ]


def refused(view: MapView) -> bool:
    """Say why these pictures can't be drawn, where that is known without trying."""
    version = cached.version(view.base.dataset)
    found = {name: cached_maps.refusal(view.base.dataset, version, name) for name in view.encoders}
    named = len(set(map(str, found.values()))) > 1  # not what is wrong with the data set itself
    for name, error in found.items():
        if error is not None:
            trouble(
                UserError(f"{title(name)}: {error.given}", error.allowed, error.fix)
                if named
                else error
            )
            if not named:
                break
    return any(found.values())


def panel(view: MapView) -> None:
    """Offer, show or explain the making of what is missing."""
    arguments = _arguments(view)
    job = watching.active(arguments)
    last = watching.ended(arguments) if job is None else None
    if job is not None:
        st.fragment(_watch, run_every=0.7)(job.id)
    elif gone := _unavailable(view):
        for row in gone:
            note(
                f"There is no map by {row['title']}, which is not available here.",
                row["detail"],
                "bad",
            )
        quiet("Choose another one under Encoders.")
    elif last is not None and last.state == "failed":
        trouble(UserError("The maps could not be made.", last.message))
        _button(view, arguments, "Try again")
    elif last is None and _small(view):
        _start(view, arguments)
    else:
        stopped = " The last try was stopped." if last else ""
        pictures = count(len(cached.dataset(view.base.dataset).items), "picture")
        wait = (
            "Missing embeddings are built first; then a map takes a minute or two for every 50,000"
            " pictures."
        )
        absent = [row["title"] for row in _rows(view) if row.get("state") == "download"]
        first = f"{' and '.join(absent)} will be downloaded. " if absent else ""
        note(f"There is no such map of these {pictures} yet.{stopped}", first + wait)
        _button(view, arguments, "Download and make the maps" if absent else "Make the maps")


def pictures(view: MapView) -> None:
    """Where maps are there without their small pictures (deleted), make these once."""
    version, arguments = cached.version(view.base.dataset), _arguments(view)
    if watching.started(arguments) or cached_maps.sheet(view.base.dataset, version) is not None:
        return
    if watching.active(arguments) is None:
        title = cached.dataset(view.base.dataset).title or view.base.dataset
        watching.start(f"Small pictures for the maps of {title}", arguments)


def changed(view: MapView, found: Sequence[Map]) -> None:
    """Where pictures came or went since maps were drawn: say so, and offer to draw them anew."""
    if not any(maps.has_changed(one.facts) for one in found):
        return
    arguments = [*_arguments(view), "--redraw"]
    job = watching.active(arguments)
    if job is not None:
        st.fragment(_watch, run_every=0.7)(job.id)
        return
    last = watching.ended(arguments)
    if last is not None and last.state == "failed":
        trouble(UserError("The maps could not be drawn anew.", last.message))
    placed = max(one.facts.get("placed", 0) for one in found)
    gone = max(one.facts.get("gone", 0) for one in found)
    came = f"{count(placed, 'picture')} placed on it" if placed else ""
    went = f"{count(gone, 'picture')} removed from it" if gone else ""
    with st.container(key="map_changed", horizontal=True, vertical_alignment="center"):
        note(f"Since this map was drawn: {', '.join(filter(None, (came, went)))}.")
        _button(view, arguments, "Draw anew", "secondary")


def _rows(view: MapView) -> list[dict]:
    """The encoders whose embeddings have to be made first."""
    locator, version = view.base.dataset, cached.version(view.base.dataset)
    rows = [cached.encoder_row(name) or {} for name in view.encoders]
    return [row for row in rows if not cached.built(locator, version, row.get("name", ""))]


def _unavailable(view: MapView) -> list[dict]:
    """Of these the ones that can't be had here: no package, or files that nobody may fetch."""
    return [row for row in _rows(view) if row.get("state") == "unavailable"]


def _small(view: MapView) -> bool:
    few = len(cached.dataset(view.base.dataset).items) <= AT_ONCE
    return few and all(map(_offline, _rows(view)))


def _button(view: MapView, arguments: list[str], label: str, kind: str = "primary") -> None:
    if press.button(label, type=kind, key="make_maps"):
        _start(view, arguments)


def _start(view: MapView, arguments: list[str]) -> None:
    pictures = cached.dataset(view.base.dataset).title or view.base.dataset
    watching.start(f"Maps of {pictures} by {', '.join(map(title, view.encoders))}", arguments)
    st.rerun()


def _arguments(view: MapView) -> list[str]:
    chosen = [f"--set={name}={value:g}" for name, value in sorted(view.params.items())]
    return [
        "map",
        "--dataset",
        view.base.dataset,
        "--encoders",
        ",".join(view.encoders),
        "--projection",
        view.projection,
        *chosen,
    ]


def _watch(job_id: str) -> None:
    """Progress until the end; then the page draws what was made."""
    job = watching.until_over(job_id, cached_maps.forget)
    watching.bar(job, "map", _words(job))


def _words(job: JobStatus) -> str:
    if job.state == "starting" or not job.total:
        return "Starting"
    if job.total == 1000:
        return f"Arranging · {job.done / 10:.0f} %"
    return builds.progress_words(job)


def _offline(row: dict) -> bool:
    """Whether an encoder came with the installation, weights and all."""
    return row.get("tier") in ("bundled", "packaged")


TRIED = "map_vectors_tried"
NEEDS = "lines to the nearest, neighbours in the space and the place of a new picture"


def missing(view: MapView) -> list[str]:
    """The encoders whose embeddings are not here."""
    version = cached.version(view.base.dataset)
    return [name for name in view.encoders if not cached.built(view.base.dataset, version, name)]


def missing_vectors(view: MapView) -> None:
    """Say what the maps can't show yet; build it where what is shown waits for it."""
    names, locator = missing(view), view.base.dataset
    if not names:
        return
    job = next((job for name in names if (job := builds.active(locator, name))), None)
    if job is not None:
        return st.fragment(_watch_vectors, run_every=0.7)(job.id)
    last = next((last for name in names if (last := builds.ended(locator, name))), None)
    if last is not None and last.state == "failed":
        note("The embeddings could not be built.", last.message, "bad")
    elif (view.picked or view.base.query.startswith("up:")) and _first_time(locator, names):
        builds.start(locator, names)
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="map_vectors"):
        said = " and ".join(filter(None, (", ".join(map(title, names[:-1])), title(names[-1]))))
        which = "The maps" if len(names) > 1 else "The map"
        quiet(f"{which} by {said} came with the code; {NEEDS} need the embeddings.")
        if press.button("Build the embeddings", key="map_build_vectors"):
            builds.start(locator, names)
            st.rerun()


def _first_time(locator: str, names: list[str]) -> bool:
    """Whether this session has not begun this unasked before: it may have been stopped."""
    tried, what = st.session_state.setdefault(TRIED, set()), (locator, *names)
    known = what in tried
    tried.add(what)
    return not known


def _watch_vectors(job_id: str) -> None:
    """Progress until the end; then the page shows what was missing."""
    job = watching.until_over(job_id, cached_maps.forget)
    watching.bar(job, "map_build", about=f"Then follow {NEEDS}.")
