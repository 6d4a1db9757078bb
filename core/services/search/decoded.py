"""The picture of a query: decoded once for all the encoders that are asked with it, one after
another."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.images import crop, decode, decoded_size
from core.services.search.request import Query, item_of

KEPT, KEPT_BYTES, KEPT_S = 4, 32 << 20, 60.0
"""So many pictures stay in memory for the next encoder, each at most so large and for at most so
many seconds."""
Box = tuple[float, float, float, float]


class Picture:
    """The bytes of a picture and its pixels, of the part inside ``box`` where there is one.

    An encoder must see the pixels that it would see alone. Most files decode to the same ones for
    every encoder; a large JPEG is reduced while it is decoded, by a factor that depends on the
    encoder: it is decoded once for each factor.
    """

    def __init__(
        self, data: bytes, box: Box | None, read_ms: float = 0.0, home: Path | None = None
    ) -> None:
        self.data, self.box, self.home, self._read_ms = data, box, home, read_ms
        self._made: dict[tuple[int, int] | None, tuple[np.ndarray, float]] = {}
        self._lock = threading.Lock()

    def image(self, side: int | None) -> tuple[np.ndarray, float]:
        """RGB uint8 (h, w, 3) of the caller's own for an encoder that needs ``side`` pixels, and
        the milliseconds that it took to read and decode it, however long ago that was. Raises
        UserError."""
        side = None if self.box else side
        with self._lock:
            size = decoded_size(self.data, side)
            if size not in self._made:
                started = time.perf_counter()
                whole = decode(self.data, side)
                image = crop(whole, self.box) if self.box else whole
                self._made[size] = image, (time.perf_counter() - started) * 1000
            image, spent = self._made[size]
        return image.copy(), round(self._read_ms + spent, 3)

    @property
    def bytes(self) -> int:
        """What the decoded pixels take."""
        return sum(image.nbytes for image, _ in list(self._made.values()))


_pictures: list[tuple[float, Picture]] = []
_lock = threading.Lock()


def picture(query: Query, dataset: Dataset | None) -> Picture:
    """The picture of a query, as its file is now; decoded already where another encoder was asked
    with it a moment ago.

    Raises:
        UserError: there is no picture, or it can't be read.
    """
    now, started = time.monotonic(), time.perf_counter()
    data = query.data
    if query.item_id is not None and dataset is not None:
        data = dataset.read(item_of(dataset, query.item_id))
    if data is None:
        raise UserError("No query picture was given.")
    read_ms = (time.perf_counter() - started) * 1000
    home = store.root()  # no visitor meets what another one's picture left in memory
    with _lock:
        _pictures[:] = [
            one for one in _pictures if now - one[0] < KEPT_S and one[1].bytes <= KEPT_BYTES
        ]
        known = next(
            (
                found
                for _, found in _pictures
                if (found.box, found.home) == (query.box, home) and found.data == data
            ),
            None,
        )
        if known is None:
            known = Picture(data, query.box, read_ms, home)
            _pictures.append((now, known))
            del _pictures[:-KEPT]
    return known
