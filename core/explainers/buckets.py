"""Indexes that hash: the bits or minima of the two codes that collided."""

import numpy as np

from core.errors import UserError
from core.explainers.base import Bits, Encoding, Explainer, Explanation, Pair, explainers

MAX_SHOWN = 1024


class Buckets(Explainer):
    """Which bits of the codes are equal, and which whole bands: how the index found the hit."""

    name = "buckets"
    title = "Buckets"
    about = "Which bits and bands of the index collided. Only for searches through one that hashes."
    own = False

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return codes

    def explain(self, pair: Pair) -> Explanation:
        if pair.codes is None:
            raise UserError(
                "The search did not go through an index that hashes.",
                fix="Choose the index lsh, hamming or minhash.",
            )
        codes = pair.codes
        equal = codes.query == codes.hit
        facts = [(f"{codes.unit.capitalize()} that agree", f"{equal.sum()} of {equal.size}")]
        bands = None
        if codes.bands:
            used = equal[: codes.bands * codes.rows].reshape(codes.bands, codes.rows)
            bands = used.all(axis=1)
            facts.append(
                (f"Bands of {codes.rows} that collided", f"{bands.sum()} of {codes.bands}")
            )
        if codes.chance is not None:
            facts.append(("Chance to meet in some band", f"{100 * codes.chance:.1f} %"))
        binary = codes.query.dtype == bool
        return Explanation(
            self.name,
            _said(codes.index, bands, codes.unit),
            facts=tuple(facts),
            blocks=(
                Bits(
                    equal[:MAX_SHOWN],
                    bands,
                    codes.rows,
                    codes.query[:MAX_SHOWN] if binary else None,
                    codes.hit[:MAX_SHOWN] if binary else None,
                ),
            ),
        )


def _said(index: str, bands: np.ndarray | None, unit: str) -> str:
    if bands is None:
        return (
            f"The index {index} compares codes bit by bit: the more {unit} agree, the nearer. It"
            " says nothing of places on the picture."
        )
    if bands.any():
        return (
            f"The index {index} compares only pictures that share a whole band with the query. The"
            " marked bands are shared."
        )
    return f"No band is shared: by its bands alone the index {index} would not have found this."


explainers.add(Buckets.name, Buckets)
