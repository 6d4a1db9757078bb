"""The caches of the Index lab page; like :mod:`pages.parts.cached`: strings and numbers go in, what
comes out is only read.

Indexes are given as one text, joined by ``;``; knobs as ``name=value``, joined by ``,``.
"""

from core.services.index_lab import buckets, curves, space, view, waterfall
from core.services.index_lab.advice import Advice, recommend
from core.services.index_lab.curves import Plan
from core.services.index_lab.enlarge import Likeness
from core.services.index_lab.view import QueryView
from core.services.index_lab.waterfall import Chain, Waterfall
from core.services.library import library, uploads
from pages.parts import cached, caches

SHOWN_NEAR = 5
"""So many nearest pictures, and as many far ones, show their bits."""


@caches.data(max_entries=200, ttl=60.0)
def index_row(name: str) -> dict:
    """One index, listed or a faiss factory string (``factory:IVF64,PQ16``). Raises UserError."""
    return library.get_index_row(name)


@caches.resource(max_entries=40, ttl=0.9)
def found(
    locator: str, version: str, encoder: str, indexes: str, k: int, size: int, full: bool
) -> Plan:
    """What is to be measured and what was; asks nothing that takes time. Raises UserError."""
    return curves.plan(
        cached.dataset(locator), encoder, _split(indexes), k, size, full=full, timed=False
    )


@caches.resource(
    max_entries=40, ttl=300.0, show_spinner="Estimating: small builds on a sample of your vectors"
)
def estimated(
    locator: str, version: str, encoder: str, indexes: str, k: int, size: int, full: bool, left: int
) -> Plan:
    """The same with time and memory for the ``left`` unmeasured settings. Raises UserError."""
    return curves.plan(cached.dataset(locator), encoder, _split(indexes), k, size, full=full)


@caches.resource(max_entries=20, show_spinner="Comparing synthetic vectors with yours")
def likeness(locator: str, version: str, encoder: str) -> Likeness:
    return space.likeness_of(cached.dataset(locator), encoder)


@caches.data(max_entries=200, ttl=0.9)
def index_built(locator: str, version: str, encoder: str, index: str) -> bool:
    """Whether a setting can be asked at once. Raises UserError."""
    return view.is_built(cached.dataset(locator), encoder, index)


@caches.resource(
    max_entries=200, ttl=3600.0, show_spinner="Asking the index; one that is new is built first"
)
def one_query(
    locator: str, version: str, encoder: str, index: str, query: str, k: int
) -> QueryView:
    """A query (``item:<id>``, ``up:<token>``) by a setting, as ``hnsw:M=16``. Raises UserError."""
    kind, _, name = query.partition(":")
    data = uploads.read(name) if kind == "up" else None
    return view.query_view(
        cached.dataset(locator),
        encoder,
        index,
        name if data is None else "your picture",
        k,
        data=data,
    )


@caches.data(max_entries=60)
def most_pca(locator: str, version: str, encoder: str) -> int:
    """To how many numbers the vectors of a gallery can be reduced. Raises UserError."""
    return waterfall.most_pca(cached.dataset(locator), encoder)


@caches.resource(max_entries=60)
def losses(
    locator: str, version: str, encoder: str, pca: int, code: str, index: str, rerank: int, k: int
) -> Waterfall:
    """The stages of a chain; measured before, or now. Raises UserError."""
    return waterfall.waterfall(
        cached.dataset(locator), encoder, Chain(pca, code, 0, index, rerank), k
    )


@caches.resource(max_entries=60, show_spinner="Hashing the gallery")
def hashed(
    locator: str,
    version: str,
    encoder: str,
    method: str,
    query: str,
    bits: int,
    rows: int,
    threshold: float,
    hash_dim: int,
) -> buckets.Buckets:
    """Bits and bands of a query and its nearest. Raises UserError."""
    return buckets.buckets(
        cached.dataset(locator),
        encoder,
        method,
        query,
        bits=bits,
        rows=rows,
        threshold=threshold,
        hash_dim=hash_dim,
        hits=SHOWN_NEAR,
    )


def advice(size: int, dim: int, memory: int, recall: float, points: tuple, k: int) -> Advice:
    """One sentence; quick, so not kept. Raises UserError."""
    return recommend(size, dim, memory, recall, points, k)


def forget() -> None:
    """After a measurement: look again what is there."""
    for cache in (found, estimated):
        cache.clear()


def _split(indexes: str) -> list[str]:
    return [one for one in indexes.split(";") if one]
