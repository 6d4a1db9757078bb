"""What a gallery opens with: the encoders that are best for it, by what evaluations left.

Nothing here opens a picture or loads a network.
"""

from collections.abc import Mapping, Sequence

from core.datasets.base import Dataset
from core.services import saved_reports
from core.services.embedding.contents import known_hash

BEST_LEARNED = "siamese.lookalike"
"""The best of our metric-learned networks, by the shipped leaderboard."""
FIRST_DATASET, FIRST_INDEX = "catalogue", "exact"
FIRST_ITEM = "mug-15-0"
"""A query of the catalogue that each of the first encoders answers in its own way."""
FIRST_ENCODERS = ("tf_efficientnet_lite0.in1k", BEST_LEARNED, "hog.8x8")
"""What the embedded gallery opens with: a pretrained network, the best one of our own, a classical
one as contrast."""
LEARNED = ("siamese", "triplet")
TIERS = ("packaged", "learned", "trained", "imported", "bundled", "pretrained")
METRIC = "mAP"


def best_first(dataset: Dataset, rows: Sequence[Mapping]) -> list[str]:
    """Names of encoders, the best for this data set first.

    Args:
        rows: encoders as :func:`core.services.library.library.encoder_row` gives them.

    By tier; those that were evaluated on this data set stand among themselves in the order of their
    mAP.
    """
    by_tier = [row["name"] for row in sorted(rows, key=_tier)]
    scores = evaluated(dataset)
    ranked = iter(
        sorted((name for name in by_tier if name in scores), key=lambda name: -scores[name])
    )
    return [next(ranked) if name in scores else name for name in by_tier]


def _tier(row: Mapping) -> tuple[int, bool]:
    learned = row["tier"] == "bundled" and row["family"] in LEARNED
    tier = "learned" if learned else row["tier"]
    return TIERS.index(tier) if tier in TIERS else len(TIERS), row["name"] != BEST_LEARNED


def evaluated(dataset: Dataset) -> dict[str, float]:
    """Encoder -> mAP under the usual protocol of the data set with exact search, from the newest
    report that holds it.

    Reports about other pictures under the same name do not count, as far as that is known without
    reading all pictures.
    """
    content, protocol = known_hash(dataset), dataset.protocol().name
    found: dict[str, float] = {}
    for row in saved_reports.newest_rows():
        same = row["dataset"] == dataset.name and content in (None, row["card"].get("dataset hash"))
        score = row["means"].get(METRIC)
        if same and (row["protocol"], row["index"]) == (protocol, "exact") and score is not None:
            found.setdefault(row["encoder"], score)
    return found
