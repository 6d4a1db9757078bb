"""Indexes of faiss that follow a gallery to which pictures came or from which they went.

What was trained (centres of lists, codebooks) and the codes of rows that stayed are kept: only new
rows are assigned and encoded. The result is, to the bit, what adding every row to the index that
was trained on the earlier gallery gives. A graph takes new rows as faiss adds them; it can't let
one go.
"""

from pathlib import Path
from typing import Any

import numpy as np

from core.faiss_loader import faiss
from core.indexes.base import Unreadable

BLOCK = 16_384
GROWN, SHRUNK = 2.0, 0.5
"""What was trained is kept while there are fewer than so many times as many rows as it was trained
on, and more than so many times: the rule of fits of encoders."""


def suits(trained_on: int, rows: int) -> bool:
    """Whether what was trained on so many rows serves a gallery of ``rows``."""
    return SHRUNK < rows / max(trained_on, 1) < GROWN


def owned(path: Path) -> Any:
    """An index read into memory, so that it can be changed: one by memory map ends the process.
    Raises Unreadable."""
    try:
        return faiss().read_index(str(path))
    except RuntimeError as error:
        raise Unreadable(path.parent) from error


def moved(index: Any, place: np.ndarray, vectors: np.ndarray) -> Any:
    """``index`` with its rows at their new places and the new rows added.

    Args:
        index: lists, or product codes, in memory (:func:`owned`); it is changed.
        place: int64 (rows before), the row of each among ``vectors``; -1 = it went.
        vectors: float32 (n, dim), every row of now.
    """
    new = np.setdiff1d(np.arange(len(vectors)), place, assume_unique=False)
    if hasattr(index, "invlists"):
        return _moved_lists(index, place, new, vectors)
    codes = faiss().vector_to_array(index.codes).reshape(len(place), -1)
    every = np.empty((len(vectors), codes.shape[1]), np.uint8)
    every[place[place >= 0]] = codes[place >= 0]
    for rows in _blocks(new):
        every[rows] = index.sa_encode(_taken(vectors, rows))
    index.reset()
    index.add_sa_codes(every)
    return index


def _moved_lists(index: Any, place: np.ndarray, new: np.ndarray, vectors: np.ndarray) -> Any:
    kept = [_stayed(index.invlists, number, place) for number in range(index.nlist)]
    index.set_direct_map_type(faiss().DirectMap.NoMap)  # one by row number takes no ids
    index.reset()
    for rows in _blocks(new):
        index.add_with_ids(_taken(vectors, rows), rows)
    lists = faiss().ArrayInvertedLists(index.nlist, index.code_size)
    for number, (ids, codes) in enumerate(kept):
        added, fresh = _list(index.invlists, number)
        ids, codes = np.append(ids, added), np.append(codes, fresh, axis=0)
        order = np.argsort(ids)
        ids, codes = ids[order], np.ascontiguousarray(codes[order])
        lists.add_entries(number, len(ids), *map(faiss().swig_ptr, (ids, codes)))
        kept[number] = (ids[:0], codes[:0])
    lists.this.disown()  # the index deletes it
    index.replace_invlists(lists, True)
    index.ntotal = len(vectors)
    return index


def _stayed(lists: Any, number: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New ids int64 (m,) and codes uint8 (m, bytes) of the rows of a list that are still there."""
    ids, codes = _list(lists, number)
    to = place[ids]
    return to[to >= 0], codes[to >= 0]


def _list(lists: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    size, width = lists.list_size(number), lists.code_size
    if not size:
        return np.zeros(0, np.int64), np.zeros((0, width), np.uint8)
    ids = faiss().rev_swig_ptr(lists.get_ids(number), size)
    codes = faiss().rev_swig_ptr(lists.get_codes(number), size * width)
    return ids.copy(), codes.reshape(size, width).copy()


def extended(index: Any, new: np.ndarray, vectors: np.ndarray) -> Any:
    """A graph in memory with the rows ``new`` int64 of ``vectors`` added, in their order."""
    for rows in _blocks(new):
        index.add(_taken(vectors, rows))
    return index


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def _taken(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors[rows], dtype=np.float32)
