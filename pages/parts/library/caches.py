"""What was built and can be built again, by data set: size, age, delete; what is unused for longest
first; what one data set takes of the disk, and its removal."""

import time
from collections.abc import Mapping, Sequence

import streamlit as st

from core.services import journey
from core.services.library import library
from pages.parts import cached, cached_library, palette, press
from pages.parts.library import place
from pages.parts.words import ago, count, note, quiet, row_html, size, telling, trouble

REFUSED = "removal_refused"
FIRST = 20
STEPS_GB = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
KINDS = {
    "embeddings": "embeddings",
    "indexes": "index",
    "partial": "unfinished build",
    "maps": "map",
    "atlas": "small pictures",
    "fits": "fitted encoder",
    "usual": "score calibration",
    "scores": "scores",
    "latency": "times",
    "lab": "index lab",
    "boards": "standings",
    "hashes": "content",
    "compiled": "compiled networks",
}


NAMELESS = "Of no known data set"


def show(may_delete: bool) -> None:
    """A fold for each data set; and one way to free a wanted amount."""
    groups = cached_library.caches()
    rows = [row for group in groups.values() for row in group]
    if not rows:
        note(
            "Nothing has been built yet.",
            "What a build makes is listed here with its size and age.",
        )
        return
    total = sum(row["bytes"] for row in rows)
    titles = {row["locator"]: row["title"] for row in cached.dataset_rows()}
    known = sum(_named(own) != NAMELESS or source in titles for source, own in groups.items())
    with st.container(horizontal=True, vertical_alignment="bottom", key="caches_head"):
        quiet(
            f"{count(len(rows), 'entry', 'entries')} of {count(known, 'data set')},"
            f" {size(total)}. {'It' if len(rows) == 1 else 'All'} can be built again."
        )
        if may_delete:
            _free(rows, total)
    for number, (source, own) in enumerate(groups.items()):
        _group(titles.get(source) or _named(own), own, number, may_delete)


def _named(rows: Sequence[Mapping]) -> str:
    """What a data set was called that is no longer here."""
    return next((row["dataset"] for row in rows if row["dataset"]), "") or NAMELESS


def _group(title: str, rows: Sequence[Mapping], number: int, may_delete: bool) -> None:
    held = size(sum(row["bytes"] for row in rows))
    used = ago(time.time() - max(row["used"] for row in rows))
    said = f"{title} · {count(len(rows), 'entry', 'entries')}, {held} · used {used}"
    with st.expander(said, key=f"caches_{number}"):
        entries(rows, may_delete)


def _free(rows: Sequence[Mapping], total: int) -> None:
    """Delete what is unused for longest, until as much is free as is wanted."""
    with st.popover("Free space", icon=":material/delete_sweep:"):
        steps = [step for step in STEPS_GB if step * 1e9 < total]
        wanted = st.select_slider(
            "At least", [*steps, total / 1e9], key="free_gb", format_func=_gigabytes
        )
        chosen = journey.to_free(rows, round(wanted * 1e9))
        freed = size(sum(row["bytes"] for row in chosen))
        oldest = ago(time.time() - max(row["used"] for row in chosen))
        quiet(
            f"{count(len(chosen), 'entry', 'entries')}, last used {oldest} or before. What is"
            " needed again is built again."
        )
        if press.button(f"Free {freed}", key="free_space", type="primary", width="stretch"):
            journey.delete_caches(chosen)
            cached.forget_builds()
            st.rerun()


def _gigabytes(value: float) -> str:
    return size(value * 1e9)


def entries(rows: Sequence[Mapping], may_delete: bool) -> None:
    """One row for each entry, the longest unused first; twenty, or all on request."""
    source = rows[0]["source"] or "none"
    every = len(rows) <= FIRST or st.toggle(f"Show all {len(rows)}", key=f"every_cache_{source}")
    for row in rows if every else rows[:FIRST]:
        with st.container(
            key=f"row_cache_{row['kind']}_{row['key']}",
            horizontal=True,
            vertical_alignment="center",
        ):
            row_html(_title(row), _facts(row), KINDS.get(row["kind"], row["kind"]), "plain")
            if may_delete:
                _delete(row)


def _title(row: Mapping) -> str:
    encoder = palette.title(row["encoder"]) if row["encoder"] else ""
    said = " · ".join(str(part) for part in (encoder, row["index"]) if part)
    return said or row["dataset"] or row["key"]


def _facts(row: Mapping) -> str:
    now = time.time()
    parts = [size(row["bytes"])]
    if row["rows"]:
        parts.append(count(row["rows"], "row"))
    if row["built"]:
        parts.append(f"built {ago(now - row['built'])}")
    parts.append(f"used {ago(now - row['used'])}")
    return " · ".join(parts)


def _delete(row: Mapping) -> None:
    with st.popover("Delete"):
        quiet(f"Frees {size(row['bytes'])}. The next search that needs it builds it again.")
        if press.button(
            "Delete", key=f"delete_{row['kind']}_{row['key']}", type="primary", width="stretch"
        ):
            library.delete_cache(row["kind"], row["key"])
            cached.forget_builds()
            st.rerun()


def show_storage(row: dict) -> None:
    """What its removal frees, then its cache entries, of which there may be many."""
    rows = cached_library.caches().get(row["locator"], [])
    if row["added"]:
        _removal(row, rows)
    if rows:
        quiet(f"{summed(rows)}. All of it can be built again.")
        entries(rows, may_delete=True)
    else:
        note(
            "Nothing has been built from it on this machine.", "What a build makes is listed here."
        )


def summed(rows: Sequence[Mapping]) -> str:
    """``12 entries, 34.5 MB``."""
    total = size(sum(row["bytes"] for row in rows))
    return f"{count(len(rows), 'entry', 'entries')}, {total}"


def _removal(row: dict, rows: Sequence[Mapping]) -> None:
    own = library.upload_bytes(row["locator"])
    frees = size(journey.removal_bytes(row["locator"], rows))
    what = "The uploaded pictures and" if own else "Pictures in a folder of yours stay;"
    if error := st.session_state.pop(REFUSED, None):
        trouble(error)
    with st.container(key="row_removal", horizontal=True, vertical_alignment="center"):
        row_html("Remove the data set", f"{what} its caches are deleted: {frees} are freed.")
        with st.popover("Remove"):
            quiet(f"{row['title']} is no longer listed. {frees} are freed.")
            st.button(
                "Remove",
                key="remove_set",
                type="primary",
                width="stretch",
                on_click=_remove,
                args=(row["locator"],),
            )


def _remove(locator: str) -> None:
    """Before the page runs: it then shows all data sets, and another view."""
    with telling(REFUSED):
        library.remove_dataset(locator)
        place.show()
        cached.forget_all()
