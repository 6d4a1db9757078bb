"""Vectors that stay where other machines wrote them: the rows of one matrix, mapped from the files
of many finished parts.

A Parquet file that :func:`.parquet_parts.packed` wrote holds its vectors as one page of plain
float32, so that its rows can be mapped without a copy. A build checks that (and the page's
checksum) once; afterwards size and time of each file say whether it is still that file.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

FILE, PLACES = "pieces.json", "places.npy"
MAPPED = 4096
"""Files that are mapped at a time: a process may have some 65,000 maps."""
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """One file: ``rows`` vectors from the byte ``offset`` on; ``size`` and ``changed`` (ns) are
    those of the file when that was checked."""

    path: str
    offset: int
    rows: int
    size: int
    changed: int


class Pieces:
    """float32 (n, dim) unit rows in files. Indexed as an array it gives arrays: row numbers,
    slices, masks; what takes all of it at once (:func:`numpy.asarray`) copies all of it."""

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, files: Sequence[Piece], places: np.ndarray, dim: int) -> None:
        """``places`` int32 (n, 2): the file of each row, and its row there."""
        self.files, self.places, self.dim = files, places, dim
        self._maps: OrderedDict[int, np.ndarray] = OrderedDict()

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.places), self.dim

    @property
    def size(self) -> int:
        return len(self.places) * self.dim

    @property
    def nbytes(self) -> int:
        return 4 * self.size

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            rows, *columns = index
            return self[rows][..., *columns]
        places = self.places[index]
        flat = places.reshape(-1, 2)
        made = np.empty((len(flat), self.dim), np.float32)
        for number in np.unique(flat[:, 0]):
            rows = np.flatnonzero(flat[:, 0] == number)
            made[rows] = self._file(int(number))[flat[rows, 1]]
        return made.reshape(*places.shape[:-1], self.dim)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the rows lie in many files: one array of them is a copy")
        whole = np.empty(self.shape, dtype or np.float32)
        for start in range(0, len(self), BLOCK):
            whole[start : start + BLOCK] = self[start : start + BLOCK]
        return whole

    def _file(self, number: int) -> np.ndarray:
        made = self._maps.get(number)
        if made is None:
            one = self.files[number]
            made = self._maps[number] = mapped(Path(one.path), one.offset, one.rows, self.dim)
            if len(self._maps) > MAPPED:
                self._maps.popitem(last=False)
        return made


def mapped(path: Path, offset: int, rows: int, dim: int) -> np.ndarray:
    """float32 (rows, dim) of a file, from the byte ``offset`` on."""
    if not rows:
        return np.zeros((0, dim), np.float32)
    return np.memmap(path, np.dtype("<f4"), "r", offset, (rows, dim))


def write(folder: Path, files: Sequence[Piece], places: np.ndarray, dim: int) -> None:
    """Say in ``folder`` where the rows lie."""
    np.save(folder / PLACES, np.asarray(places, np.int32).reshape(-1, 2))
    told = {"dim": dim, "files": [asdict(one) for one in files]}
    (folder / FILE).write_text(json.dumps(told))


def read(folder: Path) -> Pieces:
    """What :func:`write` said. Raises ValueError or OSError where a file is gone or another."""
    told = json.loads((folder / FILE).read_text())
    files = [Piece(**one) for one in told["files"]]
    for one in files:
        now = os.stat(one.path)
        if (now.st_size, now.st_mtime_ns) != (one.size, one.changed):
            raise ValueError(f"{one.path} is not the file that was built with")
    return Pieces(files, np.load(folder / PLACES, mmap_mode="r"), told["dim"])
