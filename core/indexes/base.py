"""What every index promises; and what those share that find candidates by something small and
compare them by the vectors that lie beside it."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from core import options, store
from core.errors import UserError
from core.neighbours import best, join, nearest, nothing
from core.registry import Registry
from core.types import Cost, Hits, Progress, Said, State, Where, report

indexes: Registry[Index] = Registry("index", "core.indexes", first="exact")


MOST_HITS = 10_000
CHECKED = 65_536
"""So many rows are looked through for NaN at a time."""
FEW = 2000
"""So few allowed rows are compared one by one: quicker than any index, and exact."""


class Away(UserError):
    """An engine that does not answer, or refuses who asks: true now, and perhaps not in a minute.
    So nothing that is kept may say it."""


class Unreadable(UserError):
    """A saved index that is damaged: it can be built again."""

    def __init__(self, folder: Path | str, *more: str) -> None:
        super().__init__(
            f"The index in {folder} can't be read.", "", "Delete it on the Library page."
        )

    def __reduce__(self) -> tuple:
        return UserError, (self.given, self.allowed, self.fix)


class Index(ABC):
    """Nearest neighbours by cosine over unit vectors.

    Build knobs are given to :meth:`build` and belong to the cache key; search knobs are given to
    :meth:`search` and do not. Ids are row numbers of what was built.

    Whatever finds the hits, a score is the exact cosine of query and row (:mod:`core.neighbours`),
    and equal scores fall by id: so two indexes that find the same rows give the same answer, and
    approximation shows in what is missing alone. Where ``score`` is not ``cosine`` it says what is
    ranked by instead.
    """

    name: str = ""
    title: str = ""
    about: str = ""
    exact: bool = False
    score: str = "cosine"
    package: str = ""
    """What has to be installed besides the product's own packages, by its name of import."""
    selects: bool = False
    """Whether a filter goes into the search itself; else more is fetched until enough is left."""
    partial: bool = False
    """Whether rows that share nothing with the query are never answered, whatever is asked for."""
    walks: bool = False
    """Whether it walks a graph: where that leads to too few rows, all are compared."""
    mapped: bool = True
    """Whether a saved index is read by memory map; False: all of it is read into memory."""
    grows: bool = False
    """Whether :meth:`follow` may take over what is saved of an earlier gallery."""
    build_ns: float | None = None
    """Nanoseconds of one core for each dimension of each vector that building takes at the default
    knobs, where it grows with these alone; None: not known. What takes no time by this is built
    without asking."""
    build_knobs: Mapping[str, Knob] = MappingProxyType({})
    search_knobs: Mapping[str, Knob] = MappingProxyType({})
    engine: bool = False
    """Whether an engine of its own, which may run on other machines, holds it: that keeps what each
    row says (label, category, attributes) and filters by it inside its search, and costs what
    :meth:`cost` says beside the files here."""
    lost: bool = False
    """Whether what it needs is gone since it was loaded: it has to be made again."""
    size: int = 0
    dim: int = 0

    def state(self) -> State:
        """Whether it can be used here; ``detail`` says what to do where not."""
        if self.package and find_spec(self.package) is None:
            return State(
                "unavailable", f"{self.title} needs the package {self.package}. {self.install}"
            )
        return State("ready")

    @property
    def install(self) -> str:
        """What to do where the package is not installed."""
        return f"Install it with: pip install {self.package}"

    def fingerprint(self, **knobs: float) -> dict:
        """Every cause of the built index but the vectors."""
        return {
            "index": self.name,
            "knobs": self.resolve(self.build_knobs, knobs),
            "version": getattr(self, "version", 1),
        }

    def told(self, key: str, said: Said) -> None:
        """Hear before a build that will be saved what it is built for, where ``engine``.

        Args:
            key: of every cause; the same build has it again.
            said: what each row says of itself.
        """

    def discard(self, folder: Path) -> None:
        """Let go of what a saved index has elsewhere: its folder is deleted next."""

    def build(self, vectors: np.ndarray, progress: Progress | None = None, **knobs: float) -> None:
        """Index float32 (n, dim) unit rows.

        Raises:
            UserError: too few vectors to train on, a wrong knob, a package that is not installed.
            Cancelled: ``progress`` said stop.
        """
        resolved = self.resolve(self.build_knobs, knobs)
        self._check(vectors)
        self._need_package()
        self._fits(*vectors.shape, **resolved)
        self.size = self.dim = 0
        self._build(vectors, progress, **resolved)
        self.size, self.dim = vectors.shape

    def follow(self, former: Path, place: np.ndarray, vectors: np.ndarray, **knobs: float) -> bool:
        """Become the index over ``vectors`` by what :meth:`save` wrote of an earlier gallery, and
        by the new rows alone; False where that can't be or has aged, and :meth:`build` is due.

        Args:
            former: the folder of an index with the same knobs.
            place: int64 (rows before), the row in ``vectors`` of each, which is the same vector;
                -1 where it went.
            vectors: float32 (n, dim) unit rows, all that are searched now.

        Raises:
            UserError: as :meth:`build`; Unreadable where the folder is damaged.
        """
        resolved = self.resolve(self.build_knobs, knobs)
        self._check(vectors)
        self._need_package()
        self._fits(*vectors.shape, **resolved)
        followed = self.grows and self._follow(former, place, vectors, **resolved)
        if followed:
            self.size, self.dim = vectors.shape
        return followed

    def _follow(self, former: Path, place: np.ndarray, vectors: np.ndarray, **knobs: float) -> bool:
        """What :meth:`follow` says, where ``grows``."""
        return False

    def fits(self, count: int, dim: int, **knobs: float) -> None:
        """Whether :meth:`build` takes ``count`` vectors of ``dim`` dimensions; asked before hours
        are spent on them.

        Raises:
            UserError: too few vectors to train on (with the number needed), a wrong knob, more
                memory or time than is allowed.
        """
        self._fits(count, dim, **self.resolve(self.build_knobs, knobs))

    def _fits(self, count: int, dim: int, **knobs: float) -> None:
        """Nothing is asked of the vectors, unless an index says more."""

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Where = (),
        **knobs: float,
    ) -> Hits:
        """The ``k`` most similar rows for each of float32 (q, dim); -1 where fewer exist.

        Args:
            allowed: bool (size,): which rows may be answered; None = all.
            where: the filter that ``allowed`` says row by row, where it is one of fields: an index
                that ``engine`` searches by it.

        Raises:
            UserError: nothing was built, a knob is unknown, the dimension is wrong or a value is
                not finite.
        """
        self._need_built("searched")
        most = max(self.size, MOST_HITS)
        if not 1 <= k <= most:
            raise UserError(f"k = {k} was asked for.", f"k is 1 to {most}.")
        resolved = self.resolve(self.search_knobs, knobs)
        self._check(queries, self.dim)
        queries, mask = np.ascontiguousarray(queries, dtype=np.float32), self._mask(allowed)
        if mask is not None:
            return self._filtered(queries, k, mask, where, resolved)
        hits = self._search(queries, k, **resolved)
        return self._completed(queries, k, hits) if self.walks else hits

    @abstractmethod
    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None: ...

    @abstractmethod
    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits: ...

    @abstractmethod
    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        """The vectors of these rows as scores are made from them, float32 (len(ids), dim)."""

    def _mask(self, allowed: np.ndarray | None) -> np.ndarray | None:
        """Rows that may be answered, bool (size,); None where that is every one."""
        if allowed is None:
            return None
        allowed = np.asarray(allowed)
        if allowed.dtype != np.bool_ or allowed.shape != (self.size,):
            given = f"A filter of {allowed.dtype} {allowed.shape} was given."
            raise UserError(given, f"It is True or False for each of {self.size} rows.")
        return None if allowed.all() else allowed

    def _filtered(
        self, queries: np.ndarray, k: int, mask: np.ndarray, where: Where, knobs: dict[str, Any]
    ) -> Hits:
        """What ``mask`` allows, as many as there are, unless the index is a ``partial`` one."""
        left = np.flatnonzero(mask)
        if not len(left):
            return nothing(len(queries), k)
        compares = self.score == "cosine" and not self.partial
        if compares and len(left) <= max(FEW, k):
            return nearest(queries, self.rows, left, k)
        hits = self._by_fields(queries, k, where, **knobs) if where else None
        if hits is None:
            if self.selects:
                hits = self._select(queries, k, mask, **knobs)
            else:
                hits = self._overfetch(queries, k, mask, knobs)
        short = np.flatnonzero((hits.ids >= 0).sum(axis=1) < min(k, len(left)))
        if compares and len(short):
            return join(hits, short, nearest(queries[short], self.rows, left, k))
        return hits

    def _completed(self, queries: np.ndarray, k: int, hits: Hits) -> Hits:
        """Hits (q, k) of a walk; where its graph led to too few rows, all are compared."""
        if hits.ids[:, min(k, self.size) - 1].min() >= 0:
            return hits
        short = np.flatnonzero(hits.ids[:, min(k, self.size) - 1] < 0)
        return join(hits, short, nearest(queries[short], self.rows, np.arange(self.size), k))

    def _by_fields(self, queries: np.ndarray, k: int, where: Where, **knobs: float) -> Hits | None:
        """A search by what rows say, where ``engine``; None where it keeps no such field."""
        return None

    def _select(self, queries: np.ndarray, k: int, mask: np.ndarray, **knobs: float) -> Hits:
        """A search among the allowed rows alone, where ``selects``: here by comparing all."""
        return nearest(queries, self.rows, np.flatnonzero(mask), k)

    def _overfetch(
        self, queries: np.ndarray, k: int, mask: np.ndarray, knobs: dict[str, Any]
    ) -> Hits:
        """Fetch four times as many each time, until ``k`` are allowed or all were seen."""
        count = int(np.count_nonzero(mask))
        wanted = min(self.size, int(1.5 * k * self.size / count) + 16)
        while True:
            hits = self._search(queries, wanted, **knobs)
            which, column = np.nonzero((hits.ids >= 0) & mask[hits.ids])
            if wanted == self.size or np.bincount(which, minlength=len(queries)).min() >= min(
                k, count
            ):
                return best(
                    len(queries), k, which, hits.ids[which, column], hits.scores[which, column]
                )
            wanted = min(self.size, 4 * wanted)

    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder."""
        self._save(folder)

    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote, by memory map where possible.

        Raises:
            Unreadable: a file is damaged.
            UserError: a package is not installed.
        """
        self._need_package()
        self._load(folder)

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    def hashed(self, vectors: np.ndarray) -> np.ndarray | None:
        """What the index compares in place of vectors (n, dim), where it hashes them: bits, bool
        (n, bits), or minima, uint32 (n, permutations). None where it does not."""
        return None

    @abstractmethod
    def cost(self) -> Cost:
        """Bytes and build seconds, measured."""

    def resolve(self, known: Mapping[str, Knob], given: Mapping[str, float]) -> dict[str, Any]:
        """Defaults, overridden by what was given; an unknown knob is a UserError."""
        for knob in given:
            if knob not in known:
                allowed = f"It has: {', '.join(known)}." if known else "It has none here."
                raise UserError(f"The index {self.name} has no knob {knob!r}.", allowed)
        return {
            name: knob.check(name, given.get(name, knob.default)) for name, knob in known.items()
        }

    def _need_package(self) -> None:
        if (state := self.state()).kind != "ready":
            raise UserError(f"The index {self.name} can't be used here.", fix=state.detail)

    def _need_built(self, what: str) -> None:
        if not self.dim:
            raise UserError(
                f"The index {self.name} was {what} before it was built.",
                fix="Build or load it first.",
            )

    def _check(self, vectors: np.ndarray, dim: int | None = None) -> None:
        if vectors.ndim != 2 or not vectors.size:
            raise UserError(
                f"The index {self.name} was given vectors of shape {vectors.shape}.",
                "It takes (n, dim), n >= 1.",
            )
        if dim is not None and vectors.shape[1] != dim:
            raise UserError(
                f"A vector has {vectors.shape[1]} dimensions.", f"The index holds {dim}."
            )
        if not _finite(vectors):
            raise UserError("A vector holds NaN or infinity.", fix="Build the embeddings again.")


