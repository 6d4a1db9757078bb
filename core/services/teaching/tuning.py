"""Before and after fine-tuning: by class in the gallery, and what it did to other sets."""

import json
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.services.evaluation.fused import first_hits
from core.services.search.request import item_of
from core.services.teaching.contests import candidates, precisions

METRIC = "mAP"
MEASURED = "reports/encoders.json"
MAX_TELLING = 10


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Means on one public set; ``seen`` says what the tuned network learned from it."""

    name: str
    before: float
    after: float
    seen: str


def by_category(dataset: Dataset, encoder: str) -> dict[str, float]:
    """Category -> mAP of its queries by the usual protocol; ``""`` : over all. Raises UserError."""
    protocol = dataset.protocol()
    items = sorted((i for i in dataset.items if protocol.is_query(i)), key=lambda item: item.id)
    scores = np.array(precisions(dataset, encoder, [item.id for item in items]))
    groups = np.array([str(item.category) for item in items])
    means = {name: float(scores[groups == name].mean()) for name in sorted({*groups.tolist()})}
    return {**means, "": float(scores.mean())}


def elsewhere(dataset: Dataset, before: str, after: str) -> tuple[Elsewhere, ...]:
    """What both reach on every set measured before shipping; none without that file."""
    path = store.shipped() / MEASURED
    if not path.is_file():
        return ()
    known = json.loads(path.read_text())
    return tuple(
        Elsewhere(name, row[METRIC], known[after][name][METRIC], known[after][name]["seen"])
        for name, row in known.get(before, {}).items()
        if name in known.get(after, {})
    )


def telling(dataset: Dataset, before: str, after: str) -> tuple[str, ...]:
    """Queries whose product moves by many ranks, for better or for worse, one of a category."""
    asked = candidates(dataset)
    old, new = (first_hits(dataset, name, None, asked, 1) for name in (before, after))
    moves = {
        query: abs(np.log((old[query].first or 1) / (new[query].first or 1))) for query in asked
    }
    found: dict[str, str] = {}
    for query in sorted(asked, key=lambda one: (-moves[one], one)):
        found.setdefault(str(item_of(dataset, query).category), query)
    return tuple(found.values())[:MAX_TELLING]
