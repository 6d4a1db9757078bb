"""One pass over the pictures of a build: what each encoder has to do, and the batches that it is
given."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.datasets.base import Dataset
from core.encoders import precision, resampling
from core.encoders.base import Encoder
from core.faiss_loader import team
from core.services.embedding.contents import Notes
from core.services.embedding.feed import Prepared, feed
from core.services.embedding.parquet_parts import Home
from core.services.embedding.shards import Finished, Shards, key_of
from core.services.embedding.streams import overlapped, streamed, through
from core.types import Item, Progress, report

STAGES = ("read", "decode", "prepare", "encode", "write")
"""Of a build; the first three serve all encoders of a pass."""


@dataclass
class Work:
    """What one encoder still has to do."""

    encoder: Encoder
    shards: Shards
    reused: list[Finished]
    pending: set[str] = field(default_factory=set)
    home: Home | None = None
    """Where finished parts of this build lie besides, and go to when other machines make them."""
    contents: dict[str, int] = field(default_factory=dict)
    """By key the digests of pictures that these parts are of."""
    seconds: float = 0.0
    """Of its own; at the end those of reading and preparing too, which all encoders of a pass
    share."""
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Seconds of work in each stage, of all threads or processes together."""


def encode(dataset: Dataset, works: list[Work], progress: Progress | None) -> set[str]:
    """Fill the parts; returns the keys of pictures that are no longer there: a folder that went
    during a build may come back, so they don't count as broken."""
    union = set().union(*(work.pending for work in works)) if works else set()
    items = [item for item in dataset.items if key_of(item) in union]
    works = [work for work in works if work.pending]
    for work in works:
        work.encoder.load(progress)
    if len(items) >= resampling.MANY and any(work.encoder.resizes for work in works):
        resampling.load()
    threads = team() if streamed(items, [work.encoder for work in works]) else 1
    done, started, notes = 0, time.perf_counter(), Notes()
    absent: set[str] = set()
    for work in works:  # a build that is killed reads no picture again whose vector it has kept
        work.shards.before = notes.keep
    report(progress, 0, len(items))
    try:
        for batch, made in _batches(dataset, items, works):
            absent |= {key_of(one.item) for one in batch if one.absent}
            for one in batch:
                notes.add(dataset, one.item, one.content)
            shared = np.sum([one.spent for one in batch], axis=0)
            for work, vectors in zip(works, made, strict=True):
                _take(work, vectors, shared)
            done += len(batch)
            report(progress, done, len(items))
    finally:
        own = sum(work.seconds for work in works) / threads
        shared_s = max(0.0, time.perf_counter() - started - own)
        for work in works:
            work.shards.flush()
            work.seconds = work.seconds / threads + shared_s
        notes.keep()
    return absent


@dataclass(frozen=True, slots=True)
class _Made:
    """What one encoder made of a batch, and the seconds that it took."""

    keys: list[str]
    vectors: np.ndarray
    skipped: dict[str, str]
    seconds: float


def _batches(
    dataset: Dataset, items: Sequence[Item], works: Sequence[Work]
) -> Iterator[tuple[list[Prepared], list[_Made]]]:
    """Batches of pictures with what each encoder made of them: in threads where all of them take
    that, else prepared by worker processes and encoded here, beside a GPU while the next batch is
    received."""
    encoders = [work.encoder for work in works]

    def act(batch: Sequence[Prepared]) -> list[_Made]:
        return [_encoded(work, position, batch) for position, work in enumerate(works)]

    if streamed(items, encoders):
        yield from through(dataset, items, encoders, act)
    elif items:
        batches = feed(dataset, items, encoders, min(one.batch for one in encoders))
        if precision.device_kind() == "cuda":
            yield from overlapped(batches, act)
        else:
            yield from ((batch, act(batch)) for batch in batches)


def _encoded(work: Work, position: int, batch: Sequence[Prepared]) -> _Made:
    """Encode what is this encoder's of a batch; its seconds are its own, for those of a pass differ
    a hundredfold."""
    started = time.perf_counter()
    keys, arrays, skipped = [], [], {}
    for one in batch:
        key, array = key_of(one.item), one.array(position)
        if key not in work.pending:
            continue
        if one.absent:
            continue
        if array is None:
            skipped[key] = str(one.outcomes[position])
        else:
            keys.append(key)
            arrays.append(array)
    vectors = (
        work.encoder.encode_stored(arrays)
        if arrays
        else np.zeros((0, work.encoder.stored_dim), np.float32)
    )
    return _Made(keys, vectors, skipped, time.perf_counter() - started)


def _take(work: Work, made: _Made, shared: np.ndarray) -> None:
    """Keep what was made of a batch; ``shared``: seconds of its reading, decoding and preparing."""
    started = time.perf_counter()
    work.shards.add(made.keys, made.vectors, made.skipped)
    written = time.perf_counter() - started
    for stage, seconds in zip(STAGES, (*shared, made.seconds, written), strict=True):
        work.spent[stage] += float(seconds)
    work.seconds += made.seconds + written
