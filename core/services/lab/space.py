"""The vectors that a lab works on: a gallery, queries over it, and what the right answers are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.types import Progress

QUERIES = 200
"""So many queries are asked, evenly spread over those of the usual protocol."""
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Space:
    """``vectors`` float32 (n, dim) unit rows, of which the first ``real`` are the user's own; ``rows`` (real,) the embedding row
    of each. ``queries`` float32 (q, dim) and ``asked`` (q,) their embedding rows; ``own`` (q,) the gallery row that is the query
    itself, -1 = none: it is never counted as a hit. ``causes`` is what all of it follows from."""

    dataset: str
    encoder: str
    vectors: np.ndarray
    rows: np.ndarray
    queries: np.ndarray
    asked: np.ndarray
    own: np.ndarray
    causes: dict

    @property
    def size(self) -> int:
        return len(self.vectors)

    @property
    def real(self) -> int:
        return len(self.rows)


def open_space(dataset: Dataset, encoder: str, queries: int = QUERIES, size: int = 0, progress: Progress | None = None) -> Space:
    """The gallery of the usual protocol, enlarged to ``size`` vectors (0 = as it is; see :mod:`core.services.lab.enlarge`).

    Raises:
        UserError: the embeddings are not built, ``size`` is out of range, or memory does not suffice (with the number needed).
    """
    raise NotImplementedError
