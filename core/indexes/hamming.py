"""Binary codes compared by how many bits differ; an encoder whose vectors are bits already (phash,
dhash) keeps its own.

The search is faiss's (binary flat, binary IVF); the planes that give the bits are in
:mod:`core.indexes.planes`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import UserError
from core.faiss_loader import faiss
from core.indexes.base import Beside, Knob, blocks, indexes
from core.indexes.faiss_calls import parameters, read, sample, write, written_bytes
from core.indexes.planes import Planes, are_bits, learned_planes, own_planes, random_planes
from core.neighbours import best, rank
from core.types import Cost, Hits, Progress

BLOCK = 16_384
FILE = "index.faiss"
BITS = Knob(
    0,
    (64, 256, 1024),
    "bits of each picture; 0 = the encoder's own where it gives bits, else 256",
    0,
    8192,
)
LEARNED = Knob(1, (0, 1), "1 = planes fitted to the gallery (ITQ), 0 = random planes", 0, 1, more=0)
RERANK = Knob(
    10,
    (1, 10, 40),
    "candidates for each hit wanted, compared exactly afterwards; 0 = the order of the bits",
    0,
    1000,
)
NLIST = Knob(
    0, (16, 64, 256), "lists that the codes are divided into; 0 = chosen by their number", 0, 65_536
)
NPROBE = Knob(8, (1, 8, 32), "lists that are looked through: more finds more and takes longer")


@dataclass(frozen=True, slots=True)
class Row:
    """One way to search codes; ``lists``: only those near the query's."""

    name: str
    title: str
    about: str
    build: Mapping[str, Knob]
    search: Mapping[str, Knob]
    lists: bool


ROWS = (
    Row(
        "hamming",
        "Binary codes (Hamming)",
        "Counts differing bits with every picture: tiny and quick; exact for hash encoders.",
        {"bits": BITS, "learned": LEARNED},
        {"rerank": RERANK},
        False,
    ),
    Row(
        "hamming_ivf",
        "Binary codes in lists",
        "Counts differing bits in the lists near the query's only.",
        {"bits": BITS, "learned": LEARNED, "nlist": NLIST},
        {"nprobe": NPROBE, "rerank": RERANK},
        True,
    ),
)


class Hamming(Beside):
    """A row of the table, built.

    With ``rerank`` = 0 the score is 1 - 2 x (differing bits) / bits: the cosine of the two codes as
    vectors of -1 and +1, which for an encoder of bits is the cosine itself.
    """

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row
        self.name, self.title, self.about = row.name, row.title, row.about
        self.build_knobs, self.search_knobs, self.selects = row.build, row.search, not row.lists
        self._index: Any = None
        self._planes: Planes
        self._own = 0.0
        """The size c of the numbers +c and -c where the vectors are bits; else 0."""

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        bits, nlist = int(knobs["bits"]), int(knobs.get("nlist", 0))
        nlist = nlist or max(1, min(round(np.sqrt(len(vectors))), len(vectors) // 39))
        own = bits in (0, vectors.shape[1]) and are_bits(vectors)
        self._own = float(abs(vectors[0, 0])) if own else 0.0
        self._planes = self._made(vectors, bits or 256, bool(knobs["learned"]), progress)
        index = self._new(nlist)
        if self._row.lists:
            index.train(self._planes.codes(sample(vectors)))
        for part in blocks(len(vectors), BLOCK, progress):
            index.add(self._planes.codes(vectors[part]))
        self._take(index)
        self._keep(np.zeros((0, vectors.shape[1]), np.float32) if own else vectors, started)

    def _fits(self, count: int, dim: int, **knobs: float) -> None:
        if (bits := int(knobs["bits"])) % 8:
            raise UserError(
                f"bits = {bits} was given.", "Codes have whole bytes: 8, 16, 24 ... bits."
            )
        if count < (nlist := int(knobs.get("nlist", 0))):
            raise UserError(
                f"The index {self.name} was given {count:,} vectors.",
                f"Its training needs {nlist:,}.",
                "Use exact.",
            )

    def _made(
        self, vectors: np.ndarray, bits: int, learned: bool, progress: Progress | None
    ) -> Planes:
        if self._own:
            return own_planes(vectors.shape[1])
        if learned:
            return learned_planes(vectors, bits, progress)
        return random_planes(vectors.shape[1], bits)

    def _new(self, nlist: int) -> Any:
        flat = faiss().IndexBinaryFlat(self._planes.count)
        if not self._row.lists:
            return flat
        index = faiss().IndexBinaryIVF(flat, self._planes.count, nlist)
        # few are enough here, and faiss would warn on standard output
        index.cp.min_points_per_centroid = 1
        return index

    def _take(self, index: Any) -> None:
        if self._row.lists:
            index.make_direct_map()
        self._index = index

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return self._candidates(queries, k, None, knobs)

    def _select(self, queries: np.ndarray, k: int, mask: np.ndarray, **knobs: float) -> Hits:
        return self._candidates(queries, k, mask, knobs)

    def _candidates(
        self, queries: np.ndarray, k: int, mask: np.ndarray | None, knobs: dict
    ) -> Hits:
        rerank = int(knobs["rerank"])
        wanted = min(k * max(rerank, 1), self._index.ntotal)
        distances, found = self._index.search(
            self._planes.codes(queries), wanted, params=parameters(knobs, mask)
        )
        if rerank:
            return rank(queries, self.rows, found, k)
        which, column = np.nonzero(found >= 0)
        scores = (1.0 - 2.0 * distances[which, column] / self._planes.count).astype(np.float32)
        return best(len(queries), k, which, found[which, column], scores)

    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        if not self._own:
            return self._vectors[ids]
        codes = self._codes(ids)
        return np.where(np.unpackbits(codes, axis=1), np.float32(self._own), np.float32(-self._own))

    def _codes(self, rows: np.ndarray | slice) -> np.ndarray:
        ids = np.arange(self.size)[rows]
        if not len(ids):
            return np.zeros((0, self._planes.count // 8), np.uint8)
        return np.stack([self._index.reconstruct(int(row)) for row in ids])

    def hashed(self, vectors: np.ndarray) -> np.ndarray:
        return self._planes.bits(vectors)

    def _save(self, folder: Path) -> None:
        write(self._index, folder / FILE, "write_index_binary")
        self._planes.save(folder)
        self._save_vectors(folder, own=self._own)

    def _load(self, folder: Path) -> None:
        built = self._load_vectors(folder)
        self._own, self._planes = built["own"], Planes.load(folder, self.dim)
        self._take(read(folder / FILE, "read_index_binary"))
        self.size = self._index.ntotal

    def cost(self) -> Cost:
        held = written_bytes(self._index, "write_index_binary") + self._planes.nbytes
        return Cost(held, held + self._vectors.nbytes, self._seconds)


for _row in ROWS:
    indexes.add(_row.name, partial(Hamming, _row))
