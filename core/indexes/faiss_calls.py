"""How the rows of :mod:`core.indexes.faiss` speak to the library: training, parameters of one search, files, errors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from pathlib import Path

import numpy as np

from core.disk import os_error
from core.faiss_door import faiss
from core.indexes.base import Unreadable
from core.indexes.ranking import slack

TRAIN_MOST = 65_536
ALMOST, ALONE = 800, 1000
"""Faiss reads more rows than ``ALONE`` with all its threads, fewer with one; so where it is ``ALMOST`` as many, a few more."""
KINDS = {"efSearch": "SearchParametersHNSW", "nprobe": "SearchParametersIVF"}
"""Which parameters of faiss hold a search knob."""


def sample(vectors: np.ndarray) -> np.ndarray:
    """At most ``TRAIN_MOST`` rows, evenly spread, to train on."""
    return np.ascontiguousarray(vectors[:: -(-len(vectors) // TRAIN_MOST)], dtype=np.float32)


def quiet(index: object) -> None:
    """Let k-means take as few points as its caller has checked: faiss prints a warning below 39 for each centroid."""
    for trained in (index, getattr(index, "pq", None)):
        if hasattr(trained, "cp"):
            trained.cp.min_points_per_centroid = 1


def selector(mask: np.ndarray | None) -> object:
    """A mask bool (n,) as what faiss takes to look at these rows alone; None for none."""
    return None if mask is None else faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def parameters(knobs: Mapping[str, float], mask: np.ndarray | None = None) -> object:
    """Search knobs and a mask as an object of one call: an index is shared by sessions, so it is never changed."""
    knob = next((name for name in KINDS if name in knobs), "")
    if mask is None:
        return _unmasked(knob, knobs[knob]) if knob else None
    chosen = {knob: knobs[knob]} if knob else {}
    return getattr(faiss(), KINDS.get(knob, "SearchParameters"))(**chosen, sel=selector(mask))


def usable(queries: np.ndarray, dim: int) -> bool:
    """Whether these can be asked as they are; where not, :class:`core.indexes.base.Index` says why, or makes them so."""
    fits = queries.ndim == 2 and queries.shape[1] == dim and queries.dtype == np.float32 and queries.flags.c_contiguous
    return fits and queries.size > 0 and isfinite(faiss().fvec_norm_L2sqr(faiss().swig_ptr(queries), queries.size))


def best(index: object, queries: np.ndarray, k: int, params: object) -> tuple[np.ndarray, np.ndarray]:
    """Scores (q, k) and ids of a search by queries that were checked: faiss's wrapper does so once more."""
    scores, ids = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    own = faiss().swig_ptr
    index.search_c(len(queries), own(queries), k, own(scores), own(ids), params)
    return scores, ids


def read_rows(index: object, ids: np.ndarray) -> np.ndarray:
    """The vectors (n, dim) that an index holds of these rows (n)."""
    count, own = len(ids), faiss().swig_ptr
    if ALMOST < count <= ALONE:
        read = np.zeros(ALONE + 1, np.int64)
        read[:count] = ids
    else:
        read = np.ascontiguousarray(ids, np.int64)
    rows = np.empty((len(read), index.d), np.float32)
    index.reconstruct_batch_c(len(read), own(read), own(rows))
    return rows[:count]


def refined(index: object, vectors: np.ndarray) -> object:
    """An ``index`` of codes as one that compares its candidates with their ``vectors`` (n, dim), which stay where they lie:
    faiss's own way copies them."""
    flat = faiss().IndexFlatIP(vectors.shape[1])
    codes, place = flat.codes, faiss().swig_ptr(vectors.reshape(-1).view(np.uint8))
    codes.is_owned, codes.view_data, codes.view_size = False, place, vectors.nbytes
    codes.c_ptr, codes.c_size, flat.ntotal = place, vectors.nbytes, len(vectors)
    flat.metric_type = index.metric_type  # bits have another, and it takes none but alike
    both = faiss().IndexRefine(index, flat)
    both.metric_type = flat.metric_type = faiss().METRIC_INNER_PRODUCT
    both.referenced_objects.append(vectors)  # for as long as it is in use
    return both


def refining(fetched: int, wanted: int, params: object) -> object:
    """Parameters to get the best ``fetched`` of ``wanted`` candidates that ``params`` find."""
    factor = (wanted + 0.5) / fetched  # times ``fetched``, rounded down
    chosen = {"base_index_params": params} if params else {}
    return faiss().IndexRefineSearchParameters(k_factor=factor, **chosen)


@lru_cache(maxsize=64)
def _unmasked(knob: str, value: int) -> object:
    """The object for one knob: a search only reads it, so calls may share it."""
    return getattr(faiss(), KINDS[knob])(**{knob: value})


def all_best(index: object, queries: np.ndarray, k: int) -> np.ndarray:
    """Ids (q, m) that hold the k best of each query and all that float32 can't tell from the k-th; -1 = none."""
    more = min(k + 16, index.ntotal)
    scores, ids = index.search(queries, more)
    floor = scores[:, k - 1] - slack(index.d)
    wide = np.flatnonzero(scores[:, -1] >= floor) if more < index.ntotal else []
    for row in wide:  # more equals than were fetched: one scan for everything above the floor
        _, _, every = index.range_search(queries[row : row + 1], float(floor[row]))
        ids = np.pad(ids, ((0, 0), (0, max(0, len(every) - ids.shape[1]))), constant_values=-1)
        ids[row] = -1
        ids[row, : len(every)] = every
    return ids


def nearest(queries: np.ndarray, vectors: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """Of the candidates (q, m) the rows of ``vectors`` that hold the k best, and all that float32 can't tell from the k-th.

    It saves the exact comparison of most of them, which costs a batch several times as much as faiss's own in float32.
    """
    rough = np.empty(found.shape, np.float32)
    own = [faiss().swig_ptr(each) for each in (rough, queries, np.asarray(vectors), found)]
    faiss().fvec_inner_products_by_idx(*own, queries.shape[1], len(queries), found.shape[1])  # no candidate (-1): -inf
    floor = np.partition(rough, -k, axis=1)[:, -k] - slack(queries.shape[1])
    most = int(np.count_nonzero(rough >= floor[:, None], axis=1).max())
    chosen = np.sort(np.argpartition(rough, -most, axis=1)[:, -most:], axis=1)  # in their order: what is missing stays last
    return np.take_along_axis(found, chosen, axis=1)


def write(index: object, path: Path, how: str = "write_index") -> None:
    """Write an index. Raises OSError where the disk is full or forbidden."""
    try:
        getattr(faiss(), how)(index, str(path))
    except RuntimeError as error:
        raise os_error(error, path) from error


def read(path: Path, how: str = "read_index") -> object:
    """An index by memory map. Raises Unreadable."""
    try:
        return getattr(faiss(), how)(str(path), faiss().IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise Unreadable(path.parent) from error


def written_bytes(index: object, how: str = "write_index") -> int:
    """How many bytes the index takes in a file, counted without writing one."""
    written = 0

    def count(data: bytes) -> None:
        nonlocal written
        written += len(data)

    getattr(faiss(), how)(index, faiss().PyCallbackIOWriter(count))
    return written
