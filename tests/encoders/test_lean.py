"""What a process that only encodes has imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch._dynamo", "torch.distributed.fsdp", "triton", "sympy", "huggingface_hub")
CODE = """
import sys
import numpy as np
from core.encoders.base import encoders
encoder = encoders.get({name!r})
encoder.encode([np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 200, np.uint8)])
print(*[name for name in {heavy} if name in sys.modules])
import torch
from core.weights import lean
print("hf_hub_url" in dir(lean.hub()))
print(torch.compile(torch.nn.Linear(2, 2)) is not None, "torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize(
    "name", ["tf_efficientnet_lite0.in1k", "resnet.lookalike", "vit.lookalike"]
)
def test_torch_s_compiler_and_the_hub_s_client_are_left_out_and_can_still_be_had(name):
    code = CODE.format(name=name, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    imported, client, compiler = done.stdout.splitlines()
    assert imported == ""
    assert client == "True"
    assert compiler == "True True"
