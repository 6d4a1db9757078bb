"""One hit explained: as the encoder sees it, by the explainer that suits, its map tested."""

import time
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np

from core.datasets.base import Dataset
from core.detectors.base import Box, with_margin
from core.encoders.base import Encoder
from core.errors import UserError
from core.explainers.base import Codes, Explainer, Explanation, Pair, Pairs, explainers
from core.explainers.covering import Deletion, deletion
from core.explainers.keypoints import MatchedPoints
from core.images import crop, decode
from core.indexes.base import Index
from core.indexes.minhash import MinHashIndex
from core.keypoints import SIDE
from core.neighbours import dots
from core.rerankers.base import rerankers
from core.services.embedding import stored, usual
from core.services.embedding.crops import Cropped, Edges, Several, frames, nearest_objects
from core.services.embedding.roles import codes
from core.services.embedding.stored import item_rows
from core.services.index_lab import buckets
from core.services.search import subject
from core.services.search.engines import Engine
from core.services.search.request import Query, item_of
from core.services.search.serving import engine
from core.services.specs import IndexSpec, index_spec
from core.types import Embeddings, Item

MATCHES = MatchedPoints.name


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a hit was found.

    ``score`` is its cosine, by the stored vectors, or the number of inliers where ``unit`` says so;
    ``pictures`` are query and hit, RGB uint8, as far as they were encoded; ``deletion`` is None
    where no map marks anything of the hit; ``ms`` is how long it took.
    """

    dataset: str
    encoder: str
    index: str
    hit: str
    score: float
    unit: str
    explanation: Explanation
    deletion: Deletion | None
    pictures: tuple[np.ndarray, np.ndarray]
    ms: float

    @property
    def method(self) -> str:
        return self.explanation.method

    @property
    def words(self) -> str:
        """The score, said."""
        return f"{self.score:.0f} {self.unit}" if self.unit else f"cosine {self.score:.4f}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences beside the maps: what could not be told, and how the deletion test went."""
        told = self.explanation.notes
        if self.deletion is not None:
            return (*told, self.deletion.words)
        if self.explanation.hit is not None and not told:
            return ("Nothing of the hit raises the score, so there is nothing to test.",)
        return told


def methods(encoder: Encoder, index: str = "exact", reranker: str = "") -> list[Explainer]:
    """The explainers for hits of an encoder through an index, the encoder's own first; and for what
    a re-ranker compared.

    Raises:
        UserError: an unknown index or re-ranker, or imported vectors, of which nothing can be told.
    """
    if encoder.tier == "imported":
        raise UserError(
            f"{encoder.name} are imported vectors: what in a picture made them is not known.",
            fix="Choose an encoder that looks at pictures.",
        )
    inner = encoder.inner if isinstance(encoder, Cropped) else encoder
    hashes = index_spec(index).name in HASHING
    made = [explainers.get(name) for name in explainers.names()]
    return sorted(
        (
            one
            for one in made
            if one.applies(inner, hashes) or (one.name == MATCHES and matcher_of(reranker))
        ),
        key=lambda one: (not one.own, _rank(one)),
    )


def methods_of(
    dataset: Dataset, encoder: str, index: str = "exact", reranker: str = ""
) -> list[Explainer]:
    """:func:`methods` for the encoder of a name, as it is in memory. Raises UserError."""
    return methods(engine(dataset, encoder, index).encoder, index, reranker)


def matcher_of(reranker: str) -> str:
    """How a re-ranker matches key points; empty: it does not. Raises UserError: no such one."""
    return rerankers.get(reranker).matcher if reranker else ""


def _rank(one: Explainer) -> int:
    """Of an encoder's own, those with a score as their sum come first; of the rest, occlusion."""
    return int(one.name in (MATCHES, "buckets"))


