"""Embeddings of a dataset: built once, resumed where they stopped, extended by what is new."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding import contents, stored
from core.services.embedding.contents import Notes
from core.services.embedding.encoding import Work, encode, gone
from core.services.embedding.parquet_parts import Home, address
from core.services.embedding.stored import Finished, Shards, assemble, key_of
from core.types import Embeddings, Item, Parts, Progress, Skipped

KIND = "embeddings"
INDEXES = "indexes"
INDEX_KEYS = "keys.npy"
"""The file of an index that can follow its gallery: which pictures stand in its rows."""
USUAL = "usual"
PARTIAL = "partial"


def causes(dataset: Dataset, encoder: Encoder) -> dict:
    """What the embeddings depend on: every picture's state and every cause of the encoder."""
    return {"dataset": dataset.fingerprint(), "encoder": encoder.fingerprint()}


def find(dataset: Dataset, encoder: Encoder) -> Path | None:
    """The folder of finished embeddings, or None."""
    key = store.key(causes(dataset, encoder))
    return store.find(KIND, key) or stored.find(key, encoder.name)


def read(dataset: Dataset, encoder: Encoder) -> Embeddings:
    """Finished embeddings, vectors memory-mapped. Some that can't be read count as absent.

    Raises:
        UserError: they are not built.
    """
    while (path := find(dataset, encoder)) is not None:
        try:
            return read_folder(path, dataset, encoder)
        except store.UNREADABLE as error:
            store.drop(path, error)
    raise not_built(dataset, encoder.name, since(dataset, encoder))


def _is_readable(dataset: Dataset, encoder: Encoder) -> bool:
    try:
        return read(dataset, encoder) is not None
    except UserError:
        return False


def since(dataset: Dataset, encoder: Encoder) -> str:
    """What changed since an earlier build for this source that no longer holds; empty without
    such a build."""
    built = [meta for _, meta in of_source(KIND, dataset, encoder)]
    if not built:
        return ""
    title = dataset.title or dataset.name
    key = store.fingerprint(encoder.fingerprint())
    if all(meta.get("encoder_key") != key for meta in built):
        return f"{encoder.name} has changed since it was built for {title}: its vectors are others."
    new, all_of = len(_plan(dataset, encoder).pending), len(dataset.items)
    return (
        f"The pictures of {title} have changed since {encoder.name} was built:"
        f" {new:,} of {all_of:,} are new or other."
        if new
        else f"Pictures of {title} went since {encoder.name} was built."
    )


def read_folder(path: Path, dataset: Dataset, encoder: Encoder) -> Embeddings:
    skipped, vectors = stored.skipped(path), stored.vectors(path)
    names = {key_of(item): item.id for item in dataset.items} if skipped else {}
    if vectors.shape[1:] != (encoder.stored_dim,):
        raise ValueError(
            f"vectors of shape {vectors.shape} by {encoder.name} of {encoder.stored_dim} numbers"
        )
    several = encoder.stored_dim != encoder.dim
    return Embeddings(
        ids=stored.ids(path, dataset),
        vectors=vectors[:, : encoder.dim] if several else vectors,
        parts=Parts(vectors, encoder.dim) if several else None,
        dataset=dataset.fingerprint(),
        encoder=store.fingerprint(encoder.fingerprint()),
        skipped=tuple(
            Skipped(names[key], reason) for key, reason in skipped.items() if key in names
        ),
    )


def lacks_vector(found: Embeddings, encoder: str, id: str) -> UserError:
    """The error for a query that was passed over when the embeddings were made, with the reason."""
    why = next((f": {one.reason.rstrip('.')}" for one in found.skipped if one.id == id), "")
    return UserError(f"{encoder} holds no vector for {id!r}{why}.", fix="Choose another query.")


@dataclass(frozen=True)
class Elsewhere:
    """How other machines take part in a build."""

    shards: str = ""
    """A folder or an address that holds finished parts for all who build; empty: they are kept in
    the artifacts."""
    encode: Callable[[Dataset, list[Work], Progress | None], set[str] | None] | None = None
    """Encodes what is pending and adds it to the works, and may say the keys of pictures that are
    no longer there; None: this process does that."""


def embed(
    dataset: Dataset,
    encoders: Sequence[Encoder],
    progress: Progress | None = None,
    elsewhere: Elsewhere | None = None,
) -> dict[str, int]:
    """Embed a dataset by several fitted encoders in one pass over the pictures; returns how many
    each encoded now.

    Finished ones cost nothing, and only those with something to do are loaded. ``progress`` counts
    pictures to encode now. A stop or a kill loses at most one part (ten seconds of work); the next
    call goes on from there.

    Raises:
        UserError: pictures that were listed are no longer there; the others are kept.
    """
    elsewhere = elsewhere or Elsewhere()
    wanted = [encoder for encoder in encoders if not _is_readable(dataset, encoder)]
    with _locks([f"{PARTIAL}-{_partial_key(dataset, encoder)}" for encoder in wanted], progress):
        _take_over(dataset, wanted, elsewhere.shards)
        works = [
            _plan(dataset, encoder, elsewhere.shards)
            for encoder in wanted
            if find(dataset, encoder) is None
        ]
        _note_contents(dataset, works)
        absent = (elsewhere.encode or encode)(dataset, works, progress) or set()
        for work in works:
            if not absent & work.pending:
                _finish(dataset, work)
        if absent:
            raise gone(dataset, len(absent))
    for encoder in encoders:
        if encoder not in wanted:
            _drop_parts(dataset, encoder)
    return {encoder.name: 0 for encoder in encoders} | {
        work.encoder.name: len(work.pending) for work in works
    }


