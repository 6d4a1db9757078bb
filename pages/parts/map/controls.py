"""What is mapped and how it is drawn; the values live in the session and in the link."""

import streamlit as st

from pages.parts import cached, cached_maps, link, settings, url_state
from pages.parts.choosing import menu
from pages.parts.map import view as views
from pages.parts.words import caption, quiet

KNOB_TITLES = {
    "neighbours": "Neighbours",
    "min_dist": "Minimum distance",
    "epochs": "Epochs (0 = default)",
    "pull": "Alignment strength",
    "perplexity": "Perplexity",
}


def panel() -> None:
    """Data set, encoders, projection with its parameters; colour, classes and pictures."""
    caption("What is mapped", level=2)
    settings.gallery(_other_dataset)
    most = max(views.MOST, len(st.session_state[link.ENCODERS]))
    settings.encoders(
        "Encoders, one map each",
        settings.names(),
        link.ENCODERS,
        [st.session_state[link.DATASET]],
        typed=False,
        max_selections=most,
        on_change=_clear,
        placeholder="Choose one to four",
    )
    known = {row["name"]: row for row in cached_maps.projection_rows()}
    st.selectbox(
        "Projection",
        list(known),
        key=views.PROJECTION,
        format_func=lambda name: known[name]["title"],
        on_change=_clear,
    )
    quiet(known[st.session_state[views.PROJECTION]]["about"])
    _parameters(known[st.session_state[views.PROJECTION]])
    _look()


def _parameters(row: dict) -> None:
    if not row["settings"]:
        return
    with st.expander("Parameters"):
        for name, setting in row["settings"].items():
            whole = isinstance(setting.default, int)
            low, high, step = (
                (int(setting.low), int(setting.high), 1)
                if whole
                else (setting.low, setting.high, 0.05)
            )
            about = setting.about[0].upper() + setting.about[1:]
            st.number_input(
                KNOB_TITLES.get(name, name),
                low,
                high,
                key=views.SETTING + name,
                step=step,
                help=about,
                on_change=_clear,
            )


def _look() -> None:
    locator, state = st.session_state[link.DATASET], st.session_state
    version = cached.version(locator)
    fields = cached_maps.fields(locator, version)
    called = fields.__getitem__
    menu("Colour by", views.COLOUR, list(fields), format_func=called, on_change=_other_colour)
    names = cached_maps.classes(locator, version, state[views.COLOUR])
    url_state.keep(views.CLASSES, names)
    if len(names) > 12:
        st.multiselect(
            f"Classes in colour, of {len(names):,}",
            names,
            key=views.CLASSES,
            max_selections=12,
            placeholder="Empty: the largest",
            select_all=False,
        )
    st.toggle("Pictures instead of dots", key=views.PICTURES)
    k = state[link.K]
    st.selectbox("Lines to the nearest", sorted({*settings.STEPS, k}), key=link.K)


def _other_dataset() -> None:
    link.dataset_changed()
    st.session_state[views.CLASSES] = []
    _clear()


def _other_colour() -> None:
    st.session_state[views.CLASSES] = []


def _clear() -> None:
    """Another map: a polygon drawn on the old one encloses nothing that was meant."""
    st.session_state[views.LASSO] = None
