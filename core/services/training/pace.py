"""How fast this machine trains what, as last measured: an estimate takes it up instead of measuring
again."""

import json
import time

from core import store
from core.services.hardware import hardware
from core.training.settings import Settings

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


def remember(settings: Settings, images_s: float) -> None:
    """Note pictures a second; the newest figure of a kind is the one that counts."""
    with store.lock("pace"):
        noted = {**_noted(), _key(settings): [round(images_s, 2), time.time()]}
        newest = dict(sorted(noted.items(), key=lambda pair: pair[1][1])[-KEEP:])
        store.write_text(_file(), json.dumps(newest))


def recall(settings: Settings) -> float | None:
    """Pictures a second of steps like these on this machine; None where none were measured."""
    found = _noted().get(_key(settings))
    return found[0] if found and found[0] > 0 else None


def forget(settings: Settings) -> None:
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
