"""Geometric verification: hits that show the same thing from another side come first."""

from __future__ import annotations

import numpy as np

from core.keypoints import match
from core.rerankers.base import Found, Reranker, rerankers

CHANCE = 8
"""Fewer inliers than this two unrelated pictures have too: they say nothing, and the order of the
encoder stands."""


class Geometric(Reranker):
    """SIFT key points of query and hit, and one homography between them (Philbin et al., CVPR
    2007): the score is the number of its inliers."""

    name = "geometric"
    title = "Geometric verification"
    about = (
        "Counts the key points that query and hit share under one change of view: finds the same"
        " printed thing, knows nothing of kinds of things."
    )
    score = "inliers"
    depth = 50
    sees = "key points"

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "chance": CHANCE}

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        query = found.query_points()
        matches = [match(query, points) for points in found.points(found.rows)]
        inliers = np.array([one.score for one in matches])
        kept = np.where(inliers >= CHANCE, inliers, 0)
        if kept.any():
            return kept, ""
        if len(query) < 2:
            return kept, f"{matches[0].reason} The order of the encoder stands."
        return kept, (
            f"No hit shares {CHANCE} key points with the query under one change of view. The order"
            " of the encoder stands."
        )


rerankers.add(Geometric.name, Geometric)
