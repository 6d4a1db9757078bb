"""Is the data to be trusted, and the space of an encoder? Leaks, hubs, crowding, thresholds."""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.metrics import geometry, statistics, stream, table
from core.metrics.ranked import Ranked, rank
from core.neighbours import cosine_matrix
from core.services.embedding import build, stored
from core.services.embedding.bound import is_built, prepared, with_vectors
from core.services.embedding.roles import cluster_of, digest, protocol_named, roles_of
from core.services.evaluation.cells import cell
from core.services.evaluation.leaderboard import nothing_to_evaluate
from core.services.specs import EXACT
from core.types import Item, Progress, report

KIND = "health"
VERSION = 1
FINGERPRINT = "dhash.16x16"
"""Finds near-duplicates, whichever is evaluated: it sees the picture, not its meaning."""
SAME_BITS = 10
"""Of 256: how many may differ in a near-duplicate."""
K = 10
BINS = 60
PRECISIONS = (0.5, 0.8, 0.9, 0.95)
SHOWN = 60
PAIR_CELLS = 4_000_000
BLOCK = 256
END = 13
"""Thresholds and calibration take so many times as long for each of the pairs that they look at as
the comparison of a pair."""


def health(
    dataset: Dataset,
    encoder_name: str,
    protocol_name: str | None = None,
    progress: Progress | None = None,
) -> dict:
    """Everything as plain numbers, from the cache where it was asked before.

    Returns:
        ``duplicates`` (pairs of query and gallery picture; mAP with and without them), ``hubness``,
        ``space`` (mean cosine of random pairs, effective dimensions), ``similarity`` (histograms of
        same and different pairs, thresholds with the precision expected on other queries,
        calibration).

    Raises:
        UserError: the embeddings are not built, or nothing can be evaluated.
    """
    encoder = with_vectors(dataset, encoder_name).encoder
    protocol = protocol_named(dataset, protocol_name)
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    causes = {
        **stored.causes(dataset, encoder),
        "roles": digest(items, protocol),
        "version": VERSION,
    }

    def write(folder: Path) -> dict:
        import_module("sklearn.isotonic")  # takes seconds, before anything is counted
        bits = _bits(dataset, items, progress)
        made = _examine(found.vectors, bits, items, roles_of(items, protocol), progress)
        (folder / "health.json").write_text(json.dumps(made))
        return dataset.owned(encoder.name)

    made = store.kept(KIND, causes, write, _read, progress)
    if not made["judged"]:
        raise nothing_to_evaluate(cell(dataset, encoder_name, protocol, EXACT))
    return made


def _read(folder: Path) -> dict:
    made = json.loads((folder / "health.json").read_text())
    return {"judged": made["judged"], **made}


def _bits(dataset: Dataset, items: Sequence[Item], progress: Progress | None) -> np.ndarray:
    """The fingerprints of the same items, bool (n, 256)."""
    if not is_built(dataset, FINGERPRINT):
        build.build(dataset, [FINGERPRINT], progress=progress)
    known = prepared(dataset, FINGERPRINT).vectors()
    row_of = {id: row for row, id in enumerate(known.ids)}
    rows = [row_of.get(item.id, -1) for item in items]
    return np.asarray(known.vectors)[rows] > 0


def _examine(
    vectors: np.ndarray,
    bits: np.ndarray,
    items: Sequence[Item],
    roles: stream.Roles,
    progress: Progress | None,
) -> dict:
    plain, clean, pairs, tops, evaluated = [], [], [], [], []
    scores, right, owner = [], [], []
    cells = len(roles.queries) * len(roles.gallery)
    share = min(1.0, PAIR_CELLS / max(1, cells))
    ends = _Ends(progress, cells, round(END * share * cells))
    rng = np.random.default_rng(geometry.SEED)
    for start in range(0, len(roles.queries), BLOCK):
        report(progress, start * len(roles.gallery), ends.total)
        rows = roles.queries[start : start + BLOCK]
        similar = cosine_matrix(vectors[rows], vectors, roles.gallery)
        junk = roles.junk(rows)
        relevant = roles.right(rows) & ~junk
        twins = _distances(bits[rows], bits[roles.gallery]) <= SAME_BITS
        twins &= ~junk
        plain.append(rank(similar, relevant, junk, top=K))
        clean.append(rank(similar, relevant & ~twins, junk | twins, top=K))
        pairs += [
            (int(rows[q]), int(roles.gallery[c]), float(similar[q, c]))
            for q, c in np.argwhere(twins)
        ]
        tops.append(plain[-1].top)
        evaluated.append(plain[-1].relevant > 0)
        use = ~junk & (rng.random(junk.shape) < share) & evaluated[-1][:, None]
        scores.append(similar[use])
        right.append(relevant[use])
        owner.append(np.repeat(rows, use.sum(axis=1)))
    if not evaluated or not np.concatenate(evaluated).any():
        return {"judged": 0}
    counts = geometry.occurrences(np.concatenate(tops), len(roles.gallery))
    ends(0.0)
    made = {
        "judged": int(np.concatenate(evaluated).sum()),
        "duplicates": _duplicates(plain, clean, pairs, items, roles),
        "hubness": _hubs(counts, items, roles),
        "space": _space(vectors[roles.gallery]),
    }
    ends(0.2)
    compared = np.concatenate(scores), np.concatenate(right), np.concatenate(owner)
    return made | {"similarity": _similarity(*compared, ends)}


