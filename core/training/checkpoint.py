"""Everything a run needs to go on, in one safetensors file that is replaced as a whole. No pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.errors import UserError

if TYPE_CHECKING:
    import torch


def save(path: Path, parts: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None, state: dict) -> None:
    """Write atomically: a kill at any moment leaves the file before or the file after. Raises UserError on a full disk."""
    from safetensors.torch import save as to_bytes

    tensors = {f"{part}/{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    if optimiser is not None:
        for position, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{position}/{name}": value for name, value in values.items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    store.write_bytes(path, to_bytes(plain, metadata={"state": json.dumps(state)}))


def load(path: Path, parts: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None = None) -> dict:
    """Fill ``parts`` and the optimiser; returns the state. Raises UserError where the file is damaged or does not fit."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for part, module in parts.items():
            module.load_state_dict({n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{part}/")})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"The checkpoint {path} can't be read ({str(error)[:200]}).", fix="Start the run again.") from error
    if optimiser is not None:
        _fill(optimiser, tensors)
    return state


def _fill(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Each moment gets the memory layout of its parameter, or a fused step would mix them up."""
    import torch

    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    found: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, position, key = name.split("/")
            like = parameters[int(position)]
            same = value.shape == like.shape and value.ndim > 0
            found.setdefault(int(position), {})[key] = torch.empty_like(like).copy_(value) if same else value
    optimiser.load_state_dict({"state": found, "param_groups": optimiser.state_dict()["param_groups"]})
