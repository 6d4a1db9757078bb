"""What is asked: a picture, and everything else that an answer depends on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.datasets.base import Dataset
from core.datasets.names import nfc
from core.errors import UserError
from core.types import Item

MAX_K = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """A picture of the dataset (``item_id``), or any picture's bytes; ``box`` is the part of it
    that is searched with, (x0, y0, x1, y1) in fractions of the picture, None = all of it."""

    item_id: str | None = None
    data: bytes | None = None
    name: str = ""
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One query through one encoder and one index: pages, commands and measurements all send this.

    Raises:
        UserError: k out of range.
    """

    query: Query
    encoder: str
    index: str = "exact"
    """By name, with knobs where they are set: ``hnsw:M=16,efSearch=64``."""
    k: int = 10
    where: Sequence[str] = ()
    """Conditions that narrow the search, see :mod:`core.services.search.filters`."""
    include_self: bool = False
    """Whether a query that was chosen from the gallery may find itself."""
    crop: str = ""
    """The detector whose main box is searched with; a box of the query goes before it."""
    runs: int = 1
    """Above 1 a quick answer is repeated so often, and its times are the medians of the
    repetitions; a slow one keeps the times of its first run."""
    knobs: Mapping[str, float] = field(default_factory=dict)
    """Knobs of the search that go before those in ``index``."""
    reranker: str = ""
    """What gives the first hits a new order, see :mod:`core.rerankers`; empty: nothing does."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise UserError(f"K = {self.k} was asked for.", f"K is from 1 to {MAX_K}.")
        object.__setattr__(self, "where", tuple(self.where))

    def each(self, encoders: Iterable[str]) -> tuple[SearchRequest, ...]:
        """The same request of each of these encoders, once each, in this order."""
        return tuple(replace(self, encoder=name) for name in dict.fromkeys(encoders))


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
    raise UserError(given, fix=f"Did you mean {' or '.join(near)}?" if near else "")
