"""What pretrained networks share, of whichever library: weights, pixels, options, precision."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import options as opt
from core.encoders import positions, precision
from core.encoders.compilable import Compilable
from core.encoders.preprocess import Preprocess
from core.types import Positions, Progress, State
from core.weights import compiled, folding
from core.weights import files as weights

if TYPE_CHECKING:
    import torch

MAP = ("avg", "max", "gem")
TOKENS = ("cls", "avg", "max")
ALL = ("avg", "max", "gem", "cls")
GEM_POWER = 3.0


def allowed(ndim: int, prefix: int) -> tuple[str, ...]:
    """Poolings of ``ndim`` dimensions (4 = map, 3 = tokens), ``prefix`` before the patches."""
    if ndim == 4:
        return MAP
    return TOKENS if prefix else TOKENS[1:]


def pool(features: torch.Tensor, kind: str, prefix: int = 0) -> torch.Tensor:
    """(n, channels, h, w) or (n, tokens, channels) -> (n, channels).

    ``gem`` is the generalised mean with power 3 over values clamped to be positive (Radenovic et
    al., TPAMI 2019); ``cls`` is the first token; ``avg`` and ``max`` are over the patches alone.
    """
    if features.ndim == 3:
        if kind == "cls":
            return features[:, 0]
        features = features[:, prefix:].transpose(1, 2).unsqueeze(-1)
    features = features.float()
    if kind == "max":
        return features.amax(dim=(2, 3))
    if kind == "gem":
        return features.clamp(min=1e-6).pow(GEM_POWER).mean(dim=(2, 3)).pow(1.0 / GEM_POWER)
    return features.mean(dim=(2, 3))


if TYPE_CHECKING:
    import torch

HELD = ("_model", "_lock")


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of pretrained weights without importing torch: a row of a table."""

    name: str
    title: str
    family: str
    about: str
    dim: int
    megabytes: int
    preprocess: Preprocess


