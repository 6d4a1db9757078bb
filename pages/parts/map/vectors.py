"""Maps that came ready made, without the embeddings behind them: said in one sentence, and built
where they are needed."""

import streamlit as st

from pages.parts import builds, cached, cached_maps, watching
from pages.parts.map.shown import title
from pages.parts.map.view import MapView
from pages.parts.words import note, quiet

TRIED = "map_vectors_tried"
NEEDS = "lines to the nearest, neighbours in the space and the place of a new picture"


def missing(view: MapView) -> list[str]:
    """The encoders whose embeddings are not here."""
    version = cached.version(view.base.dataset)
    return [name for name in view.encoders if not cached.built(view.base.dataset, version, name)]


def panel(view: MapView) -> None:
    """Say what the maps of this page can't show yet; build it where something that is shown waits
    for it."""
    names, locator = missing(view), view.base.dataset
    if not names:
        return
    job = next((job for name in names if (job := builds.active(locator, name))), None)
    if job is not None:
        return st.fragment(_watch, run_every=0.7)(job.id)
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
        if st.button("Build the embeddings", key="map_build_vectors"):
            builds.start(locator, names)
            st.rerun()


def _first_time(locator: str, names: list[str]) -> bool:
    """Whether this session has not begun this by itself before: a build that was stopped is not
    begun again unasked."""
    tried, what = st.session_state.setdefault(TRIED, set()), (locator, *names)
    known = what in tried
    tried.add(what)
    return not known


def _watch(job_id: str) -> None:
    """Progress until the end; then the page shows what was missing."""
    job = watching.until_over(job_id, cached_maps.forget)
    watching.bar(job, "map_build", about=f"Then follow {NEEDS}.")
