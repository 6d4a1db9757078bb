"""Galleries of crops: the encoder ``NAME@DETECTOR`` sees of each picture the main box of a detector
alone.

It is an encoder like any other: its vectors, indexes and figures lie beside those of ``NAME`` under
keys of their own, and a
query by it is cropped in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.detectors.base import Detector, NothingToFind, detectors
from core.detectors.choose import MARGIN, SQUARE, Edges, part
from core.encoders.base import Encoder, Words, encoders
from core.errors import UserError
from core.images import crop
from core.services.embedding.detecting import ready_detector
from core.types import Progress, State

MARK = "@"
LIST = Path("library", "crops.json")
CHOICE = 1
"""Changes when the rule of the main box does."""


class Cropped(Encoder):
    """``inner`` on the subject of each picture; what is asked of it and not said here is asked of
    ``inner``."""

    side = None

    def __init__(self, inner: Any, detector: Detector) -> None:
        if inner.base is not None or inner.tier == "imported":
            why = f"are made from those of {inner.base}" if inner.base else "were brought"
            raise UserError(
                f"{inner.name} sees no pictures: its vectors {why}.",
                "Crops are for encoders that look at pictures.",
            )
        self.inner, self.detector = inner, detector
        self.name = f"{inner.name}{MARK}{detector.name}"
        self.title = f"{inner.title or inner.name}, crops ({detector.title})"
        self.about = f"{inner.about} Sees the main box of {detector.title} alone."
        self.family, self.tier, self.batch = inner.family, inner.tier, inner.batch
        self._last: tuple[bytes, Edges | None] | None = None

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name in ("inner", "_last"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def forks(self) -> bool:  # type: ignore[override]
        return self.detector.forks

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.inner.dim

    @property
    def words(self) -> Words | None:
        return self.inner.words

    @property
    def fitted(self) -> bool:  # type: ignore[override]
        return self.inner.fitted

    @property
    def form(self) -> str:
        return self.inner.form

    @form.setter
    def form(self, form: str) -> None:
        self.inner.form = form

    def state(self) -> State:
        states = self.inner.state(), self.detector.state()
        worst = max(
            states, key=lambda state: ("ready", "download", "unavailable").index(state.kind)
        )
        return State(worst.kind, worst.detail, sum(state.bytes for state in states))

    def fingerprint(self) -> dict:
        crops = {
            **self.detector.fingerprint(),
            "margin": MARGIN,
            "square": SQUARE,
            "choice": CHOICE,
        }
        return {**self.inner.fingerprint(), "encoder": self.name, "crops": crops}

    def load(self, progress: Progress | None = None) -> None:
        self.inner.load(progress)
        self.detector = ready_detector(self.detector.name, progress, may_fetch=True)

    def part(self, image: np.ndarray) -> Edges | None:
        """The part of an RGB picture that is encoded; None = all of it. The last answer is kept:
        several ask for one picture."""
        mark = (
            hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            + repr(image.shape).encode()
        )
        last = self._last
        if last is None or last[0] != mark:
            self._last = last = mark, self._part(image)
        return last[1]

    def _part(self, image: np.ndarray) -> Edges | None:
        try:
            return part(self.detector.detect(image), image.shape[1::-1])
        except NothingToFind:
            return None

    def prepare(self, image: np.ndarray) -> np.ndarray:
        box = self.part(image)
        return self.inner.prepare(image if box is None else crop(image, box))

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return self.inner._encode(batch)

    def fit(
        self, prepared: Iterable[np.ndarray], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        return self.inner.fit(prepared, progress)

    def with_fit(self, arrays: dict[str, np.ndarray]) -> Encoder:
        return Cropped(self.inner.with_fit(arrays), self.detector)


def named(encoder: str, detector: str) -> str:
    """The name of ``encoder`` on the crops of ``detector``. Raises UserError where a name is
    unknown."""
    detectors.get(detector)
    made = encoders.get(encoder)
    return Cropped(made.inner if isinstance(made, Cropped) else made, detectors.get(detector)).name


def remember(names: Iterable[str]) -> None:
    """List these among the encoders from now on: somebody built them."""
    known = _listed()
    if new := [name for name in names if MARK in name and name not in known]:
        with store.lock("crops"):
            store.write_text(store.root() / LIST, json.dumps(sorted({*_listed(), *new})))


def _listed() -> list[str]:
    names: dict[str, None] = {}
    for home in store.layers():
        try:
            found = json.loads((home / LIST).read_text())
        except (OSError, ValueError):
            continue
        if isinstance(found, list):
            names |= {name: None for name in found if isinstance(name, str) and _split(name)}
    return list(names)


def _split(name: str) -> tuple[str, str] | None:
    inner, _, detector = name.rpartition(MARK)
    return (inner, detector) if inner and detector in detectors.names() else None


def _find(name: str) -> Cropped | None:
    split = _split(name)
    return Cropped(encoders.get(split[0]), detectors.get(split[1])) if split else None


encoders.add_finder(_listed, _find, first=True)
