"""What the Metrics page shows, and its link: each restores the other; forged: defaults."""

from dataclasses import dataclass

import streamlit as st

from core.errors import UserError
from core.services.evaluation.leaderboard import boards, metrics_of
from core.services.evaluation.reports import Report
from pages.parts import cached, cached_library, cached_metrics, given, url_state
from pages.parts.url_state import LATE, Kind, Param, Params

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
FORMER = {"Meaning": "Shared factors"}
"""What a view was called in older links."""
PARAMS = Params(
    (
        Param("report", REPORT, LATE),
        Param("dataset", DATASET, Kind(write=given.link_name, late=True)),
        Param("protocol", PROTOCOL, LATE),
        Param("metric", METRIC, LATE),
        Param("class", GROUP, LATE),
        Param("view", VIEW, Kind(lambda text: FORMER.get(text, text), late=True)),
        Param("sort", SORT, LATE),
        Param("against", AGAINST, LATE),
        Param("one", ONE, LATE),
        Param("other", OTHER, LATE),
        Param("measure", MEASURE, LATE),
        Param("distortion", DISTORTION, LATE),
        Param("strength", STRENGTH, LATE),
        Param("picture", PICTURE, LATE),
        Param("pictures", PICTURES, LATE),
        Param("worth", WORTH, LATE),
        Param("detector", DETECTOR, LATE),
        Param("encoder", ENCODER, LATE),
        Param("precision", WANTED, LATE),
        Param("query", QUERY, LATE),
        Param("k", K, LATE),
    )
)
ALWAYS = ("report", "dataset", "protocol", "metric", "class", "view")
OF_VIEW = {
    "Leaderboard": ("sort",),
    "Cost": ("against",),
    "Queries": ("one", "other"),
    "Robustness": ("measure", "distortion", "strength", "picture"),
    "Subject": ("pictures", "worth", "detector"),
    "Data health": ("encoder", "precision"),
    "Metric audit": ("query", "encoder", "k"),
}
"""What the link of one view says besides."""
LINK, REMARKS, OPENED = "metrics_link", "metrics_remarks", "metrics_opened"


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
    """A link that was opened, into the session; what it leaves out stays as it is."""
    params = PARAMS.given()
    if params and params != st.session_state.get(LINK):
        if "report" in params or "dataset" in params:
            for key in (REPORT, DATASET):
                st.session_state.pop(key, None)
        remarks = st.session_state[REMARKS] = []
        PARAMS.but(PARAMS.by_name.keys() - params.keys()).take(params, remarks)
        st.session_state[OPENED] = True


def publish() -> None:
    """The address bar says what is shown. Remarks on a link end with the view that it opened."""
    said = {*ALWAYS, *OF_VIEW.get(st.session_state.get(VIEW, ""), ())}
    params = PARAMS.but(PARAMS.by_name.keys() - said).written()
    url_state.publish(params)
    if not st.session_state.pop(OPENED, False) and params != st.session_state.get(LINK):
        st.session_state[REMARKS] = []
    st.session_state[LINK] = params


def choose(report: str) -> None:
    """Show a report from its first data set on."""
    for key in (DATASET, PROTOCOL, GROUP):
        st.session_state.pop(key, None)
    st.session_state[REPORT], st.session_state[VIEW] = report, FIRST_VIEW


def reports() -> list[tuple[str, float]]:
    """Names and stamps, the shipped leaderboard first."""
    found = cached_metrics.report_rows()
    return sorted(found, key=lambda row: row[0] != FIRST_REPORT)


def protocols_of(report: Report, dataset: str) -> list[str]:
    return [protocol for name, protocol in boards(report) if name == dataset]


def metrics(report: Report) -> list[str]:
    return metrics_of(report)


@dataclass(frozen=True, slots=True)
class Entry:
    """``key`` is the name in reports, or the locator of a set that no report holds; ``locator`` is
    empty where the pictures are not here; ``reports`` those that hold it, the shipped leaderboard
    first, then the newest."""

    key: str
    title: str
    locator: str
    reports: tuple[str, ...]

    @property
    def label(self) -> str:
        """How the menu shows it."""
        if not self.locator:
            return f"{self.title} · shipped report"
        return self.title if self.reports else f"{self.title} · not evaluated"


def entries() -> list[Entry]:
    """Those with pictures first, evaluated before not; then reports alone."""
    held: dict[tuple[str, str], list[str]] = {}
    for name, stamp in reports():
        for dataset, content in cached_metrics.report_sets(name, stamp).items():
            held.setdefault((dataset, content), []).append(name)
    own = _ready()
    here, absent, used = [], [], set()
    for (dataset, content), names in held.items():
        row = next((one for one in own if _same(one, dataset, content)), None)
        if row:
            used.add(row["locator"])
        if dataset not in (one.key for one in (*here, *absent)):
            title = row["title"] if row else dataset
            locator = row["locator"] if row else ""
            (here if row else absent).append(Entry(dataset, title, locator, tuple(names)))
    left = [row for row in own if row["locator"] not in used and _labelled(row["locator"])]
    fresh = [Entry(row["locator"], row["title"], row["locator"], ()) for row in left]
    return [*here, *fresh, *absent]


def _ready() -> list[dict]:
    """Data sets that are here, those that were added last first."""
    rows = [row for row in cached.dataset_rows() if row["state"] == "ready"]
    return [row for row in rows if row["added"]][::-1] + [row for row in rows if not row["added"]]


def _labelled(locator: str) -> bool:
    try:
        return cached_library.labelled(locator, cached.version(locator))
    except UserError:
        return False


def _same(row: dict, dataset: str, content: str) -> bool:
    """Whether a report's data set is this one, as far as known without reading every picture."""
    if row["name"] != dataset:
        return False
    return cached_metrics.is_of(row["locator"], cached.version(row["locator"]), content)
