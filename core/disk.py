"""Writing to disk, nothing ever half there: names, atomic files, locks, a full disk."""

import errno
import logging
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import UserError
from core.types import Progress, report

log = logging.getLogger(__name__)
SHIPPED = str(Path(__file__).parent.parent / "artifacts")
NEW = ".new-"
"""How a name begins until what bears it is whole."""
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,199}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SHORT = re.compile(r"\d+ requested and \d+ written")
"""How numpy says that the disk is full: without an error number."""
ROOM = "Delete caches on the Library page, or set LOOKALIKE_ARTIFACTS to a folder on a larger disk."
ELSEWHERE = "Make room there, or set TMPDIR to another folder."
UNFLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""How file systems say that they have nothing to wait for."""
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
UNUSABLE = (*CLOSED, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ENODEV, errno.ENXIO)


_layer: ContextVar[Path | None] = ContextVar("layer", default=None)
_finders: list[Callable[[], Path | None]] = []


def root() -> Path:
    """The artifacts folder that is written: that of the visitor who asks on a public server, else
    ``LOOKALIKE_ARTIFACTS`` where set, else the project's own."""
    return layer() or _path(os.environ.get("LOOKALIKE_ARTIFACTS") or SHIPPED)


def base() -> Path:
    """The artifacts folder of whoever runs this: what a visitor reads below the own one.
    ``LOOKALIKE_SHARED`` names it in the processes of a visitor's jobs."""
    given = os.environ.get("LOOKALIKE_SHARED") or os.environ.get("LOOKALIKE_ARTIFACTS")
    return _path(given or SHIPPED)


_path = lru_cache(maxsize=64)(Path)
"""Asked for hundreds of times by each run of a page on a public server: making a path takes longer
than all else of :func:`base`."""


def layers() -> list[Path]:
    """The artifacts folders that are read, the own first; one where nobody is a visitor."""
    return list(dict.fromkeys((root(), base())))


def is_visitors(folder: Path | str) -> bool:
    """Whether a folder lies in the artifacts folder of the visitor who asks on a public server."""
    own = root()
    return own != base() and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(own))


def existing(path: Path) -> Path:
    """``path``, which lies in the own artifacts folder; where nothing is there, its like in the
    shared one, which is only read."""
    own, shared = root(), base()
    if own == shared or os.path.lexists(path) or not path.is_relative_to(own):
        return path
    below = shared / path.relative_to(own)
    return below if os.path.lexists(below) else path


def find_layer_by(finder: Callable[[], Path | None]) -> None:
    """Ask ``finder`` whose artifacts folder it is that this thread works in; None where it doesn't
    know. Asked where :func:`in_layer` says nothing."""
    if finder not in _finders:
        _finders.append(finder)


@contextmanager
def in_layer(folder: Path | None) -> Iterator[None]:
    """Work in another artifacts folder inside the block, in this thread."""
    token = _layer.set(folder)
    try:
        yield
    finally:
        _layer.reset(token)


def carried(call: Callable[..., object]) -> Callable[..., object]:
    """``call`` for another thread, in the artifacts folder of this one."""
    folder = layer()

    def inside(*given: object) -> object:
        with in_layer(folder):
            return call(*given)

    return inside


def layer() -> Path | None:
    """The artifacts folder of this thread by :func:`in_layer`, else by who asks; or None."""
    if (folder := _layer.get()) is not None:
        return folder
    return next((folder for finder in _finders if (folder := finder()) is not None), None)


def shipped() -> Path:
    """The project's own artifacts folder, which holds what came with the code."""
    return _path(SHIPPED)


