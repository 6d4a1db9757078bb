"""The one place where faiss is imported: on first use, so that a search without it never pays for
it.

Two OpenMP run times in one process (faiss's and torch's) are known to clash on macOS, and a second
import elsewhere would hide which came first. k-means codebooks and indexes both come through here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from core.errors import UserError


@cache
def faiss() -> ModuleType:
    """The faiss module, told to use no more threads than this process may run on, or was allowed.

    Raises:
        UserError: faiss is not installed, or does not load on this machine.
    """
    try:
        import faiss as module
    except ImportError as error:
        raise UserError(
            f"faiss can't be loaded here ({error}).",
            fix="Install the package faiss-cpu, or use the exact index.",
            command="Install it with: pip install faiss-cpu, or use the exact index.",
        ) from error
    module.omp_set_num_threads(team())
    return module


def threads() -> int:
    """Cores that this process may use: a container or ``taskset`` may allow few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def team() -> int:
    """Threads of one faiss call: as many as cores, or fewer where ``OMP_NUM_THREADS`` asks for it.
    On a machine that others use, too, one is much the quickest: each step waits for the slowest
    thread of the team."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(threads(), int(asked)) if asked.isdecimal() and int(asked) else threads()


@contextmanager
def one_core() -> Iterator[None]:
    """A block in which numpy's products and decompositions take one core.

    Of small matrices they gain nothing by more. And a thread of theirs that waits for another asks
    for its answer without sleeping, so that on a busy machine each keeps the other from the core:
    50 decompositions of 128 x 128 took 41 s and 22 s of the processor beside 30 programs, and take
    1.9 s and .8 s on one core.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
