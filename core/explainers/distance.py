"""Siamese and triplet networks: regions, and what their distance says in this gallery."""

from dataclasses import replace

import numpy as np

from core.explainers.base import Encoding, Explanation, Histogram, Pair, Pairs, explainers, share
from core.explainers.regions import Regions

BINS = 40
FARTHEST = 2.0
"""The distance of opposite unit vectors."""


class Distance(Regions):
    """Regions, and beside them the distance of the pair among the distances of this gallery's
    pairs, which is what these networks were trained to make."""

    name = "distance"
    title = "Regions and distance"
    about = (
        "Which regions match, and where the distance lies among pairs of the same and of different"
        " things."
    )

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return encoder.has_positions and encoder.family in ("siamese", "triplet")

    def explain(self, pair: Pair) -> Explanation:
        regions = replace(super().explain(pair), method=self.name)
        distance = float(np.sqrt(max(2.0 - 2.0 * pair.score, 0.0)))
        facts: tuple[tuple[str, str], ...] = (("Distance", f"{distance:.3f} of {FARTHEST:.0f}"),)
        known = pair.pairs()
        if isinstance(known, str):
            return replace(regions, facts=(*facts, *regions.facts), notes=(known,))
        chance = chance_same(known, distance)
        facts += ((f"Chance of {known.noun}", _chance_words(chance)),)
        if pair.threshold is not None:
            verdict = known.noun if distance < pair.threshold else "different"
            facts += (("The network's own threshold", f"{pair.threshold:.3f}: {verdict}"),)
        block = histogram(known, distance, pair.threshold)
        return replace(regions, facts=(*facts, *regions.facts), blocks=(block,))


def _chance_words(chance: float) -> str:
    """Sampled pairs can't tell how far beyond 99 in 100 a chance is."""
    return "over 99 %" if chance > 0.99 else "under 1 %" if chance < 0.01 else share(chance)


def histogram(known: Pairs, distance: float, threshold: float | None) -> Histogram:
    """Distances of the gallery's pairs in ``BINS`` bins from 0 to the largest."""
    most = max(distance, float(known.same.max()), float(known.different.max()), threshold or 0.0)
    edges = np.linspace(0.0, most * 1.001, BINS + 1)
    same, different = (
        np.histogram(values, edges)[0] / len(values) for values in (known.same, known.different)
    )
    return Histogram(edges, same, different, distance, threshold, known.noun)


def chance_same(known: Pairs, distance: float) -> float:
    """The share of the gallery's pairs about so far apart that are of the same: isotonic regression
    (Zadrozny and Elkan, KDD 2002) of same or not on the distance, each pair weighted by how many it
    stands for. 0..1, never rising with the distance."""
    from scipy.optimize import isotonic_regression  # sklearn's takes four times as long to import

    distances = np.concatenate([known.same, known.different])
    truth = np.repeat([1.0, 0.0], [len(known.same), len(known.different)])
    weights = np.repeat(known.weights, [len(known.same), len(known.different)])
    places, which = np.unique(distances, return_inverse=True)
    whole = np.bincount(which, weights)
    shares = np.bincount(which, weights * truth) / whole
    curve = isotonic_regression(shares, weights=whole, increasing=False).x
    return float(np.interp(distance, places, curve))


explainers.add(Distance.name, Distance)
