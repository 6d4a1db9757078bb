"""Choose HOG's window and power on training pictures alone: ``LOOKALIKE_DATA=... python
tools/choose_hog.py``; Markdown out.

Four searches, none with a picture of a test split and none of eth80: clothing (validation pictures
search the train split),
cats and dogs (every second picture of the train split searches the others), and the catalogue's
training products (the same product; another product of the same category). For each setting the mAP
of each search is divided by that of plain HOG (no window, square root), and the mean of the four
ratios decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.encoders import hog
from core.encoders.base import unit_rows
from core.images import decode_file
from core.metrics.ranked import rank
from core.metrics.table import average_precision
from core.services.library import library

WINDOWS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, np.inf)
POWERS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PLAIN = (np.inf, 0.5)
BLOCK = 256


class Search:
    """Cells of pictures, who asks whom, and what is right."""

    def __init__(
        self, name: str, cells: np.ndarray, asks: np.ndarray, right: np.ndarray, junk: np.ndarray
    ) -> None:
        self.name, self.cells, self.asks, self.right, self.junk = name, cells, asks, right, junk

    def mean_ap(self, window: float, power: float) -> float:
        """mAP with a Gaussian window of so many half widths (inf: none) and this power."""
        vectors = unit_rows((self.cells * hog._window(window)) ** power)
        found = []
        for start in range(0, len(self.asks), BLOCK):
            rows = slice(start, start + BLOCK)
            scores = vectors[self.asks[rows]] @ vectors.T
            found.append(
                average_precision(
                    rank(scores, self.right[rows] & ~self.junk[rows], self.junk[rows])
                )
            )
        return float(np.nanmean(np.concatenate(found)))


def cells_of(files: Sequence[Path]) -> np.ndarray:
    encoder = hog.HOG()
    return np.stack([encoder.prepare(decode_file(file, encoder.side)) for file in files])


def labelled(name: str, files: Sequence[Path], asking: np.ndarray) -> Search:
    """The pictures where ``asking`` search those where it is not; right is the same folder."""
    labels, asks = np.array([file.parent.name for file in files]), np.flatnonzero(asking)
    junk = np.repeat(asking[None], len(asks), axis=0)
    return Search(name, cells_of(files), asks, labels[asks][:, None] == labels, junk)


def photographs(root: Path) -> list[Search]:
    parts = {
        split: sorted((root / "clothing" / split).glob("*/*")) for split in ("train", "validation")
    }
    asking = np.arange(len(parts["train"]) + len(parts["validation"])) >= len(parts["train"])
    pets = sorted((root / "cats_dogs" / "train").glob("*/*"))
    return [
        labelled("clothing", [*parts["train"], *parts["validation"]], asking),
        labelled("cats and dogs", pets, np.arange(len(pets)) % 2 == 1),
    ]


def products() -> list[Search]:
    """The catalogue's training products: each picture searches all others."""
    items = [item for item in library.open_dataset("catalogue").items if item.split == "train"]
    cells, asks = cells_of([Path(item.path) for item in items]), np.arange(len(items))
    objects, kinds = (
        np.array([getattr(item, name) for item in items]) for name in ("instance", "category")
    )
    own = objects[:, None] == objects
    return [
        Search("product", cells, asks, own, asks[:, None] == asks),
        Search("category", cells, asks, kinds[:, None] == kinds, own),
    ]


def main() -> None:
    searches = [
        *photographs(Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data")),
        *products(),
    ]
    plain = [search.mean_ap(*PLAIN) for search in searches]
    rows = []
    for window in WINDOWS:
        for power in POWERS:
            found = [search.mean_ap(window, power) for search in searches]
            rows.append((float(np.mean(np.divide(found, plain))), window, power, found))
        print(f"window {window}: done", file=sys.stderr)
    used = (hog._window.__defaults__[0], hog.POWER)
    print(
        f"| window | power | {' | '.join(search.name for search in searches)} | mean ratio to"
        " plain | |"
    )
    print("|---" * (len(searches) + 4) + "|")
    for ratio, window, power, found in sorted(rows, key=lambda row: -row[0]):
        mark = "used" if (window, power) == used else "plain" if (window, power) == PLAIN else ""
        values = " | ".join(f"{value:.4f}" for value in found)
        print(
            f"| {'none' if window == np.inf else window} | {power} | {values} | {ratio:.4f} |"
            f" {mark} |"
        )


if __name__ == "__main__":
    main()
