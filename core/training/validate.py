"""How good a network is on held-out pictures: MAP@R (Musgrave et al., 2020), or drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.metrics import table
from core.metrics.ranked import rank
from core.neighbours import cosine_matrix
from core.training.batches import augmenter
from core.training.sources import Source

if TYPE_CHECKING:
    import torch

BATCH = 256
SEED = 20_000


def map_at_r(vectors: np.ndarray, labels: np.ndarray, queries: int | None = None) -> float:
    """Mean over all rows of 1/R * sum of P(i) rel_i for i <= R; rows alone in their class are left
    out.

    Args:
        vectors: float (n, dim), unit rows. labels: int (n,). queries: so many first rows ask, all
            are searched; None = all ask.
    """
    scores = cosine_matrix(vectors[:queries], vectors)
    lists = rank(scores, labels[:queries, None] == labels, np.eye(*scores.shape, dtype=bool))
    found = table.map_at_r(lists)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def embed_pictures(
    embed, pictures: Sequence[np.ndarray], size: int, share: float = 1.0
) -> np.ndarray:
    """Unit embeddings, float32 (n, dim), of uint8 squares, of whose sides the middle ``share`` is
    shown; ``embed`` maps a uint8 (n, 3, size, size) tensor to embeddings."""
    import torch

    cuts = [round(picture.shape[0] * (1 - share) / 2) for picture in pictures]
    pictures = [
        one[cut : len(one) - cut, cut : len(one) - cut]
        for one, cut in zip(pictures, cuts, strict=True)
    ]
    plain = augmenter("none", size)
    rows = [
        embed(plain(pictures[start : start + BATCH])) for start in range(0, len(pictures), BATCH)
    ]
    return torch.nn.functional.normalize(torch.cat(rows)).float().cpu().numpy()


def pair_threshold(vectors: np.ndarray, labels: np.ndarray) -> float | None:
    """The Euclidean distance at which as many equal pairs are called different as different ones
    equal (equal error rate).

    Args:
        vectors: float (n, dim), unit rows. labels: int (n,). None where there are no pairs of both
            kinds.
    """
    rows, columns = np.triu_indices(len(vectors), 1)
    distances = np.sqrt(np.maximum(2 - 2 * (vectors @ vectors.T)[rows, columns], 0))
    same = labels[rows] == labels[columns]
    if not same.any() or same.all():
        return None
    order = np.argsort(distances, kind="stable")
    missed = 1 - np.cumsum(same[order]) / same.sum()
    taken = np.cumsum(~same[order]) / (~same).sum()
    return float(distances[order][np.argmin(np.abs(missed - taken))])


RETRIEVAL = (
    "MAP@R of pictures kept back, among themselves and, where they are few, learned ones; without"
    " labels, the share that is found by a crop of itself"
)
GALLERY = 400
"""Pictures to search among at least: a handful kept back would be found by chance."""
DRAWING = "share of the variance of pictures kept back that their drawings explain"


def validate(
    embed, sources: Sequence[Source], size: int, errors=None, share: float = 1.0
) -> dict[str, float]:
    """``RETRIEVAL`` of each source by the middle ``share`` of its squares, or ``DRAWING`` where
    ``errors`` maps uint8 (n, 3, size, size) to explained shares (n,)."""
    scores = {}
    for source in sources:
        if len(source.validation):
            scores[source.name] = (
                _drawn(errors, source, size) if errors else _score(embed, source, size, share)
            )
    known = [score for score in scores.values() if not np.isnan(score)]
    return {**scores, "mean": float(np.mean(known)) if known else float("nan")}


def _drawn(errors, source: Source, size: int) -> float:
    plain = augmenter("none", size)
    pictures = [source.pictures[row] for row in source.validation]
    shares = [
        errors(plain(pictures[start : start + BATCH])) for start in range(0, len(pictures), BATCH)
    ]
    return float(np.concatenate(shares).mean())


def _joined(source: Source) -> np.ndarray:
    """Rows of learned pictures that are searched too, the same ones each time."""
    missing = GALLERY - len(source.validation)
    return np.random.default_rng(SEED).permutation(source.train)[: max(missing, 0)]


def _score(embed, source: Source, size: int, share: float) -> float:
    import torch

    rows = np.concatenate([source.validation, _joined(source)])
    if source.field and (source.labels[rows] >= 0).all():
        vectors = embed_pictures(embed, [source.pictures[row] for row in rows], size, share)
        return map_at_r(vectors, source.labels[rows], len(source.validation))
    pictures = [source.pictures[row] for row in source.validation]
    vectors = embed_pictures(embed, pictures, size, share)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        crops: torch.Tensor = augmenter("standard", size)(pictures)
    views = embed_pictures(embed, list(crops.permute(0, 2, 3, 1).numpy()), size)
    return float(
        (np.argmax(cosine_matrix(views, vectors), axis=1) == np.arange(len(vectors))).mean()
    )
