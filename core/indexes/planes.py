"""Vectors to bits: on which side of each of several planes a vector lies.

Random planes (Charikar, Similarity estimation techniques from rounding algorithms, 2002): a bit of
two vectors agrees with the probability 1 - angle / pi, whatever the data.

Learned planes (Gong and Lazebnik, Iterative quantization, 2011): centre, turn to the principal
axes, and then rotate so that the vectors lie near the corners of a cube, where rounding to bits
costs least. One rotation gives at most as many bits as there are axes; more bits come from further
rotations with another start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from core.device import blas_on_one_core
from core.indexes.base import Unreadable
from core.types import Progress, report

ROUNDS = 50
SAMPLE = 20_000
SEED = 1


@dataclass(frozen=True, slots=True)
class Planes:
    """``normals`` and ``centre`` float32: bit j of v is ``(v - centre) . normals[:, j] > 0``."""

    normals: np.ndarray
    centre: np.ndarray

    @property
    def count(self) -> int:
        return self.normals.shape[1]

    def bits(self, vectors: np.ndarray) -> np.ndarray:
        """bool (n, bits)."""
        return (np.asarray(vectors, np.float32) - self.centre) @ self.normals > 0

    def codes(self, vectors: np.ndarray) -> np.ndarray:
        """The bits packed, uint8 (n, bits / 8)."""
        return np.packbits(self.bits(vectors), axis=1)

    def save(self, folder: Path) -> None:
        np.savez(folder / "planes.npz", normals=self.normals, centre=self.centre)

    @staticmethod
    def load(folder: Path, dim: int) -> Planes:
        try:
            with np.load(folder / "planes.npz", allow_pickle=False) as arrays:
                planes = Planes(arrays["normals"], arrays["centre"])
        except (BadZipFile, EOFError, KeyError, ValueError) as error:
            raise Unreadable(folder) from error
        if (
            planes.normals.ndim != 2
            or planes.normals.shape[0] != dim
            or planes.centre.shape != (dim,)
        ):
            raise Unreadable(folder)
        return planes

    @property
    def nbytes(self) -> int:
        return self.normals.nbytes + self.centre.nbytes


def random_planes(dim: int, bits: int) -> Planes:
    """Planes through the origin in directions that favour none; the same for everyone."""
    normals = np.random.default_rng(SEED).standard_normal((dim, bits)).astype(np.float32)
    return Planes(normals, np.zeros(dim, np.float32))


def own_planes(dim: int) -> Planes:
    """The signs of the numbers themselves: for vectors that are bits already."""
    return Planes(np.eye(dim, dtype=np.float32), np.zeros(dim, np.float32))


def learned_planes(vectors: np.ndarray, bits: int, progress: Progress | None = None) -> Planes:
    """Planes fitted to unit vectors (n, dim), by at most ``SAMPLE`` of them. It takes seconds:
    ``progress`` is asked all the time whether to stop, and counts none of the vectors as done."""
    with blas_on_one_core():
        return _learned(vectors, bits, progress)


def _learned(vectors: np.ndarray, bits: int, progress: Progress | None) -> Planes:
    sample = np.asarray(vectors[:: -(-len(vectors) // SAMPLE)], np.float64)
    centre = sample.mean(axis=0)
    centred = sample - centre
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    known = max(1, int(np.count_nonzero(spread > 1e-6 * max(spread[0], 1e-12))))
    axes = axes[: min(known, bits)].T
    projected, random = centred @ axes, np.random.default_rng(SEED)
    turns, left = [], bits
    while left > 0:
        turns.append(
            _rotation(projected, random, lambda: report(progress, 0, len(vectors)))[:, :left]
        )
        left -= turns[-1].shape[1]
    return Planes(
        (axes @ np.concatenate(turns, axis=1)).astype(np.float32), centre.astype(np.float32)
    )


def _rotation(
    projected: np.ndarray, random: np.random.Generator, step: Callable[[], None]
) -> np.ndarray:
    """The rotation (c, c) of rows (n, c) to the corners of a cube, from a random start."""
    turn, _ = np.linalg.qr(random.standard_normal((projected.shape[1], projected.shape[1])))
    for _ in range(ROUNDS):
        step()
        corners = np.where(projected @ turn > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(projected.T @ corners, full_matrices=False)
        turn = left @ right
    return turn


def are_bits(vectors: np.ndarray) -> bool:
    """Whether all are +c or -c, as of an encoder that gives bits, and fill whole bytes."""
    if vectors.shape[1] % 8 or not vectors[0, 0]:
        return False
    size = abs(vectors[0, 0])
    return all(
        bool((np.abs(vectors[start : start + 4096]) == size).all())
        for start in range(0, len(vectors), 4096)
    )
