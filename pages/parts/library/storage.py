"""What a data set takes of the disk, what of it can be deleted and built again, and its removal."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.errors import UserError
from core.services import journey
from core.services.library import library
from pages.parts import cached, cached_library
from pages.parts.library import caches, place
from pages.parts.words import count, heading, note, quiet, size, trouble


def show(row: dict) -> None:
    """Its cache entries, then what its removal frees."""
    rows = cached_library.caches().get(row["locator"], [])
    if rows:
        quiet(f"{summed(rows)}. All of it can be built again.")
        caches.entries(rows, may_delete=True)
    else:
        note(
            "Nothing has been built from it on this machine.", "What a build makes is listed here."
        )
    if row["added"]:
        _removal(row, rows)


def summed(rows: Sequence[Mapping]) -> str:
    """``12 entries, 34.5 MB``."""
    total = size(sum(row["bytes"] for row in rows))
    return f"{count(len(rows), 'entry', 'entries')}, {total}"


def _removal(row: dict, rows: Sequence[Mapping]) -> None:
    heading("Remove the data set")
    own = library.upload_bytes(row["locator"])
    frees = size(journey.removal_bytes(row["locator"], rows))
    what = "The uploaded pictures and" if own else "Pictures in a folder of yours stay;"
    quiet(f"{what} its caches are deleted: {frees} are freed.")
    with st.popover("Remove"):
        quiet(f"{row['title']} is no longer listed. {frees} are freed.")
        if st.button("Remove", key="remove_set", type="primary", width="stretch"):
            try:
                library.remove_dataset(row["locator"])
            except UserError as error:
                trouble(error)
                return
            place.show()
            cached.forget_datasets()
            cached.forget_builds()
            st.rerun()
