"""What is asked: a picture, and everything else that an answer depends on; among it the part of
the gallery that is searched: ``category=shoe``, ``split=train``, ``label=mug|cup``, which must all
hold."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.datasets.base import Dataset
from core.datasets.names import nfc
from core.errors import UserError
from core.items import coded
from core.services.embedding.said import all_words, columns, words
from core.types import Item

MAX_K = 1000
MAX_EXAMPLES, MAX_TEXT, MAX_WEIGHT = 100, 1000, 100.0
"""Pictures with a plus or a minus, characters of a text, and the largest weight of either."""


@dataclass(frozen=True, slots=True)
class Query:
    """A picture of the dataset (``item_id``), or any picture's bytes; ``box`` is the part of it
    that is searched with, (x0, y0, x1, y1) in fractions of the picture, None = all of it."""

    item_id: str | None = None
    data: bytes | None = None
    name: str = ""
    box: tuple[float, float, float, float] | None = None

    @property
    def nothing(self) -> bool:
        """Whether it is no picture at all."""
        return self.item_id is None and self.data is None


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part weighs in the mean that is searched with: Rocchio's feedback (1971), in which
    a query weighs 1, the mean of what was called relevant 0.75, and that of what was not 0.25 is
    taken away (Salton and Buckley, 1990). A text weighs as much as a query.

    Raises:
        UserError: a weight out of range.
    """

    query: float = 1.0
    plus: float = 0.75
    minus: float = 0.25
    text: float = 1.0

    def __post_init__(self) -> None:
        for name in ("query", "plus", "minus", "text"):
            if not 0 <= getattr(self, name) <= MAX_WEIGHT:  # NaN is neither
                raise UserError(
                    f"The weight {name}={getattr(self, name):g} was given.",
                    f"A weight is from 0 to {MAX_WEIGHT:g}.",
                )


