"""Covering a part of a picture: what the occlusion map and the deletion test both do.

A cover has the median colour of the picture's edge: on a plain ground it takes things away and adds
nothing.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.explainers.base import Edges, Map, Pair

SHARE = 0.2
"""Of what the encoder sees of the hit, this share is covered in the deletion test."""
RANDOM = 8
"""Random covers that the marked one is compared with."""
FINE = 40
"""Cells on a side of the grid on which the marked share is chosen."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whether a map is right about the hit: how far the score falls when its marked fifth is
    covered, against the mean fall for ``RANDOM`` covers of the same shape elsewhere. ``unit``: what
    is counted, where it is no cosine."""

    marked: float
    random: float
    unit: str = ""

    @property
    def better(self) -> bool:
        """Whether the marked fifth counts for more than a random one."""
        return self.marked > self.random

    @property
    def words(self) -> str:
        """The result as a sentence or two."""
        said = (
            f"Covering the marked fifth of the hit {self._change(self.marked)}, a random fifth of"
            f" the same shape {self._change(self.random)} (mean of {RANDOM})."
        )
        if self.better:
            return said
        return f"{said} For this pair the map does no better than chance: do not rely on it."

    def _change(self, fall: float) -> str:
        figure = f"{abs(fall):.1f} {self.unit}" if self.unit else f"{abs(fall):.3f}"
        if not any(digit in figure for digit in "123456789"):
            return "leaves the score as it is"
        return f"{'lowers' if fall > 0 else 'raises'} the score by {figure}"


def deletion(pair: Pair, marked: Map) -> Deletion | None:
    """The deletion test (Petsiuk, Das and Saenko, RISE, BMVC 2018) of a map of the hit; None where
    it marks nothing. The random covers are the marked one, moved round and mirrored: same size,
    same shape, seeded."""
    if marked.empty:
        return None
    cover = fifth(marked.values)
    draw = np.random.default_rng(SEED)
    covers = [cover, *(_elsewhere(cover, draw) for _ in range(RANDOM))]
    hit = pair.copies[1]
    scores = pair.scores(0, [hit, *(covered(hit, one, marked.box) for one in covers)])
    falls = scores[0] - scores[1:]
    return Deletion(float(falls[0]), float(falls[1:].mean()), pair.unit)


def fifth(values: np.ndarray) -> np.ndarray:
    """bool (FINE, FINE): the fifth of a map where it is largest, on a fine grid. Where fewer cells
    have any value, those beside them fill it up."""
    fine = np.asarray(
        Image.fromarray(np.asarray(values, np.float32), mode="F").resize(
            (FINE, FINE), Image.Resampling.BILINEAR
        )
    )
    near = np.asarray(
        Image.fromarray(np.asarray(values, np.float32), mode="F")
        .resize((3, 3), Image.Resampling.BILINEAR)
        .resize((FINE, FINE), Image.Resampling.BILINEAR)
    )
    order = np.lexsort((-near.ravel(), -fine.ravel()))
    cover = np.zeros(FINE * FINE, bool)
    cover[order[: round(SHARE * FINE * FINE)]] = True
    return cover.reshape(FINE, FINE)


def _elsewhere(cover: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    moved = np.roll(cover, tuple(draw.integers(0, FINE, 2)), axis=(0, 1))
    return moved[:, ::-1] if draw.integers(2) else moved


def covered(image: np.ndarray, cover: np.ndarray, box: Edges) -> np.ndarray:
    """A picture with the cells ``cover`` (bool (h, w), over ``box``) in its edge's colour."""
    made = image.copy()
    top, left, rows, columns = pixels(image, cover.shape, box)
    mask = cover[np.ix_(rows, columns)]
    made[top : top + len(rows), left : left + len(columns)][mask] = ground(image)
    return made


def pixels(
    image: np.ndarray, cells: tuple[int, int], box: Edges
) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Where the part ``box`` of a picture lies: its top and left, and for each row and column of
    pixels the cell of a grid over it."""
    found = []
    for length, first, last, count in (
        (image.shape[0], box[1], box[3], cells[0]),
        (image.shape[1], box[0], box[2], cells[1]),
    ):
        at = (np.arange(length) + 0.5) / length
        inside = np.flatnonzero((at >= first) & (at < last))
        cell = ((at[inside] - first) / (last - first) * count).astype(int)
        found.append((int(inside[0]), np.clip(cell, 0, count - 1)))
    (top, rows), (left, columns) = found
    return top, left, rows, columns


def ground(image: np.ndarray) -> np.ndarray:
    """The median colour of a picture's edge, uint8 (3,)."""
    deep = max(1, min(image.shape[:2]) // 32)
    edge = [image[:deep], image[-deep:], image[:, :deep], image[:, -deep:]]
    return np.median(np.concatenate([one.reshape(-1, 3) for one in edge]), axis=0).astype(np.uint8)
