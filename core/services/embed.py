"""Embeddings of a dataset: built once, resumed where they stopped, extended by what is new."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.encoders.imported import Imported
from core.errors import UserError
from core.services import shipped
from core.services.feed import feed
from core.services.shards import Shards, assemble, key_of
from core.types import Embeddings, Item, Progress, Skipped, report

KIND = "embeddings"
PARTIAL = "partial"


def causes(dataset: Dataset, encoder: Encoder) -> dict:
    """What the embeddings depend on: every picture's state and every cause of the encoder."""
    return {"dataset": dataset.fingerprint(), "encoder": encoder.fingerprint()}


def find(dataset: Dataset, encoder: Encoder) -> Path | None:
    """The folder of finished embeddings, or None."""
    key = store.key(causes(dataset, encoder))
    return store.find(KIND, key) or shipped.find(key, encoder.name)


def read(dataset: Dataset, encoder: Encoder) -> Embeddings:
    """Finished embeddings, vectors memory-mapped.

    Raises:
        UserError: they are not built.
    """
    path = find(dataset, encoder)
    if path is None:
        raise not_built(dataset, encoder.name)
    return read_folder(path, dataset, encoder)


def not_built(dataset: Dataset, name: str) -> UserError:
    """The error for a search in what has not been built."""
    return UserError(
        f"{dataset.title or dataset.name} has no embeddings by {name} yet.",
        fix=f"Build them on the Library page, or with: python -m core build --dataset {dataset.locator} --encoders {name}",
    )


def read_folder(path: Path, dataset: Dataset, encoder: Encoder) -> Embeddings:
    ids = json.loads((path / "ids.json").read_text())
    skipped = json.loads((path / "skipped.json").read_text())
    names = {key_of(item): item.id for item in dataset.items} if skipped else {}
    return Embeddings(
        ids=tuple(ids),
        vectors=shipped.vectors(path),
        dataset=dataset.fingerprint(),
        encoder=store.fingerprint(encoder.fingerprint()),
        skipped=tuple(Skipped(names[key], reason) for key, reason in skipped.items() if key in names),
    )


@dataclass
class _Work:
    """What one encoder still has to do."""

    encoder: Encoder
    shards: Shards
    reused: list[tuple[Path, list[str], dict[str, str]]]
    pending: set[str] = field(default_factory=set)
    seconds: float = 0.0


def embed(dataset: Dataset, encoders: Sequence[Encoder], progress: Progress | None = None) -> list[Path]:
    """Embed a dataset by several fitted, loaded encoders in one pass over the pictures; folders in their order.

    Finished ones cost nothing. ``progress`` counts pictures to encode now. A stop or a kill loses at most one part
    (ten seconds of work); the next call goes on from there.
    """
    wanted = [encoder for encoder in encoders if find(dataset, encoder) is None]
    with _locks([f"{PARTIAL}-{_partial_key(dataset, encoder)}" for encoder in wanted], progress):
        wanted = [encoder for encoder in wanted if find(dataset, encoder) is None]
        works = [_plan(dataset, encoder) for encoder in wanted]
        _encode(dataset, works, progress)
        for work in works:
            _finish(dataset, work)
    return [find(dataset, encoder) for encoder in encoders]


def pending(dataset: Dataset, encoder: Encoder) -> int:
    """How many pictures a build would have to encode now."""
    return 0 if find(dataset, encoder) is not None else len(_plan(dataset, encoder).pending)


def _partial_key(dataset: Dataset, encoder: Encoder) -> str:
    return store.key({"source": dataset.locator, "encoder": encoder.fingerprint()})


def _plan(dataset: Dataset, encoder: Encoder) -> _Work:
    """What an earlier build of this source left: its parts if it was stopped, its rows if it was finished."""
    shards = Shards(store.cache(PARTIAL) / _partial_key(dataset, encoder), encoder.dim)
    reused = [*_earlier(dataset, encoder), *shards.parts()]
    done = {key for _, keys, skipped in reused for key in (*keys, *skipped)}
    return _Work(encoder, shards, reused, {key_of(item) for item in dataset.items} - done)


def _earlier(dataset: Dataset, encoder: Encoder) -> list[tuple[Path, list[str], dict[str, str]]]:
    """Finished embeddings of the same source by the same encoder, from when it held other pictures."""
    found = []
    for path in _same_source(dataset, encoder):
        try:
            keys = json.loads((path / "keys.json").read_text())
            skipped = json.loads((path / "skipped.json").read_text())
            if np.load(path / "vectors.npy", mmap_mode="r").shape == (len(keys), encoder.dim):
                found.append((path / "vectors.npy", keys, skipped))
        except (OSError, ValueError):
            continue
    return found


def _same_source(dataset: Dataset, encoder: Encoder) -> list[Path]:
    mark = {"source": dataset.locator, "encoder_key": store.fingerprint(encoder.fingerprint())}
    paths = sorted(store.cache(KIND).glob("[!.]*")) if store.cache(KIND).is_dir() else []
    metas = [(path, store.read_meta(path) or {}) for path in paths]
    return [path for path, meta in metas if mark.items() <= meta.items()]


