"""Which pictures stand in which batch, and how they are changed there. The order of an epoch
follows from (seed, epoch) alone: a resumed run needs no memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import UserError
from core.training.losses import leave_faiss_alone
from core.training.settings import Settings
from core.training.sources import Source

MAX_REPEATS = 4
"""How often a batch may hold each picture of a dataset, on average."""


def quotas(sources: Sequence[Source], settings: Settings) -> list[int]:
    """How many pictures of each batch come from each source; multiples of ``per_class``, if set."""
    return shared_out([len(source.train) for source in sources], settings)


def shared_out(counts: Sequence[int], settings: Settings) -> list[int]:
    """:func:`quotas` of sources that have so many pictures to learn from."""
    weights = np.array(settings.shares or [count**0.5 for count in counts], float)
    unit = max(settings.per_class, 1)
    wanted = np.maximum(
        np.floor(weights / weights.sum() * settings.batch / unit + 0.5),
        2 if settings.per_class else 1,
    )
    return [int(count) * unit for count in wanted]


def check_batch(names: Sequence[str], counts: Sequence[int], settings: Settings) -> None:
    """Refuse a batch that would show the same few pictures again and again. Raises UserError."""
    for name, count, quota in zip(names, counts, shared_out(counts, settings), strict=True):
        if quota > count * MAX_REPEATS:
            raise UserError(
                f"A batch would take {quota} pictures of {name}, which has {count}.",
                fix="Choose a smaller batch size.",
                command="Make the batch smaller: --set batch=...",
            )


def fit_batch(
    settings: Settings, counts: Sequence[int], largest: int
) -> tuple[Settings, list[str]]:
    """The settings with ``batch`` and ``per_class`` as large as the data allow, and what was
    changed, in sentences.

    At most half of all pictures stand in a batch, so that an epoch is two steps and more.

    Args:
        counts: pictures to learn from of each dataset. largest: pictures of the largest class.
    """
    total, batch, each = sum(counts), settings.batch, settings.per_class
    if each and not settings.recolour:  # recoloured halves need four
        each = max(2, min(each, largest, total // 4))
    least = max(2, 2 * each)
    batch = max(least, min(batch, total // 2))
    while batch > least and _repeats(replace(settings, batch=batch, per_class=each), counts):
        batch = max(least, batch * 3 // 4)
    notes = []
    if batch != settings.batch:
        notes.append(
            f"The batch size is {batch} instead of {settings.batch}: there are {total:,} pictures"
            " to learn from."
        )
    if each != settings.per_class:
        notes.append(
            f"A batch holds {each} pictures of a class instead of {settings.per_class}: there are"
            " too few for more."
        )
    return replace(settings, batch=batch, per_class=each), notes


def _repeats(settings: Settings, counts: Sequence[int]) -> bool:
    return any(
        quota > count * MAX_REPEATS
        for count, quota in zip(counts, shared_out(counts, settings), strict=True)
    )


def steps_per_epoch(sources: Sequence[Source], settings: Settings) -> int:
    return steps_of(sum(len(source.train) for source in sources), settings)


def steps_of(pictures: int, settings: Settings) -> int:
    """Steps of an epoch over so many pictures."""
    return max(1, (settings.epoch_images or pictures) // settings.batch)


def epoch_batches(
    sources: Sequence[Source], settings: Settings, epoch: int
) -> list[list[np.ndarray]]:
    """``[step][source]`` -> int64 rows of that source."""
    steps = steps_per_epoch(sources, settings)
    streams = []
    for position, (source, quota) in enumerate(
        zip(sources, quotas(sources, settings), strict=True)
    ):
        seed = np.random.SeedSequence([settings.seed, epoch, position]).generate_state(1)[0]
        order = _by_class if settings.per_class and len(source.classes) else _shuffled
        streams.append(
            order(source, steps * quota, settings.per_class, int(seed)).reshape(steps, quota)
        )
    return [[stream[step] for stream in streams] for step in range(steps)]


def _shuffled(source: Source, count: int, per_class: int, seed: int) -> np.ndarray:
    """Every picture once before any comes twice."""
    rng = np.random.default_rng(seed)
    rounds = -(-count // len(source.train))
    return np.concatenate([rng.permutation(source.train) for _ in range(rounds)])[:count]


def _by_class(source: Source, count: int, per_class: int, seed: int) -> np.ndarray:
    """Classes in random order, ``per_class`` pictures of each (P x K)."""
    leave_faiss_alone()
    from pytorch_metric_learning.samplers import MPerClassSampler

    labels = source.labels[source.train]
    one_pass = per_class * len(np.unique(labels))
    with _random(seed):
        order = list(
            MPerClassSampler(
                labels, per_class, length_before_new_iter=-(-count // one_pass) * one_pass
            )
        )
    return source.train[np.array(order[:count], np.int64)]


@contextmanager
def _random(seed: int):
    """The sampler draws from a generator of the library's; for a moment that is one of our own."""
    leave_faiss_alone()
    from pytorch_metric_learning.utils import common_functions

    before = common_functions.NUMPY_RANDOM
    common_functions.NUMPY_RANDOM = np.random.RandomState(seed)
    try:
        yield
    finally:
        common_functions.NUMPY_RANDOM = before


