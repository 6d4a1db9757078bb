"""Networks trained here or brought: their cards, what only some can do, bringing one."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from core import images, store
from core.datasets.base import Dataset
from core.encoders.base import encoders
from core.encoders.trained import Trained
from core.encoders.trained_networks import Blueprint
from core.errors import UserError
from core.services.embedding.bound import bound
from core.services.search.request import item_of
from core.training.resolve import refuse_taken
from core.training.settings import Settings, override

MAX_WEIGHTS = 2 << 30


def cards() -> list[dict]:
    """The cards of all models, newest first, each with ``tier`` (bundled or trained)."""
    found = [made for made in map(encoders.get, encoders.names()) if isinstance(made, Trained)]
    rows = [
        {**made.card, "name": made.name, "title": made.title, "tier": made.tier} for made in found
    ]
    return sorted(rows, key=lambda row: row.get("created", ""), reverse=True)


def _model(name: str) -> Trained:
    made = encoders.get(name)
    if not isinstance(made, Trained):
        raise UserError(f"{name} was not trained here.")
    return made


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as an autoencoder sees it and as it draws it again, WebP both. ``explained``: share
    of the picture's own variance that the drawing holds; 0 = no better than its mean colours, 1 =
    the same."""

    id: str
    seen: bytes
    drawn: bytes
    explained: float


def reconstructions(dataset: Dataset, name: str, ids: Sequence[str]) -> list[Drawn]:
    """Pictures of a dataset, drawn again. Raises UserError: the model is no autoencoder."""
    made: Any = bound(dataset, name).loaded()
    pictures = [images.decode(dataset.read(item_of(dataset, id)), made.side) for id in ids]
    seen = [made.prepare(picture) for picture in pictures]
    return [
        Drawn(
            id,
            images.thumbnail(one, len(one)),
            images.thumbnail(two, len(two)),
            explained(one, two),
        )
        for id, one, two in zip(ids, seen, made.reconstruct(pictures), strict=True)
    ]


def explained(picture: np.ndarray, drawing: np.ndarray) -> float:
    """Share of a picture's colour variance that a drawing explains; both uint8 (h, w, 3)."""
    wanted = picture.astype(np.float64)
    around = np.square(wanted - wanted.mean(axis=(0, 1))).mean()
    return float(1 - np.square(drawing - wanted).mean() / max(around, 1e-6))


@dataclass(frozen=True, slots=True)
class Pair:
    """The learned distance of two pictures, 0 to 2; ``same`` says on which side of the model's
    threshold it lies (None: it has none)."""

    distance: float
    threshold: float | None

    @property
    def same(self) -> bool | None:
        return None if self.threshold is None else self.distance < self.threshold


def distances(dataset: Dataset, name: str, left: str, right: Sequence[str]) -> list[Pair]:
    """A picture with each of others, by a siamese network. Raises UserError: another encoder."""
    made: Any = bound(dataset, name).loaded()
    first, *others = (
        images.decode(dataset.read(item_of(dataset, id)), made.side) for id in (left, *right)
    )
    found = made.distance([first] * len(others), others)
    return [Pair(float(one), made.threshold) for one in found]


def import_model(
    file: Path, name: str, backbone: str, size: int, dim: int
) -> tuple[Path, list[str], list[str]]:
    """A user's weights as an encoder: folder, keys missing, keys left over. Raises UserError."""
    if not file.is_file():
        raise UserError(f"There is no file {file}.", fix="Check the spelling.")
    from core.training.train import import_weights

    told = override(Settings(recipe="import"), {"name": name or "", "size": size, "dim": dim})
    if not told.name:
        raise UserError(
            "The model has no name.", "A name is architecture.tag.", "For example: resnet.mine"
        )
    refuse_taken(told)
    return import_weights(file, told.name, Blueprint("embedder", backbone, told.dim, told.size))


def import_upload(
    file: str, data: bytes, name: str, backbone: str, size: int, dim: int
) -> tuple[list[str], list[str]]:
    """:func:`import_model` of a browser's file: keys missing, keys left over. Raises UserError."""
    if len(data) > MAX_WEIGHTS:
        raise UserError(
            f"{file} has {len(data) / 1e9:.1f} GB.", f"At most {MAX_WEIGHTS / 1e9:.0f} GB."
        )
    suffix = PurePath(file).suffix.lower()
    if suffix not in (".pth", ".pt", ".bin", ".safetensors"):
        raise UserError(
            f"{file} is no weights file.", "A state dict: .pth, .pt, .bin or .safetensors."
        )
    home = store.cache("imports")
    store.check_space(store.root(), 2 * len(data) + (64 << 20))
    with store.writing(home):
        store.make_folder(home)
        with tempfile.TemporaryDirectory(dir=home) as folder:
            path = Path(folder, f"weights{suffix}")
            path.write_bytes(data)
            try:
                return import_model(path, name, backbone, size, dim)[1:]
            except UserError as error:
                raise _of_upload(error, path, file) from error


def _of_upload(error: UserError, path: Path, file: str) -> UserError:
    """The error in terms of the file that was chosen, not of where it lay for a moment."""
    words = [
        part.replace(str(path), file).replace(path.name, file)
        for part in (error.given, error.allowed, error.fix)
    ]
    if "Delete it" in words[2]:
        words[2] = "Save one with torch.save(model.state_dict(), FILE)."
    return UserError(*words)
