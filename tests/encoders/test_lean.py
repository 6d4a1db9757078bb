"""What a process that only encodes has imported."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("tf_efficientnet_lite0.in1k", "resnet.lookalike", "vit.lookalike")
HEAVY = ("torch._dynamo", "torch.distributed.fsdp", "triton", "sympy", "huggingface_hub")
CODE = """
import sys
import numpy as np
from core.encoders.base import encoders
for name in {names}:
    encoder = encoders.get(name)
    encoder.encode([np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 200, np.uint8)])
    print(name, *[heavy for heavy in {heavy} if heavy in sys.modules])
import torch
from core.weights import lean
print("hf_hub_url" in dir(lean.hub()))
print(torch.compile(torch.nn.Linear(2, 2), backend="eager") is not None, "torch._dynamo" in sys.modules)
"""


def test_torch_s_compiler_and_the_hub_s_client_are_left_out_and_can_still_be_had():
    code = CODE.format(names=NAMES, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *imported, client, compiler = done.stdout.splitlines()
    assert imported == list(NAMES)
    assert client == "True"
    assert compiler == "True True"
