"""Geometric verification: hits that show the same thing from another side come first."""

import numpy as np

from core import options as opt
from core.keypoints import BRUTE, FLANN, MATCHERS, MIN_MATCHES, causes, match_all
from core.rerankers.base import Found, Reranker, rerankers

OPTION = "matcher"
CHANCE = 6
"""Fewer inliers than this say nothing: of 18,000 pairs of different classes (catalogue, clothing,
eth80) 0.4 % have four, 0.02 % six. The order of the encoder stands then."""


class Geometric(Reranker):
    """SIFT key points of query and hit, and one homography between them (Philbin et al., CVPR
    2007): the score is the number of its inliers.

    Args:
        matcher: how the nearest descriptors are found; ``geometric:matcher=flann`` by FLANN.
    """

    name = "geometric"
    title = "Geometric verification"
    about = (
        "Counts the key points that query and hit share under one change of view: finds the same"
        " printed thing, knows nothing of kinds of things."
    )
    score = "inliers"
    depth = 50
    sees = "key points"
    chance = CHANCE
    behind = "the encoder"
    """Whose order stands where no hit is verified."""

    def __init__(self, matcher: str = BRUTE) -> None:
        self.matcher = matcher
        if matcher != BRUTE:
            self.name = opt.join(self.name, {OPTION: matcher})
            self.title = f"{self.title}, {MATCHERS[matcher]}"
            self.about = f"{self.about} Looks for near descriptors in k-d trees."

    def fingerprint(self) -> dict:
        matched = {"chance": self.chance, "keypoints": causes(self.matcher)}
        return {**super().fingerprint(), **matched}

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        query = found.query_points()
        matches = match_all(query, found.points(found.rows.tolist()), self.matcher)
        inliers = np.array([one.score for one in matches])
        kept = np.where(inliers >= self.chance, inliers, 0)
        if kept.any():
            return kept, ""
        if len(query) < 2:
            return kept, f"{matches[0].reason} The order of {self.behind} stands."
        least = max(self.chance, MIN_MATCHES)
        return kept, (
            f"No hit shares {least} key points with the query under one change of view. The order"
            f" of {self.behind} stands."
        )


class Inliers(Geometric):
    """The same for an encoder whose own scores are inliers: each of them counts, for no other order
    stands behind it. It is no choice of a person's."""

    name = "inliers"
    title = "SIFT matching"
    chance = 0
    behind = "its vectors"


def _listed() -> list[str]:
    return [Geometric(FLANN).name]


def _find(name: str) -> Geometric | None:
    base, options = opt.split(name)
    if base != Geometric.name:
        return None
    opt.refuse_unknown(base, options, (OPTION,))
    return Geometric(opt.choice(base, OPTION, options.get(OPTION, BRUTE), MATCHERS))


rerankers.add(Geometric.name, Geometric)
rerankers.add_finder(_listed, _find)
