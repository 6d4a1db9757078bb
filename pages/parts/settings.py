"""What is compared: the data set or a part of it, the encoders, how many hits, and the index."""

from collections.abc import Callable

import streamlit as st

from pages.parts import cached, encoder_names, given, link, part, refine, refining, second
from pages.parts.encoder_names import WORDS
from pages.parts.words import caption

ORDER = {"packaged": 0, "bundled": 1, "trained": 2, "pretrained": 3, "imported": 4}
STEPS = (5, 10, 20, 50)


def panel() -> None:
    """The controls of a comparison; their values live in the session and in the link."""
    caption("What is compared", level=2)
    gallery(link.dataset_changed)
    st.page_link(
        "pages/library.py",
        label="Pictures, builds, evaluation",
        icon=":material/photo_library:",
        query_params={"set": given.public_name(st.session_state[link.DATASET])},
        help="Open this data set's page in the Library: what is done, and what is next",
    )
    encoders(
        "Encoders",
        names(),
        link.ENCODERS,
        [st.session_state[link.DATASET]],
        max_selections=given.MAX_ENCODERS,
        help=(
            "Or type a name: any network of timm; with options, as hog.8x8:pca=64, or"
            " sift.match:matcher=flann, which matches key points by FLANN."
        ),
    )
    left, right = st.columns((2, 3))
    k = st.session_state[link.K]
    reached = st.session_state.get(refine.THRESHOLD) is not None
    left.selectbox("Results", sorted({*STEPS, k}), key=link.K, disabled=reached)
    indexes = {
        row["name"]: f"{row['title'] or row['name']}{WORDS[row['state']]}"
        for row in cached.index_rows()
    }
    right.selectbox(
        "Index",
        list(dict.fromkeys([*indexes, st.session_state[link.INDEX]])),
        key=link.INDEX,
        accept_new_options=True,
        format_func=lambda name: indexes.get(name, name),
        help=(
            "Or type one with its knobs, as hnsw:efSearch=16, or a faiss factory string, as"
            " factory:IVF64,PQ16."
        ),
    )
    refining.ends()
    part.control(st.session_state[link.DATASET])
    second.control(st.session_state[link.ENCODERS])


def gallery(on_change: Callable[[], None]) -> None:
    """The choice of a data set, with how many pictures each has."""
    rows = {row["locator"]: row for row in cached.dataset_rows() if row["state"] == "ready"}
    st.selectbox(
        "Gallery",
        list(rows),
        key=link.DATASET,
        on_change=on_change,
        format_func=lambda locator: f"{rows[locator]['title']} · {rows[locator]['pictures']:,}",
    )


def encoders(
    label: str, options: list[str], key: str, locators: list[str], *, typed: bool = True, **more
) -> list[str]:
    """The list to choose encoders from, the same on every page; each says whether it is ready for
    these data sets.

    Enter takes the first that holds what was typed: no line for all matches, no match of scattered
    letters.

    Args:
        typed: names that the list does not hold may be typed.
        more: whatever else ``st.multiselect`` takes.
    """
    usual = {"placeholder": "Choose, or type a timm name" if typed else "Choose"}
    return st.multiselect(
        label,
        options,
        key=key,
        format_func=encoder_names.labels(locators, st.session_state.get(key) or ()),
        accept_new_options=typed,
        select_all=False,
        filter_mode="contains",
        **{**usual, **more},
    )


def names() -> list[str]:
    """Encoders to choose from: what is built first, then as listed, then what the link names."""
    return with_chosen(listed([st.session_state[link.DATASET]]), st.session_state[link.ENCODERS])


def with_chosen(known: list[str], chosen: list[str]) -> list[str]:
    """``known`` and, after it, what is chosen that no list holds."""
    return [*known, *(name for name in chosen if name not in known)]


def listed(locators: list[str] | None = None) -> list[str]:
    """Every listed encoder: those built for these data sets, the best first; then offline."""
    rows = cached.encoder_rows()
    names = [
        row["name"]
        for row in sorted(
            rows, key=lambda row: (ORDER.get(row["tier"], 9), row["state"] != "ready")
        )
    ]
    there = [cached.built_best_first(one, cached.version(one)) for one in locators or ()]
    first = [name for name in there[0] if all(name in other for other in there)] if there else []
    return list(dict.fromkeys([name for name in first if name in names] + names))
