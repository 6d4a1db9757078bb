"""Training pictures, decoded once to squares of bytes: on two cores decoding would cost more than
learning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.images import decode, resize
from core.types import Item, Progress, report

KIND = "pictures"
SLACK = 1.5
"""Kept larger than the network's input by this factor where the source allows, so that crops stay
sharp; never larger than the pictures are: a crop is stretched when it is shown."""
STEP = 16


def kept_side(dataset: Dataset, items: Sequence[Item], size: int) -> int:
    """Side at which the pictures of a dataset are kept: ``SLACK`` times the input, yet no larger
    than its pictures are."""
    wanted = int(size * SLACK)
    for item in items[:20]:
        try:
            return max(16, min(wanted, min(decode(dataset.read(item)).shape[:2])))
        except UserError:
            continue
    return wanted


def cached_pictures(
    dataset: Dataset, items: Sequence[Item], size: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Squares of all readable ``items``, memory-mapped from the cache.

    Returns:
        uint8 (n, side, side, 3), the whole picture squeezed into the square, and int64 (n,): the
        item of each.

    Raises:
        UserError: the disk is full, or no picture can be decoded.
    """
    side = kept_side(dataset, items, size)
    causes = {
        "dataset": dataset.fingerprint(),
        "items": store.fingerprint([item.id for item in items]),
        "side": side,
    }
    store.check_space(store.root(), len(items) * side * side * 3 + (64 << 20))
    return store.kept(
        KIND, causes, lambda path: _write(path, dataset, items, side, progress), _read, progress
    )


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    pictures, rows = np.load(folder / "pictures.npy", mmap_mode="r"), np.load(folder / "rows.npy")
    if pictures.ndim != 4 or rows.shape != pictures.shape[:1]:
        raise ValueError(f"pictures {pictures.shape} for rows {rows.shape}")
    return pictures, rows


def _write(
    folder: Path, dataset: Dataset, items: Sequence[Item], side: int, progress: Progress | None
) -> dict:
    out = np.lib.format.open_memmap(
        folder / "all.npy", mode="w+", dtype=np.uint8, shape=(len(items), side, side, 3)
    )
    rows: list = []
    for number, item in enumerate(items):
        if number % STEP == 0:
            report(progress, number, len(items))
        try:
            out[len(rows)] = resize(decode(dataset.read(item), side), side, side)
            rows.append(number)
        except UserError:
            continue
    report(progress, len(items), len(items))
    if not rows:
        raise UserError(
            f"None of the {len(items)} pictures of {dataset.title or dataset.name} can be decoded."
        )
    out.flush()
    _keep_first(folder, out, len(rows))
    np.save(folder / "rows.npy", np.array(rows, np.int64))
    return {"dataset_name": dataset.name, "pictures": len(rows), "skipped": len(items) - len(rows)}


def _keep_first(folder: Path, out: np.ndarray, count: int) -> None:
    """Rename where every picture was readable; copy the good ones where not."""
    if count == len(out):
        (folder / "all.npy").rename(folder / "pictures.npy")
        return
    np.save(folder / "pictures.npy", out[:count])
    (folder / "all.npy").unlink()
