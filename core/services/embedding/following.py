"""Indexes of a gallery that changed: what was built for it before serves again where that is
possible.

An index that can follow keeps the key of the picture in each of its rows, so that it needs nothing
of the embeddings that it was built from.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.indexes.base import Index
from core.services.embedding import embed
from core.services.embedding.shards import key_of
from core.types import Embeddings

log = logging.getLogger(__name__)
KEYS = embed.INDEX_KEYS
OF_THE_GALLERY = ("dataset", "splits")
"""The causes of an index that a picture changes which comes or goes."""


def keys_of(dataset: Dataset, found: Embeddings, rows: np.ndarray) -> np.ndarray:
    """uint64 (n, 2): which state of which picture stands in each of ``rows`` int64 (n,) of
    embeddings."""
    items = embed.item_rows(dataset, found)
    held = b"".join(bytes.fromhex(key_of(items[row])) for row in rows)
    return np.frombuffer(held, np.uint64).reshape(-1, 2)


def follow(
    index: Index,
    candidates: list[Path],
    keys: np.ndarray,
    vectors: np.ndarray,
    knobs: Mapping[str, float],
) -> bool:
    """Whether ``index`` became the one over ``vectors`` (n, dim) of the pictures ``keys`` by taking
    over one of the ``candidates`` (:func:`earlier`); else it is to be built."""
    for path in candidates:
        try:
            place = places(np.load(path / KEYS, allow_pickle=False), keys)
            if index.follow(path, place, vectors, **knobs):
                return True
        except (RuntimeError, UserError, *store.UNREADABLE) as error:
            log.warning("the index in %s can't be taken over: %s", path, error)
    return False


def earlier(dataset: Dataset, encoder: Encoder, causes: dict) -> list[Path]:
    """Sound indexes of this source that differ from the one with these causes in the gallery alone,
    newest first."""
    wanted, found = _without_gallery(causes), []
    for path, meta in embed.of_source(embed.INDEXES, dataset, encoder):
        own = meta.get("causes") or {}
        if _without_gallery(own) == wanted and (path / KEYS).exists() and store.sound(path):
            found.append((float(meta.get("built") or 0.0), path))
    return [path for _, path in sorted(found, reverse=True)]


def left(dataset: Dataset, encoder: Encoder) -> list[tuple[str, str, dict]]:
    """``(key, index, knobs)`` of what is left of an earlier gallery and has not followed yet; the
    name is empty where its vectors were made otherwise."""
    now, own = store.key(embed.causes(dataset, encoder)), encoder.fingerprint()
    found = []
    for path, meta in embed.of_source(embed.INDEXES, dataset, encoder):
        causes = meta.get("causes") or {}
        if meta.get("embeddings") != now and (path / KEYS).exists():
            serves = store.fingerprint(causes.get("encoder")) == store.fingerprint(own)
            found.append((path.name, causes["index"] if serves else "", causes.get("knobs", {})))
    return found


def _without_gallery(causes: dict) -> str:
    kept = {name: value for name, value in causes.items() if name not in OF_THE_GALLERY}
    return store.fingerprint(kept)


def places(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """int64 (rows before): the row among the keys ``now`` (n, 2) of each of those ``before``, -1
    where it is gone."""
    row_of = {tuple(key): row for row, key in enumerate(now.tolist())}
    return np.array([row_of.get(tuple(key), -1) for key in before.tolist()], np.int64)
