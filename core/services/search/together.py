"""Several encoders' answers to one query as one answer."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core import fusion
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.embedding.usual import Calibration
from core.services.search.compare import compare
from core.services.search.request import SearchRequest
from core.services.search.result import Hit, SearchResult
from core.services.specs import fused_name

METHODS = {name: title for name, (title, _) in fusion.METHODS.items()}
"""Ways of fusing: name -> title."""
DEPTH = fusion.DEPTH
"""Hits of each encoder that are joined."""
TOGETHER = "together"
"""What the fused answer is called where an encoder's name stands."""


def placed(values: np.ndarray, seen: np.ndarray, known: Calibration | None) -> np.ndarray:
    """Scores on one scale for all encoders: 0 is the median of random pairs, 1 the 95th percentile
    of true neighbours. Where nothing is known of these, 0 and 1 are the ends of the list ``seen``.
    """
    if known is not None:
        return known.scaled(values)
    low, high = (seen.min(), seen.max()) if len(seen) else (0.0, 0.0)
    return (values - low) / (high - low) if high > low else np.ones(len(values))


def check(method: str, weights: Sequence[float], count: int) -> None:
    """Raises UserError where ``count`` answers can't be fused so."""
    fusion.method(method)
    fusion.shares(weights, count)
    if count < 2:
        raise UserError("Fusion needs two encoders at least.", fix="Choose another encoder.")


def fused(
    requests: Sequence[SearchRequest], dataset: Dataset, method: str, weights: Sequence[float] = ()
) -> SearchResult:
    """One request of several encoders as one answer: each is asked for as many hits as are fused.

    Raises:
        UserError: as :func:`together`, or one of the searches can't be answered.
    """
    check(method, weights, len(requests))
    k = max(request.k for request in requests)
    deep = [replace(request, k=max(k, fusion.DEPTH)) for request in requests]
    return together(compare(deep, dataset).answers, method, weights, k)


def together(
    answers: Sequence[SearchResult], method: str, weights: Sequence[float] = (), k: int = 10
) -> SearchResult:
    """The answers of several encoders to one query, fused.

    Only what the answers hold is fused: ask each for ``fusion.DEPTH`` hits, or ``k`` where that is
    more.

    Raises:
        UserError: fewer than two answers, an unknown method, or weights that can't be used.
    """
    check(method, weights, len(answers))
    found, shares = fusion.method(method), fusion.shares(weights, len(answers))
    started = time.perf_counter()
    known = _every(answers)
    place = {id: at for at, id in enumerate(known)}
    ranks = np.zeros((len(answers), len(known)), np.int64)
    scores = np.zeros((len(answers), len(known)))
    for line, answer in enumerate(answers):
        hits = _counted(answer)
        at = [place[hit.id] for hit in hits]
        ranks[line, at] = np.arange(1, len(at) + 1)
        scores[line, at] = _scaled(answer, hits)
    fused = found(ranks, scores, shares)
    order = np.lexsort((-shares @ scores, -fused))
    order = order[(ranks[shares > 0][:, order] > 0).any(axis=0)][:k]
    ids = list(known)
    hits = tuple(
        replace(known[ids[at]], rank=rank, score=float(fused[at]), cosine=None, before=None)
        for rank, at in enumerate(order, start=1)
    )
    return _answer(answers, method, shares, k, hits, (time.perf_counter() - started) * 1000)


def _every(answers: Sequence[SearchResult]) -> dict[str, Hit]:
    """Each hit once, by id, sorted: the order of ids breaks ties."""
    return dict(sorted({hit.id: hit for answer in answers for hit in answer.hits}.items()))


def _counted(answer: SearchResult) -> tuple[Hit, ...]:
    """The hits of an answer that are fused: of matched key points those that match at all."""
    if answer.score != "inliers" or answer.reranker:
        return answer.hits
    return tuple(hit for hit in answer.hits if hit.score > 0)


def _scaled(answer: SearchResult, hits: Sequence[Hit]) -> np.ndarray:
    """The scores of hits of an answer on the common scale, float64 (n,): the first hit has the
    largest, also where the least similar come first. A re-ranked list keeps the scale of its
    encoder: its n-th hit gets the n-th largest of their cosines, for scores such as inliers say
    nothing of most hits."""
    values = np.array([hit.score for hit in hits], np.float64)
    if answer.least:
        return placed(-values, -values, None)
    cosines = [hit.cosine for hit in hits if hit.cosine is not None]
    if answer.reranker and len(cosines) == len(hits):
        values = np.sort(np.array(cosines, np.float64))[::-1]
        return placed(values, values, answer.calibration)
    return placed(values, values, answer.calibration if answer.score == "cosine" else None)


def _answer(
    answers: Sequence[SearchResult],
    method: str,
    shares: np.ndarray,
    k: int,
    hits: tuple[Hit, ...],
    spent_ms: float,
) -> SearchResult:
    """Times are the sums of the members', and the fusion's own."""
    first = answers[0]
    times: dict[str, float] = {}
    for answer in answers:
        for stage, ms in answer.stages.items():
            times[stage] = round(times.get(stage, 0.0) + ms, 3)
    names = [answer.encoder for answer in answers]
    equal = np.allclose(shares, shares[0])
    return SearchResult(
        dataset=first.dataset,
        encoder=fused_name(method, names, () if equal else shares.tolist()),
        index=first.index,
        k=k,
        hits=hits,
        timing_ms={**times, "fuse": round(spent_ms, 3)},
        left_out=first.left_out,
        examples=first.examples,
        mix=first.mix,
        least=first.least,
        searched=max(answer.searched for answer in answers),
        score=fusion.METHODS[method][0],
        where=first.where,
        box=first.box,
        crop=first.crop,
        note=first.note,
        reranker=first.reranker if len({answer.reranker for answer in answers}) == 1 else "",
    )
