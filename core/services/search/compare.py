"""One query through several encoders, and how far their answers agree."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.device import team
from core.errors import UserError
from core.services.search import serving, subject
from core.services.search.request import Query, SearchRequest
from core.services.search.result import SearchResult
from core.services.search.serving import search

PERSISTENCE = 0.9


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pairwise agreement of answers: symmetric (n, n) tables in the order of ``encoders``, 1 on the
    diagonal."""

    encoders: tuple[str, ...]
    k: int
    overlap: tuple[tuple[float, ...], ...]
    rbo: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers in the order asked, and their agreement."""

    answers: tuple[SearchResult, ...]
    agreement: Agreement


def compare(requests: Sequence[SearchRequest], dataset: Dataset) -> Comparison:
    """Each request, and how far their answers agree: usually one query,
    :meth:`SearchRequest.each` of several encoders.

    The picture is decoded once, see :mod:`core.services.search.subject`, and a detector looks at it
    once. Encoders that run on one core are asked beside each other, as many at a time as there are
    cores; others one after another.

    Raises:
        UserError: no encoder was named, or one of them can't answer.
    """
    if not requests:
        raise UserError("No encoder was named to compare.")
    seen: dict[tuple[Query, str], tuple[Query, subject.Subject | None]] = {}
    for request in requests:
        key = (request.query, request.crop)
        if key not in seen:
            seen[key] = subject.cropped(request.query, dataset, request.crop)
    looked = [seen[request.query, request.crop] for request in requests]
    asked = [
        replace(request, query=query) for request, (query, _) in zip(requests, looked, strict=True)
    ]
    answers = [
        subject.told(answer, found)
        for answer, (_, found) in zip(_searched(asked, dataset), looked, strict=True)
    ]
    return Comparison(tuple(answers), agreement(answers, max(request.k for request in requests)))


def _searched(requests: Sequence[SearchRequest], dataset: Dataset) -> list[SearchResult]:
    beside = [number for number, one in enumerate(requests) if _on_one_core(one, dataset)]
    if len(beside) < 2:
        return [search(one, dataset) for one in requests]
    with ThreadPoolExecutor(team()) as pool:
        begun = {
            number: pool.submit(store.carried(search), requests[number], dataset)
            for number in beside
        }
        return [
            cast(SearchResult, begun[number].result()) if number in begun else search(one, dataset)
            for number, one in enumerate(requests)
        ]


def _on_one_core(request: SearchRequest, dataset: Dataset) -> bool:
    """Whether its encoder is in memory, and leaves a core to another one."""
    names = request.encoder, request.index
    return (
        serving.state(dataset, *names) == "ready"
        and serving.engine(dataset, *names).encoder.one_core
    )


def decode_ms(answers: Sequence[SearchResult]) -> tuple[float, ...]:
    """Milliseconds of each decoding of the query that these answers share: one, or one for each
    size that a large JPEG was decoded to; none where only stored vectors were searched."""
    return tuple(
        sorted({answer.timing_ms.get("decode", 0.0) for answer in answers} - {0.0}, reverse=True)
    )


def agreement(answers: Sequence[SearchResult], k: int) -> Agreement:
    """Overlap@K and rank-biased overlap of every pair of answers."""
    lists = [[hit.id for hit in answer.hits] for answer in answers]
    return Agreement(
        tuple(answer.encoder for answer in answers),
        k,
        _pairs(lists, lambda a, b: overlap(a, b, k)),
        _pairs(lists, rank_biased_overlap),
    )


def _pairs(
    lists: Sequence[list[str]], measure: Callable[[list[str], list[str]], float]
) -> tuple[tuple[float, ...], ...]:
    """The symmetric table of a measure that is the same both ways."""
    table = [[1.0] * len(lists) for _ in lists]
    for row, a in enumerate(lists):
        for column in range(row + 1):
            table[row][column] = table[column][row] = measure(a, lists[column])
    return tuple(map(tuple, table))


def overlap(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """Shared ids in both top ``k``, as a share of the longer list (at most ``k``); two empty lists
    agree."""
    top_a, top_b = set(a[:k]), set(b[:k])
    longest = max(len(top_a), len(top_b))
    return len(top_a & top_b) / longest if longest else 1.0


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = PERSISTENCE) -> float:
    """Extrapolated rank-biased overlap of two lists without repeats (Webber, Moffat and Zobel,
    2010, eq. 32), 0 to 1.

    ``p`` is the chance that a reader goes on to the next rank: at 0.9 the first ten ranks carry 86
    % of the weight.
    """
    short, long = sorted((list(a), list(b)), key=len)
    s, depth = len(short), len(long)
    if not s:
        return 1.0 if not depth else 0.0
    shared = _shared(short, long)
    ranks = np.arange(1, depth + 1)
    weights = p**ranks
    body = (weights * shared / ranks).sum()
    tail = (weights[s:] * shared[s - 1] * (ranks[s:] - s) / (s * ranks[s:])).sum()
    end = ((shared[-1] - shared[s - 1]) / depth + shared[s - 1] / s) * p**depth
    return float((1 - p) / p * (body + tail) + end)


def _shared(short: list[str], long: list[str]) -> np.ndarray:
    """How many ids the first d of both lists share, for d = 1 ... len(long)."""
    place = {id: rank for rank, id in enumerate(short)}
    both = np.zeros(len(long))
    for rank, id in enumerate(long):
        if id in place:
            both[max(rank, place[id])] += 1
    return np.cumsum(both)


def letters(answers: Sequence[SearchResult]) -> dict[str, str]:
    """A letter for each picture that stands in the answers of more than one encoder: A, B, ... Z,
    AA ..., by best rank then order of columns. An answer that was fused of the others gives
    none."""
    alone = [answer for answer in answers if not answer.fused]
    seen: dict[str, int] = {}
    for answer in alone:
        for hit in answer.hits:
            seen[hit.id] = seen.get(hit.id, 0) + 1
    best: dict[str, int] = {}
    for answer in alone:
        for hit in answer.hits:
            if seen[hit.id] > 1:
                best[hit.id] = min(best.get(hit.id, hit.rank), hit.rank)
    return {id: _letter(place) for place, id in enumerate(sorted(best, key=best.__getitem__))}


def _letter(place: int) -> str:
    name = ""
    while place >= 0:
        name = chr(ord("A") + place % 26) + name
        place = place // 26 - 1
    return name
