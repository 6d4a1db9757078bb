"""What every explainer promises, and what it is given.

To add one, write a file here with a child of :class:`Explainer` and ``explainers.add(name,
maker)``: the command line, the panel on Compare and the contract tests find it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from core.images import resize
from core.keypoints import KeyPoints, detect, match
from core.neighbours import dots
from core.registry import Registry
from core.types import Positions

explainers: Registry[Explainer] = Registry("explanation", "core.explainers")
Edges = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of a picture, origin top left."""
WHOLE: Edges = (0.0, 0.0, 1.0, 1.0)
BATCH = 25
"""Pictures that are encoded at a time."""
WORKING = 320
"""Pixels on the long side of the copies that are covered, or as many as the encoder needs."""


class Encoding(Protocol):
    """What is asked of an encoder; files here may ask for more, and say so in ``applies``."""

    name: str
    family: str
    side: int | None
    has_positions: bool
    matches: bool
    matcher: str

    def prepare(self, image: np.ndarray) -> np.ndarray: ...

    def encode(self, images: Sequence[np.ndarray]) -> np.ndarray: ...

    def positions(self, images: Sequence[np.ndarray]) -> list[Positions] | None: ...

    def seen(self, width: int, height: int) -> Edges: ...


@dataclass(frozen=True, slots=True)
class Codes:
    """How an index hashed two vectors. ``query`` and ``hit``: bool or uint32 (n,), bits or minima;
    the first ``bands`` x ``rows`` of them stand in bands of ``rows``, where there are bands."""

    index: str
    unit: str
    query: np.ndarray
    hit: np.ndarray
    bands: int = 0
    rows: int = 0
    chance: float | None = None
    """The probability that a pair this similar meets in some band."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Distances of pairs of the gallery, float32: pairs of the ``same`` and of ``different``, and
    how many pairs each stands for; ``noun`` says what is the same."""

    same: np.ndarray
    different: np.ndarray
    weights: tuple[float, float]
    noun: str


class Pair:
    """A query and a hit as an encoder sees them, and what may be asked about them.

    Args:
        query, hit: RGB uint8 pictures.
        score: their cosine, as the search gives it.
        pairs: distances of the gallery's pairs, or None with the reason; called where needed.
        codes: how the index that was searched hashed the two; None where it does not hash.
        threshold: the distance below which the network itself calls a pair the same.
        matcher: how key points are matched, where a re-ranker ranked the hit by them.
    """

    def __init__(
        self,
        query: np.ndarray,
        hit: np.ndarray,
        encoder: Encoding,
        score: float,
        pairs: Callable[[], Pairs | str] = lambda: "Nothing is known of the gallery.",
        codes: Codes | None = None,
        threshold: float | None = None,
        matcher: str = "",
    ) -> None:
        self.query, self.hit, self.encoder, self.score = query, hit, encoder, score
        self.pairs, self.codes, self.threshold = pairs, codes, threshold
        self.matcher = encoder.matcher if encoder.matches else matcher
        """How key points are matched, where scores are inliers; empty: they are cosines."""

    @property
    def images(self) -> list[np.ndarray]:
        return [self.query, self.hit]

    @cached_property
    def vectors(self) -> np.ndarray:
        """Both vectors, float32 (2, dim), unit rows."""
        return self.encoder.encode(self.images)

    @property
    def unit(self) -> str:
        """What scores count, where they are no cosines."""
        return "inliers" if self.matcher else ""

    @cached_property
    def points(self) -> list[KeyPoints]:
        """The key points of both pictures."""
        return [detect(image) for image in self.images]

    def scores(self, kept: int, images: Sequence[np.ndarray]) -> np.ndarray:
        """Scores float64 (n,) of RGB pictures in place of one of the two; ``kept`` is the other: 0
        the query, 1 the hit. Cosines, or inliers where key points are matched."""
        if self.matcher:
            found = [detect(image) for image in images]
            own = self.points[kept]
            pairs = [(own, one) if kept == 0 else (one, own) for one in found]
            return np.array([match(*pair, self.matcher).score for pair in pairs], np.float64)
        starts = range(0, len(images), BATCH)
        parts = [self.encoder.encode(images[start : start + BATCH]) for start in starts]
        return dots(np.concatenate(parts), self.vectors[kept])

    @cached_property
    def seen(self) -> list[Edges]:
        """The part of each picture that the encoder looks at."""
        return [self.encoder.seen(*image.shape[1::-1]) for image in self.images]

    @cached_property
    def copies(self) -> list[np.ndarray]:
        """Both pictures as small as may be: what is covered and encoded over and over."""
        side = max(WORKING, round(1.25 * (self.encoder.side or 0)))
        return [_at_most(image, side) for image in self.images]


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    if max(height, width) <= side:
        return image
    scale = side / max(height, width)
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


