"""What comes back from a search: hits with their meaning, and how far away the best of them is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.embedding.usual import Calibration
from core.services.search.request import Mix
from core.types import Item

IDENTICAL = "identical file"
"""What is said of a hit whose file is the query's."""
ONCE = ("decode", "detect")
"""Stages that happen once for all encoders that are asked with the same picture."""
KINDS = {"category": "categories", "label": "classes"}


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``verdict``: ``same`` (object; class where no objects are known), ``category``,
    ``other``; None = unknown.
    ``identical``: its file is the query's, byte for byte."""

    rank: int
    id: str
    path: str
    label: str | None
    instance: str | None
    category: str | None
    split: str | None
    score: float
    verdict: str | None
    identical: bool = False
    cosine: float | None = None
    """By the stored vectors, whatever the index estimates."""
    before: int | None = None
    """Its rank before a re-ranker looked at it."""
    frame: tuple[float, float, float, float] | None = None
    """The object of the picture that was found, x0, y0, x1, y1 in fractions of it, where several of
    each picture are searched; None = all of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture of the gallery stands in one encoder's full order of it: rank from 1, and
    cosine to the query."""

    rank: int
    cosine: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and milliseconds by stage: decode, preprocess, encode, search,
    and rerank where the first hits were looked at a second time.

    Reading and decoding the picture happens once for all encoders that are asked with it: its time
    is that one run's in
    every answer. The other stages are medians of ``runs`` runs, or those of the first run where
    ``runs`` is 1.
    """

    dataset: str
    encoder: str
    index: str
    k: int
    hits: tuple[Hit, ...]
    timing_ms: Mapping[str, float]
    left_out: str | None = None
    """Id of the query, where it was chosen from the gallery that was searched and therefore left
    out of the answer."""
    examples: tuple[str, ...] = ()
    """Ids of the other pictures of the gallery that were asked with and therefore left out."""
    searched: int = 0
    """How many pictures were searched, those left out not counted."""
    score: str = "cosine"
    """What the scores are; ``diffusion`` scores, for one, are no cosines."""
    runs: int = 1
    where: tuple[str, ...] = ()
    """The conditions that narrowed the search."""
    best: float | None = None
    """Cosine of the most similar hit, by the stored vectors whatever the index estimates; None
    without hits."""
    usual: float | None = None
    """The cosine below which nothing counts as close, see
    :mod:`core.services.embedding.usual`; None where nothing says what is usual."""
    apart: str = ""
    """The field (``category``, ``label``) whose other values ``usual`` was measured on; empty: on
    all other pictures."""
    calibration: Calibration | None = None
    """What a cosine of this encoder is worth in this gallery; None where too few pictures say."""
    box: tuple[float, float, float, float] | None = None
    """The part of the picture that was searched with, in fractions; None = all of it."""
    crop: str = ""
    """The detector that chose the part; empty where none was asked."""
    note: str = ""
    """Why the whole picture was searched where a part was asked for."""
    mix: Mix = field(default_factory=Mix)
    """What was asked with beside the query."""
    least: bool = False
    """Whether these are the least similar, the least of all first."""
    threshold: float | None = None
    """The score that hits had to reach, or with ``least`` to stay below."""
    nearest: float | None = None
    """The score of the first picture, whether it reached the threshold or not."""
    more: bool = False
    """Whether others than these ``k`` reach the threshold."""
    cut: int = 0
    """How many tokens were read of a text that was too long; 0 where all of it was."""
    reranker: str = ""
    """What gave the first hits a new order; empty where nothing did."""
    reranked: str = ""
    """What is to be said of that order, as a sentence."""

    @property
    def fused(self) -> bool:
        """Whether this is several encoders' answers as one."""
        return "fuse" in self.timing_ms

    def said(self, score: float, digits: int = 3) -> str:
        """A score in figures: inliers are whole."""
        return f"{score:.0f}" if self.score == "inliers" else f"{score:.{digits}f}"

    @property
    def beside(self) -> str:
        """What was asked with beside the query, and which end of the list was wanted, in words;
        empty where it was the query alone."""
        mix = self.mix
        told = [
            f"{way} like {', '.join(one.item_id or one.name or 'a picture' for one in pictures)}"
            for way, pictures in (("more", mix.plus), ("less", mix.minus))
            if pictures
        ]
        told += [f"the words \u201c{mix.text}\u201d"] if mix.text else []
        told += [] if mix.with_query else ["without the picture"]
        told += ["the least similar"] if self.least else []
        if self.threshold is not None:
            told.append(f"scores of at {'most' if self.least else 'least'} {self.threshold:g}")
        return "; ".join(told)

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds of each stage that is this encoder's own, in the order in which they ran."""
        return {stage: ms for stage, ms in self.timing_ms.items() if stage not in ONCE}

    @property
    def far(self) -> bool:
        """Whether even the best hit is farther away than is usual in this gallery."""
        if self.best is None or self.usual is None or self.least:
            return False
        return self.best < self.usual

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said beside the hits, in sentences: what was left out of them, what was
        said of a new order, what was not read, and the notice."""
        told = [] if self.left_out is None else [f"Left out: {self.left_out}, the query itself."]
        if self.examples:
            told.append(f"Left out: {', '.join(self.examples)}, asked with.")
        told += [self.reranked] if self.reranked else []
        return (*told, *self.limits, *([". ".join(self.notice)] if self.notice else []))

    @property
    def limits(self) -> tuple[str, ...]:
        """What was not read of the text, and that more than these hits reach the threshold, in
        sentences."""
        told = [f"Only the first {self.cut} tokens of the text were read."] if self.cut else []
        if self.more:
            told.append(f"More pictures {self._reach}; these are the first {self.k:,}.")
        return tuple(told)

    @property
    def _reach(self) -> str:
        verb = "stay at or below" if self.least else "reach"
        return f"{verb} {self.threshold:g}"

    @property
    def _shortfall(self) -> tuple[str, str] | None:
        """A headline and a sentence where there are fewer hits than were asked for and could be
        there."""
        wanted = min(self.k, self.searched)
        if not wanted:
            return self._nothing_else
        if self.threshold is not None:
            return None if self.hits else self._none_reaches
        if len(self.hits) < wanted:
            found = f"{len(self.hits):,} of {wanted:,} pictures were found"
            return found, f"The index {self.index} did not reach the others; exact search does."
        return None

    @property
    def _nothing_else(self) -> tuple[str, str]:
        part = "part of the gallery" if self.where else "gallery"
        held = "what is asked with" if self.examples else "the query"
        alone = bool(self.examples) or self.left_out is not None
        return (
            f"There is no {'other ' * alone}picture",
            f"This {part} holds {f'{held} alone' if alone else 'none'}.",
        )

    @property
    def _none_reaches(self) -> tuple[str, str]:
        verb = "stays at or below" if self.least else "reaches"
        known = "" if self.nearest is None else f"The {self._first} score is {self.nearest:.3f}."
        return f"No picture {verb} {self.threshold:g}", known

    @property
    def _first(self) -> str:
        return "smallest" if self.least else "largest"

    @property
    def notice(self) -> tuple[str, str] | None:
        """A headline and a sentence where hits are missing, or the answer is far from everything,
        else None."""
        if (short := self._shortfall) is not None:
            return short
        if not self.far:
            return None
        searched = "part of the gallery" if self.where else "gallery"
        score = "score" if self.score == "cosine" else "cosine"
        if self.apart:
            usual = (
                f"even pictures of different {KINDS[self.apart]} in the gallery usually reach"
                f" {self.usual:.3f}."
            )
        else:
            usual = f"pictures of the gallery usually find one at {self.usual:.3f} or more."
        return (
            f"Nothing in this {searched} is close",
            f"The best {score} is {self.best:.3f}; {usual}",
        )


def verdict(query: Item | None, hit: Item) -> str | None:
    """``same``, ``category`` or ``other``, by the finest field that both have; None where nothing
    is known."""
    if query is None:
        return None
    if query.instance is not None and hit.instance is not None:
        if query.instance == hit.instance:
            return "same"
        known = query.category is not None and hit.category is not None
        return "category" if known and query.category == hit.category else "other"
    if query.label is None or hit.label is None:
        return None
    return "same" if query.label == hit.label else "other"


NEAR = 0.999
"""An answer is compared with the query byte for byte where its cosine is at least this: the same
file gives the same vector but for rounding."""


def same_file(dataset: Dataset, item: Item, data: bytes) -> bool:
    """Whether a picture's file holds these bytes; False where it can't be read any more: nothing is
    known of it then."""
    try:
        return dataset.read(item) == data
    except UserError:
        return False
