"""How much memory is free, and a refusal before it is not enough."""

from pathlib import Path

from core.errors import UserError

SHARE = 0.9
"""So much of what is free may be taken."""
GROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Bytes that this process may still take: of the machine, or of its container; None where the
    system does not say."""
    known = [value for value in (_machine(), _group()) if value is not None]
    return min(known) if known else None


def need(wanted: int, what: str, fix: str) -> None:
    """Raises UserError: ``what`` needs more than ``SHARE`` of the free memory."""
    free = free_bytes()
    if free is not None and wanted > SHARE * free:
        raise UserError(
            f"{what} needs about {wanted / 1e9:.1f} GB of memory.",
            f"{free / 1e9:.1f} GB are free.",
            fix,
        )


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    except (OSError, ValueError, StopIteration):
        return None


def _group() -> int | None:
    try:
        return max(
            0,
            int((GROUP / "memory.max").read_text())
            - int((GROUP / "memory.current").read_text())
            + _reclaimable(),
        )
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None


def _reclaimable() -> int:
    """Cached files count as taken until somebody needs the room."""
    lines = (GROUP / "memory.stat").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
