"""Recall against latency for indexes on the user's own vectors: a point for each setting, kept once measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.datasets.base import Dataset
from core.services.specs import IndexSpec
from core.types import Progress

KIND = "lab"


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one index, measured.

    ``recall``: mean over queries of the share of the exact top ``k`` that was found, equal distances counted as hits;
    ``worst``: what 95 of 100 queries reach at least. Times in ms: ``p50``, ``p95`` one query at a time; ``batch_p50``,
    ``batch_p95`` a query, in batches. Bytes and seconds are those of the index. ``busy`` is the load of each core meanwhile.
    ``real`` of its ``size`` vectors are the user's own, the others synthetic.
    """

    index: str
    title: str
    text: str
    build: Mapping[str, float]
    search: Mapping[str, float]
    exact: bool
    size: int
    real: int
    dim: int
    k: int
    queries: int
    recall: float
    worst: float
    p50: float
    p95: float
    batch_p50: float
    batch_p95: float
    ram_bytes: int
    disk_bytes: int
    build_s: float
    busy: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, before it is: ``settings`` in order, ``found`` those that are there already, ``refused``
    (index -> why it can't hold this gallery). ``seconds`` for what is left (None = unknown) and its ``basis`` in words;
    ``ram_bytes`` needed at the most, ``free_bytes`` that are free (None = unknown)."""

    dataset: str
    encoder: str
    k: int
    size: int
    settings: tuple[IndexSpec, ...]
    found: tuple[Point, ...]
    refused: Mapping[str, str]
    seconds: float | None
    basis: str
    ram_bytes: int
    free_bytes: int | None

    @property
    def left(self) -> int:
        """Settings still to be measured."""
        return len(self.settings) - len(self.found)


def grid(index: str, *, full: bool = False) -> tuple[IndexSpec, ...]:
    """Settings along each search knob at the default build; ``full`` adds those along each build knob."""
    raise NotImplementedError


def plan(
    dataset: Dataset, encoder: str, indexes: Sequence[str] = (), k: int = 10, size: int = 0, *, full: bool = False,
    timed: bool = True,
) -> Plan:  # fmt: skip
    """What :func:`curves` would do with the same arguments, what is there already, and what the rest takes.

    Args:
        indexes: names, or with knobs as ``hnsw:efSearch=64`` (that one setting); empty = all.
        size: vectors in the gallery; 0 = the user's own alone, more = enlarged with synthetic ones.
        timed: estimate seconds and memory (the first time a few builds on a sample: seconds); False = only what is found.

    Raises:
        UserError: unknown index or knob, embeddings not built, size out of range.
    """
    raise NotImplementedError


def curves(
    dataset: Dataset, encoder: str, indexes: Sequence[str] = (), k: int = 10, size: int = 0,
    progress: Progress | None = None, *, full: bool = False,
) -> Iterator[Point]:  # fmt: skip
    """Measure, and give each point as soon as it is there; what was measured before comes from the store.

    ``progress`` counts settings. Stopped, the points so far are kept, and the same call goes on from there.

    Raises:
        UserError: as :func:`plan`, or memory that does not suffice (with the number needed).
        Cancelled: ``progress`` said stop.
    """
    raise NotImplementedError


def job_arguments(
    dataset: Dataset, encoder: str, indexes: Sequence[str] = (), k: int = 10, size: int = 0, *, full: bool = False
) -> list[str]:
    """What ``jobs.start`` is given to measure in the background; the page polls :func:`plan` (``timed=False``) for points."""
    raise NotImplementedError
