"""Pictures from a dataset, decoded and prepared in worker processes while the network runs in this
one."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.faiss_loader import threads
from core.images import decode
from core.services.embedding.contents import digest
from core.types import Item

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
