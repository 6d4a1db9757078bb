"""One request, one way: from a picture to hits with their meaning, and the time of each stage."""

import os
from dataclasses import replace

from core.datasets.base import Dataset
from core.datasets.names import shown
from core.images import read_file
from core.services.search import subject
from core.services.search.loading import engine
from core.services.search.request import Query, SearchRequest, item_of
from core.services.search.result import Place, SearchResult
from core.services.specs import index_spec


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


def search(request: SearchRequest, dataset: Dataset) -> SearchResult:
    """The nearest pictures of a gallery, and how they were found.

    Where the request names a detector and its query has no box, the main box that it finds is
    searched with; where it finds none, all of the picture is, and ``note`` says why.

    Raises:
        UserError: an encoder that is not built, a picture that can't be read, a name, knob, field
            or value that is unknown.
    """
    spec = index_spec(request.index)
    made = engine(dataset, request.encoder, request.index)
    query, found = subject.cropped(request.query, dataset, request.crop)
    return subject.told(made.search(replace(request, query=query), spec), found)


def place(request: SearchRequest, dataset: Dataset, item_id: str) -> Place:
    """Where a picture stands in an encoder's full, exact order of the gallery; see
    :meth:`core.services.search.engines.Engine.place`."""
    return engine(dataset, request.encoder, "exact").place(request, item_id)
