"""From a name to an encoder that can encode for a given dataset: loaded, fitted, at the right
precision."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders import precision, trial
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.items import among
from core.services.embedding import crops, embed, fits
from core.services.embedding.feed import prepare_one
from core.types import Embeddings, Progress, report

__all__ = ["Bound", "NoVectors", "bound", "crops", "gallery_vectors", "prepared", "with_vectors"]
# crops: names of the form NAME@DETECTOR are found from now on
_loaded: WeakValueDictionary[str, Encoder] = WeakValueDictionary()
_loading: dict[str, threading.Lock] = {}


@dataclass(frozen=True, slots=True)
class Bound:
    """An encoder as it serves one data set: fitted, in its number format, with the place of its
    vectors."""

    dataset: Dataset
    encoder: Encoder
    """Fit to be asked what it is (name, ``dim``, fingerprint); it may have no weights in memory."""

    @property
    def path(self) -> Path | None:
        """The folder of its vectors for this data set, or None where they are not built."""
        return embed.find(self.dataset, self.encoder)

    def vectors(self) -> Embeddings:
        """Its vectors for this data set, memory-mapped. Raises UserError where they are not
        built."""
        return embed.read(self.dataset, self.encoder)

    def loaded(self, progress: Progress | None = None) -> Any:
        """The encoder with its weights in memory, shared with all who hold one like it. Raises
        UserError where they can't be read."""
        return _resolved(self.dataset, self.encoder.name, progress, build=False, load=True)


def bound(dataset: Dataset, name: str) -> Bound:
    """The encoder ``name`` as it was built for ``dataset``: for whatever only searches or reads.

    Raises:
        UserError: an unknown name, or one that has to be fitted and is not.
    """
    return Bound(dataset, _resolved(dataset, name, None, build=False, load=False))


class NoVectors(UserError):
    """An encoder that compares key points was asked for vectors."""

    def __reduce__(self) -> tuple:
        return UserError, (self.given, self.allowed, self.fix)


def with_vectors(dataset: Dataset, name: str) -> Bound:
    """:func:`bound` for what is worked out of vectors: maps, indexes, studies.

    Raises:
        UserError: as there.
        NoVectors: an encoder that compares key points.
    """
    made = bound(dataset, name)
    if made.encoder.matches:
        raise NoVectors(
            f"{name} compares key points: it has no vectors to look at.",
            fix=f"Choose {made.encoder.base}, which gathers them into vectors.",
        )
    return made


def prepared(dataset: Dataset, name: str, progress: Progress | None = None) -> Bound:
    """The encoder ``name``, made able to encode ``dataset``: weights downloaded, precision
    measured, fitted on the gallery where that is not done yet. For builds.

    Raises:
        UserError: an unknown name, or weights that can't be had.
    """
    return Bound(dataset, _resolved(dataset, name, progress, build=True, load=False))


def _resolved(
    dataset: Dataset, name: str, progress: Progress | None, *, build: bool, load: bool
) -> Encoder:
    """``build``: what is missing is made or fetched; otherwise it is an error."""
    encoder: Any = encoders.get(name)
    dataset = dataset.home
    if encoder.base is not None:
        base = _resolved(dataset, encoder.base, progress, build=build, load=load)
        encoder = encoder.with_base(base)
    else:
        encoder = _own(dataset, encoder, progress, build, load)
    if encoder.fitted:
        return encoder
    arrays = fits.known_fit(dataset, encoder)
    if arrays is None and not build:
        raise embed.not_built(dataset, name)
    return encoder.with_fit(_fit(dataset, encoder, progress) if arrays is None else arrays)


def _own(
    dataset: Dataset, encoder: Encoder, progress: Progress | None, build: bool, load: bool
) -> Encoder:
    """An encoder that looks at pictures itself: downloaded, in its number format, loaded; not yet
    fitted."""
    if build and encoder.state().kind != "ready":
        encoder.load(
            progress
        )  # before it is here nothing is known of the weights, the fingerprint included
    _choose_format(dataset, encoder, progress, may_measure=build)
    return _shared(encoder, progress) if load else encoder


def _shared(encoder: Encoder, progress: Progress | None) -> Encoder:
    """This encoder loaded, or the one like it that somebody in this process holds already: weights
    are large."""
    key = store.fingerprint(encoder.fingerprint())
    with _loading.setdefault(key, threading.Lock()):  # one that loads for seconds holds up no other
        known = _loaded.get(key)
        if known is None:
            encoder.load(progress)
            _loaded[key] = known = encoder
        return known


def _fit(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> dict[str, np.ndarray]:
    """Fit and keep; two builders that need the same fit make it once."""
    with store.lock(f"fitting-{store.key(fits.fit_causes(dataset, encoder))}", progress):
        arrays = fits.known_fit(dataset, encoder)
        if arrays is None:
            arrays = _fitted(dataset, encoder, progress)
            fits.remember_fit(dataset, encoder, arrays)
        return arrays


def _fitted(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> dict[str, np.ndarray]:
    if encoder.base is None:
        encoder.load(progress)
        return fits.fit_on_pictures(dataset, encoder, progress)
    base = prepared(dataset, encoder.base, progress).encoder
    embed.embed(dataset, [base], progress)
    return encoder.fit(gallery_vectors(dataset, base), progress)


def gallery_vectors(dataset: Dataset, encoder: Encoder) -> np.ndarray:
    """The rows of the embeddings that the dataset's usual protocol searches, float32 (n, dim)."""
    found, protocol = embed.read(dataset, encoder), dataset.protocol()
    keep = np.flatnonzero(among(embed.item_rows(dataset, found), protocol.gallery))
    return found.vectors if len(keep) == len(found.ids) else found.vectors[keep]


WORTH = 1000
"""From this many pictures to encode a measurement pays for itself."""
COMPILED = 256
"""From this many pictures left to encode the seconds that compiling takes pay for themselves."""
SAMPLE = 256


def _choose_format(
    dataset: Dataset, encoder: Encoder, progress: Progress | None = None, *, may_measure: bool
) -> None:
    """Set the format of an encoder that has a choice; others are left alone."""
    forced = bool(os.environ.get(precision.ENV))
    if not hasattr(encoder, "use_precision") or embed.find(dataset, encoder) is not None:
        return
    built = None if forced else _built_form(dataset, encoder, by_parts=may_measure)
    if built is not None:
        encoder.use_precision(built)
    if may_measure and embed.pending(dataset, encoder) >= COMPILED:
        encoder.compile(progress)
    if not forced and built is None and may_measure and len(dataset.items) >= WORTH:
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
