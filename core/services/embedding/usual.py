"""How close is usual in a gallery, so that an answer can say when nothing in it is close to the
query.

Every picture of the gallery asks the rest of it, with its own class taken out: such a query is one
of a thing that the gallery does not hold, in the gallery's own style. The 1st percentile of the
best scores is the usual score. A query whose best hit scores less finds less than 99 of 100
pictures find after all that is like them is gone.

The class is the category, or the label where no category is known; where there is no class (or only
one), each picture asks all others, and the 1st percentile of plain nearest neighbours is used. That
one is far stricter: with networks, pictures of another style (a photograph against a rendered
gallery) nearly always score below it, whether or not the gallery holds the thing. docs/measured.md
has both.

The same comparisons give the calibration of scores: where one lies among the scores of its encoder
in its gallery. Cosines of two encoders can't be compared: 0.9 is next to nothing for a colour
histogram and a near copy for a network. Two distributions of the gallery itself say what a score
means for one encoder, whatever the others do: the scores of random pairs of pictures, and the score
of each picture with its nearest true neighbour (the same object, else the same label, else the same
category; where nothing is known of the pictures, simply the nearest other picture).

A build measures it, so that opening a gallery only reads it. What an older build lacks is measured
when the gallery is first opened: at once where that takes a moment, in the background otherwise.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.items import coded, lines, taken
from core.services.embedding import stored
from core.services.embedding.stored import key_of
from core.types import Embeddings, Item, Progress, report, tell

LEVELS = (*range(100), 99.5, 99.9, 100)
"""Percentiles that are kept of each distribution."""
MIN_PARTNERS = 10
"""Fewer pictures with a true neighbour say nothing of what is usual."""
RANDOM_PAIRS = 20_000
"""Random pairs that are compared."""
PAIRS_BLOCK = 1024
FIELDS = ("instance", "label", "category")
BOTTOM, MIDDLE, TOP = LEVELS.index(50), LEVELS.index(50), LEVELS.index(95)
"""A bar begins at the median of random pairs and is full at the 95th percentile of true
neighbours."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Percentiles (at ``LEVELS``, rising cosines) of random pairs and of true neighbours; ``by``:
    the field that makes a neighbour a true one, empty where the nearest picture was taken."""

    random: tuple[float, ...]
    near: tuple[float, ...]
    by: str = ""

    @property
    def usual(self) -> float:
        """Where the median of true neighbours lies on a bar, 0 to 1."""
        return self.share(self.near[MIDDLE])

    def share(self, cosine: float) -> float:
        """How much of a bar a cosine fills, 0 to 1: from the median of random pairs to the closest
        true neighbours."""
        return float(np.clip(self.scaled(np.array([cosine])), 0.0, 1.0)[0])

    def scaled(self, cosines: np.ndarray) -> np.ndarray:
        """The same for many, float64 (n,), below 0 and above 1 too."""
        low, high = self.random[BOTTOM], self.near[TOP]
        if high - low < 1e-6:  # this encoder does not tell true neighbours from others
            return (cosines >= high).astype(np.float64)
        return (np.asarray(cosines, np.float64) - low) / (high - low)

    def above_random(self, cosine: float) -> float:
        """The percentage of random pairs that are less similar."""
        return _percent(self.random, cosine)

    def above_near(self, cosine: float) -> float:
        """The percentage of pictures whose nearest true neighbour is less similar."""
        return _percent(self.near, cosine)


def _percent(values: Sequence[float], cosine: float) -> float:
    return float(np.interp(cosine, values, LEVELS))


def percentiles(scores: np.ndarray) -> tuple[float, ...]:
    """``scores`` (n,) at ``LEVELS``."""
    return tuple(round(float(value), 5) for value in np.percentile(scores, LEVELS))


def random_scores(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of ``RANDOM_PAIRS`` random pairs of different pictures, float32 (RANDOM_PAIRS,); the
    same every time.

    Args:
        vectors: float32 (n, dim) unit rows, memory-mapped or not.
        rows: int64 (g,), the rows of the gallery, two at least.
    """
    rng = np.random.default_rng(1)
    one = rng.integers(0, len(rows), RANDOM_PAIRS)
    other = (one + rng.integers(1, len(rows), RANDOM_PAIRS)) % len(rows)
    starts = range(0, RANDOM_PAIRS, PAIRS_BLOCK)
    return np.concatenate(
        [
            _cosines(vectors, rows[one[at : at + PAIRS_BLOCK]], rows[other[at : at + PAIRS_BLOCK]])
            for at in starts
        ]
    )


