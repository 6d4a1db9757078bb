"""Maps of a gallery to which pictures came or from which they went: every dot that stays keeps its
place, and new ones are placed among them, until the map is drawn anew.

What was measured of the dots that stay is carried along; new ones are measured against all. A map
says how many of its dots were placed.

Maps of the embedded gallery come with the code; an outdated one is ignored. They need no embeddings
to be drawn: their ids are those of the gallery, and their key follows from the causes alone. What
compares vectors (neighbours in the space, the place of a new picture) waits for the embeddings.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.neighbours import dots, nearest
from core.projections import quality
from core.projections.base import on_map, projections
from core.services.embedding import stored
from core.types import Embeddings, Progress

KIND = "maps"
KEYS, LANDMARKS = "keys.npy", "landmarks.npy"
PLACED_UP_TO = 0.2
"""A map on which more of the dots would be placed ones is drawn anew."""
BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Earlier:
    """A map of the gallery as it was. ``rows`` int64 are those of its dots that are still there,
    ``now`` where their pictures stand today; ``new`` what it lacks; ``before`` how many dots it
    has."""

    path: Path
    facts: dict
    rows: np.ndarray
    now: np.ndarray
    new: np.ndarray
    before: int

    @property
    def suits(self) -> bool:
        """Whether the map still shows the gallery with what it lacks placed on it."""
        points = len(self.now) + len(self.new)
        placed = self.facts.get("placed", 0) + len(self.new)
        return placed <= PLACED_UP_TO * points and len(self.rows) >= max(2, self.before // 2)


def earlier(
    before: Sequence[tuple[Path, dict]],
    dataset: Dataset,
    found: Embeddings,
    causes: dict,
    index_name: str,
) -> Earlier | None:
    """The newest map of ``before``, newest first, that differs from the one with these causes in
    the gallery alone, where it still suits."""
    for path, meta in before:
        own = meta.get("causes") or {}
        same = _without_gallery(own) == _without_gallery(causes)
        if not same or meta.get("index_name") != index_name:
            continue
        try:
            one = _compared(dataset, found, path, meta)
        except store.UNREADABLE:
            continue
        if one.suits:
            return one
    return None


def _without_gallery(causes: dict) -> str:
    kept = {name: one for name, one in causes.items() if name not in ("embeddings", "anchor")}
    return store.fingerprint({**kept, "aligned": causes.get("anchor") is not None})


def _compared(dataset: Dataset, found: Embeddings, path: Path, meta: dict) -> Earlier:
    keys = np.load(path / KEYS, allow_pickle=False)
    place = stored.places(keys, stored.keys_of(dataset, found, np.arange(len(found.ids))))
    rows = np.flatnonzero(place >= 0)
    new = np.setdiff1d(np.arange(len(found.ids)), place)
    return Earlier(path, meta["facts"], rows, place[rows], new, len(place))


def write(
    folder: Path, one: Earlier, projection: str, found: Embeddings, progress: Progress | None
) -> dict:
    """The map of today in ``folder``, by placing; its facts."""
    vectors, count = found.vectors, len(found.ids)
    positions = _positions(folder, one, projection, vectors)
    measured = quality.measure(vectors, positions, progress=progress, only=one.new)
    layers = {
        "trust": _joined(one, "trust", measured.trust),
        "continuity": _joined(one, "continuity", measured.continuity),
        "kept": _joined(one, "kept", measured.kept),
        "nearest": _nearest(one, vectors, measured.nearest),
        "clusters": _clusters(one, positions),
    }
    for name, layer in layers.items():
        np.save(folder / f"{name}.npy", layer)
    np.save(folder / "medoids.npy", quality.medoids(vectors, layers["clusters"]))
    (folder / "ids.json").write_text(json.dumps(list(found.ids)))
    return {
        **one.facts,
        "points": count,
        "placed": one.facts.get("placed", 0) + len(one.new),
        "gone": one.facts.get("gone", 0) + one.before - len(one.rows),
        "measured": int(np.isfinite(layers["trust"]).sum()),
        "trustworthiness": float(np.nanmean(layers["trust"])),
        "continuity": float(np.nanmean(layers["continuity"])),
        "kept": float(np.nanmean(layers["kept"])),
        "clusters": int(layers["clusters"].max(initial=-1)) + 1,
    }


def _positions(folder: Path, one: Earlier, projection: str, vectors: np.ndarray) -> np.ndarray:
    """Places float32 (n, 2) of today's pictures, with all that :meth:`Projection.save` writes."""
    made, rows, now = projections.get(projection), one.rows, one.now
    known = np.load(one.path / "positions.npy", allow_pickle=False).astype(np.float32)
    positions = np.empty((len(vectors), 2), np.float32)
    positions[now] = known[rows]
    if (one.path / LANDMARKS).exists():
        marks = np.isin(rows, np.load(one.path / LANDMARKS, allow_pickle=False))
        np.save(folder / LANDMARKS, now[marks])
        rows, now = rows[marks], now[marks]
    made.load(one.path, np.asarray(vectors[now]), rows)
    for start in range(0, len(one.new), BLOCK):
        part = one.new[start : start + BLOCK]
        positions[part] = made.settle(np.asarray(vectors[part]))
    made.positions = positions
    made.save(folder)
    return positions


