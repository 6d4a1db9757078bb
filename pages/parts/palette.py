"""One colour and one mark for each encoder, from its name, the same on every page; charts on the
page's own paper and ink.

Fourteen colours, the first eight those of Okabe and Ito, chosen so that people with and without
colour blindness can tell them apart on light and dark paper; ten marks. What is listed has a pair
of its own below, and no two encoders that work offline share even a colour. Any other name gets the
pair that its hash says, or the next free one, so colour is never the only sign and no two encoders
on a page look alike.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator

import plotly.graph_objects as go
import streamlit as st

from pages.parts import cached

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#B5A300",
    "#8A8A86",
    "#6A3DE8",
    "#C8283F",
    "#88AA55",
    "#B03A84",
    "#8F623A",
    "#6677FF",
)
MARKS = {
    "circle": "M6 .8a5.2 5.2 0 1 0 0 10.4a5.2 5.2 0 1 0 0-10.4z",
    "diamond": "M6 0L12 6L6 12L0 6z",
    "square": "M1.2 1.2h9.6v9.6h-9.6z",
    "triangle-up": "M6 .6L11.8 11H.2z",
    "x": "M2.9.4L6 3.5L9.1.4L11.6 2.9L8.5 6L11.6 9.1L9.1 11.6L6 8.5L2.9 11.6L.4 9.1L3.5 6L.4 2.9z",
    "star": "M6 .2L7.6 4.3L12 4.6L8.6 7.4L9.7 11.7L6 9.3L2.3 11.7L3.4 7.4L0 4.6L4.4 4.3z",
    "cross": "M4.2.4h3.6v3.8h3.8v3.6h-3.8v3.8h-3.6v-3.8h-3.8v-3.6h3.8z",
    "triangle-down": "M6 11.4L.2 1h11.6z",
    "hexagon": "M6 .2L11.1 3.1V8.9L6 11.8L.9 8.9V3.1z",
    "bowtie": "M.6 1L6 4.4L11.4 1v10L6 7.6L.6 11z",
}
"""Name in a chart -> outline in a square of 12, for the components."""
OFFLINE = (
    "tf_efficientnet_lite0.in1k",
    "triplet.lookalike",
    "hog.8x8",
    "hsv.12x4x4",
    "tiny.16x16",
    "siamese.lookalike",
    "autoencoder.lookalike",
    "phash.16x16",
    "sift.vlad32",
    "resnet.lookalike",
    "dhash.16x16",
    "vgg.lookalike",
    "tf_efficientnet_lite2.in1k",
    "vit.lookalike",
)
"""What works offline, in the order of ``COLOURS``: each a colour of its own. Never reorder: people
know them by it."""
DOWNLOADED = (
    "resnet50.tv_in1k",
    "vgg16.tv_in1k",
    "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_base_patch16_clip_224.openai",
    "vit_base_patch16_siglip_224.webli",
    "convnext_tiny.fb_in1k",
    "efficientnet_b0.ra_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "vit_small_patch14_dinov2.lvd142m:size=224",
    "resnet50.imagenet1k_v2",
    "vgg16.imagenet1k_v1",
    "vit_b_16.imagenet1k_v1",
)
"""The listed networks that are fetched: the same colours with the marks that stand five places
further on."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LIGHT = {
    "ink": "#1B1B1A",
    "muted": "#6B6A66",
    "line": "#E6E4DD",
    "panel": "#FFFFFF",
    "accent": "#0F6E66",
    "paper": "#FAFAF7",
    "full": "#0F6E66",
}
DARK = {
    "ink": "#F1F0EB",
    "muted": "#9C9B95",
    "line": "#2F3230",
    "panel": "#1D1F1E",
    "accent": "#5CC4B8",
    "paper": "#141514",
    "full": "#1F8177",
}
"""``full`` is the fullest cell of a heat map: white figures can be read on it in both."""
FONT = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation"
    " Sans', sans-serif"
)