def pending(dataset: Dataset, encoder: Encoder) -> int:
    """How many pictures a build would have to encode now."""
    return 0 if find(dataset, encoder) is not None else len(_plan(dataset, encoder).pending)


def _partial_key(dataset: Dataset, encoder: Encoder) -> str:
    return store.key({"source": dataset.locator, "encoder": encoder.fingerprint()})


def _plan(dataset: Dataset, encoder: Encoder, kept: str = "") -> Work:
    """What an earlier build of this source left: its parts if it was stopped, its rows if it was
    finished; and what lies in ``kept``, a folder or an address."""
    folder = store.cache(PARTIAL) / _partial_key(dataset, encoder)
    shards = Shards(folder, encoder.stored_dim, _owner(dataset, encoder))
    home = Home(address(kept, dataset, encoder)) if kept else None
    reused = [*_earlier(dataset, encoder), *shards.parts()]
    found = home.parts(encoder.stored_dim) if home is not None else []
    reused += [(part.source, part.keys, part.skipped) for part in found]
    done = {key for _, keys, skipped in reused for key in (*keys, *skipped)}
    pending = {key_of(item) for item in dataset.items} - done
    contents = {key: content for part in found for key, content in part.contents.items()}
    return Work(encoder, shards, reused, pending, home, contents)


def _note_contents(dataset: Dataset, works: Sequence[Work]) -> None:
    """Keep what other machines read of the pictures whose parts are used."""
    known = {key: content for work in works for key, content in work.contents.items()}
    if known:
        notes = Notes()
        for item in dataset.items:
            notes.add(dataset, item, known.get(key_of(item)))
        notes.keep()


def _borrow(dataset: Dataset, encoder: Encoder) -> None:
    """For a set put together from others: the rows that these have already, as a part of this
    build."""
    held = {member: path for member in dataset.members if (path := find(member, encoder))}
    if held:
        done = {key for _, keys, _ in _plan(dataset, encoder).reused for key in keys}
        keys, vectors = contents.borrowed(dataset, held, done)
        if keys:
            _keep(dataset, encoder, keys, vectors)


def _take_over(dataset: Dataset, wanted: Sequence[Encoder], kept: str) -> None:
    """What needs no encoding: rows of the sets that this one is put together from, and of pictures
    with the same content."""
    reader, folders = contents.Reader(dataset), store.folders(KIND)
    for encoder in wanted:
        _borrow(dataset, encoder)
        known = contents.known_by(encoder, folders)
        todo = _plan(dataset, encoder, kept).pending if known.rows else set()
        items = [item for item in dataset.items if key_of(item) in todo]
        keys, vectors = reader.alike(items, known)
        if keys:
            _keep(dataset, encoder, keys, vectors)


def _keep(dataset: Dataset, encoder: Encoder, keys: list[str], vectors: np.ndarray) -> None:
    """Rows from elsewhere, as a part of this build."""
    folder = store.cache(PARTIAL) / _partial_key(dataset, encoder)
    shards = Shards(folder, encoder.stored_dim, _owner(dataset, encoder))
    shards.add(keys, vectors, {})
    shards.flush()


def _earlier(dataset: Dataset, encoder: Encoder) -> list[Finished]:
    """Finished embeddings of the same source by the same encoder, from when it held other
    pictures."""
    key, held = store.fingerprint(encoder.fingerprint()), of_source(KIND, dataset, encoder)
    folders = [path for path, meta in held if meta.get("encoder_key") == key]
    return contents.finished(folders, encoder.stored_dim)


def of_source(kind: str, dataset: Dataset, encoder: Encoder) -> list[tuple[Path, dict]]:
    """Entries of one kind that this source and an encoder of this name led to, whatever the
    pictures were then."""
    mark = (dataset.locator, encoder.name)
    found = [
        (path, store.read_meta(path) or {}) for path in store.folders(kind) if path.name[0] != "."
    ]
    return [
        (path, meta)
        for path, meta in found
        if (meta.get("source"), meta.get("encoder_name")) == mark
    ]


def _drop_parts(dataset: Dataset, encoder: Encoder) -> None:
    """Parts that lie beside finished embeddings: the build was killed before it deleted them."""
    folder = store.cache(PARTIAL) / _partial_key(dataset, encoder)
    if folder.is_dir():
        with suppress(TimeoutError), store.lock(f"{PARTIAL}-{folder.name}", wait_s=0):
            shutil.rmtree(folder, ignore_errors=True)


