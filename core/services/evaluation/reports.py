"""A report: cells of a comparison with their per-query scores, on disk in two files that any
program can read.

``report.json`` holds cards, means and curves; ``scores.npz`` the per-query scores (plain arrays, no
pickle), in half precision where it ships. Reports lie in ``artifacts/reports/<name>/``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import store
from core.errors import UserError
from core.metrics import table
from core.services.evaluation.cells import CURVE, Cell
from core.services.saved_reports import FOLDER, find, listing, rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOLDER", "Report", "find", "listing", "rows", "seen_by"]
KEPT = ("mAP", "MAP@R", "hit@1", "precision@10", "MRR", "nDCG@10", "accuracy@10")
"""Metrics whose per-query scores ship; means of all metrics always do."""
MISSING = 65_535
SHARED = ("queries", "groups", "clusters", "relevant")


@dataclass(frozen=True, slots=True)
class Report:
    """Cells by (dataset, protocol, encoder, index), and their means over queries and over classes;
    ``left_out`` says what could not be evaluated, and why."""

    name: str
    made: float
    cells: tuple[Cell, ...]
    means: tuple[dict[str, float | None], ...]
    class_means: tuple[dict[str, float | None], ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, cells: Iterable[Cell], left_out: Sequence[str] = ()) -> Report:
        """A report of cells. Raises UserError : unknown metric, or two cells of the same names."""
        cells = tuple(cells)
        if len({cell.name for cell in cells}) != len(cells):
            raise UserError(
                f"The report {name!r} has two rows with the same dataset, protocol, encoder and"
                " index."
            )
        for cell in cells:
            _known(cell.scores)
        means = tuple(cell.means() for cell in cells)
        balanced = tuple(cell.class_means() for cell in cells)
        return cls(name, time.time(), cells, means, balanced, tuple(left_out))

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell: names, counts, means by queries and classes, milliseconds."""
        import pandas as pd  # here, so that pages that show no table open without it

        rows = []
        for cell, means, balanced in zip(self.cells, self.means, self.class_means, strict=True):
            names = ("dataset", "protocol", "encoder", "index")
            row: dict[str, Any] = dict(zip(names, cell.name, strict=True))
            row |= {
                "queries": len(cell.queries),
                "unjudged": int((~cell.evaluated).sum()),
                "dim": cell.card["dimensions"],
            }
            row |= {name: cell.card[name] for name in ("dataset hash", "gallery", "relevant")} | {
                "seen": seen_by(cell)
            }
            row |= means | {f"{name} by class": value for name, value in balanced.items()}
            total = cell.latency.get("total", {}).get("single", {})
            rows.append(row | {f"{p} ms": total.get(p) for p in ("p50", "p95", "p99")})
        return pd.DataFrame(rows)

    def save(self, folder: Path | None = None, *, small: bool = False) -> Path:
        """Write it, whole or not at all; ``small`` keeps fewer scores, in half precision."""
        target = folder or store.root() / FOLDER / store.safe(self.name)
        with store.new_folder(target) as new:
            arrays: dict[str, Any] = {}
            shared: dict[tuple, str] = {}
            for number, cell in enumerate(self.cells):
                arrays |= _arrays(cell, f"{number}", shared, small)
            np.savez_compressed(new / "scores.npz", **arrays)
            rows = [
                {
                    **dict(
                        zip(("dataset", "protocol", "encoder", "index"), cell.name, strict=True)
                    ),
                    "means": means,
                    "class_means": balanced,
                    "curves": _rounded(cell.curves),
                    "latency": cell.latency,
                    "card": cell.card,
                    "arrays": shared[_shared_key(cell)],
                }
                for cell, means, balanced in zip(
                    self.cells, self.means, self.class_means, strict=True
                )
            ]
            noted = {
                "name": self.name,
                "made": self.made,
                "version": 1,
                "rows": rows,
                "left_out": list(self.left_out),
            }
            (new / "report.json").write_text(json.dumps(noted))
            store.write_meta(new, {})
        return target

    @classmethod
    def load(cls, folder: Path) -> Report:
        """Read what :meth:`save` wrote. Raises UserError where it is not there, or not whole."""
        try:
            if wrong := store.faults(folder):
                raise ValueError("; ".join(f"{name}: {fault}" for name, fault in wrong.items()))
            noted = json.loads((folder / "report.json").read_text())
            with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
                kept = {name: arrays[name] for name in arrays.files}
            cells = tuple(_cell(row, number, kept) for number, row in enumerate(noted["rows"]))
        except store.UNREADABLE as error:
            raise UserError(
                f"The report {folder.name!r} can't be read ({type(error).__name__}).",
                fix="Make it again.",
                command="Make it again: python -m core evaluate.",
            ) from error
        means = [row["means"] for row in noted["rows"]]
        balanced = tuple(row["class_means"] for row in noted["rows"])
        return cls(
            noted["name"],
            noted["made"],
            cells,
            tuple(means),
            balanced,
            tuple(noted.get("left_out", ())),
        )


