"""The part of a dataset that is searched: its rows, its index, its items, and what is usual there.

Of a gallery that changed an index that was built before serves again where that is possible: it
keeps the key of the picture in each of its rows, so that it needs nothing of the embeddings that it
was built from.
"""

import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.indexes.base import Index, Unreadable, indexes
from core.items import among, coded, taken
from core.services.embedding import said, stored
from core.services.embedding.bound import Bound, bound
from core.services.embedding.crops import ObjectIndex
from core.services.embedding.pieces import Pieces
from core.services.embedding.stored import BLOCK, write_matrix
from core.services.embedding.usual import Usual, usual_or_later
from core.services.specs import IndexSpec, index_spec
from core.types import Embeddings, Progress, Protocol

KIND = stored.INDEXES
GATHERED = "gathered.npy"
"""Vectors that lie in many files, while an index is built over them."""
INSTANT_S = 0.1
"""What is built in so much time of one quiet core is built without asking: a busy machine takes
several times as long."""
TINY = 50_000
"""So many numbers (vectors x dimensions) are indexed in that time by any index."""


def gallery_rows(dataset: Dataset, found: stored.Embeddings, protocol: Protocol) -> np.ndarray:
    """Rows of the embeddings that a query may find, int64, ascending."""
    if not protocol.gallery:
        return np.arange(len(found.ids))
    return np.flatnonzero(among(stored.item_rows(dataset, found), protocol.gallery))


def gallery_index(
    dataset: Dataset,
    encoder: Encoder,
    name: str = "exact",
    progress: Progress | None = None,
    objects: bool = False,
    lent: bool = False,
    **knobs: float,
) -> tuple[Index, np.ndarray]:
    """The index over the gallery of the usual protocol, and the embedding row of each of its rows.

    Args:
        lent: a search asks, which needs it whether or not it can be kept, see :func:`.store.kept`.
        objects: where several objects of each picture were encoded, search all of them, and give
            pictures by their best. Otherwise the main ones are searched.

    Raises:
        UserError: the embeddings are not built, the index is unknown or can't hold this gallery.
    """
    index = indexes.get(name)
    if encoder.matches and not index.exact:
        raise UserError(
            f"{encoder.name} compares key points; {index.title or name} is an index of vectors.",
            fix="Choose the exact index, or an encoder with vectors.",
        )
    objects = objects and has_objects(encoder)
    causes = _causes(dataset, encoder, index, knobs, objects)

    def write(path: Path) -> dict:
        key = store.key(causes)
        return _write(path, dataset, encoder, index, knobs, progress, objects, key)

    found, rows = store.kept(
        KIND,
        causes,
        write,
        lambda folder: _load(name, folder),
        progress,
        (RuntimeError, Unreadable),
        lent=lent and not index.engine,
    )
    if objects and (parts := stored.read(dataset, encoder).parts) is not None:
        return ObjectIndex.over(found, parts, rows)
    return found, rows


def follow(dataset: Dataset, encoder: Encoder, progress: Progress | None = None) -> None:
    """After pictures came or went: make the indexes that the gallery had before and that can
    follow it, and delete what they replace."""
    for key, name, knobs in left_behind(dataset, encoder):
        with suppress(UserError):  # too few vectors by now, or a package that is gone
            if name:
                gallery_index(dataset, encoder, name, progress, **knobs)
        with suppress(UserError):  # someone builds it just now: it goes the next time
            store.delete(KIND, key)


def has_objects(encoder: Encoder) -> bool:
    """Whether several objects of each picture are encoded."""
    return encoder.stored_dim != encoder.dim


def is_built(dataset: Dataset, encoder: Encoder, name: str, **knobs: float) -> bool:
    """Whether a search would only read its index. Raises UserError: the index or a knob is
    unknown."""
    causes = _causes(dataset, encoder, indexes.get(name), knobs, has_objects(encoder))
    return store.find(KIND, store.key(causes)) is not None


