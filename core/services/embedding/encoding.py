"""One pass over the pictures of a build: what each encoder has to do, and the batches that it is
given.

Worker processes read, decode and prepare pictures while the network runs in this one. Networks on
the processor go otherwise, in threads, one for each core: one that shares every layer among all
cores waits at each of them for the slowest, all the more where decoding wants the same cores. Each
thread decodes, prepares and encodes a small batch of its own on one core, and nothing is sent
between processes; what is next is read meanwhile. ``tools/bench/build_ceiling.py`` measures both
ways.
"""

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import numpy as np

from core.datasets.base import Dataset
from core.device import team, threads
from core.encoders import precision, resampling
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import decode
from core.services.embedding.contents import Notes, digest
from core.services.embedding.parquet_parts import Home
from core.services.embedding.stored import Finished, Shards, key_of
from core.types import Item, Progress, report, saying

SMALL = 96
"""Below this many pictures worker processes cost more than they save."""
MAX_WORKERS = 8
THUMBNAIL = 32
"""Pixels that tell whether a picture can be decoded: a JPEG is then read at an eighth."""


class Absent(str):
    """The reason why a picture can't be read, where there is no such file."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One picture for several encoders: by encoder position an array, or the reason why there is
    none."""

    item: Item
    outcomes: tuple[np.ndarray | str, ...]
    content: int | None = None
    """Digest of the file; None where it could not be read."""
    spent: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Seconds of reading, of decoding, and of ``prepare``."""

    @property
    def absent(self) -> bool:
        """Whether there is no such file, which was there when the source was listed."""
        return any(isinstance(one, Absent) for one in self.outcomes)

    def array(self, position: int) -> Any:
        found = self.outcomes[position]
        return None if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class Read:
    """The bytes of a picture, or the reason why there are none, and the seconds that it took."""

    item: Item
    data: bytes | str
    seconds: float


def prepare_one(dataset: Dataset, item: Item, preparers: Sequence[Encoder]) -> Prepared:
    """Read, decode and prepare a picture; what can't be done comes back as its reason instead of
    raising."""
    return prepared_from(dataset, read_one(dataset, item), preparers)


def refusal(dataset: Dataset, item: Item) -> str | None:
    """Why a build will pass over a picture, found by reading and decoding it; None where it can be
    used."""
    data = read_one(dataset, item).data
    decoded = data if isinstance(data, str) else _decoded(data, THUMBNAIL)
    return decoded if isinstance(decoded, str) else None


def read_one(dataset: Dataset, item: Item) -> Read:
    """The first step of :func:`prepare_one`."""
    started = time.perf_counter()
    data: bytes | str
    try:
        data = dataset.read(item)
    except Exception as error:
        data = Absent(_reason(error)) if _is_absent(error) else _reason(error)
    return Read(item, data, time.perf_counter() - started)


def prepared_from(dataset: Dataset, read: Read, preparers: Sequence[Encoder]) -> Prepared:
    """The other steps of :func:`prepare_one`."""
    if isinstance(read.data, str):
        refused = (read.data,) * len(preparers)
        return Prepared(read.item, refused, spent=(read.seconds, 0.0, 0.0))
    started = time.perf_counter()
    # An encoder must see the same pixels whichever others share the pass: one decoding for each
    # wanted size.
    sides = {encoder.side for encoder in preparers}
    decoded = {side: _decoded(read.data, side) for side in sides}
    content = digest(read.data)
    between = time.perf_counter()
    outcomes = tuple(_prepared(decoded[encoder.side], encoder) for encoder in preparers)
    spent = (read.seconds, between - started, time.perf_counter() - between)
    return Prepared(read.item, outcomes, content, spent)


def _decoded(data: bytes, side: int | None) -> np.ndarray | str:
    try:
        return decode(data, side)
    except Exception as error:
        return _reason(error)


def _prepared(image: np.ndarray | str, encoder: Encoder) -> np.ndarray | str:
    if isinstance(image, str):
        return image
    try:
        return encoder.prepare(image)
    except Exception as error:  # one odd picture among a million must not end the build
        return f"{encoder.name} can't prepare it: {_reason(error)}"


def _is_absent(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, FileNotFoundError | NotADirectoryError):
        error = error.__cause__
    return error is not None


def gone(dataset: Dataset, count: int) -> UserError:
    """The error of work that met pictures which are no longer there."""
    many = f"{count:,} pictures" if count > 1 else "A picture"
    return UserError(
        f"{many} of {dataset.title or dataset.name} went while they were read.",
        fix="Put them back, or open the data set anew; then build again: what was encoded is kept.",
    )


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def feed(
    dataset: Dataset, items: Sequence[Item], preparers: Sequence[Encoder], batch: int
) -> Iterator[list[Prepared]]:
    """Batches of prepared pictures; memory does not depend on how many there are.

    Each worker takes a contiguous stretch of ``items``, since sources are cheapest to read in
    order, and is at most two batches ahead. (torch's DataLoader does the same, but costs seconds
    and 300 MB in builds that need no network.)

    Raises:
        UserError: a worker died.
    """
    if not _has_workers(items, preparers):
        for start in range(0, len(items), batch):
            yield [prepare_one(dataset, item, preparers) for item in items[start : start + batch]]
        return
    with _workers(dataset, stretches(items, preparers), preparers, batch) as pipes:
        while pipes:
            for pipe in list(pipes):
                received = _receive(pipe)
                if received is None:
                    pipes.remove(pipe)
                else:
                    yield received


def _has_workers(items: Sequence[Item], preparers: Sequence[Encoder]) -> bool:
    return len(items) >= SMALL and all(encoder.forks for encoder in preparers)


def stretches(items: Sequence[Item], preparers: Sequence[Encoder]) -> list[Sequence[Item]]:
    """The parts of ``items`` that are cut into batches, each from its first picture on. The last
    digits of a vector depend on how many pictures its batch holds."""
    count = min(threads(), MAX_WORKERS) if _has_workers(items, preparers) else 1
    edges = [len(items) * place // count for place in range(count + 1)]
    return [items[start:end] for start, end in pairwise(edges) if end > start]


@contextmanager
def _workers(
    dataset: Dataset, stretches: list, preparers: Sequence[Encoder], batch: int
) -> Iterator[list[Connection]]:
    """One process a stretch; all are gone when the block ends, however it ends."""
    # fork shares the listing and the weights without copying them; elsewhere than on Linux it is
    # not safe
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pipes, processes = [], []
    try:
        for stretch in stretches:
            ours, theirs = context.Pipe(duplex=False)
            pipes.append(ours)
            arguments = (theirs, list(pipes), dataset, stretch, preparers, batch)
            process = context.Process(target=_work, args=arguments, daemon=True)
            process.start()
            theirs.close()  # so that the end of the worker is the end of the pipe
            processes.append(process)
        yield list(pipes)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        for pipe in pipes:
            pipe.close()


def _receive(pipe: Connection) -> list[Prepared] | None:
    """The next batch of a worker, None at its end."""
    try:
        return pipe.recv()
    except EOFError as error:
        raise UserError(
            "A worker process that was decoding pictures died; most often that is for want of"
            " memory.",
            fix=(
                "Start the build again: it continues from there. Fewer encoders at once need less"
                " memory."
            ),
        ) from error


def _work(
    pipe: Connection,
    readers: Sequence[Connection],
    dataset: Dataset,
    items: Sequence[Item],
    preparers: Sequence[Encoder],
    batch: int,
) -> None:
    """The life of a worker. It waits in ``send`` until its batch is taken; when the reader is gone,
    that fails."""
    for reader in readers:
        # a reading end held here would keep this worker waiting for ever after its parent was
        # killed
        reader.close()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _one_thread_each()
    try:
        for start in range(0, len(items), batch):
            pipe.send(
                [prepare_one(dataset, item, preparers) for item in items[start : start + batch]]
            )
        pipe.send(None)
    except OSError:
        return


def _one_thread_each() -> None:
    """Libraries' own threads do not survive a fork, and here every core has a worker already."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(0)


