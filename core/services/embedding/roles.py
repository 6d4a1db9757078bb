"""A protocol laid over the rows of embeddings: who searches whom, what is right, and which queries
belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core import store
from core.datasets import joined
from core.datasets.base import Dataset
from core.detectors.base import detectors
from core.encoders.base import Encoder
from core.errors import UserError
from core.items import among, attributes, by_id, coded, coded_values
from core.metrics.stream import Roles
from core.services.embedding import crops, stored
from core.services.embedding.bound import bound
from core.types import Embeddings, Item, Protocol


def roles_of(items: Sequence[Item], protocol: Protocol) -> Roles:
    """Rows of the gallery and of the queries, both in the order of ids, and the codes of the
    protocol's fields."""
    order = by_id(items)
    searched = order[among(items, protocol.gallery)[order]]
    asking = order[among(items, protocol.queries)[order]][:: protocol.every]
    own = -1 - np.arange(len(items))
    ignored = coded(items, protocol.ignore).apart() if protocol.ignore else own
    return Roles(searched, asking, coded(items, protocol.relevant).apart(), ignored)


CROSS_DOMAIN = joined.PROTOCOL
BY = "by:"
"""How a protocol over any attribute is asked for: ``by:pattern``."""
CROP = "@"
"""What stands before the detector of a protocol whose queries are cropped:
``instance@saliency``."""


def protocol_named(dataset: Dataset, name: str | None = None) -> Protocol:
    """A protocol of the dataset by name, or one made for an attribute: ``by:pattern`` judges
    pictures of the same pattern.

    The usual one's gallery and queries serve; pictures of the query's own object are then neither
    right nor wrong. ``NAME@DETECTOR`` is a protocol of the dataset whose queries are cropped.

    Raises:
        UserError: no such protocol, attribute or detector.
    """
    if name and CROP in name and (split := name.rpartition(CROP))[2] in detectors.names():
        return _cropped(protocol_named(dataset, split[0]), split[2])
    if name is None or not name.startswith(BY):
        return dataset.protocol(name)
    attribute = name.removeprefix(BY)
    known = sorted({*attributes(dataset.items), "label", "category", "instance"})
    if not coded(dataset.items, attribute).known:
        raise UserError(
            f"No picture of {dataset.title or dataset.name} has {attribute[:60]!r}.",
            f"Known: {', '.join(known)}.",
        )
    objects = attribute != "instance" and coded(dataset.items, "instance").known
    apart = ", another object; pictures of the query's own object are ignored" if objects else ""
    note = f"relevant = same {attribute}{apart}"
    return replace(
        dataset.protocol(),
        name=name,
        relevant=attribute,
        ignore="instance" if objects else None,
        note=note,
    )


def _cropped(protocol: Protocol, detector: str) -> Protocol:
    """The protocol whose queries are the main boxes of a detector. Raises UserError where there is
    none of that name."""
    title = detectors.get(detector).title
    note = (
        f"{protocol.note or f'relevant = same {protocol.relevant}'}; of each query the main box is"
        f" asked with ({title})"
    )
    return replace(protocol, name=f"{protocol.name}{CROP}{detector}", crop=detector, note=note)


def codes(values: Sequence[object]) -> np.ndarray:
    """int64: equal values get equal codes from 0; each None gets a negative code of its own."""
    return coded_values(values).apart()


def digest(items: Sequence[Item], protocol: Protocol) -> str:
    """Changes whenever who searches whom or what is right changes: labels and splits are no cause
    of the vectors."""
    fields = [
        [
            item.id,
            protocol.in_gallery(item),
            protocol.is_query(item),
            str(item.value(protocol.relevant)),
            str(item.value(protocol.ignore) if protocol.ignore else None),
        ]
        for item in items
    ]
    return store.fingerprint([fields, protocol.every])


def group_of(item: Item, protocol: Protocol) -> str:
    """The class that a query is averaged in, for class-balanced means: its category or label, else
    what is relevant."""
    value = item.category or item.label or item.value(protocol.relevant)
    return "unknown" if value is None else str(value)


def cluster_of(item: Item) -> str:
    """Queries of one object are not independent: they are resampled together. Others stand
    alone."""
    return item.id if item.instance is None else f"object {item.instance}"


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
    roles = roles_of(stored.item_rows(dataset, found), protocol)
    by = asking_encoder(dataset, encoder, protocol)
    if by is encoder or by.name == encoder.name:
        return roles
    cropped = stored.read(dataset, by)
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
