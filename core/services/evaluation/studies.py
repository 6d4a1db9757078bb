"""Closer looks that go with a report, kept beside it so that pages show them without waiting."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.evaluation import ahead, health, perturb, probes
from core.services.evaluation.cells import Cell
from core.services.evaluation.reports import Report
from core.services.steps import Steps
from core.types import Progress

log = logging.getLogger(__name__)
FILE = "studies.json"
DIGITS = 5


def _probes(dataset: Dataset, encoder: str, protocol: str, progress: Progress) -> object:
    return [asdict(row) for row in probes.probe(dataset, encoder, progress=progress)]


def _robustness(dataset: Dataset, encoder: str, protocol: str, progress: Progress) -> object:
    return perturb.robustness(dataset, encoder, progress=progress)


def _health(dataset: Dataset, encoder: str, protocol: str, progress: Progress) -> object:
    return health.health(dataset, encoder, protocol, progress)


KINDS: dict[str, Callable[[Dataset, str, str, Progress], object]] = {
    "probes": _probes,
    "robustness": _robustness,
    "health": _health,
}


def make(
    folder: Path,
    made: Report,
    datasets: Sequence[Dataset],
    kinds: Sequence[str] = tuple(KINDS),
    progress: Progress | None = None,
) -> Path:
    """Study every exact cell of a saved report whose dataset is at hand, and write ``studies.json``
    into its folder.

    A study that a dataset can't give (no attributes, no labels) is kept as its reason.

    Raises:
        Cancelled: ``progress`` said stop; finished studies are in the cache.
    """
    by_name = {dataset.name: dataset for dataset in datasets}
    work = [
        (kind, cell)
        for cell in made.cells
        for kind in kinds
        if cell.dataset in by_name and cell.index == "exact"
    ]
    rows, seen = [], set()
    steps = progress if isinstance(progress, Steps) else Steps(progress)
    for done, (kind, cell) in enumerate(work):
        steps.counted(done, len(work))
        protocol = "" if kind in ahead.ONCE else cell.protocol
        name = (kind, cell.dataset, protocol, cell.encoder)
        if name not in seen:
            seen.add(name)
            rows.append(
                {
                    **dict(zip(("kind", "dataset", "protocol", "encoder"), name, strict=True)),
                    **_result(kind, by_name[cell.dataset], cell, steps),
                }
            )
    steps.counted(len(work), len(work))
    store.write_text(folder / FILE, json.dumps(rows, separators=(",", ":")))
    return folder / FILE


def _result(kind: str, dataset: Dataset, cell: Cell, steps: Steps) -> dict:
    protocol = "" if kind in ahead.ONCE else cell.protocol
    inside = steps.begin(ahead.study(kind, cell.dataset, cell.encoder, protocol))
    try:
        return {"result": _rounded(KINDS[kind](dataset, cell.encoder, cell.protocol, inside))}
    except UserError as error:
        return {"why": str(error)}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def read(folder: Path) -> list[dict]:
    """Studies of a saved report: kind, dataset, protocol, encoder, and ``result`` or ``why``. Empty
    where there are none, or none that can be read."""
    try:
        rows = json.loads((folder / FILE).read_text())
        return [row for row in rows if row["kind"] in KINDS and ("result" in row or "why" in row)]
    except FileNotFoundError:
        return []
    except store.UNREADABLE as error:
        log.warning("ignoring the studies of the report %s: %s", folder.name, error)
        return []


def of_board(rows: Sequence[dict], kind: str, dataset: str, protocol: str) -> dict[str, dict]:
    """Encoder -> its study of one kind on one board."""
    wanted = "" if kind in ahead.ONCE else protocol
    return {
        row["encoder"]: row
        for row in rows
        if (row["kind"], row["dataset"], row["protocol"]) == (kind, dataset, wanted)
    }
