"""Where things lie on disk, and how they get there without ever being half there.

An entry is a folder named by the fingerprint of everything that caused it. It is written under another name and
renamed when whole, so a reader sees all of it or none; an entry that can't be read counts as absent. Two builders of
one entry take turns, and the second finds the work done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.types import Progress, report

log = logging.getLogger(__name__)
VERSION = 1
META = "meta.json"


def root() -> Path:
    """The artifacts folder: ``LOOKALIKE_ARTIFACTS`` where set, else the project's own."""
    return Path(os.environ.get("LOOKALIKE_ARTIFACTS") or Path(__file__).parent.parent / "artifacts")


def shipped() -> Path:
    """The project's own artifacts folder, which holds what came with the code."""
    return Path(__file__).parent.parent / "artifacts"


def fingerprint(causes: object) -> str:
    """20 hex digits of the canonical JSON of ``causes``; a cause that JSON can't say is an error, never ignored."""
    text = json.dumps(causes, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def key(causes: dict) -> str:
    """The name of the entry that ``causes`` lead to."""
    return fingerprint({"version": VERSION, **causes})


def digest(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished entry of the cache, as the Library page lists it. ``bytes`` on disk; ``built`` and ``used`` in epoch seconds."""

    kind: str
    key: str
    path: Path
    meta: dict
    bytes: int
    built: float
    used: float


def cache(kind: str) -> Path:
    """The folder of one kind of entry: ``embeddings``, ``indexes``, ``maps`` ..."""
    return root() / "cache" / kind


def find(kind: str, key: str) -> Path | None:
    """The folder of a finished entry, or None. Reading marks it as used."""
    path = cache(kind) / key
    if read_meta(path) is None:
        return None
    with_suppressed_errors(os.utime, path)
    return path


def read_meta(path: Path) -> dict | None:
    """What an entry says of itself; None (logged) where it is missing or unreadable."""
    try:
        meta = json.loads((path / META).read_text())
        return meta if isinstance(meta, dict) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("ignoring unreadable cache entry %s: %s", path, error)
        return None


def get_or_build(
    kind: str, causes: dict, build: Callable[[Path], dict | None], progress: Progress | None = None
) -> Path:
    """The entry caused by ``causes``; ``build(folder)`` fills it when it is absent and may return more to note in its meta."""
    name = key(causes)
    if (path := find(kind, name)) is not None:
        return path
    with lock(f"{kind}-{name}", progress):
        if (path := find(kind, name)) is not None:
            return path
        with new_folder(cache(kind) / name) as folder:
            started = time.time()
            noted = build(folder) or {}
            meta = {"causes": causes, "built": time.time(), "seconds": round(time.time() - started, 3), **noted}
            (folder / META).write_text(json.dumps(meta))
    return cache(kind) / name


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside ``final`` that takes its name when the block ends well, and vanishes when it does not."""
    final.parent.mkdir(parents=True, exist_ok=True)
    check_space(final.parent)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=final.parent))
    try:
        yield folder
        if final.exists():
            shutil.rmtree(final)
        os.replace(folder, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old text or the new, never half of it."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old bytes or the new, never half of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with_suppressed_errors(os.unlink, name)
        raise


@contextmanager
def lock(name: str, progress: Progress | None = None, poll_s: float = 0.2) -> Iterator[None]:
    """Hold a named lock between processes. The system drops it when the holder dies, however it dies."""
    path = root() / "cache" / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        while not _try_lock(file):
            report(progress, 0, 0)
            time.sleep(poll_s)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _try_lock(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def check_space(folder: Path, needed: int = 64 << 20) -> None:
    """Refuse to start writing where less than ``needed`` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"The disk that holds {folder} has {free / 1e6:.0f} MB free, and this needs {needed / 1e6:.0f} MB.",
            fix="Delete caches on the Library page, or set LOOKALIKE_ARTIFACTS to a folder on a larger disk.",
        )


def entries(kind: str | None = None) -> list[Entry]:
    """Finished entries, newest first."""
    kinds = [kind] if kind else sorted(p.name for p in _folders(root() / "cache") if p.name not in ("locks", "uploads"))
    found = [_entry(k, path) for k in kinds for path in _folders(cache(k)) if not path.name.startswith(".")]
    return sorted((e for e in found if e is not None), key=lambda e: -e.built)


def delete(kind: str, key: str) -> int:
    """Remove an entry, and what a stopped build of it left; returns the bytes freed. Names that are not entries free nothing."""
    if key not in {path.name for path in _folders(cache(kind))}:
        return 0
    with lock(f"{kind}-{key}"):
        freed = folder_bytes(cache(kind) / key)
        shutil.rmtree(cache(kind) / key, ignore_errors=True)
    return freed


def folder_bytes(path: Path) -> int:
    """Bytes of the files under a folder."""
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def _entry(kind: str, path: Path) -> Entry | None:
    meta = read_meta(path)
    if meta is None:
        return None
    return Entry(kind, path.name, path, meta, folder_bytes(path), meta.get("built", 0.0), path.stat().st_mtime)


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []


def with_suppressed_errors(call: Callable, *args: object) -> None:
    """Call for a side effect that nothing depends on; a failing file system only gets logged."""
    try:
        call(*args)
    except OSError as error:
        log.debug("%s%s: %s", call.__name__, args, error)
