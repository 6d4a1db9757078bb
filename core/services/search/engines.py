"""What answers queries: the vectors, the index and the encoder of one (dataset, encoder, index), in
memory."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.encoders.compilable import Compilable
from core.errors import UserError
from core.images import decode
from core.items import taken
from core.keypoints import SIDE, KeyPoints, detect
from core.neighbours import cosine_matrix, dots
from core.services.embedding import galleries, points, stored
from core.services.embedding.bound import Bound
from core.services.embedding.crops import Cropped, Edges, frames, nearest_objects
from core.services.embedding.usual import Usual
from core.services.search import batching, mixing, subject
from core.services.search.looking import (
    COMPARED_ALL,
    PAIR_MS,
    Pair,
    Pairs,
    Scope,
    least_similar,
    looked_at,
    most_similar,
    reaching,
    second_look,
    unlooked,
)
from core.services.search.request import Query, SearchRequest, allowed, item_of, read_where
from core.services.search.result import NEAR, ONCE, Hit, Place, SearchResult, same_file, verdict
from core.services.search.subject import Picture
from core.services.specs import IndexSpec
from core.types import Item
from core.weights.compiled import Graph

RUNS, QUICK_MS, TRIED_MS = 3, 60.0, 600.0
"""An answer that takes at most QUICK_MS after decoding is repeated so often for the median of its
times. A first run may be slow for what else the machine did just then: up to TRIED_MS it is tried
once more."""


class Engine:
    """Everything that one (dataset, encoder, index) needs to answer, held in memory."""

    def __init__(self, made: Bound, index: IndexSpec) -> None:
        self.dataset = made.dataset
        self.encoder, kept = galleries.read_gallery(made, index)
        self.path, self.found = kept.path, kept.found
        self.index, self.rows, self._kept = kept.index, kept.rows, kept
        ids = self.found.ids
        same = ids is made.dataset.ids
        self._row_of = made.dataset.rows if same else {id: row for row, id in enumerate(ids)}
        self._points: points.Points | None = None
        self.query_ms = self._warm_up()
        """About how long a query takes once it is decoded."""

    @property
    def usual(self) -> Usual:
        """What is usual in the gallery; nothing while it is measured in the background."""
        return self._kept.usual

    def memory(self) -> dict[int, int]:
        """What it holds in memory: number of an object -> its bytes, so that what engines share
        counts once."""
        held = {id(self.found): self.found.vectors.nbytes}
        held[id(self.index)] = max(0, self.index.cost().ram_bytes)
        held |= {id(one): _bytes_of(one) for one in _networks(self.encoder)}
        return held

    def serves(self, dataset: Dataset) -> bool:
        """Whether the pictures, what is known of them, and the embeddings are still those that this
        was made of."""
        same = self.dataset is dataset or self.dataset.items == dataset.items
        there = self.path is not None and self.path.exists() and not self.index.lost
        return same and there

    def search(self, request: SearchRequest, spec: IndexSpec) -> SearchResult:
        """The nearest pictures of the gallery; ``spec`` is the request's index, read.

        Raises:
            UserError: a box that is none, a picture that can't be read, an unknown item, knob,
                field or value.
        """
        query, note = subject.settled(request.query)
        timing: dict[str, float] = {}
        picture = self._picture(query)
        if picture is not None and query.box is None and isinstance(self.encoder, Cropped):
            query = self._cropped(self.encoder, query, picture, timing)
            picture = self._picture(query)
        vector = self._asked(request, query, picture, timing)
        scope = self._scope(request)
        look = self._looker(request, scope, {**spec.search, **request.knobs})
        with _stage(timing, "search"):
            pairs = look(vector)
        kept, said = self._second(scope, query, picture, vector, pairs, timing)

        def again() -> dict[str, float]:
            times: dict[str, float] = {}
            once_more = self._asked(request, query, picture, times, anew=True)
            with _stage(times, "search"):
                found = look(once_more)
            self._second(scope, query, picture, once_more, found, times)
            return times

        quick = may_repeat(timing) and not batching.crowded()
        medians = _medians(again, request.runs) if quick else {}
        reached = reaching(kept, request)
        hits = self._hits(query, picture, vector, reached[: request.k])
        return SearchResult(
            dataset=self.dataset.name,
            encoder=self.encoder.name,
            index=spec.text,
            k=request.k,
            hits=hits,
            timing_ms=timing | medians,
            reranked=unlooked(self.encoder, request.reranker) if request.least else said,
            runs=request.runs if medians else 1,
            where=tuple(request.where),
            best=self._best(kept[: request.k], vector),
            mix=request.mix,
            least=request.least,
            threshold=request.threshold,
            nearest=kept[0][1] if kept else None,
            more=request.threshold is not None and len(reached) > request.k,
            box=query.box,
            crop=self.encoder.detector.name
            if isinstance(self.encoder, Cropped) and "detect" in timing
            else "",
            note=note,
            **self._searched(request, query, scope),
            **self._worth(request),
        )

    def _searched(self, request: SearchRequest, query: Query, scope: Scope) -> dict[str, Any]:
        """What was left out, what was searched, and what the scores are."""
        second, examples = scope.second, (*request.mix.plus, *request.mix.minus)
        ids = [one.item_id for one in examples if self._row(one) in scope.asked]
        score = self.index.score if second is None else second.reranker.score
        return {
            "left_out": query.item_id if self._row(query) in scope.asked else None,
            "examples": tuple(dict.fromkeys(id for id in ids if id != query.item_id)),
            "searched": scope.size - len(scope.asked),
            "score": "cosine" if request.least else score,
            "reranker": second.reranker.name if second and second.stage == "rerank" else "",
        }

    def _worth(self, request: SearchRequest) -> dict[str, Any]:
        """What scores of pictures are worth in this gallery. A text stands farther from pictures
        than these from one another: nothing of it holds for words."""
        if request.mix.text is None or self.encoder.words is None:
            known = self.usual
            return {"usual": known.score, "apart": known.apart, "calibration": known.calibration}
        return {"cut": self.encoder.words.cut(request.mix.text)}

    def _scope(self, request: SearchRequest) -> Scope:
        """What of the gallery is searched, and how many rows are looked for; what is asked with is
        left out."""
        allowed = self._allowed(request.where)
        asked = (request.query, *request.mix.plus, *request.mix.minus)
        rows = [] if request.include_self else [self._row(query) for query in asked]
        kept = frozenset(
            row for row in rows if row is not None and (allowed is None or allowed[row])
        )
        size = self.index.size if allowed is None else int(np.count_nonzero(allowed))
        second = None if request.least else second_look(self.encoder, request.reranker, size)
        if second is not None and second.reranker.sees == "key points" and request.query.nothing:
            raise UserError(
                "Key points are compared with a picture, and there is no query picture.",
                fix="Give one, or choose an encoder and a re-ranking without key points.",
            )
        where = read_where(request.where)
        return Scope.of(request, size, allowed, kept, second, where)

    def _best(self, pairs: Sequence[Pair], vector: np.ndarray) -> float | None:
        """The largest cosine of these, by the stored vectors; None without any."""
        return float(self._cosines([row for row, *_ in pairs], vector).max()) if pairs else None

    def _allowed(self, where: Sequence[str]) -> np.ndarray | None:
        if not where:
            return None
        items = taken(stored.item_rows(self.dataset, self.found), np.asarray(self.rows))
        return allowed(items, where)

    def _looker(
        self, request: SearchRequest, scope: Scope, knobs: Mapping[str, float]
    ) -> Callable[[np.ndarray], Pairs]:
        """Vector (1, dim) -> pairs of row and score, in the order of the answer."""
        if request.least:
            return lambda vector: least_similar(self.found.vectors, self.rows, vector, scope)
        return lambda vector: most_similar(self.index, vector, scope, knobs)

    def _second(
        self,
        scope: Scope,
        query: Query,
        picture: Picture | None,
        vector: np.ndarray,
        pairs: Pairs,
        timing: dict[str, float],
    ) -> tuple[list[Pair], str]:
        """The hits that are not asked with, after the second look where there is one; and what is
        to be said of it."""
        others = scope.others(pairs)
        if scope.second is None:
            return [(row, score, None) for row, score in others], ""

        def of_query() -> KeyPoints:
            seen = subject.picture_of(query, self.dataset) if picture is None else picture
            return detect(seen.image(SIDE)[0])

        def of_rows(rows: Sequence[int]) -> list[KeyPoints]:
            if self._points is None:
                self._points = points.points(self.dataset)
            return self._points.of([self.found.ids[int(self.rows[row])] for row in rows])

        with _stage(timing, scope.second.stage):
            return looked_at(
                scope.second,
                others,
                vector[0],
                lambda rows: self.found.vectors[self.rows[rows]],
                of_query,
                of_rows,
            )

    def vector(self, query: Query) -> np.ndarray:
        """The query as its encoder sees it, float32 (1, dim). Raises UserError."""
        query, _ = subject.settled(query)
        picture = self._picture(query)
        return self._vector(query, picture, {})

    def place(self, request: SearchRequest, item_id: str) -> Place:
        """Where a picture of the gallery stands for a request when the whole gallery is ranked by
        exact cosines; what is asked with, and what ``where`` leaves out, take no rank.

        Raises:
            UserError: the picture is not in the gallery, or the query can't be read.
        """
        query, _ = subject.settled(request.query)
        vector = self._asked(request, query, self._picture(query), {})
        scores, scope = self._every_cosine(vector), self._scope(request)
        row = self._row(Query(item_id=item_of(self.dataset, item_id).id))
        if row is None or (scope.allowed is not None and not scope.allowed[row]):
            raise UserError(f"{item_id!r} is not in what is searched.")
        cosine, ranked = scores[row], -scores if request.least else scores
        before = (ranked > ranked[row]) | ((ranked == ranked[row]) & (np.arange(len(scores)) < row))
        if scope.allowed is not None:
            before &= scope.allowed
        before[list(scope.asked)] = False
        return Place(1 + int(before.sum()), float(cosine))

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
        if self.encoder.tier == "imported" or query.nothing:
            return None
        return subject.picture_of(query, self.dataset)

    def _asked(
        self,
        request: SearchRequest,
        query: Query,
        picture: Picture | None,
        timing: dict[str, float],
        anew: bool = False,
    ) -> np.ndarray:
        """What is searched with, float32 (1, dim): the query, or its mean with what else is asked
        with. Reading that belongs to ``encode``. ``anew``: nothing that is prepared already is
        taken, for times."""
        mix = request.mix
        if mix.plain and not query.nothing:
            return self._vector(query, picture, timing, anew)
        own = None if query.nothing else self._vector(query, picture, timing, anew)

        def see(example: Query) -> np.ndarray:
            # stored vectors are rounded: one picture with two signs would leave their difference
            same = example.item_id is not None and example.item_id == query.item_id
            return own if own is not None and same and not query.box else self._seen(example)

        with _stage(timing, "encode"):
            return mixing.mixed(mix, own, see, self.encoder)

    def _seen(self, query: Query) -> np.ndarray:
        """An example as its encoder sees it; one of the gallery has its vector already."""
        if query.item_id is not None and query.box is None:
            row = self._row_of.get(item_of(self.dataset, query.item_id).id)
            if row is not None:
                return np.asarray(self.found.vectors[row : row + 1])
        return self.vector(query)

    @staticmethod
    def _cropped(
        encoder: Cropped, query: Query, picture: Picture, timing: dict[str, float]
    ) -> Query:
        """The query of a gallery of crops with the part that is encoded."""
        image, timing["decode"] = picture.image(None)
        with _stage(timing, "detect"):
            return replace(query, box=encoder.part(image))

    def _vector(
        self, query: Query, picture: Picture | None, timing: dict[str, float], anew: bool = False
    ) -> np.ndarray:
        if picture is None:
            return self._stored(query)
        encoder = self.encoder
        if query.box is not None and isinstance(encoder, Cropped):
            encoder = encoder.inner  # it is not looked for a part of the part
        prepared, timing["decode"], preparing = picture.prepared(encoder, anew=anew)
        timing["preprocess"] = round(timing.get("preprocess", 0.0) + preparing, 3)
        known = None if anew else picture.encoded.get(self.encoder)
        if known is None:  # a deeper search for the same picture does not encode it again
            spent: dict[str, float] = {}
            with _stage(spent, "encode"):
                vector = batching.encode(self.encoder, prepared)
            known = picture.encoded[self.encoder] = vector, spent["encode"]
        timing["encode"] = round(timing.get("encode", 0.0) + known[1], 3)
        return known[0]

    def _hits(
        self, query: Query, picture: Picture | None, vector: np.ndarray, kept: list[Pair]
    ) -> tuple[Hit, ...]:
        own = item_of(self.dataset, query.item_id) if query.item_id is not None else None
        rows = [row for row, _, _ in kept]
        copies, near = (
            self._copies(query, picture, vector, rows),
            (self._cosines(rows, vector).tolist() if kept else []),
        )
        frames = self._frames(rows, vector)
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
                frame,
            )
            for rank, ((row, score, before), cosine, frame) in enumerate(
                zip(kept, near, frames, strict=True), start=1
            )
            for item in [self._gallery_item(row)]
        )

    def _cosines(self, rows: Sequence[int], vector: np.ndarray) -> np.ndarray:
        """By the stored vectors, float32 (len(rows)): an index may only estimate scores, and some
        are no cosines. Of several objects of a picture it is that of the nearest."""
        at = self.rows[list(rows)]
        if self.found.parts is not None:
            return nearest_objects(self.found.parts, at, vector[0])[0]
        return dots(self.found.vectors[at], vector[0])

    def _every_cosine(self, vector: np.ndarray) -> np.ndarray:
        """Those of the whole gallery, float32 (rows,)."""
        if self.found.parts is not None:
            return nearest_objects(self.found.parts, self.rows, vector[0])[0]
        return cosine_matrix(vector, self.found.vectors, self.rows)[0]

    def _frames(self, rows: Sequence[int], vector: np.ndarray) -> list[Edges | None]:
        """The object of each picture that was found, where several of each are searched."""
        if self.found.parts is None or not rows:
            return [None] * len(rows)
        return frames(self.found.parts, self.rows[list(rows)], vector[0])

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
            raise stored.lacks_vector(self.found, self.encoder.name, own)
        return np.asarray(self.found.vectors[row : row + 1])

    def _gallery_item(self, row: int) -> Item:
        return item_of(self.dataset, self.found.ids[int(self.rows[row])])

    def _row(self, query: Query) -> int | None:
        """The row of a picture that was chosen from the gallery; None where it is none of it."""
        at = None if query.item_id is None else self._row_of.get(query.item_id)
        if at is None:
            return None
        row = int(np.searchsorted(self.rows, at))
        return row if row < len(self.rows) and self.rows[row] == at else None

    def _copies(
        self, query: Query, picture: Picture | None, vector: np.ndarray, rows: list[int]
    ) -> set[int]:
        """Which of these rows hold the very file of the query; a part of a picture need not
        resemble the whole."""
        if query.nothing:
            return set()
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


def _networks(encoder: Encoder) -> list:
    """The networks that an encoder, or one inside it, holds, compiled or not."""
    inside = list(vars(encoder).values())
    found = [one for one in inside if hasattr(one, "parameters")]
    found += encoder.graphs if isinstance(encoder, Compilable) else []
    return found + [net for one in inside if isinstance(one, Encoder) for net in _networks(one)]


def _bytes_of(network) -> int:
    if isinstance(network, Graph):
        return network.ram_bytes
    return sum(one.nbytes for one in network.parameters())


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
