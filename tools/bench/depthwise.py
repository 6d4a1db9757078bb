"""Forward and backward of EfficientNet-Lite0's depthwise convolutions, bf16 against float32, one
thread, one run.

python tools/bench/depthwise.py
"""

import time

import torch
from torch.nn.functional import conv2d

SHAPES = (
    (144, 39, 5, 2),
    (240, 18, 5, 1),
    (240, 19, 3, 2),
    (672, 9, 5, 1),
    (672, 13, 5, 2),
    (1152, 5, 5, 1),
)
"""Channels, side of the input, kernel, stride: as a picture of 144 pixels meets them."""
BATCH, RUNS = 32, 3


def milliseconds(channels: int, side: int, kernel: int, stride: int, kind: torch.dtype) -> float:
    pixels = (
        torch.randn(BATCH, channels, side, side, dtype=kind)
        .to(memory_format=torch.channels_last)
        .requires_grad_()
    )
    weights = torch.randn(channels, 1, kernel, kernel, dtype=kind, requires_grad=True)

    def step() -> None:
        made = conv2d(
            pixels,
            weights,
            stride=stride,
            padding=kernel // 2 if stride == 1 else 0,
            groups=channels,
        )
        made.backward(torch.ones_like(made))

    step()
    started = time.process_time()
    for _ in range(RUNS):
        step()
    return (time.process_time() - started) / RUNS * 1000


if __name__ == "__main__":
    torch.set_num_threads(1)
    for shape in SHAPES:
        half, whole = (milliseconds(*shape, kind) for kind in (torch.bfloat16, torch.float32))
        channels, side, kernel, stride = shape
        print(f"{channels} channels of {side} x {side}, kernel {kernel}, stride {stride}: ", end="")
        print(f"bf16 {half:.1f} ms, fp32 {whole:.1f} ms, {half / whole:.1f} times")