def lacks_index(dataset: Dataset, name: str, index: str) -> bool:
    """Whether a search by ``index`` through an encoder that is built would have to build the index
    first, and that takes a while.

    What can't be built at all is not lacking: the search says what is wrong with it.
    """
    try:
        spec = index_spec(index)
        made = indexes.get(spec.name)
        if made.exact or made.state().kind != "ready":
            return False
        encoder = bound(dataset, name).encoder
        if encoder.matches:
            return False
        rows = len(dataset.items)
        made.fits(rows, encoder.dim, **spec.build)
        instant = is_instant(made, rows, encoder.dim, spec.build)
        return not instant and not is_built(dataset, encoder, spec.name, **spec.build)
    except UserError:
        return False


def is_instant(index: Index, rows: int, dim: int, knobs: Mapping[str, float]) -> bool:
    """Whether ``rows`` vectors of ``dim`` dimensions are indexed while nobody notices, by an
    estimate: an exact index copies them, a tiny gallery takes no time, and some indexes say how
    long they take at their default knobs.
    """
    if index.exact or rows * dim <= TINY:
        return True
    usual = all(value == index.build_knobs[name].default for name, value in knobs.items())
    return index.build_ns is not None and usual and rows * dim * index.build_ns <= INSTANT_S * 1e9


def _gathered(vectors: Pieces, path: Path) -> np.ndarray:
    """All rows in one file, memory-mapped."""
    starts = range(0, len(vectors), BLOCK)
    write_matrix(path, vectors.shape, (vectors[start : start + BLOCK] for start in starts))
    return np.load(path, mmap_mode="r")


def _causes(dataset: Dataset, encoder: Encoder, index: Index, knobs: dict, objects: bool) -> dict:
    protocol = dataset.protocol()
    splits = {"splits": split_digest(dataset)} if protocol.gallery else {}
    return {
        **stored.causes(dataset, encoder),
        **index.fingerprint(**knobs),
        "gallery": list(protocol.gallery),
        **splits,
        **({"objects": True} if objects else {}),
        **({"said": said.digest(dataset.items)} if index.engine else {}),
    }


def _load(name: str, folder: Path) -> tuple[Index, np.ndarray]:
    index = indexes.get(name)
    index.load(folder)
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    if rows.shape != (index.size,):
        raise ValueError(f"{rows.shape} rows for an index of {index.size}")
    return index, rows


def split_digest(dataset: Dataset) -> str:
    """Changes with the split of any item: the fingerprint of the list of them all."""
    found = coded(dataset.items, "split")
    told = [*map(json.dumps, found.values), "null"]
    return store.digest_of(f"[{','.join(map(told.__getitem__, found.codes.tolist()))}]")


def _write(
    path: Path,
    dataset: Dataset,
    encoder: Encoder,
    index: Index,
    knobs: dict,
    progress: Progress | None,
    objects: bool,
    key: str,
) -> dict:
    found = stored.read(dataset, encoder)
    rows = gallery_rows(dataset, found, dataset.protocol())
    if not len(rows):
        raise UserError(f"{dataset.title or dataset.name} has no picture in its gallery splits.")
    if objects and found.parts is not None:
        numbers, places = found.parts.there(rows)
        rows = rows[numbers]
        vectors = found.parts.vectors(rows, places)
    else:
        vectors = found.vectors if len(rows) == len(found.ids) else found.vectors[rows]
    if isinstance(vectors, Pieces):  # an index takes one matrix; all of it need not fit in memory
        vectors = _gathered(vectors, path / GATHERED)
    if index.engine:
        items = taken(stored.item_rows(dataset, found), np.asarray(rows))
        index.told(key, said.said(items))
    followed = False
    if index.grows and not objects:
        keys = stored.keys_of(dataset, found, rows)
        before = earlier(dataset, encoder, _causes(dataset, encoder, index, knobs, False))
        followed = taken_over(index, before, keys, vectors, knobs)
        np.save(path / KEYS, keys)
    if not followed:
        index.build(np.ascontiguousarray(vectors), progress, **knobs)
    index.save(path)
    (path / GATHERED).unlink(missing_ok=True)
    np.save(path / "rows.npy", rows)
    cost = index.cost()
    return dataset.owned(
        encoder.name,
        index=index.name,
        embeddings=store.key(stored.causes(dataset, encoder)),
        rows=len(rows),
        ram_bytes=cost.ram_bytes,
        disk_bytes=cost.disk_bytes,
        build_s=cost.build_s,
        followed=followed,
    )


