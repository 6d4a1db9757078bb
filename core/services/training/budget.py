"""A run fitted to its pictures and to the time it may take: batch size, epochs, crops, and the
seconds of each phase. How fast this machine trains what is remembered, as last measured."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from core import store
from core.services.hardware import hardware
from core.training.batches import fit_batch, steps_of
from core.training.losses import needs_labels
from core.training.runs import COMPARING, LEARNING, PICTURES, WEIGHTS
from core.training.settings import Settings
from core.training.sources import Outline, made_up, outline
from core.training.validate import GALLERY

PROBE_STEPS = 4
MAX_PASSES = 20
"""Epochs at most: more passes over the same pictures learn pictures and not what they show."""
MIN_PASSES = 3
"""Epochs that are worth more than larger crops."""
CROPS = (1.0, 0.82, 0.73)
"""Sides of the crops that are tried, as shares of the recipe's."""
VALIDATION_SHARE = 0.1
LEARNING_SHARE = 0.5
"""At least this much of the time is spent on learning, however long reading and comparing take."""
DECODED_S, START_S, FORWARD = 120.0, 8.0, 2.0
"""Pictures decoded a second; seconds to load a network; how much faster encoding is."""
READY_S = 4.0
"""Until the two networks of before and after can encode: loaded, compiled, tried."""

Measure = Callable[[Settings, list[Outline]], float]


@dataclass(frozen=True, slots=True)
class Fitted:
    """``notes`` say what was changed and why. ``images_s`` is the pace that all times go by, None
    where it is not known; ``seconds`` are those of each phase, None where they are not known."""

    settings: Settings
    sources: tuple[Outline, ...]
    notes: tuple[str, ...]
    steps: int
    images_s: float | None
    seconds: dict[str, float | None]

    @property
    def total(self) -> float | None:
        """Seconds of the whole run."""
        known = [one for one in self.seconds.values() if one is not None]
        return sum(known) if len(known) == len(self.seconds) else None


def fitted(settings: Settings, measure: Measure | None = None) -> Fitted:
    """A drafted or resolved run with everything fitted that depends on its pictures and on this
    machine.

    ``measure`` finds the pace where nothing is remembered; without it epochs stay open
    (``images_s`` is None).

    Raises:
        UserError: everything in the datasets that can't be learned from.
    """
    found = outline(settings, needs_labels(settings))
    counts = [source.learned for source in found]
    settings, notes = fit_batch(settings, counts, max(source.largest for source in found))
    images_s = recall_pace(settings)
    if images_s is None and measure is not None:
        images_s = measure(settings, found)
        remember_pace(settings, images_s)
    if settings.minutes:
        settings, images_s = _fit_time(settings, found, images_s)
    steps = steps_of(sum(counts), settings) * settings.epochs
    return Fitted(
        settings,
        tuple(found),
        tuple(notes),
        steps,
        images_s,
        _seconds(settings, found, steps, images_s),
    )


def measured(settings: Settings, found: list[Outline]) -> float:
    """Pictures a second of a few steps on made-up pictures. Raises UserError: no network."""
    from core.training.train import probe

    return probe(settings, made_up(settings, found), PROBE_STEPS)


