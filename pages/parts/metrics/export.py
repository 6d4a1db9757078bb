"""The report for other programs."""

from __future__ import annotations

import streamlit as st

from pages.parts import cached_metrics, components
from pages.parts.metrics.choice import Choice


def buttons(choice: Choice) -> None:
    """CSV of everything, LaTeX of this board, and the link of this view."""
    components.copy_link("metrics_copy")
    with st.popover("Export"):
        name = f"{choice.report}-{choice.dataset}-{choice.protocol}"
        st.download_button("Every figure as CSV", cached_metrics.report_csv(choice.report, choice.stamp), f"{choice.report}.csv",
                           "text/csv", key="metrics_csv", width="stretch", on_click="ignore")  # fmt: skip
        st.download_button("This board as LaTeX", cached_metrics.report_latex(*choice.key), f"{name}.tex", "text/x-tex",
                           key="metrics_latex", width="stretch", on_click="ignore")  # fmt: skip
