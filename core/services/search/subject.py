"""The subject of a query: what a detector finds in it, and the part that is searched with."""

import time
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.detectors.base import Box, Detector, NothingToFind, detectors, inside_picture
from core.detectors.choose import Edges, main_box, part, rule, with_margin
from core.errors import UserError
from core.services.embedding.detecting import ready_detector
from core.services.search import cores, decoded
from core.services.search.request import Query
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
    image, _ = decoded.picture(replace(query, box=None), dataset).image(made.side)
    started = time.perf_counter()
    try:
        boxes = cores.run(made.detect, image)
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
