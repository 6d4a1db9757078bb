"""File names from anywhere: what is a picture, what is worth a word when passed over, and names that are no Unicode."""

from __future__ import annotations

import os
import re

from core.images import EXTENSIONS

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
UNREAD = (".heic", ".heif", ".svg", ".psd", ".raw", ".cr2", ".nef", ".arw", ".dng", ".jp2", ".jxl", ".ico", ".tga", ".exr")
JUNK_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")
HIDDEN = "hidden, or left behind by a system"
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def is_hidden(name: str) -> bool:
    """Names that people did not put there: dot files and what systems leave behind."""
    return name.startswith(".") or name in JUNK_FOLDERS


def is_picture(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def why_not(name: str) -> str | None:
    """Why a file that people may miss is no item; None where nobody will miss it."""
    lower = name.lower()
    if lower.endswith(ARCHIVES):
        return "an archive inside a dataset is not opened: unpack it, or open it by itself"
    if lower.endswith(UNREAD):
        return f"this picture format is not read; readable: {', '.join(EXTENSIONS)}"
    return None


def shown(name: str) -> str:
    r"""Valid Unicode for any file name: bytes that are no UTF-8 are written ``\xff``."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def real(name: str) -> str:
    """The file name that :func:`shown` was given. A name with a literal ``\\xff`` in it wins where it exists."""
    if "\\x" not in name or os.path.lexists(name):
        return name
    raw = _ESCAPED.sub(lambda m: chr(0xDC00 + int(m[1], 16)), name)
    return raw if os.path.lexists(raw) else name
