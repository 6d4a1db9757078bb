"""What every encoder promises, and the check that it keeps it.

To add one, write a file here with a child of :class:`Encoder` under ``@register``: the pages, the
command line and the contract tests find it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from core.errors import UserError
from core.registry import Registry
from core.types import Positions, Progress, State

encoders: Registry[Encoder] = Registry("encoder", "core.encoders")
VERSION = 1
Prepared = Any
"""What an encoder's ``prepare`` makes of a picture and its ``_encode`` takes: mostly an array."""
READY = State("ready")


class Words(Protocol):
    """Puts text where an encoder puts the pictures that it describes."""

    languages: str
    """The languages that it was trained with, as the model's card says."""

    def state(self) -> State:
        """Whether it can be used now."""

    def load(self, progress: Progress | None = None) -> None:
        """Make ready to encode, downloading weights first where needed. Cheap to repeat. Raises
        UserError, or Cancelled."""

    def encode(self, text: str) -> np.ndarray:
        """A text -> float32 (1, dim), unit length. Raises UserError."""

    def cut(self, text: str) -> int:
        """Tokens that are read of a text that is too long; 0: all of it is. Raises UserError."""


class Encoder(ABC):
    """Pictures to unit vectors.

    A child gives ``name`` (``architecture.tag``), ``dim``, ``prepare`` (one picture, runs in worker
    processes) and ``_encode`` (a batch). The base class checks shape and finiteness and normalises
    to unit length.
    """

    name: str = ""
    title: str = ""
    family: str = ""
    """One word on what it looks at: ``colour``, ``gradients``, ``network`` ..."""
    tier: str = "bundled"
    """``bundled`` and ``packaged`` (weights in a pip package) work offline, ``pretrained``
    downloads on first use, ``imported`` are a user's own vectors."""
    about: str = ""
    dim: int = 0
    side: int | None = None
    """Pixels on the short side that ``prepare`` needs; a JPEG may be decoded smaller, down to twice
    that."""
    batch: int = 64
    forks: bool = True
    """False where ``prepare`` runs torch, which may hang in a forked process."""
    streams: bool = False
    """True for a network that several threads may run at once, each on one core, and whose
    ``prepare`` spends its time outside of Python: a build then needs no worker processes."""
    resizes: bool = False
    """True where most of ``prepare`` is what :mod:`core.encoders.resampling` makes quicker."""
    one_core: bool = False
    """True while each call runs on one core, so that others can be at work beside it."""
    has_positions: bool = False
    """Whether :meth:`positions` tells anything."""
    fitted: bool = True
    """False while :meth:`fit` on the gallery has to come first."""
    matches: bool = False
    """True where hits are ranked by matched key points (:mod:`core.keypoints`): scores are inliers,
    and vectors only choose which pictures of a large gallery are compared."""
    matcher: str = ""
    """How the nearest descriptors are found, if so: one of :data:`core.keypoints.MATCHERS`."""
    base: str | None = None
    """Name of the encoder whose vectors this one transforms: no picture is encoded twice."""
    words: Words | None = None
    """What puts text into the space of the vectors; None where text has no place there."""

    def state(self) -> State:
        return READY

    def fingerprint(self) -> dict:
        """What decides the vectors: architecture, weights, preprocessing, precision, version."""
        return {
            "encoder": self.name,
            "dim": self.dim,
            "version": VERSION,
            "code": getattr(self, "version", 1),
        }

    def matchers(self) -> dict[str, str]:
        """Where hits are ranked by matched key points: each way to match them, and the name of this
        encoder with it."""
        return {}

    @property
    def stored_dim(self) -> int:
        """How many numbers a build keeps of a picture: those of its vector, as a rule."""
        return self.dim

    def load(self, progress: Progress | None = None) -> None:
        """Read weights into memory, downloading them first where needed. Cheap to repeat."""

    def compile(self, progress: Progress | None = None) -> None:
        """Make ready to encode many pictures: what takes seconds once a machine and makes every
        picture quicker from then on. Raises as ``load``."""

    @property
    def preparation(self) -> Hashable:
        """What ``prepare`` does, where another encoder may do the very same: what one of them made
        serves both then. None where nobody else does."""
        return None

    @abstractmethod
    def prepare(self, image: np.ndarray) -> Prepared:
        """An RGB uint8 (h, w, 3) picture -> what ``_encode`` takes. Needs no weights; picklable."""

    @abstractmethod
    def _encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Prepared pictures -> (n, dim), any float type, any length."""

    def encode(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """RGB uint8 pictures -> float32 (n, dim) with unit rows."""
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_prepared(self, batch: Sequence[Prepared]) -> np.ndarray:
        """What ``prepare`` made -> float32 (n, dim) with unit rows.

        Raises:
            ValueError: wrong shape or not finite: the encoder is at fault. A picture in which it
                finds nothing (a zero vector) becomes the constant unit vector, so that it is far
                from everything and never NaN.
        """
        if not len(batch):
            return np.zeros((0, self.dim), np.float32)
        vectors = np.asarray(self._encode(batch), dtype=np.float32)
        if vectors.shape != (len(batch), self.dim):
            raise ValueError(f"{self.name} gave {vectors.shape}, promised {(len(batch), self.dim)}")
        return unit_rows(vectors, self.name)

    def encode_stored(self, batch: Sequence[Prepared]) -> np.ndarray:
        """What ``prepare`` made -> float32 (n, stored_dim): what a build keeps."""
        return self.encode_prepared(batch)

    def positions(self, images: Sequence[np.ndarray]) -> list[Positions] | None:
        """What each position of RGB uint8 pictures adds to their vectors; None where this encoder
        has no positions, or looks at them in another way."""
        return None

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture of this size that ``prepare`` looks at: x0, y0, x1, y1 in fractions
        of it; outside 0..1 where it pads."""
        return 0.0, 0.0, 1.0, 1.0

    def fit(
        self, prepared: Iterable[Prepared], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Learn from a sample what :meth:`with_fit` takes. Only where not ``fitted``."""
        raise UserError(f"{self.name} has nothing to fit.")

    def with_fit(self, arrays: dict[str, np.ndarray]) -> Encoder:
        """This encoder, fitted."""
        return self

    def _need_fit(self) -> None:
        if not self.fitted:
            raise UserError(f"{self.name} has to be fitted on the gallery first.", fix="Build it.")


def register(cls: type[Encoder]) -> type[Encoder]:
    """Class decorator: make an encoder known by its ``name``."""
    encoders.add(cls.name, cls)
    return cls


def unit_rows(vectors: np.ndarray, name: str = "encoder") -> np.ndarray:
    """Rows scaled to length 1; zero rows become the constant unit vector. Raises ValueError on NaN
    or infinity."""
    if not np.isfinite(vectors).all():
        raise ValueError(f"{name} gave a vector that is not finite")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    constant = np.float32(1.0 / np.sqrt(max(vectors.shape[1], 1)))
    return np.where(lengths > 1e-12, vectors / np.maximum(lengths, 1e-12), constant).astype(
        np.float32
    )
