"""From a finished run, or from a user's own weights, to a model that stands among the encoders."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.encoders import trained
from core.encoders.trained import CARD, WEIGHTS
from core.encoders.trained_networks import Blueprint, build
from core.errors import UserError
from core.weights import files as weights

if TYPE_CHECKING:
    import torch


def write_model(
    name: str, network: torch.nn.Module, blueprint: Blueprint, card: dict, stored: str = "half"
) -> Path:
    """``models/<name>/weights.safetensors`` and ``card.json``, there whole or not at all.

    ``stored`` is ``half`` (matrices in half precision) or ``int8`` (matrices in 8 bits with a scale
    a row).

    Raises:
        UserError: the disk is full, or the name is not allowed.
    """
    from safetensors.torch import save_file

    final = store.root() / "models" / name
    with store.new_folder(final) as folder:
        state = network.state_dict()
        packed = (
            trained.pack(state)
            if stored == "int8"
            else {key: _small(one) for key, one in state.items()}
        )
        save_file(packed, folder / WEIGHTS)
        (folder / WEIGHTS).chmod(0o644)
        told = {
            **card,
            "name": name,
            "network": blueprint.to_dict(),
            "sha256": store.digest(folder / WEIGHTS),
            "bytes": (folder / WEIGHTS).stat().st_size,
            "parameters": sum(p.numel() for p in network.parameters()),
            "created": time.strftime("%Y-%m-%d"),
            "stored": stored,
        }
        (folder / CARD).write_text(json.dumps(told, indent=1))
    return final


def _small(value: torch.Tensor) -> torch.Tensor:
    """Matrices to fp16; biases and batch statistics, whose range fp16 may not hold, stay."""
    import torch

    value = value.detach().cpu().contiguous()
    return value.to(torch.float16) if value.is_floating_point() and value.ndim > 1 else value


def import_weights(
    path: Path, name: str, blueprint: Blueprint, title: str = ""
) -> tuple[Path, list[str], list[str]]:
    """A user's ``.pth`` or ``.safetensors`` state dict as a model.

    Returns:
        The model's folder, the keys that the network wants and the file lacks (the embedding on top
        may be among them: it then stays a random orthogonal projection), and the keys of the file
        that were not used.

    Raises:
        UserError: the file holds no state dict of tensors, or nothing of it fits below the
            embedding.
    """
    import torch

    torch.manual_seed(0)
    network, found = build(blueprint), _state(path)
    wanted = network.state_dict()
    fitting = {}
    for key, value in found.items():
        for mine in (key, f"backbone.{key}"):
            if mine in wanted and wanted[mine].shape == value.shape:
                fitting[mine] = value
    missing = sorted(set(wanted) - set(fitting))
    unused = sorted(key for key in found if key not in fitting and f"backbone.{key}" not in fitting)
    below = [key for key in missing if key.startswith("backbone.")]
    if below:
        raise UserError(
            f"{path.name} lacks {len(below)} weights of {blueprint.backbone}, or has them in"
            f" another shape: {_some(below)}.",
            f"Keys of the file that do not fit: {_some(unused) or 'none'}.",
            "Name the architecture that the file was trained with.",
        )
    network.load_state_dict(fitting, strict=False)
    card = {
        "title": title or name,
        "family": "network",
        "about": "Your own weights.",
        "data": [],
        "recipe": "import",
        "licence": "Your own.",
        "missing": missing,
        "unused": unused,
    }
    return write_model(name, network, blueprint, card), missing, unused


def _state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file, however it was wrapped; never code. Raises UserError."""
    return {key.removeprefix("module."): value for key, value in weights.read(path).items()}


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
