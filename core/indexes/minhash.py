"""MinHash and locality-sensitive hashing of sets (Broder, 1997; Leskovec et al., Mining of Massive
Datasets, chapter 3).

A vector becomes ``hash_dim`` bits (:mod:`core.indexes.planes`), and these the set of its (place,
bit) pairs. Two sets of which h bits differ have the Jaccard similarity (hash_dim - h) / (hash_dim +
h). ``num_perm`` permutations of all pairs keep the least of each set; these minima, cut into b
bands of r, are what two pictures must share one whole band of to meet.

The permutations, and the b and r that fit a threshold best, are those of the library datasketch.
Its tables are not used: they are sets within dicts of Python objects, hundreds of bytes for each
picture and band, and can only be pickled. Sorted
arrays answer the same (a test compares), take 12 bytes, and are made in an instant, so the
threshold is free at search.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.errors import UserError
from core.indexes.base import Beside, Knob, Unreadable, blocks, indexes
from core.indexes.planes import Planes, learned_planes, random_planes
from core.neighbours import nearest, nothing
from core.types import Cost, Hits, Progress

BLOCK = 2048
FILE = "signatures.npy"
TABLES = 4


@dataclass(frozen=True, slots=True)
class Tables:
    """Bands of signatures: sorted ``keys`` uint64 (b, n), and ``rows`` int32 (b, n) of these."""

    b: int
    r: int
    keys: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(signatures: np.ndarray, b: int, r: int) -> Tables:
        keys = banded(signatures, b, r)
        order = np.argsort(keys, axis=1, kind="stable").astype(np.int32)
        return Tables(b, r, np.take_along_axis(keys, order, axis=1), order)

    def meeting(self, signature: np.ndarray) -> np.ndarray:
        """Rows that share a whole band with one signature (num_perm), int64, ascending."""
        wanted = banded(signature[None], self.b, self.r)[:, 0]
        met = np.zeros(self.rows.shape[1], bool)
        for band, key in enumerate(wanted):
            first = np.searchsorted(self.keys[band], key, "left")
            last = np.searchsorted(self.keys[band], key, "right")
            met[self.rows[band, first:last]] = True
        return np.flatnonzero(met)


def banded(signatures: np.ndarray, b: int, r: int) -> np.ndarray:
    """Signatures uint32 (n, num_perm) -> one number for each band, uint64 (b, n)."""
    keys = np.zeros((b, len(signatures)), np.uint64)
    for place in range(r):
        part = signatures[:, place : b * r : r].T.astype(np.uint64)
        keys = (keys ^ part) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


@lru_cache(maxsize=8)
def permuted(hash_dim: int, num_perm: int) -> np.ndarray:
    """datasketch's permutations of each (place, bit) pair: uint32 (hash_dim, 2, num_perm)."""
    from datasketch import MinHash

    made = np.empty((2 * hash_dim, num_perm), np.uint32)
    for token in range(2 * hash_dim):
        one = MinHash(num_perm=num_perm, hashfunc=_plain)
        one.update(token)
        made[token] = one.hashvalues
    made.setflags(write=False)
    return made.reshape(hash_dim, 2, num_perm)


def _plain(token: int) -> int:
    return token


@lru_cache(maxsize=64)
def bands(threshold: float, num_perm: int) -> tuple[int, int]:
    """The b and r by which datasketch meets a threshold. Raises UserError: too few permutations."""
    from datasketch import MinHashLSH

    try:
        made = MinHashLSH(threshold=threshold, num_perm=num_perm)
    except ValueError as error:
        given = f"threshold = {threshold:g} with num_perm = {num_perm} leaves one band."
        raise UserError(
            given, "Two are the least.", "Lower the threshold, or raise num_perm."
        ) from error
    return made.b, made.r


def signatures_of(bits: np.ndarray, num_perm: int) -> np.ndarray:
    """bool (n, hash_dim) -> the minima of each set, uint32 (n, num_perm)."""
    table = permuted(bits.shape[1], num_perm)
    least = np.full((len(bits), num_perm), np.iinfo(np.uint32).max, np.uint32)
    for place in range(bits.shape[1]):
        np.minimum(least, table[place][bits[:, place].astype(np.intp)], out=least)
    return least


