"""One query through one encoder: hits with their meaning, and the time of each stage."""

from __future__ import annotations

import difflib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.datasets.names import shown
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import crop, decode, read_file
from core.services import embed, filters, galleries
from core.services.ready import ready_encoder
from core.services.specs import IndexSpec, index_spec
from core.types import Item

MAX_K = 1000
TWIN = 0.999
"""A hit at least this similar is compared with the query byte for byte."""
TWINS = 8
CANDIDATES = 60
"""So many hits for a part of a picture are compared with it byte for byte."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: a picture of the dataset (``item_id``), or any picture's bytes; ``box`` = (x0, y0, x1, y1) fractions."""

    item_id: str | None = None
    data: bytes | None = None
    name: str = ""
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``verdict``: ``same`` (object; class where no objects are known), ``category``, ``other``; None = unknown."""

    rank: int
    id: str
    path: str
    label: str | None
    instance: str | None
    category: str | None
    split: str | None
    score: float
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, and milliseconds by stage: decode, preprocess, encode, search."""

    dataset: str
    encoder: str
    index: str
    k: int
    hits: tuple[Hit, ...]
    timing_ms: Mapping[str, float]
    hidden: int = 0
    """How many copies of the query itself were left out."""
    score: str = "cosine"
    """What the scores are; ``diffusion`` scores, for one, are no cosines."""


def query_from_file(dataset: Dataset, path: str) -> Query:
    """A picture file, or ``id:NAME`` for a picture of the dataset, as a query.

    A file that is part of the dataset is recognised, and then never its own hit.

    Raises:
        UserError: no such file, no such id.
    """
    if path.startswith("id:"):
        return Query(item_id=item_of(dataset, path[3:]).id, name=path[3:])
    known = {shown(path), shown(os.path.abspath(path)), shown(os.path.realpath(path))}
    for item in dataset.items:
        if item.path in known:
            return Query(item_id=item.id, name=item.id)
    return Query(data=read_file(path), name=shown(os.path.basename(path)))


def item_of(dataset: Dataset, item_id: str) -> Item:
    """The item with this id. Raises UserError where there is none."""
    if item_id in dataset.rows:
        return dataset.items[dataset.rows[item_id]]
    near = difflib.get_close_matches(item_id[:200], dataset.rows, n=3) if len(dataset.rows) <= 20_000 else []
    given = f"{dataset.title or dataset.name} has no picture {item_id[:200]!r}."
    raise UserError(given, fix=f"Did you mean {' or '.join(near)}?" if near else "")


class Engine:
    """Everything that one (dataset, encoder, index) needs to answer, held in memory."""

    def __init__(self, dataset: Dataset, encoder: Encoder, index: IndexSpec) -> None:
        self.dataset, self.encoder = dataset, encoder
        self.path = embed.find(dataset, encoder)
        self.found = embed.read(dataset, encoder)
        self.index, self.rows = galleries.gallery_index(dataset, encoder, index.name, **index.build)
        self._row_of = {id: row for row, id in enumerate(self.found.ids)}
        self._warm_up()

    def serves(self, dataset: Dataset) -> bool:
        """Whether the pictures, what is known of them, and the embeddings are still those that this was made of."""
        same = self.dataset is dataset or self.dataset.items == dataset.items
        return same and self.path is not None and self.path.exists()

    def search(
        self, query: Query, k: int, *, include_self: bool = False, index: str = "", where: Sequence[str] = (), **knobs: float
    ) -> Answer:
        """The ``k`` nearest pictures of the gallery, of those that meet every condition of ``where``.

        ``index`` is how the index was named, for the answer.

        Raises:
            UserError: k out of range, a picture that can't be read, an unknown item, knob, field or value.
        """
        _check(query, k)
        timing: dict[str, float] = {}
        vector, data = self._vector(query, timing)
        hidden: set[int] = set()
        allowed = filters.allowed([self._gallery_item(row) for row in range(len(self.rows))], where) if where else None
        most = self.index.size if allowed is None else max(1, int(np.count_nonzero(allowed)))
        more = 0 if include_self else (1 if query.item_id is not None else TWINS)
        while True:
            wanted = min(k + more, most)
            with _stage(timing, "search"):
                hits = self.index.search(vector, wanted, allowed=allowed, **knobs)
            pairs = [(int(row), float(score)) for row, score in zip(hits.ids[0], hits.scores[0], strict=True) if row >= 0]
            if not include_self:
                hidden |= self._own_rows(query, data, vector, [row for row, _ in pairs if row not in hidden])
            kept = [(row, score) for row, score in pairs if row not in hidden]
            if len(kept) >= k or wanted == most or len(pairs) < wanted:
                break
            more = max(2 * more, 1)  # more copies of the query than expected stand in front
        own = item_of(self.dataset, query.item_id) if query.item_id is not None else None
        shown_hits = tuple(self._hit(rank, row, score, own) for rank, (row, score) in enumerate(kept[:k], start=1))
        names = self.dataset.name, self.encoder.name, index or self.index.name
        return Answer(*names, k, shown_hits, timing, len(hidden), self.index.score)

    def vector(self, query: Query) -> np.ndarray:
        """The query as its encoder sees it, float32 (1, dim). Raises UserError."""
        return self._vector(query, {})[0]

    def _warm_up(self) -> None:
        """The first call of a decoder, a network or a memory-mapped index is slow for reasons that are not theirs."""
        with suppress(UserError):
            decode(self.dataset.read(self._gallery_item(0)), self.encoder.side)
        self.index.search(np.asarray(self.found.vectors[:1]), 1)
        if self.encoder.tier != "imported":
            self.encoder.encode([np.full((self.encoder.side or 224, self.encoder.side or 224, 3), 127, np.uint8)])

    def _vector(self, query: Query, timing: dict[str, float]) -> tuple[np.ndarray, bytes | None]:
        if self.encoder.tier == "imported":
            timing |= {"decode": 0.0, "preprocess": 0.0, "encode": 0.0}
            return self._stored(query), None
        with _stage(timing, "decode"):
            data = query.data if query.item_id is None else self.dataset.read(item_of(self.dataset, query.item_id))
            if data is None:
                raise UserError("No query picture was given.")
            image = decode(data, None if query.box else self.encoder.side)
            image = crop(image, query.box) if query.box else image
        with _stage(timing, "preprocess"):
            prepared = self.encoder.prepare(image)
        with _stage(timing, "encode"):
            return self.encoder.encode_prepared([prepared]), data

    def _stored(self, query: Query) -> np.ndarray:
        if query.item_id is None or query.box:
            raise UserError(
                f"{self.encoder.name} are vectors that you brought: a new picture can't be encoded with them.",
                fix="Choose a query from the gallery.",
            )
        row = self._row_of.get(item_of(self.dataset, query.item_id).id)
        if row is None:
            raise UserError(f"{self.encoder.name} holds no vector for {query.item_id!r}.", fix="Choose another query.")
        return np.asarray(self.found.vectors[row : row + 1])

    def _gallery_item(self, row: int) -> Item:
        return item_of(self.dataset, self.found.ids[int(self.rows[row])])

    def _own_rows(self, query: Query, data: bytes | None, vector: np.ndarray, rows: list[int]) -> set[int]:
        """Which rows of the gallery are the query itself: the same item, or the same file brought again."""
        if query.item_id is not None:
            return {row for row in rows if self._gallery_item(row).id == query.item_id}
        if query.box:  # a part of a picture need not resemble the whole
            return {row for row in rows[:CANDIDATES] if self._has_bytes(row, data)}
        # by the stored vectors: an index may only estimate scores
        alike = np.asarray(self.found.vectors[self.rows[rows]]) @ vector[0] >= TWIN
        return {row for row, near in zip(rows, alike, strict=True) if near and self._has_bytes(row, data)}

    def _has_bytes(self, row: int, data: bytes | None) -> bool:
        try:
            return self.dataset.read(self._gallery_item(row)) == data
        except UserError:  # it can't be read any more, so nobody will see it twice
            return False

    def _hit(self, rank: int, row: int, score: float, own: Item | None) -> Hit:
        item = self._gallery_item(row)
        return Hit(rank, item.id, item.path, item.label, item.instance, item.category, item.split, score, verdict(own, item))


