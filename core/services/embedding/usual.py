"""How close is usual in a gallery, so that an answer can say when nothing in it is close to the
query.

Every picture of the gallery asks the rest of it, with its own class taken out: such a query is one
of a thing that the
gallery does not hold, in the gallery's own style. The 1st percentile of the best scores is the
usual score. A query whose best hit scores less finds less than 99 of 100 pictures find after all
that is like them is gone.

The class is the category, or the label where no category is known; where there is no class (or only
one), each picture asks all others, and the 1st percentile of plain nearest neighbours is used. That
one is far stricter: with networks, pictures of another style (a photograph against a rendered
gallery) nearly always score below it, whether or not the gallery holds the thing. docs/measured.md
has both.

The same comparisons give the calibration of scores, see :mod:`core.services.embedding.calibration`.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.items import coded, lines, taken
from core.services.embedding import calibration, embed
from core.services.embedding.calibration import Calibration
from core.services.embedding.roles import codes_of
from core.types import Embeddings, Item

log = logging.getLogger(__name__)
KIND = embed.USUAL
VERSION = 2
PERCENTILE = 1.0
MIN_PICTURES = 100
"""Fewer have no 1st percentile."""
ASKED, MIN_ASKED, PAIRS = 4096, 256, 20_000_000
"""Up to so many pictures ask; in a large gallery a sample, so that about so many pairs are
compared, but never fewer."""
BLOCK = 2048
CLASSES = ("category", "label")


@dataclass(frozen=True, slots=True)
class Usual:
    """``score``: the cosine below which nothing is close, None where too few pictures say;
    ``apart``: the field whose equal values were taken out (``category``, ``label``, or empty);
    ``calibration``: what any score is worth, None where too few pictures say."""

    score: float | None
    apart: str = ""
    calibration: Calibration | None = None


def usual(dataset: Dataset, encoder: Encoder, found: Embeddings, rows: np.ndarray) -> Usual:
    """What is usual in the gallery ``rows`` (int64) of embeddings, computed once for its pictures,
    their classes, the encoder.

    A cache that can't be written is no reason not to answer: then nothing is known.
    """
    items = taken(embed.item_rows(dataset, found), rows)
    apart, by = class_field(items), calibration.true_field(items)
    causes = {
        **embed.causes(dataset, encoder),
        "classes": _digest(items, (apart, by)),
        "version": VERSION,
    }

    def write(folder: Path) -> dict:
        told = measure(
            found.vectors, rows, _groups(items, apart), _groups(items, by) if by else None
        )
        (folder / "usual.json").write_text(json.dumps({**told, "apart": apart, "by": by}))
        owner = {
            "source": dataset.locator,
            "dataset_name": dataset.name,
            "encoder_name": encoder.name,
        }
        return {**owner, "embeddings": store.key(embed.causes(dataset, encoder)), "rows": len(rows)}

    try:
        return store.kept(KIND, causes, write, _read, durable=False)  # a search waits for it
    except (UserError, *store.UNREADABLE) as error:
        log.warning("not known what is usual for %s by %s: %s", dataset.name, encoder.name, error)
        return Usual(None)


def _read(folder: Path) -> Usual:
    told = json.loads((folder / "usual.json").read_text())
    known = (
        Calibration(tuple(told["random"]), tuple(told["near"]), told["by"])
        if told["near"]
        else None
    )
    return Usual(told["score"], told["apart"], known)


def measure(
    vectors: np.ndarray, rows: np.ndarray, apart: np.ndarray, together: np.ndarray | None
) -> dict:
    """``score``, and the percentiles of ``random`` pairs and of ``near`` (true) neighbours; None
    where too few pictures say.

    Args:
        vectors: float32 (n, dim) unit rows, memory-mapped or not.
        rows: int64 (g,), the rows of the gallery.
        apart: int64 (g,), equal for pictures of one class; unknown classes are each a group of
            their own.
        together: the same for true neighbours; None takes the nearest picture, whatever it shows.
    """
    others, near = best_scores(vectors, rows, apart, together)
    known = len(near) >= calibration.MIN_PICTURES
    return {
        "score": _first_percentile(others),
        "random": (
            calibration.percentiles(calibration.random_scores(vectors, rows)) if known else None
        ),
        "near": calibration.percentiles(near) if known else None,
    }


def usual_score(vectors: np.ndarray, rows: np.ndarray, groups: np.ndarray) -> float | None:
    """The 1st percentile of each picture's best cosine with a picture of another group; None where
    fewer than ``MIN_PICTURES`` pictures can ask. Arguments as those of :func:`measure`."""
    return _first_percentile(best_scores(vectors, rows, groups, None)[0])


def best_scores(
    vectors: np.ndarray, rows: np.ndarray, apart: np.ndarray, together: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Each asking picture's best cosine with a picture of another ``apart`` group, and with another
    one of its ``together`` group: float32, those that have one. Arguments as those of
    :func:`measure`."""
    if len(rows) < 2:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    count = min(len(rows), ASKED, max(MIN_ASKED, PAIRS // len(rows)))
    asking = np.sort(np.random.default_rng(0).choice(len(rows), count, replace=False))
    queries = np.asarray(vectors[rows[asking]], np.float32)
    others, near = np.full(count, -np.inf, np.float32), np.full(count, -np.inf, np.float32)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        scores = queries @ np.asarray(vectors[rows[part]], np.float32).T
        own = asking[:, None] == np.arange(len(rows))[part][None]
        true = (
            ~own if together is None else (together[asking][:, None] == together[part][None]) & ~own
        )
        np.maximum(near, np.where(true, scores, -np.inf).max(axis=1), out=near)
        scores[apart[asking][:, None] == apart[part][None]] = -np.inf
        np.maximum(others, scores.max(axis=1), out=others)
    return others[np.isfinite(others)], near[np.isfinite(near)]


def _first_percentile(best: np.ndarray) -> float | None:
    return round(float(np.percentile(best, PERCENTILE)), 6) if len(best) >= MIN_PICTURES else None


def _groups(items: Sequence[Item], name: str) -> np.ndarray:
    return codes_of(items, name) if name else -1 - np.arange(len(items))


def class_field(items: Sequence[Item]) -> str:
    """The field that says what the pictures show, where it tells at least two classes apart; else
    empty."""
    return next((name for name in CLASSES if len(coded(items, name).values) > 1), "")


def _digest(items: Sequence[Item], fields: Sequence[str]) -> str:
    """Changes with the gallery's pictures and their classes: neither splits nor labels are causes
    of the vectors."""
    hasher = hashlib.sha256("\0".join(fields).encode())
    for text in lines(items, ("id", *fields)):
        hasher.update(text)
    return hasher.hexdigest()[:20]
