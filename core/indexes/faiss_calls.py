"""How :mod:`core.indexes.faiss` speaks to the library: training, parameters, files, errors."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.disk import os_error
from core.faiss_loader import faiss
from core.indexes.base import Unreadable
from core.neighbours import rank, slack
from core.types import Hits

TRAIN_MOST = 65_536
MORE = 16
"""So many rows more than hits are fetched of an exact search: seldom can float32 not tell the last
hit from the last of them."""
KINDS = {"efSearch": "SearchParametersHNSW", "nprobe": "SearchParametersIVF"}
"""Which parameters of faiss hold a search knob."""


def sample(vectors: np.ndarray) -> np.ndarray:
    """At most ``TRAIN_MOST`` rows, evenly spread, to train on."""
    return np.ascontiguousarray(vectors[:: -(-len(vectors) // TRAIN_MOST)], dtype=np.float32)


def quiet(index: Any) -> None:
    """Let k-means take few points without faiss's warning below 39 for each centroid."""
    for trained in (index, getattr(index, "pq", None)):
        if trained is not None and hasattr(trained, "cp"):
            trained.cp.min_points_per_centroid = 1


def selector(mask: np.ndarray) -> Any:
    """A mask bool (n,) as what faiss takes to look at these rows alone."""
    return faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def parameters(knobs: Mapping[str, float], mask: np.ndarray | None = None) -> Any:
    """Search knobs and a mask as an object of one call: a shared index is never changed."""
    knob = next((name for name in KINDS if name in knobs), "")
    if mask is None:
        return _unmasked(knob, knobs[knob]) if knob else None
    chosen = {knob: knobs[knob]} if knob else {}
    return getattr(faiss(), KINDS.get(knob, "SearchParameters"))(**chosen, sel=selector(mask))


@lru_cache(maxsize=64)
def _unmasked(knob: str, value: int) -> Any:
    """The object for one knob: a search only reads it, so calls may share it."""
    return getattr(faiss(), KINDS[knob])(**{knob: value})


def all_best(index: Any, queries: np.ndarray, k: int) -> np.ndarray:
    """Ids (q, m) with each query's k best and what float32 can't tell from the k-th; -1 = none."""
    more = min(k + MORE, index.ntotal)
    scores, found = index.search(queries, more)
    floor = scores[:, k - 1] - slack(index.d)
    ids = np.where(scores >= floor[:, None], found, -1)
    if more == index.ntotal:
        return ids
    # more equals than were fetched: one scan for everything above the floor
    for row in np.flatnonzero(scores[:, -1] >= floor):
        _, _, every = index.range_search(queries[row : row + 1], float(floor[row]))
        ids = np.pad(ids, ((0, 0), (0, max(0, len(every) - ids.shape[1]))), constant_values=-1)
        ids[row] = -1
        ids[row, : len(every)] = every
    return ids


def best_of_codes(
    index: Any, vectors: np.ndarray, queries: np.ndarray, k: int, rerank: int, params: Any
) -> Hits:
    """The ``k`` best by ``vectors`` of ``rerank`` candidates a hit that codes find."""
    found = index.search(queries, min(k * rerank, index.ntotal), params=params)[1]
    return rank(queries, vectors.__getitem__, _may_be_best(queries, vectors, found, k), k)


def _may_be_best(queries: np.ndarray, vectors: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """Of the candidates (q, m) those that hold the k best, and all that float32 can't tell from the
    k-th: the exact comparison of all candidates costs several times as much as their search."""
    if found.shape[1] <= k:
        return found
    rough = np.empty(found.shape, np.float32)
    own = [faiss().swig_ptr(each) for each in (rough, queries, np.asarray(vectors), found)]
    # no candidate (-1): -inf
    faiss().fvec_inner_products_by_idx(*own, queries.shape[1], *found.shape)
    floor = np.partition(rough, -k, axis=1)[:, -k] - slack(queries.shape[1])
    return np.where(rough >= floor[:, None], found, -1)


def write(index: Any, path: Path, how: str = "write_index") -> None:
    """Write an index. Raises OSError where the disk is full or forbidden."""
    try:
        getattr(faiss(), how)(index, str(path))
    except RuntimeError as error:
        raise os_error(error, path) from error


def read(path: Path, how: str = "read_index") -> Any:
    """An index by memory map. Raises Unreadable."""
    try:
        return getattr(faiss(), how)(str(path), faiss().IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise Unreadable(path.parent) from error


def written_bytes(index: Any, how: str = "write_index") -> int:
    """How many bytes the index takes in a file, counted without writing one."""
    written = 0

    def count(data: bytes) -> None:
        nonlocal written
        written += len(data)

    getattr(faiss(), how)(index, faiss().PyCallbackIOWriter(count))
    return written
