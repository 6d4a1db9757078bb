"""SIFT keypoints, gathered into one vector by VLAD around a codebook of the gallery."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np

from core.encoders.base import Encoder, register
from core.encoders.whitening import hashed
from core.errors import UserError
from core.faiss_loader import faiss
from core.keypoints import SIDE, KeyPoints, detect, root
from core.types import Progress, report

WORDS, WIDTH = 32, 64
SEED = 7
MOST = 400_000
"""Descriptors that a codebook is made from; more change nothing."""


@register
class SiftVlad(Encoder):
    """RootSIFT (Arandjelovic and Zisserman, CVPR 2012), cut to 64 dimensions by PCA, in a VLAD of
    32 words.

    VLAD (Jegou et al., CVPR 2010) sums, for each word of a k-means codebook, how the descriptors
    next to it differ from it; each word's sum is scaled to length 1 (intra-normalisation;
    Arandjelovic and Zisserman, CVPR 2013), then all are square-rooted with their sign. Codebook and
    PCA are fitted on the gallery.
    """

    name = "sift.vlad32"
    title = "SIFT + VLAD"
    family = "keypoints"
    about = (
        "Compares small corners and textures, wherever they are: finds the same printed thing,"
        " turned or half hidden."
    )
    dim = WORDS * WIDTH
    side = SIDE
    fitted = False

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._digest: str | None = None

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "fit": self._digest}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (h, w, 3) -> SIFT descriptors, uint8 (at most 400, 128), at 256 pixels."""
        return detect(image, self.side).descriptors

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        self._need_fit()
        return np.stack([self._vlad(descriptors) for descriptors in batch])

    def _vlad(self, descriptors: np.ndarray) -> np.ndarray:
        sums = np.zeros_like(self._arrays["words"])
        if len(descriptors):
            np.add.at(sums, *self._assigned(descriptors))
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        return (np.sign(sums) * np.sqrt(np.abs(sums))).ravel()

    def cells(self, image: np.ndarray) -> tuple[KeyPoints, np.ndarray, np.ndarray]:
        """The key points of an RGB uint8 picture, the word of each, int64 (n,), and how its
        descriptor differs from that word, float32 (n, WIDTH): what the vector sums."""
        self._need_fit()
        points = detect(image, self.side)
        return points, *self._assigned(points.descriptors)

    def _assigned(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        words = self._arrays["words"]
        points = (root(descriptors) - self._arrays["mean"]) @ self._arrays["axes"].T
        nearest = (points @ words.T - 0.5 * (words**2).sum(axis=1)).argmax(axis=1)
        return nearest, points - words[nearest]

    def fit(
        self, prepared: Iterable[np.ndarray], progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """PCA axes and k-means words of the gallery's descriptors, the same every time.

        Raises:
            UserError: the gallery's pictures have fewer keypoints than the PCA and the codebook
                need.
        """
        from sklearn.decomposition import PCA

        kept = [one for one in prepared if len(one)]
        points = root(np.concatenate(kept)) if kept else np.zeros((0, 128), np.float32)
        if len(points) < max(WORDS, WIDTH):
            raise UserError(
                f"{self.name} finds {len(points)} keypoints in this gallery.",
                f"At least {max(WORDS, WIDTH)} are needed.",
                "Choose another encoder, or pictures with more detail.",
            )
        if len(points) > MOST:
            points = points[np.sort(np.random.default_rng(SEED).permutation(len(points))[:MOST])]
        report(progress, 0, 2)
        found = PCA(WIDTH, svd_solver="covariance_eigh").fit(points)
        report(progress, 1, 2)
        words = _k_means((points - found.mean_) @ found.components_.T)
        report(progress, 2, 2)
        arrays = {"mean": found.mean_, "axes": found.components_, "words": words}
        return {
            name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()
        }

    def with_fit(self, arrays: dict[str, np.ndarray]) -> SiftVlad:
        shapes = {"mean": (128,), "axes": (WIDTH, 128), "words": (WORDS, WIDTH)}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise UserError(
                f"The fit of {self.name} has the wrong shape.", fix="Delete it and build again."
            )
        made = copy.copy(self)
        made._arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        made._digest, made.fitted = hashed(made._arrays), True
        return made


def _k_means(points: np.ndarray) -> np.ndarray:
    """float32 (words, width): faiss k-means, seeded."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    limits = {"max_points_per_centroid": MOST, "min_points_per_centroid": 1}
    means = faiss().Kmeans(points.shape[1], WORDS, niter=25, seed=SEED, **limits)
    means.train(points)
    return means.centroids
