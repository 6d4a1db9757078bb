"""What a build will cost, and what is missing for it, before it starts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.services import embed, fits
from core.services.feed import prepare_one
from core.services.ready import ready_encoder

PROBE = 8
PROBE_S = 3.0
BASE_RAM = 450 << 20
"""Resident bytes of the interpreter with the numerical libraries loaded, measured."""
ITEM_RAM = 1200
"""Resident bytes of one listed picture, measured."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A build before it starts. ``seconds`` is None where nothing was measured yet; ``missing`` says what stands in the way."""

    pictures: int
    to_encode: int
    seconds: float | None
    ram_bytes: int
    disk_bytes: int
    download_bytes: int
    missing: tuple[str, ...]
    basis: str
    """Where ``seconds`` comes from."""


def estimate(dataset: Dataset, name: str) -> Estimate:
    """Time, memory, disk and download of building ``name`` on ``dataset``.

    Raises:
        UserError: unknown name.
    """
    encoder = encoders.get(name)
    state = encoder.state()
    pictures, dim = len(dataset.items), max(encoder.dim, 1)
    to_encode = pictures if state.kind != "ready" else _pending(dataset, encoder)
    disk = 2 * 4 * dim * pictures
    per_picture, basis = _seconds_each(dataset, encoder) if to_encode and state.kind == "ready" else (None, "")
    return Estimate(
        pictures=pictures,
        to_encode=to_encode,
        seconds=0.0 if not to_encode else (None if per_picture is None else per_picture * to_encode),
        ram_bytes=BASE_RAM + 2 * state.bytes + ITEM_RAM * pictures + 4 * dim * pictures,
        disk_bytes=disk if to_encode else 0,
        download_bytes=state.bytes if state.kind == "download" else 0,
        missing=_missing(state.kind, state.detail, disk + state.bytes if to_encode else 0),
        basis=basis,
    )


def _pending(dataset: Dataset, encoder: Encoder) -> int:
    try:
        found = ready_encoder(dataset, encoder.name, may_fit=False, load=False)
        if found.base is not None:
            base = encoders.get(found.base)
            return 0 if embed.find(dataset, found) is not None else _pending(dataset, base)
        return embed.pending(dataset, found)
    except UserError:
        return len(dataset.items)


def _seconds_each(dataset: Dataset, encoder: Encoder) -> tuple[float | None, str]:
    """Seconds a picture: from an earlier build by this encoder, else from encoding a few pictures now."""
    for entry in store.entries(embed.KIND):
        meta = entry.meta
        if meta.get("encoder_name") == encoder.name and meta.get("encoded", 0) >= 200 and meta.get("encode_s"):
            return meta["encode_s"] / meta["encoded"], f"an earlier build of {meta['encoded']} pictures"
    if not encoder.fitted:
        return None, "not known before it is fitted"
    return _probe(dataset, encoder)


def _probe(dataset: Dataset, encoder: Encoder) -> tuple[float | None, str]:
    encoder.load()
    encoder.encode([np.full((64, 64, 3), 127, np.uint8)])
    started, count = time.perf_counter(), 0
    for item in fits.sample_items(dataset.items, PROBE):
        one = prepare_one(dataset, item, [encoder])
        if one.arrays:
            encoder.encode_prepared([one.arrays[0]])
            count += 1
        if time.perf_counter() - started > PROBE_S:
            break
    if not count:
        return None, "none of the pictures tried could be decoded"
    each = (time.perf_counter() - started) / count
    return each / max(1.0, 0.75 * (os.cpu_count() or 1)), f"encoding {count} pictures just now"


def _missing(kind: str, detail: str, disk: int) -> tuple[str, ...]:
    found = []
    if kind == "unavailable":
        found.append(detail)
    try:
        root = store.root()
        root.mkdir(parents=True, exist_ok=True)
        store.check_space(root, disk + (64 << 20))
    except (UserError, OSError) as error:
        found.append(str(error))
    return tuple(found)
