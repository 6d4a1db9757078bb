"""What the lab keeps in the store: read again, and made again where it can't be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core import store
from core.types import Progress

log = logging.getLogger(__name__)
T = TypeVar("T")
UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError)


def kept(
    kind: str, causes: dict, write: Callable[[Path], dict], read: Callable[[Path], T], progress: Progress | None = None
) -> T:  # fmt: skip
    """What ``read`` makes of an entry of the store, which ``write`` makes; a damaged one counts as missing."""
    folder = store.get_or_build(kind, causes, write, progress)
    try:
        return read(folder)
    except UNREADABLE as error:
        forget(kind, folder, error)
        return read(store.get_or_build(kind, causes, write, progress))


def forget(kind: str, folder: Path, error: Exception) -> None:
    """Delete an entry that can't be read."""
    log.warning("making %s again, it can't be read: %s", folder, error)
    store.delete(kind, folder.name)