def _finish(dataset: Dataset, work: Work) -> None:
    """Put the parts in the dataset's order under their final name, then drop the parts and what
    they replace."""

    def write(folder: Path) -> dict:
        parts = [*work.reused, *work.shards.parts()]
        dim = work.encoder.stored_dim
        home = work.home if dim == work.encoder.dim else None  # of several objects columns are read
        ids, skipped = assemble(dataset.items, parts, dim, folder, home)
        if not ids:
            raise nothing_decoded(dataset, skipped)
        noted = meta_of(dataset, work.encoder, len(ids), len(skipped), len(work.pending))
        spent = {stage: round(seconds, 3) for stage, seconds in work.spent.items()}
        return {**noted, "encode_s": round(work.seconds, 3), "spent_s": spent}

    store.get_or_build(KIND, causes(dataset, work.encoder), write)
    work.shards.drop()
    drop_replaced(dataset, work.encoder)


def drop_replaced(dataset: Dataset, encoder: Encoder) -> None:
    """Delete what stood here for the same source and encoder before the pictures, the fit or the
    weights changed; an index that can follow, and what was usual, stay until they have."""
    now = store.key(causes(dataset, encoder))
    old = [(KIND, path.name) for path, _ in of_source(KIND, dataset, encoder) if path.name != now]
    old += [
        (INDEXES, path.name)
        for path, meta in of_source(INDEXES, dataset, encoder)
        if meta.get("embeddings") != now and not (path / INDEX_KEYS).exists()
    ]
    for kind, key in old:
        with suppress(UserError):  # someone builds it just now: it goes the next time
            store.delete(kind, key)


def _owner(dataset: Dataset, encoder: Encoder) -> dict:
    return {"source": dataset.locator, "dataset_name": dataset.name, "encoder_name": encoder.name}


def meta_of(dataset: Dataset, encoder: Encoder, pictures: int, skipped: int, encoded: int) -> dict:
    """What finished embeddings say of themselves."""
    return {
        **_owner(dataset, encoder),
        "dim": encoder.dim,
        "encoder_key": store.fingerprint(encoder.fingerprint()),
        "pictures": pictures,
        "skipped": skipped,
        "encoded": encoded,
    }


@contextmanager
def _locks(names: Sequence[str], progress: Progress | None) -> Iterator[None]:
    """Several named locks, always taken in one order so that two builders never wait for each
    other."""
    with ExitStack() as stack:
        for name in sorted(set(names)):
            stack.enter_context(store.lock(name, progress))
        yield


def skipped_in(dataset: Dataset) -> tuple[Skipped, ...]:
    """What decoding and preparing passed over, in all finished embeddings of the dataset as it is
    now."""
    found: dict[tuple[str, str], None] = {}
    for path in store.folders(KIND):
        meta = store.read_meta(path) or {}
        now = meta.get("causes", {}).get("dataset") == dataset.fingerprint()
        if now and meta.get("source") == dataset.locator:
            with suppress(*store.UNREADABLE):  # it counts as absent
                found |= dict.fromkeys(stored.skipped(path).items())
    names = {key_of(item): item.id for item in dataset.items} if found else {}
    return tuple(Skipped(names[key], reason) for key, reason in found if key in names)


def item_rows(dataset: Dataset, found: Embeddings) -> Sequence[Item]:
    """The item of each row of the embeddings."""
    if found.ids is dataset.ids:
        return dataset.items
    return [dataset.items[dataset.rows[id]] for id in found.ids]


def not_built(dataset: Dataset, name: str, changed: str = "") -> UserError:
    """The error for a search in what has not been built, or is no longer what was (``changed``,
    from :func:`core.services.embedding.embed.since`)."""
    return UserError(
        changed or f"{dataset.title or dataset.name} has no embeddings by {name} yet.",
        fix="Build them on the Library page.",
        command=(
            "Build them on the Library page, or with: python -m core build --dataset"
            f" {dataset.locator} --encoders {name}"
        ),
    )


def nothing_decoded(dataset: Dataset, skipped: Sequence[Skipped]) -> UserError:
    """The error of a build that found no picture to keep."""
    first = f" The first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
    return UserError(
        f"None of the {len(dataset.items)} pictures of {dataset.title or dataset.name} can be"
        f" used.{first}"
    )


def keys_of(dataset: Dataset, found: Embeddings, rows: np.ndarray) -> np.ndarray:
    """uint64 (n, 2): which state of which picture stands in each of ``rows`` int64 (n,) of
    embeddings."""
    items = item_rows(dataset, found)
    held = b"".join(bytes.fromhex(key_of(items[row])) for row in rows)
    return np.frombuffer(held, np.uint64).reshape(-1, 2)


def places(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """int64 (rows before): the row among the keys ``now`` (n, 2) of each of those ``before``, -1
    where it is gone."""
    row_of = {tuple(key): row for row, key in enumerate(now.tolist())}
    return np.array([row_of.get(tuple(key), -1) for key in before.tolist()], np.int64)
