"""Where things lie on disk, and how they get there without ever being half there.

An entry is a folder named by the fingerprint of everything that caused it. It is written under
another name and renamed when whole and on the disk, so a reader sees all of it or none, after a
power cut too; an entry that can't be read, lacks a file, or holds another content than was written
counts as absent and is built again. Two builders of one entry take turns, and the second finds the
work done. What a killed builder left is swept by the next one.
"""

import hashlib
import json
import logging
import os
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import TypeVar

from core.checksums import META, damaged, parse_meta, states, write_meta
from core.disk import (  # noqa: F401 (asked for here by all rooms)
    NEW,
    SAFE,
    Closed,
    Full,
    base,
    carried,
    changed,
    check_space,
    existing,
    find_layer_by,
    flush_folder,
    flush_tree,
    identity,
    in_layer,
    layer,
    layers,
    listed,
    lock,
    lock_file,
    make_folder,
    put_aside,
    refusal,
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

log = logging.getLogger(__name__)
VERSION = 1
OLD_S = 24 * 3600
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder that lies in memory; None where the system has none."""
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    struct.error,
)
"""What readers raise for a content that is not theirs: cut, of another version, or other."""
T = TypeVar("T")
_letting_go: list[Callable[[str, Path], None]] = []
_looking: ContextVar[bool] = ContextVar("looking", default=False)
_refused: dict[Path, dict] = {}
"""Folders that a reader failed on -> the state of their files then."""


def fingerprint(causes: object) -> str:
    """20 hex digits of the canonical JSON of ``causes``: the order of keys does not count, and 1.0
    is 1.

    Raises:
        TypeError: a cause that JSON can't say, or a key that is not a string: never ignored, never
            guessed.
        ValueError: a number that is not finite.
    """
    text = json.dumps(
        _canonical(causes),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )
    return digest_of(text)


def digest_of(text: str) -> str:
    """:func:`fingerprint` of causes that are written as canonical JSON already."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"the causes {list(value)} have a key that is not a string")
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def key(causes: dict | None) -> str:
    """The name of the entry that ``causes`` lead to."""
    return fingerprint({"store": VERSION, "causes": causes})


def digest(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished entry of the cache as listed: ``bytes`` on disk, times in epoch seconds."""

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


def find(kind: str, name: str) -> Path | None:
    """The folder of a finished entry by its key, the own one first, or None. It is marked as used,
    except while :func:`looking`."""
    for home in layers():
        path = home / "cache" / safe(kind) / safe(name)
        meta = read_meta(path)
        if meta is not None and not _is_foreign(path, meta) and not faults(path, meta):
            if not _looking.get():
                with_suppressed_errors(os.utime, path)
            return path
    return None


def came(kind: str, name: str, key: str) -> Path | None:
    """The folder that came with the code under this name, where it is whole and of this key, else
    None."""
    path = shipped() / kind / name
    meta = (read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key and sound(path) else None


@contextmanager
def looking() -> Iterator[None]:
    """A block that only asks what there is: what it finds is not marked as used."""
    before = _looking.set(True)
    try:
        yield
    finally:
        _looking.reset(before)


def folders(kind: str) -> list[Path]:
    """The folders of one kind of entry, finished or not, in every artifacts folder that is read."""
    return [path for home in layers() for path in listed(home / "cache" / safe(kind))]


def _is_foreign(path: Path, meta: dict) -> bool:
    """Whether an entry's name follows from other causes: another version, or a new name."""
    foreign = key(meta.get("causes")) != path.name
    if foreign:
        log.warning("ignoring %s: its causes are not those of its name", path)
    return foreign


def sound(path: Path) -> bool:
    """Whether a finished folder's files are those that were written; logged where not."""
    meta = read_meta(path)
    return meta is not None and not faults(path, meta)


def faults(path: Path, meta: dict | None = None) -> dict[str, str]:
    """File -> what is wrong with it, in a finished folder that need not say what it is (``meta``:
    what it said, where that was read already); logged, empty where all is well."""
    if _refused.get(path) == states(path):
        return {META: "it could not be read"}
    meta = read_meta(path) if meta is None else meta
    if meta is None and os.path.isfile(path / META):
        return {META: "it can't be read"}
    wrong = damaged(path, meta or {})
    if wrong:
        log.warning(
            "ignoring %s: %s",
            path,
            "; ".join(f"{name}: {fault}" for name, fault in list(wrong.items())[:3]),
        )
    return wrong


def read_meta(path: Path) -> dict | None:
    """What an entry says of itself; None (logged) where it is missing or unreadable."""
    try:
        return parse_meta((path / META).read_text())
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, RecursionError) as error:
        log.warning("ignoring unreadable cache entry %s: %s", path, error)
    return None


def kept(
    kind: str,
    causes: dict,
    build: Callable[[Path], dict | None],
    read: Callable[[Path], T],
    progress: Progress | None = None,
    also: tuple[type[Exception], ...] = (),
    *,
    durable: bool = True,
    lent: bool = False,
) -> T:
    """What ``read`` makes of an entry; one that it can't read (``UNREADABLE``, or ``also``) is
    built again, once.

    ``durable=False``: of something small that is made while a person waits; after a power cut it is
    made again. ``lent``: where nothing can be kept it is made all the same, for this process.
    """
    try:
        folder = get_or_build(kind, causes, build, progress, durable=durable)
    except (Closed, Full):
        if not lent:
            raise
        return _lent(build, read)
    try:
        return read(folder)
    except UNREADABLE + also as error:
        drop(folder, error)
        return read(get_or_build(kind, causes, build, progress, durable=durable))


def _lent(build: Callable[[Path], dict | None], read: Callable[[Path], T]) -> T:
    """Made outside the artifacts folder, in memory where the system has a folder of that; what is
    mapped stays after the folder has gone. Raises UserError: there is no room either."""
    with (
        writing(Path(MEMORY or tempfile.gettempdir())),
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
    ):
        build(Path(folder))
        return read(Path(folder))


def drop(path: Path, error: Exception) -> None:
    """A folder that can't be read is absent from now on, and deleted if it is of the cache."""
    log.warning("%s can't be read: %s: %s", path, type(error).__name__, error)
    _refused[path] = states(path)
    if path.parent.parent == root() / "cache":
        with suppress(UserError):  # it can't be deleted here and now: it is passed over, then
            delete(path.parent.name, path.name)


def get_or_build(
    kind: str,
    causes: dict,
    build: Callable[[Path], dict | None],
    progress: Progress | None = None,
    *,
    durable: bool = True,
) -> Path:
    """The entry caused by ``causes``; ``build(folder)`` fills it when it is absent and may return
    more for its meta.

    Raises:
        UserError: the disk is full or the artifacts folder can't be written; nothing half-written
            is left.
        Cancelled: ``progress`` said stop while another process was building the same entry.
    """
    name = key(causes)
    if (path := find(kind, name)) is not None:
        return path
    with lock(f"{kind}-{name}", progress):
        if (path := find(kind, name)) is not None:
            return path
        sweep(kind, name)
        with new_folder(cache(kind) / name, durable=durable) as folder:
            started = time.perf_counter()
            noted = build(folder) or {}
            meta = {
                "causes": causes,
                "built": time.time(),
                "seconds": round(time.perf_counter() - started, 3),
                **noted,
            }
            write_meta(folder, meta)
    return cache(kind) / name


@contextmanager
def new_folder(final: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary folder that takes the name ``final`` when the block ends well, once its files are
    on the disk, and vanishes when it does not."""
    with writing(final.parent):
        make_folder(final.parent)
        check_space(final.parent)
        folder, old = Path(tempfile.mkdtemp(prefix=f"{NEW}{final.name}-", dir=final.parent)), None
        try:
            yield folder
            os.chmod(folder, 0o755)
            if durable:
                flush_tree(folder)
            old = put_aside(final)
            os.replace(folder, final)
            if durable:
                flush_folder(final.parent)
        finally:
            for path in (folder, old) if old else (folder,):
                shutil.rmtree(path, ignore_errors=True)


def sweep(kind: str, held: str = "") -> None:
    """Remove what killed builders left: folders with a free (or ``held``) lock, old files."""
    for path in [p for p in listed(cache(kind)) if p.name.startswith(NEW)]:
        name = path.name.removeprefix(NEW).rpartition("-")[0]
        if name and name == held:
            remove(path)
        elif not path.is_dir() or not SAFE.fullmatch(name):
            if time.time() - changed(path) > OLD_S:
                remove(path)
        else:
            _remove_if_free(path, f"{kind}-{name}")


def sweep_left(older_s: float = OLD_S) -> int:
    """Remove what was being written anywhere in the artifacts folder when its writer died, and has
    lain there for ``older_s`` seconds; returns how many things that were. What is being written now
    is younger."""
    swept = 0
    for folder, inside, names in os.walk(root()):
        left = [name for name in (*inside, *names) if name.startswith(NEW)]
        inside[:] = [name for name in inside if not name.startswith(NEW) and name != "visitors"]
        for path in (Path(folder, name) for name in left):
            if time.time() - changed(path) >= older_s:
                with_suppressed_errors(remove, path)
                swept += 1
    return swept


def _remove_if_free(path: Path, name: str) -> None:
    try:
        with lock(name, wait_s=0):
            remove(path)
    except TimeoutError:
        log.debug("%s belongs to a living builder", path)


def entries(kind: str | None = None, home: Path | None = None) -> list[Entry]:
    """Finished entries, newest first. One that can't be read is among them, with nothing but a time
    in its ``meta``. ``home`` is another artifacts folder than the own one."""
    cached = (home or root()) / "cache"
    kinds = [kind] if kind else [p.name for p in listed(cached) if SAFE.fullmatch(p.name)]
    kinds = [k for k in kinds if k not in ("locks", "uploads")]
    found = [
        _entry(k, path)
        for k in kinds
        for path in listed(cached / safe(k))
        if SAFE.fullmatch(path.name)
    ]
    return sorted((e for e in found if e is not None), key=lambda e: -e.built)


def let_go_by(call: Callable[[str, Path], None]) -> None:
    """Let ``call(kind, folder)`` know before an entry is deleted: it may have more elsewhere."""
    if call not in _letting_go:
        _letting_go.append(call)


def let_go(kind: str, folder: Path) -> None:
    """Tell that an entry is deleted next."""
    for call in _letting_go:
        call(kind, folder)


def delete(kind: str, key: str) -> int:
    """Remove an entry, finished or not; returns the bytes freed. Names that are not entries free
    nothing.

    Whoever has it open keeps what was open. Raises UserError while it is being built.
    """
    path = cache(kind) / key
    if not SAFE.fullmatch(key) or not path.is_dir():
        return 0
    try:
        with lock(f"{kind}-{key}", wait_s=1):
            let_go(kind, path)
            freed = folder_bytes(path)
            remove(path)
            with_suppressed_errors(os.unlink, lock_file(f"{kind}-{key}"))
    except TimeoutError as error:
        raise UserError(
            f"The entry {key} is being built now.", fix="Cancel the build, or wait for its end."
        ) from error
    return freed


def folder_bytes(path: Path) -> int:
    """Bytes of the files under a folder; a file that vanishes meanwhile counts nothing."""
    return sum(state[0] for state in states(path).values())


def _entry(kind: str, path: Path) -> Entry | None:
    meta = read_meta(path)
    if meta is None and not (path / META).is_file():
        return None
    # unreadable: it takes room, so it is listed and can be deleted
    meta = meta or {"built": changed(path)}
    return Entry(
        kind,
        path.name,
        path,
        meta,
        folder_bytes(path),
        float(meta.get("built") or 0.0),
        changed(path),
    )
