"""File names from anywhere: pictures, others with the reason, odd and several Unicode forms."""

import os
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from core.fileformats import format_of
from core.images import EXTENSIONS

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
RAW = (
    ".raw",
    ".cr2",
    ".cr3",
    ".nef",
    ".nrw",
    ".arw",
    ".srf",
    ".sr2",
    ".dng",
    ".pef",
    ".srw",
    ".3fr",
    ".dcr",
    ".kdc",
    ".erf",
)
UNREAD = (".heic", ".heif", ".svg", ".psd", ".jp2", ".jxl", ".ico", ".tga", ".exr", *RAW)
TABLES = (".csv", ".tsv", ".parquet", ".pq")
OTHERS = (
    ".txt",
    ".md",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
    ".toml",
    ".ini",
    ".log",
    ".html",
    ".htm",
    ".css",
    ".js",
    ".py",
    ".ipynb",
    ".pdf",
    ".doc",
    ".docx",
    ".xls",
    ".xlsx",
    ".npy",
    ".npz",
    ".pt",
    ".pth",
    ".safetensors",
    ".onnx",
    ".db",
    ".sqlite",
    ".mp4",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".mp3",
    ".wav",
    ".exe",
    ".dll",
)
"""Endings of what is no picture: such files are not opened to look."""
JUNK_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")
HIDDEN = "hidden, or left behind by a system"
MAX_WAYS = 16
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def is_hidden(name: str) -> bool:
    """Names that people did not put there: dot files and what systems leave behind."""
    return name.startswith(".") or name in JUNK_FOLDERS


def is_picture(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def passed_over(name: str, head: Callable[[], bytes]) -> str | None:
    """Why a file is no item; None where it is a picture, by its ending or by how it begins.

    ``head`` gives the first :data:`core.fileformats.HEAD` bytes; it is called where the ending does
    not say enough.
    """
    lower = name.lower()
    if lower.endswith(EXTENSIONS):
        return None
    if lower.endswith((*ARCHIVES, *TABLES, *OTHERS)):
        return why_not(name) or "its ending is not that of a picture"
    format = format_of(head())
    # raw pictures are TIFF outside
    if format is not None and not (format == "TIFF" and lower.endswith(RAW)):
        return None
    return why_not(name) or "neither its name nor its content is that of a picture that can be read"


def why_not(name: str) -> str | None:
    """Why a file that people may miss is no item, by its ending; None where nobody will miss it."""
    lower = name.lower()
    if lower.endswith(ARCHIVES):
        return "an archive inside a dataset is not opened: unpack it, or open it by itself"
    if lower.endswith(TABLES):
        return "a table among pictures is not read: to go by it, give the table itself"
    if lower.endswith(UNREAD):
        return f"this picture format is not read; readable: {', '.join(EXTENSIONS)}"
    return None


def nfc(name: str) -> str:
    """A name in the Unicode form that all are compared in: é is one character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def shown(name: str) -> str:
    r"""Valid Unicode for any file name: bytes that are no UTF-8 are written ``\xff``."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def real(name: str) -> str:
    """The name that :func:`shown` was given, in the Unicode form that is stored."""
    if (name.isascii() and "\\x" not in name) or os.path.lexists(name):
        return name
    found = [""]
    # two forms of one folder may stand side by side: each is a way to go on
    for part in Path(name).parts:
        found = [os.path.join(folder, one) for folder in found for one in _stored(folder, part)][
            :MAX_WAYS
        ]
    return next(filter(os.path.lexists, found), name)


def _stored(folder: str, part: str) -> list[str]:
    """What may be meant by one step of a path, in a folder: what is spelt so comes first."""
    raw = _ESCAPED.sub(lambda m: chr(0xDC00 + int(m[1], 16)), part)
    spelt = [
        name for name in dict.fromkeys((part, raw)) if os.path.lexists(os.path.join(folder, name))
    ]
    try:
        others = _by_form(folder or os.curdir, os.stat(folder or os.curdir).st_mtime_ns).get(
            nfc(part), []
        )
    except (OSError, ValueError):
        others = []
    return list(dict.fromkeys((*spelt, *others)))


@lru_cache(maxsize=32)
def _by_form(folder: str, changed_ns: int) -> dict[str, list[str]]:
    """Name in its compared form -> names as stored, of what lies in a folder and is no ASCII
    (``changed_ns`` is only a key)."""
    found: dict[str, list[str]] = {}
    for name in sorted(name for name in os.listdir(folder) if not name.isascii()):
        found.setdefault(nfc(shown(name)), []).append(name)
    return found
