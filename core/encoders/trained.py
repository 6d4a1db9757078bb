"""Networks that were trained here: each folder ``models/<architecture.tag>`` with a card is an
encoder.

Weights may be stored in 8 bits: each row of a matrix (an output channel of a convolution) as int8
with a scale of its own. That is half the size of half precision; the network computes as before,
for it is unpacked to float32.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import store
from core.encoders import positions, precision
from core.encoders.base import encoders
from core.encoders.compilable import Compilable
from core.encoders.trained_networks import Blueprint, build, from_output, to_input
from core.errors import UserError
from core.images import resize
from core.types import Positions, Progress
from core.weights import compiled, folding

if TYPE_CHECKING:
    import torch

SCALE = "#scale"
"""Behind a tensor's name: the scales of its rows."""
SMALLEST = 1024
"""Tensors with fewer elements stay in half precision: nothing would be saved."""
LEVELS = 127


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every large matrix as int8 (same shape) and ``name#scale`` float32 (rows,); others small."""
    import torch

    made: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        if not value.is_floating_point() or value.ndim < 2:
            made[name] = value
        elif value.numel() < SMALLEST:
            made[name] = value.to(torch.float16)
        else:
            made[name], made[name + SCALE] = _rows(value.float())
    return made


def _rows(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    flat = value.flatten(1)
    scale = flat.abs().amax(dim=1).clamp(min=1e-12) / LEVELS
    return (flat / scale[:, None]).round().clamp(-LEVELS, LEVELS).to(torch.int8).reshape(
        value.shape
    ), scale


def unpack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict that :func:`pack` was given, to its precision; others as they are."""
    made = {}
    for name, value in state.items():
        if name.endswith(SCALE):
            continue
        scale = state.get(name + SCALE)
        made[name] = (
            value if scale is None else value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        )
    return made


if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
CARD, WEIGHTS = "card.json", "weights.safetensors"
OURS = ".lookalike"
"""The tag of the models that come with the code."""
DETECTOR = ".detector"
"""The tag of folders beside the models whose network finds boxes: no encoder."""
UNTRAINED = "-untrained"
"""Behind a model's name: the network that it began as, where it was trained from scratch."""
VERSION = 1


class Trained(Compilable):
    """A network of ours with its card; the card alone is read until vectors are asked for."""

    batch = property(lambda self: precision.batch(64))  # type: ignore[assignment]
    has_positions = True
    streams = property(lambda self: precision.device_kind() == "cpu")

    def __init__(self, folder: Path) -> None:
        self.folder, self.card = folder, read_card(folder)
        self.blueprint = Blueprint.from_dict(self.card["network"])
        self.name = self.title = folder.name
        self.family, self.about = self.card.get("family", "network"), self.card.get("about", "")
        came_with_the_code = folder.parent.parent == store.shipped() and folder.name.endswith(OURS)
        self.tier = "bundled" if came_with_the_code else "trained"
        if (title := self.card.get("title")) and title != self.name:
            # the title of a recipe, which many runs on a machine have in common
            self.title = title if came_with_the_code else f"{title}: {self.name}"
        self.dim, self.side = self.blueprint.dim, self.blueprint.resize or self.blueprint.size
        self._network: torch.nn.Module | None = None
        self._rounded: torch.nn.Module | None = None
        self._graphs: dict[str, compiled.Graph] = {}

    def __getstate__(self) -> dict:
        """Worker processes only prepare pictures: they get no weights."""
        return {**self.__dict__, "_network": None, "_rounded": None, "_graphs": {}}

    ready = True

    @cached_property
    def form(self) -> str:
        """The number format: fixed when first asked, so that its vectors stay of one kind."""
        return precision.recorded(self)

    def weights_digest(self) -> str:
        return self.card["sha256"]

    def fingerprint(self) -> dict:
        causes = {
            "weights": self.card["sha256"],
            "network": self.card["network"],
            "trained": VERSION,
        }
        form = {"precision": self.form} if self.form != precision.FP32 else {}
        return {**super().fingerprint(), **causes, **form}

    def load(self, progress: Progress | None = None) -> None:
        """Read the weights. Raises UserError where they are missing, damaged or not the card's."""
        if self._network is None and not self.find_graph():
            self._read()

    def _read(self) -> None:
        if self._network is None:
            self._network = encoding_network(self.folder, self.card["sha256"])

    def use_precision(self, form: str) -> None:
        """Encode in this number format from now on; drawings and distances stay in fp32."""
        self.form = form
        self.find_graph()

    @property
    def model(self) -> torch.nn.Module:
        """The network as it encodes. The one in fp32 is shared: weights are rounded in a copy."""
        if not self.form.endswith("weights"):
            return self._ready()
        if self._rounded is None:
            self._rounded = precision.converted(copy.deepcopy(self._ready()), self.form)
        return self._rounded

    def run(self, batch: Sequence[np.ndarray], model: torch.nn.Module, form: str) -> np.ndarray:
        """Prepared pictures through ``model`` in a given number format -> float32 (n, dim), not
        normalised."""
        return precision.run(
            model, lambda network, pixels: network(pixels), self._input(batch), form
        )

    def whole(self, model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
        """uint8 (n, size, size, 3) -> float32 (n, dim): all of it, as one graph."""
        return model(to_input(pictures.permute(0, 3, 1, 2), self.blueprint))

    @property
    def preparation(self) -> Hashable:
        middle = self.blueprint.centred
        return middle.kept if middle else ("squeezed", self.blueprint.size)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (size, size, 3), as in training: the picture squeezed, or its middle."""
        if middle := self.blueprint.centred:
            return middle.pixels(image)
        return resize(image, self.blueprint.size, self.blueprint.size)

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        middle = self.blueprint.centred
        return middle.seen(width, height) if middle else super().seen(width, height)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        self.load()
        if (graph := self.graph) is not None:
            return graph(np.stack(batch))
        return self.run(batch, self.model, self.form)

    def positions(self, images: Sequence[np.ndarray]) -> list[Positions] | None:
        prepared = [self.prepare(image) for image in images]
        try:
            parts = precision.run(self.model, _parts, self._input(prepared), self.form)
        except positions.NoGrid:
            return None
        return positions.told(parts, self.encode_prepared(prepared), self.model.pooling)

    def missed(self, images: Sequence[np.ndarray], others: np.ndarray) -> np.ndarray | None:
        """How far the cosine of each picture with a unit vector ``others`` (n, dim) falls where the
        network does not get to see the patches round a place: float32 (n, h, w). None where it is
        no small transformer."""
        import torch

        if not hasattr(self.model, "missed"):
            return None
        pixels = self._input([self.prepare(image) for image in images])
        beside = torch.from_numpy(np.array(others, np.float32)).to(pixels.device)
        try:
            return precision.run(
                self.model, lambda network, given: network.missed(given, beside), pixels, self.form
            )
        except positions.NoGrid:
            return None

    @property
    def kind(self) -> str:
        """``embedder``, ``siamese`` or ``autoencoder``."""
        return self.blueprint.kind

    def codes(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """What an autoencoder draws from: the codes of RGB uint8 pictures, not mirrored, with their
        lengths, float32 (n, dim). Raises UserError."""
        import torch

        self._need_decoder()
        with torch.inference_mode():
            pixels = self._input([self.prepare(image) for image in images])
            return self._ready().code(pixels).cpu().numpy()

    def draw(self, codes: np.ndarray) -> np.ndarray:
        """Drawings of codes (n, dim): uint8 (n, size, size, 3). Raises UserError."""
        import torch

        self._need_decoder()
        with torch.inference_mode():
            network = self._ready()
            device = next(network.parameters()).device
            drawn = network.decode(torch.from_numpy(np.asarray(codes, np.float32)).to(device))
        return from_output(drawn, self.blueprint).permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _need_decoder(self) -> None:
        if self.kind != "autoencoder":
            raise UserError(f"{self.name} can't draw pictures.", "Only an autoencoder can.")

    def reconstruct(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """An autoencoder's drawing of RGB uint8 pictures from their codes: uint8 (n, size, size,
        3). Raises UserError."""
        return self.draw(self.codes(images))

    def distance(self, left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> np.ndarray:
        """A siamese network's distance of RGB uint8 pairs: float32 (n,), 0..2. Raises UserError."""
        import torch

        if self.card["network"]["kind"] != "siamese":
            raise UserError(
                f"{self.name} has learned no distance of pairs.", "Only a siamese network has."
            )
        if len(left) != len(right):
            raise UserError(f"{len(left)} and {len(right)} pictures make no pairs.")
        one, two = ([self.prepare(image) for image in side] for side in (left, right))
        with torch.inference_mode():
            return self._ready().distance(self._input(one), self._input(two)).cpu().numpy()

    @property
    def threshold(self) -> float | None:
        """The distance below which a siamese network says the same, by its validation pairs."""
        return self.card.get("threshold")

    def _ready(self) -> torch.nn.Module:
        self._read()
        return self._network

    def _input(self, prepared: Sequence[np.ndarray]) -> torch.Tensor:
        pixels = precision.sent(prepared, next(self._ready().parameters()).device)
        return to_input(pixels.permute(0, 3, 1, 2), self.blueprint)


def _parts(network: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    return network.parts(pixels)


class Untrained(Trained):
    """The same network with random weights, to measure training against. Listed nowhere."""

    def __init__(self, card: dict, seed: int = 0) -> None:
        self.folder, self.card, self.seed = Path(), {**card, "sha256": f"random-{seed}"}, seed
        self.blueprint = Blueprint.from_dict(card["network"])
        self.name = card["name"] + UNTRAINED
        self.title = f"{card['name']}, untrained"
        self.tier = "trained"
        self.family = card.get("family", "network")
        self.about = "The same network with random weights, before its training."
        self.dim, self.side = self.blueprint.dim, self.blueprint.resize or self.blueprint.size
        self._network = self._rounded = None
        self._graphs = {}

    def _read(self) -> None:
        """Draw the weights. torch's own generator is left as it was."""
        import torch

        if self._network is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self._network = precision.placed(build(self.blueprint).eval())


@functools.lru_cache(maxsize=8)
def encoding_network(folder: Path, sha256: str) -> torch.nn.Module:
    """The network of a model folder as it encodes fastest: shared, not to be trained."""
    import torch

    network, blueprint = _read(folder, sha256), Blueprint.from_dict(read_card(folder)["network"])
    noise = torch.randint(
        256, (1, 3, blueprint.size, blueprint.size), generator=torch.Generator().manual_seed(0)
    )
    pixels = to_input(noise.to(torch.uint8), blueprint)
    return precision.placed(
        folding.folded(network, lambda model, pictures: model(pictures), pixels)
    )


@functools.lru_cache(maxsize=8)
def load_network(folder: Path, sha256: str) -> torch.nn.Module:
    """The network of a model folder as it was trained; read once. Raises UserError."""
    return precision.placed(_read(folder, sha256))


def _read(folder: Path, sha256: str) -> torch.nn.Module:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    try:
        if store.digest(path) != sha256:
            raise UserError(
                f"The weights of {folder.name} are not the ones that its card describes.",
                fix="Get them again.",
            )
        with torch.random.fork_rng(devices=[]):
            network = build(Blueprint.from_dict(read_card(folder)["network"]))
        network.load_state_dict(unpack(load_file(path)))  # copied into the network's own float32
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error)[:200]
        raise UserError(
            f"The weights of {folder.name} can't be read ({reason}).",
            fix="Get or train them again.",
        ) from error
    return network.eval()


def read_card(folder: Path) -> dict:
    """What a model says of itself. Raises UserError where that can't be read."""
    try:
        card = json.loads((folder / CARD).read_text())
        Blueprint.from_dict(card["network"])
        card["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The card of {folder.name} can't be read ({error!r}).",
            fix="Get or train the model again.",
        ) from error
    return card


def homes() -> list[Path]:
    """Where models lie: a user's own first, then what came with the code."""
    return list(dict.fromkeys(home / "models" for home in (*store.layers(), store.shipped())))


def find_model(name: str) -> Path | None:
    """The folder of a model, or None."""
    if _plain(name):
        return next((home / name for home in homes() if os.path.isfile(home / name / CARD)), None)
    return None


def _plain(name: str) -> bool:
    """Whether a name can be a model's folder: no path, not too long, no detector."""
    return (
        not name.endswith(DETECTOR)
        and "/" not in name
        and "\\" not in name
        and not name.startswith(".")
        and "\0" not in name
        and len(name.encode()) <= 200
    )


def _names() -> list[str]:
    found = []
    for home in homes():
        for folder in store.listed(home):
            if _plain(folder.name) and os.path.isfile(folder / CARD) and _readable(folder):
                found.append(folder.name)
    return list(dict.fromkeys(found))


def _readable(folder: Path) -> bool:
    try:
        return _is_card(folder, *store.identity(folder / CARD))
    except OSError:
        return False


@functools.lru_cache(maxsize=256)
def _is_card(folder: Path, *identity: int) -> bool:
    """Whether a card can be read, once for each state of its file: to look up any encoder is to ask
    which models there are."""
    try:
        read_card(folder)
        return True
    except UserError as error:
        log.warning("%s", error)
        return False


def _find(name: str) -> Trained | None:
    folder = find_model(name)
    if (
        folder is None
        and name.endswith(UNTRAINED)
        and (folder := find_model(name.removesuffix(UNTRAINED)))
    ):
        card = read_card(folder)
        return Untrained(card, card.get("seed", 0))
    return Trained(folder) if folder else None


encoders.add_finder(_names, _find)
