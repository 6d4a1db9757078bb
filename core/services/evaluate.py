"""What an encoder is worth on a dataset: every query of a protocol against its whole gallery, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.metrics import retrieval
from core.services import embed
from core.services.ready import ready_encoder
from core.types import Item, Progress, Protocol, report

CELLS = 2_000_000
"""Scores held at once (queries of a block x gallery): about 80 MB while they are ranked, however large the gallery is."""


@dataclass(frozen=True, slots=True)
class Roles:
    """A protocol laid over the rows of embeddings: who is searched, who searches, and the codes that decide what is right.

    ``gallery`` and ``queries`` are int64 rows. ``relevant`` and ``ignore`` are int64 (n,) codes of the field of each row,
    negative and different from each other where the field is unknown, so that nothing unknown ever equals anything.
    """

    gallery: np.ndarray
    queries: np.ndarray
    relevant: np.ndarray
    ignore: np.ndarray

    @classmethod
    def of(cls, items: Sequence[Item], protocol: Protocol) -> Roles:
        searched = [row for row, item in enumerate(items) if protocol.in_gallery(item)]
        asking = sorted((row for row, item in enumerate(items) if protocol.is_query(item)), key=lambda row: items[row].id)
        ignored = _codes([item.value(protocol.ignore) if protocol.ignore else None for item in items])
        relevant = _codes([item.value(protocol.relevant) for item in items])
        return cls(np.array(searched, np.int64), np.array(asking[:: protocol.every], np.int64), relevant, ignored)


def judge(dataset: Dataset, encoder_name: str, protocol_name: str | None = None, progress: Progress | None = None) -> dict:
    """Means over the judged queries of a built dataset.

    Returns:
        ``queries`` (asked), ``unjudged`` (of these, without anything relevant in the gallery: left out of the means), and
        ``mAP``, ``hit@1``, ``precision@10``; None where no query can be judged.

    Raises:
        UserError: unknown names, or embeddings that are not built.
    """
    found = embed.read(dataset, ready_encoder(dataset, encoder_name, may_fit=False, load=False))
    roles = Roles.of(embed.item_rows(dataset, found), dataset.protocol(protocol_name))
    scores = list(_scores(found.vectors, roles, progress))
    table = {name: np.concatenate([block[name] for block in scores]) if scores else np.zeros(0) for name in METRICS}
    judged = ~np.isnan(table["mAP"])
    means = {name: float(values[judged].mean()) if judged.any() else None for name, values in table.items()}
    return {"queries": len(roles.queries), "unjudged": int((~judged).sum()), **means}


METRICS = {
    "mAP": retrieval.average_precision,
    "hit@1": lambda rel, found: retrieval.hit_at(rel, found, 1),
    "precision@10": lambda rel, found: retrieval.precision_at(rel, found, 10),
}


def _scores(vectors: np.ndarray, roles: Roles, progress: Progress | None) -> Iterator[dict[str, np.ndarray]]:
    """Per-query metrics, a block of queries at a time."""
    if not len(roles.gallery):
        return
    whole = len(roles.gallery) == len(vectors)
    gallery = np.ascontiguousarray(vectors if whole else vectors[roles.gallery])
    step = max(1, CELLS // len(roles.gallery))
    for start in range(0, len(roles.queries), step):
        report(progress, start, len(roles.queries))
        rows = roles.queries[start : start + step]
        ranked, found = _ranked(vectors[rows] @ gallery.T, rows, roles)
        yield {name: metric(ranked, found) for name, metric in METRICS.items()}
    report(progress, len(roles.queries), len(roles.queries))


def _ranked(scores: np.ndarray, rows: np.ndarray, roles: Roles) -> tuple[np.ndarray, np.ndarray]:
    """Ranked relevance (q, n) and R (q,): the query itself and what the protocol ignores are junk."""
    junk = (roles.gallery == rows[:, None]) | (roles.ignore[roles.gallery] == roles.ignore[rows][:, None])
    relevant = (roles.relevant[roles.gallery] == roles.relevant[rows][:, None]) & ~junk
    return retrieval.rank(scores, relevant, junk), relevant.sum(axis=1)


def _codes(values: Sequence[object]) -> np.ndarray:
    known = {value: code for code, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return np.array([-1 - row if value is None else known[value] for row, value in enumerate(values)], dtype=np.int64)
