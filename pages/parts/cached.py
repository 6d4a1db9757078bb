"""Every cache of the pages: bounded, strings and numbers in, what comes out only read."""

import base64
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core import items
from core.errors import UserError
from core.items import among, taken
from core.services import jobs
from core.services.embedding import detecting, opening, passes
from core.services.embedding.bound import is_built
from core.services.embedding.build import estimate as estimate_build
from core.services.embedding.galleries import lacks_index
from core.services.explaining.explain import Explained, Explainer, explain
from core.services.explaining.explain import methods_of as explaining_methods
from core.services.hosting import limits, settings
from core.services.jobs import JobStatus
from core.services.library import imports, library, uploads
from core.services.library.library import Dataset
from core.services.search import pictures, request
from core.services.search.request import Mix, Query, SearchRequest
from core.services.search.result import Place, SearchResult
from core.services.search.serving import place as place_of
from core.services.search.serving import search
from core.types import Item
from pages.parts import caches
from pages.parts.beside import ALONE, MINUS, PLUS, Beside
from pages.parts.caches import Fresh

Box = tuple[float, float, float, float] | None
"""The part of a query that is searched with, in fractions of the picture; None = all of it."""
SHORT = 60.0 if settings.hosted() else 5.0
"""Seconds that a listing may be old; on a public server longer, where listing again for each of
many visitors would take most of the processor. Whoever changes something has it listed again."""
ANSWERS = 10_000
"""So many answers stay in memory for whoever asks the same: three encoders to each picture of the
embedded gallery. One of ten hits takes 3 kB, one of fifty 10 kB."""
LONG = 60.0
"""The same where listing walks through folders: seconds for 60,000 files, in the background."""


def dataset_rows() -> list[dict]:
    """Every data set, listed a minute ago at most; read the rows, never change them."""
    return _dataset_rows().get()


@caches.quick(max_entries=1, gallery=True)
def _dataset_rows() -> Fresh[list[dict]]:
    return Fresh(library.dataset_rows, LONG)


def encoder_rows() -> list[dict]:
    """Every listed encoder. Read the rows, never change them: copies would take long."""
    return _encoder_rows(limits.may("download"))


@caches.quick(max_entries=4, ttl=SHORT, gallery=True)
def _encoder_rows(may_fetch: bool) -> list[dict]:
    return library.encoder_rows()


def encoder_row(name: str) -> dict | None:
    """One encoder, listed or not, or None. Read it, never change it."""
    return _encoder_row(name, limits.may("download"))


@caches.quick(max_entries=400, ttl=SHORT, gallery=True)
def _encoder_row(name: str, may_fetch: bool) -> dict | None:
    try:
        return library.get_encoder_row(name)
    except UserError:
        return None


@caches.quick(max_entries=4, ttl=60.0, gallery=True)
def index_rows() -> list[dict]:
    return library.index_rows()


def dataset(locator: str) -> Dataset:
    """An open data set; read it, never change it. Raises UserError."""
    return _opened(locator).get()[0]


def version(locator: str) -> str:
    """The fingerprint of a data set: part of every key that depends on its pictures."""
    return _opened(locator).get()[1]


@caches.quick(max_entries=12, gallery=True)
def _opened(locator: str) -> Fresh[tuple[Dataset, str]]:
    def both() -> tuple[Dataset, str]:
        found = library.open_dataset(locator)
        return found, found.fingerprint()

    return Fresh(both, LONG)


@caches.quick(max_entries=2000, ttl=SHORT, gallery=True)
def built(locator: str, version: str, encoder: str) -> bool:
    return is_built(dataset(locator), encoder)


@caches.quick(max_entries=2000, ttl=SHORT, gallery=True)
def index_lacking(locator: str, version: str, encoder: str, index: str) -> bool:
    """Whether an index over the vectors of a built encoder has to be built first, in a job."""
    return lacks_index(dataset(locator), encoder, index)


@caches.quick(max_entries=2, ttl=LONG, gallery=True)
def build_times() -> passes.BuildTimes:
    """How fast encoders were here, or where the code comes from."""
    return passes.build_times()


@caches.quick(max_entries=100, ttl=SHORT, gallery=True)
def built_best_first(locator: str, version: str) -> list[str]:
    """Every encoder that is built for a data set, listed or not, the best one first."""
    names = dict.fromkeys(
        [*(row["name"] for row in encoder_rows()), *build_times().built_of(locator)]
    )
    there = [encoder_row(name) for name in names if built(locator, version, name)]
    return opening.best_first(dataset(locator), [row for row in there if row])


@caches.resource(max_entries=100, ttl=120.0, gallery=True)
def estimate(locator: str, version: str, encoder: str, probe: bool = False):
    """What a build would cost; ``probe`` may load the network to time it. Raises UserError."""
    return estimate_build(dataset(locator), encoder, probe=probe)


@caches.quick(max_entries=2, ttl=0.8, gallery=True)
def all_jobs() -> list[JobStatus]:
    """Every job that is remembered, newest first. Read them, never change them."""
    return jobs.listing()


