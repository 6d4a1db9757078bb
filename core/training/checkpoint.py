"""Everything a run needs to go on, in one safetensors file that is replaced as a whole. No
pickles."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.errors import UserError

if TYPE_CHECKING:
    import torch


class Damaged(UserError):
    """A checkpoint that is not what was written: cut, blank, or with other bytes."""


def save(
    path: Path,
    parts: dict[str, torch.nn.Module],
    optimiser: torch.optim.Optimizer | None,
    state: dict,
) -> None:
    """Write atomically: a kill at any moment leaves the file before or the file after. Raises
    UserError on a full disk."""
    from safetensors.torch import save as to_bytes

    tensors = {
        f"{part}/{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
    if optimiser is not None:
        for position, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{position}/{name}": value for name, value in values.items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    store.write_bytes(
        path, to_bytes(plain, metadata={"state": json.dumps(state), "checksum": _checksum(plain)})
    )


def load(
    path: Path, parts: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None = None
) -> dict:
    """Fill ``parts`` and the optimiser; returns the state.

    Raises:
        Damaged: the file is not what was written; nothing is filled then.
        UserError: it belongs to another network.
    """
    state, tensors = _read(path)
    try:
        for part, module in parts.items():
            module.load_state_dict(
                {n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{part}/")}
            )
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint {path} does not fit ({str(error)[:200]}).", fix="Start the run again."
        ) from error
    if optimiser is not None:
        _fill(optimiser, tensors)
    return state


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            told = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if told.get("checksum") not in (None, _checksum(tensors)):
            raise ValueError("its checksum differs")
        return json.loads(told["state"]), tensors
    except (SafetensorError, *store.UNREADABLE) as error:
        raise Damaged(
            f"The checkpoint {path} can't be read ({str(error)[:200]}).", fix="Start the run again."
        ) from error


def _checksum(tensors: dict[str, torch.Tensor]) -> str:
    import torch

    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(
            tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy(),
            zlib.crc32(name.encode(), value),
        )
    return f"{value:08x}"


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
            found.setdefault(int(position), {})[key] = (
                torch.empty_like(like).copy_(value) if same else value
            )
    optimiser.load_state_dict(
        {"state": found, "param_groups": optimiser.state_dict()["param_groups"]}
    )
