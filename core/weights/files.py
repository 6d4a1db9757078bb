"""Weight files of pretrained networks: where they lie, whether they are whole, what they hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.checksums import begins_with_zeros
from core.errors import UserError
from core.types import State

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pth", ".bin", ".pt")
USUAL = "model.safetensors"
MARK = ".sha256"


def folder(name: str) -> Path:
    """Where the weights called ``name`` (``architecture.tag``) belong."""
    return store.root() / "models" / store.safe(name)


def homes(name: str) -> list[Path]:
    """Every folder in which the weights called ``name`` may lie, the own one first."""
    return [home / "models" / store.safe(name) for home in store.layers()]


def found(name: str) -> Path | None:
    """The weights file of ``name``, downloaded or put there by hand; safetensors before others. One
    that begins with zeros, as a power cut leaves it, counts as absent."""
    files = [
        file
        for home in homes(name)
        for file in store.listed(home)
        if file.is_file() and file.suffix in SUFFIXES and not _is_blank(file)
    ]
    return next((file for suffix in SUFFIXES for file in files if file.suffix == suffix), None)


def _is_blank(file: Path) -> bool:
    try:
        return begins_with_zeros(file)
    except OSError:
        return False


def state(name: str, size: int) -> State:
    """``ready`` where the file lies there, else ``download`` with the size where it is known."""
    if found(name) is not None:
        return State("ready")
    return State(
        "download", f"fetched on first use, or put the file by hand at {shown(name)}", size
    )


def shown(name: str, file: str = USUAL) -> str:
    """The place of a weights file, as a message says it."""
    return f"models/{name}/{file} in the artifacts folder ({store.root()})"


def sha256(path: Path) -> str:
    """The file's sha256, remembered beside it until its size or time of change differs."""
    stat, mark = path.stat(), path.with_name(MARK)
    now = {"file": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    try:
        noted = json.loads(mark.read_text())
        if {key: noted[key] for key in now} == now:
            return noted["sha256"]
    except store.UNREADABLE:
        pass
    return remember(path, store.digest(path))


def remember(path: Path, digest: str) -> str:
    """Note the digest of a file beside it; a folder that can't be written costs only time."""
    stat = path.stat()
    noted = {
        "file": path.name,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "sha256": digest,
    }
    if os.access(path.parent, os.W_OK):
        store.write_text(path.with_name(MARK), json.dumps(noted))
    return digest


def read(path: Path, wanted: Callable[[str], bool] | None = None) -> dict[str, torch.Tensor]:
    """Names to tensors, without ever running what the file holds; those that are ``wanted``, where
    not all are.

    Raises:
        UserError: the file is truncated, is no weights file, or holds more than tensors.
    """
    try:
        return _tensors(path, wanted or (lambda _: True))
    except UserError:
        raise
    except (
        Exception
    ) as error:  # safetensors, zip and unpickling each have their own errors for damaged bytes
        # of torch's one sentence says what is wrong, and pages how to run the file all the same
        said = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise UserError(
            f"The weights file {path} is damaged or no weights file ({said[:160]}).",
            "safetensors, or a .pth that holds only tensors.",
            "Delete it and download it again.",
        ) from error


def _tensors(path: Path, wanted: Callable[[str], bool]) -> dict[str, torch.Tensor]:
    import torch

    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.offset_keys() if wanted(name)}
    held = torch.load(path, map_location="cpu", weights_only=True)
    for inner in ("state_dict", "model", "model_state"):
        held = held.get(inner, held) if isinstance(held, dict) else held
    if not isinstance(held, dict) or not all(
        isinstance(value, torch.Tensor) for value in held.values()
    ):
        raise UserError(
            f"The weights file {path} does not hold names and tensors.",
            fix="Delete it and download it again.",
        )
    return {name: value for name, value in held.items() if wanted(name)}


def misfit(path: Path, name: str, error: Exception) -> UserError:
    """The error for tensors that are not those of the network: the first few lines say which."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    listed = " ".join(
        line if len(line) < 300 else line[:300] + " ..." for line in lines[1:4] or lines[:1]
    )
    return UserError(
        f"The weights file {path} is not one of {name}. {listed}",
        fix="Put the right file there, or delete it to download it.",
    )
