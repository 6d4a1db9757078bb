"""From a name to an encoder that can encode for a given dataset: loaded, fitted, at the right precision."""

from __future__ import annotations

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.services import embed, fits
from core.types import Progress


def ready_encoder(
    dataset: Dataset, name: str, progress: Progress | None = None, *, may_fit: bool = True, load: bool = True
) -> Encoder:
    """The encoder ``name``, ready to encode pictures for ``dataset``.

    Args:
        load: read the weights into memory; False where only the fingerprint is wanted.
        may_fit: fit on the gallery where no earlier fit is kept (a build); otherwise that is an error (a search).

    Raises:
        UserError: unknown name, weights that can't be had, or a missing fit.
    """
    encoder = encoders.get(name)
    if load:
        encoder.load(progress)
    if encoder.fitted:
        return encoder
    arrays = fits.known_fit(dataset, encoder)
    if arrays is None:
        if not may_fit:
            raise embed.not_built(dataset, name)
        arrays = _fit(dataset, encoder, progress)
        fits.remember_fit(dataset, encoder, arrays)
    return encoder.with_fit(arrays)


def _fit(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> dict[str, np.ndarray]:
    if encoder.base is None:
        return fits.fit_on_pictures(dataset, encoder, progress)
    base = ready_encoder(dataset, encoder.base, progress)
    embed.embed(dataset, [base], progress)
    return encoder.fit(gallery_vectors(dataset, base), progress)


def gallery_vectors(dataset: Dataset, encoder: Encoder) -> np.ndarray:
    """The rows of the embeddings that the dataset's usual protocol searches, float32 (n, dim)."""
    found, protocol = embed.read(dataset, encoder), dataset.protocol()
    keep = [row for row, item in enumerate(embed.item_rows(dataset, found)) if protocol.in_gallery(item)]
    return found.vectors if len(keep) == len(found.ids) else found.vectors[keep]