def seen_by(cell: Cell) -> str:
    """In words, whether the encoder was trained on the pictures; empty in older reports."""
    return cell.card.get("seen in words", "")


def _known(names: Iterable[str]) -> None:
    for name in names:
        if not name.startswith("index recall@"):
            table.metric(name)


def _shared_key(cell: Cell) -> tuple:
    return (
        cell.dataset,
        cell.protocol,
        store.fingerprint([cell.queries.tolist(), cell.clusters.tolist()]),
    )


def _arrays(cell: Cell, prefix: str, shared: dict, small: bool) -> dict[str, np.ndarray]:
    """Arrays of a cell; ids, groups and R once for all encoders asked the same."""
    made = {}
    if _shared_key(cell) not in shared:
        shared[_shared_key(cell)] = f"q{len(shared)}"
        made = {f"{shared[_shared_key(cell)]}/{part}": getattr(cell, part) for part in SHARED}
    kept = [name for name in cell.scores if not small or name in KEPT or name not in table.DEFAULT]
    kind = np.float16 if small else np.float32
    made |= {f"{prefix}/{CURVE}{name}": _packed(rows) for name, rows in cell.class_curves.items()}
    return made | {f"{prefix}/{name}": cell.scores[name].astype(kind) for name in kept}


def _packed(values: np.ndarray) -> np.ndarray:
    """Shares in thousandths, uint16, for a small file; NaN is the largest number."""
    return np.where(np.isfinite(values), np.round(np.nan_to_num(values) * 1000), MISSING).astype(
        np.uint16
    )


def _cell(row: dict, number: int, kept: dict[str, np.ndarray]) -> Cell:
    prefix = f"{number}/"
    own = {
        name.removeprefix(prefix): values
        for name, values in kept.items()
        if name.startswith(prefix)
    }
    curves = {
        name.removeprefix(CURVE): np.where(values == MISSING, np.nan, values / 1000)
        for name, values in own.items()
        if name.startswith(CURVE)
    }
    scores = {
        name: values.astype(np.float64)
        for name, values in own.items()
        if not name.startswith(CURVE)
    }
    _known(scores)
    parts: dict[str, Any] = {part: kept[f"{row['arrays']}/{part}"] for part in SHARED}
    if any(len(values) != len(parts["queries"]) for values in [*scores.values(), *parts.values()]):
        raise ValueError("arrays of different lengths")
    names = {name: row[name] for name in ("dataset", "protocol", "encoder", "index")}
    if any(rows.shape[:1] != (len(np.unique(parts["groups"])),) for rows in curves.values()):
        raise ValueError("curves of other classes")
    return Cell(
        **names,
        **parts,
        scores=scores,
        curves=row["curves"],
        card=row["card"],
        latency=row["latency"],
        class_curves=curves,
    )


def _rounded(curves: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: [round(float(value), 4) for value in values] for name, values in curves.items()}
