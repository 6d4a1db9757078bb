"""Principal components: the flat shadow that keeps the most variance. Fast and exact."""

from pathlib import Path

import numpy as np

from core.projections.base import BLOCK, Projection, register
from core.types import Progress, Step, doing, report


@register
class Pca(Projection):
    """Pearson, 1901; Hotelling, 1933. From the covariance, by blocks: memory stays flat."""

    name = "pca"
    title = "PCA"
    about = (
        "The two directions in which the vectors differ most. A shadow: far things may fall"
        " together."
    )
    reading = (
        "Far apart on this map means really far apart in these two directions; close together can"
        " still be far apart in the directions that it leaves out."
    )

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.axes = np.zeros(0, np.float32), np.zeros((0, 2), np.float32)
        self.share = np.zeros(2)

    def _fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None,
        anchor: np.ndarray | None,
        **params: float,
    ) -> np.ndarray:
        progress = doing(progress, Step.FIT)
        total, product = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1],) * 2)
        for start in range(0, len(vectors), BLOCK):
            report(progress, start, len(vectors))
            block = np.asarray(vectors[start : start + BLOCK], dtype=np.float64)
            total += block.sum(axis=0)
            product += block.T @ block
        mean = total / len(vectors)
        values, axes = np.linalg.eigh(product / len(vectors) - np.outer(mean, mean))
        axes = axes[:, ::-1][:, :2]
        if axes.shape[1] < 2:
            axes = np.column_stack([axes, np.zeros(len(axes))])
        # an axis has no natural direction: choose one
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]] + 1e-30)
        self.mean, self.axes = mean.astype(np.float32), axes.astype(np.float32)
        self.share = np.maximum(values[::-1][:2], 0) / max(values.sum(), 1e-30)
        report(progress, len(vectors), len(vectors))
        starts = range(0, len(vectors), BLOCK)
        return np.concatenate(
            [self._transform(np.asarray(vectors[start : start + BLOCK])) for start in starts]
        )

    def _transform(self, vectors: np.ndarray) -> np.ndarray:
        return (vectors - self.mean) @ self.axes

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "axes.npy", np.vstack([self.mean, self.axes.T]))

    def load(self, folder: Path, vectors: np.ndarray, rows: np.ndarray | None = None) -> None:
        super().load(folder, vectors, rows)
        rows = np.load(folder / "axes.npy", allow_pickle=False)
        if rows.shape != (3, vectors.shape[1]):
            raise ValueError(
                f"axes of shape {rows.shape} for vectors of {vectors.shape[1]} dimensions"
            )
        self.mean, self.axes = rows[0], rows[1:].T
