"""Which number format a network runs in for a dataset: measured before a large build, and kept by
all that follows.

Vectors of two formats are not of one kind. So a dataset that was built in one goes on in it,
whatever was decided since for another; and its queries use the same.
"""

import os
from typing import Any

from core.datasets.base import Dataset
from core.encoders import precision, trial
from core.encoders.base import Encoder
from core.services.embedding import embed, fits
from core.services.embedding.feed import prepare_one
from core.types import Progress, report

WORTH = 1000
"""From this many pictures to encode a measurement pays for itself."""
SAMPLE = 256


def resolve(
    dataset: Dataset, encoder: Encoder, progress: Progress | None = None, *, may_measure: bool
) -> None:
    """Set the format of an encoder that has a choice; others are left alone."""
    forced = bool(os.environ.get(precision.ENV))
    if forced or not hasattr(encoder, "use_precision") or embed.find(dataset, encoder) is not None:
        return
    if (built := _built_form(dataset, encoder, by_parts=may_measure)) is not None:
        encoder.use_precision(built)
    elif may_measure and len(dataset.items) >= WORTH:
        _measure(dataset, encoder, progress)


def _built_form(dataset: Dataset, encoder: Any, *, by_parts: bool) -> str | None:
    """The format in which this dataset is built, or (``by_parts``) has been begun; the decided one
    first."""
    decided = encoder.form
    try:
        for form in dict.fromkeys((decided, *precision.KNOWN)):
            encoder.form = form
            if embed.find(dataset, encoder) is not None:
                return form
            if by_parts and embed.pending(dataset, encoder) < len(dataset.items):
                return form
        return None
    finally:
        encoder.form = decided


def _measure(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> None:
    protocol = dataset.protocol()
    sample = fits.sample_items(
        [item for item in dataset.items if protocol.in_gallery(item)], SAMPLE
    )
    usable = []
    for item in sample:
        report(progress, 0, 0)
        array = prepare_one(dataset, item, [encoder]).array(0)
        if array is not None:
            usable.append((array, item.value(protocol.relevant)))
    labels = [label for _, label in usable]
    known = labels if all(label is not None for label in labels) else None
    trial.decide(encoder, [array for array, _ in usable], known)