def active_jobs() -> list[JobStatus]:
    return [job for job in all_jobs() if job.active]


def recent_jobs() -> list[JobStatus]:
    return all_jobs()[:20]


@caches.data(max_entries=2, ttl=SHORT)
def cache_rows() -> list[dict]:
    return library.cache_rows()


@caches.quick(max_entries=100, ttl=10 * LONG, gallery=True)
def skipped(locator: str) -> int:
    """How many pictures were passed over, in listing and in builds."""
    try:
        return len(library.skipped_rows(locator))
    except UserError:
        return 0


@caches.quick(max_entries=2, ttl=LONG, gallery=True)
def own_vectors() -> dict[str, str]:
    """For the encoder of each file of vectors that was brought: how many of them are used."""
    return {
        row["name"]: (
            f"{row['used']:,} of {row['vectors']:,} vectors are used, {row['skipped']:,} passed"
            " over."
        )
        for row in imports.vector_rows()
        if row["used"] is not None
    }


FOLLOW_BUILDS: list = []
"""Caches of other files that are forgotten with those here."""


def forget_builds() -> None:
    """After a build, a stop or a deletion: ask again what is built and what it would cost."""
    known = (
        built,
        index_lacking,
        built_best_first,
        build_times,
        skipped,
        estimate,
        all_jobs,
        cache_rows,
    )
    more = (own_vectors, _encoder_rows, _encoder_row, _detector_rows, *FOLLOW_BUILDS)
    for cache in (*known, *more):
        cache.clear()


def forget_all() -> None:
    """After a download or an upload: list data sets and builds again."""
    forget_builds()
    forget_datasets()


def forget_datasets() -> None:
    """After a data set came or went: list them again."""
    _dataset_rows.clear()
    _opened.clear()


@caches.quick(max_entries=6000, gallery=True)
def thumbnail(locator: str, version: str, item_id: str, side: int = 176, box: Box = None) -> str:
    """A picture, or the part of it inside ``box``, as a data URI, at most ``side`` pixels long."""
    return data_uri(pictures.thumbnail(dataset(locator), item_id, side, box))


def upload(token: str, side: int = 448, box: Box = None) -> str:
    """An uploaded picture, or the part of it inside ``box``, as a data URI. Raises UserError, also
    where it was seen before and has been deleted or is shared no more."""
    uploads.find(token)
    return _upload(f"up:{token}", side, box)


@caches.data(max_entries=60, ttl=3600.0)
def _upload(query: str, side: int, box: Box) -> str:
    """Of ``up:<token>``, so that it is kept for the session of whoever asks and no other."""
    return data_uri(pictures.thumbnail_of_query(uploads.read(query[3:]), side, box))


@caches.quick(max_entries=ANSWERS, ttl=3600.0, gallery=True)
def answer(
    locator: str,
    version: str,
    query: str,
    encoder: str,
    index: str,
    k: int,
    where: tuple[str, ...] = (),
    runs: int = 1,
    box: Box = None,
    beside: Beside = ALONE,
    reranker: str = "",
) -> SearchResult:
    """The answer of one encoder to ``item:<id>`` or ``up:<token>``, or to the part of it inside
    ``box``; times are medians of ``runs``. Raises UserError."""
    request = _request(query, box, encoder, index, k, where, beside, runs)
    return search(replace(request, reranker=reranker), dataset(locator))


@caches.resource(max_entries=3000, ttl=3600.0, gallery=True)
def place(
    locator: str,
    version: str,
    query: str,
    encoder: str,
    item_id: str,
    where: tuple[str, ...] = (),
    box: Box = None,
    beside: Beside = ALONE,
) -> Place:
    """Where a picture stands in an encoder's full order. Raises UserError."""
    request = _request(query, box, encoder, "exact", 1, where, beside)
    return place_of(request, dataset(locator), item_id)


def _request(
    query: str,
    box: Box,
    encoder: str,
    index: str,
    k: int,
    where: tuple[str, ...],
    beside: Beside,
    runs: int = 1,
) -> SearchRequest:
    examples = ([asked(one) for one in pictures] for pictures in map(beside.of, (PLUS, MINUS)))
    mix = Mix(*examples, beside.text or None, beside.weights)
    more = {"mix": mix, "least": beside.least, "threshold": beside.threshold}
    return SearchRequest(asked(query, box), encoder, index, k, where, runs=runs, **more)


@caches.resource(max_entries=60, ttl=3600.0)
def explanation(
    locator: str,
    version: str,
    query: str,
    encoder: str,
    hit: str,
    method: str,
    index: str,
    box: Box = None,
    reranker: str = "",
) -> tuple[Explained, list[Explainer]]:
    """Why a hit was found, and the methods there are to explain it. Raises UserError."""
    held = dataset(locator)
    found = explain(asked(query, box), held, encoder, hit, method, index, reranker)
    return found, explaining_methods(held, encoder, index, reranker)


def asked(query: str, box: Box = None) -> Query:
    """``item:<id>`` or ``up:<token>`` as core asks with it. Raises UserError: it is gone."""
    kind, _, name = query.partition(":")
    if kind == "item":
        return Query(item_id=name, name=name, box=box)
    return Query(data=uploads.read(name), name="uploaded picture", box=box)


