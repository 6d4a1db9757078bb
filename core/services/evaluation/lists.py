"""Ranked lists of the whole gallery as a search with a second look gives them."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.datasets.base import Dataset
from core.keypoints import KeyPoints
from core.metrics import stream
from core.metrics.ranked import Ranked, rank
from core.neighbours import cosine_matrix
from core.services.embedding import points
from core.services.search.looking import SecondLook, looked_at
from core.types import Embeddings, Progress, report

BLOCK = 64
"""Queries between two reports of progress."""


class Looker:
    """Looks a second time at hits of a dataset's own queries."""

    def __init__(
        self, look: SecondLook, dataset: Dataset, found: Embeddings, roles: stream.Roles
    ) -> None:
        self.look, self.found, self.roles = look, found, roles
        keyed = look.reranker.sees == "key points"
        self._points = points.build(dataset) if keyed else points.Points(dataset)
        self._asking = found.vectors if roles.asking is None else roles.asking

    def pairs(self, row: int, at: np.ndarray, scores: np.ndarray) -> list[tuple[int, float]]:
        """Positions in the gallery ``at`` int64 (m,), best first, as (position, new score) in their
        new order; ``row`` is the query's."""

        def of_rows(rows: Sequence[int]) -> list[KeyPoints]:
            ids = self.found.ids
            return self._points.of([ids[int(self.roles.gallery[one])] for one in rows])

        made, _ = looked_at(
            self.look,
            list(zip(at.tolist(), scores.tolist(), strict=True)),
            np.asarray(self._asking[np.asarray([row])])[0],
            lambda rows: np.asarray(self.found.vectors[self.roles.gallery[rows]]),
            lambda: self._points.of([self.found.ids[int(row)]])[0],
            of_rows,
        )
        return [(place, score) for place, score, _ in made]

    def reordered(self, row: int, at: np.ndarray) -> np.ndarray:
        """Positions of an index's answer, best first, -1 where fewer were found, with the first of
        them in their new order and the query itself left out: as many, -1 at the end."""
        others = at[(at >= 0) & (self.roles.gallery[np.maximum(at, 0)] != row)]
        first = others[: self.look.depth]
        made = [place for place, _ in self.pairs(row, first, np.zeros(len(first)))]
        kept = np.concatenate([np.array(made, np.int64), others[self.look.depth :]])
        return np.concatenate([kept, np.full(len(at) - len(kept), -1, np.int64)])


def blocks(
    look: SecondLook,
    dataset: Dataset,
    found: Embeddings,
    roles: stream.Roles,
    top: int = 0,
    progress: Progress | None = None,
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery in the order of ``roles.queries``: the hits beyond those
    that are looked at follow in their order."""
    looker, labels = Looker(look, dataset, found, roles), roles.relevant[roles.gallery]
    for start in range(0, len(roles.queries), BLOCK):
        report(progress, start, len(roles.queries))
        rows = roles.queries[start : start + BLOCK]
        scores = first_scores(found, roles, rows)
        for row, line in zip(rows, scores, strict=True):
            first = best_first(line, look.depth)
            made = [place for place, _ in looker.pairs(row, first, line[first])]
            line[made] = 2.0 + np.arange(len(made), 0, -1)
        junk = roles.junk(rows)
        right = roles.right(rows) & ~junk
        yield rank(scores, right, junk, top=top, labels=labels, own=roles.relevant[rows])
    report(progress, len(roles.queries), len(roles.queries))


def first_scores(found: Embeddings, roles: stream.Roles, rows: np.ndarray) -> np.ndarray:
    """Cosines float32 (q, gallery) of the queries ``rows``, -inf for the query itself."""
    asking = found.vectors if roles.asking is None else roles.asking
    scores = cosine_matrix(asking[rows], found.vectors, roles.gallery)
    scores[roles.gallery == rows[:, None]] = -np.inf
    return scores


def best_first(scores: np.ndarray, depth: int) -> np.ndarray:
    """Positions of the ``depth`` largest of (n,) scores above -inf, equal ones by position."""
    order = np.argsort(-scores, kind="stable")[:depth]
    return order[np.isfinite(scores[order])]