class Network(Compilable):
    """A pretrained network without its classifier.

    A child gives what its library knows: ``_library``, ``_preprocess`` and ``_dim`` for names off
    the table, ``_fetch``, ``_build`` and ``_features``. Options of the name: ``pool`` and
    ``size``.
    """

    tier = "pretrained"
    batch = property(lambda self: precision.batch(32))  # type: ignore[assignment]
    has_positions = resizes = True
    streams = property(lambda self: precision.device_kind() == "cpu")
    _library = ""

    def __init__(
        self, weights_name: str, options: dict[str, str], listed: Listed | None = None
    ) -> None:
        self.weights_name, self.name = weights_name, opt.join(weights_name, options)
        opt.refuse_unknown(weights_name, options, ("pool", "size", opt.LAST))
        self.pool = (
            opt.choice(weights_name, "pool", options["pool"], ALL) if "pool" in options else None
        )
        self.size: int | None = None
        if "size" in options:
            self.size = opt.whole(weights_name, "size", options["size"], 32, 1024)
        self.listed = listed
        self.title = (listed.title if listed else weights_name) + self.name.removeprefix(
            weights_name
        ).replace(":", ", ", 1)
        self.family = listed.family if listed else "network"
        if listed:
            self.about = listed.about
        else:
            self.about = f"The network {weights_name} of {self._library}, named by you."
        self._model: torch.nn.Module | None = None
        self._graphs: dict[str, compiled.Graph] = {}
        self._lock = threading.RLock()

    def __getstate__(self) -> dict:
        """Worker processes only prepare pictures: they get no weights."""
        held = {key: None if key in HELD else value for key, value in self.__dict__.items()}
        return {**held, "_graphs": {}}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    @cached_property
    def dim(self) -> int:
        """Length of the vectors; off the table the library is asked, without any weights."""
        return self.listed.dim if self.listed and not self.pool else self._dim()

    @cached_property
    def preprocess(self) -> Preprocess:
        return (self.listed.preprocess if self.listed else self._preprocess()).at(self.size)

    @property
    def side(self) -> int:
        return self.preprocess.resize

    @cached_property
    def form(self) -> str:
        """The number format: fixed when first asked, so that its vectors stay of one kind."""
        return precision.recorded(self)

    @property
    def ready(self) -> bool:
        return self._file() is not None

    def state(self) -> State:
        for package in ("torch", self._library):
            if find_spec(package) is None:
                return State(
                    "unavailable", f"{package} is not installed: pip install -r requirements.txt"
                )
        if self.ready:
            return State("ready")
        return weights.state(self.weights_name, self.listed.megabytes * 10**6 if self.listed else 0)

    def weights_digest(self) -> str | None:
        """sha256 of the weights file, or None where it is not here yet."""
        path = weights.found(self.weights_name)
        return weights.sha256(path) if path else None

    def _file(self) -> Path | None:
        """The weights file on this machine, or None."""
        return weights.found(self.weights_name)

    def _tensors(self, path: Path) -> dict[str, torch.Tensor]:
        """What the weights file holds, under the names of the library. Raises UserError."""
        return weights.read(path)

    def fingerprint(self) -> dict:
        causes = {
            "weights": self.weights_digest(),
            "preprocess": self.preprocess.record(),
            "precision": self.form,
        }
        return {**super().fingerprint(), **causes}

    def load(self, progress: Progress | None = None) -> None:
        """Read the weights into memory, downloading them first where needed.

        Raises:
            UserError: offline, damaged or foreign weights, an option that this network can't take.
            Cancelled: ``progress(done_bytes, total_bytes)`` said stop.
        """
        with self._lock:
            if self._model is None and not (self.ready and self.find_graph()):
                self._read(progress)

    def _read(self, progress: Progress | None = None) -> None:
        self._model = precision.converted(
            precision.placed(self._folded(self.published(progress))), self.form
        )

    def published(self, progress: Progress | None = None) -> torch.nn.Module:
        """A new network with the published weights, in fp32, to train. Raises as ``load``."""
        path = self._file() or self._fetch(progress)
        return self._build(self._tensors(path), path).eval().requires_grad_(False)

    def _folded(self, model: torch.nn.Module) -> torch.nn.Module:
        noise = np.random.default_rng(0).integers(
            0, 256, (1, self.side, self.side, 3), dtype=np.uint8
        )
        return folding.folded(model, self._features, self._normalised(noise, model))

    def use_precision(self, form: str) -> None:
        """Run in this number format from now on."""
        with self._lock:
            if self.form == "bf16-weights" != form:
                self._model = None  # rounded weights can't be made whole again: read them anew
            self.form = form
            self.find_graph()
            if self._model is not None:
                self._model = precision.converted(self._model, form)

    def run(self, batch: Sequence[np.ndarray], model: torch.nn.Module, form: str) -> np.ndarray:
        """Prepared pictures through ``model`` in a given number format -> float32 (n, dim), not
        normalised."""
        return precision.run(model, self._features, self._normalised(batch, model), form)

    def whole(self, model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
        """uint8 (n, size, size, 3) -> float32 (n, dim): all of it, as one graph."""
        import torch

        mean, std = (torch.tensor(v) for v in (self.preprocess.mean, self.preprocess.std))
        return self._features(model, ((pictures.float() / 255.0 - mean) / std).permute(0, 3, 1, 2))

    @property
    def model(self) -> torch.nn.Module:
        """The network itself, loaded."""
        with self._lock:
            if self._model is None:
                self._read()
            return self._model

    @property
    def preparation(self) -> Hashable:
        return self.preprocess.kept

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return self.preprocess.pixels(image)

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        return self.preprocess.seen(width, height)

    def positions(self, images: Sequence[np.ndarray]) -> list[Positions] | None:
        prepared = [self.prepare(image) for image in images]
        pixels = self._normalised(prepared, self.model)
        try:
            parts = precision.run(self.model, self._parts, pixels, self.form)
        except positions.NoGrid:
            return None
        how = positions.HOW.get(self.pool or "avg", "").format(power=GEM_POWER)
        return positions.told(parts, self.encode_prepared(prepared), how)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        self.load()
        if (graph := self.graph) is not None:
            return graph(np.stack(batch))
        return self.run(batch, self.model, self.form)

    def _normalised(self, batch: Sequence[np.ndarray], model: torch.nn.Module) -> torch.Tensor:
        """uint8 (n, size, size, 3) -> float32 (n, 3, size, size), channels last in memory."""
        import torch

        device = next(model.parameters()).device
        pixels = precision.sent(batch, device).float().div_(255.0)
        lines = pixels.flatten(2)  # by whole lines: by channel takes eight times as long
        for values, change in (
            (self.preprocess.mean, lines.sub_),
            (self.preprocess.std, lines.div_),
        ):
            change(torch.tensor(values, device=device).repeat(pixels.shape[2]))
        return pixels.permute(0, 3, 1, 2)

    @abstractmethod
    def _preprocess(self) -> Preprocess:
        """The record of preprocessing that came with the weights."""

    @abstractmethod
    def _dim(self) -> int:
        """Length of the vectors with the options given. Raises UserError: not with these."""

    @abstractmethod
    def _fetch(self, progress: Progress | None) -> Path:
        """Download the weights file."""

    @abstractmethod
    def _build(self, state: dict[str, torch.Tensor], path: Path) -> torch.nn.Module:
        """The network with these weights; every tensor has to fit."""

    @abstractmethod
    def _parts(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, size, size) -> (n, h, w, dim) that sum to :meth:`_features`, or the features (n,
        h, w, c) of patches where the pooling is no sum over them (:func:`.positions.tried`). Raises
        NoGrid."""

    @abstractmethod
    def _features(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, size, size) -> (n, dim)."""
