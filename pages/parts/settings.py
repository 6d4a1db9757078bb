"""What is compared: the data set or a part of it, the encoders, how many hits, and the index."""

from __future__ import annotations

import streamlit as st

from pages.parts import cached, link, part
from pages.parts.encoder_names import WORDS, title
from pages.parts.words import caption

ORDER = {"packaged": 0, "bundled": 1, "trained": 2, "pretrained": 3, "imported": 4}
STEPS = (5, 10, 20, 50)


def panel() -> None:
    """The controls of a comparison; their values live in the session and in the link."""
    caption("What is compared")
    rows = {row["locator"]: row for row in cached.dataset_rows() if row["state"] == "ready"}
    st.selectbox(
        "Gallery", list(rows), key=link.DATASET, on_change=link.dataset_changed,
        format_func=lambda locator: f"{rows[locator]['title']} · {rows[locator]['pictures']:,}",
    )  # fmt: skip
    st.multiselect(
        "Encoders", names(), key=link.ENCODERS, format_func=title, max_selections=link.MAX_ENCODERS,
        accept_new_options=True, placeholder="Choose, or type a timm name",
    )  # fmt: skip
    left, right = st.columns((2, 3))
    k = st.session_state[link.K]
    left.selectbox("Results", sorted({*STEPS, k}), key=link.K)
    indexes = {row["name"]: f"{row['title'] or row['name']}{WORDS[row['state']]}" for row in cached.index_rows()}
    right.selectbox(
        "Index", list(dict.fromkeys([*indexes, st.session_state[link.INDEX]])), key=link.INDEX, accept_new_options=True,
        format_func=lambda name: indexes.get(name, name),
        help="Or type one with its knobs, as hnsw:efSearch=16, or a faiss factory string, as factory:IVF64,PQ16.",
    )  # fmt: skip
    part.control(st.session_state[link.DATASET])


def names() -> list[str]:
    """Encoders to choose from: what works offline first; then those named in the link that no list holds."""
    known = listed()
    return [*known, *(name for name in st.session_state[link.ENCODERS] if name not in known)]


def listed() -> list[str]:
    """Every listed encoder, what works offline first."""
    return [row["name"] for row in sorted(cached.encoder_rows(), key=lambda row: ORDER.get(row["tier"], 9))]
