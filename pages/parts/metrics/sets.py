"""The data sets of the Metrics menu: every one with labels, evaluated or not; and apart from them
those that only a report knows, whose pictures are not here."""

from dataclasses import dataclass

from core.errors import UserError
from pages.parts import cached, cached_library, cached_metrics
from pages.parts.metrics import choice


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
    for name, stamp in choice.reports():
        for dataset, content in cached_metrics.report_sets(name, stamp).items():
            held.setdefault((dataset, content), []).append(name)
    own = _own()
    here, absent, used = [], [], set()
    for (dataset, content), names in held.items():
        row = next((one for one in own if _same(one, dataset, content)), None)
        if row:
            used.add(row["locator"])
        if dataset not in (one.key for one in (*here, *absent)):
            title = row["title"] if row else dataset
            locator = row["locator"] if row else ""
            (here if row else absent).append(Entry(dataset, title, locator, tuple(names)))
    left = [row for row in own if row["locator"] not in used]
    fresh = [Entry(row["locator"], row["title"], row["locator"], ()) for row in left]
    return [*here, *fresh, *absent]


def _own() -> list[dict]:
    """Data sets that are here and say what is relevant, those that were added last first."""
    rows = [row for row in cached.dataset_rows() if row["state"] == "ready"]
    rows = [row for row in rows if row["added"]][::-1] + [row for row in rows if not row["added"]]
    return [row for row in rows if _labelled(row["locator"])]


def _labelled(locator: str) -> bool:
    try:
        return cached_library.labelled(locator, cached.version(locator))
    except UserError:
        return False


def _same(row: dict, dataset: str, content: str) -> bool:
    """Whether a report's data set is this one, as far as that is known without reading every
    picture."""
    if row["name"] != dataset:
        return False
    return cached_metrics.is_of(row["locator"], cached.version(row["locator"]), content)