def _joined(one: Earlier, name: str, fresh: np.ndarray) -> np.ndarray:
    """A layer of figures, float32 (n,): what was known, and what is ``fresh`` for new dots."""
    fresh[one.now] = np.load(one.path / f"{name}.npy", allow_pickle=False)[one.rows]
    return fresh


def _nearest(one: Earlier, vectors: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """The row nearest in the space to each, int32 (n,), -1 where it was not asked for: a new
    picture may be nearer than the one of before, and that one may be gone."""
    place = np.full(one.before + 1, -1, np.int64)
    place[one.rows] = one.now
    fresh[one.now] = place[np.load(one.path / "nearest.npy", allow_pickle=False)[one.rows]]
    asked = one.now[np.load(one.path / "nearest.npy", allow_pickle=False)[one.rows] >= 0]
    lost = asked[fresh[asked] < 0]
    if len(lost):
        fresh[lost] = _others(vectors, lost, range(len(vectors)))
    for start in range(0, len(asked) if len(one.new) else 0, BLOCK):
        part = asked[start : start + BLOCK]
        own = np.asarray(vectors[part])
        hits = nearest(own, vectors.__getitem__, one.new, 1)
        known = dots(own, np.asarray(vectors[fresh[part]])).astype(np.float32)
        fresh[part] = np.where(hits.scores[:, 0] > known, hits.ids[:, 0], fresh[part])
    return fresh


def _others(vectors: np.ndarray, rows: np.ndarray, among: range) -> np.ndarray:
    """The row nearest to each of ``rows`` that is not itself."""
    ids = nearest(np.asarray(vectors[rows]), vectors.__getitem__, among, 2).ids
    return np.where(ids[:, 0] == rows, ids[:, 1], ids[:, 0])


def _clusters(one: Earlier, positions: np.ndarray) -> np.ndarray:
    """Clusters int32 (n,): a new dot is of that of the nearest dot of before."""
    found = np.empty(len(positions), np.int32)
    known = np.load(one.path / "clusters.npy", allow_pickle=False)[one.rows]
    found[one.now] = known
    if len(one.new):
        found[one.new] = known[on_map(positions[one.new], positions[one.now], 1)[:, 0]]
    return quality.ordered(found)


def redrawn(
    path: Path, causes: dict, draw: Callable[[Path], dict], progress: Progress | None
) -> None:
    """Put what ``draw`` writes in the place of the finished map ``path``, which stands until it is
    whole."""
    with (
        store.lock(f"{KIND}-{path.name}", progress),
        store.new_folder(store.cache(KIND) / path.name) as folder,
    ):
        started = time.time()
        noted = draw(folder)
        seconds = round(time.time() - started, 3)
        store.write_meta(
            folder, {"causes": causes, "built": time.time(), "seconds": seconds, **noted}
        )