def explain(
    query: Query,
    dataset: Dataset,
    encoder: str,
    hit: str,
    method: str = "",
    index: str = "exact",
    reranker: str = "",
) -> Explained:
    """Why ``hit`` (an id) is similar to the query, by one method; the encoder's own where none is
    named. What a ``reranker`` compared is a method too: its score is then that of the explanation.

    Raises:
        UserError: an unknown name, embeddings that are not built, a picture that can't be read, a
            hit without a vector, imported vectors, or a method that does not suit the encoder.
    """
    started = time.perf_counter()
    made = engine(dataset, encoder, index)
    chosen = _chosen(methods(made.encoder, index, reranker), method, encoder)
    query, _ = subject.settled(query)
    item = item_of(dataset, hit)
    asked = made.vector(query)
    own, box = _stored(made.found, encoder, item.id, asked[0])
    score = float(dots(own, asked)[0])
    pictures = (
        _query_picture(query, dataset, made.encoder, chosen.name),
        _hit_picture(dataset, item, made.encoder, chosen.name, box),
    )
    inner = made.encoder.inner if isinstance(made.encoder, Cropped) else made.encoder
    hashed: Codes | None = _codes_of(made.index, index_spec(index), asked[0], own[0])
    pair = Pair(
        *pictures,
        inner,
        score,
        lambda: pairs(made),
        hashed,
        getattr(inner, "threshold", None),
        matcher_of(reranker) if chosen.name == MATCHES else "",
    )
    if pair.matcher:
        pair.score = float(pair.scores(0, [pair.hit])[0])
    found = chosen.explain(pair)
    tested = deletion(pair, found.hit) if found.hit is not None else None
    ms = round((time.perf_counter() - started) * 1000, 1)
    return Explained(
        dataset.name, encoder, index, item.id, pair.score, pair.unit, found, tested, pictures, ms
    )


def _chosen(known: list[Explainer], method: str, encoder: str) -> Explainer:
    if not method:
        return known[0]
    wanted = explainers.get(method)
    for one in known:
        if one.name == wanted.name:
            return one
    allowed = ", ".join(one.name for one in known)
    raise UserError(f"{method} does not explain hits of {encoder} here.", f"These do: {allowed}.")


def _stored(
    found: Embeddings, encoder: str, item_id: str, asked: np.ndarray
) -> tuple[np.ndarray, Edges | None]:
    """The vector of a picture, float32 (1, dim); where several objects of each are searched, that
    of the nearest to ``asked``, and its box."""
    if item_id not in found.ids:
        raise stored.lacks_vector(found, encoder, item_id)
    row = np.array([found.ids.index(item_id)])
    if found.parts is None:
        return np.asarray(found.vectors[row]), None
    _, place = nearest_objects(found.parts, row, asked)
    return found.parts.vectors(row, place), frames(found.parts, row, asked)[0]


def _side(encoder: Encoder, method: str) -> int | None:
    """Pixels on the short side of pictures: key points need more than some encoders."""
    return max(encoder.side, SIDE) if method == MATCHES and encoder.side else encoder.side


def _query_picture(query: Query, dataset: Dataset, encoder: Encoder, method: str) -> np.ndarray:
    image, _ = subject.picture_of(query, dataset).image(_side(encoder, method))
    return image if query.box else _part(image, encoder)


def _hit_picture(
    dataset: Dataset, item: Item, encoder: Encoder, method: str, box: Edges | None
) -> np.ndarray:
    image = decode(dataset.read(item), _side(encoder, method))
    if not isinstance(encoder, Several):
        return _part(image, encoder)
    return image if box is None else crop(image, with_margin(Box(*box), image.shape[1::-1]).edges)


def _part(image: np.ndarray, encoder: Encoder) -> np.ndarray:
    """What of a picture is encoded."""
    box = encoder.part(image) if isinstance(encoder, Cropped) else None
    return image if box is None else crop(image, box)


HASHING = ("lsh", "hamming", "hamming_ivf", "minhash")
"""Indexes that compare bits or minima in place of vectors."""


