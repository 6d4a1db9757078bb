"""Which pictures stand in which batch. The order of an epoch follows from (seed, epoch) alone: a
resumed run needs no memory."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from core.errors import UserError
from core.training.losses import leave_faiss_alone
from core.training.settings import Settings
from core.training.sources import Source

MAX_REPEATS = 4
"""How often a batch may hold each picture of a dataset, on average."""


def quotas(sources: Sequence[Source], settings: Settings) -> list[int]:
    """How many pictures of each batch come from each source; a multiple of ``per_class`` where that
    is set."""
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
