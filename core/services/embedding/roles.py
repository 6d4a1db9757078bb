"""A protocol laid over the rows of embeddings: who searches whom, what is right, and which queries
belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.datasets.joined import PROTOCOL as CROSS_DOMAIN
from core.detectors.base import detectors
from core.errors import UserError
from core.metrics.stream import Roles
from core.types import Item, Protocol


def roles_of(items: Sequence[Item], protocol: Protocol) -> Roles:
    """Rows of the gallery and of the queries, both in the order of ids, and the codes of the
    protocol's fields."""
    order = sorted(range(len(items)), key=lambda row: items[row].id)
    searched = [row for row in order if protocol.in_gallery(items[row])]
    asking = [row for row in order if protocol.is_query(items[row])][:: protocol.every]
    ignored = codes([item.value(protocol.ignore) if protocol.ignore else None for item in items])
    relevant = codes([item.value(protocol.relevant) for item in items])
    return Roles(np.array(searched, np.int64), np.array(asking, np.int64), relevant, ignored)


__all__ = [
    "BY",
    "CROP",
    "CROSS_DOMAIN",
    "cluster_of",
    "codes",
    "digest",
    "group_of",
    "protocol_named",
    "roles_of",
]
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
    if name is not None and (split := name.rpartition(CROP))[2] in detectors.names():
        return _cropped(protocol_named(dataset, split[0]), split[2])
    if name is None or not name.startswith(BY):
        return dataset.protocol(name)
    attribute = name.removeprefix(BY)
    known = sorted(
        {key for item in dataset.items for key in item.attributes}
        | {"label", "category", "instance"}
    )
    if all(item.value(attribute) is None for item in dataset.items):
        raise UserError(
            f"No picture of {dataset.title or dataset.name} has {attribute[:60]!r}.",
            f"Known: {', '.join(known)}.",
        )
    objects = attribute != "instance" and any(item.instance is not None for item in dataset.items)
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
    known = {
        value: code for code, value in enumerate(dict.fromkeys(v for v in values if v is not None))
    }
    return np.array(
        [-1 - row if value is None else known[value] for row, value in enumerate(values)],
        dtype=np.int64,
    )


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
