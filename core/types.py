"""The types that every room speaks: frozen, numpy only, checked when they are made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from core.errors import Cancelled

STATED = ("id", "path", "label", "instance", "category", "split")
"""What an item says in fields of its own; the rest are its attributes."""
Progress = Callable[[int, int], bool]
"""``progress(done, total) -> bool``: called often; returning False means stop."""


def report(progress: Progress | None, done: int, total: int) -> None:
    """Call ``progress`` if there is one; raise :class:`Cancelled` when it says stop."""
    if progress is not None and progress(done, total) is False:
        raise Cancelled(f"stopped at {done} of {total}")


class Step(StrEnum):
    """What long work does in turn, as it names it to a progress that plans by that."""

    FETCH = "fetch"
    """Bytes come over a network; the only step that counts bytes."""
    UNPACK = "unpack"
    LOAD = "load"
    """A file that came is checked; a network is read and compiled."""
    FORM = "form"
    """Number formats are tried."""
    LOOK = "look"
    """Pictures are prepared for a fit."""
    FIT = "fit"
    BASE = "base"
    """Vectors are made that others follow from."""
    NEAR = "near"
    """Of a map, the nearest of each point are found; then the graph of them, and rounds over it."""
    GRAPH = "graph"
    ROUNDS = "rounds"
    SETTLE = "settle"
    """Points are placed among those that were arranged."""
    LISTS = "lists"
    """Nearest neighbours in space and on the map, by which it is measured."""
    MEASURE = "measure"
    END = "end"


def doing(progress: Progress | None, step: str) -> Progress | None:
    """Say which step begins; returns the progress that counts it."""
    told = getattr(progress, "doing", None)
    return progress if told is None else told(step)


def tell(progress: Progress | None, what: str) -> None:
    """Say what is counted from now on, to a progress that can show it."""
    if progress is not None and hasattr(progress, "what"):
        progress.what = what


@contextmanager
def saying(progress: Progress | None, what: str) -> Iterator[None]:
    """A block of which only its name is known: ``what`` is said until it ends."""
    before = getattr(progress, "what", "")
    tell(progress, what)
    report(progress, 0, 0)
    try:
        yield
    finally:
        tell(progress, before)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a dataset.

    ``id`` is unique in its dataset and stable between runs. ``path`` is where the picture lies, for
    people (a file, or ``archive.zip!/member.jpg``). ``stamp`` changes whenever the bytes of the
    picture change: together with ``id`` it is what an embedding belongs to. ``label`` is the class
    that the source states, ``instance`` the one object shown,
    ``category`` the kind of that object; each is None where the source does not say. ``split`` is
    the source's own word.
    """

    id: str
    path: str
    label: str | None = None
    instance: str | None = None
    category: str | None = None
    split: str | None = None
    stamp: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)

    def value(self, name: str) -> object:
        """A field or an attribute by name; None where it is missing."""
        if name in STATED:
            return getattr(self, name)
        return self.attributes.get(name)

    def __reduce__(
        self,
    ) -> tuple:  # a mappingproxy can't be pickled, and worker processes get items
        known = (
            self.id,
            self.path,
            self.label,
            self.instance,
            self.category,
            self.split,
            self.stamp,
        )
        return Item, (*known, dict(self.attributes)) if self.attributes else known


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that could not be used, and the reason in words."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What was used, but not as it stands: ``id`` says where, ``text`` what was done and why."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """Who searches whom, and what counts as right.

    ``gallery`` and ``queries`` name splits (empty = every item); ``every`` keeps each n-th query,
    sorted by id. A gallery item is *relevant* when its field ``relevant`` equals the query's, and
    *junk* (neither right nor wrong) when its field ``ignore`` equals the query's. The query itself
    is always junk.
    """

    name: str
    relevant: str
    gallery: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    ignore: str | None = None
    every: int = 1
    note: str = ""
    crop: str = ""
    """The detector whose main box of a query is asked with; empty: all of the query."""

    def in_gallery(self, item: Item) -> bool:
        return not self.gallery or item.split in self.gallery

    def is_query(self, item: Item) -> bool:
        return not self.queries or item.split in self.queries