def _encode(dataset: Dataset, works: list[_Work], progress: Progress | None) -> None:
    union = set().union(*(work.pending for work in works)) if works else set()
    items = [item for item in dataset.items if key_of(item) in union]
    done, started = 0, time.perf_counter()
    report(progress, 0, len(items))
    try:
        encoders = [work.encoder for work in works]
        for batch in feed(dataset, items, encoders, min((e.batch for e in encoders), default=1)) if items else ():
            for position, work in enumerate(works):
                _take(work, position, batch)
            done += len(batch)
            report(progress, done, len(items))
    finally:
        for work in works:
            work.shards.flush()
            work.seconds = time.perf_counter() - started


def _take(work: _Work, position: int, batch: Sequence) -> None:
    mine = [one for one in batch if key_of(one.item) in work.pending]
    good = [one for one in mine if one.arrays]
    vectors = np.zeros((0, work.encoder.dim), np.float32)
    if good:
        vectors = work.encoder.encode_prepared([one.arrays[position] for one in good])
    skipped = {key_of(one.item): one.reason for one in mine if not one.arrays}
    work.shards.add([key_of(one.item) for one in good], vectors, skipped)


def _finish(dataset: Dataset, work: _Work) -> None:
    """Put the parts in the dataset's order under their final name, then drop the parts and what they replace."""
    old = _same_source(dataset, work.encoder)

    def write(folder: Path) -> dict:
        parts = [*work.reused, *work.shards.parts()]
        ids, skipped = assemble(dataset.items, parts, work.encoder.dim, folder)
        if not ids:
            raise _nothing_decoded(dataset, skipped)
        noted = _meta(dataset, work.encoder, len(ids), len(skipped), len(work.pending))
        return {**noted, "encode_s": round(work.seconds, 3)}

    new = store.get_or_build(KIND, causes(dataset, work.encoder), write)
    work.shards.drop()
    for path in old:
        if path != new:
            store.delete(KIND, path.name)


def _meta(dataset: Dataset, encoder: Encoder, pictures: int, skipped: int, encoded: int) -> dict:
    return {
        "source": dataset.locator, "dataset_name": dataset.name, "encoder_name": encoder.name, "dim": encoder.dim,
        "encoder_key": store.fingerprint(encoder.fingerprint()), "pictures": pictures, "skipped": skipped, "encoded": encoded,
    }  # fmt: skip


def _nothing_decoded(dataset: Dataset, skipped: Sequence[Skipped]) -> UserError:
    first = f" The first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
    return UserError(f"None of the {len(dataset.items)} pictures of {dataset.title or dataset.name} can be decoded.{first}")


@contextmanager
def _locks(names: Sequence[str], progress: Progress | None) -> Iterator[None]:
    """Several named locks, always taken in one order so that two builders never wait for each other."""
    with ExitStack() as stack:
        for name in sorted(set(names)):
            stack.enter_context(store.lock(name, progress))
        yield


def derive(dataset: Dataset, encoder: Encoder, base: Embeddings, base_path: Path) -> Path:
    """Embeddings of an encoder that transforms the finished vectors of another, a block at a time; no picture is read."""

    def write(folder: Path) -> dict:
        shape = (len(base.ids), encoder.dim)
        out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(base.ids), 4096):
            out[start : start + 4096] = encoder.transform(np.asarray(base.vectors[start : start + 4096]))
        out.flush()
        for name in ("ids.json", "keys.json", "skipped.json"):
            shutil.copyfile(base_path / name, folder / name)
        return _meta(dataset, encoder, len(base.ids), len(base.skipped), 0)

    return store.get_or_build(KIND, causes(dataset, encoder), write)


def attach(dataset: Dataset, encoder: Imported) -> Path:
    """Embeddings from a user's own vectors, matched to the dataset's items by id; pictures without one are skipped.

    Raises:
        UserError: no id matches.
    """

    def write(folder: Path) -> dict:
        ids, vectors = encoder.lookup()
        row_of = {id: row for row, id in enumerate(ids)}
        kept = [item for item in dataset.items if item.id in row_of]
        if not kept:
            raise UserError(
                f"None of the {len(ids)} ids of {encoder.name} is a picture of {dataset.title or dataset.name}.",
                f"Its ids look like {dataset.items[0].id!r}; yours like {ids[0]!r}.",
            )
        np.save(folder / "vectors.npy", vectors[[row_of[item.id] for item in kept]])
        (folder / "ids.json").write_text(json.dumps([item.id for item in kept]))
        (folder / "keys.json").write_text(json.dumps([key_of(item) for item in kept]))
        missing = {key_of(item): "no vector was brought for it" for item in dataset.items if item.id not in row_of}
        (folder / "skipped.json").write_text(json.dumps(missing))
        return _meta(dataset, encoder, len(kept), len(missing), 0)

    return store.get_or_build(KIND, causes(dataset, encoder), write)


def item_rows(dataset: Dataset, found: Embeddings) -> list[Item]:
    """The item of each row of the embeddings."""
    return [dataset.items[dataset.rows[id]] for id in found.ids]
