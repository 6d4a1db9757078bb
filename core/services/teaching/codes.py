"""Codes of an autoencoder that a student mixes, drawn again."""

from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import unit_rows
from core.neighbours import cosine_matrix
from core.services.embedding.bound import bound
from core.services.teaching import pictures
from core.services.teaching.contests import Found

ENCODER = "autoencoder.lookalike"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the decoder makes of a mixed code: ``picture`` as WebP; the gallery's nearest pictures
    to that code, with their cosines."""

    picture: bytes
    nearest: tuple[Found, ...]
    cosines: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A picture and its reconstruction as WebP; ``error``, the mean distance of a pixel's colour,
    of 255."""

    before: bytes
    after: bytes
    error: float


def mixed(dataset: Dataset, ids: tuple[str, ...], weights: tuple[float, ...], k: int = 5) -> Drawn:
    """The code ``sum(weight * code)`` of some pictures, drawn. Raises UserError."""
    ready = bound(dataset, ENCODER)
    encoder, found = ready.loaded(), ready.vectors()
    images = [pictures.image_of(dataset, id) for id in ids]
    mix = np.asarray(weights, np.float32)[None]
    code = mix @ encoder.codes(images)
    vector = unit_rows(code)
    if encoder.blueprint.mirror:  # what the embedding adds: the same mixture of mirror images
        vector = unit_rows(vector + unit_rows(mix @ encoder.codes([i[:, ::-1] for i in images])))
    scores = cosine_matrix(vector, found.vectors)[0]
    order = np.argsort(-scores, kind="stable")[:k]
    return Drawn(
        pictures.webp(encoder.draw(code)[0], 320),
        tuple(Found(found.ids[int(row)], None) for row in order),
        tuple(float(scores[row]) for row in order),
    )


def copied(dataset: Dataset, item_id: str) -> Copy:
    """A picture, as the network takes it, beside its reconstruction. Raises UserError."""
    encoder = bound(dataset, ENCODER).loaded()
    image = pictures.image_of(dataset, item_id)
    before, after = encoder.prepare(image), encoder.draw(encoder.codes([image]))[0]
    error = float(np.abs(before.astype(np.float64) - after).mean())
    return Copy(pictures.webp(before, 192), pictures.webp(after, 192), error)