def detector_rows() -> list[dict]:
    """Every detector of subjects. Read the rows, never change them."""
    return _detector_rows(limits.may("download"))


@caches.quick(max_entries=2, ttl=SHORT, gallery=True)
def _detector_rows(may_fetch: bool) -> list[dict]:
    return detecting.detector_rows()


@caches.quick(max_entries=40, ttl=LONG, gallery=True)
def evaluated(locator: str, version: str) -> dict[str, float]:
    """Encoder -> mAP on a data set, from the newest report that holds it."""
    return opening.evaluated(dataset(locator))


@caches.quick(max_entries=20, gallery=True)
def examples(locator: str, version: str, wanted: int = 8) -> list[str]:
    """Ids of a few varied pictures: one of each class, classes spread evenly, then others from all
    over the set; of query splits where there are any."""
    found = dataset(locator)
    protocol = found.protocol()
    asking = np.flatnonzero(items.among(found.items, protocol.queries))
    pictures = items.taken(found.items, asking) if len(asking) else found.items
    kinds = items.classes(pictures)
    alone = np.flatnonzero(kinds.codes < 0)  # where no class is known each picture is its own
    rows = np.sort(np.array([*items.first_of_each(kinds).values(), *alone], np.int64))
    if len(rows) > wanted:
        rows = rows[[place * len(rows) // wanted for place in range(wanted)]]
    elif more := min(wanted, len(pictures)) - len(rows):
        others = np.setdiff1d(np.arange(len(pictures)), rows)
        rows = [
            *rows,
            *others[[(2 * place + 1) * len(others) // (2 * more) for place in range(more)]],
        ]
    return [pictures[int(row)].id for row in rows]


@caches.quick(max_entries=20, gallery=True)
def one_of_each(locator: str, version: str) -> dict[str, str]:
    """Category (else label) -> id of its first picture, sorted by category."""
    pictures = dataset(locator).items
    kinds = items.classes(pictures)
    rows = items.first_of_each(kinds)
    if (kinds.codes < 0).any():
        rows["pictures"] = min(int(np.argmax(kinds.codes < 0)), rows.get("pictures", len(pictures)))
    return {name: pictures[row].id for name, row in sorted(rows.items())}


@caches.quick(max_entries=20, gallery=True)
def classes(locator: str, version: str) -> list[str]:
    """The categories (else the labels) of a data set, sorted."""
    return sorted(items.classes(dataset(locator).items).values)


@caches.data(max_entries=60, gallery=True)
def matching(locator: str, version: str, words: str, kind: str) -> list[str]:
    """Ids whose id, label or attributes contain every word, in the class ``kind``, if any."""
    wanted, found = words.lower().split(), dataset(locator)
    if not wanted and not kind:
        return list(found.ids)
    kinds = items.classes(found.items)
    there = kinds.mask(lambda one: not kind or kind == str(one))
    pictures = items.taken(found.items, np.flatnonzero(there))
    return [one.id for one in pictures if all(word in _said(one) for word in wanted)]


def _said(item) -> str:
    values = [
        item.id,
        item.label,
        item.instance,
        item.category,
        item.split,
        *item.attributes.values(),
    ]
    return " ".join(
        " ".join(map(str, v)) if isinstance(v, (tuple, list)) else str(v)
        for v in values
        if v is not None
    ).lower()


def data_uri(webp: bytes) -> str:
    """A WebP picture as the address of itself."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


MOST = 500
"""A field with more values names single pictures, and no part of the gallery."""


@caches.quick(max_entries=20, gallery=True)
def choices(locator: str, version: str) -> dict[str, list[str]]:
    """Field -> its values in the gallery, two at least; no numbers, none that links can't say."""
    known = {
        name: [value for value in values if _plain(value)]
        for name, values in request.fields(_gallery(locator)).items()
    }
    kept = {
        name: values
        for name, values in known.items()
        if 2 <= len(values) <= MOST and "=" not in name and _plain(name)
    }
    kept = {name: values for name, values in kept.items() if not _measured(values)}
    return {
        name: values
        for name, values in kept.items()
        if name != "label" or values != kept.get("category")
    }


@caches.quick(max_entries=200, gallery=True)
def left(locator: str, version: str, where: tuple[str, ...]) -> tuple[int, int]:
    """How many pictures of the gallery meet the conditions, and of how many. Raises UserError."""
    items = _gallery(locator)
    mask = request.allowed(items, where)
    return (len(items) if mask is None else int(mask.sum())), len(items)


def _gallery(locator: str) -> Sequence[Item]:
    items, protocol = dataset(locator).items, dataset(locator).protocol()
    return taken(items, np.flatnonzero(among(items, protocol.gallery)))


def _measured(values: list[str]) -> bool:
    return any("." in value for value in values) and all(
        value.lstrip("-").replace(".", "", 1).isdigit() for value in values
    )


def _plain(text: str) -> bool:
    return bool(text) and "|" not in text and text == text.strip()
