"""The picture of a query: decoded once for all the encoders that are asked with it, one after
another."""

import threading
import time
from collections.abc import Hashable
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, Prepared
from core.errors import UserError
from core.images import crop, decode, decoded_size
from core.services.search.request import Query, item_of

KEPT, KEPT_BYTES, KEPT_S = 32, 128 << 20, 60.0
"""So many pictures stay in memory for the next encoder, so many bytes in all, and each for at most
so many seconds. Several visitors ask at once, and none of them may push out what another one's
encoders still need."""
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
        self._sizes: dict[int | None, tuple[int, int] | None] = {}
        self._prepared: dict[Hashable, tuple[Prepared, float]] = {}
        self.encoded: WeakKeyDictionary[Encoder, tuple[np.ndarray, float]] = WeakKeyDictionary()
        """By encoder: its vector float32 (1, dim), only to be read, and the milliseconds of it."""
        self._lock = threading.Lock()

    def image(self, side: int | None) -> tuple[np.ndarray, float]:
        """RGB uint8 (h, w, 3) of the caller's own for an encoder that needs ``side`` pixels, and
        the milliseconds that it took to read and decode it, however long ago that was. Raises
        UserError."""
        image, _, spent = self._image(side)
        return image.copy(), spent

    def prepared(self, encoder: Encoder, *, anew: bool = False) -> tuple[Prepared, float, float]:
        """What ``encoder.prepare`` makes of it, the milliseconds of reading and decoding, and those
        of preparing, however long ago that was: encoders that prepare alike share it, unless it is
        asked for ``anew``. Only to be read. Raises UserError."""
        image, size, decode_ms = self._image(encoder.side)
        how = encoder.preparation
        with self._lock:
            known = None if how is None or anew else self._prepared.get((size, how))
        if known is None:
            started = time.perf_counter()
            made = encoder.prepare(image if how is not None else image.copy())
            known = made, round((time.perf_counter() - started) * 1000, 3)
            if how is not None:
                with self._lock:
                    self._prepared[size, how] = known
        return known[0], decode_ms, known[1]

    def _image(self, side: int | None) -> tuple[np.ndarray, tuple[int, int] | None, float]:
        """The pixels, shared; the size that they were decoded to; and milliseconds."""
        with self._lock:
            size = self._size(None if self.box else side)
            if size not in self._made:
                started = time.perf_counter()
                whole = decode(self.data, None if self.box else side)
                image = crop(whole, self.box) if self.box else whole
                self._made[size] = image, (time.perf_counter() - started) * 1000
            image, spent = self._made[size]
        return image, size, round(self._read_ms + spent, 3)

    def _size(self, side: int | None) -> tuple[int, int] | None:
        """What it decodes to; the header is read as seldom as can be."""
        if None not in self._sizes:
            self._sizes[None] = decoded_size(self.data)
        full = self._sizes[None]
        if side is None or full is None or min(full) < 4 * side:  # too small to be reduced
            return full
        if side not in self._sizes:
            self._sizes[side] = decoded_size(self.data, side)
        return self._sizes[side]

    @property
    def bytes(self) -> int:
        """What the decoded pixels take, and what was made of them."""
        held = [*self._made.values(), *self._prepared.values()]
        return sum(getattr(one, "nbytes", 0) for one, _ in held)


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
        _let_go(now)
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


def _let_go(now: float) -> None:
    """Drop what is old, then the oldest over the limit of bytes."""
    left, kept = KEPT_BYTES, []
    for since, one in reversed(_pictures):
        left -= one.bytes
        if now - since < KEPT_S and left >= 0:
            kept.append((since, one))
    _pictures[:] = kept[::-1]
