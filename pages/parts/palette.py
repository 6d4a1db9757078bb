"""Colours of encoders, the same on every page, and charts on the page's own paper and ink.

Okabe and Ito's palette, which colour-blind people can tell apart. Beyond eight encoders a colour comes again with another
marker and line, so colour is never the only sign.
"""

from __future__ import annotations

import zlib

import plotly.graph_objects as go
import streamlit as st

from pages.parts import cached

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B5A300", "#8A8A86")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LIGHT = {"ink": "#1B1B1A", "muted": "#6B6A66", "line": "#E6E4DD", "panel": "#FFFFFF", "accent": "#0F6E66", "paper": "#FAFAF7",
         "full": "#0F6E66"}  # fmt: skip
DARK = {"ink": "#F1F0EB", "muted": "#9C9B95", "line": "#2F3230", "panel": "#1D1F1E", "accent": "#5CC4B8", "paper": "#141514",
        "full": "#1F8177"}  # fmt: skip
"""``full`` is the fullest cell of a heat map: white figures can be read on it in both."""
FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def ink() -> dict[str, str]:
    """The colours of the theme that the reader sees now."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def _place(encoder: str) -> int:
    names = [row["name"] for row in cached.encoder_rows()]
    return names.index(encoder) if encoder in names else zlib.crc32(encoder.encode())


def colour(encoder: str) -> str:
    return COLOURS[_place(encoder) % len(COLOURS)]


def symbol(encoder: str) -> str:
    return SYMBOLS[_place(encoder) // len(COLOURS) % len(SYMBOLS)]


def dash(encoder: str, more: int = 0) -> str:
    """``more`` sets apart several lines of one encoder."""
    return DASHES[(_place(encoder) // len(COLOURS) + more) % len(DASHES)]


def title(encoder: str) -> str:
    """What people call an encoder."""
    row = cached.encoder_row(encoder)
    return (row or {}).get("title") or encoder


def figure(height: int = 320, **layout: object) -> go.Figure:
    """An empty chart in the colours of the theme: no frame, thin lines, numbers in the page's typeface."""
    tone = ink()
    axis = {"gridcolor": tone["line"], "zeroline": False, "linecolor": tone["line"], "tickfont": {"color": tone["muted"]},
            "title": {"font": {"color": tone["muted"], "size": 12.5}}, "automargin": True, "fixedrange": True}  # fmt: skip
    base = {
        "height": height, "margin": {"l": 8, "r": 8, "t": 12, "b": 8}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": FONT, "size": 12.5, "color": tone["ink"]}, "hovermode": "closest",
        "hoverlabel": {"bgcolor": tone["panel"], "bordercolor": tone["line"], "font": {"color": tone["ink"], "family": FONT}},
        "legend": {"orientation": "h", "y": -0.22, "x": 0, "font": {"color": tone["muted"]}, "bgcolor": "rgba(0,0,0,0)"},
        "showlegend": False, "xaxis": axis, "yaxis": axis,
    }  # fmt: skip
    return go.Figure(layout={**base, **layout})  # in one go: four updates of a figure take ten times as long


def draw(chart: go.Figure, key: str, alt: str) -> None:
    """Put a chart on the page, with words for those who can't see it."""
    st.plotly_chart(chart, theme=None, key=key, alt=alt, config={"displayModeBar": False, "responsive": True}, width="stretch")
