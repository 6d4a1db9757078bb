"""The perturbation lab: is the original of a distorted picture still found?."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import images, store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.neighbours import cosine_matrix, rows_without_own
from core.services.embedding import stored
from core.services.embedding.bound import with_vectors
from core.services.evaluation.distortions import DISTORTIONS, distort
from core.services.search.compare import overlap, rank_biased_overlap
from core.services.search.request import item_of
from core.types import Item, Progress, report

KIND = "robustness"
VERSION = 1
SAMPLE, K, SEED = 60, 10, 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A distorted picture by an encoder: its original's rank, cosine; what of its top K is left."""

    encoder: str
    rank: int
    cosine: float
    overlap: float
    rbo: float
    hits: tuple[str, ...]


def robustness(
    dataset: Dataset,
    encoder_name: str,
    sample: int = SAMPLE,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict:
    """Curves over growing strength, from the cache where they were measured before.

    Returns:
        ``sample``, ``k``, and ``curves``: distortion -> rows of strength, ``recall@1`` and
        ``recall@10`` of the original, ``overlap`` and ``rbo`` with the undistorted answer,
        ``cosine``; the first row is the undistorted picture.

    Raises:
        UserError: the embeddings are not built, an unknown distortion, or vectors that were brought
            (nothing can be encoded).
    """
    if sample < 1:
        raise UserError(f"A sample of {sample} pictures was asked for.", "It is 1 or more.")
    encoder = with_vectors(dataset, encoder_name).loaded()
    wanted = [DISTORTIONS[name].name for name in _known(names)]
    if encoder.tier == "imported":
        raise UserError(
            f"{encoder_name} are imported vectors: a distorted picture can't be encoded with them."
        )
    causes = {
        **stored.causes(dataset, encoder),
        "sample": sample,
        "distortions": wanted,
        "version": VERSION,
    }

    def write(folder: Path) -> dict:
        (folder / "curves.json").write_text(
            json.dumps(_measure(dataset, encoder, sample, wanted, progress))
        )
        return dataset.owned(encoder.name)

    return store.kept(KIND, causes, write, _read, progress)


def _read(folder: Path) -> dict:
    made = json.loads((folder / "curves.json").read_text())
    return {name: made[name] for name in ("sample", "k", "curves")}


def _known(names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in DISTORTIONS:
            raise UserError(
                f"There is no distortion {name[:40]!r}.", f"Known: {', '.join(DISTORTIONS)}."
            )
    return [name for name in DISTORTIONS if not names or name in names]


def sampled(items: Sequence[Item], count: int) -> list[int]:
    """Rows of a fixed random sample, query splits first where there are any."""
    asking = [
        row
        for row, item in enumerate(items)
        if (item.split or "").lower() in ("test", "query", "validation")
    ]
    rows = np.array(asking or range(len(items)))
    return sorted(np.random.default_rng(SEED).permutation(rows)[:count].tolist())


def _measure(
    dataset: Dataset, encoder: Encoder, sample: int, names: Sequence[str], progress: Progress | None
) -> dict:
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    rows = sampled(items, sample)
    pictures = [images.decode(dataset.read(items[row])) for row in rows]
    everything = np.arange(len(items))
    usual = _ranking(encoder, pictures, found.vectors, everything)
    curves, done, total = {}, 0, sum(len(DISTORTIONS[name].strengths) for name in names)
    for name in names:
        kind = DISTORTIONS[name]
        curves[name] = [_row(kind.none, usual, usual, rows)]
        for strength in kind.strengths:
            report(progress, done, total)
            changed = [distort(picture, name, strength) for picture in pictures]
            curves[name].append(
                _row(strength, _ranking(encoder, changed, found.vectors, everything), usual, rows)
            )
            done += 1
    report(progress, total, total)
    return {"sample": len(rows), "k": K, "curves": curves}


def _ranking(
    encoder: Encoder, pictures: Sequence[np.ndarray], vectors: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (q, n), and columns from best to worst (q, n), ties by row."""
    parts = [
        encoder.encode(pictures[start : start + encoder.batch])
        for start in range(0, len(pictures), encoder.batch)
    ]
    similar = cosine_matrix(np.concatenate(parts), vectors, rows)
    return similar, np.argsort(-similar, axis=1, kind="stable")


def _row(strength: float, changed: tuple, usual: tuple, rows: Sequence[int]) -> dict:
    own = np.array(rows)
    similar, order = changed
    at = (order == own[:, None]).argmax(axis=1) + 1
    shown = (rows_without_own(found[:, : K + 1], own, K) for found in (order, usual[1]))
    pairs = [tuple(row[row >= 0].tolist() for row in pair) for pair in zip(*shown, strict=True)]
    return {
        "strength": strength,
        "recall@1": float((at == 1).mean()),
        "recall@10": float((at <= 10).mean()),
        "overlap": float(np.mean([overlap(a, b, K) for a, b in pairs])),
        "rbo": float(np.mean([rank_biased_overlap(a, b) for a, b in pairs])),
        "cosine": float(similar[np.arange(len(own)), own].mean()),
    }


def live(
    dataset: Dataset, item_id: str, name: str, strength: float, encoders: Sequence[str]
) -> tuple[bytes, list[Outcome]]:
    """One picture, distorted, through several built encoders: the picture as WebP, and what became
    of its answer.

    Raises:
        UserError: no such picture or distortion, or embeddings that are not built.
    """
    item = item_of(dataset, item_id)
    image = images.decode(dataset.read(item))
    changed = distort(image, name, strength)
    outcomes = [_outcome(dataset, encoder, item, image, changed) for encoder in encoders]
    return images.thumbnail(changed, 320), outcomes


def _outcome(
    dataset: Dataset, encoder_name: str, item: Item, image: np.ndarray, changed: np.ndarray
) -> Outcome:
    encoder = with_vectors(dataset, encoder_name).loaded()
    found = stored.read(dataset, encoder)
    row = found.ids.index(item.id)
    similar, order = _ranking(encoder, [changed, image], found.vectors, np.arange(len(found.ids)))
    now, before = (
        one[one >= 0].tolist() for one in rows_without_own(order, np.array([row, row]), K)
    )
    rank = int((order[0] == row).argmax()) + 1
    return Outcome(
        encoder_name,
        rank,
        float(similar[0, row]),
        overlap(now, before, K),
        rank_biased_overlap(now, before),
        tuple(found.ids[at] for at in order[0][:K]),
    )
