"""Ranked lists in the form that metrics need: where the relevant items stand, and nothing else.

The rule is one for the whole project: larger scores first, equal scores by column (columns are in
the order of ids), the
query itself and everything marked junk taken out before ranks are given.
"""

import sys
from dataclasses import dataclass
from typing import Protocol

import numpy as np

MOST_COLUMNS = 1 << 31
JUNK = np.uint64((1 << 64) - 2)
"""Sorts after every score, and says not relevant."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """q ranked lists.

    ``row``, ``rank`` and ``order`` are int64 (h,), one entry for each relevant item that a list
    holds, sorted by (row, rank): its query 0..q-1, its rank from 1, and which of its query's
    relevant items it is, from 1. ``relevant`` is int64 (q,): R, how many relevant items the gallery
    has (more than the list holds, where the list was cut). ``length`` is int64 (q,): items in the
    list. ``top`` is int64 (q, m): the columns at ranks 1..m, -1 after the end of the list.
    ``labels`` (q, m) are the label codes there and ``own`` (q,) that of the query; both None where
    nothing is asked of them.
    """

    row: np.ndarray
    rank: np.ndarray
    order: np.ndarray
    relevant: np.ndarray
    length: np.ndarray
    top: np.ndarray
    labels: np.ndarray | None = None
    own: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.relevant)


def rank(
    scores: np.ndarray,
    relevant: np.ndarray,
    junk: np.ndarray | None = None,
    *,
    found: np.ndarray | None = None,
    top: int = 0,
    labels: np.ndarray | None = None,
    own: np.ndarray | None = None,
) -> Ranked:
    """Sort every row of a score matrix at once.

    Score, column and relevance are packed into one 64-bit number each, so that one plain sort gives
    the order by (score, column) exactly and carries the relevance along.

    Args:
        scores: (q, n), larger is more similar; compared as float32. NaN is refused.
        relevant: bool (q, n).
        junk: bool (q, n), neither right nor wrong.
        found: R (q,), where the lists are only the beginning of what there is; else counted in
            ``relevant``.
        top: how many columns of each list to keep.
        labels: label codes int64 (n,) or (q, n); ``own``: those of the queries (q,).

    Raises:
        ValueError: shapes that do not fit, NaN, or more columns than fit in 31 bits.
    """
    keys = packed(scores, relevant, junk)
    keys.sort(axis=1)
    row, place = np.nonzero(_odd(keys))
    counts = np.bincount(row, minlength=len(keys))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(keys) else np.zeros(0, np.int64)
    order = np.arange(1, len(row) + 1) - first[row]
    length = np.full(len(keys), keys.shape[1]) if junk is None else keys.shape[1] - junk.sum(axis=1)
    columns = columns_of(keys[:, :top])
    picked = None if labels is None else labels_at(labels, columns)
    return Ranked(
        row,
        place + 1,
        order,
        counts if found is None else np.asarray(found),
        length,
        columns,
        picked,
        own,
    )


def packed(
    scores: np.ndarray, relevant: np.ndarray, junk: np.ndarray | None, first: int = 0
) -> np.ndarray:
    """uint64 (q, n): 32 bits of score turned so that larger comes first, 31 of column (counted from
    ``first``), 1 of relevance. The order of these numbers is the rule of ranked lists."""
    if (
        scores.ndim != 2
        or relevant.shape != scores.shape
        or (junk is not None and junk.shape != scores.shape)
    ):
        raise ValueError(
            f"scores {scores.shape} and relevance {relevant.shape} must share one (q, n) shape"
        )
    if first + scores.shape[1] >= MOST_COLUMNS:
        raise ValueError(f"{first + scores.shape[1]} columns do not fit in 31 bits")
    # -0.0 becomes 0.0: they are equal
    clean = np.ascontiguousarray(scores, np.float32) + np.float32(0)
    if np.isnan(clean).any():
        raise ValueError("a score is NaN")
    bits = clean.view(np.int32)
    turned = bits ^ (~(bits >> 31) & np.int32(0x7FFFFFFF))
    keys = turned.view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= np.arange(first, first + scores.shape[1], dtype=np.uint64) << np.uint64(1)
    keys |= relevant
    if junk is not None:
        keys[junk] = JUNK
    return keys


def _odd(keys: np.ndarray) -> np.ndarray:
    """bool: the lowest bit, read from the lowest byte alone."""
    low = keys.view(np.uint8)[:, (0 if sys.byteorder == "little" else 7) :: 8]
    return (low & 1).view(bool)


def columns_of(keys: np.ndarray) -> np.ndarray:
    """int64: the column that each packed number names, -1 for junk."""
    columns = ((keys >> np.uint64(1)) & np.uint64(MOST_COLUMNS - 1)).astype(np.int64)
    return np.where(keys == JUNK, -1, columns)


def labels_at(labels: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Label codes at columns int64 (q, m), of labels int64 (n,) or (q, n)."""
    if not columns.size:
        return np.zeros(columns.shape, np.int64)
    if labels.ndim == 1:
        return labels[columns]
    return np.take_along_axis(labels, np.maximum(columns, 0), axis=1)


ALL = slice(None)


class Vectors(Protocol):
    """Rows that are read as they are asked for: an array, a memory map, or what stands for one."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is searched, who searches, and the codes that decide what is right, laid over the n rows
    of vectors.

    ``gallery`` and ``queries`` are int64 rows; the gallery is in the order that breaks ties.
    ``relevant`` and ``ignore`` are int64 (n,) codes of the field of each row, negative and
    different from each other where the field is unknown, so that nothing unknown ever equals
    anything. ``asking`` (n, dim) are the vectors that rows ask with where these are not those by
    which they are found, None where they are.
    """

    gallery: np.ndarray
    queries: np.ndarray
    relevant: np.ndarray
    ignore: np.ndarray
    asking: Vectors | None = None

    def junk(self, rows: np.ndarray, part: slice = ALL) -> np.ndarray:
        """bool (q, part of the gallery): the query itself, and what the protocol ignores."""
        gallery = self.gallery[part]
        return (self.ignore[gallery] == self.ignore[rows][:, None]) | (gallery == rows[:, None])

    def right(self, rows: np.ndarray, part: slice = ALL) -> np.ndarray:
        """bool (q, part of the gallery): the field is equal. Junk is not taken out."""
        return self.relevant[self.gallery[part]] == self.relevant[rows][:, None]
