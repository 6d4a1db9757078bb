"""Embeddings of a dataset: built once, resumed where they stopped, extended by what is new."""

import json
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
from core.services.embedding import contents, pieces, stored
from core.services.embedding.contents import Notes
from core.services.embedding.encoding import Work, encode, gone
from core.services.embedding.parquet_parts import Home, ParquetPart, address
from core.services.embedding.pieces import Pieces
from core.services.embedding.stored import BLOCK, KIND, Finished, Shards, key_of, write_matrix
from core.types import Item, Progress, Skipped

PARTIAL = "partial"


def _is_readable(dataset: Dataset, encoder: Encoder) -> bool:
    try:
        return stored.read(dataset, encoder) is not None
    except UserError:
        return False


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
            if stored.find(dataset, encoder) is None
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
    return 0 if stored.find(dataset, encoder) is not None else len(_plan(dataset, encoder).pending)


def _partial_key(dataset: Dataset, encoder: Encoder) -> str:
    return store.key({"source": dataset.locator, "encoder": encoder.fingerprint()})


def _plan(dataset: Dataset, encoder: Encoder, kept: str = "") -> Work:
    """What an earlier build of this source left: its parts if it was stopped, its rows if it was
    finished; and what lies in ``kept``, a folder or an address."""
    folder = store.cache(PARTIAL) / _partial_key(dataset, encoder)
    shards = Shards(folder, encoder.stored_dim, dataset.owned(encoder.name))
    home = Home(address(kept, dataset, encoder)) if kept else None
    reused = [*stored.earlier(dataset, encoder), *shards.parts()]
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
    held = {member: path for member in dataset.members if (path := stored.find(member, encoder))}
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
    shards = Shards(folder, encoder.stored_dim, dataset.owned(encoder.name))
    shards.add(keys, vectors, {})
    shards.flush()


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

    store.get_or_build(KIND, stored.causes(dataset, work.encoder), write)
    work.shards.drop()
    drop_replaced(dataset, work.encoder)


def assemble(
    items: Sequence[Item],
    parts: Sequence[Finished],
    dim: int,
    target: Path,
    in_place: Home | None = None,
) -> tuple[list[str], list[Skipped]]:
    """Write ``vectors.npy`` and ``ids.json`` of ``items`` into ``target`` from parts; returns the
    ids and what was skipped. ``in_place``: where all vectors lie in files there that can be mapped,
    these stay, and what is written is where each row lies."""
    where = {
        key: (number, row)
        for number, (_, keys, _) in enumerate(parts)
        for row, key in enumerate(keys)
    }
    reasons = {key: reason for _, _, skipped in parts for key, reason in skipped.items()}
    keys = [key_of(item) for item in items]
    kept = [row for row, key in enumerate(keys) if key in where]
    skipped = [
        Skipped(items[row].id, reasons[key])
        for row, key in enumerate(keys)
        if key not in where and key in reasons
    ]
    ids = [items[row].id for row in kept]
    sources = [where[keys[row]] for row in kept]
    if in_place is None or not _left_in_place(sources, parts, dim, target, in_place):
        _copy_rows(sources, parts, dim, target / "vectors.npy")
    (target / "ids.json").write_text(json.dumps(ids))
    (target / "keys.json").write_text(json.dumps([keys[row] for row in kept]))
    (target / "skipped.json").write_text(
        json.dumps({key: reasons[key] for key in keys if key not in where and key in reasons})
    )
    return ids, skipped


def _left_in_place(
    sources: list[tuple[int, int]], parts: Sequence[Finished], dim: int, target: Path, home: Home
) -> bool:
    """Whether all vectors can stay in the files of their parts in ``home``; then where they lie is
    written."""
    places = np.array(sources, dtype=np.int64).reshape(-1, 2)
    numbers, at = np.unique(places[:, 0], return_inverse=True)
    files = []
    for number in numbers:
        source = parts[number][0]
        here = isinstance(source, ParquetPart) and source.home is home
        if not here or (piece := source.piece()) is None:
            return False
        files.append(piece)
    pieces.write(target, files, np.column_stack([at, places[:, 1]]), dim)
    return bool(files)


def _copy_rows(
    sources: list[tuple[int, int]], parts: Sequence[Finished], dim: int, path: Path
) -> None:
    picks = np.array(sources, dtype=np.int64).reshape(-1, 2)
    starts = range(0, len(picks), BLOCK)
    write_matrix(
        path,
        (len(picks), dim),
        (_gather(picks[start : start + BLOCK], parts, dim) for start in starts),
    )


def _gather(picks: np.ndarray, parts: Sequence[Finished], dim: int) -> np.ndarray:
    block = np.empty((len(picks), dim), np.float32)
    for number in np.unique(picks[:, 0]):
        rows = np.flatnonzero(picks[:, 0] == number)
        block[rows] = _vectors(parts[number][0])[picks[rows, 1]]
    return block


def _vectors(source: Path | Pieces | ParquetPart) -> np.ndarray | Pieces:
    if isinstance(source, ParquetPart):
        return source.vectors()
    return np.load(source, mmap_mode="r") if isinstance(source, Path) else source


def drop_replaced(dataset: Dataset, encoder: Encoder) -> None:
    """Delete what stood here for the same source and encoder before the pictures, the fit or the
    weights changed; an index that can follow, and what was usual, stay until they have."""
    now = store.key(stored.causes(dataset, encoder))
    old = [
        (KIND, path.name)
        for path, _ in stored.of_source(KIND, dataset, encoder)
        if path.name != now
    ]
    old += [
        (stored.INDEXES, path.name)
        for path, meta in stored.of_source(stored.INDEXES, dataset, encoder)
        if meta.get("embeddings") != now and not (path / stored.INDEX_KEYS).exists()
    ]
    for kind, key in old:
        with suppress(UserError):  # someone builds it just now: it goes the next time
            store.delete(kind, key)


def meta_of(dataset: Dataset, encoder: Encoder, pictures: int, skipped: int, encoded: int) -> dict:
    """What finished embeddings say of themselves."""
    return {
        **dataset.owned(encoder.name),
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


def nothing_decoded(dataset: Dataset, skipped: Sequence[Skipped]) -> UserError:
    """The error of a build that found no picture to keep."""
    first = f" The first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
    return UserError(
        f"None of the {len(dataset.items)} pictures of {dataset.title or dataset.name} can be"
        f" used.{first}"
    )
