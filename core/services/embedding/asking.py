"""What queries ask with under a protocol: their own vectors, or those of their crops."""

from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.metrics.stream import Roles
from core.services.embedding import crops, embed
from core.services.embedding.bound import bound
from core.services.embedding.roles import roles_of
from core.types import Embeddings, Protocol


def asking_encoder(dataset: Dataset, encoder: Encoder, protocol: Protocol) -> Encoder:
    """The encoder of the queries; its embeddings have to be built. Raises UserError where it can't
    see pictures."""
    if not protocol.crop:
        return encoder
    return bound(dataset, crops.named(encoder.name, protocol.crop)).encoder


def roles_for(dataset: Dataset, encoder: Encoder, found: Embeddings, protocol: Protocol) -> Roles:
    """:func:`core.services.embedding.roles.roles_of` of embeddings, with the vectors of crops where
    the protocol asks with them.

    A query that has no vector of its crop, since the detector failed on it, asks with all of it.

    Raises:
        UserError: the crops are not built.
    """
    roles = roles_of(embed.item_rows(dataset, found), protocol)
    by = asking_encoder(dataset, encoder, protocol)
    if by is encoder or by.name == encoder.name:
        return roles
    cropped = embed.read(dataset, by)
    row_of = {id: row for row, id in enumerate(cropped.ids)}
    places = np.array([row_of.get(id, -1) for id in found.ids], np.int64)
    return replace(roles, asking=Crops(found.vectors, cropped.vectors, places))


@dataclass(frozen=True, slots=True)
class Crops:
    """Vectors (n, dim) of crops where there are any, of whole pictures elsewhere; read as they are
    asked for. ``places`` int64 (n,) are rows of ``cropped``, -1 = none."""

    whole: np.ndarray
    cropped: np.ndarray
    places: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found, places = np.array(self.whole[rows]), self.places[rows]
        found[places >= 0] = self.cropped[places[places >= 0]]
        return found
