"""What the layers of a convolutional network answer to: maps of single channels, and the pictures
of the gallery that excite a channel most."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding.bound import bound
from core.services.teaching import pictures
from core.services.teaching.contests import candidates

STAGES = 5
SAMPLE = 68
"""Pictures of the gallery among which the most exciting are looked for."""
MAX_PEAKS = 8
_peaks: OrderedDict[tuple, tuple[tuple[str, ...], np.ndarray]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its number, its largest activation in this picture, and the picture as WebP,
    bright where the channel answers."""

    number: int
    peak: float
    picture: bytes


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage gives: ``side`` x ``side`` cells, each standing for ``stride`` pixels of the
    input of ``size``, with so many ``channels``; the ``strongest`` of them for one picture."""

    side: int
    stride: int
    size: int
    channels: int
    strongest: tuple[Channel, ...]


def stage(dataset: Dataset, encoder: str, item_id: str, number: int, count: int = 12) -> Stage:
    """The ``count`` channels of a stage (0 the first) that answer most strongly to a picture.

    Raises:
        UserError: no such stage, or a network that is no plain convolutional one.
    """
    network = _network(dataset, encoder)
    image = pictures.image_of(dataset, item_id)
    maps = activations(network, [image], number)[0]
    peaks = maps.reshape(len(maps), -1).max(axis=1)
    order = np.argsort(-peaks, kind="stable")[:count]
    size = network.prepare(image).shape[0]
    return Stage(
        maps.shape[1],
        size // maps.shape[1],
        size,
        len(maps),
        tuple(
            Channel(int(one), float(peaks[one]), pictures.lit(image, _scaled(maps[one]), 160))
            for one in order
        ),
    )


def exciting(
    dataset: Dataset, encoder: str, number: int, channel: int, count: int = 6
) -> tuple[tuple[str, Channel], ...]:
    """The pictures of a sample of the gallery in which a channel answers most, with where it does:
    (id, channel). Raises UserError."""
    network = _network(dataset, encoder)
    ids, peaks = _sampled(dataset, network, number)
    made = []
    for row in np.argsort(-peaks[:, channel], kind="stable")[:count]:
        image = pictures.image_of(dataset, ids[row])
        values = activations(network, [image], number)[0, channel]
        picture = pictures.lit(image, _scaled(values), 160)
        made.append((ids[row], Channel(channel, float(peaks[row, channel]), picture)))
    return tuple(made)


def activations(network: Any, images: list[np.ndarray], number: int) -> np.ndarray:
    """float32 (n, channels, h, w): what stage ``number`` gives for RGB pictures."""
    import torch

    if not 0 <= number < STAGES:
        raise UserError(f"Stage {number} was asked for.", f"Stages are 0 to {STAGES - 1}.")
    pixels = network._input([network.prepare(image) for image in images])
    with torch.inference_mode():
        found = network.model.backbone.forward_intermediates(
            pixels, indices=[number], intermediates_only=True
        )[0]
    return found.float().cpu().numpy()


def _network(dataset: Dataset, encoder: str) -> Encoder:
    network = bound(dataset, encoder).loaded()
    if not hasattr(getattr(network, "model", None), "backbone"):
        raise UserError(f"{encoder} has no stages that can be looked into.")
    return network


def _sampled(dataset: Dataset, network: Any, number: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Ids of the sample, and the largest activation of every channel in each, float32 (n, c)."""
    key = (dataset.fingerprint(), network.name, number)
    if key not in _peaks:
        ids = tuple(candidates(dataset)[:SAMPLE])
        blocks = []
        for start in range(0, len(ids), 16):
            maps = activations(
                network, [pictures.image_of(dataset, id) for id in ids[start : start + 16]], number
            )
            blocks.append(maps.reshape(*maps.shape[:2], -1).max(axis=2))
        _peaks[key] = (ids, np.concatenate(blocks))
        while len(_peaks) > MAX_PEAKS:
            _peaks.popitem(last=False)
    return _peaks[key]


def _scaled(values: np.ndarray) -> np.ndarray:
    """0..1; a map that is nowhere above 0 stays dark."""
    values = np.maximum(values, 0)
    return values / values.max() if values.max() > 0 else values
