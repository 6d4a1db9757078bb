"""Where things lie on disk, and how they get there without ever being half there.

An entry is a folder named by the fingerprint of everything that caused it. It is written under another name and
renamed when whole, so a reader sees all of it or none; an entry that can't be read, or lacks a file, counts as absent.
Two builders of one entry take turns, and the second finds the work done. What a killed builder left is swept by the
next one.
"""

from __future__ import annotations

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

from core.disk import (
    NEW,
    SAFE,
    changed,
    check_space,
    files,
    listed,
    lock,
    lock_file,
    remove,
    root,
    safe,
    shipped,
    with_suppressed_errors,
    write_bytes,
    write_text,
    writing,
)
from core.errors import UserError
from core.types import Progress

__all__ = [
    "Entry", "cache", "check_space", "delete", "digest", "entries", "find", "fingerprint", "folder_bytes",
    "get_or_build", "key", "lock", "new_folder", "read_meta", "root", "shipped", "sweep", "write_bytes",
    "write_text", "writing",
]  # fmt: skip
log = logging.getLogger(__name__)
VERSION = 1
META = "meta.json"
OLD_S = 24 * 3600


def fingerprint(causes: object) -> str:
    """20 hex digits of the canonical JSON of ``causes``: the order of keys does not count, and 1.0 is 1.

    Raises:
        TypeError: a cause that JSON can't say, or a key that is not a string: never ignored, never guessed.
        ValueError: a number that is not finite.
    """
    text = json.dumps(_canonical(causes), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"the causes {list(value)} have a key that is not a string")
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def key(causes: dict) -> str:
    """The name of the entry that ``causes`` lead to."""
    return fingerprint({"store": VERSION, "causes": causes})


def digest(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished entry of the cache, as the Library page lists it: ``bytes`` on disk, times in epoch seconds."""

    kind: str
    key: str
    path: Path
    meta: dict
    bytes: int
    built: float
    used: float


def cache(kind: str) -> Path:
    """The folder of one kind of entry: ``embeddings``, ``indexes``, ``maps`` ..."""
    return root() / "cache" / safe(kind)


def find(kind: str, key: str) -> Path | None:
    """The folder of a finished entry, or None. Reading marks it as used."""
    path = cache(kind) / safe(key)
    meta = read_meta(path)
    if meta is None or not _whole(path, meta):
        return None
    with_suppressed_errors(os.utime, path)
    return path


def read_meta(path: Path) -> dict | None:
    """What an entry says of itself; None (logged) where it is missing or unreadable."""
    try:
        meta = json.loads((path / META).read_text())
        if isinstance(meta, dict):
            return meta
        log.warning("ignoring cache entry %s: its %s is not an object", path, META)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, RecursionError) as error:
        log.warning("ignoring unreadable cache entry %s: %s", path, error)
    return None


def _whole(path: Path, meta: dict) -> bool:
    """Whether every file that was there when the entry was finished still is, with its size."""
    known = meta.get("files")
    found = files(path) if isinstance(known, dict) else {}
    lost = [name for name, size in (known.items() if isinstance(known, dict) else ()) if found.get(name) != size]
    if lost:
        log.warning("ignoring cache entry %s: %s is missing or has another size", path, ", ".join(sorted(lost)[:3]))
    return not lost


def get_or_build(
    kind: str, causes: dict, build: Callable[[Path], dict | None], progress: Progress | None = None
) -> Path:
    """The entry caused by ``causes``; ``build(folder)`` fills it when it is absent and may return more for its meta.

    Raises:
        UserError: the disk is full or the artifacts folder can't be written; nothing half-written is left.
        Cancelled: ``progress`` said stop while another process was building the same entry.
    """
    name = key(causes)
    if (path := find(kind, name)) is not None:
        return path
    with lock(f"{kind}-{name}", progress):
        if (path := find(kind, name)) is not None:
            return path
        sweep(kind, name)
        with new_folder(cache(kind) / name) as folder:
            started = time.time()
            noted = build(folder) or {}
            meta = {"causes": causes, "built": time.time(), "seconds": round(time.time() - started, 3), **noted}
            (folder / META).write_text(json.dumps({**meta, "files": files(folder)}))
    return cache(kind) / name


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder that takes the name ``final`` when the block ends well, and vanishes when it does not."""
    with writing(final.parent):
        final.parent.mkdir(parents=True, exist_ok=True)
        check_space(final.parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{NEW}{final.name}-", dir=final.parent))
        try:
            yield folder
            os.chmod(folder, 0o755)
            remove(final)
            os.replace(folder, final)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(kind: str, held: str = "") -> None:
    """Remove what killed builders left: a folder whose lock is free (or ``held`` by the caller), a file of yesterday."""
    for path in [p for p in listed(cache(kind)) if p.name.startswith(NEW)]:
        name = path.name.removeprefix(NEW).rpartition("-")[0]
        if name and name == held:
            remove(path)
        elif not path.is_dir() or not SAFE.fullmatch(name):
            if time.time() - changed(path) > OLD_S:
                remove(path)
        else:
            _remove_if_free(path, f"{kind}-{name}")


def _remove_if_free(path: Path, name: str) -> None:
    try:
        with lock(name, wait_s=0):
            remove(path)
    except TimeoutError:
        log.debug("%s belongs to a living builder", path)


def entries(kind: str | None = None) -> list[Entry]:
    """Finished entries, newest first."""
    kinds = [kind] if kind else [p.name for p in listed(root() / "cache") if SAFE.fullmatch(p.name)]
    kinds = [k for k in kinds if k not in ("locks", "uploads")]
    found = [_entry(k, path) for k in kinds for path in listed(cache(k)) if SAFE.fullmatch(path.name)]
    return sorted((e for e in found if e is not None), key=lambda e: -e.built)


def delete(kind: str, key: str) -> int:
    """Remove an entry, finished or not; returns the bytes freed. Names that are not entries free nothing.

    Whoever has it open keeps what was open. Raises UserError while it is being built.
    """
    path = cache(kind) / key
    if not SAFE.fullmatch(key) or not path.is_dir():
        return 0
    try:
        with lock(f"{kind}-{key}", wait_s=1):
            freed = folder_bytes(path)
            remove(path)
            with_suppressed_errors(os.unlink, lock_file(f"{kind}-{key}"))
    except TimeoutError as error:
        raise UserError(f"The entry {key} is being built now.", fix="Cancel the build, or wait for its end.") from error
    return freed


def folder_bytes(path: Path) -> int:
    """Bytes of the files under a folder; a file that vanishes meanwhile counts nothing."""
    return sum(files(path).values())


def _entry(kind: str, path: Path) -> Entry | None:
    meta = read_meta(path)
    if meta is None:
        return None
    return Entry(kind, path.name, path, meta, folder_bytes(path), float(meta.get("built") or 0.0), changed(path))
