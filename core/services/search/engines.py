"""What answers queries: the vectors, the index and the encoder of one (dataset, encoder, index), in
memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import decode
from core.keypoints import SIDE, KeyPoints, detect
from core.neighbours import cosine_matrix, dots
from core.services.embedding import embed, galleries, points
from core.services.embedding.crops import Cropped
from core.services.embedding.usual import Usual, usual
from core.services.search import decoded, filters, subject
from core.services.search.copies import NEAR, same_file
from core.services.search.decoded import Picture
from core.services.search.request import Query, SearchRequest, item_of
from core.services.search.reranking import (
    COMPARED_ALL,
    PAIR_MS,
    Pair,
    SecondLook,
    looked_at,
    second_look,
)
from core.services.search.result import ONCE, Hit, Place, SearchResult, verdict
from core.services.specs import IndexSpec
from core.types import Item

RUNS, QUICK_MS, TRIED_MS = 3, 60.0, 600.0
"""An answer that takes at most QUICK_MS after decoding is repeated so often for the median of its
times. A first run may be slow for what else the machine did just then: up to TRIED_MS it is tried
once more."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is searched: bool (n,) or None for all rows of the index, the embedding row of the query
    itself, how many pictures those are, how many rows are asked for, and what looks at these a
    second time."""

    allowed: np.ndarray | None
    own: int | None
    size: int
    wanted: int
    second: SecondLook | None


class Engine:
    """Everything that one (dataset, encoder, index) needs to answer, held in memory."""

    def __init__(self, dataset: Dataset, encoder: Encoder, index: IndexSpec) -> None:
        self.dataset, self.encoder = dataset, encoder
        self.path = embed.find(dataset, encoder)
        self.found = embed.read(dataset, encoder)
        self.index, self.rows = galleries.gallery_index(
            dataset, encoder, index.name, objects=True, **index.build
        )
        """The index and the embedding row of each of its rows: several where a picture has several
        objects."""
        self.pictures, self.places = self.rows, None
        if self.found.parts is not None:
            self.pictures = np.unique(self.rows)
            self.places = self.found.parts.all_of(self.pictures)[1]
        self.usual = (
            Usual(None) if encoder.matches else usual(dataset, encoder, self.found, self.pictures)
        )
        self._row_of = {id: row for row, id in enumerate(self.found.ids)}
        self._points: points.Points | None = None
        self.query_ms = self._warm_up()
        """About how long a query takes once it is decoded."""

    def serves(self, dataset: Dataset) -> bool:
        """Whether the pictures, what is known of them, and the embeddings are still those that this
        was made of."""
        same = self.dataset is dataset or self.dataset.items == dataset.items
        return same and self.path is not None and self.path.exists()

    def search(self, request: SearchRequest, spec: IndexSpec) -> SearchResult:
        """The nearest pictures of the gallery; ``spec`` is the request's index, read.

        Raises:
            UserError: a box that is none, a picture that can't be read, an unknown item, knob,
                field or value.
        """
        query, note = subject.settled(request.query)
        timing: dict[str, float] = {}
        query, picture = self._asked(query, timing)
        vector = self._vector(query, picture, timing)
        scope = self._scope(request, query)
        look = self._looker(scope, {**spec.search, **request.knobs})
        with _stage(timing, "search"):
            pairs = look(vector)
        kept, said = self._second(scope, query, picture, vector, pairs, timing)

        def again() -> dict[str, float]:
            times: dict[str, float] = {}
            once_more = self._vector(query, picture, times)
            with _stage(times, "search"):
                found = look(once_more)
            self._second(scope, query, picture, once_more, found, times)
            return times

        medians = _medians(again, request.runs) if may_repeat(timing) else {}
        hits = self._hits(query, picture, vector, kept[: request.k])
        second = scope.second
        return SearchResult(
            dataset=self.dataset.name,
            encoder=self.encoder.name,
            index=spec.text,
            k=request.k,
            hits=hits,
            timing_ms=timing | medians,
            left_out=None if scope.own is None else query.item_id,
            searched=scope.size - (scope.own is not None),
            score=self.index.score if second is None else second.reranker.score,
            reranker="" if second is None or self.encoder.matches else second.reranker.name,
            reranked=said,
            runs=request.runs if medians else 1,
            where=tuple(request.where),
            best=max((hit.cosine for hit in hits if hit.cosine is not None), default=None),
            usual=self.usual.score,
            apart=self.usual.apart,
            calibration=self.usual.calibration,
            box=query.box,
            crop=self.encoder.detector.name
            if isinstance(self.encoder, Cropped) and "detect" in timing
            else "",
            note=note,
        )

    def _scope(self, request: SearchRequest, query: Query) -> _Scope:
        """What of the gallery is searched, and how many rows are asked for."""
        allowed = self._allowed(request.where)
        own = None if request.include_self else self._own_row(query, allowed)
        rows = self.index.size if allowed is None else int(np.count_nonzero(allowed))
        size, each = rows, 1
        if self.found.parts is not None:
            size = len(np.unique(self.rows if allowed is None else self.rows[allowed]))
            each = self.found.parts.places
        second = second_look(self.encoder, request.reranker, size)
        depth = max(request.k, second.depth if second else 0) + (own is not None)
        return _Scope(allowed, own, size, max(1, min(depth * each, rows)), second)

    def _best(self, pairs: list[tuple[int, float]], own: int | None) -> list[tuple[int, float]]:
        """Each picture once, by its best object, without the query itself."""
        first: dict[int, tuple[int, float]] = {}
        for row, score in pairs:
            first.setdefault(int(self.rows[row]), (row, score))
        if own is not None:
            first.pop(own, None)
        return list(first.values())

    def _allowed(self, where: Sequence[str]) -> np.ndarray | None:
        if not where:
            return None
        return filters.allowed([self._gallery_item(row) for row in range(len(self.rows))], where)

    def _looker(
        self, scope: _Scope, knobs: Mapping[str, float]
    ) -> Callable[[np.ndarray], list[tuple[int, float]]]:
        """Vector (1, dim) -> pairs of row and score, best first."""

        def look(vector: np.ndarray) -> list[tuple[int, float]]:
            hits = self.index.search(vector, scope.wanted, allowed=scope.allowed, **knobs)
            pairs = zip(hits.ids[0], hits.scores[0], strict=True)
            return [(int(row), float(score)) for row, score in pairs if row >= 0]

        return look

    def _second(
        self,
        scope: _Scope,
        query: Query,
        picture: Picture | None,
        vector: np.ndarray,
        pairs: list[tuple[int, float]],
        timing: dict[str, float],
    ) -> tuple[list[Pair], str]:
        """The hits that are not the query, after the second look where there is one; and what is to
        be said of it."""
        others = self._best(pairs, scope.own)
        if scope.second is None:
            return [(row, score, None) for row, score in others], ""

        def of_query() -> KeyPoints:
            seen = decoded.picture(query, self.dataset) if picture is None else picture
            return detect(seen.image(SIDE)[0])

        def of_rows(rows: Sequence[int]) -> list[KeyPoints]:
            if self._points is None:
                self._points = points.points(self.dataset)
            return self._points.of([self.found.ids[int(self.rows[row])] for row in rows])

        with _stage(timing, scope.second.stage):
            return looked_at(scope.second, others, vector[0], self._vectors_at, of_query, of_rows)

    def vector(self, query: Query) -> np.ndarray:
        """The query as its encoder sees it, float32 (1, dim). Raises UserError."""
        query, picture = self._asked(subject.settled(query)[0], {})
        return self._vector(query, picture, {})

    def place(self, query: Query, item_id: str, where: Sequence[str] = ()) -> Place:
        """Where a picture of the gallery stands for a query when the whole gallery is ranked by
        exact cosines; a query from the gallery, and what ``where`` leaves out, take no rank.

        Raises:
            UserError: the picture is not in the gallery, or the query can't be read.
        """
        scores = self._scores(self.vector(query), self._allowed(where))
        wanted = np.flatnonzero(
            self.pictures == self._row_of.get(item_of(self.dataset, item_id).id, -1)
        )
        if not len(wanted) or not np.isfinite(cosine := scores[wanted[0]]):
            raise UserError(f"{item_id!r} is not in what is searched.")
        own = self._own_row(query, None)
        if own is not None:
            scores[self.pictures == own] = -np.inf
        before = (scores > cosine) | ((scores == cosine) & (np.arange(len(scores)) < wanted[0]))
        return Place(1 + int(before.sum()), float(cosine))

    def _scores(self, vector: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        """Exact cosines of all pictures, by their best objects: float32 (pictures,); -inf where
        ``allowed`` says no."""
        if self.places is None:
            scores = cosine_matrix(vector, self.found.vectors, self.rows)[0]
        else:
            scores = dots(self.found.parts.vectors(self.rows, self.places), vector[0])
        if allowed is not None:
            scores[~allowed] = -np.inf
        if self.places is None:
            return scores
        best = np.full(len(self.pictures), -np.inf, np.float32)
        np.maximum.at(best, np.searchsorted(self.pictures, self.rows), scores)
        return best

    def _warm_up(self) -> float:
        """The first call of a decoder, a network or a memory-mapped index is slow for reasons that
        are not theirs. Returns the milliseconds of the second."""
        with suppress(UserError):
            decode(self.dataset.read(self._gallery_item(0)), self.encoder.side)
        grey = np.full((self.encoder.side or 224, self.encoder.side or 224, 3), 127, np.uint8)
        for _ in range(2):
            started = time.perf_counter()
            self.index.search(np.asarray(self.found.vectors[:1]), 1)
            if self.encoder.tier != "imported":
                self.encoder.encode([grey])
        compared = min(self.index.size, COMPARED_ALL) if self.encoder.matches else 0
        return (time.perf_counter() - started) * 1000 + compared * PAIR_MS

    def _picture(self, query: Query) -> Picture | None:
        return None if self.encoder.tier == "imported" else decoded.picture(query, self.dataset)

    def _asked(self, query: Query, timing: dict[str, float]) -> tuple[Query, Picture | None]:
        """The query, by a gallery of crops with the part that is encoded, and its picture."""
        picture = self._picture(query)
        if picture is None or query.box is not None or not isinstance(self.encoder, Cropped):
            return query, picture
        image, timing["decode"] = picture.image(None)
        with _stage(timing, "detect"):
            query = replace(query, box=self.encoder.part(image))
        return query, self._picture(query)

    def _vector(
        self, query: Query, picture: Picture | None, timing: dict[str, float]
    ) -> np.ndarray:
        if picture is None:
            return self._stored(query)
        image, timing["decode"] = picture.image(self.encoder.side)
        # the part is chosen by now: it is not looked for a part of the part
        encoder = self.encoder.inner if isinstance(self.encoder, Cropped) else self.encoder
        with _stage(timing, "preprocess"):
            prepared = encoder.prepare(image)
        with _stage(timing, "encode"):
            return encoder.encode_prepared([prepared])

    def _hits(
        self, query: Query, picture: Picture | None, vector: np.ndarray, kept: list[Pair]
    ) -> tuple[Hit, ...]:
        own = item_of(self.dataset, query.item_id) if query.item_id is not None else None
        rows = [row for row, _, _ in kept]
        copies, near = (
            self._copies(query, picture, vector, rows),
            (self._cosines(rows, vector).tolist() if kept else []),
        )
        return tuple(
            Hit(
                rank,
                item.id,
                item.path,
                item.label,
                item.instance,
                item.category,
                item.split,
                score,
                verdict(own, item),
                row in copies,
                cosine,
                before,
                self._frame(row),
            )
            for rank, ((row, score, before), cosine) in enumerate(
                zip(kept, near, strict=True), start=1
            )
            for item in [self._gallery_item(row)]
        )

    def _cosines(self, rows: Sequence[int], vector: np.ndarray) -> np.ndarray:
        """By the stored vectors, float32 (len(rows)): an index may only estimate scores, and some
        are no cosines."""
        return dots(self._vectors_at(rows), vector[0])

    def _vectors_at(self, rows: Sequence[int]) -> np.ndarray:
        """What the index holds in these of its rows, float32 (len(rows), dim)."""
        at = list(rows)
        if self.places is None or self.found.parts is None:
            return self.found.vectors[self.rows[at]]
        return self.found.parts.vectors(self.rows[at], self.places[at])

    def _frame(self, row: int) -> tuple[float, float, float, float] | None:
        """The object that a row of the index stands for; None where it is the whole picture."""
        if self.places is None:
            return None
        edges = self.found.parts.edges(self.rows[row : row + 1])[0, self.places[row]]
        x0, y0, x1, y1 = (round(float(edge), 4) for edge in edges)
        return None if (x0, y0, x1, y1) == (0.0, 0.0, 1.0, 1.0) else (x0, y0, x1, y1)

    def _stored(self, query: Query) -> np.ndarray:
        if query.item_id is None or query.box:
            raise UserError(
                f"{self.encoder.name} are imported vectors: a new picture can't be encoded with"
                " them.",
                fix="Choose a query from the gallery.",
            )
        own = item_of(self.dataset, query.item_id).id
        row = self._row_of.get(own)
        if row is None:
            raise embed.lacks_vector(self.found, self.encoder.name, own)
        return np.asarray(self.found.vectors[row : row + 1])

    def _gallery_item(self, row: int) -> Item:
        return item_of(self.dataset, self.found.ids[int(self.rows[row])])

    def _own_row(self, query: Query, allowed: np.ndarray | None) -> int | None:
        """The embedding row of a query that was chosen from the gallery; None where it is not among
        what is searched."""
        at = None if query.item_id is None else self._row_of.get(query.item_id)
        if at is None:
            return None
        row = int(np.searchsorted(self.rows, at))
        there = row < len(self.rows) and self.rows[row] == at
        return at if there and (allowed is None or allowed[row]) else None

    def _copies(
        self, query: Query, picture: Picture | None, vector: np.ndarray, rows: list[int]
    ) -> set[int]:
        """Which of these rows hold the very file of the query; a part of a picture need not
        resemble the whole."""
        if not query.box:
            rows = (
                [
                    row
                    for row, near in zip(rows, self._cosines(rows, vector) >= NEAR, strict=True)
                    if near
                ]
                if rows
                else []
            )
        if not rows:
            return set()
        data = (
            picture.data
            if picture is not None
            else self.dataset.read(item_of(self.dataset, query.item_id or ""))
        )
        return {row for row in rows if same_file(self.dataset, self._gallery_item(row), data)}


def may_repeat(timing: Mapping[str, float]) -> bool:
    """Whether an answer with these times may be asked for medians: it is quick, or a second run
    would tell soon."""
    return _spent(timing) <= TRIED_MS


def _medians(run: Callable[[], dict[str, float]], runs: int) -> dict[str, float]:
    """The median of each stage over ``runs`` quick runs; nothing where one is slow, or a single one
    was asked for."""
    times: list[dict[str, float]] = []
    while runs > 1 and len(times) < runs:
        times.append(run())
        if _spent(times[-1]) > QUICK_MS:
            return {}
    repeated = [stage for stage in times[0] if stage not in ONCE] if times else []
    return {stage: round(statistics.median(one[stage] for one in times), 3) for stage in repeated}


def _spent(timing: Mapping[str, float]) -> float:
    return sum(spent for stage, spent in timing.items() if stage not in ONCE)


class _stage:
    """Adds the milliseconds of a block to a dict."""

    def __init__(self, timing: dict[str, float], name: str) -> None:
        self.timing, self.name = timing, name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        spent = (time.perf_counter() - self.started) * 1000
        self.timing[self.name] = round(self.timing.get(self.name, 0.0) + spent, 3)
