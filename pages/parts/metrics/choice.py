"""What the Metrics page shows, and its link: each restores the other; a forged link gives the
default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.services.evaluation.leaderboard import boards, metrics_of
from core.services.evaluation.reports import Report
from pages.parts import cached_metrics

EVERY = "All classes"
FIRST_REPORT, FIRST_VIEW = "leaderboard", "Leaderboard"
REPORT, DATASET, PROTOCOL, METRIC, GROUP, VIEW = (
    f"keep_metrics_{name}" for name in ("report", "dataset", "protocol", "metric", "group", "view")
)
SORT, AGAINST, ONE, OTHER, ENCODER, WANTED, QUERY, K = (
    f"keep_metrics_{name}"
    for name in ("sort", "against", "one", "other", "encoder", "wanted", "query", "k")
)
MEASURE, DISTORTION, STRENGTH, PICTURE = (
    f"keep_metrics_{name}" for name in ("measure", "distortion", "strength", "picture")
)
PICTURES, WORTH, DETECTOR = (f"keep_metrics_{name}" for name in ("pictures", "worth", "detector"))
PARAMS = {
    "report": REPORT,
    "dataset": DATASET,
    "protocol": PROTOCOL,
    "metric": METRIC,
    "class": GROUP,
    "view": VIEW,
}
OF_VIEW = {
    "Leaderboard": {"sort": SORT},
    "Cost": {"against": AGAINST},
    "Queries": {"one": ONE, "other": OTHER},
    "Robustness": {
        "measure": MEASURE,
        "distortion": DISTORTION,
        "strength": STRENGTH,
        "picture": PICTURE,
    },
    "Subject": {"pictures": PICTURES, "worth": WORTH, "detector": DETECTOR},
    "Data health": {"encoder": ENCODER, "precision": WANTED},
    "Metric audit": {"query": QUERY, "encoder": ENCODER, "k": K},
}
"""What the link of one view says besides."""
EVERY_PARAM = {**PARAMS, **{name: key for one in OF_VIEW.values() for name, key in one.items()}}
FORMER = {"view": {"Meaning": "Shared factors"}}
"""What a choice was called in older links."""
LINK = "metrics_link"


@dataclass(frozen=True, slots=True)
class Choice:
    """One board of a report under one metric; ``group`` is a class, or None for all. ``stamp``
    tells states of the report."""

    report: str
    stamp: float
    dataset: str
    protocol: str
    metric: str
    group: str | None

    @property
    def key(self) -> tuple[str, float, str, str]:
        return self.report, self.stamp, self.dataset, self.protocol


def restore() -> None:
    """A link that was opened, into the session."""
    params = {name: st.query_params[name] for name in EVERY_PARAM if name in st.query_params}
    if params and params != st.session_state.get(LINK):
        if "report" in params or "dataset" in params:
            for key in (REPORT, DATASET):
                st.session_state.pop(key, None)
        for name, value in params.items():
            st.session_state[EVERY_PARAM[name]] = FORMER.get(name, {}).get(value, value)


def publish() -> None:
    """The address bar says what is shown."""
    wanted = PARAMS | OF_VIEW.get(st.session_state.get(VIEW), {})
    params = {
        name: str(st.session_state[key])
        for name, key in wanted.items()
        if st.session_state.get(key)
    }
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    st.session_state[LINK] = params


def choose(report: str) -> None:
    """Show a report from its first data set on."""
    for key in (DATASET, PROTOCOL, GROUP):
        st.session_state.pop(key, None)
    st.session_state[REPORT], st.session_state[VIEW] = report, FIRST_VIEW


def heal(key: str, options: Sequence[str], first: str | None = None) -> Sequence[str]:
    """What is chosen is one of the options, whatever a link or another report said before."""
    if options and st.session_state.get(key) not in options:
        st.session_state[key] = first if first in options else options[0]
    return options


def reports() -> list[tuple[str, float]]:
    """Names and stamps, the shipped leaderboard first."""
    found = cached_metrics.report_rows()
    return sorted(found, key=lambda row: row[0] != FIRST_REPORT)


def protocols_of(report: Report, dataset: str) -> list[str]:
    return [protocol for name, protocol in boards(report) if name == dataset]


def metrics(report: Report) -> list[str]:
    return metrics_of(report)
