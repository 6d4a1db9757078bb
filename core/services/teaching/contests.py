"""Predict, then reveal: several ways to search answer one query, and one of them does best.

A *contender* is an encoder, or an encoder with what stands between it and the answer: an index, or
a projection. A *measure* says what doing best means; adding one is a function here under a name in
``MEASURES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.metrics import stream
from core.neighbours import rows_without_own
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.roles import cluster_of, roles_of
from core.services.evaluation.fused import first_hits
from core.services.index_lab.view import held
from core.services.maps import maps, views
from core.services.maps.maps import Wanted
from core.services.search.request import item_of
from core.services.search.result import verdict
from core.services.specs import index_spec

CANDIDATES = 136
"""Queries that are looked through for those on which contenders disagree."""
FEWER = 68
"""As many where one query takes milliseconds: an index, or neighbours on a map."""
MAX_ROUNDS = 12
PRODUCTS = 12
"""Objects in a sample of the measure ``sample``."""
SAMPLE = "sample:"
"""What stands before the number of a sample, where the query is no picture."""


@dataclass(frozen=True, slots=True)
class Contender:
    """``by`` is an index with its knobs or the name of a projection; empty: exact search."""

    encoder: str
    by: str = ""

    @classmethod
    def parse(cls, text: str) -> Contender:
        """``hog.8x8``, or ``hog.8x8 ivf_flat:nprobe=1``."""
        encoder, _, by = text.strip().partition(" ")
        return cls(encoder, by.strip())

    @property
    def text(self) -> str:
        """As :meth:`parse` reads it."""
        return f"{self.encoder} {self.by}".strip()


@dataclass(frozen=True, slots=True)
class Found:
    """A picture of an answer. ``verdict``: ``same`` (product), ``category``, ``other``; ``missed``:
    it belongs to the exact answer and was not found."""

    id: str
    verdict: str | None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender reached: ``value`` (larger is better but for ranks), whether it is among
    the best (``won``), and the value in words."""

    contender: Contender
    value: float
    won: bool
    said: str
    hits: tuple[Found, ...] = ()


def play(
    dataset: Dataset, contenders: Sequence[Contender], measure: str, query: str, k: int = 5
) -> tuple[Result, ...]:
    """The answers of all contenders to ``query`` (an id; ``sample:N`` for the measure ``sample``).

    Raises:
        UserError: an unknown measure or query, or embeddings, an index or a map that is not there.
    """
    return tuple(results[0] for results in _played(dataset, contenders, measure, [query], k))


def rounds(
    dataset: Dataset, contenders: Sequence[Contender], measure: str, k: int = 5
) -> tuple[str, ...]:
    """Queries for which some contenders win and others don't, at most ``MAX_ROUNDS``: every set of
    winners in turn, classes spread.

    Raises:
        UserError: as :func:`play`.
    """
    asked = candidates(dataset)
    if measure in ("kept", "map"):
        asked = asked[:FEWER]
    if measure == "sample":
        asked = [f"{SAMPLE}{number}" for number in range(1, 2 * MAX_ROUNDS + 1)]
    played = _played(dataset, contenders, measure, asked, k)
    sets: dict[tuple[bool, ...], list[str]] = {}
    for query, *results in zip(asked, *played, strict=True):
        won = tuple(one.won for one in results)
        if any(won) and not all(won) and (measure != "AP" or _all_show_one(results)):
            sets.setdefault(won, []).append(query)
    waiting = sorted(sets.values(), key=len, reverse=True)
    mixed = [
        queries[place]
        for place in range(max(map(len, waiting), default=0))
        for queries in waiting
        if place < len(queries)
    ]
    if not mixed:
        raise UserError(
            "The contenders of this prediction agree on every query.",
            fix="Choose others in the lesson's file.",
        )
    return tuple(mixed[:MAX_ROUNDS])


def _all_show_one(results: Sequence[Result]) -> bool:
    """Whether every list shows something relevant: two lists without are nothing to compare."""
    return all(any(hit.verdict == "same" for hit in one.hits) for one in results)


def candidates(dataset: Dataset) -> list[str]:
    """Queries of the usual protocol that a lesson chooses from, in a fixed random order."""
    protocol = dataset.protocol()
    ids = sorted(item.id for item in dataset.items if protocol.is_query(item))
    order = np.random.default_rng(0).permutation(len(ids))[:CANDIDATES]
    return [ids[row] for row in order]


def _played(
    dataset: Dataset, contenders: Sequence[Contender], measure: str, queries: Sequence[str], k: int
) -> list[list[Result]]:
    """Results by contender and query; who has the best value of a query wins."""
    if measure not in MEASURES:
        raise UserError(
            f"There is no measure {measure!r}.", f"Known: {', '.join(sorted(MEASURES))}."
        )
    play_one, best = MEASURES[measure]
    played = [play_one(dataset, contender, queries, k) for contender in contenders]
    values = np.array([[one.value for one in results] for results in played])
    wins = best(values)
    return [
        [replace(one, won=bool(win)) for one, win in zip(results, row, strict=True)]
        for results, row in zip(played, wins, strict=True)
    ]


