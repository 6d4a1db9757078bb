"""Random ranked lists for the tests, and the same lists in the words of trec_eval and ranx."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Case:
    """Scores with many ties, relevance with R = 0 and R = n among it, and junk."""

    scores: np.ndarray
    relevant: np.ndarray
    junk: np.ndarray

    @property
    def orders(self) -> list[list[int]]:
        """Columns of each list by the plain rule: junk out, larger score first, then the smaller
        column."""
        return [
            sorted((c for c in range(len(row)) if not out[c]), key=lambda c, row=row: (-row[c], c))
            for row, out in zip(self.scores, self.junk, strict=True)
        ]


@st.composite
def cases(draw, junk: bool = True) -> Case:
    queries, items = draw(st.integers(1, 6)), draw(st.integers(1, 24))
    seed = draw(st.integers(0, 2**32 - 1))
    values = draw(st.sampled_from([1, 2, 5, 1000]))
    share = draw(st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0]))
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-values, values + 1, (queries, items)) / 8).astype(np.float32)
    out = rng.random((queries, items)) < (0.2 if junk else 0.0)
    relevant = (rng.random((queries, items)) < share) & ~out
    if draw(
        st.booleans()
    ):  # duplicates: the second half of the gallery repeats the first, scores and all
        half = items // 2
        scores[:, items - half :] = scores[:, :half]
    return Case(scores, relevant, out)


def name(column: int) -> str:
    """trec_eval breaks ties by the later name, and ours go to the smaller column: so names count
    down."""
    return f"d{99999 - column}"


def trec(case: Case) -> tuple[dict, dict]:
    """qrels and run of the queries that have an item left; junk is left out, as pooled judgements
    do."""
    qrels, run = {}, {}
    for q, order in enumerate(case.orders):
        if order:
            qrels[f"q{q}"] = {name(c): int(case.relevant[q, c]) for c in order}
            run[f"q{q}"] = {name(c): float(case.scores[q, c]) for c in order}
    return qrels, run


def untied(case: Case) -> tuple[dict, dict]:
    """The same for ranx, which has no rule for ties: scores are replaced by -rank."""
    qrels, _ = trec(case)
    run = {
        f"q{q}": {name(c): -float(i) for i, c in enumerate(order)}
        for q, order in enumerate(case.orders)
        if order
    }
    positive = {q: {d: 1 for d, grade in rows.items() if grade} for q, rows in qrels.items()}
    return {q: rows for q, rows in positive.items() if rows}, {
        q: run[q] for q, rows in positive.items() if rows
    }