def ink() -> dict[str, str]:
    """The colours of the theme that the reader sees now."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def colour(encoder: str) -> str:
    return COLOURS[_slot(encoder)[0]]


def symbol(encoder: str) -> str:
    """The mark, as charts name it."""
    return list(MARKS)[_slot(encoder)[1]]


def mark(encoder: str) -> dict[str, str]:
    """Colour and outline of the mark, for a component to draw."""
    return {"colour": colour(encoder), "path": MARKS[symbol(encoder)]}


def mark_html(encoder: str) -> str:
    """The mark, to stand before a name; no text, so that a reader hears the name alone."""
    drawn = mark(encoder)  # Streamlit lets no SVG through
    style = f"background:{drawn['colour']};clip-path:path(&quot;{drawn['path']}&quot;)"
    return f'<i class="ll-mark" style="{style}"></i>'


def dash(encoder: str, more: int = 0) -> str:
    """``more`` sets apart several lines of one encoder. Those with a colour of their own are drawn
    solid."""
    own = 0 if encoder in OFFLINE else _slot(encoder)[1]
    return DASHES[(own + more) % len(DASHES)]


def _slot(encoder: str) -> tuple[int, int]:
    """Places of colour and mark. Only where two names meet in one pair does the second one's depend
    on the first."""
    if (pinned := _pinned().get(encoder)) is not None:
        return pinned
    there = {
        *(row["name"] for row in cached.encoder_rows()),
        *(st.session_state.get("keep_encoders") or ()),
    }
    return assigned(tuple(sorted({*there, encoder} - {*_pinned()})))[encoder]


@functools.cache
def _pinned() -> dict[str, tuple[int, int]]:
    marks = len(MARKS)
    own = {name: (place, place % marks) for place, name in enumerate(OFFLINE)}
    return own | {
        name: (place, (place + marks // 2) % marks) for place, name in enumerate(DOWNLOADED)
    }


@functools.lru_cache(maxsize=64)
def assigned(names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """A pair for each name: the one that its hash says, or the next free one; pairs come again
    beyond 113 names."""
    taken, found = set(_pinned().values()), {}
    for name in names:
        found[name] = next(
            (pair for pair in _wished(name) if pair not in taken), next(_wished(name))
        )
        taken.add(found[name])
    return found


def _wished(name: str) -> Iterator[tuple[int, int]]:
    """All pairs, in the order that a name tries them."""
    first, marks = zlib.crc32(name.encode()), len(MARKS)
    every = len(COLOURS) * marks
    for step in range(every):
        place = (
            first + step * 11
        ) % every  # 11 has no factor in common with the count, so every pair comes once
        yield place // marks, place % marks


def title(encoder: str) -> str:
    """What people call an encoder."""
    row = cached.encoder_row(encoder)
    return (row or {}).get("title") or encoder


def figure(height: int = 320, **layout: object) -> go.Figure:
    """An empty chart in the colours of the theme: no frame, thin lines, numbers in the page's
    typeface."""
    tone = ink()
    axis = {
        "gridcolor": tone["line"],
        "zeroline": False,
        "linecolor": tone["line"],
        "tickfont": {"color": tone["muted"]},
        "title": {"font": {"color": tone["muted"], "size": 12.5}},
        "automargin": True,
        "fixedrange": True,
    }
    base = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12.5, "color": tone["ink"]},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": tone["panel"],
            "bordercolor": tone["line"],
            "font": {"color": tone["ink"], "family": FONT},
        },
        "legend": {
            "orientation": "h",
            "y": -0.22,
            "x": 0,
            "font": {"color": tone["muted"]},
            "bgcolor": "rgba(0,0,0,0)",
        },
        "showlegend": False,
        "xaxis": axis,
        "yaxis": axis,
    }
    return go.Figure(
        layout={**base, **layout}
    )  # in one go: four updates of a figure take ten times as long


def draw(chart: go.Figure, key: str, alt: str) -> None:
    """Put a chart on the page, with words for those who can't see it."""
    st.plotly_chart(
        chart,
        theme=None,
        key=key,
        alt=alt,
        config={"displayModeBar": False, "responsive": True},
        width="stretch",
    )
