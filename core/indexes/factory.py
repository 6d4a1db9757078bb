"""Any index that faiss can be told to make in one line: ``factory:IVF64,PQ16``,
``factory:OPQ16_64,IVF256,PQ16x4fs``.

The line is read here before faiss sees it: a number typed wrong there takes all memory, or ends the
process. What is left
is made for inner product on unit vectors; the vectors lie beside it, and give the order and the
scores.
"""

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import UserError
from core.faiss_loader import faiss
from core.indexes.base import Beside, Knob, blocks, indexes
from core.indexes.faiss_calls import (
    best_of_codes,
    parameters,
    quiet,
    read,
    sample,
    write,
    written_bytes,
)
from core.types import Cost, Hits, Progress

PREFIX = "factory:"
BLOCK, LONGEST = 16_384, 80
FILE = "index.faiss"
MOST_BYTES = 8 << 30
MOST_WORK = 2e13
"""Multiplications that training and adding may take: about an hour of one core."""
KMEANS, OPQ_ROUNDS = 25, 10
FORMS = (
    "IVF64,Flat; IVF64,PQ16; OPQ16_64,IVF256,PQ16x4fs; PCA64,SQ8; HNSW32; IVF256_HNSW32,SQ8;"
    " ITQ64,LSHt; PQ16"
)
TRANSFORM = re.compile(r"(PCAR?|ITQ|RR|Pad)(\d+)|(OPQ)(\d+)(?:_(\d+))?|L2norm")
LISTS = re.compile(r"IVF(\d+)(?:_HNSW(\d+)?)?")
CODE = re.compile(
    r"Flat|PQ(?P<m>\d+)(?:x(?P<bits>[468]))?(?:(?<=x4)fs|np)?|SQ(4|6|8|fp16|bf16)|(?P<lsh>LSH(r|t|rt)?)|RaBitQ|"
    r"HNSW(?P<links>\d+)(?:,(?:Flat|SQ8))?"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a line means: the numbers that decide what it needs."""

    text: str
    transform: str = ""
    width: int = 0
    """Dimensions after the transform; 0 = as before."""
    parts: int = 0
    """Sub-vectors of an OPQ before the code."""
    lists: int = 0
    list_links: int = 0
    """Links of each list, where they are found by an HNSW graph."""
    m: int = 0
    bits: int = 8
    links: int = 0
    code: str = "Flat"

    def dims(self, dim: int) -> int:
        return self.width or dim

    def needed(self) -> int:
        """Vectors that training takes."""
        quantised = 1 << self.bits if self.m else 0
        return max(
            1,
            self.lists,
            quantised,
            256 if self.parts else 0,
            self.width if self.transform[:3] in ("PCA", "ITQ") else 0,
        )

    def row_bytes(self, dim: int) -> float:
        """Bytes of one vector as the index keeps it."""
        wide = self.dims(dim)
        kept = {
            "SQ4": wide / 2,
            "SQ6": wide * 0.75,
            "SQ8": wide,
            "SQfp16": 2 * wide,
            "SQbf16": 2 * wide,
        }.get(self.code, 4 * wide)
        code = (
            self.m * self.bits / 8
            if self.m
            else wide / 8
            if self.code.startswith(("LSH", "RaBitQ"))
            else kept
        )
        return code + 8 * self.links + (8 if self.lists else 0)

    def work(self, count: int, dim: int) -> float:
        """Multiplications of training and adding, roughly."""
        trained, wide = min(count, 65_536), self.dims(dim)
        lists = self.lists * wide * (KMEANS * trained + (count if not self.list_links else 0))
        codes = (1 << self.bits) * wide * (KMEANS * trained + count) if self.m else 0
        return (
            lists
            + codes * (3 if self.parts else 1)
            + 80 * self.links * wide * count
            + dim * wide * count * bool(self.width)
        )


@lru_cache(maxsize=64)
def plan(text: str) -> Plan:
    """Read a factory line. Raises UserError where it is none, or not offered here."""
    parts = text.split(",") if len(text) <= LONGEST else []
    found: dict = {"text": text}
    if len(parts) > 1 and (match := TRANSFORM.fullmatch(parts[0])):
        _, width, _, pieces, kept = match.groups()
        found |= {
            "transform": parts.pop(0),
            "width": int(width or kept or 0),
            "parts": int(pieces or 0),
        }
    if len(parts) > 1 and (match := LISTS.fullmatch(parts[0])):
        found |= {
            "lists": int(match[1]),
            "list_links": int(match[2] or 32) if "HNSW" in parts.pop(0) else 0,
        }
    rest = ",".join(parts)
    match = CODE.fullmatch(rest)
    if not match or (found.get("lists") and (match["links"] or match["lsh"])):
        raise UserError(
            f"{text[:LONGEST]!r} is no faiss factory string that works here.", f"Such as: {FORMS}."
        )
    made = Plan(
        **found,
        m=int(match["m"] or 0),
        bits=int(match["bits"] or 8),
        links=int(match["links"] or 0),
        code=rest,
    )
    _check_numbers(made)
    return made


def _check_numbers(made: Plan) -> None:
    for what, value, most in (
        ("dimensions", made.width, 8192),
        ("lists", made.lists, 1 << 20),
        ("sub-vectors", made.m, 4096),
        ("OPQ sub-vectors", made.parts, 4096),
        ("links", made.links, 512),
        ("links", made.list_links, 512),
    ):
        if value > most:
            raise UserError(f"{made.text!r} asks for {value} {what}.", f"At most {most}.")
    if any(
        int(number) == 0 for number in re.findall(r"(?<![a-zA-Z])\d+|(?<=[a-zA-Z])\d+", made.text)
    ):
        raise UserError(f"{made.text!r} asks for none of something.", "Every number is at least 1.")
    if 1 in (made.links, made.list_links):  # one ends the process
        raise UserError(
            f"{made.text!r} asks for 1 link of each {'picture' if made.links else 'list'}.",
            "At least 2.",
        )


class FactoryIndex(Beside):
    """The index that a line describes, built."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._plan = made = plan(text)
        self._codes: Any = None
        self.name, self.title = PREFIX + text, f"faiss {text}"
        self.about = "A faiss factory string as typed, inner product on unit vectors."
        self.search_knobs = {
            "rerank": Knob(
                10, (1, 4, 10, 40), "candidates for each hit wanted, compared exactly", 1, 1000
            )
        }
        if made.lists:
            self.search_knobs["nprobe"] = Knob(8, (1, 4, 16, 64), "lists that are looked through")
        if made.links:
            self.search_knobs["efSearch"] = Knob(
                64, (16, 64, 256), "candidates kept while walking", 1, 100_000
            )
        self.walks = bool(made.links)
        self._index: Any = None

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        index = self._made(vectors.shape[1])
        try:
            if not index.is_trained:
                index.train(sample(vectors))
            for part in blocks(len(vectors), BLOCK, progress):
                index.add(np.ascontiguousarray(vectors[part], dtype=np.float32))
        except RuntimeError as error:
            raise self._said(error) from error
        self._keep(vectors, started)
        self._index = index

    def _fits(self, count: int, dim: int, **knobs: float) -> None:
        """What faiss would fail at after minutes, or not survive."""
        made, text = self._plan, self._plan.text
        if count < made.needed():
            given = f"{text!r} was given {count:,} vectors."
            raise UserError(given, f"Its training needs {made.needed():,}.", "Use fewer lists.")
        wide = made.dims(dim)
        if made.width > dim and not text.startswith("Pad"):
            raise UserError(
                f"{text!r} asks for {made.width} dimensions.", f"The vectors have {dim}."
            )
        if (made.m and wide % made.m) or (made.parts and wide % made.parts):
            fits = ", ".join(str(m) for m in range(1, wide + 1) if wide % m == 0)
            raise UserError(
                f"{text!r}: the sub-vectors do not divide {wide} dimensions.", f"These do: {fits}."
            )
        if (
            size := count * made.row_bytes(dim) + made.lists * (4 * wide + 8 * made.list_links)
        ) > MOST_BYTES:
            raise UserError(
                f"{text!r} would take {size / 1e9:.0f} GB of memory.",
                f"At most {MOST_BYTES / 1e9:.0f} GB.",
            )
        if (work := made.work(count, dim)) > MOST_WORK:
            hours = f"{text!r} would take about {work / MOST_WORK:.1f} hours to build."
            raise UserError(hours, "At most one.", "Use fewer lists.")

    def _made(self, dim: int) -> Any:
        # compares bits, which faiss calls no inner product
        hashed = self._plan.code.startswith("LSH")
        metric = faiss().METRIC_L2 if hashed else faiss().METRIC_INNER_PRODUCT
        try:
            index = faiss().index_factory(dim, self._plan.text, metric)
        except (RuntimeError, AssertionError) as error:
            raise self._said(error) from error
        inner = self._inner(index)
        if hasattr(inner, "do_polysemous_training"):
            # orders the codes for a filter that is not used, and takes minutes
            inner.do_polysemous_training = False
        if self._plan.parts:  # as often as helps: faiss's own 50 rounds of it take minutes
            turn = faiss().downcast_VectorTransform(index.chain.at(0))
            turn.niter, turn.niter_pq, turn.niter_pq_0 = OPQ_ROUNDS, 2, 10
            # faiss keeps no reference to it
            self._codes = turn.pq = faiss().ProductQuantizer(turn.d_out, turn.M, 8)
            quiet(turn)
        quiet(inner)
        return index

    def _said(self, error: Exception) -> UserError:
        reason = (
            re.split(r"Error: |failed: |\.(?:cpp|h):\d+: ", str(error))[-1]
            .strip()
            .rstrip(".")[-160:]
        )
        return UserError(
            f"faiss can't make {self._plan.text!r} of these vectors: {reason}.",
            f"Such as: {FORMS}.",
        )

    @staticmethod
    def _inner(index: Any) -> Any:
        return faiss().downcast_index(index.index) if hasattr(index, "chain") else index

    def _parameters(self, knobs: dict[str, float]) -> Any:
        params = parameters(knobs)
        wrapped = params is not None and hasattr(self._index, "chain")
        return faiss().SearchParametersPreTransform(index_params=params) if wrapped else params

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return best_of_codes(
            self._index, self._vectors, queries, k, int(knobs["rerank"]), self._parameters(knobs)
        )

    def _save(self, folder: Path) -> None:
        write(self._index, folder / FILE)
        self._save_vectors(folder, factory=self._plan.text)

    def _load(self, folder: Path) -> None:
        self._load_vectors(folder)
        self._index = read(folder / FILE)

    def cost(self) -> Cost:
        written = written_bytes(self._index)
        return Cost(written, written + self._vectors.nbytes, self._seconds)


def _find(name: str) -> FactoryIndex | None:
    if name.startswith(PREFIX):
        return FactoryIndex("".join(name.removeprefix(PREFIX).split()))
    return None


indexes.add_finder(list, _find)
