"""The look of charts: the page's own paper and ink, and the colour and mark of each encoder, which
``core/services/marks.py`` gives by name."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

import plotly.graph_objects as go
import streamlit as st

from core.services import marks
from core.services.marks import COLOURS, MARKS, OFFLINE
from pages.parts import cached

CONFIG = {
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
    "displaylogo": False,
    "responsive": True,
}
"""Of every chart. The bar is never seen (style.css): its one button is pressed for the reader by
the menu Figures, which asks for SVG or for PNG."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LIGHT = {
    "ink": "#1B1B1A",
    "muted": "#6B6A66",
    "line": "#E6E4DD",
    "panel": "#FFFFFF",
    "accent": "#0F6E66",
    "paper": "#FAFAF7",
    "full": "#0F6E66",
    "worse": "#D9773D",
}
DARK = {
    "ink": "#F1F0EB",
    "muted": "#9C9B95",
    "line": "#2F3230",
    "panel": "#1D1F1E",
    "accent": "#5CC4B8",
    "paper": "#141514",
    "full": "#1F8177",
    "worse": "#A34F1B",
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
    """``more`` sets apart an encoder's lines. Those with a colour of their own are solid."""
    own = 0 if encoder in OFFLINE else _slot(encoder)[1]
    return DASHES[(own + more) % len(DASHES)]


def _slot(encoder: str) -> tuple[int, int]:
    """Places of colour and mark. Only where two names meet in one pair does the second one's depend
    on the first."""
    if (pinned := marks.pinned().get(encoder)) is not None:
        return pinned
    there = {
        *(row["name"] for row in cached.encoder_rows()),
        *(st.session_state.get("keep_encoders") or ()),
    }
    return marks.slot(encoder, there)


def title(encoder: str) -> str:
    """What people call an encoder."""
    row = cached.encoder_row(encoder)
    return row["title"] if row else encoder


def figure(height: int = 320, **layout: object) -> go.Figure:
    """An empty chart in the theme's colours: no frame, thin lines, the page's typeface."""
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
    # in one go: four updates of a figure take ten times as long
    return go.Figure(layout={**base, **layout})


def draw(chart: go.Figure, key: str, alt: str) -> None:
    """Put a chart on the page, with words for those who can't see it."""
    st.plotly_chart(chart, theme=None, key=key, alt=alt, config=CONFIG, width="stretch")
