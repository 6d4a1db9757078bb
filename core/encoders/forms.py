"""Running a network in one of the number formats of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from core.encoders.precision import device_kind

if TYPE_CHECKING:
    import numpy as np
    import torch

GPU_BATCH = 256


def offered() -> tuple[str, ...]:
    """The forms besides fp32 that this machine computes in hardware."""
    import torch

    if device_kind() == "cuda":
        return (
            ("fp16-autocast", "bf16-autocast")
            if torch.cuda.is_bf16_supported()
            else ("fp16-autocast",)
        )
    has = any(
        getattr(torch.cpu, ask, bool)()
        for ask in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return ("bf16-autocast", "bf16-weights") if has else ()


def placed(model: torch.nn.Module) -> torch.nn.Module:
    """On the device it will run on, channels last in memory (which convolutions here run faster
    on)."""
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


@contextmanager
def one_core() -> Iterator[None]:
    """torch works on one core inside the block, in every thread that begins there."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def converted(model: torch.nn.Module, form: str) -> torch.nn.Module:
    """The model itself, its weights rounded where the form wants that."""
    import torch

    if form != "bf16-weights":
        return model
    return model.rounded() if hasattr(model, "rounded") else model.to(torch.bfloat16)


def whole(on_gpu: bool) -> AbstractContextManager:
    """All 32 bits of fp32: a GPU would round the factors of convolutions to 10 bits (TF32) unless
    it is told not to."""
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
