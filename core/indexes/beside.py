"""What indexes share that find candidates by something small and compare them by the vectors that
lie beside it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.indexes.base import Index, Unreadable
from core.types import Progress, report

VECTORS, BUILT = "vectors.npy", "built.json"


class Beside(Index):
    """An index that keeps the vectors in a file next to its own: they give the scores."""

    def __init__(self) -> None:
        self._vectors = np.zeros((0, 0), np.float32)
        self._seconds = 0.0

    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._vectors[ids]

    def _keep(self, vectors: np.ndarray, started: float) -> None:
        """At the end of a build that began at ``started`` (seconds of ``time.perf_counter``)."""
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._seconds = time.perf_counter() - started

    def _save_vectors(self, folder: Path, **noted: object) -> None:
        np.save(folder / VECTORS, self._vectors)
        (folder / BUILT).write_text(json.dumps({"build_s": self._seconds, **noted}))

    def _load_vectors(self, folder: Path) -> dict:
        """Map the vectors; returns what was noted."""
        built = json.loads((folder / BUILT).read_text())
        mapped = np.load(folder / VECTORS, mmap_mode="r")
        self._vectors, self._seconds = (
            np.asarray(mapped),
            built["build_s"],
        )  # rows of a memmap itself are slow to take
        if self._vectors.ndim != 2 or self._vectors.dtype != np.float32:
            raise Unreadable(folder)
        self.size, self.dim = self._vectors.shape
        return built


def blocks(count: int, size: int, progress: Progress | None) -> Iterator[slice]:
    """Slices of at most ``size`` over ``count`` rows; ``progress`` hears of each that is done, and
    may stop the work."""
    report(progress, 0, count)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
        report(progress, min(start + size, count), count)
