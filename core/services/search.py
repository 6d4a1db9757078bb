"""One query through one encoder: hits with their meaning, and the time of each stage."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import crop, decode, read_file
from core.services import embed, galleries
from core.services.ready import ready_encoder
from core.types import Item

MAX_K = 1000
TWIN = 0.999
"""A hit at least this similar is compared with the query byte for byte."""
TWINS = 8


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


def query_from_file(dataset: Dataset, path: str) -> Query:
    """A picture file as a query; a file that is part of the dataset is recognised and then never its own hit."""
    full = str(Path(path).resolve())
    for item in dataset.items:
        if item.path == path or item.path == full:
            return Query(item_id=item.id, name=item.id)
    return Query(data=read_file(path), name=Path(path).name)


class Engine:
    """Everything that one (dataset, encoder, index) needs to answer, held in memory."""

    def __init__(self, dataset: Dataset, encoder: Encoder, index: str) -> None:
        self.dataset, self.encoder, self.index_name = dataset, encoder, index
        self.found = embed.read(dataset, encoder)
        self.index, self.rows = galleries.gallery_index(dataset, encoder, index)
        self._row_of = {id: row for row, id in enumerate(self.found.ids)}
        self._warm_up()

    def search(self, query: Query, k: int, *, include_self: bool = False, **knobs: float) -> Answer:
        """The ``k`` nearest pictures of the gallery.

        Raises:
            UserError: k out of range, a picture that can't be read, an unknown item, an unknown knob.
        """
        if not 1 <= k <= MAX_K:
            raise UserError(f"K = {k} was asked for.", f"K is from 1 to {MAX_K}.")
        timing: dict[str, float] = {}
        vector, data = self._vector(query, timing)
        with _stage(timing, "search"):
            more = 0 if include_self else (1 if query.item_id else TWINS)
            hits = self.index.search(vector, min(k + more, self.index.size), **knobs)
        pairs = [(int(row), float(score)) for row, score in zip(hits.ids[0], hits.scores[0], strict=True) if row >= 0]
        kept = pairs if include_self else [pair for pair in pairs if not self._is_query(query, data, *pair)]
        own = self._item(query.item_id) if query.item_id else None
        shown = tuple(self._hit(rank, row, score, own) for rank, (row, score) in enumerate(kept[:k], start=1))
        return Answer(self.dataset.name, self.encoder.name, self.index_name, k, shown, timing, len(pairs) - len(kept))

    def _warm_up(self) -> None:
        """The first call of a network and of a memory-mapped index is slow for reasons that are not theirs."""
        self.index.search(np.asarray(self.found.vectors[:1]), 1)
        if self.encoder.tier != "imported":
            self.encoder.encode([np.full((self.encoder.side or 224, self.encoder.side or 224, 3), 127, np.uint8)])

    def _vector(self, query: Query, timing: dict[str, float]) -> tuple[np.ndarray, bytes | None]:
        if self.encoder.tier == "imported":
            timing |= {"decode": 0.0, "preprocess": 0.0, "encode": 0.0}
            return self._stored(query), None
        with _stage(timing, "decode"):
            data = query.data if query.item_id is None else self.dataset.read(self._item(query.item_id))
            if data is None:
                raise UserError("No query picture was given.")
            image = decode(data, None if query.box else self.encoder.side)
            image = crop(image, query.box) if query.box else image
        with _stage(timing, "preprocess"):
            prepared = self.encoder.prepare(image)
        with _stage(timing, "encode"):
            return self.encoder.encode_prepared([prepared]), data

    def _stored(self, query: Query) -> np.ndarray:
        row = self._row_of.get(query.item_id or "")
        if row is None or query.box:
            raise UserError(
                f"{self.encoder.name} are vectors that you brought: a new picture can't be encoded with them.",
                fix="Choose a query from the gallery.",
            )
        return np.asarray(self.found.vectors[row : row + 1])

    def _item(self, item_id: str) -> Item:
        if item_id not in self.dataset.rows:
            raise UserError(f"{self.dataset.title or self.dataset.name} has no picture {item_id!r}.")
        return self.dataset.items[self.dataset.rows[item_id]]

    def _gallery_item(self, row: int) -> Item:
        return self._item(self.found.ids[int(self.rows[row])])

    def _is_query(self, query: Query, data: bytes | None, row: int, score: float) -> bool:
        item = self._gallery_item(row)
        if query.item_id is not None:
            return item.id == query.item_id
        return query.box is None and score >= TWIN and self.dataset.read(item) == data

    def _hit(self, rank: int, row: int, score: float, own: Item | None) -> Hit:
        item = self._gallery_item(row)
        return Hit(
            rank, item.id, item.path, item.label, item.instance, item.category, item.split, score, verdict(own, item)
        )


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
        self.timing[self.name] = round((time.perf_counter() - self.started) * 1000, 3)


_engines: OrderedDict[tuple[str, str, str, str], Engine] = OrderedDict()
_engines_lock = threading.Lock()
MAX_ENGINES = 24


def engine(dataset: Dataset, encoder: str, index: str = "exact") -> Engine:
    """The engine for (dataset, encoder, index), kept in memory while it is among the last used.

    Raises:
        UserError: unknown names, or embeddings that are not built.
    """
    key = (dataset.locator, dataset.fingerprint(), encoder, index)
    with _engines_lock:
        if key in _engines:
            _engines.move_to_end(key)
            return _engines[key]
    made = Engine(dataset, ready_encoder(dataset, encoder, may_fit=False), index)
    with _engines_lock:
        _engines[key] = made
        while len(_engines) > MAX_ENGINES:
            _engines.popitem(last=False)
    return made


def search(
    query: Query, dataset: Dataset, encoder: str, index: str = "exact", k: int = 10, *, include_self: bool = False, **knobs: float
) -> Answer:
    """One query through one encoder and index; see :class:`Engine`."""
    return engine(dataset, encoder, index).search(query, k, include_self=include_self, **knobs)
