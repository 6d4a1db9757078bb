"""Curves over a block of ranked lists: sums over the evaluated queries, so that blocks add up to
means over all."""

from dataclasses import dataclass, field

import numpy as np

from core.metrics.ranked import Ranked

LEVELS = np.linspace(0.0, 1.0, 101)
DEEPEST = 100


def interpolated_precision(lists: Ranked, levels: np.ndarray = LEVELS) -> np.ndarray:
    """Precision at recall levels, (q, levels): the best precision at any rank whose recall is at
    least the level.

    NaN where R = 0, and 0 where the list ends before that recall.
    """
    most = int(max(lists.relevant.max(initial=0), lists.order.max(initial=0), 1))
    best = np.zeros((len(lists), most))
    best[lists.row, lists.order - 1] = lists.order / lists.rank
    best = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
    wanted = np.ceil(levels[None, :] * lists.relevant[:, None] - 1e-9).astype(np.int64)
    found = np.take_along_axis(best, np.clip(wanted - 1, 0, most - 1), axis=1)
    return np.where(lists.relevant[:, None] > 0, found, np.nan)


def hits_within(lists: Ranked, deepest: int = DEEPEST) -> np.ndarray:
    """Relevant items among the first 1, 2, ... ``deepest`` of each list, int64 (q, deepest)."""
    near = lists.rank <= deepest
    places = lists.row[near] * deepest + lists.rank[near] - 1
    return (
        np.bincount(places, minlength=len(lists) * deepest)
        .reshape(len(lists), deepest)
        .cumsum(axis=1)
    )


@dataclass
class Curves:
    """Means over evaluated queries of precision@K, recall@K and hit@K for K = 1..100, and of
    precision at 101 recall levels.

    With ``groups`` > 1 the same for each class of queries.
    """

    groups: int = 1
    evaluated: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, lists: Ranked, codes: np.ndarray | None = None) -> None:
        """Take in a block; ``codes`` int64 (q,) say which class each query is of, from 0 to
        ``groups`` - 1."""
        use = lists.relevant > 0
        within = hits_within(lists)[use].astype(np.float64)
        codes = np.zeros(len(lists), np.int64) if codes is None else codes
        of = (codes[use] == np.arange(self.groups)[:, None]).astype(np.float64)
        self.evaluated = np.bincount(codes[use], minlength=self.groups) + (
            self.evaluated if len(self.evaluated) else 0
        )
        self._add("precision@K", of @ (within / np.arange(1, DEEPEST + 1)))
        self._add("recall@K", of @ (within / lists.relevant[use][:, None]))
        self._add("hit@K", of @ np.minimum(within, 1.0))
        self._add("precision_at_recall", of @ interpolated_precision(lists)[use])

    def _add(self, name: str, sums: np.ndarray) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + sums

    def means(self) -> dict[str, list[float]]:
        """Curve name -> values; empty where no query could be evaluated."""
        total = int(self.evaluated.sum())
        return (
            {name: (sums.sum(axis=0) / total).tolist() for name, sums in self.sums.items()}
            if total
            else {}
        )

    def class_means(self) -> dict[str, np.ndarray]:
        """Curve name -> float64 (groups, values); NaN where no query of a class could be
        evaluated."""
        evaluated = np.where(self.evaluated > 0, self.evaluated, np.nan)[:, None]
        return {name: sums / evaluated for name, sums in self.sums.items()}
