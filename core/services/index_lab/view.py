"""One query under one setting: what an index found, and its missed neighbours where they belong."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.indexes.base import Index
from core.metrics.statistics import summary
from core.neighbours import cosines, rows_without_own
from core.services.embedding import galleries, stored
from core.services.embedding.bound import with_vectors
from core.services.index_lab.space import check_k
from core.services.search.request import Query, item_of
from core.services.search.result import NEAR, same_file, verdict
from core.services.search.serving import engine
from core.services.specs import IndexSpec, index_spec

RUNS, LIMIT_S = 15, 0.4
MAX_HELD = 8
_held: OrderedDict[tuple, tuple[Index, np.ndarray]] = OrderedDict()
_holding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of an answer.

    ``state``: ``found`` (belongs to the exact top k and is there), ``ghost`` (a missed neighbour:
    belongs there and was not found) or ``extra`` (is there and does not belong). ``rank`` is the
    place in the index's answer (0 for a missed one), ``true_rank`` the place in the exact answer (0
    where it is beyond the top k). ``verdict`` as in :class:`core.services.search.serving.Hit`.
    """

    id: str
    path: str
    label: str | None
    verdict: str | None
    score: float
    state: str
    rank: int
    true_rank: int
    identical: bool = False
    """Whether its file is the query's, byte for byte."""


@dataclass(frozen=True, slots=True)
class QueryView:
    """``hits``: the index's answer, best first. ``exact``: the exact answer, each ``found`` or
    ``ghost``. ``merged``: both in one row: every true hit and every wrong extra in the order of
    their scores. ``ghosts``: the missed alone. Of pictures as similar as the k-th, those that the
    index found count as the true ones.

    ``recall`` of this query (equal scores count as hits); ``p50``, ``p95`` ms of this query over
    ``runs`` searches, ``exact_p50`` of the exact search taken in turn; bytes and seconds of the
    index. ``left_out``: the id of the query, where it was chosen from the gallery and therefore is
    no hit.
    """

    index: str
    text: str
    query: str
    k: int
    hits: tuple[Shown, ...]
    exact: tuple[Shown, ...]
    merged: tuple[Shown, ...]
    ghosts: tuple[Shown, ...]
    recall: float
    p50: float
    p95: float
    exact_p50: float
    runs: int
    ram_bytes: int
    disk_bytes: int
    build_s: float
    left_out: str | None = None


def query_view(
    dataset: Dataset,
    encoder: str,
    index: str,
    query: str,
    k: int = 10,
    knobs: Mapping[str, float] | None = None,
    data: bytes | None = None,
) -> QueryView:
    """Ask picture ``query`` (an id) of an index by name or with knobs (``hnsw:M=16``); ``knobs``
    (build or search) override. With ``data``, the bytes of any picture, that is asked, and
    ``query`` is what it is called.

    A build knob that was not built before builds the index (kept); a query of the gallery itself is
    never a hit.

    Raises:
        UserError: unknown names or knobs, a value out of range, embeddings not built, a picture
            that can't be read.
    """
    check_k(k)
    spec = overridden(index, knobs or {})
    ready = with_vectors(dataset, encoder).encoder
    asked = _Asked(dataset, ready, query, data)
    made, plain = held(dataset, ready, spec)[0], held(dataset, ready, index_spec("exact"))[0]
    wanted = min(k + (asked.row >= 0), made.size)
    found = asked.answer(made.search(asked.vector, wanted, **spec.search).ids[0], k)
    true = _true(
        sorted(
            asked.answer(plain.search(asked.vector, min(k + 1, plain.size)).ids[0], k), key=_best
        ),
        found,
        k,
    )
    if not true:
        raise UserError(
            f"{dataset.title or dataset.name} has no other picture to be found.",
            "At least 2 pictures are needed.",
        )
    times = _in_turn(
        [
            lambda: made.search(asked.vector, wanted, **spec.search),
            lambda: plain.search(asked.vector, wanted),
        ]
    )
    shown = [asked.shown(*pair, found, true) for pair in sorted({*found, *true}, key=_best)]
    kept = tuple(sorted((one for one in shown if one.rank), key=lambda one: one.rank))
    exact = tuple(sorted((one for one in shown if one.true_rank), key=lambda one: one.true_rank))
    ghosts = tuple(one for one in exact if one.state == "ghost")
    cost, one, other = made.cost(), summary(times[0]), summary(times[1])
    return QueryView(
        spec.name,
        spec.text,
        query,
        k,
        kept,
        exact,
        tuple(shown),
        ghosts,
        recall=round(1 - len(ghosts) / max(len(true), 1), 6),
        p50=one["p50"],
        p95=one["p95"],
        exact_p50=other["p50"],
        runs=int(one["runs"]),
        ram_bytes=cost.ram_bytes,
        disk_bytes=cost.disk_bytes,
        build_s=cost.build_s,
        left_out=query if asked.row >= 0 else None,
    )