def _check(query: Query, k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise UserError(f"K = {k} was asked for.", f"K is from 1 to {MAX_K}.")
    if query.box is not None and (len(query.box) != 4 or not np.isfinite(query.box).all()):
        raise UserError(f"The box {query.box} is none.", "x0, y0, x1, y1 in fractions of the picture.")


def verdict(query: Item | None, hit: Item) -> str | None:
    """``same``, ``category`` or ``other``, by the finest field that both have; None where nothing is known."""
    if query is None:
        return None
    if query.instance is not None and hit.instance is not None:
        if query.instance == hit.instance:
            return "same"
        known = query.category is not None and hit.category is not None
        return "category" if known and query.category == hit.category else "other"
    if query.label is None or hit.label is None:
        return None
    return "same" if query.label == hit.label else "other"


class _stage:
    """Adds the milliseconds of a block to a dict."""

    def __init__(self, timing: dict[str, float], name: str) -> None:
        self.timing, self.name = timing, name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        spent = (time.perf_counter() - self.started) * 1000
        self.timing[self.name] = round(self.timing.get(self.name, 0.0) + spent, 3)


_engines: OrderedDict[tuple[str, str, str], Engine] = OrderedDict()
_making: dict[tuple[str, str, str], threading.Lock] = {}
_engines_lock = threading.Lock()
MAX_ENGINES = 24


def engine(dataset: Dataset, encoder: str, index: str = "exact") -> Engine:
    """The engine for (dataset, encoder, index), kept in memory while it is among the last used.

    Raises:
        UserError: unknown names, or embeddings that are not built.
    """
    spec = index_spec(index)
    key = (dataset.locator, encoder, store.fingerprint({"name": spec.name, "build": dict(spec.build)}))
    with _engines_lock:
        known = _engines.get(key)
        making = _making.setdefault(key, threading.Lock())
    if known is not None and known.serves(dataset):
        with _engines_lock, suppress(KeyError):
            _engines.move_to_end(key)
        return known
    try:
        with making:  # two visitors of one gallery load it once
            known = _engines.get(key)
            if known is None or not known.serves(dataset):
                known = Engine(dataset, ready_encoder(dataset, encoder, may_fit=False), spec)
            with _engines_lock:
                _engines[key] = known
                while len(_engines) > MAX_ENGINES:
                    _engines.popitem(last=False)
            return known
    finally:
        _making.pop(key, None)


def search(
    query: Query, dataset: Dataset, encoder: str, index: str = "exact", k: int = 10, *,
    include_self: bool = False, where: Sequence[str] = (), **knobs: float,
) -> Answer:  # fmt: skip
    """One query through one encoder and index (``hnsw:efSearch=16`` sets its knobs); see :meth:`Engine.search`."""
    spec = index_spec(index)
    made = engine(dataset, encoder, index)
    return made.search(query, k, include_self=include_self, index=spec.text, where=where, **{**spec.search, **knobs})