def safe(name: str) -> str:
    """``name``, if it can only name one file: no separator, no dot first. Raises UserError."""
    if not SAFE.fullmatch(name):
        raise UserError(
            f"{name[:80]!r} is not allowed as a name here.", "Letters, digits and . _ + @ = - are."
        )
    return name


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file so that a reader finds the old text or the new, never half of it."""
    write_bytes(path, text.encode(), durable=durable)


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader finds the old bytes or the new, never half of them.

    ``durable``: after a power cut too. What is easily had again, and read with a check, can save
    the wait for the disk.
    """
    with writing(path.parent):
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(prefix=NEW, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
            if durable:
                flush_folder(path.parent)
        except BaseException:
            with_suppressed_errors(os.unlink, name)
            raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises UserError, on a full disk that one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise _closed(path, error) from error


def refusal(error: Exception) -> UserError | None:
    """What to say of a system's error about the artifacts folder itself; None for others."""
    if (
        isinstance(error, OSError)
        and error.errno in UNUSABLE
        and error.filename is not None
        and _related(error.filename, root())
    ):
        return _closed(root(), error)
    return None


class Closed(UserError):
    """The artifacts folder can't be written."""


class Full(UserError):
    """The disk has no room left."""


def _closed(folder: Path, error: OSError) -> UserError:
    return Closed(
        f"The folder {folder} can't be written ({error.strerror}).",
        fix="Change its permissions, or set LOOKALIKE_ARTIFACTS to a folder that you can write.",
    )


def flush_tree(folder: Path) -> None:
    """Wait until every file under a folder is on the disk, and the folders with their names."""
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            flush_file(Path(inner, name))
        flush_folder(Path(inner))


def flush_file(path: Path) -> None:
    """Wait until a file's content is on the disk: a rename may outlive a power cut alone."""
    _flush(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can be asked for that."""
    if os.name == "posix":
        _flush(path, os.O_RDONLY)


def _flush(path: Path, how: int) -> None:
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNFLUSHED:
            raise
    finally:
        os.close(handle)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full disk or a closed folder into a UserError; every other error passes."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        if error.errno in FULL or SHORT.search(str(error)):
            # the system's temporary files, say
            elsewhere = error.filename is not None and not _related(error.filename, folder)
            place = Path(os.fsdecode(error.filename)).parent if elsewhere else folder
            raise _too_full(place, _free(place), 0, ELSEWHERE if elsewhere else ROOM) from error
        if (
            error.errno in CLOSED
            and error.filename is not None
            and _related(error.filename, folder)
        ):
            raise _closed(folder, error) from error
        raise


def os_error(error: Exception, path: Path) -> OSError:
    """A library's words for a failed write as the system error that it was."""
    full = "No space left" in str(error) or "write error" in str(error)
    return OSError(errno.ENOSPC if full else errno.EACCES, str(error)[-200:], str(path))


def _related(name: str | bytes, folder: Path) -> bool:
    """Whether an error about ``name`` is about ``folder``: one lies in the other."""
    named, whole = Path(os.path.abspath(os.fsdecode(name))), Path(os.path.abspath(folder))
    return named.is_relative_to(whole) or whole.is_relative_to(named)


@contextmanager
def lock(
    name: str, progress: Progress | None = None, poll_s: float = 0.2, wait_s: float = float("inf")
) -> Iterator[None]:
    """Hold a named lock between processes and threads. The system drops it when the holder dies,
    however it dies.

    Raises:
        Cancelled: ``progress`` said stop while waiting.
        TimeoutError: another held it for ``wait_s`` seconds.
    """
    path = lock_file(name)
    with writing(path.parent):
        make_folder(path.parent)
        held = FileLock(path)
        waited = time.monotonic()
        while not _try_lock(held):
            if time.monotonic() - waited >= wait_s:
                raise TimeoutError(f"{name} is held by another")
            report(progress, 0, 0)
            time.sleep(poll_s)
    try:
        yield
    finally:
        held.release()


def is_locked(name: str) -> bool:
    """Whether somebody holds the lock of that name now; nothing is left behind by asking."""
    path = lock_file(name)
    if not os.path.exists(path):
        return False
    held = FileLock(path)
    try:
        free = _try_lock(held)
    except OSError:
        return False
    if free:
        held.release()
    return not free


def lock_file(name: str) -> Path:
    """Where the lock of that name lies; the empty file stays when nobody holds it."""
    return root() / "cache" / "locks" / f"{safe(name)}.lock"


def _try_lock(held: FileLock) -> bool:
    try:
        held.acquire(blocking=False)
        return True
    except Timeout:
        return False


def check_space(folder: Path, needed: int = 64 << 20) -> None:
    """Refuse to start writing where less than ``needed`` bytes are free."""
    free = _free(folder)
    if free < needed:
        raise _too_full(folder, free, needed)


def _free(folder: Path) -> int:
    return shutil.disk_usage(
        next(p for p in (folder, *folder.absolute().parents) if os.path.exists(p))
    ).free


def _too_full(folder: Path, free: int, needed: int, fix: str = ROOM) -> UserError:
    wants = f", and this needs {needed / 1e6:.0f} MB" if needed else ": writing there failed"
    return Full(f"The disk that holds {folder} has {free / 1e6:.0f} MB free{wants}.", fix=fix)


def listed(path: Path) -> list[Path]:
    """What a folder holds, sorted; nothing, where there is no such folder."""
    try:
        return sorted(path.iterdir())
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return []


def identity(path: Path) -> tuple[int, ...]:
    """Of a file as it is now: another one as soon as it was written again. Raises OSError."""
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def changed(path: Path) -> float:
    """Epoch seconds of the last change; now, where it is gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()


def remove(path: Path) -> None:
    """Take a file or a folder away: first its name, so that nobody finds half of it."""
    try:
        doomed = put_aside(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        doomed = path  # no room for another name: it goes under its own
    if doomed is not None:
        shutil.rmtree(doomed, ignore_errors=True)


def put_aside(path: Path) -> Path | None:
    """Rename a folder, to be deleted where it lies now; a file or a link is deleted at once."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return None
    doomed = path.with_name(f"{NEW}{path.name.removeprefix(NEW)}-{uuid.uuid4().hex[:8]}")
    os.replace(path, doomed)
    return doomed


def with_suppressed_errors(call: Callable, *args: object) -> None:
    """Call for a side effect that nothing depends on; a failing file system only gets logged."""
    try:
        call(*args)
    except OSError as error:
        log.debug("%s%s: %s", call.__name__, args, error)