@dataclass(frozen=True, slots=True)
class Map:
    """What counts where: ``values`` float32 (h, w), 0..1, over the part ``box``."""

    values: np.ndarray
    box: Edges = WHOLE

    @property
    def empty(self) -> bool:
        """Whether it marks nothing."""
        return not bool(self.values.any())


@dataclass(frozen=True, slots=True)
class Links:
    """Which position of the query goes with which of the hit: ``values`` float32 (qh x qw, hh x
    hw), over the same parts as the maps."""

    values: np.ndarray
    query: tuple[int, int]
    hit: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Drawings:
    """Pictures that belong to an explanation: (caption, RGB uint8 picture) each; small ones are
    shown enlarged, pixel by pixel."""

    title: str
    pictures: tuple[tuple[str, np.ndarray], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Matched key points: float32 (m, 2) each, x and y in fractions of the pictures; ``kept`` bool
    (m,): those that agree with one view of one thing."""

    query: np.ndarray
    hit: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True, slots=True)
class Dots:
    """Key points: float32 (n, 2) of each picture, x and y in fractions; ``groups`` int: which of
    the strongest groups each belongs to, from 0, -1 = none of them."""

    query: np.ndarray
    hit: np.ndarray
    query_groups: np.ndarray
    hit_groups: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swatch:
    """A colour, its share of the query, of the hit, and of the score; all 0..1."""

    colour: tuple[int, int, int]
    query: float
    hit: float
    score: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Distances of pairs of the gallery: ``same`` and ``different`` as shares of their kind in each
    of the bins between ``edges``; ``value`` is this pair's."""

    edges: np.ndarray
    same: np.ndarray
    different: np.ndarray
    value: float
    threshold: float | None
    noun: str


@dataclass(frozen=True, slots=True)
class Bits:
    """Two codes: bool (n,) ``equal``, and where they stand in bands which of these are equal as a
    whole. ``query`` and ``hit`` are the bits, None where they are no bits."""

    equal: np.ndarray
    bands: np.ndarray | None
    rows: int
    query: np.ndarray | None = None
    hit: np.ndarray | None = None


Block = Drawings | Lines | Dots | Histogram | Bits | tuple[Swatch, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why two pictures are similar. ``about`` says what the maps show, ``facts`` are (name, value)
    pairs, ``notes`` sentences on what could not be told."""

    method: str
    about: str
    query: Map | None = None
    hit: Map | None = None
    links: Links | None = None
    exact: bool = False
    """Whether the parts sum to the score."""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = field(default=())


class Explainer(ABC):
    """A query-hit pair -> an explanation in terms of one family of encoders, or of all."""

    name: str = ""
    title: str = ""
    about: str = ""
    encoders: tuple[str, ...] = ()
    """Names of the encoders that it knows, unless ``applies`` says otherwise."""
    own: bool = True
    """Whether it speaks in an encoder's own terms: such a one is shown first."""

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        """Whether it can explain hits of this encoder; ``codes``: of an index that hashes."""
        return encoder.name in self.encoders

    @abstractmethod
    def explain(self, pair: Pair) -> Explanation:
        """Raises UserError where nothing can be told of this pair."""


def scaled(values: np.ndarray) -> np.ndarray:
    """What raises a score, as a map 0..1: negatives are 0, the largest 1; float32, rounded."""
    kept = np.maximum(np.asarray(values, np.float64), 0.0)
    most = kept.max(initial=0.0)
    return np.round(kept / most if most > 1e-12 else np.zeros_like(kept), 4).astype(np.float32)


def share(value: float) -> str:
    """0.1234 -> 12.3 %."""
    return f"{100 * value:.1f} %"
