"""Checks of everything the product stands on, each with what to do when it fails."""

import importlib.metadata
import os
import platform
import re
import shutil
from collections import Counter
from pathlib import Path

from core import store
from core.errors import UserError
from core.services import damage, jobs
from core.services.hosting import ownership, settings
from core.services.library import library


def examine() -> list[dict]:
    """Rows with check, state (``fine``, ``note``, ``broken``), detail and fix."""
    return [
        *_packages(),
        _disk(),
        _processor(),
        _catalogue(),
        *_encoders(),
        _caches(),
        *_damaged(),
        _jobs(),
        *_visitors(),
    ]


def _row(check: str, state: str, detail: str, fix: str = "") -> dict:
    return {"check": check, "state": state, "detail": detail, "fix": fix}


def _packages() -> list[dict]:
    wrong = []
    try:
        lines = (Path(__file__).parents[2] / "requirements.txt").read_text().splitlines()
    except OSError as error:
        return [
            _row(
                "packages",
                "note",
                f"requirements.txt can't be read: {error.strerror}",
                "Get it from the repository.",
            )
        ]
    for line in lines:
        if match := re.match(r"([A-Za-z0-9_.-]+)==(\S+)", line):
            wrong += _wrong_version(*match.groups())
    if wrong:
        return [_row("packages", "broken", "; ".join(wrong), "pip install -r requirements.txt")]
    return [_row("packages", "fine", "all pinned versions are installed")]


def _wrong_version(name: str, wanted: str) -> list[str]:
    try:
        have = importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return [f"{name} is missing (wanted {wanted})"]
    return [] if have == wanted else [f"{name} is {have} (wanted {wanted})"]


def _disk() -> dict:
    try:
        store.write_text(store.root() / "cache" / ".written", "")
        free = shutil.disk_usage(store.root()).free
    except UserError as error:
        return _row("disk", "broken", error.given, error.fix)
    except OSError as error:
        fix = "Set LOOKALIKE_ARTIFACTS to another folder."
        return _row(
            "disk", "broken", f"{store.root()} can't be written: {error.strerror or error}", fix
        )
    return _row(
        "disk", "fine" if free > 2 << 30 else "note", f"{free / 1e9:.1f} GB free for caches"
    )


def _processor() -> dict:
    flags = _cpu_flags()
    bf16 = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    return _row(
        "processor",
        "fine",
        f"{os.cpu_count()} cores, {platform.machine()}, bf16: {', '.join(bf16) or 'no'}",
    )


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return set(next((line for line in lines if line.startswith("flags")), "").split())
    except OSError:
        return set()


def _catalogue() -> dict:
    try:
        items = library.open_dataset("catalogue").items
    except UserError as error:
        return _row(
            "embedded gallery",
            "broken",
            str(error),
            "Restore artifacts/catalogue from the repository.",
        )
    return _row("embedded gallery", "fine", f"{len(items)} pictures")


def _encoders() -> list[dict]:
    rows = library.encoder_rows()
    counts = Counter(row["state"] for row in rows)
    words = ", ".join(
        f"{count} {'need a download' if state == 'download' else state}"
        for state, count in counts.items()
    )
    lost = [
        _row(row["name"], "note", row["detail"]) for row in rows if row["state"] == "unavailable"
    ]
    return [_row("encoders", "fine" if counts["ready"] else "broken", words), *lost]


def _caches() -> dict:
    rows = library.cache_rows()
    return _row(
        "caches", "fine", f"{len(rows)} entries, {sum(row['bytes'] for row in rows) / 1e6:.0f} MB"
    )


def _damaged() -> list[dict]:
    """Everything kept that is not what was written, file by file; all of it is read."""
    found = damage.examine()
    rows = [
        _row(
            "damaged files",
            "note" if one.rebuilt else "broken",
            f"{one.where}: {one.fault}. {one.what}",
            "" if one.rebuilt else f"{one.where}: {one.what}",
        )
        for one in found
    ]
    return rows or [_row("damaged files", "fine", "none: all that is kept is what was written")]


def _jobs() -> dict:
    active = jobs.listing(active_only=True)
    return _row("jobs", "fine", f"{len(active)} running")


def _visitors() -> list[dict]:
    """A public server: its settings, its entrance, and what visitors have on it."""
    if not settings.hosted():
        return []
    try:
        changed = [row for row in settings.rows() if row["value"] != row["default"]]
        told = ", ".join(f"{row['variable']}={row['value']:g}" for row in changed)
        rows = [_row("hosting settings", "fine", told or "all as they come")]
    except UserError as error:
        rows = [_row("hosting settings", "broken", error.given, error.allowed)]
    open_ = ownership.has_entrance()
    told = "is set" if open_ else f"is not set, or shorter than {settings.MIN_TOKEN} characters"
    fix = "" if open_ else f"Set {settings.TOKEN} where an operator is to enter from a browser."
    rows.append(_row("operator's token", "fine" if open_ else "note", told, fix))
    there = ownership.visitors()
    size = sum(store.folder_bytes(one.folder) for one in there)
    return [*rows, _row("visitors", "fine", f"{len(there)} with {size / 1e6:.0f} MB")]
