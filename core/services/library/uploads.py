"""Query pictures that people gave, kept for a while so that a link brings them back."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

from core import store
from core.errors import UserError
from core.images import decode

KEEP_FILES = 400
KEEP_BYTES = 400 << 20
KEEP_DAYS = 14
TOKEN = re.compile(r"[0-9a-f]{24}")


def keep(data: bytes) -> str:
    """Check that ``data`` is a picture, keep it, and return its token (from its content: the same
    picture, the same token).

    Raises:
        UserError: not a picture, damaged or too large.
    """
    decode(data, 64)
    token = _token(data)
    store.write_bytes(_path(token), data, durable=False)
    _sweep()
    return token


def read(token: str) -> bytes:
    """The picture of a token.

    Raises:
        UserError: the token is malformed, or its picture is no longer kept.
    """
    if not TOKEN.fullmatch(token):
        raise UserError(
            "The link names an uploaded picture in a way that this app never writes.",
            fix="Upload it again.",
        )
    try:
        data = _path(token).read_bytes()
        if _token(data) != token:
            raise OSError("damaged")
        os.utime(_path(token))
        return data
    except OSError as error:
        kept = f"Uploaded pictures are kept for {KEEP_DAYS} days."
        raise UserError(
            "The uploaded picture of this link is no longer here.", kept, "Upload it again."
        ) from error


def _token(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def _path(token: str) -> Path:
    return store.cache("uploads") / token


def _sweep() -> None:
    """Drop what is old, then the least recently used over the limits."""
    total, oldest = 0, time.time() - KEEP_DAYS * 86400
    files = [
        (path, stat)
        for path in store.listed(store.cache("uploads"))
        if (stat := _stat(path)) is not None
    ]
    for place, (path, stat) in enumerate(sorted(files, key=lambda pair: -pair[1].st_mtime)):
        total += stat.st_size
        if place >= KEEP_FILES or total > KEEP_BYTES or stat.st_mtime < oldest:
            path.unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    """None where another sweep was faster."""
    try:
        return path.stat()
    except OSError:
        return None