class _Ends:
    """Counts what follows the comparison of all pairs, by its share of the time."""

    def __init__(self, progress: Progress | None, compared: int, ends: int) -> None:
        self.progress, self.compared, self.ends = progress, compared, ends
        self.total = compared + ends

    def __call__(self, share: float) -> None:
        report(self.progress, self.compared + round(share * self.ends), self.total)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits that differ, (q, n)."""
    a, b = one.astype(np.float32) * 2 - 1, other.astype(np.float32) * 2 - 1
    return (a.shape[1] - a @ b.T) / 2


def _duplicates(
    plain: list[Ranked],
    clean: list[Ranked],
    pairs: list,
    items: Sequence[Item],
    roles: stream.Roles,
) -> dict:
    """Near-duplicates, and what they are worth: scores of these queries with and without them."""
    before = np.concatenate([table.average_precision(block) for block in plain])
    after = np.concatenate([table.average_precision(block) for block in clean])
    both = ~np.isnan(before) & ~np.isnan(after)
    clusters = np.array([cluster_of(items[row]) for row in roles.queries])
    low, high = (
        statistics.interval((after - before)[both], clusters[both])
        if both.any()
        else (np.zeros(1), np.zeros(1))
    )
    worst = sorted(pairs, key=lambda pair: -pair[2])[:SHOWN]
    return {
        "pairs": len(pairs),
        "queries": len({pair[0] for pair in pairs}),
        "across classes": int(sum(roles.relevant[q] != roles.relevant[g] for q, g, _ in pairs)),
        "mAP with": _mean(before[both]),
        "mAP without": _mean(after[both]),
        "low": _finite(low[0]),
        "high": _finite(high[0]),
        "compared": int(both.sum()),
        "shown": [[items[q].id, items[g].id, round(s, 4)] for q, g, s in worst],
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _hubs(counts: np.ndarray, items: Sequence[Item], roles: stream.Roles) -> dict:
    most = np.argsort(-counts, kind="stable")[:12]
    limit = int(counts.max(initial=0))
    edges = np.arange(min(limit, 200) + 2)
    return {
        **geometry.hubness(counts),
        "k": K,
        "queries": len(roles.queries),
        "hubs": [[items[roles.gallery[at]].id, int(counts[at])] for at in most],
        "histogram": np.histogram(np.minimum(counts, 200), edges)[0].tolist(),
    }


def _space(vectors: np.ndarray) -> dict:
    if len(vectors) < 2:
        return {"mean cosine": 0.0, "effective dimensions": 0.0, "dimensions": vectors.shape[1]}
    cosines = geometry.random_cosines(vectors)
    rows = np.linspace(0, len(vectors) - 1, min(len(vectors), 4000)).astype(int)
    return {
        "mean cosine": float(cosines.mean()),
        "spread": float(cosines.std()),
        "dimensions": int(vectors.shape[1]),
        "effective dimensions": geometry.effective_dimensions(vectors[rows]),
    }


def _similarity(scores: np.ndarray, right: np.ndarray, owner: np.ndarray, ends: _Ends) -> dict:
    """Histograms of pairs; thresholds and probabilities are fitted on half of the queries and
    checked on the other half."""
    edges = np.linspace(float(scores.min()), float(scores.max()) + 1e-6, BINS + 1)
    half = np.isin(owner, np.unique(owner)[::2])
    rows = []
    for place, precision in enumerate(PRECISIONS, start=1):
        rows.append(_threshold(scores, right, half, precision))
        ends(0.2 + 0.5 * place / len(PRECISIONS))
    made = {
        "edges": edges.tolist(), "same": np.histogram(scores[right], edges)[0].tolist(),
        "different": np.histogram(scores[~right], edges)[0].tolist(), "pairs": len(scores),
        "share same": float(right.mean()), "thresholds": [row for row in rows if row],
    }  # fmt: skip
    if half.all() or not right[half].any():
        return made | {"calibration": None}
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
        scores[half], right[half]
    )
    said = fitted.predict(scores[~half])
    points = np.linspace(edges[0], edges[-1], 40)
    return made | {
        "calibration": {
            "similarity": points.tolist(),
            "probability": fitted.predict(points).tolist(),
            "error": geometry.expected_calibration_error(said, right[~half]),
        }
    }


def _threshold(
    scores: np.ndarray, right: np.ndarray, half: np.ndarray, precision: float
) -> dict | None:
    at = geometry.threshold_for(scores[half], right[half], precision)
    above = None if at is None else ~half & (scores >= at)
    if above is None or not above.any():
        return None
    found = right[above].sum() / max(right[~half].sum(), 1)
    return {
        "wanted": precision,
        "threshold": at,
        "precision": float(right[above].mean()),
        "recall": float(found),
        "pairs": int(above.sum()),
    }
