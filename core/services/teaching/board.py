"""Means over all queries of the embedded gallery, from the leaderboard that came with the code."""

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.metrics import stream
from core.services import saved_reports
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.roles import roles_of

REPORT = "leaderboard"


def mean(dataset: Dataset, encoder: str, metric: str) -> float:
    """The mean of a metric over the queries of the usual protocol, by exact search: as it was
    evaluated, else evaluated now.

    Raises:
        UserError: embeddings that are not built, or an unknown metric.
    """
    wanted = (dataset.name, dataset.protocol().name, encoder, "exact")
    for row in _rows():
        named = (row["dataset"], row["protocol"], row["encoder"], row["index"])
        if named == wanted and row["means"].get(metric) is not None:
            return float(row["means"][metric])
    found = bound(dataset, encoder).vectors()
    roles = roles_of(stored.item_rows(dataset, found), dataset.protocol())
    scores = stream.evaluate(stream.blocks(found.vectors, roles, 10), (metric,)).scores[metric]
    return float(np.nanmean(scores))


def _rows() -> list[dict]:
    try:
        return saved_reports.rows(REPORT)
    except UserError:
        return []
