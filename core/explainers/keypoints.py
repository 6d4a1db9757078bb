"""SIFT: matched key points as lines, and the words of VLAD that make the score."""

from typing import Protocol, cast

import numpy as np

from core.explainers.base import (
    Dots,
    Encoding,
    Explainer,
    Explanation,
    Lines,
    Map,
    Pair,
    explainers,
    scaled,
    share,
)
from core.keypoints import BRUTE, KeyPoints, match

GRID = 16
SPREAD = 0.05
"""How far a key point reaches on a map, in widths of the picture."""
STRONGEST = 5
"""Words whose key points are drawn."""


class Celled(Protocol):
    """An encoder that says to which word each key point falls, and how it differs from it."""

    def cells(self, image: np.ndarray) -> tuple[KeyPoints, np.ndarray, np.ndarray]: ...


class Words(Explainer):
    """The score of VLAD as a sum over words, and each word's part among its key points by how far
    their differences point along the word's sum."""

    name = "words"
    title = "Words of key points"
    about = "Which words of the codebook make the score, and the key points that fall to them."
    encoders = ("sift.vlad32",)

    def explain(self, pair: Pair) -> Explanation:
        (left, left_words, left_apart), (right, right_words, right_apart) = (
            cast(Celled, pair.encoder).cells(image) for image in pair.images
        )
        notes = tuple(
            f"The {name} has no key points: too smooth for SIFT."
            for name, points in (("query", left), ("hit", right))
            if not len(points)
        )
        if notes:
            return Explanation(self.name, "There is nothing to match.", notes=notes)
        count = int(max(left_words.max(), right_words.max())) + 1
        each = pair.vectors.reshape(2, -1, left_apart.shape[1])
        added = (each[0] * each[1]).sum(axis=1)
        order = [int(word) for word in np.argsort(-added)[:STRONGEST] if added[word] > 0]
        maps = [
            Map(scaled(_spread(points.places, _shares(words, apart, added))))
            for points, words, apart in (
                (left, left_words, left_apart),
                (right, right_words, right_apart),
            )
        ]
        names = tuple(
            f"Word {word + 1}: {share(added[word] / max(added.sum(), 1e-9))} of the score"
            for word in order
        )
        dots = Dots(
            left.places,
            right.places,
            _groups(left_words, order),
            _groups(right_words, order),
            names,
        )
        return Explanation(
            self.name,
            "Bright is where key points lie that belong to words in which both pictures differ from"
            " the codebook in the same way.",
            maps[0],
            maps[1],
            exact=True,
            facts=(
                ("Key points", f"{len(left)} and {len(right)}"),
                ("Words that add to the score", f"{(added > 0).sum()} of {max(count, len(added))}"),
                ("Sum over all words", f"{added.sum():.4f}"),
            ),
            blocks=(dots,),
        )


class MatchedPoints(Explainer):
    """Key points of the two pictures that pass the ratio test, and those that one homography
    explains (:mod:`core.keypoints`): whether the pictures show one and the same thing."""

    name = "matches"
    title = "Matched key points"
    about = "Which key points of the two pictures match, and which of these agree with one view."
    encoders = ("sift.vlad32",)

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return encoder.matches or super().applies(encoder, codes)

    def explain(self, pair: Pair) -> Explanation:
        left, right = pair.points
        found = match(left, right, pair.matcher or BRUTE)
        kept = found.inliers if len(found.inliers) else np.zeros(len(found.query), bool)
        here, there = left.places[found.query], right.places[found.hit]
        unsure = kept.any() or pair.matcher  # then only inliers make the score
        weights = np.where(kept, 1.0, 0.0 if unsure else 0.5)
        return Explanation(
            self.name,
            "A line joins key points that look alike; the strong lines agree with one view of one"
            f" thing. {_COUNTED[bool(pair.matcher)]}",
            Map(scaled(_spread(here, weights))),
            Map(scaled(_spread(there, weights))),
            facts=(
                ("Key points", f"{len(left)} and {len(right)}"),
                ("Matches by the ratio test", str(len(kept))),
                ("Inliers of one homography", str(int(kept.sum()))),
            ),
            notes=(found.reason,) if found.reason else (),
            blocks=(Lines(here, there, kept),),
        )


_COUNTED = {True: "The score is their number.", False: "The score of VLAD does not use them."}


def _shares(words: np.ndarray, apart: np.ndarray, added: np.ndarray) -> np.ndarray:
    """What each key point adds to the score, float64 (n,): they sum to ``added`` of each word."""
    sums = np.zeros((len(added), apart.shape[1]))
    np.add.at(sums, words, apart)
    along = (apart * sums[words]).sum(axis=1) / np.maximum((sums[words] ** 2).sum(axis=1), 1e-12)
    return along * added[words]


def _spread(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of places (n, 2) as a map (GRID, GRID), each under a Gaussian."""
    centres = (np.arange(GRID) + 0.5) / GRID
    across = np.exp(-((centres[None] - places[:, :1]) ** 2) / (2 * SPREAD**2))
    down = np.exp(-((centres[None] - places[:, 1:]) ** 2) / (2 * SPREAD**2))
    return np.einsum("n,nh,nw->hw", weights, down, across)


def _groups(words: np.ndarray, order: list[int]) -> np.ndarray:
    found = np.full(len(words), -1)
    for place, word in enumerate(order):
        found[words == word] = place
    return found


explainers.add(Words.name, Words)
explainers.add(MatchedPoints.name, MatchedPoints)
