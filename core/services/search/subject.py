"""The picture of a query, its subject (what a detector finds in it), and the part that is searched
with.

A picture is decoded once for all the encoders that are asked with it, one after another. What is
shown meanwhile does not wait for a detector (:func:`begin`): pictures are looked at one after
another in the background, since a detector uses every core, and two at once would only hold each
other up. On a public server each uses one core (:func:`.batching.run`).
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.detectors.base import (
    Box,
    Detector,
    Edges,
    NothingToFind,
    detectors,
    inside_picture,
    main_box,
    part,
    rule,
    with_margin,
)
from core.encoders.base import Encoder, Prepared
from core.errors import UserError
from core.images import crop, decode, decoded_size
from core.services.embedding.detecting import ready_detector
from core.services.search import batching
from core.services.search.request import Query, item_of
from core.services.search.result import SearchResult

__all__ = [
    "Subject",
    "cropped",
    "detect",
    "located",
    "main_box",
    "rule",
    "settled",
    "told",
    "with_margin",
]
WHOLE = "The whole picture is searched."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a detector found: ``boxes``, best first, ``main`` of them, the milliseconds, and why
    there is no more to say.

    ``size`` are the pixels (width, height) that it looked at. ``crop`` is the part that a search
    takes: the main box with a margin; None = the whole picture.
    """

    detector: str
    boxes: tuple[Box, ...] = ()
    ms: float = 0.0
    note: str = ""
    size: tuple[int, int] = (1, 1)

    @property
    def main(self) -> Box | None:
        return main_box(self.boxes)

    @property
    def crop(self) -> Edges | None:
        return part(self.boxes, self.size)


def detect(query: Query, detector: str, dataset: Dataset | None = None) -> Subject:
    """Boxes in the picture of a query, whatever box it has; ``dataset`` is asked for pictures that
    are its own.

    Raises:
        UserError: a picture that can't be read, or a detector that can't be used here.
    """
    return _found(query, ready_detector(detector), dataset)


def located(query: Query, detector: str, dataset: Dataset | None = None) -> Subject:
    """:func:`detect`, but a detector that can't be used is no error: nothing was found, and
    ``note`` says why.

    Raises:
        UserError: a picture that can't be read, or a name that no detector has.
    """
    detectors.get(detector)
    try:
        made = ready_detector(detector)
    except UserError as error:
        return Subject(detector, note=f"{error.plain} {WHOLE}")
    return _found(query, made, dataset, forgiving=True)


def _found(
    query: Query, made: Detector, dataset: Dataset | None, *, forgiving: bool = False
) -> Subject:
    image, _ = picture_of(replace(query, box=None), dataset).image(made.side)
    started = time.perf_counter()
    try:
        boxes = batching.run(made.detect, image)
    except NothingToFind as error:
        return Subject(made.name, note=f"{error.plain} {WHOLE}")
    except UserError as error:
        if not forgiving:
            raise
        return Subject(made.name, note=f"{error.plain} {WHOLE}")
    ms = round((time.perf_counter() - started) * 1000, 3)
    return Subject(
        made.name,
        boxes,
        ms,
        "" if boxes else f"{made.title} found nothing. {WHOLE}",
        image.shape[1::-1],
    )


def cropped(query: Query, dataset: Dataset, crop: str) -> tuple[Query, Subject | None]:
    """The query with the box that the detector ``crop`` finds, and what it found. A box that was
    drawn stays as it is.

    Raises:
        UserError: a picture that can't be read, or a name that no detector has.
    """
    if not crop or query.box is not None or query.nothing:
        return query, None
    found = located(query, crop, dataset)
    return replace(query, box=found.crop), found


def told(answer: SearchResult, found: Subject | None) -> SearchResult:
    """The answer with the detector, its time and its note."""
    if found is None:
        return answer
    if "detect" in answer.timing_ms:  # a gallery of crops, which found the part itself
        return answer
    timing = {"decode": answer.timing_ms.get("decode", 0.0), "detect": found.ms, **answer.timing_ms}
    return replace(answer, timing_ms=timing, crop=found.detector, note=answer.note or found.note)