BATCH = 16
"""Pictures in a batch. Of 32, a float32 layer of 112 x 112 takes more than 32 MiB, which the C
library hands back to the system and asks for again at each of them: a fifth of the time."""
AHEAD = 2
"""Batches that are read beforehand, for each thread."""
T = TypeVar("T")


def streamed(items: Sequence[Item], encoders: Sequence[Encoder]) -> bool:
    """Whether a pass over these pictures goes through threads: enough of them, for encoders that
    all take it."""
    return len(items) >= SMALL and bool(encoders) and all(one.streams for one in encoders)


def through(
    dataset: Dataset,
    items: Sequence[Item],
    encoders: Sequence[Encoder],
    act: Callable[[list[Prepared]], T],
) -> Iterator[tuple[list[Prepared], T]]:
    """Batches in the order of ``items``, prepared for ``encoders``, each with what ``act`` made of
    it in its thread. Memory does not depend on how many there are.

    Raises:
        whatever ``act`` raises.
    """

    def work(read: list) -> tuple[list[Prepared], T]:
        batch = [prepared_from(dataset, one, encoders) for one in read]
        return batch, act(batch)

    size = min(BATCH, *(encoder.batch for encoder in encoders))
    with _threads(team()) as pool:
        waiting: deque[Future] = deque()
        for start in range(0, len(items), size):
            # read in order by one thread: a table of pictures is only quick so
            read = [read_one(dataset, item) for item in items[start : start + size]]
            waiting.append(pool.submit(work, read))
            while waiting and (waiting[0].done() or len(waiting) > (1 + AHEAD) * team()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def overlapped(
    batches: Iterable[list[Prepared]], act: Callable[[list[Prepared]], T]
) -> Iterator[tuple[list[Prepared], T]]:
    """Batches, each with what ``act`` made of it in a thread of its own, while the next one is
    received: a GPU need not wait for worker processes to be read from.

    Raises:
        whatever ``act`` or ``batches`` raises.
    """
    with ThreadPoolExecutor(1, "encode") as pool:
        running: tuple[list[Prepared], Future[T]] | None = None
        for batch in batches:
            next_one = batch, pool.submit(act, batch)
            if running is not None:
                yield running[0], running[1].result()
            running = next_one
        if running is not None:
            yield running[0], running[1].result()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which torch uses one core each; they end with the block, after the batch that they
    are at."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    pool = ThreadPoolExecutor(count, "encode", _one_core_each)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if torch:
            torch.set_num_threads(before)  # else threads that begin later would take over the one


def _one_core_each() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


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
        with saying(progress, f"Loading {work.encoder.title or work.encoder.name}"):
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