if TYPE_CHECKING:
    import torch

CHUNK = 8
"""Pictures that share one random change of light, which costs too much for each."""


def augmenter(
    kind: str, size: int, paste: float = 0.0
) -> Callable[[Sequence[np.ndarray]], torch.Tensor]:
    """A function: uint8 (h, w, 3) pictures -> uint8 (n, 3, size, size), by torch's own random
    generator.

    ``light`` hardly crops, ``medium`` somewhat; ``standard`` suits classes and products; ``strong``
    is SimCLR's, for learning without labels. ``paste`` is the share of pictures that are shown
    smaller, on top of another one.
    """
    import torch

    shape, light = _changes(kind, size)

    def change(pictures: Sequence[np.ndarray]) -> torch.Tensor:
        cropped = torch.stack(
            [shape(torch.from_numpy(np.array(one)).permute(2, 0, 1)) for one in pictures]
        )
        cropped = pasted(cropped, paste) if paste else cropped
        if light is None:
            return cropped
        # else neighbours of one class would always share their light
        mixed = torch.randperm(len(cropped))
        for start in range(0, len(mixed), CHUNK):
            rows = mixed[start : start + CHUNK]
            cropped[rows] = light(cropped[rows])
        return cropped

    return change


def pasted(views: torch.Tensor, share: float) -> torch.Tensor:
    """Some pictures shrunk to 45 to 90 % of the side and laid on another picture of the batch, at a
    random place.

    uint8 (n, 3, size, size) -> the same; chance is torch's own.
    """
    import torch
    from torchvision.transforms.v2 import functional

    size, below = views.shape[-1], views[torch.randperm(len(views))]
    made = views.clone()
    for row in torch.nonzero(torch.rand(len(views)) < share).flatten().tolist():
        side = int(size * (0.45 + 0.45 * torch.rand(()).item()))
        top, left = (int(torch.randint(size - side + 1, ())) for _ in range(2))
        made[row] = below[row]
        made[row, :, top : top + side, left : left + side] = functional.resize(
            views[row], [side, side], antialias=True
        )
    return made


def _changes(kind: str, size: int) -> tuple[Callable, Callable | None]:
    """What is done to each picture, and to each few."""
    from torchvision.transforms import v2

    if kind == "none":
        return v2.Resize((size, size), antialias=True), None
    least, ratio = {
        "light": (0.7, 1.15),
        "medium": (0.5, 1.25),
        "standard": (0.35, 1.33),
        "strong": (0.25, 1.33),
    }[kind]
    shape = v2.Compose(
        [
            v2.RandomResizedCrop(
                (size, size), scale=(least, 1.0), ratio=(1 / ratio, ratio), antialias=True
            ),
            v2.RandomHorizontalFlip(),
        ]
    )
    if kind == "strong":
        jitter = v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.08)], p=0.8)
        return shape, v2.Compose(
            [
                jitter,
                v2.RandomGrayscale(0.1),
                v2.RandomApply([v2.GaussianBlur(5, (0.1, 1.5))], p=0.3),
            ]
        )
    amount = {"light": 0.1, "medium": 0.2, "standard": 0.3}[kind]
    return shape, v2.ColorJitter(amount, amount, amount)


SMALLEST = 0.12
"""Least turn of the hue, as a share of the colour circle: less could be the light."""


def recoloured(
    views: torch.Tensor, labels: torch.Tensor, eligible: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Half the pictures of every eligible class in other colours, as one more class each.

    Negatives of the same shape are as hard as they come, and there are as many products as colours.
    Chance is torch's own.

    Args:
        views: uint8 (n, 3, h, w); changed in place.
        labels: int64 (n,), each below ``classes``.
        eligible: bool (n,), pictures of single things; a class takes part with 4 of them and more.

    Returns:
        The views, and labels (n,) in which a recoloured class is its old label + ``classes``.
    """
    import torch
    from torchvision.transforms.v2 import functional

    labels = labels.clone()
    for label in labels[eligible].unique().tolist():
        rows = torch.nonzero(eligible & (labels == label)).flatten()
        if len(rows) < 4:
            continue
        turn = SMALLEST + (1 - 2 * SMALLEST) * torch.rand(()).item()
        changed = rows[torch.randperm(len(rows))[: len(rows) // 2].to(rows.device)]
        views[changed] = functional.adjust_hue(views[changed], turn if turn <= 0.5 else turn - 1)
        labels[changed] += classes
    return views, labels