def _fit_time(
    settings: Settings, found: list[Outline], images_s: float | None
) -> tuple[Settings, float | None]:
    """The settings with the epochs that fit, on crops that leave time for some, and the pace."""
    if images_s is None:
        return settings, None
    learned, before = sum(source.learned for source in found), _around(settings, found, images_s)
    whole = settings.minutes * 60
    learning = max(whole - sum(before.values()), LEARNING_SHARE * whole) * (1 - VALIDATION_SHARE)
    side = settings.crop or settings.size
    if not settings.crop:
        sides = [side]
    else:
        sides = [int(side * share) // 16 * 16 for share in CROPS if side * share >= 64] or [side]
    for chosen in sides:
        speed = recall_pace(replace(settings, crop=chosen)) if chosen != side else images_s
        speed = speed or images_s * (side / chosen) ** 2
        passes = learning * speed / learned
        if passes >= MIN_PASSES:
            break
    settings = replace(
        settings, crop=chosen if settings.crop else 0, **_epochs(min(passes, MAX_PASSES), learned)
    )
    each = _validated(found) / (FORWARD * images_s)
    rounds = max(1, int(learning * VALIDATION_SHARE / each)) if each else settings.epochs
    return replace(settings, validate_every=max(1, -(-settings.epochs // rounds))), speed


def _epochs(passes: float, learned: int) -> dict[str, Any]:
    """Whole epochs; parts of one where time is too short for a few whole ones."""
    if passes >= MIN_PASSES:
        return {"epochs": int(passes), "epoch_images": 0}
    return {"epochs": MIN_PASSES, "epoch_images": max(1, int(passes * learned / MIN_PASSES))}


def _around(settings: Settings, found: list[Outline], images_s: float) -> dict[str, float]:
    """Seconds of each phase but learning. For before and after two encoders encode everything."""
    read = sum(source.learned + source.kept_back for source in found)
    compared = sum(source.pictures for source in found if source.field)
    return {
        PICTURES: read / DECODED_S,
        WEIGHTS: START_S,
        COMPARING: READY_S + 2 * compared / (FORWARD * images_s),
    }


def _validated(found: list[Outline]) -> int:
    """Pictures that a validation encodes."""
    return sum(
        max(one.kept_back, min(GALLERY, one.learned + one.kept_back))
        for one in found
        if one.kept_back
    )


def _seconds(
    settings: Settings, found: list[Outline], steps: int, images_s: float | None
) -> dict[str, float | None]:
    if images_s is None:
        read = sum(source.learned + source.kept_back for source in found) / DECODED_S
        rest = settings.minutes * 60 - read - START_S if settings.minutes else None
        return {
            PICTURES: read,
            WEIGHTS: START_S,
            LEARNING: rest and max(rest, 0.0),
            COMPARING: 0.0 if rest else None,
        }
    around = _around(settings, found, images_s)
    validations = (
        settings.epochs / settings.validate_every * _validated(found) / (FORWARD * images_s)
    )
    learning = steps * settings.batch / images_s + validations
    return {
        PICTURES: around[PICTURES],
        WEIGHTS: START_S,
        LEARNING: learning,
        COMPARING: around[COMPARING],
    }


CAUSES = (
    "kind",
    "backbone",
    "levels",
    "dim",
    "size",
    "crop",
    "loss",
    "teacher",
    "batch",
    "augment",
    "ema",
    "freeze_epochs",
    "neck",
    "freeze_norm",
    "frozen_stages",
    "paste",
    "teacher_size",
)
"""The settings that decide how long a step takes."""
KEEP = 200


def remember_pace(settings: Settings, images_s: float) -> None:
    """Note pictures a second; the newest figure of a kind is the one that counts."""
    with store.lock("pace"):
        noted = {**_noted(), _key(settings): [round(images_s, 2), time.time()]}
        newest = dict(sorted(noted.items(), key=lambda pair: pair[1][1])[-KEEP:])
        store.write_text(_file(), json.dumps(newest))


def recall_pace(settings: Settings) -> float | None:
    """Pictures a second of steps like these on this machine; None where none were measured."""
    found = _noted().get(_key(settings))
    return found[0] if found and found[0] > 0 else None


def forget_pace(settings: Settings) -> None:
    """Measure steps like these anew."""
    with store.lock("pace"):
        store.write_text(
            _file(),
            json.dumps({key: value for key, value in _noted().items() if key != _key(settings)}),
        )


def _key(settings: Settings) -> str:
    return store.fingerprint(
        [hardware().split(",")[0], {name: getattr(settings, name) for name in CAUSES}]
    )


def _file():
    return store.root() / "cache" / "pace.json"


def _noted() -> dict[str, list[float]]:
    try:
        found = json.loads(store.existing(_file()).read_text())
        return {key: [float(speed), float(when)] for key, (speed, when) in found.items()}
    except store.UNREADABLE:
        return {}
