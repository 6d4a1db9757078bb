"""torchvision's own weight files: from the address that it knows, or a mirror, checked by the
digest in their name."""

import os
import re
from pathlib import Path

from core import store
from core.types import Progress
from core.weights import download, files

MIRROR = "LOOKALIKE_TORCHVISION_URL"
"""Environment variable: where the files lie instead of the address that torchvision knows."""


def fetch(name: str, url: str, progress: Progress | None = None) -> Path:
    """The weights called ``name``, downloaded from ``url`` unless they are here. Two at once
    download once.

    Raises:
        UserError: offline (it says which file to put where), refused, or not the file that its name
            promises.
        Cancelled: ``progress(done_bytes, total_bytes)`` said stop.
    """
    mirror, file = os.environ.get(MIRROR, "").rstrip("/"), url.rsplit("/", 1)[1]
    prefix = re.search(r"-([0-9a-f]{8,})\.", file)
    target = files.folder(name) / file
    with store.lock(f"model-{name}", progress):
        if (path := files.found(name)) is not None:
            return path
        source = download.Source(
            f"{mirror}/{file}" if mirror else url, sha256=prefix[1] if prefix else ""
        )
        files.remember(
            target, download.fetch(download.reach(source, name, target), target, progress)
        )
    return target
