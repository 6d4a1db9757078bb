"""One query through one encoder: hits with their meaning, and the time of each stage."""

from __future__ import annotations

import os
from collections.abc import Sequence

from core.datasets.base import Dataset
from core.datasets.names import shown
from core.images import read_file
from core.services.search import subject
from core.services.search.answer import IDENTICAL, Answer, Hit, Place, Query, item_of, verdict
from core.services.search.engines import RUNS, may_repeat
from core.services.search.loading import engine
from core.services.specs import index_spec

__all__ = [
    "IDENTICAL",
    "RUNS",
    "Answer",
    "Hit",
    "Place",
    "Query",
    "engine",
    "item_of",
    "may_repeat",
    "place",
    "query_from_file",
    "search",
    "verdict",
]


def query_from_file(dataset: Dataset, path: str) -> Query:
    """A picture file, or ``id:NAME`` for a picture of the dataset, as a query.

    A file of the dataset is that picture of it, as if chosen there: it leaves itself out, and
    copies of it are shown.

    Raises:
        UserError: no such file, no such id.
    """
    if path.startswith("id:"):
        return Query(item_id=item_of(dataset, path[3:]).id, name=path[3:])
    known = {shown(path), shown(os.path.abspath(path)), shown(os.path.realpath(path))}
    for item in dataset.items:
        if item.path in known:
            return Query(item_id=item.id, name=item.id)
    return Query(data=read_file(path), name=shown(os.path.basename(path)))


def search(
    query: Query,
    dataset: Dataset,
    encoder: str,
    index: str = "exact",
    k: int = 10,
    *,
    include_self: bool = False,
    where: Sequence[str] = (),
    runs: int = 1,
    crop: str = "",
    **knobs: float,
) -> Answer:
    """One query through one encoder and index (``hnsw:efSearch=16`` sets its knobs).

    See :meth:`.engines.Engine.search`. ``crop`` names the detector whose main box is searched with,
    unless the query has a box; where it finds none, all of the picture is, and ``note`` says why.
    """
    spec = index_spec(index)
    made, set_knobs = engine(dataset, encoder, index), {**spec.search, **knobs}
    query, found = subject.cropped(query, dataset, crop)
    answer = made.search(
        query, k, include_self=include_self, index=spec.text, where=where, runs=runs, **set_knobs
    )
    return subject.told(answer, found)


def place(
    query: Query, dataset: Dataset, encoder: str, item_id: str, where: Sequence[str] = ()
) -> Place:
    """Where a picture stands in an encoder's full, exact order of the gallery; see
    :meth:`.engines.Engine.place`."""
    return engine(dataset, encoder, "exact").place(query, item_id, where)
