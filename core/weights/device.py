"""What networks run on here."""

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
