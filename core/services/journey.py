"""How far a data set has come: added, built, compared, evaluated, improved; its disk."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.datasets.base import SEARCH, Dataset, datasets
from core.errors import UserError
from core.services import saved_reports
from core.services.embedding.contents import known_hash
from core.services.library import library
from core.services.training import runs

STEPS = ("Add", "Build", "Compare", "Evaluate", "Improve")
METRIC = "mAP"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What the newest report that holds a data set says of it: its encoders, the best of them by
    mAP under the usual protocol, and when it was written (epoch seconds; 0 = it came with the
    code)."""

    report: str
    protocol: str
    encoders: tuple[str, ...]
    best: str
    score: float
    written: float


def evaluated(dataset: Dataset) -> Evaluated | None:
    """The newest report about these very pictures; None where they were never evaluated."""
    protocol = dataset.protocol().name
    for name in saved_reports.listing():
        try:
            rows = saved_reports.rows(name)
        except UserError:  # deleted a moment ago
            continue
        same = [
            row
            for row in rows
            if row["dataset"] == dataset.name
            and row["index"] == "exact"
            and is_of(dataset, row["card"].get("dataset hash"))
            and row["means"].get(METRIC) is not None
        ]
        if same:
            usual = [row for row in same if row["protocol"] == protocol] or same
            best = max(usual, key=lambda row: row["means"][METRIC])
            names = tuple(dict.fromkeys(row["encoder"] for row in same))
            score, when = best["means"][METRIC], _written(saved_reports.find(name))
            return Evaluated(name, best["protocol"], names, best["encoder"], score, when)
    return None


def is_of(dataset: Dataset, content: str | None) -> bool:
    """Whether a report with this hash of pictures is about a data set of its name. A set that was
    evaluated here knows its own hash; a public one is known by its name without."""
    known = known_hash(dataset)
    return known == content or (known is None and dataset.locator in datasets.names())


def _written(report: Path) -> float:
    if report == store.shipped() / saved_reports.FOLDER / saved_reports.CAME:
        return 0.0  # also where the user's own reports lie beside it
    return (report / "report.json").stat().st_mtime


def report_name(dataset: Dataset) -> str:
    """The report of one data set: its name, and what tells it from another of that name."""
    return f"{library.plain(dataset.name) or 'pictures'}-{store.fingerprint(dataset.locator)[:6]}"


def trained_on(locator: str) -> list[str]:
    """Training runs that learn from a data set, newest first."""
    found = []
    for run in runs.run_ids():
        try:
            if locator in runs.settings_of(run)["datasets"]:
                found.append(run)
        except UserError:  # deleted a moment ago, or its settings can't be read
            continue
    return found


def has_labels(dataset: Dataset) -> bool:
    """Whether encoders can be evaluated on it: some protocol says what is relevant."""
    return dataset.protocol().name != SEARCH


def states(
    built: bool, compared: bool, evaluated: bool, improved: bool, labelled: bool
) -> dict[str, str]:
    """``done``, ``next`` (one), ``open`` or ``closed`` (impossible) for each of :data:`STEPS`."""
    done = {
        "Add": True,
        "Build": built,
        "Compare": built and (compared or evaluated),
        "Evaluate": evaluated,
        "Improve": improved,
    }
    found = {
        step: "done" if done[step] else "closed" if step == "Evaluate" and not labelled else "open"
        for step in STEPS
    }
    following = next((step for step in STEPS if found[step] == "open"), None)
    return found | ({following: "next"} if following else {})


def grouped(rows: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    """Cache entries, as :func:`core.services.library.library.cache_rows` gives them, by the data
    set that they follow from: the one unused for longest first, and so within each. What knows a
    set by its name alone (the standings of a report) stands with the only one of that name."""
    groups: dict[str, list[Mapping]] = defaultdict(list)
    named: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["source"]:
            named[row["dataset"]].add(row["source"])
    for row in sorted(rows, key=lambda row: row["used"]):
        known = named[row["dataset"]]
        groups[row["source"] or (min(known) if len(known) == 1 else "")].append(row)
    return dict(sorted(groups.items(), key=lambda pair: max(row["used"] for row in pair[1])))


def to_free(rows: Sequence[Mapping], wanted: int) -> list[Mapping]:
    """The entries to delete for ``wanted`` bytes: the longest unused, as few as needed."""
    chosen, freed = [], 0
    for row in sorted(rows, key=lambda row: row["used"]):
        if freed >= wanted:
            break
        chosen.append(row)
        freed += row["bytes"]
    return chosen


def delete_caches(rows: Sequence[Mapping]) -> int:
    """Delete entries; returns the bytes freed. One that is being built now stays."""
    freed = 0
    for row in rows:
        try:
            freed += library.delete_cache(row["kind"], row["key"])
        except UserError:
            continue
    return freed


def removal_bytes(locator: str, rows: Sequence[Mapping]) -> int:
    """What removing a data set frees: its cache entries, and the upload where it is one."""
    kept = sum(row["bytes"] for row in rows if row["source"] == locator)
    return kept + library.upload_bytes(locator)
