"""Choosing a cross-domain evaluation: whose queries, which gallery, and which class is which."""

import streamlit as st

from core.errors import UserError
from core.services.evaluation import crossing
from pages.parts import cached_metrics
from pages.parts.words import quiet, trouble

OWN = "A table of my own"
KEY = "metrics_cross"


def panel(ready: dict[str, str]) -> list[str]:
    """The controls over the data sets that are here (locator -> title); returns arguments of the
    evaluation, empty until they make one."""

    def title(locator: str) -> str:
        return ready.get(locator, locator)

    queries = st.multiselect("Queries of", list(ready), key=f"{KEY}_queries", format_func=title)
    gallery = st.selectbox("Gallery", list(ready), key=f"{KEY}_gallery", format_func=title)
    join = _join()
    if not queries or not gallery or join is None:
        return []
    try:
        told = cached_metrics.crossed(tuple(queries), gallery, join)
    except UserError as error:
        trouble(error)
        return []
    quiet(f"Queries: {told['queries']}. Joined: {told['joined classes']}.")
    return ["--queries", ",".join(queries), "--gallery", gallery, "--join", join]


def _join() -> str | None:
    """A join by name, or the path of an uploaded table; None while there is none."""
    options = [*crossing.names(), OWN]
    chosen = st.selectbox(
        "Classes joined by",
        options,
        options.index(crossing.SAME),
        key=f"{KEY}_join",
        format_func=_spoken,
        help="Which class of the queries is which class of the gallery.",
    )
    if chosen != OWN:
        return chosen
    file = st.file_uploader(
        "A CSV with the columns query_class and gallery_class",
        ["csv"],
        key=f"{KEY}_file",
        max_upload_size=1,
        help=(
            "One row for each class that has a counterpart. A column query_set keeps a row to the"
            " data set of that name."
        ),
    )
    if file is None:
        return None
    try:
        return crossing.keep_table(file.name, file.getvalue())
    except UserError as error:
        trouble(error)
        return None


def _spoken(name: str) -> str:
    return {crossing.SAME: "Classes of the same name", OWN: OWN}.get(name) or crossing.table(
        name
    ).title
