"""Builds: from a dataset and encoder names to embeddings and an index, everything from the cache where it exists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services import embed, galleries
from core.services.ready import ready_encoder
from core.types import Progress


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: rows and pictures passed over, how many were encoded now, and the seconds that it took."""

    dataset: str
    encoder: str
    index: str
    pictures: int
    skipped: int
    encoded: int
    seconds: float
    path: Path


def build(
    dataset: Dataset, names: Sequence[str], index: str = "exact", progress: Progress | None = None, **knobs: float
) -> list[Built]:
    """Embed ``dataset`` by each encoder (one pass over the pictures for all of them), then build ``index`` over its gallery.

    Raises:
        UserError: an unknown name, weights that can't be had, pictures that can't be used.
        Cancelled: ``progress`` said stop; finished parts are kept.
    """
    started = time.perf_counter()
    made = [ready_encoder(dataset, name, progress) for name in dict.fromkeys(names)]
    before = {encoder.name: embed.pending(dataset, encoder) for encoder in made if _own(encoder)}
    embed.embed(dataset, [encoder for encoder in made if _own(encoder)], progress)
    return [_result(dataset, encoder, index, before.get(encoder.name, 0), started, knobs) for encoder in made]


def is_built(dataset: Dataset, name: str) -> bool:
    """Whether a search needs no build first."""
    try:
        encoder = ready_encoder(dataset, name, may_fit=False, load=False)
        return encoder.state().kind == "ready" and embed.find(dataset, encoder) is not None
    except UserError:
        return False


def _own(encoder: Encoder) -> bool:
    return encoder.base is None and encoder.tier != "imported"


def _result(dataset: Dataset, encoder: Encoder, index: str, encoded: int, started: float, knobs: dict) -> Built:
    path = _derived(dataset, encoder)
    galleries.gallery_index(dataset, encoder, index, **knobs)
    meta = store.read_meta(path) or {}
    seconds = time.perf_counter() - started
    return Built(dataset.name, encoder.name, index, meta["pictures"], meta["skipped"], encoded, seconds, path)


def _derived(dataset: Dataset, encoder: Encoder) -> Path:
    """The embeddings' folder; those that follow from others are made here."""
    if encoder.tier == "imported":
        return embed.attach(dataset, encoder)
    if encoder.base is None:
        return embed.find(dataset, encoder)
    base = ready_encoder(dataset, encoder.base)
    embed.embed(dataset, [base])
    return embed.derive(dataset, encoder, embed.read(dataset, base), embed.find(dataset, base))


