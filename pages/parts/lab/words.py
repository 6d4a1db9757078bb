"""The one way in which the lab says what its figures mean."""

from html import escape

import streamlit as st


def said(words: str) -> None:
    """A sentence that reads a chart, larger than the text around it."""
    st.html(f'<p class="lab-said">{escape(words)}</p>')
