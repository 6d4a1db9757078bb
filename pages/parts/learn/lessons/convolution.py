"""Channels of a layer over a picture, and the pictures that excite one of them most."""

import streamlit as st

from core.services.teaching import layers
from pages.parts import cached, cached_learn, components
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown
from pages.parts.learn.predict import encoder_titles
from pages.parts.url_state import Kind
from pages.parts.words import caption, quiet

ENCODERS = ("resnet.lookalike", "vgg.lookalike")
FACTS = {"vgg": "vgg.lookalike", "resnet": "resnet.lookalike", "lite": "tf_efficientnet_lite0.in1k"}
CHANNEL = Kind(int)


def measured() -> dict[str, str]:
    return means(FACTS)


def live() -> None:
    queries = list(cached.examples(*gallery(), 10))
    titles = encoder_titles(ENCODERS)
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Picture", queries, queries[0], shown.name_of)
        encoder = dials.pick("encoder", "Network", ENCODERS, ENCODERS[0], titles.get)
        number = dials.choice(
            "layer", "Stage", tuple(range(layers.STAGES)), 1, lambda one: f"{one + 1}"
        )
    found = cached_learn.ask("layers.stage", encoder, query, number)
    shown.figures(
        [
            (f"{found.side} × {found.side}", "cells of a map"),
            (f"{found.stride} × {found.stride}", "pixels that a cell stands for"),
            (f"{found.channels}", "channels of this stage"),
        ]
    )
    with st.container(horizontal=True, key="learn_beside"):
        with st.container(width=150):
            shown.query(query, f"The input, {found.size} × {found.size} pixels for the network")
        with st.container(width="stretch"):
            chosen = _channels(found, f"{encoder}_{query}_{number}")
    caption(f"Highest activation of channel {chosen}, in a sample of the gallery")
    _exciting(encoder, number, chosen)


def _channels(found: layers.Stage, key: str) -> int:
    """The strongest channels; returns the one that is looked at."""
    numbers = [one.number for one in found.strongest]
    own = dials.kept("channel", None, CHANNEL)
    chosen = st.session_state[own]
    chosen = chosen if chosen in numbers else numbers[0]
    items = [
        {
            "id": str(one.number),
            "uri": cached.data_uri(one.picture),
            "alt": f"Channel {one.number}, activation up to {one.peak:.1f}. Look at it.",
            "caption": f"channel {one.number}",
        }
        for one in found.strongest
    ]
    picked = components.picture_grid(
        items, "Channels", f"learn_channels_{key}", side=84, selected=str(chosen)
    )
    if picked is not None and int(picked) != chosen:
        st.session_state[own] = int(picked)
        st.rerun(scope="fragment")
    return chosen


def _exciting(encoder: str, number: int, channel: int) -> None:
    cells = [
        shown.figure(
            cached.data_uri(one.picture),
            f"{shown.name_of(id)}, bright where channel {channel} answers",
            caption=f"{shown.name_of(id).partition(',')[0]}: {one.peak:.1f}",
        )
        for id, one in cached_learn.ask("layers.exciting", encoder, number, channel)
    ]
    st.html(f'<div class="learn-hits">{"".join(cells)}</div>')
    quiet("Numbers: the largest activation of the channel. Bright: where it is active.")
