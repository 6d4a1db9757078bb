"""Hashing made visible: which bits or bands of two pictures collide, and how probable that was.

How probable it is that two vectors collide in a bucket: random planes (Charikar, 2002; Goemans and
Williamson, 1995): a bit of two vectors at an angle agrees with p = 1 - angle / pi. MinHash (Broder,
1997): a minimum of two sets agrees with p = their Jaccard similarity. r of these in a band all
agree with p^r, and one of b bands does so with 1 - (1 - p^r)^b (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, ch. 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.indexes.minhash import bands as fitted_bands
from core.indexes.minhash import signatures_of
from core.indexes.planes import random_planes
from core.neighbours import cosine_matrix, dots
from core.services.embedding import galleries, stored
from core.services.embedding.bound import with_vectors
from core.services.search.request import item_of

FORMULA = {
    "lsh": "1 - (1 - p^r)^b with p = 1 - arccos(cosine) / pi, r bits in a band and b bands",
    "minhash": (
        "1 - (1 - s^r)^b with s = Jaccard similarity of the sets, r minima in a band and b bands"
    ),
}
SOURCE = {
    "lsh": "Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002",
    "minhash": (
        "Broder, On the resemblance and containment of documents, 1997; bands: Mining of Massive"
        " Datasets, ch. 3"
    ),
}
ABOUT = {
    "lsh": (
        "The curve is the mean over all random planes. The measured points (diamonds) are real"
        " pairs under the one draw that is shown, that of the index hamming without learning. All"
        " pairs share this draw, so where they leave the curve they leave it together."
    ),
    "minhash": (
        "The curve is the mean over all permutations. The measured points (diamonds) are real pairs"
        " under the one draw of the index minhash. All pairs share this draw, so where they leave"
        " the curve they leave it together."
    ),
}
SEARCH = {
    "lsh": (
        "Bands are the textbook scheme (Indyk and Motwani, Approximate nearest neighbors, STOC"
        " 1998): a search by them compares only the pictures that collide with the query. The"
        " indexes lsh and hamming here have no bands: they compare the code of every picture, so no"
        " neighbour is missed for an empty bucket."
    ),
    "minhash": (
        "The index minhash compares only the pictures that collide with the query, and never looks"
        " at the others."
    ),
}
"""What a search makes of those that collide."""
POINTS = 201


def agree(method: str, similarity: np.ndarray) -> np.ndarray:
    """How probably one bit (lsh, by cosine) or one minimum (minhash, by Jaccard) is the same."""
    if method == "minhash":
        return np.clip(similarity, 0.0, 1.0)
    return 1.0 - np.arccos(np.clip(similarity, -1.0, 1.0)) / np.pi


def meet(method: str, similarity: np.ndarray, rows: int, bands: int) -> np.ndarray:
    """Probability that some band agrees as a whole."""
    return 1.0 - (1.0 - agree(method, np.asarray(similarity, float)) ** rows) ** bands


def curve(method: str, rows: int, bands: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Similarities, probabilities, and the similarity where these rise most."""
    similarity = np.linspace(0.0, 1.0, POINTS)
    probability = meet(method, similarity, rows, bands)
    rise = np.diff(probability)
    return similarity, probability, float((similarity[:-1] + similarity[1:])[rise.argmax()] / 2)


def in_bands(codes: np.ndarray, other: np.ndarray, rows: int, bands: int) -> np.ndarray:
    """bool (..., bands): which whole bands of two signatures (..., bits) are equal."""
    same = (codes == other)[..., : rows * bands]
    return same.reshape(*same.shape[:-1], bands, rows).all(axis=-1)


def jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of (place, bit) pairs of bool (..., hash_dim): equal / (2 * places - equal)."""
    equal = (one == other).sum(axis=-1)
    return equal / (2 * one.shape[-1] - equal)


METHODS = ("lsh", "minhash")
RANGES = {
    "bits": (8, 1024),
    "rows": (1, 64),
    "threshold": (0.05, 0.95),
    "hash_dim": (8, 1024),
    "hits": (1, 50),
}
MOST_PERMUTATIONS = 512
SEED = 0
SAMPLE = 1500
"""Pictures whose pairs with one another are the measured dots."""
BINS = 20
LEAST_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """The query and one other picture. ``similarity``: what the method hashes (lsh: cosine;
    minhash: Jaccard of the sets); ``cosine`` always. ``equal`` bool (bits or permutations,): which
        agree; ``bands`` bool (bands,): which agree as a whole;
    ``expected``: probability that a pair this similar meets in some band; ``met``: whether it did.
    """

    id: str
    path: str
    label: str | None
    cosine: float
    similarity: float
    equal: np.ndarray
    bands: np.ndarray
    expected: float
    met: bool


@dataclass(frozen=True, slots=True)
class Buckets:
    """``code`` (bits or permutations,): the query's own signature. ``pairs``: the exact nearest,
    and some far ones, by falling similarity. ``similarity``, ``probability`` (m,): the collision
    curve. ``measured``: rows of (similarity, share of real pairs that met, pairs), binned.
    ``threshold`` and the ``at_threshold`` probability there; ``steepest``: where the curve rises
    most.
    ``shares``: of the gallery, how much the query meets (what has to be compared exactly).
    ``formula``, ``source``, ``about`` (curve against measured pairs) and ``search`` (what a search
    makes of those that meet) in words.
    """

    method: str
    query: str
    bits: int
    bands: int
    rows: int
    code: np.ndarray
    pairs: tuple[Pair, ...]
    similarity: np.ndarray
    probability: np.ndarray
    measured: tuple[tuple[float, float, int], ...]
    threshold: float
    at_threshold: float
    steepest: float
    shares: float
    formula: str
    source: str
    knobs: Mapping[str, float]
    about: str = ""
    search: str = ""


def buckets(
    dataset: Dataset,
    encoder: str,
    method: str,
    query: str,
    *,
    bits: int = 64,
    rows: int = 8,
    threshold: float = 0.5,
    hash_dim: int = 64,
    hits: int = 8,
) -> Buckets:
    """Hash as the index does (lsh: the bits of ``hamming:learned=0``; minhash: those of
    ``minhash``), and look at picture ``query`` (an id), its ``hits`` nearest and as many others
    from far away.

    Args:
        bits: bits of a signature (lsh), or permutations (minhash).
        rows: bits in a band (lsh): a pair meets where all bits of any band agree. For minhash,
            bands follow from ``threshold``.
        threshold: similarity from which pairs should meet.
        hash_dim: bits that a vector is turned into before MinHash makes a set of them.

    Raises:
        UserError: unknown names, a value out of range (with the range), embeddings not built.
    """
    _check(method, bits=bits, rows=rows, threshold=threshold, hash_dim=hash_dim, hits=hits)
    ready = with_vectors(dataset, encoder).encoder
    found = stored.read(dataset, ready)
    own = item_of(dataset, query)
    at = {id: row for row, id in enumerate(found.ids)}.get(own.id)
    if at is None:
        raise stored.lacks_vector(found, encoder, own.id)
    gallery = galleries.gallery_rows(dataset, found, dataset.protocol())
    gallery = gallery[gallery != at]
    if not len(gallery):
        raise UserError(
            "There is no other picture to meet.", fix="Choose a data set with more pictures."
        )
    hashed = _Hashed(method, found.vectors, bits, rows, threshold, hash_dim)
    pairs = [
        hashed.pair(at, row, item_of(dataset, found.ids[row]))
        for row in _neighbours(found.vectors, at, gallery, hits)
    ]
    similarity, probability, steepest = curve(method, hashed.rows, hashed.bands)
    sample = np.sort(np.random.default_rng(SEED).permutation(gallery)[:SAMPLE])
    return Buckets(
        method,
        own.id,
        bits,
        hashed.bands,
        hashed.rows,
        hashed.codes(np.array([at]))[0],
        tuple(pairs),
        similarity,
        probability,
        hashed.measured(sample),
        threshold,
        float(meet(method, np.array(threshold), hashed.rows, hashed.bands)),
        steepest,
        hashed.share(at, sample),
        FORMULA[method],
        SOURCE[method],
        {
            "bits": bits,
            "threshold": threshold,
            **({"rows": rows} if method == "lsh" else {"hash_dim": hash_dim}),
        },
        ABOUT[method],
        SEARCH[method],
    )


def _check(method: str, **given: float) -> None:
    if method not in METHODS:
        raise UserError(f"There is no hashing {method!r}.", f"Known: {', '.join(METHODS)}.")
    for name, value in given.items():
        low, high = RANGES[name]
        high = MOST_PERMUTATIONS if name == "bits" and method == "minhash" else high
        if not low <= value <= high or (name != "threshold" and int(value) != value):
            raise UserError(f"{name} = {value!r} was given.", f"It is from {low:g} to {high:g}.")
    if method == "lsh" and given["rows"] > given["bits"]:
        raise UserError(
            f"A band of {given['rows']} bits does not fit in {given['bits']} bits.",
            fix="Take fewer rows.",
        )


def _neighbours(vectors: np.ndarray, at: int, gallery: np.ndarray, hits: int) -> list[int]:
    """The nearest, then as many spread over the rest to its far end, without the next nearest."""
    order = gallery[
        np.argsort(-cosine_matrix(vectors[at : at + 1], vectors, gallery)[0], kind="stable")
    ]
    far = order[np.linspace(min(hits, len(order)) - 1, len(order) - 1, hits + 1)[1:].astype(int)]
    return list(dict.fromkeys([*order[:hits].tolist(), *far.tolist()]))


class _Hashed:
    """The signatures of vectors by one method, made when they are asked for."""

    def __init__(
        self,
        method: str,
        vectors: np.ndarray,
        bits: int,
        rows: int,
        threshold: float,
        hash_dim: int,
    ) -> None:
        self.method, self.vectors, self.bits = method, vectors, bits
        self.planes = random_planes(vectors.shape[1], bits if method == "lsh" else hash_dim)
        self.bands, self.rows = (
            (bits // rows, rows)
            if method == "lsh"
            else fitted_bands(round(float(threshold), 4), bits)
        )

    def codes(self, rows: np.ndarray) -> np.ndarray:
        """Signatures (n, bits): bool, or the minima uint32."""
        made = self.planes.bits(self.vectors[rows])
        return made if self.method == "lsh" else signatures_of(made, self.bits)

    def similarity(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """What the method hashes, for rows (n) against rows (n)."""
        if self.method == "lsh":
            return dots(self.vectors[one], self.vectors[other])
        return jaccard(self.planes.bits(self.vectors[one]), self.planes.bits(self.vectors[other]))

    def pair(self, at: int, row: int, item) -> Pair:
        mine, theirs = self.codes(np.array([at, row]))
        bands = in_bands(mine, theirs, self.rows, self.bands)
        similar = float(self.similarity(np.array([at]), np.array([row]))[0])
        cosine = float(dots(self.vectors[at], self.vectors[row]))
        expected = float(meet(self.method, np.array(similar), self.rows, self.bands))
        label = item.label if item.label is not None else item.category
        return Pair(
            item.id,
            item.path,
            label,
            cosine,
            similar,
            mine == theirs,
            bands,
            expected,
            bool(bands.any()),
        )

    def measured(self, sample: np.ndarray) -> tuple[tuple[float, float, int], ...]:
        """Pairs of a sample, each with all that follow at a few distances: (mean similarity, share
        that met, pairs) by bins."""
        if len(sample) < 2:
            return ()
        codes, similar, met = self.codes(sample), [], []
        for step in sorted({*np.unique(np.geomspace(1, len(sample) - 1, 24).astype(int)).tolist()}):
            one, other = np.arange(len(sample) - step), np.arange(step, len(sample))
            similar.append(self.similarity(sample[one], sample[other]))
            met.append(in_bands(codes[one], codes[other], self.rows, self.bands).any(axis=-1))
        values, hit = np.concatenate(similar), np.concatenate(met)
        which = np.clip((values * BINS).astype(int), 0, BINS - 1)
        bins = [(which == place) & (values >= 0) for place in range(BINS)]
        return tuple(
            (round(float(values[b].mean()), 4), round(float(hit[b].mean()), 4), int(b.sum()))
            for b in bins
            if b.sum() >= LEAST_PAIRS
        )

    def share(self, at: int, sample: np.ndarray) -> float:
        """Of a sample of the gallery, how much meets one row."""
        mine = self.codes(np.array([at]))
        return float(in_bands(self.codes(sample), mine, self.rows, self.bands).any(axis=-1).mean())