def let_go(kind: str, folder: Path) -> None:
    """Called before an entry of the cache is deleted: an index lets go of what it has elsewhere."""
    name = (store.read_meta(folder) or {}).get("index_name", "") if kind == "indexes" else ""
    if name:
        with suppress(UserError, *store.UNREADABLE):  # what stays there is cleared away later
            indexes.get(name).discard(folder)


def _finite(vectors: np.ndarray) -> bool:
    """Whether no number is NaN or infinite. Of one vector its square says so quicker."""
    if len(vectors) == 1 and math.isfinite(np.dot(vectors[0], vectors[0])):
        return True
    return all(
        np.isfinite(vectors[start : start + CHECKED]).all()
        for start in range(0, len(vectors), CHECKED)
    )


store.let_go_by(let_go)


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of an index: its default, the values worth trying and those allowed; ``about`` says
    what it trades.

    ``more`` is 1 where a larger value finds more (and takes longer or more room), -1 where a
    smaller one does, 0 where it is no question of effort.
    """

    default: int | float
    values: tuple[int | float, ...] = ()
    about: str = ""
    low: float = 1
    high: float = 1_000_000
    more: int = 1

    def check(self, name: str, value: Any) -> int | float:
        """``value`` as this knob's kind of number. Raises UserError: none, or out of range."""
        return options.number(name, value, self.default, self.low, self.high)