def _codes_of(index: Index, spec: IndexSpec, query: np.ndarray, hit: np.ndarray) -> Codes | None:
    """The codes of two vectors (dim,) in an index; None where it keeps the vectors themselves."""
    made = index.hashed(np.stack([query, hit]))
    if made is None:
        return None
    if index.name != MinHashIndex.name:
        return Codes(index.name, "bits", made[0], made[1])
    index = cast(MinHashIndex, index)  # or one of objects, which answers like it
    threshold = spec.search.get("threshold", index.search_knobs["threshold"].default)
    bands, rows = index.bands(threshold)
    similarity = buckets.jaccard(*index.bits(np.stack([query, hit])))
    chance = float(buckets.meet("minhash", similarity, rows, bands))
    return Codes(index.name, "minima", made[0], made[1], bands, rows, chance)


MAX_PAIRS = 100_000
"""Pairs of each kind that are measured: all, or a seeded sample of so many."""
MIN_PAIRS = 10
NOUNS = {"instance": "the same object", "label": "the same class", "category": "the same category"}
_known: WeakKeyDictionary[Engine, Pairs | str] = WeakKeyDictionary()


def pairs(engine: Engine) -> Pairs | str:
    """The distances of the gallery's pairs, measured once for an engine; or why there are none."""
    if engine not in _known:
        _known[engine] = _measured(engine)
    return _known[engine]


def _measured(engine: Engine) -> Pairs | str:
    rows = np.asarray(engine.rows)
    if len(rows) < 2:
        return "This gallery holds one picture: there are no pairs to compare the distance with."
    known = item_rows(engine.dataset, engine.found)
    items = [known[row] for row in rows]
    field = usual.true_field(items)
    if not field:
        return (
            "Too few pictures of this gallery are known to show the same thing to say what a"
            " distance is worth."
        )
    groups = codes([item.value(field) for item in items])
    draw = np.random.default_rng(0)
    same, count = _same(groups, draw)
    others = _different(groups, draw)
    every = len(rows) * (len(rows) - 1) // 2
    if min(len(same), len(others)) < MIN_PAIRS:
        return "This gallery has too few pairs of the same and of different things to compare."
    near, far = (_distances(engine, rows, one) for one in (same, others))
    return Pairs(near, far, (count / len(near), (every - count) / len(far)), NOUNS[field])


def _same(groups: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, int]:
    """Pairs of equal groups, int64 (n, 2), at most ``MAX_PAIRS``, and how many there are."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) != 0))
    sizes = np.diff(np.append(starts, len(order)))
    each = sizes * (sizes - 1) // 2
    count = int(each.sum())
    picked = (
        np.arange(count) if count <= MAX_PAIRS else np.sort(draw.choice(count, MAX_PAIRS, False))
    )
    ends = np.cumsum(each)
    group = np.searchsorted(ends, picked, side="right")
    within = picked - (ends[group] - each[group])
    later = ((1 + np.sqrt(1 + 8 * within)) / 2).astype(np.int64)
    later -= later * (later - 1) // 2 > within  # the root may round up
    earlier = within - later * (later - 1) // 2
    return order[np.stack([starts[group] + earlier, starts[group] + later], axis=1)], count


def _different(groups: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Random pairs of unequal groups, int64 (n, 2)."""
    one = draw.integers(0, len(groups), 2 * MAX_PAIRS)
    other = (one + draw.integers(1, len(groups), 2 * MAX_PAIRS)) % len(groups)
    apart = groups[one] != groups[other]
    return np.stack([one[apart], other[apart]], axis=1)[:MAX_PAIRS]


def _distances(engine: Engine, rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Euclidean distances of unit vectors, float32 (n,), of pairs of gallery rows (n, 2)."""
    vectors, found = engine.found.vectors, []
    for start in range(0, len(which), usual.PAIRS_BLOCK):
        part = rows[which[start : start + usual.PAIRS_BLOCK]]
        left, right = (np.asarray(vectors[part[:, side]], np.float32) for side in (0, 1))
        found.append(np.linalg.norm(left - right, axis=1))
    return np.concatenate(found)
