"""Number formats of a network: half the bits where that is faster here and changes nothing that
matters.

bf16 keeps 8 bits of a number. Some networks do not mind, others rank differently; some processors
gain six times, others lose. So it is measured, for each network on each machine, on a sample of the
gallery, and the figures are kept.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core import store
from core.device import FP32, device_kind, device_name
from core.errors import UserError

log = logging.getLogger(__name__)
ENV = "LOOKALIKE_PRECISION"
KNOWN = (FP32, "bf16-autocast", "bf16-weights", "fp16-autocast", "bf16-graph")


@dataclass(frozen=True, slots=True)
class Record:
    """A decision; ``rates`` in pictures per second; overlap of the top 10 with fp32."""

    form: str
    reason: str
    pictures: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    overlap: dict[str, float] = field(default_factory=dict)
    map_change: dict[str, float] = field(default_factory=dict)


class Measured(Protocol):
    """What a record belongs to: a network, by its name and the digest of its weights."""

    name: str

    @property
    def ready(self) -> bool: ...

    def weights_digest(self) -> str | None: ...


def recorded(encoder: Measured) -> str:
    """The form to run in: forced by the environment, else as decided earlier, else fp32."""
    record = forced() or found(encoder)
    return record.form if record else FP32


def found(encoder: Measured) -> Record | None:
    """The record of an earlier decision for these weights on this machine, or None."""
    if os.environ.get(ENV) or not encoder.ready:
        return None
    try:
        record = Record(**json.loads(store.existing(_path(encoder)).read_text()))
        return record if record.form in KNOWN else None
    except FileNotFoundError:
        return None
    except store.UNREADABLE as error:
        log.warning("ignoring an unreadable record of precision: %s", error)
        return None


def keep(encoder: Measured, record: Record) -> None:
    """Write a decision down for these weights on this machine. Raises OSError."""
    store.write_text(_path(encoder), json.dumps(asdict(record)))


def forced() -> Record | None:
    """What the environment asks for, or None. Raises UserError where it asks for nothing known."""
    wish = os.environ.get(ENV, "")
    if not wish:
        return None
    kinds = {FP32: FP32, "bf16": "bf16-autocast", "bf16-graph": "bf16-graph"}
    if wish not in kinds:
        raise UserError(
            f"{ENV}={wish} is set.",
            f"It may be: {', '.join(kinds)}.",
            "Unset it to have it measured.",
        )
    return Record(kinds[wish], f"forced by {ENV}")


def _path(encoder: Measured) -> Path:
    key = store.fingerprint(
        {"name": encoder.name, "weights": encoder.weights_digest(), "device": device_name()}
    )
    return store.root() / "cache" / "precision" / f"{key}.json"


if TYPE_CHECKING:
    import numpy as np
    import torch

GPU_BATCH = 256


def offered() -> tuple[str, ...]:
    """The forms besides fp32 that this machine computes in hardware."""
    import torch

    if device_kind() == "cuda":
        if torch.cuda.is_bf16_supported():
            return ("fp16-autocast", "bf16-autocast")
        return ("fp16-autocast",)
    has = any(
        getattr(torch.cpu, ask, bool)()
        for ask in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return ("bf16-autocast", "bf16-weights") if has else ()


def placed(model: torch.nn.Module) -> torch.nn.Module:
    """On the device it will run on, channels last in memory (faster for convolutions)."""
    import torch

    return model.to(device=device_kind(), memory_format=torch.channels_last)


def batch(on_cpu: int) -> int:
    """Pictures in a batch of a build: a GPU wants many more to be busy."""
    return GPU_BATCH if device_kind() == "cuda" else on_cpu


def sent(prepared: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    """Pictures of one shape as one uint8 tensor (n, ...) on a device. To a GPU they go from
    page-locked memory, while it computes: the numbers are made there, of a quarter of the bytes."""
    import numpy
    import torch

    stacked = torch.from_numpy(numpy.stack(prepared))
    if device.type != "cuda":
        return stacked.to(device)
    return stacked.pin_memory().to(device, non_blocking=True)


def converted(model: torch.nn.Module, form: str) -> torch.nn.Module:
    """The model itself, its weights rounded where the form wants that."""
    import torch

    if form != "bf16-weights":
        return model
    return model.rounded() if hasattr(model, "rounded") else model.to(torch.bfloat16)


def whole(on_gpu: bool) -> AbstractContextManager:
    """All 32 bits of fp32: a GPU rounds convolutions to 10 bits (TF32) unless told not to."""
    import torch

    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if on_gpu else nullcontext()


def run(model: torch.nn.Module, features: Callable, pixels: torch.Tensor, form: str) -> np.ndarray:
    """``features(model, pixels)`` in the given form -> float32 numpy."""
    import torch

    kind, _, how = form.partition("-")
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(kind, torch.float32)
    alike = how in ("autocast", "graph")  # torch's nearest to what a graph does in 16 bits
    auto = torch.autocast(pixels.device.type, dtype) if alike else nullcontext()
    with torch.inference_mode(), auto, whole(pixels.is_cuda and form == "fp32"):
        return (
            features(model, pixels.to(dtype) if how == "weights" else pixels).float().cpu().numpy()
        )