@dataclass(frozen=True, slots=True)
class Parts:
    """Several objects of each picture: rows of ``stored`` float32 (n, places * (dim + 4)) hold the
    vectors of all places, then their edges; the main object is the first.

    A picture with fewer objects has zeros in their place, and edges without area.
    """

    stored: np.ndarray
    dim: int

    @staticmethod
    def width(dim: int, places: int) -> int:
        return places * (dim + 4)

    @property
    def places(self) -> int:
        return self.stored.shape[1] // (self.dim + 4)

    def edges(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """float32 (len(rows), places, 4): x0, y0, x1, y1 in fractions of the picture."""
        flat = np.asarray(self.stored[rows, self.places * self.dim :])
        return flat.reshape(len(flat), self.places, 4)

    def there(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The objects of these pictures, picture by picture: which of ``rows`` each belongs to, and
        its place; int64 each."""
        edges = self.edges(rows)
        real = (edges[..., 2] > edges[..., 0]) & (edges[..., 3] > edges[..., 1])
        numbers, places = np.nonzero(real)
        return numbers.astype(np.int64), places.astype(np.int64)

    def vectors(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """float32 (len(rows), dim) unit rows: of each row the object at its place."""
        columns = np.asarray(places)[:, None] * self.dim + np.arange(self.dim)
        return np.asarray(self.stored[np.asarray(rows)[:, None], columns], np.float32)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Unit vectors of a dataset: ``ids`` (n), ``vectors`` float32 (n, dim), and the fingerprints of
    both causes. ``parts``: every object's own, where several of a picture were encoded; the vectors
    are those of the main ones then."""

    ids: Sequence[str]
    vectors: np.ndarray
    dataset: str
    encoder: str
    skipped: tuple[Skipped, ...] = ()
    parts: Parts | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise ValueError(f"{len(self.ids)} ids for vectors of shape {self.vectors.shape}")


Said = Mapping[str, Sequence[tuple[str, ...]]]
"""What rows say of themselves: field -> each row's values, sorted; none where it says nothing."""
Where = Sequence[tuple[str, frozenset[str]]]
"""A filter: fields with values, of each of which a row must hold one."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Answers to q queries: ``ids`` int64 (q, k) row numbers, ``scores`` float32 (q, k).

    Larger is more similar, best first, ties by id; id -1 and score -inf where fewer than k exist.
    """

    ids: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        if self.ids.shape != self.scores.shape or self.ids.ndim != 2:
            raise ValueError(
                f"ids {self.ids.shape} and scores {self.scores.shape} must share one (q, k) shape"
            )
        if (self.scores[:, 1:] > self.scores[:, :-1]).any():
            raise ValueError("scores must be sorted, best first")


@dataclass(frozen=True, slots=True)
class State:
    """Whether something can be used now. ``kind`` is ``ready``, ``download`` or ``unavailable``.

    ``detail`` says why and what to do; ``bytes`` is the size of a download where it is known, else
    0.
    """

    kind: str
    detail: str = ""
    bytes: int = 0

    def __str__(self) -> str:
        size = f" ({self.bytes / 1e6:.0f} MB)" if self.bytes else ""
        return {
            "ready": "ready",
            "download": f"needs download{size}",
            "unavailable": "unavailable",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Positions:
    """What each position of a picture adds to its vector.

    ``parts`` float32 (h, w, dim), row 0 at the top. Where ``exact`` they sum to the vector, but for
    its length; otherwise they are the features that a network has at each position, and only their
    similarity can be told. ``how`` says in words how positions become a vector.
    """

    parts: np.ndarray
    exact: bool
    how: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What an index costs: resident and stored bytes, and seconds to build."""

    ram_bytes: int
    disk_bytes: int
    build_s: float