log = logging.getLogger(__name__)
KEYS = stored.INDEX_KEYS
OF_THE_GALLERY = ("dataset", "splits")
"""The causes of an index that a picture changes which comes or goes."""


def taken_over(
    index: Index,
    candidates: list[Path],
    keys: np.ndarray,
    vectors: np.ndarray,
    knobs: Mapping[str, float],
) -> bool:
    """Whether ``index`` became the one over ``vectors`` (n, dim) of the pictures ``keys`` by taking
    over one of the ``candidates`` (:func:`earlier`); else it is to be built."""
    for path in candidates:
        try:
            place = stored.places(np.load(path / KEYS, allow_pickle=False), keys)
            if index.follow(path, place, vectors, **knobs):
                return True
        except (RuntimeError, UserError, *store.UNREADABLE) as error:
            log.warning("the index in %s can't be taken over: %s", path, error)
    return False


def earlier(dataset: Dataset, encoder: Encoder, causes: dict) -> list[Path]:
    """Sound indexes of this source that differ from the one with these causes in the gallery alone,
    newest first."""
    wanted, found = _without_gallery(causes), []
    for path, meta in stored.of_source(stored.INDEXES, dataset, encoder):
        own = meta.get("causes") or {}
        if _without_gallery(own) == wanted and (path / KEYS).exists() and store.sound(path):
            found.append((float(meta.get("built") or 0.0), path))
    return [path for _, path in sorted(found, reverse=True)]


def left_behind(dataset: Dataset, encoder: Encoder) -> list[tuple[str, str, dict]]:
    """``(key, index, knobs)`` of what is left of an earlier gallery and has not followed yet; the
    name is empty where its vectors were made otherwise."""
    now, own = store.key(stored.causes(dataset, encoder)), encoder.fingerprint()
    found = []
    for path, meta in stored.of_source(stored.INDEXES, dataset, encoder):
        causes = meta.get("causes") or {}
        if meta.get("embeddings") != now and (path / KEYS).exists():
            serves = store.fingerprint(causes.get("encoder")) == store.fingerprint(own)
            found.append((path.name, causes["index"] if serves else "", causes.get("knobs", {})))
    return found


def _without_gallery(causes: dict) -> str:
    kept = {name: value for name, value in causes.items() if name not in OF_THE_GALLERY}
    return store.fingerprint(kept)


@dataclass(slots=True)
class Stored:
    """Vectors with their folder, the index over the gallery with the embedding row of each of its
    rows, and what is usual there, which may be known later."""

    path: Path | None
    found: Embeddings
    index: Index
    rows: np.ndarray
    usual: Usual = field(default_factory=lambda: Usual(None))

    def tell(self, known: Usual) -> None:
        """What is usual is known now."""
        self.usual = known


def read_gallery(made: Bound, index: IndexSpec) -> tuple[Any, Stored]:
    """The encoder, loaded, and what is on the disk for it.

    The first network of a process waits two seconds for its library, on one core; meanwhile
    vectors are unpacked and compared on another.

    Raises:
        UserError: weights that can't be read, or embeddings that are not built.
    """
    if made.encoder.state().kind != "ready":  # weights that are not here are a cause of vectors
        encoder = made.loaded()
        return encoder, _stored(made.dataset, encoder, index)
    found = _begun(lambda: _stored(made.dataset, made.encoder, index), f"read {made.encoder.name}")
    try:
        encoder = made.loaded()
    finally:
        wait([found])
    return encoder, found.result()


def _begun(act: Callable[[], Stored], name: str) -> Future[Stored]:
    """``act`` at work in a daemon thread, which the end of the process does not wait for."""
    done: Future[Stored] = Future()

    def work() -> None:
        try:
            done.set_result(act())
        except BaseException as error:  # told to who waits
            done.set_exception(error)

    Thread(target=store.carried(work), name=name, daemon=True).start()
    return done


def _stored(dataset: Dataset, encoder: Encoder, index: IndexSpec) -> Stored:
    path, found = stored.find(dataset, encoder), stored.read(dataset, encoder)
    made, rows = gallery_index(dataset, encoder, index.name, objects=True, lent=True, **index.build)
    kept = Stored(path, found, made, rows)
    if not encoder.matches:
        usual_or_later(dataset, encoder, found, rows, kept.tell)
    return kept
