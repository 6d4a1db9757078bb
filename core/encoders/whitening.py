"""PCA-whitening of any encoder's vectors, fitted on the gallery: ``name:pca=256``."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from core import options as opt
from core.encoders.base import Encoder, encoders, unit_rows
from core.errors import UserError
from core.types import Positions, Progress, State

LARGEST = 8192
SAMPLE = 100_000
"""Rows that a fit looks at: a fixed choice where the gallery has more."""


class Whitened(Encoder):
    """Vectors of ``base``, decorrelated and scaled to equal variance, cut to ``dim`` (Jegou and
    Chum, ECCV 2012).

    Directions that many pictures of the gallery share count less afterwards. :meth:`with_base` puts
    a fitted base in, :meth:`fit` learns from the base's vectors, :meth:`transform` needs nothing
    but them.
    """

    fitted = False

    def __init__(self, encoder: Encoder, dim: int) -> None:
        base, options = opt.split(encoder.name)
        self.name = opt.join(base, {**options, opt.LAST: str(dim)})
        self.dim, self.base = dim, encoder.name
        self.title, self.family = f"{encoder.title}, whitened to {dim}", encoder.family
        self.about = (
            f"{encoder.about} Whitened on the gallery: what many of its pictures share counts less."
        )
        self.tier, self.batch = encoder.tier, encoder.batch
        self.has_positions = encoder.has_positions
        self._encoder = encoder
        self._arrays: dict[str, np.ndarray] = {}
        self._digest: str | None = None

    @property
    def side(self) -> int | None:
        return self._encoder.side

    def state(self) -> State:
        return self._encoder.state()

    def load(self, progress: Progress | None = None) -> None:
        self._encoder.load(progress)

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "base": self._encoder.fingerprint(), "fit": self._digest}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return self._encoder.prepare(image)

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        return self._encoder.seen(width, height)

    def positions(self, images: Sequence[np.ndarray]) -> list[Positions] | None:
        """Those of the base, behind the whitening: it is linear, and its mean is divided evenly."""
        self._need_fit()
        found = self._encoder.positions(images)
        return found and [self._whitened(one) for one in found]

    def _whitened(self, found: Positions) -> Positions:
        if not found.exact:
            return found
        length = np.linalg.norm(found.parts.sum(axis=(0, 1)))
        count = found.parts.shape[0] * found.parts.shape[1]
        parts = found.parts / max(length, 1e-12) - self._arrays["mean"] / count
        return Positions(parts @ self._arrays["axes"].T, True, f"{found.how}; whitened")

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        # whoever asks scales it, once: twice is another last digit
        return self._moved(self._encoder.encode_prepared(batch))

    def with_base(self, encoder: Encoder) -> Whitened:
        """The same on this object for its base: one that is loaded, or fitted."""
        made = copy.copy(self)
        made._encoder = encoder
        return made

    def fit(
        self, vectors: Iterable[np.ndarray], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Learn from the base's vectors of the gallery, float32 (n, base dim).

        Raises:
            UserError: fewer dimensions, or fewer pictures, than ``dim``.
        """
        from sklearn.decomposition import PCA

        rows = vectors if isinstance(vectors, np.ndarray) else np.stack(list(vectors))
        self._refuse(*rows.shape)
        if len(rows) > SAMPLE:
            rows = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])]
        solver = "covariance_eigh" if len(rows) >= rows.shape[1] else "full"
        found = PCA(self.dim, svd_solver=solver).fit(np.asarray(rows, dtype=np.float64))
        variance = found.explained_variance_
        # directions in which the gallery does not differ would be pure noise
        floor = max(variance[0], 1e-12) * 1e-6
        scale = np.where(variance > floor, 1.0 / np.sqrt(np.maximum(variance, floor)), 0.0)
        axes = (found.components_ * scale[:, None]).astype(np.float32)
        return {"mean": found.mean_.astype(np.float32), "axes": axes}

    def with_fit(self, arrays: dict[str, np.ndarray]) -> Whitened:
        mean, axes = arrays["mean"], arrays["axes"]
        if axes.shape != (self.dim, *mean.shape):
            raise UserError(
                f"The fit of {self.name} has the shape {axes.shape}.",
                fix="Delete it and build again.",
            )
        made = copy.copy(self)
        made._arrays = {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}
        made._digest, made.fitted = hashed(made._arrays), True
        return made

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Base vectors (n, base dim) -> unit rows float32 (n, dim). Raises UserError: unfitted."""
        return unit_rows(self._moved(vectors), self.name)

    def _moved(self, vectors: np.ndarray) -> np.ndarray:
        self._need_fit()
        return (np.asarray(vectors, dtype=np.float32) - self._arrays["mean"]) @ self._arrays[
            "axes"
        ].T

    def _refuse(self, count: int, width: int) -> None:
        most = min(count, width)
        if self.dim > most:
            raise UserError(
                f"pca={self.dim} can't be fitted: {self.base} has {width} dimensions and the"
                f" gallery {count} pictures.",
                f"pca is at most {most} here.",
            )


def hashed(arrays: dict[str, np.ndarray]) -> str:
    """20 hex digits of names, types, shapes and numbers."""
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        hasher.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return hasher.hexdigest()[:20]


def _find(name: str) -> Whitened | None:
    """Any name with ``pca=``; and the error for an option that a known encoder lacks."""
    base, options = opt.split(name)
    if not options:
        return None
    asked = options.pop(opt.LAST, None)
    if asked is not None:
        dim = opt.whole(base, opt.LAST, asked, 2, LARGEST)
        encoder = encoders.get(opt.join(base, options))
        if encoder.tier == "imported":
            raise UserError(f"{base} are imported vectors, which can't be whitened here.")
        if encoder.matches:
            raise UserError(f"{base} compares key points; only vectors can be whitened.")
        if encoder.state().kind != "unavailable" and dim > encoder.dim:
            raise UserError(
                f"{encoder.name} has {encoder.dim} dimensions.",
                f"pca is at most {encoder.dim} here.",
            )
        return Whitened(encoder, dim)
    if base in encoders.names():
        opt.refuse_unknown(base, options, (opt.LAST,))
    return None


encoders.add_finder(list, _find, last=True)
