"""Vectors of a model that is not ours, for the pictures of a data set: counted, then taken."""

from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from core.services.hosting.settings import value
from core.services.library import imports
from pages.parts import cached
from pages.parts.hosting import hosted
from pages.parts.library import place
from pages.parts.words import note, quiet, table, trouble

KINDS = ("npy", "parquet", "pq")
MAX_SKIPPED = 8


def show(close: Callable[[], None]) -> None:
    """Data set, files and a name; what is in the files; and the button, which ``close``s the
    window."""
    rows = {row["locator"]: row for row in cached.dataset_rows() if row["state"] == "ready"}
    locator = st.selectbox(
        "For the pictures of",
        list(rows),
        key="add_vectors_set",
        format_func=lambda one: rows[one]["title"],
    )
    left, right = st.columns(2)
    most = int(value("visitor_zip_mb")) if hosted() else None
    vectors = left.file_uploader(
        f"Vectors, at most {most:,} MB" if most else "Vectors",
        type=list(KINDS),
        key="add_vectors_file",
        max_upload_size=most,
    )
    ids = right.file_uploader(
        "Ids, one a line", type=["txt", "csv", "json"], key="add_vectors_ids",
        help="Which picture each vector is of; not needed where the file of vectors holds them.",
    )  # fmt: skip
    name = st.text_input("Name", "mine", key="add_vectors_name", max_chars=imports.MAX_NAME)
    if vectors is None:
        quiet(
            "One row for each picture, as .npy or Parquet. They become an encoder"
            " that can be compared with all others."
        )
        return
    given = (vectors.name, vectors.getvalue()), ids and (ids.name, ids.getvalue())
    try:
        found = imports.check_upload(locator, *given)
    except UserError as error:
        trouble(error)
        return
    note(f"{found}", tone="good")
    if found.skipped:
        table(["Skipped", "Why"], [[one.id, one.reason] for one in found.skipped[:MAX_SKIPPED]])
    if st.button("Add these vectors", type="primary", key="add_vectors"):
        _take(close, locator, name.strip(), *given)


def _take(
    close: Callable[[], None], locator: str, name: str, vectors: tuple, ids: tuple | None
) -> None:
    try:
        with st.spinner("Building the index"):
            imports.import_upload(locator, name, vectors, ids)
    except UserError as error:
        trouble(error)
        return
    close()
    cached.forget_datasets()
    cached.forget_builds()
    place.show(locator, place.ENCODERS)
    st.rerun()
