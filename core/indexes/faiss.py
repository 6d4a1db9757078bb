"""Indexes of the faiss library (Johnson, Douze, Jégou, Billion-scale similarity search with GPUs,
2017): a row each.

To add one, add a :class:`Row`: a factory string with its build knobs in braces, and the knobs of
its search.

Those that can follow a gallery to which pictures came or from which they went do. What was trained
(centres of lists, codebooks) and the codes of rows that stayed are kept: only new rows are assigned
and encoded. The result is, to the bit, what adding every row to the index that was trained on the
earlier gallery gives. A graph takes new rows as faiss adds them; it can't let one go.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import UserError
from core.faiss_loader import faiss
from core.indexes.base import Index, Knob, Unreadable, indexes
from core.indexes.faiss_calls import (
    all_best,
    best_of_codes,
    parameters,
    quiet,
    read,
    sample,
    write,
    written_bytes,
)
from core.neighbours import rank
from core.types import Cost, Hits, Progress, report

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


BLOCK = 16_384
FILE, ORDER = "index.faiss", "order.npy"


@dataclass(frozen=True, slots=True)
class Row:
    """One faiss index.

    ``factory`` is its factory string; names in braces are build knobs. ``auto(n, dim)`` gives the
    values of knobs that stand at 0. ``needs(knobs)`` is the number of vectors that training takes.
    ``lossy`` ones keep codes instead of vectors: they find candidates, and the vectors that lie
    beside them on disk give the order and the scores. ``selects`` says whether faiss takes a filter
    into this search.
    """

    name: str
    factory: str
    title: str
    about: str
    build: Mapping[str, Knob] = field(default_factory=dict)
    search: Mapping[str, Knob] = field(default_factory=dict)
    auto: Callable[[int, int], dict[str, int]] = lambda n, dim: {}
    needs: Callable[[dict], int] = lambda knobs: 1
    exact: bool = False
    build_ns: float | None = None
    lossy: bool = False
    selects: bool = True
    grows: bool = False
    """Whether what is built outlives changes of the gallery: long training, or a graph."""


def lists(n: int, dim: int) -> dict[str, int]:
    """About 4 sqrt(n) lists, as faiss advises, with the 39 vectors in each that training wants."""
    return {"nlist": max(1, min(round(4 * math.sqrt(n)), n // 39))}


def parts(n: int, dim: int) -> dict[str, int]:
    """Sub-vectors of about 8 dimensions: the largest divisor of ``dim`` that is at most dim / 8."""
    return {"m": max((m for m in range(1, dim // 8 + 1) if dim % m == 0), default=1)}


NLIST = Knob(
    0, (64, 256, 1024), "lists that the gallery is divided into; 0 = chosen by its size", 0, 65_536
)
NPROBE = Knob(8, (1, 4, 16, 64), "lists that are looked through: more finds more and takes longer")
PARTS = Knob(
    0,
    (8, 16, 32, 64),
    "bytes a vector, one for each sub-vector; 0 = chosen by the dimension",
    0,
    4096,
)
RERANK = Knob(
    10, (1, 4, 10, 40), "candidates for each hit wanted, compared exactly afterwards", 1, 1000
)

ROWS = (
    Row(
        "flat",
        "Flat",
        "Exact (faiss)",
        "Compares the query with every picture, in tuned C++.",
        exact=True,
    ),
    Row(
        "hnsw",
        "HNSW{M}",
        "HNSW graph",
        "Walks a graph of neighbours (Malkov and Yashunin, 2018): fast, large, slow to build.",
        {
            "M": Knob(32, (16, 32, 64), "links of each picture", 2, 512),
            "efConstruction": Knob(
                80, (40, 80, 200), "candidates looked at for each link", 1, 10_000
            ),
        },
        {"efSearch": Knob(64, (16, 64, 256), "candidates kept while walking", 1, 100_000)},
        grows=True,
    ),
    Row(
        "ivf_flat",
        "IVF{nlist},Flat",
        "Inverted lists",
        "Looks only into the lists whose centre is near the query.",
        {"nlist": NLIST},
        {"nprobe": NPROBE},
        lists,
        lambda knobs: knobs["nlist"],
        grows=True,
    ),
    Row(
        "pq",
        "PQ{m}",
        "Product quantisation",
        "One byte for each sub-vector (Jégou et al., 2011): small; near hits blur.",
        {"m": PARTS},
        {"rerank": RERANK},
        parts,
        lambda knobs: 256,
        lossy=True,
        selects=False,
        grows=True,
    ),
    Row(
        "ivf_pq",
        "IVF{nlist},PQ{m}",
        "Inverted lists + PQ",
        "Looks into few lists, and compares codes of a few bytes.",
        {"nlist": NLIST, "m": PARTS},
        {"nprobe": NPROBE, "rerank": RERANK},
        lambda n, dim: lists(n, dim) | parts(n, dim),
        lambda knobs: max(256, knobs["nlist"]),
        lossy=True,
        grows=True,
    ),
    Row(
        "sq8",
        "SQ8",
        "Scalar quantisation (SQ8)",
        "Every dimension rounded to 8 bits: a quarter of the memory.",
        search={"rerank": RERANK},
        lossy=True,
        build_ns=2,
    ),
    Row(
        "lsh",
        "LSH{bits}r",
        "Locality-sensitive hash",
        "Compares bits: the sides of random planes (Charikar, 2002).",
        {"bits": Knob(256, (64, 256, 1024), "random planes", 8, 8192)},
        {"rerank": RERANK},
        lossy=True,
        selects=False,
        build_ns=12,
    ),
)


class FaissIndex(Index):
    """A row of the table, built."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name, self.title, self.about, self.exact = row.name, row.title, row.about, row.exact
        self.build_knobs, self.search_knobs, self.selects = row.build, row.search, row.selects
        self.build_ns, self.grows = row.build_ns, row.grows
        self.walks = row.factory.startswith("HNSW")
        self._index: Any = None
        self._beside = np.zeros((0, 0), np.float32)
        self._seconds = 0.0
        self._trained_on = 0
        self._order = self._number = np.zeros(0, np.int64)
        """Of a graph that rows were added to: the row of each of its points, and the point of each
        row; empty where they are the same."""

    def fingerprint(self, **knobs: float) -> dict:
        return {**super().fingerprint(**knobs), "factory": self._row.factory}

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        n, dim = vectors.shape
        report(progress, 0, n)
        index = self._new(dim, self._chosen(n, dim, knobs))
        if not index.is_trained:
            index.train(sample(vectors))
        for start in range(0, n, BLOCK):
            index.add(np.ascontiguousarray(vectors[start : start + BLOCK], dtype=np.float32))
            report(progress, min(start + BLOCK, n), n)
        self._beside = (
            np.ascontiguousarray(vectors, dtype=np.float32) if self._row.lossy else self._beside
        )
        self._trained_on = n
        self._take(index, time.perf_counter() - started)

    def _follow(self, former: Path, place: np.ndarray, vectors: np.ndarray, **knobs: float) -> bool:
        started = time.perf_counter()
        earlier = FaissIndex(self._row)
        earlier._load_about(former)
        went = bool(len(place)) and place.min() < 0
        if not suits(earlier._trained_on, len(vectors)) or (self.walks and went):
            return False
        index = owned(former / FILE)
        if index.ntotal != len(place):
            raise Unreadable(former)
        if self.walks:
            new = np.setdiff1d(np.arange(len(vectors)), place)
            points = place[earlier._order] if len(earlier._order) else place
            self._put_in_order(np.append(points, new))
            index = extended(index, new, vectors)
        else:
            index = moved(index, place, vectors)
        if self._row.lossy:
            self._beside = np.ascontiguousarray(vectors, dtype=np.float32)
        self._trained_on = earlier._trained_on
        self._take(index, time.perf_counter() - started)
        return True

    def _put_in_order(self, order: np.ndarray) -> None:
        same = np.array_equal(order, np.arange(len(order)))
        self._order = order[:0] if same else order
        self._number = np.argsort(self._order)

    def _new(self, dim: int, knobs: dict) -> Any:
        metric = faiss().METRIC_L2 if self._row.name == "lsh" else faiss().METRIC_INNER_PRODUCT
        index = faiss().index_factory(dim, self._row.factory.format(**knobs), metric)
        if "efConstruction" in knobs:
            index.hnsw.efConstruction = knobs["efConstruction"]
        if hasattr(index, "do_polysemous_training"):
            # orders the codes for a filter that is not used, and takes minutes
            index.do_polysemous_training = False
        quiet(index)
        return index

    def _chosen(self, count: int, dim: int, knobs: dict) -> dict:
        """The knobs with those that were left to the index."""
        return {
            **knobs,
            **{
                name: value
                for name, value in self._row.auto(count, dim).items()
                if knobs[name] == 0
            },
        }

    def _fits(self, count: int, dim: int, **knobs: float) -> None:
        chosen = self._chosen(count, dim, knobs)
        if count < (needed := self._row.needs(chosen)):
            given = f"The index {self.name} was given {count:,} vectors."
            raise UserError(given, f"Its training needs {needed:,}.", "Use exact.")
        if dim % chosen.get("m", 1):
            fits = ", ".join(str(m) for m in range(1, dim + 1) if dim % m == 0)
            raise UserError(
                f"m = {chosen['m']} does not divide {dim} dimensions.", f"These do: {fits}."
            )

    def _take(self, index: Any, seconds: float) -> None:
        if hasattr(index, "make_direct_map") and not self._row.lossy:
            index.make_direct_map()
        self._index, self._seconds = index, seconds

    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        if self._row.lossy:
            return self._beside[ids]
        return self._index.reconstruct_batch(self._number[ids] if len(self._number) else ids)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return self._found(queries, k, parameters(knobs), knobs)

    def _select(self, queries: np.ndarray, k: int, mask: np.ndarray, **knobs: float) -> Hits:
        if self.exact:
            return super()._select(queries, k, mask)
        mask = mask[self._order] if len(self._order) else mask
        return self._found(queries, k, parameters(knobs, mask), knobs)

    def _found(self, queries: np.ndarray, k: int, params: Any, knobs: dict) -> Hits:
        if self._row.lossy:
            return best_of_codes(
                self._index, self._beside, queries, k, int(knobs["rerank"]), params
            )
        if self.exact:
            return rank(queries, self.rows, all_best(self._index, queries, min(k, self.size)), k)
        found = self._index.search(queries, min(k, self.size), params=params)[1]
        if len(self._order):
            found = np.where(found >= 0, self._order[found], -1)
        return rank(queries, self.rows, found, k)

    def hashed(self, vectors: np.ndarray) -> np.ndarray | None:
        if self._row.name != "lsh":
            return None
        codes = self._index.sa_encode(np.ascontiguousarray(vectors, dtype=np.float32))
        bits = np.unpackbits(codes, axis=1, bitorder="little")[:, : self._index.nbits]
        return bits.astype(bool)

    def _save(self, folder: Path) -> None:
        write(self._index, folder / FILE)
        if self._row.lossy:
            np.save(folder / "vectors.npy", self._beside)
        if len(self._order):
            np.save(folder / ORDER, self._order)
        about = {"build_s": self._seconds, "size": self.size, "dim": self.dim}
        about["trained_on"] = self._trained_on
        (folder / "built.json").write_text(json.dumps(about))

    def _load(self, folder: Path) -> None:
        seconds = self._load_about(folder)
        index = read(folder / FILE)
        if self._row.lossy:
            # of a memmap rows are slow to take
            self._beside = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
            if self._beside.shape != (index.ntotal, index.d) or self._beside.dtype != np.float32:
                raise Unreadable(folder)
        if len(self._order) and not np.array_equal(
            self._order[self._number], np.arange(index.ntotal)
        ):
            raise Unreadable(folder)
        self._take(index, seconds)
        self.size, self.dim = index.ntotal, index.d

    def _load_about(self, folder: Path) -> float:
        """What is saved beside the index itself; the seconds that building took."""
        built = json.loads((folder / "built.json").read_text())
        self._trained_on = built.get("trained_on", built["size"])
        if (folder / ORDER).exists():
            self._put_in_order(np.load(folder / ORDER, allow_pickle=False))
        return built["build_s"]

    def cost(self) -> Cost:
        written = written_bytes(self._index)
        return Cost(written, written + self._beside.nbytes, self._seconds)


for _row in ROWS:
    indexes.add(_row.name, partial(FaissIndex, _row))
