"""From measured points to a choice: the fastest at a wanted recall, and one sentence of advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.services.lab.curves import Point


@dataclass(frozen=True, slots=True)
class Equal:
    """``best`` of each index that reaches ``recall``, fastest first; ``short``: index -> the best recall of one that does not.
    ``sentence``: "At recall@10 of at least .95 the fastest is ..."."""

    recall: float
    best: tuple[Point, ...]
    short: Mapping[str, float]
    sentence: str


def equal_recall(points: Sequence[Point], recall: float = 0.95, *, batch: bool = False) -> Equal:
    """Compare indexes at equal recall, by p50 of one query at a time, or of batches."""
    raise NotImplementedError


def frontier(points: Sequence[Point], *, batch: bool = False) -> tuple[Point, ...]:
    """The points that no other beats in both recall and time, by rising recall."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Advice:
    """``sentence`` with its reason; ``source`` is ``measured`` or ``rule`` (then ``rule`` says which and where it comes from)."""

    sentence: str
    index: str
    text: str
    source: str
    rule: str
    bytes: int
    point: Point | None


def recommend(size: int, dim: int, memory_bytes: int, recall: float = 0.95, points: Sequence[Point] = (), k: int = 10) -> Advice:
    """One sentence for a gallery of ``size`` vectors of ``dim`` numbers.

    From the points where some were measured at about this size (a factor of 2) and dimension, else from documented rules.

    Raises:
        UserError: a size, a memory or a recall that makes no sense; or nothing fits into the memory (with what would).
    """
    raise NotImplementedError
