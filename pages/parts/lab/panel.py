"""What is measured: gallery, encoder, K; and for the curves the indexes and how large the gallery
is to be; a faiss factory string typed by a person becomes one more index, or a sentence that says
why not."""

import streamlit as st

from pages.parts import cached, cached_lab, encoder_names, link, settings
from pages.parts.lab import state
from pages.parts.shell import hosted
from pages.parts.words import caption, quiet, telling, trouble

PREFIX = "factory:"
TROUBLE = "lab_custom_trouble"


def field(param: str) -> None:
    """The field; what is typed is added to the choice ``param`` (a list), or becomes it."""
    key = f"lab_custom_{param}"
    st.text_input(
        "Or a faiss factory string",
        key=key,
        placeholder="IVF64,PQ16",
        max_chars=80,
        on_change=_typed,
        args=(key, param),
        help=(
            "How faiss writes an index: IVF64,PQ16 · OPQ16_64,IVF256,PQ16x4fs · PCA64,SQ8 · HNSW32"
            " · ITQ64,LSHt"
        ),
    )
    if error := st.session_state.get(TROUBLE):
        trouble(error)


def _typed(key: str, param: str) -> None:
    text = st.session_state[key].strip().replace(" ", "")
    st.session_state.pop(TROUBLE, None)
    if not text:
        return
    name = PREFIX + text.removeprefix(PREFIX)
    with telling(TROUBLE):
        cached_lab.index_row(name)
        chosen = state.value(param)
        more = list(dict.fromkeys([*chosen, name])) if isinstance(chosen, list) else name
        st.session_state[state.key(param)] = more
        st.session_state[key] = ""


SIZES = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)


def panel() -> None:
    caption("What is measured", level=2)
    settings.gallery(link.dataset_changed)
    encoders = _encoders()
    st.selectbox(
        "Encoder",
        list(encoders),
        key=state.key("encoder"),
        format_func=encoders.__getitem__,
        filter_mode="contains",
    )
    k = st.session_state[link.K]
    st.selectbox("K, hits per query", sorted({*settings.STEPS, k}), key=link.K)
    if state.value("view") == state.VIEWS[0]:
        _curves()


def _encoders() -> dict[str, str]:
    """Names with titles: those whose vectors are there first, then what can be built here."""
    locator = st.session_state[link.DATASET]
    label = encoder_names.labels([locator], (state.value("encoder"),))
    return {
        name: label(name)
        for name in settings.with_chosen(settings.listed([locator]), [state.value("encoder")])
    }


def _curves() -> None:
    names = state.index_names(*state.value("indexes"))
    rows = {name: state.index_row(name) for name in names}
    st.multiselect(
        "Indexes",
        names,
        key=state.key("indexes"),
        max_selections=state.MOST_INDEXES,
        placeholder="Choose some",
        select_all=False,
        format_func=lambda name: (
            state.title(name) + ("" if rows[name]["state"] == "ready" else " · missing")
        ),
    )
    left, right = st.columns(2)
    left.button(
        "All", key="lab_all", on_click=_choose, args=(state.index_names(),), width="stretch"
    )
    right.button(
        "Default",
        key="lab_usual",
        on_click=_choose,
        args=(list(state.FIRST_INDEXES),),
        width="stretch",
    )
    field("indexes")
    if not hosted():
        real = len(cached.dataset(st.session_state[link.DATASET]).items)
        sizes = [0, *(size for size in SIZES if size > real)]
        about = (
            "A larger gallery holds the real vectors and synthetic ones sampled around them, with"
            " their structure."
        )
        state.slider("size", "Gallery size", sizes, _vectors, help=about)
    st.toggle(
        "Vary build parameters, too",
        key=state.key("full"),
        help="More settings, each with a build of its own.",
    )
    for name in state.value("indexes"):
        if rows[name]["state"] != "ready":
            quiet(rows[name]["detail"])


def _vectors(size: float) -> str:
    return f"{size:,} vectors" if size else "as it is"


def _choose(names: list[str]) -> None:
    """Of these, what can be used here and ranks by cosine: of anything else recall says nothing."""
    rows = [state.index_row(name) for name in names]
    usable = [
        row["name"] for row in rows if row and row["state"] == "ready" and row["score"] == "cosine"
    ]
    st.session_state[state.key("indexes")] = usable