def is_built(dataset: Dataset, encoder: str, index: str) -> bool:
    """Whether :func:`query_view` can ask this index without building it first. Raises UserError."""
    spec = index_spec(index)
    return galleries.is_built(
        dataset, with_vectors(dataset, encoder).encoder, spec.name, **spec.build
    )


def overridden(index: str, knobs: Mapping[str, float]) -> IndexSpec:
    """An index as a person writes it, with other knobs. Raises UserError."""
    spec = index_spec(index)
    if not knobs:
        return spec
    known = dict(
        part.split("=", 1) for part in spec.text.removeprefix(spec.name)[1:].split(",") if part
    )
    given = ",".join(f"{name}={value}" for name, value in {**known, **knobs}.items())
    return index_spec(f"{spec.name}{',' if ':' in spec.name else ':'}{given}")


def held(dataset: Dataset, encoder: Encoder, spec: IndexSpec) -> tuple[Index, np.ndarray]:
    """The index over the gallery, and the embedding row of each of its rows; the last few
    stay in memory."""
    key = (
        store.key(stored.causes(dataset, encoder)),
        dataset.locator,
        spec.name,
        *spec.build.items(),
    )
    with _holding:
        known = _held.get(key)
    made = known or galleries.gallery_index(dataset, encoder, spec.name, lent=True, **spec.build)
    with _holding:
        _held[key] = made
        _held.move_to_end(key)
        while len(_held) > MAX_HELD:
            _held.popitem(last=False)
    return made


class _Asked:
    """A query, of the gallery's data set or brought along, with what turns rows into pictures."""

    def __init__(self, dataset: Dataset, encoder: Encoder, query: str, data: bytes | None) -> None:
        self.dataset = dataset
        self.found = stored.read(dataset, encoder)
        self.row = -1
        self.data = data
        self.rows = np.asarray(held(dataset, encoder, index_spec("exact"))[1])
        if data is not None:
            self.item = None
            self.vector = engine(dataset, encoder.name).vector(Query(data=data, name=query))
            return
        self.item = item_of(dataset, query)
        at = {id: row for row, id in enumerate(self.found.ids)}.get(query)
        if at is None:
            raise stored.lacks_vector(self.found, encoder.name, query)
        self.vector = np.ascontiguousarray(self.found.vectors[at : at + 1])
        place = np.flatnonzero(self.rows == at)
        self.row = int(place[0]) if len(place) else -1

    def answer(self, ids: np.ndarray, k: int) -> list[tuple[int, float]]:
        """The first k rows with their exact cosines, in the answer's order, without the query."""
        ids = rows_without_own(ids[None], np.array([self.row]), k)[0]
        ids = ids[ids >= 0]
        scores = cosines(
            self.vector,
            lambda rows: self.found.vectors[self.rows[rows]],
            np.zeros(len(ids), int),
            ids,
        )
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def shown(self, row: int, score: float, found: list, true: list) -> Shown:
        item = item_of(self.dataset, self.found.ids[int(self.rows[row])])
        rank, true_rank = _place(found, row), _place(true, row)
        state = "extra" if not true_rank else "found" if rank else "ghost"
        label = item.label if item.label is not None else item.category
        copy = score >= NEAR and same_file(self.dataset, item, self._bytes())
        return Shown(
            item.id, item.path, label, verdict(self.item, item), score, state, rank, true_rank, copy
        )

    def _bytes(self) -> bytes:
        if self.data is None:
            assert self.item is not None  # it is brought along, or one of the data set
            self.data = self.dataset.read(self.item)
        return self.data


def _best(pair: tuple[int, float]) -> tuple[float, int]:
    return -pair[1], pair[0]


def _place(pairs: list[tuple[int, float]], row: int) -> int:
    return next((place for place, (one, _) in enumerate(pairs, start=1) if one == row), 0)


def _true(
    exact: list[tuple[int, float]], found: list[tuple[int, float]], k: int
) -> list[tuple[int, float]]:
    """The exact top k; of equals at the k-th place those that the index found."""
    last = exact[-1][1] if len(exact) == k else -np.inf
    seen = {row for row, _ in found}
    ties = sorted(
        {pair for pair in [*exact, *found] if pair[1] == last},
        key=lambda pair: (pair[0] not in seen, pair[0]),
    )
    sure = [pair for pair in exact if pair[1] > last]
    return sorted([*sure, *ties[: k - len(sure)]], key=_best)


def _in_turn(calls: list[Callable[[], object]]) -> list[list[float]]:
    """Milliseconds of each call, in turn so that what else the machine does falls on all."""
    times: list[list[float]] = [[] for _ in calls]
    began = time.perf_counter()
    for run in range(RUNS + 1):  # the first warms up
        for place, call in enumerate(calls):
            started = time.perf_counter()
            call()
            if run:
                times[place].append((time.perf_counter() - started) * 1000)
        if run > 2 and time.perf_counter() - began > LIMIT_S:
            break
    return times