def _cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum(
        "nd,nd->n", np.asarray(vectors[left], np.float32), np.asarray(vectors[right], np.float32)
    )


def true_field(items: Sequence[Item]) -> str:
    """The finest field that enough of these pictures share with another one; empty where there is
    none."""
    return next((name for name in FIELDS if _with_partner(items, name) >= MIN_PARTNERS), "")


def _with_partner(items: Sequence[Item], name: str) -> int:
    return sum(count for count in coded(items, name).counts().values() if count > 1)


log = logging.getLogger(__name__)
KIND = "usual"
VERSION = 2
PERCENTILE = 1.0
MIN_PICTURES = 100
"""Fewer have no 1st percentile."""
ASKED, MIN_ASKED, PAIRS = 4096, 1024, 20_000_000
"""Up to so many pictures ask; in a large gallery a sample, so that about so many pairs are
compared, but never fewer pictures (docs/measured.md has what a sample costs)."""
CARRIED, CARRIED_QUICK = 0.8, 0.98
"""What was measured before stays while so much of the gallery is still what was measured: in one
that takes more pairs than that, and in one that is measured in a moment, which is most of the time
that a build takes after a few pictures came or went."""
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


def usual(
    dataset: Dataset,
    encoder: Encoder,
    found: Embeddings,
    rows: np.ndarray,
    progress: Progress | None = None,
) -> Usual:
    """What is usual in the gallery ``rows`` (int64) of embeddings, computed once for its pictures,
    their classes, the encoder. ``progress`` counts rows where that takes long.

    A cache that can't be written is no reason not to answer: then nothing is known.
    """
    made = _Measured(dataset, encoder, found, rows, progress)
    try:
        # a search may wait for it
        return store.kept(KIND, made.causes, made.write, _read, durable=False)
    except (UserError, *store.UNREADABLE) as error:
        log.warning("not known what is usual for %s by %s: %s", dataset.name, encoder.name, error)
        return Usual(None)


def usual_or_later(
    dataset: Dataset,
    encoder: Encoder,
    found: Embeddings,
    rows: np.ndarray,
    then: Callable[[Usual], None],
) -> None:
    """Give ``then`` what :func:`usual` says: at once where it is known or takes a moment, else from
    a thread in the background."""
    made = _Measured(dataset, encoder, found, rows, None)

    def tell_it() -> None:
        then(usual(dataset, encoder, found, rows))

    if _is_quick(len(rows)) or store.find(KIND, store.key(made.causes)) is not None:
        tell_it()
    else:
        name = f"usual {encoder.name}"
        threading.Thread(target=store.carried(tell_it), name=name, daemon=True).start()


def keep(
    dataset: Dataset,
    encoder: Encoder,
    found: Embeddings,
    rows: np.ndarray,
    progress: Progress | None = None,
) -> None:
    """The last step of a build: measure what is usual, and delete what was measured on pictures
    that the gallery held before. Raises Cancelled."""
    usual(dataset, encoder, found, rows, progress)
    now = store.key(stored.causes(dataset, encoder))
    for path, meta in stored.of_source(KIND, dataset, encoder):
        if meta.get("embeddings") != now:
            with suppress(UserError):  # someone builds it just now: it goes the next time
                store.delete(KIND, path.name)


