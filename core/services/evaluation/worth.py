"""What a box on the subject is worth, measured by ``tools/measure_subject.py``, read here."""

import json
import logging
from dataclasses import dataclass

from core import store

log = logging.getLogger(__name__)
DATA = store.shipped() / "reports" / "subject.json"
WHOLE, TRUE = "whole", "true box"
"""Ways of asking that no detector has a part in."""
KINDS = ("cluttered", "clean")
METRICS = ("mAP", "right category first")


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over queries and its 95 % interval over products."""

    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether a difference has one sign in all of its interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Found:
    """A detector's main boxes on one kind of pictures: ``overlap`` is the IoU with the true box,
    ``half`` the share of pictures where it is above .5."""

    detector: str
    pictures: int
    products: int
    overlap: Figure
    half: Figure


@dataclass(frozen=True, slots=True)
class Asked:
    """One encoder asked in one way: ``whole``, with a detector's main box, or with the true box;
    ``change`` is against ``whole``, paired."""

    encoder: str
    way: str
    score: Figure
    change: Figure


@dataclass(frozen=True, slots=True)
class Worth:
    """The shipped measurement: ``boxes`` by kind of pictures, ``asked`` by kind and metric."""

    boxes: dict[str, list[Found]]
    asked: dict[tuple[str, str], list[Asked]]

    @property
    def detectors(self) -> list[str]:
        return [row.detector for row in next(iter(self.boxes.values()))]


def measured() -> Worth | None:
    """What came with the code; None where it is missing or can't be read."""
    try:
        held = json.loads(DATA.read_text())
        boxes = {
            kind: [_found(*row) for row in rows.items()] for kind, rows in held["boxes"].items()
        }
        asked = {
            (kind, metric): [
                Asked(encoder, way, Figure(*row[metric]["mean"]), Figure(*row[metric]["change"]))
                for encoder, kinds in held["search"].items()
                for way, row in kinds.get(kind, {}).items()
            ]
            for kind in boxes
            for metric in METRICS
        }
        return Worth(boxes, asked) if all(boxes.values()) and boxes else None
    except (AttributeError, *store.UNREADABLE) as error:
        log.warning("the figures of the subject can't be read: %r", error)
        return None


def _found(detector: str, row: dict) -> Found:
    return Found(
        detector,
        int(row["pictures"]),
        int(row["products"]),
        Figure(*row["IoU"]),
        Figure(*row["above .5"]),
    )