def _first(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> list[Result]:
    """The rank at which the query's product comes first."""
    for query in queries:
        item_of(dataset, query)
    lists = first_hits(dataset, one.encoder, None, queries, k)
    made = []
    for query in queries:
        if query not in lists:
            raise UserError(f"{query!r} is no query of {dataset.title or dataset.name}.")
        own, found = item_of(dataset, query), lists[query]
        rank = found.first or len(dataset.items)
        said = f"same product first at rank {rank}"
        hits = tuple(Found(id, verdict(own, item_of(dataset, id))) for id, _ in found.hits)
        made.append(Result(one, float(rank), False, said, hits))
    return made


def _average(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> list[Result]:
    """Average precision of the whole list."""
    shown = _first(dataset, one, queries, k)
    scores = precisions(dataset, one.encoder, queries)
    return [
        replace(result, value=round(score, 6), said=f"AP {score:.3f}")
        for result, score in zip(shown, scores, strict=True)
    ]


def precisions(dataset: Dataset, encoder: str, queries: Sequence[str]) -> list[float]:
    """Average precision of each query under the usual protocol, in order. Raises UserError."""
    found = bound(dataset, encoder).vectors()
    roles = roles_of(stored.item_rows(dataset, found), dataset.protocol())
    row = {id: place for place, id in enumerate(found.ids)}
    some = replace(roles, queries=np.array([row[query] for query in queries], np.int64))
    return stream.evaluate(stream.blocks(found.vectors, some), ("mAP",)).scores["mAP"].tolist()


def _sample(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> list[Result]:
    """The mean average precision over the views of a few products."""
    wanted = [sampled(dataset, int(query.removeprefix(SAMPLE) or 0)) for query in queries]
    known = list(dict.fromkeys(id for ids in wanted for id in ids))
    scores = dict(zip(known, precisions(dataset, one.encoder, known), strict=True))
    means = [float(np.mean([scores[id] for id in ids])) for ids in wanted]
    return [Result(one, round(mean, 6), False, f"mAP {mean:.3f}") for mean in means]


def sampled(dataset: Dataset, number: int) -> list[str]:
    """The queries of sample ``number``: all views of ``PRODUCTS`` objects, no object twice."""
    protocol = dataset.protocol()
    objects: dict[str, list[str]] = {}
    for item in dataset.items:
        if protocol.is_query(item):
            objects.setdefault(cluster_of(item), []).append(item.id)
    names = sorted(objects)
    drawn = np.random.default_rng(number).choice(len(names), PRODUCTS, replace=False)
    return [id for place in sorted(drawn.tolist()) for id in objects[names[place]]]


def _kept(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> list[Result]:
    """The share of the exact answer that an index finds."""
    ready, spec = bound(dataset, one.encoder), index_spec(one.by or "exact")
    found = ready.vectors()
    index, rows = held(dataset, ready.encoder, spec)
    plain, _ = held(dataset, ready.encoder, index_spec("exact"))
    row = {id: place for place, id in enumerate(found.ids)}
    asked = np.array([row[query] for query in queries], np.int64)
    place = {int(embedded): at for at, embedded in enumerate(rows)}
    own = np.array([place.get(int(at), -1) for at in asked])
    vectors = np.ascontiguousarray(found.vectors[asked])
    answer = rows_without_own(index.search(vectors, k + 1, **spec.search).ids, own, k)
    exact = rows_without_own(plain.search(vectors, k + 1).ids, own, k)
    made = []
    for query, given, wanted in zip(queries, answer.tolist(), exact.tolist(), strict=True):
        there, item = {*given} & {*wanted}, item_of(dataset, query)
        shown = [item_of(dataset, found.ids[int(rows[at])]) for at in wanted]
        hits = tuple(
            Found(hit.id, verdict(item, hit), at not in there)
            for at, hit in zip(wanted, shown, strict=True)
        )
        said = f"{len(there)} of {k} nearest found"
        made.append(Result(one, len(there) / k, False, said, hits))
    return made


def mean_kept(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> float:
    """Mean recall@k of an index over queries. Raises UserError."""
    return float(np.mean([result.value for result in _kept(dataset, one, queries, k)]))


def _mapped(dataset: Dataset, one: Contender, queries: Sequence[str], k: int) -> list[Result]:
    """The share of a picture's nearest in the space that are its nearest on the map too."""
    found = maps.read(dataset, Wanted(one.encoder, one.by or "umap"))
    row, made = {id: place for place, id in enumerate(found.ids)}, []
    for query in queries:
        at, item = row[query], item_of(dataset, query)
        near = views.neighbourhood(dataset, found, at, k)
        hits = tuple(
            Found(hit.id, verdict(item, hit), place not in near.shared)
            for place in near.space
            for hit in [item_of(dataset, found.ids[place])]
        )
        said = f"{len(near.shared)} of the {k} nearest are neighbours on the map"
        made.append(Result(one, len(near.shared) / k, False, said, hits))
    return made


def _in_front(ranks: np.ndarray) -> np.ndarray:
    return ranks == 1


def _largest(values: np.ndarray) -> np.ndarray:
    return values == values.max(axis=0)


def _complete(shares: np.ndarray) -> np.ndarray:
    return shares == 1


Play = Callable[[Dataset, Contender, Sequence[str], int], list[Result]]
MEASURES: Mapping[str, tuple[Play, Callable[[np.ndarray], np.ndarray]]] = {
    "first": (_first, _in_front),
    "AP": (_average, _largest),
    "sample": (_sample, _largest),
    "kept": (_kept, _complete),
    "map": (_mapped, _largest),
}
"""Name -> how contenders are measured, and which values (contenders, queries) win."""