@dataclass(frozen=True, slots=True)
class Mix:
    """What is asked with beside the query: pictures to be near to and far from, and a text.

    Raises:
        UserError: too many pictures, an empty text or one that is too long.
    """

    plus: Sequence[Query] = ()
    minus: Sequence[Query] = ()
    text: str | None = None
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        for name in ("plus", "minus"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if (count := len(self.plus) + len(self.minus)) > MAX_EXAMPLES:
            raise UserError(
                f"{count} pictures with plus and minus were given.", f"At most {MAX_EXAMPLES}."
            )
        if self.text is not None:
            object.__setattr__(self, "text", _readable(self.text))

    @property
    def plain(self) -> bool:
        """Whether there is nothing but the query."""
        return not self.plus and not self.minus and self.text is None

    @property
    def with_query(self) -> bool:
        """Whether the query itself counts."""
        return self.weights.query > 0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One query through one encoder and one index: pages, commands and measurements all send this.

    Raises:
        UserError: k out of range, a threshold that is no number.
    """

    query: Query
    """Neither a picture nor an id in it: nothing but ``mix`` is asked with. So it is where its
    weight is 0."""
    encoder: str
    index: str = "exact"
    """By name, with knobs where they are set: ``hnsw:M=16,efSearch=64``."""
    k: int = 10
    where: Sequence[str] = ()
    """Conditions that narrow the search, see :func:`read_where`."""
    include_self: bool = False
    """Whether a query that was chosen from the gallery may find itself."""
    crop: str = ""
    """The detector whose main box is searched with; a box of the query goes before it."""
    runs: int = 1
    """Above 1 a quick answer is repeated so often, and its times are the medians of the
    repetitions; a slow one keeps the times of its first run."""
    knobs: Mapping[str, float] = field(default_factory=dict)
    """Knobs of the search that go before those in ``index``."""
    mix: Mix = Mix()
    """What is asked with beside the query."""
    least: bool = False
    """Whether the least similar pictures are wanted, the least of all first."""
    threshold: float | None = None
    """A score that hits have to reach, or with ``least`` stay below; at most ``k`` of them."""
    reranker: str = ""
    """What gives the first hits a new order, see :mod:`core.rerankers`; empty: nothing does."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise UserError(f"K = {self.k} was asked for.", f"K is from 1 to {MAX_K}.")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise UserError(f"The threshold {self.threshold} was given.", "It is a number.")
        object.__setattr__(self, "where", tuple(self.where))
        if not self.mix.with_query:
            object.__setattr__(self, "query", Query())

    def each(self, encoders: Iterable[str]) -> tuple[SearchRequest, ...]:
        """The same request of each of these encoders, once each, in this order."""
        return tuple(replace(self, encoder=name) for name in dict.fromkeys(encoders))


def _readable(text: str) -> str:
    """A text with single spaces, of characters that can be written. Raises UserError."""
    words = " ".join(text.encode("utf-8", "replace").decode().split())
    if not words:
        raise UserError("The text is empty.", fix="Write what you look for, in a few words.")
    if len(words) > MAX_TEXT:
        raise UserError(
            f"The text has {len(words):,} characters.",
            f"At most {MAX_TEXT:,}.",
            "Encoders read some dozen words: write what you look for in one sentence.",
        )
    return words


def item_of(dataset: Dataset, item_id: str) -> Item:
    """The item with this id, in whatever Unicode form it is given. Raises UserError where there is
    none."""
    item_id = nfc(item_id)
    if item_id in dataset.rows:
        return dataset.items[dataset.rows[item_id]]
    near = (
        difflib.get_close_matches(item_id[:200], dataset.rows, n=3)
        if len(dataset.rows) <= 20_000
        else []
    )
    given = f"{dataset.title or dataset.name} has no picture {item_id[:200]!r}."
    first = dataset.items[0].id if dataset.items else ""
    raise UserError(
        given,
        "" if near or not first else f"Its pictures are called like {first[:200]!r}.",
        f"Did you mean {' or '.join(near)}?" if near else "",
    )


SHOWN = 12


def read_where(conditions: Sequence[str]) -> list[tuple[str, frozenset[str]]]:
    """Conditions ``field=value|value`` as fields with the values of which one must be there.

    Raises:
        UserError: an invalid condition.
    """
    found = []
    for condition in conditions:
        field, sign, wanted = condition.partition("=")
        one_of = frozenset(nfc(value.strip()) for value in wanted.split("|") if value.strip())
        if not sign or not one_of:
            raise UserError(
                f"{condition[:80]!r} is no filter.",
                fix="Write it as category=shoe, or label=mug|cup.",
            )
        found.append((nfc(field.strip()), one_of))
    return found


def allowed(items: Sequence[Item], conditions: Sequence[str]) -> np.ndarray | None:
    """Which items (n) meet every condition ``field=value|value``: bool (n,); None where nothing is
    asked.

    Raises:
        UserError: no such field or value in these items, or an invalid condition.
    """
    if not conditions:
        return None
    mask = np.ones(len(items), bool)
    for name, one_of in read_where(conditions):
        mask &= _meets(items, name, one_of)
    return mask


def fields(items: Sequence[Item]) -> dict[str, list[str]]:
    """Fields and attributes that the items have, with their values, sorted."""
    return {name: sorted(all_words(found)) for name, found in columns(items)}


def _meets(items: Sequence[Item], field: str, wanted: frozenset[str]) -> np.ndarray:
    held = coded(items, field)
    known = all_words(held)
    if not known:
        raise UserError(
            f"No picture says {field[:80]!r}.", f"Known: {', '.join(fields(items)) or 'nothing'}."
        )
    if missing := sorted(wanted - known):
        near = difflib.get_close_matches(missing[0][:200], known, n=3, cutoff=0.5)
        listed = sorted(known)[:SHOWN]
        more = "" if len(known) <= SHOWN else f" and {len(known) - SHOWN} more"
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"No picture has {field} {missing[0][:80]!r}.",
            f"Known: {', '.join(listed)}{more}.",
            hint,
        )
    return held.mask(lambda value: bool(words(value) & wanted))