VECTORS, BUILT = "vectors.npy", "built.json"


class Beside(Index):
    """An index that keeps the vectors in a file next to its own: they give the scores."""

    def __init__(self) -> None:
        self._vectors = np.zeros((0, 0), np.float32)
        self._seconds = 0.0

    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._vectors[ids]

    def _keep(self, vectors: np.ndarray, started: float) -> None:
        """At the end of a build that began at ``started`` (seconds of ``time.perf_counter``)."""
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._seconds = time.perf_counter() - started

    def _save_vectors(self, folder: Path, **noted: object) -> None:
        np.save(folder / VECTORS, self._vectors)
        (folder / BUILT).write_text(json.dumps({"build_s": self._seconds, **noted}))

    def _load_vectors(self, folder: Path) -> dict:
        """Map the vectors; returns what was noted."""
        built = json.loads((folder / BUILT).read_text())
        mapped = np.load(folder / VECTORS, mmap_mode="r")
        # rows of a memmap itself are slow to take
        self._vectors, self._seconds = (np.asarray(mapped), built["build_s"])
        if self._vectors.ndim != 2 or self._vectors.dtype != np.float32:
            raise Unreadable(folder)
        self.size, self.dim = self._vectors.shape
        return built


def blocks(count: int, size: int, progress: Progress | None) -> Iterator[slice]:
    """Slices of ``size`` over ``count`` rows; ``progress`` hears of each, and may stop."""
    report(progress, 0, count)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
        report(progress, min(start + size, count), count)
