"""Standings kept on the disk: intervals and permutation tests of fourteen encoders take seconds and
follow from the report alone."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core import store
from core.errors import UserError
from core.metrics import statistics
from core.services import saved_reports
from core.services.evaluation.leaderboard import Leaderboard, Standing, leaderboard
from core.services.evaluation.reports import Report

KIND, VERSION = "boards", 1


def standings(
    report: Report,
    folder: Path,
    dataset: str,
    protocol: str,
    metric: str = "mAP",
    group: str | None = None,
) -> Leaderboard:
    """:func:`core.services.evaluation.leaderboard.leaderboard` of a report that lies in ``folder``,
    from the disk where it was worked out before.

    Raises:
        UserError: as there.
    """
    made: list[Leaderboard] = []

    def write(place: Path) -> dict:
        made.append(leaderboard(report, dataset, protocol, metric, group))
        (place / "board.json").write_text(json.dumps(_noted(made[0])))
        return {"dataset_name": dataset}

    causes = {
        "scores": store.digest(folder / "scores.npz"),
        "rows": store.digest(folder / "report.json"),
        "board": [dataset, protocol, metric, group],
        "method": [statistics.LEVEL, statistics.RESAMPLES, statistics.FLIPS, VERSION],
    }
    kept = store.kept(KIND, causes, write, _read, durable=False)
    return made[0] if made else kept


def prepare(report: str, metric: str = "mAP") -> None:
    """Work out the first board of a report before anybody asks for it; nothing where there is no
    such report."""
    try:
        folder = saved_reports.find(report)
        read = Report.load(folder)
        standings(read, folder, read.cells[0].dataset, read.cells[0].protocol, metric)
    except UserError:
        return


def _noted(board: Leaderboard) -> dict:
    return asdict(board) | {"adjusted": board.adjusted.tolist()}


def _read(place: Path) -> Leaderboard:
    noted = json.loads((place / "board.json").read_text())
    rows = tuple(Standing(**row) for row in noted.pop("standings"))
    return Leaderboard(**{**noted, "standings": rows, "adjusted": np.array(noted["adjusted"])})
