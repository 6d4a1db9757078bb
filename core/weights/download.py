"""Fetching a large file: resumable, checked, with cancel, never half there under its name."""

import os
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from core import store
from core.disk import flush_file, flush_folder, make_folder
from core.errors import UserError
from core.types import Progress, Step, doing, report, saying
from core.weights import files

CONNECT_S, READ_S = 5, 20
ATTEMPTS = 4
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """A file to fetch. ``sha256`` may be a prefix; else only ``size`` is checked (or nothing)."""

    url: str
    size: int = 0
    sha256: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def fetch(source: Source, target: Path, progress: Progress | None = None) -> str:
    """Download to ``target``, going on where an earlier try stopped; returns the file's whole
    sha256.

    Raises:
        UserError: the server can't be reached or refuses, or the file is not what was promised.
        Cancelled: ``progress(done_bytes, total_bytes)`` said stop (0 in all where the server does
            not tell); what has come is kept for the next try.
    """
    part = _part(source)
    with store.writing(part.parent):
        make_folder(part.parent)
        make_folder(target.parent)
        store.check_space(part.parent, source.size - _size(part) + (64 << 20))
        fetching = doing(progress, Step.FETCH)
        with saying(fetching, "Fetching"):
            _fetch_all(source, part, fetching)
        with saying(doing(progress, Step.LOAD), "Checking"):
            digest = _checked(source, part)
        flush_file(part)
        os.replace(part, target)
        flush_folder(target.parent)
    return digest


def _part(source: Source) -> Path:
    key = store.fingerprint({"url": source.url, "sha256": source.sha256, "size": source.size})
    return store.root() / "cache" / "downloads" / f"{key}.part"


def _fetch_all(source: Source, part: Path, progress: Progress | None) -> None:
    """Try again while pieces still come: a connection that was cut is no reason to start over."""
    import requests

    failures, before = 0, -1
    while True:
        try:
            return _append(source, part, progress)
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            here = _size(part)
            failures, before = (1, here) if here > before else (failures + 1, before)
            if failures >= ATTEMPTS:
                raise _stopped(source, here) from error
            report(progress, here, source.size)
            time.sleep(0.2 * 2**failures)


def _append(source: Source, part: Path, progress: Progress | None) -> None:
    import requests

    done = _size(part)
    if source.size and done == source.size:
        return report(progress, done, source.size)
    headers = {
        **source.headers,
        "Accept-Encoding": "identity",
        **({"Range": f"bytes={done}-"} if done else {}),
    }
    with requests.get(
        source.url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S)
    ) as answer:
        if answer.status_code >= 500:
            raise requests.ConnectionError(f"the server answered {answer.status_code}")
        if answer.status_code == 416:  # what lies here is longer than the file: begin again
            part.unlink()
            raise requests.ConnectionError("the part kept does not fit the file")
        _refuse_unless_good(source, answer.status_code)
        done = done if answer.status_code == 206 else 0
        length = int(answer.headers.get("Content-Length", 0))
        total = source.size or (length and done + length)
        with open(part, "ab" if done else "wb") as file:
            for piece in answer.iter_content(PIECE):
                file.write(piece)
                done += len(piece)
                report(progress, done, total and max(total, done))


def _refuse_unless_good(source: Source, status: int) -> None:
    if status in (401, 403):
        raise UserError(
            f"The server refuses {source.url} ({status}).",
            fix="Accept the model's terms there and set HF_TOKEN.",
        )
    if status not in (200, 206):
        raise UserError(
            f"The server has no {source.url} ({status}).",
            fix="Choose another model, or try again later.",
        )


def _checked(source: Source, part: Path) -> str:
    """The digest of the finished part; a file that is not what was promised is dropped."""
    size, digest = _size(part), store.digest(part)
    if (source.size and size != source.size) or not digest.startswith(source.sha256):
        part.unlink()
        raise UserError(
            f"What came from {source.url} is not the file that was promised ({size} bytes, sha256"
            f" {digest[:12]}...).",
            f"Expected: {source.size or 'any number of'} bytes, sha256"
            f" {source.sha256[:12] or 'any'}.",
            "It was deleted. Try again; if it stays so, the mirror is at fault.",
        )
    return digest


def _stopped(source: Source, done: int) -> UserError:
    total = f" of {source.size / 1e6:.1f}" if source.size else ""
    return UserError(
        f"The download of {source.url} stopped at {done / 1e6:.1f}{total} MB: the server can't be"
        " reached.",
        fix="Try again: it continues from there.",
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def reach(source: Source, name: str, target: Path) -> Source:
    """``source`` with its size, from the server. Raises UserError: offline, with a way by hand."""
    import requests

    if offline():
        raise by_hand(name, source.url, target, "HF_HUB_OFFLINE is set, so nothing is downloaded")
    try:
        answer = requests.head(source.url, timeout=(CONNECT_S, READ_S), allow_redirects=True)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise by_hand(
            name, source.url, target, f"the server can't be reached ({type(error).__name__})"
        ) from error
    return replace(source, size=int(answer.headers.get("Content-Length", 0)))


def offline() -> bool:
    """Whether the environment forbids downloads."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def by_hand(name: str, url: str, target: Path, why: str) -> UserError:
    """The error where a file can't be fetched: what it is, and where it can be put by hand."""
    where = target.relative_to(store.root()).as_posix()
    return UserError(
        f"{name} needs its weights file, and {why}.",
        f"The file is {url} on the hub.",
        f"Connect to the network and try again, or put the file by hand at {where} in the artifacts"
        f" folder ({store.root()}).",
    )


TORCHVISION_MIRROR = "LOOKALIKE_TORCHVISION_URL"
"""Environment variable: where the files lie instead of the address that torchvision knows."""


def fetch_torchvision(name: str, url: str, progress: Progress | None = None) -> Path:
    """The weights called ``name``, downloaded from ``url`` unless they are here. Two at once
    download once.

    Raises:
        UserError: offline (it says which file to put where), refused, or not the file that its name
            promises.
        Cancelled: ``progress(done_bytes, total_bytes)`` said stop.
    """
    mirror, file = os.environ.get(TORCHVISION_MIRROR, "").rstrip("/"), url.rsplit("/", 1)[1]
    prefix = re.search(r"-([0-9a-f]{8,})\.", file)
    target = files.folder(name) / file
    with store.lock(f"model-{name}", progress):
        if (path := files.found(name)) is not None:
            return path
        source = Source(f"{mirror}/{file}" if mirror else url, sha256=prefix[1] if prefix else "")
        files.remember(target, fetch(reach(source, name, target), target, progress))
    return target