class _Measured:
    """What is usual in one gallery, to be found or measured."""

    def __init__(
        self,
        dataset: Dataset,
        encoder: Encoder,
        found: Embeddings,
        rows: np.ndarray,
        progress: Progress | None,
    ) -> None:
        self.dataset, self.encoder, self.found, self.rows = dataset, encoder, found, rows
        self.progress = progress
        self.items = taken(stored.item_rows(dataset, found), rows)
        self.apart, self.by = class_field(self.items), true_field(self.items)
        self.causes = {
            **stored.causes(dataset, encoder),
            "classes": _digest(self.items, (self.apart, self.by)),
            "version": VERSION,
        }

    def write(self, folder: Path) -> dict:
        quick = _is_quick(len(self.rows))
        told = next(self._before(CARRIED_QUICK if quick else CARRIED), None)
        if told is None:
            items, by = self.items, self.by
            together = _groups(items, by) if by else None
            progress = None if quick else self.progress
            if progress is not None:
                tell(progress, "what is usual")
            told = measure(
                self.found.vectors, self.rows, _groups(items, self.apart), together, progress
            )
            told |= {"apart": self.apart, "by": by, "rows": len(self.rows)}
            told["asked"] = [self._note(items[int(row)]) for row in _asking(len(self.rows))]
        (folder / "usual.json").write_text(json.dumps(told))
        return self.dataset.owned(
            self.encoder.name,
            embeddings=store.key(stored.causes(self.dataset, self.encoder)),
            rows=len(self.rows),
        )

    def _note(self, item: Item) -> list:
        """A picture that asked, and what it was held for."""
        return [item.id, key_of(item), *(item.value(one) for one in (self.apart, self.by) if one)]

    def _before(self, share: float) -> Iterator[dict]:
        """What was measured when this gallery held a few other pictures: of those that asked at
        least ``share`` are still there, held for the same, among about as many others."""
        for path, meta in stored.of_source(KIND, self.dataset, self.encoder):
            causes = meta.get("causes") or {}
            alike = all(causes.get(one) == self.causes[one] for one in ("encoder", "version"))
            if not alike or not store.sound(path):
                continue
            with suppress(*store.UNREADABLE):
                told = json.loads((path / "usual.json").read_text())
                size, asked = told.get("rows", 0), told.get("asked", ())
                fields = (told["apart"], told["by"]) == (self.apart, self.by)
                near = share * size <= len(self.rows) <= size / share
                if fields and near and self._still(asked) >= share * len(asked) > 0:
                    yield told

    def _still(self, asked: Sequence[list]) -> int:
        rows = self.dataset.rows
        there = [(one, rows[one[0]]) for one in asked if one[0] in rows]
        return sum(one == self._note(self.dataset.items[row]) for one, row in there)


def _is_quick(rows: int) -> bool:
    """Whether so many rows are measured while a person waits."""
    return rows * len(_asking(rows)) <= PAIRS


def _read(folder: Path) -> Usual:
    told = json.loads((folder / "usual.json").read_text())
    known = (
        Calibration(tuple(told["random"]), tuple(told["near"]), told["by"])
        if told["near"]
        else None
    )
    return Usual(told["score"], told["apart"], known)


def measure(
    vectors: np.ndarray,
    rows: np.ndarray,
    apart: np.ndarray,
    together: np.ndarray | None,
    progress: Progress | None = None,
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
    others, near = best_scores(vectors, rows, apart, together, progress)
    known = len(near) >= MIN_PARTNERS
    return {
        "score": _first_percentile(others),
        "random": (percentiles(random_scores(vectors, rows)) if known else None),
        "near": percentiles(near) if known else None,
    }


def usual_score(vectors: np.ndarray, rows: np.ndarray, groups: np.ndarray) -> float | None:
    """The 1st percentile of each picture's best cosine with a picture of another group; None where
    fewer than ``MIN_PICTURES`` pictures can ask. Arguments as those of :func:`measure`."""
    return _first_percentile(best_scores(vectors, rows, groups, None)[0])


def _asking(rows: int) -> np.ndarray:
    """Which of so many rows ask, int64, ascending; the same every time."""
    count = min(rows, ASKED, max(MIN_ASKED, PAIRS // max(rows, 1)))
    return np.sort(np.random.default_rng(0).choice(rows, count, replace=False))


def best_scores(
    vectors: np.ndarray,
    rows: np.ndarray,
    apart: np.ndarray,
    together: np.ndarray | None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Each asking picture's best cosine with a picture of another ``apart`` group, and with another
    one of its ``together`` group: float32, those that have one. Arguments as those of
    :func:`measure`."""
    if len(rows) < 2:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    asking = _asking(len(rows))
    count = len(asking)
    queries = np.asarray(vectors[rows[asking]], np.float32)
    others, near = np.full(count, -np.inf, np.float32), np.full(count, -np.inf, np.float32)
    for start in range(0, len(rows), BLOCK):
        report(progress, start, len(rows))
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
    return coded(items, name).apart() if name else -1 - np.arange(len(items))


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
