"""Whether a finished folder holds what was written: its ``meta.json`` notes the size and the
checksums of every file.

A power cut can leave files of the right size and name without their content, or with half of it. A
check reads small files whole and samples large ones, once for each state of the folder in a
process; ``whole=True`` reads everything.
"""

import json
import logging
import os
import zlib
from pathlib import Path

log = logging.getLogger(__name__)
META = "meta.json"
BLOCK, BLOCKS = 4096, 64
"""Of a large file so many blocks of so many bytes are read: first, last, and evenly between."""
SMALL = 1 << 20
"""Files up to this size are read whole."""
PIECE = 1 << 20
REMEMBERED = 20_000
_sound: dict[str, tuple] = {}
"""Folder -> the state of its files when they were last found sound."""


def write_meta(folder: Path, noted: dict) -> None:
    """Write ``meta.json`` into a folder of finished files: what is noted, sizes, checksums."""
    found = states(folder)
    sizes = {name: state[0] for name, state in found.items() if name != META}
    meta = {
        **noted,
        "files": sizes,
        "checksums": {name: checksums(folder / name, size) for name, size in sizes.items()},
    }
    meta = json.loads(json.dumps(meta))  # as it will be read: keys are text then
    (folder / META).write_text(json.dumps({**meta, "checksum": _of_meta(meta)}))


def parse_meta(text: str) -> dict:
    """What ``meta.json`` says. Raises ValueError where that is no object, or was changed."""
    meta = json.loads(text)
    if not isinstance(meta, dict):
        raise ValueError("it is not an object")
    known = meta.pop("checksum", None)
    # before there were checksums it had none
    if known != _of_meta(meta) and (known is not None or "checksums" in meta):
        raise ValueError("its checksum differs")
    built = meta.get("built")
    if built is not None and not isinstance(built, int | float):
        raise ValueError("its time is not a number")
    return meta


def _of_meta(meta: dict) -> str:
    return f"{zlib.crc32(json.dumps(meta, sort_keys=True).encode()):08x}"


def damaged(folder: Path, meta: dict, *, whole: bool = False) -> dict[str, str]:
    """File -> what is wrong with it; empty where the folder holds what ``meta`` says.

    Folders of before there were checksums are judged by sizes and by how their files begin: never
    with zeros alone.
    """
    sizes, sums = meta.get("files"), meta.get("checksums") or {}
    found = states(folder)
    if not whole and _sound.get(str(folder)) == (found, sums):
        return {}
    if not isinstance(sizes, dict):
        sizes = {name: state[0] for name, state in found.items()}
    faults = {
        name: _fault(folder / name, found.get(name), size, sums.get(name), whole)
        for name, size in sizes.items()
    }
    wrong = {name: fault for name, fault in faults.items() if fault}
    if not wrong:
        if len(_sound) >= REMEMBERED:
            _sound.clear()
        _sound[str(folder)] = (found, sums)
    return wrong


def _fault(path: Path, state: tuple | None, size: int, known: list[str] | None, whole: bool) -> str:
    """What is wrong with one file; empty where nothing is."""
    if state is None:
        return "missing"
    if state[0] != size:
        return f"{state[0]:,} of {size:,} bytes"
    try:
        if known is None:
            return "begins with zeros" if begins_with_zeros(path) else ""
        own = checksums(path, size) if whole else [None, sampled(path, size)]
        if own[1] != known[1] or (whole and own[0] != known[0]):
            return "its content has changed"
        return ""
    except OSError as error:
        return f"can't be read: {error.strerror}"


def begins_with_zeros(path: Path) -> bool:
    """Whether a file is empty or has nothing but zeros at its beginning, as no format has."""
    with open(path, "rb") as file:
        return not file.read(16).strip(b"\0")


def checksums(path: Path, size: int) -> list[str]:
    """CRC-32 of the whole file and of its sample, 8 hex digits each."""
    if size <= SMALL:
        return [sampled(path, size)] * 2
    value = 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            value = zlib.crc32(piece, value)
    return [f"{value:08x}", sampled(path, size)]


def sampled(path: Path, size: int) -> str:
    """CRC-32 of a small file, or of blocks of a large one, 8 hex digits."""
    with open(path, "rb") as file:
        if size <= SMALL:
            return f"{zlib.crc32(file.read()):08x}"
        value = 0
        for number in range(BLOCKS):
            file.seek((size - BLOCK) * number // (BLOCKS - 1))
            value = zlib.crc32(file.read(BLOCK), value)
        return f"{value:08x}"


def states(path: Path) -> dict[str, tuple[int, int, int]]:
    """Files under a folder: relative name -> size, time of change (ns), number. One that vanishes
    meanwhile is left out."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            try:
                told = file.stat()
            except OSError:
                log.debug("%s vanished while it was measured", file)
                continue
            found[file.relative_to(path).as_posix()] = (told.st_size, told.st_mtime_ns, told.st_ino)
    return found
