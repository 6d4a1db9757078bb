"""Key points of the pictures of a dataset: kept by a build, else looked for when they are asked."""

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from core import keypoints, store
from core.datasets.base import Dataset
from core.device import threads
from core.encoders.base import Encoder
from core.errors import UserError
from core.images import decode
from core.keypoints import MAX_POINTS, SIDE, KeyPoints, detect
from core.services.embedding.encoding import feed
from core.types import Progress, report

KIND = "keypoints"
MAX_PICTURES = 20_000
"""So many pictures take a gigabyte at most; more are not kept."""
PICTURE_BYTES = MAX_POINTS * (128 + 8)
"""Bytes of one picture's key points, at most."""
BATCH = 64
MAX_HELD = 2000
"""Pictures whose points stay in memory where none are kept on disk: a hundred megabytes at most."""
_held: OrderedDict[tuple[str, str], KeyPoints] = OrderedDict()
_lock = threading.Lock()


class Points:
    """The key points of one dataset's pictures, by id."""

    def __init__(self, dataset: Dataset, folder: Path | None = None) -> None:
        """``folder``: what :func:`build` wrote; None = nothing is kept."""
        self.dataset, self._print = dataset, dataset.fingerprint()
        self._place: dict[str, int] = {}
        if folder is None:
            return
        noted = json.loads((folder / "pictures.json").read_text())
        self._place = {id: place for place, id in enumerate(noted["ids"])}
        self._sizes, self._starts = noted["sizes"], np.cumsum([0, *noted["counts"]])
        self._descriptors = _mapped(folder / "descriptors.npy", (self._starts[-1], 128), np.uint8)
        self._points = _mapped(folder / "points.npy", (self._starts[-1], 2), np.float32)

    @property
    def kept(self) -> bool:
        """Whether a build has kept them."""
        return bool(self._place)

    def of(self, ids: Sequence[str]) -> list[KeyPoints]:
        """The key points of these pictures; none of a picture that can't be read."""
        missing = [id for id in ids if id not in self._place and self._remembered(id) is None]
        if missing:
            with ThreadPoolExecutor(threads()) as pool:
                list(pool.map(self._look, missing))
        return [self._one(id) for id in ids]

    def _one(self, id: str) -> KeyPoints:
        if (place := self._place.get(id)) is None:
            found = self._remembered(id)  # another thread may have pushed it out meanwhile
            return self._look(id) if found is None else found
        part = slice(self._starts[place], self._starts[place + 1])
        return KeyPoints(
            np.asarray(self._points[part]),
            np.asarray(self._descriptors[part]),
            tuple(self._sizes[place]),
        )

    def _remembered(self, id: str) -> KeyPoints | None:
        with _lock:
            return _held.get((self._print, id))

    def _look(self, id: str) -> KeyPoints:
        item = self.dataset.items[self.dataset.rows[id]]
        try:
            found = detect(decode(self.dataset.read(item), SIDE))
        except UserError:  # it was readable when its vector was made
            found = NOTHING
        with _lock:
            _held[self._print, id] = found
            while len(_held) > MAX_HELD:
                _held.popitem(last=False)
        return found


NOTHING = KeyPoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), (1, 1))


def _mapped(path: Path, shape: tuple[int, int], kind: type) -> np.ndarray:
    found = np.load(path, mmap_mode="r") if shape[0] else np.zeros(shape, kind)
    if found.shape != shape or found.dtype != kind:
        raise ValueError(f"{path.name} holds {found.dtype} {found.shape}")
    return found


class _Detector(Encoder):
    """Key points as what is prepared, so that pictures are read and decoded as for any build."""

    name, side = "key points", SIDE

    def prepare(self, image: np.ndarray) -> KeyPoints:
        return detect(image)

    def _encode(self, batch: Sequence[KeyPoints]) -> np.ndarray:
        raise NotImplementedError("key points are no vectors")


def causes(dataset: Dataset) -> dict:
    """Every cause of the key points."""
    looked = {"side": SIDE, "most": MAX_POINTS, "version": keypoints.VERSION}
    return {"dataset": dataset.fingerprint(), "keypoints": looked}


def are_built(dataset: Dataset) -> bool:
    """Whether key points are kept for the pictures as they are now."""
    return store.find(KIND, store.key(causes(dataset))) is not None


def points(dataset: Dataset) -> Points:
    """The key points of a dataset; some that can't be read on disk count as not kept."""
    path = store.find(KIND, store.key(causes(dataset)))
    if path is not None:
        try:
            return Points(dataset, path)
        except store.UNREADABLE as error:
            store.drop(path, error)
    return Points(dataset)


def build(dataset: Dataset, progress: Progress | None = None) -> Points:
    """Look for the key points of every picture and keep them; ``progress`` counts pictures.

    Raises:
        UserError: more than ``MAX_PICTURES`` pictures.
        Cancelled: ``progress`` said stop.
    """
    check(dataset)
    made = store.kept(
        KIND,
        causes(dataset),
        lambda folder: _write(folder, dataset, progress),
        lambda folder: Points(dataset, folder),
        progress,
    )
    _drop_replaced(dataset)
    return made


def _drop_replaced(dataset: Dataset) -> None:
    """Delete those of the same source from before its pictures changed."""
    now = store.key(causes(dataset))
    for entry in store.entries(KIND):
        if entry.meta.get("source") == dataset.locator and entry.key != now:
            with suppress(UserError):  # someone reads it just now: it goes the next time
                store.delete(KIND, entry.key)


def check(dataset: Dataset) -> None:
    """Raises UserError where a dataset has too many pictures to keep their key points."""
    if len(dataset.items) > MAX_PICTURES:
        raise UserError(
            f"{dataset.title or dataset.name} has {len(dataset.items):,} pictures.",
            f"Key points are compared in at most {MAX_PICTURES:,}.",
            "Choose an encoder with vectors; geometric verification takes its first hits.",
        )


def _write(folder: Path, dataset: Dataset, progress: Progress | None) -> dict:
    ids: list[str] = []
    found, seen = [NOTHING], 0
    report(progress, 0, len(dataset.items))
    for batch in feed(dataset, dataset.items, [_Detector()], BATCH):
        for one in batch:
            if (here := one.array(0)) is not None:
                ids.append(one.item.id)
                found.append(here)
        seen += len(batch)
        report(progress, seen, len(dataset.items))
    np.save(folder / "descriptors.npy", np.concatenate([one.descriptors for one in found]))
    np.save(folder / "points.npy", np.concatenate([one.points for one in found]))
    noted = {
        "ids": ids,
        "counts": [len(one) for one in found[1:]],
        "sizes": [[int(length) for length in one.size] for one in found[1:]],
    }
    (folder / "pictures.json").write_text(json.dumps(noted))
    return dataset.owned(rows=len(ids))
