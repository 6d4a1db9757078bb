"""A ranked list in the student's own order, under every metric of the system."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.metrics import definitions, table
from core.metrics.ranked import rank
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.roles import roles_of
from core.services.evaluation.fused import first_hits
from core.services.search.request import item_of
from core.services.teaching.contests import candidates

METRICS = ("mAP", "hit@1", "nDCG@10", "precision@5", "MRR", "recall@10")
MIXED = (2, 5)
"""Relevant hits among the first ones of a list that is worth putting in order by hand."""
WORKED = {"mAP": "AP", "nDCG@10": "nDCG@K"}
"""Metrics with steps, and their definitions in :mod:`core.metrics.definitions`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An encoder's first hits: ids, whether each is relevant, and R of the whole gallery."""

    ids: tuple[str, ...]
    right: tuple[bool, ...]
    relevant: int


@dataclass(frozen=True, slots=True)
class Scores:
    """``values`` metric -> score of the list; ``steps`` metric -> the sum that leads to it."""

    values: dict[str, float]
    steps: dict[str, str]


def listed(dataset: Dataset, encoder: str, query: str, k: int = 10) -> Listed:
    """The first ``k`` hits for a query under the usual protocol. Raises UserError."""
    found = bound(dataset, encoder).vectors()
    roles = roles_of(stored.item_rows(dataset, found), dataset.protocol())
    row = np.array([found.ids.index(query)])
    many = int((roles.right(row) & ~roles.junk(row)).sum())
    hits = first_hits(dataset, encoder, None, [query], k)[query].hits
    return Listed(tuple(id for id, _ in hits), tuple(right for _, right in hits), many)


def telling(dataset: Dataset, encoder: str, k: int = 10) -> tuple[str, ...]:
    """Queries whose first ``k`` hits hold ``MIXED`` relevant ones, not all of them in front, one of
    a category. Raises UserError."""
    found: dict[str, str] = {}
    asked = candidates(dataset)
    for query, beginning in first_hits(dataset, encoder, None, asked, k).items():
        right = [one for _, one in beginning.hits]
        mixed = MIXED[0] <= sum(right) <= MIXED[1] and not all(right[: sum(right)])
        if mixed:
            found.setdefault(str(item_of(dataset, query).category), query)
    return tuple(found[name] for name in sorted(found))


def scored(right: Sequence[bool], relevant: int) -> Scores:
    """Score a list whose item at rank i + 1 is relevant where ``right[i]`` is, of ``relevant`` in
    the gallery; what the list does not hold counts as not found."""
    mask = np.asarray(right, bool)[None]
    places = -np.arange(mask.shape[1], dtype=np.float32)[None]
    lists = rank(places, mask, found=np.array([relevant]))
    values = {name: float(made[0]) for name, made in table.scores(lists, METRICS).items()}
    hits = tuple(place for place, one in enumerate(right, start=1) if one)
    audited = definitions.audit(definitions.List(hits, relevant, len(right)), 10)
    steps = {one.name: words for one, _, words in audited}
    return Scores(values, {metric: steps[name] for metric, name in WORKED.items()})
