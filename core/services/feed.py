"""Pictures from a dataset, decoded and prepared in worker processes while the network runs in this one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import decode
from core.types import Item

SMALL = 96
"""Below this many pictures worker processes cost more than they save."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One picture ready for several encoders: ``arrays`` by encoder position, or the reason why there are none."""

    item: Item
    arrays: tuple[np.ndarray, ...] = ()
    reason: str = ""


def prepare_one(dataset: Dataset, item: Item, preparers: Sequence[Encoder]) -> Prepared:
    """Read, decode and prepare a picture; a broken one comes back with its reason instead of raising."""
    try:
        data = dataset.read(item)
        # An encoder must see the same pixels whichever others share the pass: one decoding for each wanted size.
        decoded = {side: decode(data, side) for side in {encoder.side for encoder in preparers}}
        return Prepared(item, tuple(encoder.prepare(decoded[encoder.side]) for encoder in preparers))
    except UserError as error:
        return Prepared(item, reason=str(error))


def feed(dataset: Dataset, items: Sequence[Item], preparers: Sequence[Encoder], batch: int) -> Iterator[list[Prepared]]:
    """Batches of prepared pictures in the order of ``items``; memory does not depend on how many there are."""
    if len(items) < SMALL:
        for start in range(0, len(items), batch):
            yield [prepare_one(dataset, item, preparers) for item in items[start : start + batch]]
        return
    yield from _parallel(dataset, items, preparers, batch)


def _parallel(dataset: Dataset, items: Sequence[Item], preparers: Sequence[Encoder], batch: int) -> Iterator[list[Prepared]]:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Pictures(dataset, items, preparers),
        batch_size=batch,
        num_workers=max(1, min(os.cpu_count() or 1, 8)),
        prefetch_factor=2,
        collate_fn=list,
        multiprocessing_context="fork" if hasattr(os, "fork") else "spawn",
    )
    yield from loader


class _Pictures:
    """Map-style dataset for torch's DataLoader."""

    def __init__(self, dataset: Dataset, items: Sequence[Item], preparers: Sequence[Encoder]) -> None:
        self.dataset, self.items, self.preparers = dataset, items, preparers

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Prepared:
        return prepare_one(self.dataset, self.items[row], self.preparers)
