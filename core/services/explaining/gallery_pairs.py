"""Distances of a gallery's pairs: how far apart the same and different things are."""

from weakref import WeakKeyDictionary

import numpy as np

from core.explainers.base import Pairs
from core.services.embedding import calibration
from core.services.embedding.embed import item_rows
from core.services.embedding.roles import codes
from core.services.search.engines import Engine

MAX_PAIRS = 100_000
"""Pairs of each kind that are measured: all of the same where there are fewer, and a seeded sample
otherwise."""
MIN_PAIRS = 10
NOUNS = {"instance": "the same object", "label": "the same class", "category": "the same category"}
_known: WeakKeyDictionary[Engine, Pairs | str] = WeakKeyDictionary()


def pairs(engine: Engine) -> Pairs | str:
    """The distances of the gallery's pairs, measured once for an engine; or why there are none."""
    if engine not in _known:
        _known[engine] = _measured(engine)
    return _known[engine]


def _measured(engine: Engine) -> Pairs | str:
    rows = np.asarray(engine.rows)
    if len(rows) < 2:
        return "This gallery holds one picture: there are no pairs to compare the distance with."
    known = item_rows(engine.dataset, engine.found)
    items = [known[row] for row in rows]
    field = calibration.true_field(items)
    if not field:
        return (
            "Too few pictures of this gallery are known to show the same thing to say what a"
            " distance is worth."
        )
    groups = codes([item.value(field) for item in items])
    draw = np.random.default_rng(0)
    same, count = _same(groups, draw)
    others = _different(groups, draw)
    every = len(rows) * (len(rows) - 1) // 2
    if min(len(same), len(others)) < MIN_PAIRS:
        return "This gallery has too few pairs of the same and of different things to compare."
    near, far = (_distances(engine, rows, one) for one in (same, others))
    return Pairs(near, far, (count / len(near), (every - count) / len(far)), NOUNS[field])


def _same(groups: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, int]:
    """Pairs of equal groups, int64 (n, 2), at most ``MAX_PAIRS``, and how many there are."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) != 0))
    sizes = np.diff(np.append(starts, len(order)))
    each = sizes * (sizes - 1) // 2
    count = int(each.sum())
    picked = (
        np.arange(count) if count <= MAX_PAIRS else np.sort(draw.choice(count, MAX_PAIRS, False))
    )
    ends = np.cumsum(each)
    group = np.searchsorted(ends, picked, side="right")
    within = picked - (ends[group] - each[group])
    later = ((1 + np.sqrt(1 + 8 * within)) / 2).astype(np.int64)
    later -= later * (later - 1) // 2 > within  # the root may round up
    earlier = within - later * (later - 1) // 2
    return order[np.stack([starts[group] + earlier, starts[group] + later], axis=1)], count


def _different(groups: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Random pairs of unequal groups, int64 (n, 2)."""
    one = draw.integers(0, len(groups), 2 * MAX_PAIRS)
    other = (one + draw.integers(1, len(groups), 2 * MAX_PAIRS)) % len(groups)
    apart = groups[one] != groups[other]
    return np.stack([one[apart], other[apart]], axis=1)[:MAX_PAIRS]


def _distances(engine: Engine, rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Euclidean distances of unit vectors, float32 (n,), of pairs of gallery rows (n, 2)."""
    vectors, found = engine.found.vectors, []
    for start in range(0, len(which), calibration.BLOCK):
        part = rows[which[start : start + calibration.BLOCK]]
        left, right = (np.asarray(vectors[part[:, side]], np.float32) for side in (0, 1))
        found.append(np.linalg.norm(left - right, axis=1))
    return np.concatenate(found)
