"""Regions: which positions of the query make the score together with which positions of the hit."""

from dataclasses import replace

import numpy as np

from core.explainers.base import (
    Encoding,
    Explainer,
    Explanation,
    Links,
    Map,
    Pair,
    explainers,
    scaled,
    share,
)
from core.types import Positions

MAX_LINKED = 10
"""Cells on a side of the grid on which pairs of positions are told; finer ones are joined."""


OTHERS = ("autoencoder", "siamese", "triplet")
"""Families of networks that are explained by regions and by something of their own."""


class Regions(Explainer):
    """The cosine as a sum over pairs of positions (Stylianou, Souvenir and Pless, Visualizing deep
    similarity networks, WACV 2019), where the network's pooling is a sum; the similarity of patch
    features otherwise."""

    name = "regions"
    title = "Regions"
    about = "Which regions of the query match which regions of the hit."

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return encoder.has_positions and encoder.family not in OTHERS

    def explain(self, pair: Pair) -> Explanation:
        found = pair.encoder.positions(pair.images)
        if found is None:
            return Explanation(
                self.name,
                "The features of this network lie on no grid over the picture.",
                notes=("Occlusion shows what counts.",),
            )
        made = _summed(pair, *found) if found[0].exact else _compared(pair, *found)
        missed = getattr(pair.encoder, "missed", None)
        falls = missed(pair.images, pair.vectors[::-1]) if missed else None
        return made if falls is None else _attending(pair, made, falls)


def _summed(pair: Pair, query: Positions, hit: Positions) -> Explanation:
    left, right = unit(query.parts), unit(hit.parts)
    whole = float(left.sum(axis=(0, 1)) @ right.sum(axis=(0, 1)))
    maps = [left @ right.sum(axis=(0, 1)), right @ left.sum(axis=(0, 1))]
    pairs = matrix(left, right)
    best = np.unravel_index(pairs.values.argmax(), pairs.values.shape)
    return Explanation(
        Regions.name,
        "The score is the sum over all pairs of a region here and a region there. Bright regions"
        " add most of it.",
        _map(pair, maps, 0),
        _map(pair, maps, 1),
        pairs,
        True,
        (
            ("Sum of all pairs of regions", f"{whole:.4f}"),
            ("The strongest pair adds", share(float(pairs.values[best]) / max(whole, 1e-9))),
            ("Pooling", query.how),
        ),
    )


def _compared(pair: Pair, query: Positions, hit: Positions) -> Explanation:
    left, right = _direction(query.parts), _direction(hit.parts)
    mean = np.concatenate([left.reshape(-1, left.shape[2]), right.reshape(-1, right.shape[2])])
    left, right = (_direction(one - mean.mean(axis=0)) for one in (left, right))
    pairs = left.reshape(-1, left.shape[2]) @ right.reshape(-1, right.shape[2]).T
    maps = [pairs.max(axis=1).reshape(left.shape[:2]), pairs.max(axis=0).reshape(right.shape[:2])]
    small = Links(
        _joined(_joined(pairs, left.shape[:2]).T, right.shape[:2]).T,
        _linked(left.shape[:2]),
        _linked(right.shape[:2]),
    )
    return Explanation(
        Regions.name,
        "Bright regions have a patch much like them in the other picture. The score is not made of"
        " these similarities.",
        _map(pair, maps, 0),
        _map(pair, maps, 1),
        small,
        False,
        (("Pooling", query.how),),
    )


def _attending(pair: Pair, made: Explanation, falls: np.ndarray) -> Explanation:
    """Of a network whose positions all know of one another: the maps are what it would miss of each
    place, for the part that a position adds says little of what lies there."""
    return replace(
        made,
        about="Bright regions are what the score would miss: the network is run without the nine"
        " patches round each place. The sum over pairs of positions says less here: each position"
        " has seen the whole picture.",
        query=_map(pair, list(falls), 0),
        hit=_map(pair, list(falls), 1),
    )


def unit(parts: np.ndarray) -> np.ndarray:
    """Parts (h, w, dim) of the unit vector: float64, their sum has length 1."""
    parts = parts.astype(np.float64)
    return parts / max(np.linalg.norm(parts.sum(axis=(0, 1))), 1e-12)


def matrix(left: np.ndarray, right: np.ndarray) -> Links:
    """What pairs of positions add to the cosine, on grids of at most ``MAX_LINKED`` a side."""
    small = [
        _joined(one.reshape(-1, one.shape[2]), one.shape[:2], sums=True) for one in (left, right)
    ]
    return Links(
        (small[0] @ small[1].T).astype(np.float32),
        _linked(left.shape[:2]),
        _linked(right.shape[:2]),
    )


def _linked(grid: tuple[int, int]) -> tuple[int, int]:
    return min(grid[0], MAX_LINKED), min(grid[1], MAX_LINKED)


def _joined(rows: np.ndarray, grid: tuple[int, int], sums: bool = False) -> np.ndarray:
    """Rows (h x w, c) of a grid, on a grid of at most ``MAX_LINKED`` a side: sums, or means."""
    small = _linked(grid)
    if small == tuple(grid):
        return rows
    moved = rows.reshape(*grid, -1)
    for axis in (0, 1):
        parts = np.array_split(moved, small[axis], axis=axis)
        joined = [part.sum(axis=axis) if sums else part.mean(axis=axis) for part in parts]
        moved = np.stack(joined, axis=axis)
    return moved.reshape(-1, rows.shape[1])


def _direction(parts: np.ndarray) -> np.ndarray:
    parts = parts.astype(np.float64)
    return parts / np.maximum(np.linalg.norm(parts, axis=2, keepdims=True), 1e-12)


def _map(pair: Pair, values: list[np.ndarray], side: int) -> Map:
    return Map(scaled(values[side]), pair.seen[side])


explainers.add(Regions.name, Regions)
