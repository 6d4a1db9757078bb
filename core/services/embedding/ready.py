"""From a name to an encoder that can encode for a given dataset: loaded, fitted, at the right
precision."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.services.embedding import crops, embed, fits, forms
from core.types import Progress

__all__ = [
    "crops",
    "gallery_vectors",
    "ready_encoder",
]  # crops: names of the form NAME@DETECTOR are found from now on
_loaded: WeakValueDictionary[str, Encoder] = WeakValueDictionary()
_loading: dict[str, threading.Lock] = {}


def ready_encoder(
    dataset: Dataset,
    name: str,
    progress: Progress | None = None,
    *,
    may_fit: bool = True,
    load: bool = True,
) -> Encoder:
    """The encoder ``name``, ready to encode pictures for ``dataset``.

    Args:
        load: read the weights into memory; False where only the fingerprint is wanted.
        may_fit: this is for a build: download weights, measure precision and fit on the gallery
            where no earlier fit is kept. Otherwise (a search) what is missing is an error.

    Raises:
        UserError: unknown name, weights that can't be had, or a missing fit.
    """
    encoder: Any = encoders.get(name)
    dataset = dataset.home
    if encoder.base is not None:
        base = ready_encoder(dataset, encoder.base, progress, may_fit=may_fit, load=load)
        encoder = encoder.with_base(base)
    else:
        encoder = _own(dataset, encoder, progress, may_fit, load)
    if encoder.fitted:
        return encoder
    arrays = fits.known_fit(dataset, encoder)
    if arrays is None and not may_fit:
        raise embed.not_built(dataset, name)
    return encoder.with_fit(_fit(dataset, encoder, progress) if arrays is None else arrays)


def _own(
    dataset: Dataset, encoder: Encoder, progress: Progress | None, may_fit: bool, load: bool
) -> Encoder:
    """An encoder that looks at pictures itself: downloaded, in its number format, loaded; not yet
    fitted."""
    if may_fit and encoder.state().kind != "ready":
        encoder.load(
            progress
        )  # before it is here nothing is known of the weights, the fingerprint included
    forms.resolve(dataset, encoder, progress, may_measure=may_fit)
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
    base = ready_encoder(dataset, encoder.base, progress, load=False)
    embed.embed(dataset, [base], progress)
    return encoder.fit(gallery_vectors(dataset, base), progress)


def gallery_vectors(dataset: Dataset, encoder: Encoder) -> np.ndarray:
    """The rows of the embeddings that the dataset's usual protocol searches, float32 (n, dim)."""
    found, protocol = embed.read(dataset, encoder), dataset.protocol()
    keep = [
        row for row, item in enumerate(embed.item_rows(dataset, found)) if protocol.in_gallery(item)
    ]
    return found.vectors if len(keep) == len(found.ids) else found.vectors[keep]
