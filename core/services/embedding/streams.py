"""Pictures from files to vectors in threads, one for each core: for networks on the processor.

A network that shares every layer among all cores waits at each of them for the slowest, all the
more where decoding wants the same cores. Here each thread decodes, prepares and encodes a small
batch of its own on one core, and nothing is sent between processes; what is next is read meanwhile.
``tools/bench/build_ceiling.py`` measures both ways.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.faiss_loader import team
from core.services.embedding.feed import SMALL, Prepared, prepared_from, read_one
from core.types import Item

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
