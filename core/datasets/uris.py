"""Places that an address names (``s3://bucket/folder``), through fsspec: object stores, file
servers, and this machine's files as ``file://``."""

import os
import re
from typing import Any

from core.datasets.names import real
from core.errors import UserError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
WEB = ("http", "https", "data", "ftp")
EXAMPLES = "s3://bucket/folder, gs://bucket/folder, abfs://container/folder, file:///folder"


def is_address(locator: str) -> bool:
    """Whether a text names a place by an address and not by a path."""
    return _ADDRESS.match(locator) is not None


def opened(place: str) -> tuple[Any, str]:
    """The ``fsspec`` file system of an address or a path, and the path inside it.

    An object of fsspec serves the process that made it: after a fork it has to be asked for again.

    Raises:
        UserError: no such kind of address, or the package for it is not installed.
    """
    from fsspec.core import url_to_fs

    kind = place.partition("://")[0].lower() if is_address(place) else "file"
    if kind in WEB:
        raise UserError(
            f"{place!r} is a web address.", f"Accepted: {EXAMPLES}.", "Download what lies there."
        )
    try:
        return url_to_fs(place if is_address(place) else os.path.abspath(real(place)))
    except ImportError as error:
        raise UserError(
            f"{kind}:// needs a package that is not installed ({error}).",
            fix="Ask whoever set this up to install it.",
            command=f"Install it beside the project's packages: {error}",
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise UserError(
            f"{place!r} can't be opened ({type(error).__name__}: {error}).",
            f"Accepted: {EXAMPLES}.",
        ) from error


def unreadable(place: str, error: Exception) -> UserError:
    """The error for a place whose file system refuses: each has exceptions of its own."""
    return UserError(
        f"{place!r} can't be read ({type(error).__name__}: {error}).",
        fix="Check the address, and that this machine may read it.",
    )
