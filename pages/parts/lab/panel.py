"""What is measured: gallery, encoder, K; and for the curves the indexes and how large the gallery is to be."""

from __future__ import annotations

import streamlit as st

from pages.parts import cached, link, settings
from pages.parts.lab import hues, state
from pages.parts.shell import hosted
from pages.parts.words import caption, quiet

SIZES = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)


def panel() -> None:
    caption("What is measured")
    rows = {row["locator"]: row for row in cached.dataset_rows() if row["state"] == "ready"}
    st.selectbox(
        "Gallery", list(rows), key=link.DATASET, on_change=link.dataset_changed,
        format_func=lambda locator: f"{rows[locator]['title']} · {rows[locator]['pictures']:,}",
    )  # fmt: skip
    st.selectbox("Encoder", _encoders(), key=state.key("encoder"), format_func=_encoder)
    k = st.session_state[link.K]
    st.selectbox("K, hits wanted", sorted({*settings.STEPS, k}), key=link.K)
    if state.value("view") == state.VIEWS[0]:
        _curves()


def _encoders() -> list[str]:
    """Those whose vectors are there first, then the rest, which can be built from here."""
    names = settings.listed()
    chosen = state.value("encoder")
    names = names if chosen in names else [*names, chosen]
    return sorted(names, key=lambda name: not _built(name))


def _built(name: str) -> bool:
    locator = st.session_state[link.DATASET]
    return cached.built(locator, cached.version(locator), name)


def _encoder(name: str) -> str:
    return settings.title(name) if _built(name) else f"{settings.title(name)} · not built"


def _curves() -> None:
    rows = state.index_rows()
    known = list(rows)
    typed = [name for name in state.value("indexes") if name not in known]
    st.multiselect(
        "Indexes", [*known, *typed], key=state.key("indexes"), max_selections=state.MOST_INDEXES, placeholder="Choose some",
        format_func=lambda name: hues.title(name) + ("" if rows.get(name, {}).get("state", "ready") == "ready" else " · missing"),
    )  # fmt: skip
    left, right = st.columns(2)
    left.button("All", key="lab_all", on_click=_choose, args=(known,), width="stretch")
    right.button("Usual", key="lab_usual", on_click=_choose, args=(list(state.FIRST_INDEXES),), width="stretch")
    if not hosted():
        real = len(cached.dataset(st.session_state[link.DATASET]).items)
        sizes = [0, *(size for size in SIZES if size > real)]
        st.select_slider(
            "Gallery size", sorted({*sizes, state.value("size")}), key=state.key("size"),
            format_func=lambda size: f"{size:,} vectors" if size else "as it is",
            help="Larger galleries are the real vectors and synthetic ones drawn around them, with their structure.",
        )  # fmt: skip
    st.toggle("Vary how they are built, too", key=state.key("full"), help="More settings, each with a build of its own.")
    for name in state.value("indexes"):
        if rows.get(name, {}).get("state", "ready") != "ready":
            quiet(rows[name]["detail"])


def _choose(names: list[str]) -> None:
    rows = state.index_rows()
    st.session_state[state.key("indexes")] = [name for name in names if rows.get(name, {}).get("state") == "ready"]
