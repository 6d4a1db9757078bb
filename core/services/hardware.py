"""What a measurement was made with: processor, cores, accelerator, versions."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

PACKAGES = (
    "numpy",
    "pillow",
    "opencv-python-headless",
    "scikit-image",
    "torch",
    "torchvision",
    "timm",
    "faiss-cpu",
)


def hardware() -> str:
    """``AMD EPYC, 2 cores`` and the accelerator, where torch is in use and has one."""
    try:
        cuda = sys.modules["torch"].cuda
        return processor() + (f", {cuda.get_device_name(0)}" if cuda.is_available() else "")
    except (KeyError, AttributeError):  # not in use, or another thread is still importing it
        return processor()


def processor() -> str:
    """``AMD EPYC, 2 cores``: all that an index uses, whether or not torch is in use beside it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} core{'' if cores == 1 else 's'}"


def busy() -> float | None:
    """Programs that wanted to run, for each core, over the last minute; None: unknown."""
    return (
        round(os.getloadavg()[0] / (os.cpu_count() or 1), 2) if hasattr(os, "getloadavg") else None
    )


def versions() -> dict[str, str]:
    """Installed versions of what the figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), ""
        )
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine()