class MinHashIndex(Beside):
    """Pictures that meet the query in a band, ranked by cosine; no others are answered."""

    name = "minhash"
    title = "MinHash LSH"
    about = (
        "Bits as sets; compares only pictures that share a band of MinHash minima. Answers fewer"
        " where fewer meet."
    )
    partial = True
    selects = True
    build_ns = 10
    build_knobs = {
        "hash_dim": Knob(64, (32, 64, 128), "bits that a picture is reduced to", 8, 1024, more=0),
        "num_perm": Knob(
            128,
            (64, 128, 256),
            "permutations: more follow the threshold more sharply",
            8,
            512,
            more=0,
        ),
        "learned": Knob(
            0, (0, 1), "0 = random planes, 1 = planes fitted to the gallery (ITQ)", 0, 1, more=0
        ),
    }
    search_knobs = {
        "threshold": Knob(
            0.4,
            (0.3, 0.4, 0.6),
            "Jaccard similarity from which most pairs meet: lower compares more",
            0.05,
            0.95,
            more=-1,
        ),
        "num_results": Knob(
            0, (5, 20, 100), "answers at most; 0 = as many as were asked for", 0, 10_000, more=0
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self._signatures = np.zeros((0, 0), np.uint32)
        self._planes: Planes
        self._tables: OrderedDict[tuple[int, int], Tables] = OrderedDict()
        self._lock = threading.Lock()

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        bits, count = int(knobs["hash_dim"]), int(knobs["num_perm"])
        if knobs["learned"]:
            made = learned_planes(vectors, bits, progress)
        else:
            made = random_planes(vectors.shape[1], bits)
        signatures = np.empty((len(vectors), count), np.uint32)
        for part in blocks(len(vectors), BLOCK, progress):
            signatures[part] = signatures_of(made.bits(vectors[part]), count)
        self._take(signatures, made)
        self._keep(vectors, started)

    def _take(self, signatures: np.ndarray, planes: Planes) -> None:
        self._signatures, self._planes = signatures, planes
        self._tables.clear()

    def bits(self, vectors: np.ndarray) -> np.ndarray:
        """bool (n, hash_dim): the set of each vector, as the bit at each place."""
        return self._planes.bits(vectors)

    def signatures(self, vectors: np.ndarray) -> np.ndarray:
        """The minima of each vector's set, uint32 (n, num_perm)."""
        return signatures_of(self.bits(vectors), self._signatures.shape[1])

    def hashed(self, vectors: np.ndarray) -> np.ndarray:
        return self.signatures(vectors)

    def bands(self, threshold: float) -> tuple[int, int]:
        """Bands and minima in each at a threshold."""
        return bands(round(float(threshold), 4), self._signatures.shape[1])

    def tables(self, threshold: float) -> Tables:
        """The bands of all rows at a threshold, made on first use."""
        shape = self.bands(threshold)
        with self._lock:
            if shape not in self._tables:
                self._tables[shape] = Tables.of(np.asarray(self._signatures), *shape)
                while len(self._tables) > TABLES:
                    self._tables.popitem(last=False)
            self._tables.move_to_end(shape)
            return self._tables[shape]

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return self._select(queries, k, None, **knobs)

    def _select(self, queries: np.ndarray, k: int, mask: np.ndarray | None, **knobs: float) -> Hits:
        tables = self.tables(knobs["threshold"])
        met = [tables.meeting(signature) for signature in self.signatures(queries)]
        most = min(k, int(knobs["num_results"]) or k)
        met = met if mask is None else [rows[mask[rows]] for rows in met]
        hits = nothing(len(queries), k)
        for row, ids in enumerate(met):
            found = nearest(queries[row : row + 1], self.rows, ids, most)
            hits.ids[row, :most], hits.scores[row, :most] = found.ids[0], found.scores[0]
        return hits

    def _save(self, folder: Path) -> None:
        np.save(folder / FILE, self._signatures)
        self._planes.save(folder)
        self._save_vectors(folder)

    def _load(self, folder: Path) -> None:
        self._load_vectors(folder)
        signatures = np.load(folder / FILE, mmap_mode="r")
        if signatures.ndim != 2 or len(signatures) != self.size or signatures.dtype != np.uint32:
            raise Unreadable(folder)
        self._take(signatures, Planes.load(folder, self.dim))

    def cost(self) -> Cost:
        """No bands, which are made when a threshold is first asked for, 12 b bytes a picture."""
        held = self._signatures.nbytes + self._planes.nbytes
        return Cost(held, held + self._vectors.nbytes, self._seconds)


indexes.add(MinHashIndex.name, MinHashIndex)