def settled(query: Query) -> tuple[Query, str]:
    """The query with its box inside the picture; without one, and a sentence, where the box holds
    nothing of it.

    Raises:
        UserError: a box that is not made of four numbers.
    """
    if query.box is None:
        return query, ""
    if len(query.box) != 4 or not np.isfinite(query.box).all():
        raise UserError(f"Invalid box {query.box}.", "x0, y0, x1, y1 in fractions of the picture.")
    box = inside_picture(Box(*query.box))
    if box.area > 0:
        return replace(query, box=box.edges), ""
    x0, y0, x1, y1 = query.box
    why = "has no area" if x0 == x1 or y0 == y1 else "lies outside the picture"
    return replace(query, box=None), f"The box {x0:g}, {y0:g}, {x1:g}, {y1:g} {why}. {WHOLE}"


KEPT, KEPT_BYTES, KEPT_S = 32, 128 << 20, 60.0
"""So many pictures stay in memory for the next encoder, so many bytes in all, and each for at most
so many seconds. Several visitors ask at once, and none of them may push out what another one's
encoders still need."""


class Picture:
    """The bytes of a picture and its pixels, of the part inside ``box`` where there is one.

    An encoder must see the pixels that it would see alone. Most files decode to the same ones for
    every encoder; a large JPEG is reduced while it is decoded, by a factor that depends on the
    encoder: it is decoded once for each factor.
    """

    def __init__(
        self, data: bytes, box: Edges | None, read_ms: float = 0.0, home: Path | None = None
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
_pictures_lock = threading.Lock()


def picture_of(query: Query, dataset: Dataset | None) -> Picture:
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
    with _pictures_lock:
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


log = logging.getLogger(__name__)
MAX_KEPT = 4000
"""So many pictures' subjects, those of the whole embedded gallery among them."""
Key = tuple[str, str]
_known: OrderedDict[Key, Subject] = OrderedDict()
_at_work: set[Key] = set()
_changed = threading.Condition()
_turn = threading.Lock()


def found(query: Query, detector: str, dataset: Dataset) -> Subject | None:
    """What the detector found in the picture of a query; None where nobody has asked it
    (:func:`begin`), or it still looks.

    Raises:
        UserError: a name that no detector has.
    """
    key = _key(query, detector, dataset)
    with _changed:
        if key in _known:
            _known.move_to_end(key)
        return _known.get(key)


def begin(query: Query, detector: str, dataset: Dataset) -> Callable[[float], bool]:
    """Let the detector look in the background, unless it does or has. What goes wrong is the
    ``note`` of what it found.

    Returns:
        What waits until it no longer looks, so many seconds at most, and says whether it does not.

    Raises:
        UserError: a name that no detector has.
    """
    key = _key(query, detector, dataset)
    with _changed:
        if key in _known or key in _at_work:
            return partial(_wait, key)
        _at_work.add(key)
    threading.Thread(
        target=store.carried(_look_for),
        args=(key, query, detector, dataset),
        name=f"look with {detector}",
        daemon=True,
    ).start()
    return partial(_wait, key)


def _wait(key: Key, timeout_s: float) -> bool:
    with _changed:
        return _changed.wait_for(lambda: key not in _at_work, timeout_s)


def _key(query: Query, detector: str, dataset: Dataset) -> Key:
    """Every cause of what is found. A state is one: what could not be used may be there now."""
    made = detectors.get(detector)
    seen = (
        (str(store.root()), hashlib.sha256(query.data or b"").hexdigest())
        if query.item_id is None
        else (dataset.fingerprint(), query.item_id)
    )
    return made.name, store.fingerprint(
        {"detector": made.fingerprint(), "state": made.state().kind, "picture": seen}
    )


def _look_for(key: Key, query: Query, detector: str, dataset: Dataset) -> None:
    try:
        with batching.turn(_turn):
            subject = located(query, detector, dataset)
    except UserError as error:
        subject = Subject(detector, note=f"{error.plain} {WHOLE}")
    except (
        Exception
    ) as error:  # a bug, or a file of the user's: the page goes on with the whole picture
        log.exception("%s failed", detector)
        subject = Subject(
            detector, note=f"The detector {detector} failed ({type(error).__name__}). {WHOLE}"
        )
    with _changed:
        _at_work.discard(key)
        _known[key] = subject
        while len(_known) > MAX_KEPT:
            _known.popitem(last=False)
        _changed.notify_all()
