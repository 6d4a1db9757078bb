"""What was built and can be built again: size, age, delete."""

from __future__ import annotations

import time

import streamlit as st

from core.services.library import library
from pages.parts import cached
from pages.parts.words import ago, count, note, quiet, row_html, size

FIRST = 20
KINDS = {
    "embeddings": "embeddings",
    "indexes": "index",
    "partial": "unfinished build",
    "maps": "map",
    "fits": "fitted encoder",
    "usual": "score calibration",
}


def show(may_delete: bool) -> None:
    """Newest first; the first twenty, or all on request."""
    rows = cached.cache_rows()
    if not rows:
        note(
            "Nothing has been built on this machine yet.",
            "What a build makes is listed here with its size and age.",
        )
        return
    total = size(sum(row["bytes"] for row in rows))
    quiet(
        f"{count(len(rows), 'entry', 'entries')}, {total}. {'It' if len(rows) == 1 else 'All'} can"
        " be built again."
    )
    every = len(rows) <= FIRST or st.toggle(f"Show all {len(rows)}", key="every_cache")
    for row in rows if every else rows[:FIRST]:
        with st.container(
            key=f"row_cache_{row['kind']}_{row['key']}",
            horizontal=True,
            vertical_alignment="center",
        ):
            row_html(_title(row), _facts(row), KINDS.get(row["kind"], row["kind"]), "plain")
            if may_delete:
                _delete(row)


def _title(row: dict) -> str:
    return (
        " · ".join(str(part) for part in (row["dataset"], row["encoder"], row["index"]) if part)
        or row["key"]
    )


def _facts(row: dict) -> str:
    now = time.time()
    parts = [size(row["bytes"])]
    if row["rows"]:
        parts.append(count(row["rows"], "row"))
    if row["built"]:
        parts.append(f"built {ago(now - row['built'])}")
    parts.append(f"used {ago(now - row['used'])}")
    return " · ".join(parts)


def _delete(row: dict) -> None:
    with st.popover("Delete"):
        quiet(f"Frees {size(row['bytes'])}. The next search that needs it builds it again.")
        if st.button(
            "Delete", key=f"delete_{row['kind']}_{row['key']}", type="primary", width="stretch"
        ):
            library.delete_cache(row["kind"], row["key"])
            cached.forget_builds()
            st.rerun()
