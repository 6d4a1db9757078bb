"""From vectors to per-query scores, a block of queries at a time: memory stays flat whatever the
gallery's size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.metrics import counted, table
from core.metrics.curves import Curves
from core.metrics.ranked import Ranked, Roles, rank
from core.neighbours import cosine_matrix
from core.types import Progress, report

__all__ = ["Evaluated", "Roles", "blocks", "evaluate", "listed"]
CELLS = 4_000_000
"""Scores held at once (queries of a block x gallery): about 150 MB while they are ranked."""
MOST_TOP = 8192
SORTED_FROM = 32
"""Lists are sorted whole where so many fit at once (one look at the vectors instead of two), or
where more than ``MOST_TOP`` of their first columns are asked for."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Scores of q queries: ``scores`` name -> float64 (q,), NaN where R = 0; ``relevant`` R (q,);
    ``curves`` means, and ``class_curves`` the same for each class, (classes, values)."""

    scores: dict[str, np.ndarray]
    relevant: np.ndarray
    curves: dict[str, list[float]]
    class_curves: dict[str, np.ndarray]


def blocks(
    vectors: np.ndarray, roles: Roles, top: int = 0, progress: Progress | None = None
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery, exactly, a block of queries at a time in the order of
    ``roles.queries``. Of a gallery of which few lists fit at once ranks are counted
    (:mod:`core.metrics.counted`): the same lists, in as little memory however large it is."""
    step = max(1, CELLS // max(1, len(roles.gallery)))
    if step < SORTED_FROM and top <= MOST_TOP:
        yield from counted.blocks(vectors, roles, step, top, progress)
        return
    labels, asking = (
        roles.relevant[roles.gallery],
        (vectors if roles.asking is None else roles.asking),
    )
    for start in range(0, len(roles.queries), step):
        report(progress, start, len(roles.queries))
        rows = roles.queries[start : start + step]
        junk = roles.junk(rows)
        right = roles.right(rows) & ~junk
        scores = cosine_matrix(asking[rows], vectors, roles.gallery)
        yield rank(scores, right, junk, top=top, labels=labels, own=roles.relevant[rows])
    report(progress, len(roles.queries), len(roles.queries))


def listed(hits: np.ndarray, rows: np.ndarray, roles: Roles, top: int = 0) -> Ranked:
    """Ranked lists of an index's answers.

    Args:
        hits: int64 (q, k), positions in ``roles.gallery``, best first, -1 where fewer were found.
        rows: int64 (q,), the queries' rows.
    """
    junk = roles.junk(rows)
    everything = roles.right(rows) & ~junk
    at = np.maximum(hits, 0)
    out = np.take_along_axis(junk, at, axis=1) | (hits < 0)
    right = np.take_along_axis(everything, at, axis=1) & ~out
    places = np.broadcast_to(-np.arange(hits.shape[1], dtype=np.float32), hits.shape)
    labels = roles.relevant[roles.gallery][at]
    found = everything.sum(axis=1)
    return rank(places, right, out, found=found, top=top, labels=labels, own=roles.relevant[rows])


def evaluate(
    lists: Iterator[Ranked], names: Sequence[str] = table.DEFAULT, codes: np.ndarray | None = None
) -> Evaluated:
    """Every metric for every query, and the curves, of blocks of ranked lists.

    Args:
        codes: int64, the class of each query in the order of the lists, from 0; without, all are of
            one class.
    """
    curves, parts, relevant, seen = (
        Curves(1 if codes is None or not len(codes) else int(codes.max()) + 1),
        [],
        [],
        0,
    )
    for block in lists:
        curves.add(block, None if codes is None else codes[seen : seen + len(block)])
        seen += len(block)
        parts.append(table.scores(block, names))
        relevant.append(block.relevant)
    scores = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)
        for name in names
    }
    return Evaluated(
        scores,
        np.concatenate(relevant) if relevant else np.zeros(0, np.int64),
        curves.means(),
        curves.class_means(),
    )
