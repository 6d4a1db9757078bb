"""One query under one setting: what an index found, what it lost, and where the lost ones belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.datasets.base import Dataset


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of an answer.

    ``state``: ``found`` (belongs to the exact top k and is there), ``ghost`` (belongs there and was lost) or ``extra`` (is there
    and does not belong). ``rank`` is the place in the index's answer (0 for a ghost), ``true_rank`` the place in the exact
    answer (0 where it is beyond the top k). ``verdict`` as in :class:`core.services.search.Hit`.
    """

    id: str
    path: str
    label: str | None
    verdict: str | None
    score: float
    state: str
    rank: int
    true_rank: int


@dataclass(frozen=True, slots=True)
class QueryView:
    """``hits``: the index's answer, best first. ``exact``: the exact answer, each ``found`` or ``ghost``. ``merged``: both in one
    row: every true hit and every wrong extra in the order of their scores. ``ghosts``: the lost alone.

    ``recall`` of this query (equal scores count as hits); ``p50``, ``p95`` ms of this query over ``runs`` searches,
    ``exact_p50`` of the exact search taken in turn; bytes and seconds of the index.
    """

    index: str
    text: str
    query: str
    k: int
    hits: tuple[Shown, ...]
    exact: tuple[Shown, ...]
    merged: tuple[Shown, ...]
    ghosts: tuple[Shown, ...]
    recall: float
    p50: float
    p95: float
    exact_p50: float
    runs: int
    ram_bytes: int
    disk_bytes: int
    build_s: float


def query_view(
    dataset: Dataset, encoder: str, index: str, query: str, k: int = 10, knobs: Mapping[str, float] | None = None
) -> QueryView:
    """Ask picture ``query`` (an id) of an index by name or with knobs (``hnsw:M=16``); ``knobs`` (build or search) override.

    A build knob that was not built before builds the index (kept); the query itself is never a hit.

    Raises:
        UserError: unknown names or knobs, a value out of range, embeddings not built.
    """
    raise NotImplementedError
