"""What work runs on here: cores, and a GPU where there is one."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from core import store

FP32 = "fp32"
"""The number format of whole floating point numbers."""
DRIVERS = ("/proc/driver/nvidia", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""What a driver leaves on Linux: NVIDIA's, also in containers and WSL, and AMD's."""


def threads() -> int:
    """Cores that this process may use: a container or ``taskset`` may allow few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def team() -> int:
    """Threads of one call: as many as cores, or fewer where ``OMP_NUM_THREADS`` asks for it.
    On a machine that others use, too, one is much the quickest: each step waits for the slowest
    thread of the team."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(threads(), int(asked)) if asked.isdecimal() and int(asked) else threads()


@cache
def device_kind() -> str:
    """``cuda`` where a GPU can be used, else ``cpu``. Without a driver torch stays out."""
    if platform.system() == "Linux" and not any(map(os.path.exists, DRIVERS)):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@cache
def device_name() -> str:
    """The processor's own name: records of one machine say nothing about another."""
    if device_kind() == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.strip() for line in file if line.startswith(("model name", "flags"))][:2]
    except OSError:
        lines = []
    return f"{platform.machine()} {platform.processor()} {store.fingerprint(lines)}"


@contextmanager
def one_core() -> Iterator[None]:
    """torch works on one core inside the block, in every thread that begins there."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def blas_on_one_core() -> Iterator[None]:
    """A block in which numpy's products and decompositions take one core.

    Of small matrices they gain nothing by more. And a thread of theirs that waits for another asks
    for its answer without sleeping, so that on a busy machine each keeps the other from the core:
    50 decompositions of 128 x 128 took 41 s and 22 s of the processor beside 30 programs, and take
    1.9 s and .8 s on one core.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
