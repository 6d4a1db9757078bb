"""Galleries of crops: the encoder ``NAME@DETECTOR`` sees of each picture the main box of a detector
alone.

It is an encoder like any other: its vectors, indexes and figures lie beside those of ``NAME`` under
keys of their own, and a
query by it is cropped in the same way.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from core import store
from core.detectors.base import (
    MARGIN,
    SQUARE,
    WHOLE,
    Box,
    Detector,
    Edges,
    NothingToFind,
    detectors,
    first_boxes,
    part,
    with_margin,
)
from core.encoders.base import Encoder, Words, encoders
from core.errors import UserError
from core.images import crop
from core.indexes.base import Index
from core.neighbours import dots
from core.services.embedding.detecting import ready_detector
from core.types import Hits, Parts, Progress, State, Where

MARK, NUMBER = "@", ":"
MAX_OBJECTS = 9
LIST = Path("library", "crops.json")
CHOICE = 1
"""Changes when the rule of the main box does."""


class Cropped(Encoder):
    """``inner`` on the subject of each picture; what is asked of it and not said here is asked of
    ``inner``."""

    side = None

    def __init__(self, inner: Any, detector: Detector) -> None:
        if inner.base is not None or inner.tier == "imported":
            why = f"are made from those of {inner.base}" if inner.base else "were brought"
            raise UserError(
                f"{inner.name} sees no pictures: its vectors {why}.",
                "Crops are for encoders that look at pictures.",
            )
        self.inner, self.detector = inner, detector
        self.name = f"{inner.name}{MARK}{detector.name}"
        self.title = f"{inner.title or inner.name}, crops ({detector.title})"
        self.about = f"{inner.about} Sees the main box of {detector.title} alone."
        self.family, self.tier, self.batch = inner.family, inner.tier, inner.batch
        self._last: tuple[bytes, Edges | None] | None = None

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name in ("inner", "_last"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def forks(self) -> bool:  # type: ignore[override]
        return self.detector.forks

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.inner.dim

    @property
    def words(self) -> Words | None:  # type: ignore[override]
        return self.inner.words

    @property
    def fitted(self) -> bool:  # type: ignore[override]
        return self.inner.fitted

    @property
    def form(self) -> str:
        return self.inner.form

    @form.setter
    def form(self, form: str) -> None:
        self.inner.form = form

    def state(self) -> State:
        states = self.inner.state(), self.detector.state()
        worst = max(
            states, key=lambda state: ("ready", "download", "unavailable").index(state.kind)
        )
        return State(worst.kind, worst.detail, sum(state.bytes for state in states))

    def fingerprint(self) -> dict:
        crops = {
            **self.detector.fingerprint(),
            "margin": MARGIN,
            "square": SQUARE,
            "choice": CHOICE,
        }
        return {**self.inner.fingerprint(), "encoder": self.name, "crops": crops}

    def load(self, progress: Progress | None = None) -> None:
        self.inner.load(progress)
        self.detector = ready_detector(self.detector.name, progress, may_fetch=True)

    def part(self, image: np.ndarray) -> Edges | None:
        """The part of an RGB picture that is encoded; None = all of it. The last answer is kept:
        several ask for one picture."""
        mark = (
            hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            + repr(image.shape).encode()
        )
        last = self._last
        if last is None or last[0] != mark:
            self._last = last = mark, self._part(image)
        return last[1]

    def _part(self, image: np.ndarray) -> Edges | None:
        try:
            return part(self.detector.detect(image), image.shape[1::-1])
        except NothingToFind:
            return None

    def prepare(self, image: np.ndarray) -> Any:
        box = self.part(image)
        return self.inner.prepare(image if box is None else crop(image, box))

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return self.inner._encode(batch)

    def fit(
        self, prepared: Iterable[Any], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        return self.inner.fit(prepared, progress)

    def with_fit(self, arrays: dict[str, np.ndarray]) -> Encoder:
        return Cropped(self.inner.with_fit(arrays), self.detector)


@dataclass(frozen=True, slots=True)
class Objects:
    """One picture, prepared: what ``inner`` takes of each object, the main one first, and the edges
    of its box."""

    prepared: tuple[np.ndarray, ...]
    edges: tuple[Edges, ...]


class Several(Cropped):
    """``inner`` on up to ``places`` objects of each picture: a search finds a picture by its best
    one. Whatever asks for one vector a picture gets that of the main object.
    """

    def __init__(self, inner: Encoder, detector: Detector, places: int) -> None:
        super().__init__(inner, detector)
        if not 2 <= places <= MAX_OBJECTS:
            raise UserError(f"{places} objects a picture.", f"2 to {MAX_OBJECTS}.")
        self.places = places
        self.name = f"{self.name}{NUMBER}{places}"
        self.title = f"{inner.title or inner.name}, {places} objects ({detector.title})"
        self.about = f"{inner.about} Sees up to {places} boxes of {detector.title}, each alone."

    @property
    def stored_dim(self) -> int:
        return Parts.width(self.dim, self.places)

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "objects": self.places}

    def prepare(self, image: np.ndarray) -> Objects:
        try:
            boxes = first_boxes(self.detector.detect(image), self.places)
        except NothingToFind:
            boxes = []
        parts = [(box, with_margin(box, image.shape[1::-1])) for box in boxes] or [(WHOLE, WHOLE)]
        return Objects(
            tuple(self.inner.prepare(_inside(image, part)) for _, part in parts),
            tuple(box.edges for box, _ in parts),
        )

    def encode_prepared(self, batch: Sequence[Any]) -> np.ndarray:
        """The main objects, and what ``inner`` prepared itself: float32 (n, dim)."""
        plain = [one.prepared[0] if isinstance(one, Objects) else one for one in batch]
        return self.inner.encode_prepared(plain)

    def encode_stored(self, batch: Sequence[Objects]) -> np.ndarray:
        """Every object, laid out as :class:`core.types.Parts` reads it."""
        vectors = self.inner.encode_prepared([part for one in batch for part in one.prepared])
        stored, done = np.zeros((len(batch), self.stored_dim), np.float32), 0
        for row, one in enumerate(batch):
            found = len(one.prepared)
            stored[row, : found * self.dim] = vectors[done : done + found].ravel()
            start = self.places * self.dim
            stored[row, start : start + 4 * found] = np.ravel(one.edges)
            done += found
        return stored

    def fit(
        self, prepared: Iterable[Objects], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        return self.inner.fit((part for one in prepared for part in one.prepared), progress)

    def with_fit(self, arrays: dict[str, np.ndarray]) -> Encoder:
        return Several(self.inner.with_fit(arrays), self.detector, self.places)


def _inside(image: np.ndarray, box: Box) -> np.ndarray:
    return image if box.edges == WHOLE.edges else crop(image, box.edges)


def named(encoder: str, detector: str, objects: int = 1) -> str:
    """The name of ``encoder`` on the crops of ``detector``, or on so many objects of each picture.
    Raises UserError where a name is unknown, or the number is not possible."""
    found = detectors.get(detector)
    made = encoders.get(encoder)
    inner = made.inner if isinstance(made, Cropped) else made
    return _made(inner, found, objects).name


def _made(inner: Encoder, detector: Detector, objects: int) -> Cropped:
    return Cropped(inner, detector) if objects == 1 else Several(inner, detector, objects)


def remember(names: Iterable[str]) -> None:
    """List these encoders of crops from now on: somebody built them."""
    if new := set(names) - set(_listed()):
        with store.lock("crops"):
            store.write_text(store.root() / LIST, json.dumps(sorted({*_listed(), *new})))


def _listed() -> list[str]:
    names: dict[str, None] = {}
    for home in store.layers():
        try:
            found = json.loads((home / LIST).read_text())
        except (OSError, ValueError):
            continue
        if isinstance(found, list):
            names |= {name: None for name in found if isinstance(name, str) and _split(name)}
    return list(names)


def _split(name: str) -> tuple[str, str, int] | None:
    """Encoder, detector and number of objects; None where the name is not one of crops."""
    inner, _, rest = name.rpartition(MARK)
    detector, _, number = rest.partition(NUMBER)
    if not inner or detector not in detectors.names():
        return None
    if not number:
        return (inner, detector, 1) if rest == detector else None
    several = len(number) == 1 and number in "23456789"
    return (inner, detector, int(number)) if several else None


def _find(name: str) -> Cropped | None:
    split = _split(name)
    if split is None:
        return None
    inner, detector, objects = split
    return _made(encoders.get(inner), detectors.get(detector), objects)


encoders.add_finder(_listed, _find, first=True)


BLOCK = 4096
"""Pictures looked at in one go."""


class ObjectIndex:
    """An index whose rows are objects, asked for pictures: each once, by its best object. What else
    is asked of it is asked of the index."""

    def __init__(self, index: Index, of: np.ndarray, pictures: int, places: int) -> None:
        """``of``: int64, the picture of each row of the index; ``places``: so many objects a
        picture has at most."""
        self._index, self._of, self._places = index, of, places
        self.size = pictures

    @classmethod
    def over(cls, index: Index, parts: Parts, rows: np.ndarray) -> tuple[Index, np.ndarray]:
        """The index for pictures, and the embedding row of each of them, ascending.

        Args:
            rows: the embedding row of each row of ``index``.
        """
        pictures = np.unique(rows)
        made = cls(index, np.searchsorted(pictures, rows), len(pictures), parts.places)
        return cast(Index, made), pictures

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_index":
            raise AttributeError(name)
        return getattr(self._index, name)

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Where = (),
        **knobs: float,
    ) -> Hits:
        """The ``k`` most similar pictures, as :meth:`core.indexes.base.Index.search` gives rows;
        ``allowed``: bool (pictures,), and ``where`` what it was made of."""
        mask = None if allowed is None else np.asarray(allowed)[self._of]
        wanted = max(k, min(k * self._places, self._index.size))
        hits = self._index.search(queries, wanted, allowed=mask, where=where, **knobs)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, (found, values) in enumerate(zip(hits.ids, hits.scores, strict=True)):
            there = found >= 0
            pictures, first = np.unique(self._of[found[there]], return_index=True)
            order = np.argsort(first)[:k]
            ids[row, : len(order)] = pictures[order]
            scores[row, : len(order)] = values[there][first[order]]
        return Hits(ids, scores)


def nearest_objects(
    parts: Parts, rows: np.ndarray, vector: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each of these pictures the cosine of the object that is nearest to ``vector`` (dim,), and
    its place among them: float32 and int64 (len(rows),)."""
    scores, places = np.empty(len(rows), np.float32), np.empty(len(rows), np.int64)
    for start in range(0, len(rows), BLOCK):
        block = np.asarray(rows[start : start + BLOCK])
        numbers, at = parts.there(block)
        every = np.full((len(block), parts.places), -np.inf, np.float32)
        every[numbers, at] = dots(parts.vectors(block[numbers], at), vector)
        places[start : start + BLOCK] = every.argmax(axis=1)
        scores[start : start + BLOCK] = every.max(axis=1)
    return scores, places


def frames(parts: Parts, rows: np.ndarray, vector: np.ndarray) -> list[Edges | None]:
    """The edges of those objects; None where it is the whole picture."""
    _, places = nearest_objects(parts, rows, vector)
    edges = parts.edges(rows)[np.arange(len(rows)), places]
    found = [tuple(round(float(edge), 4) for edge in four) for four in edges]
    return [None if four == (0.0, 0.0, 1.0, 1.0) else cast(Edges, four) for four in found]
