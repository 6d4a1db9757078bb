"""What a measurement was made with is known while torch is still on its way in."""

from __future__ import annotations

import sys
from types import ModuleType

from core.services import hardware


def test_a_half_imported_torch_is_no_accelerator(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert hardware.hardware() == hardware.processor()
    assert hardware.processor().endswith("cores")


def test_an_accelerator_is_named_but_is_no_part_of_the_processor(monkeypatch):
    torch, cuda = ModuleType("torch"), ModuleType("cuda")
    torch.cuda, cuda.is_available, cuda.get_device_name = cuda, lambda: True, lambda place: "A card"
    plain = hardware.processor()
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert hardware.hardware() == f"{plain}, A card"
    assert hardware.processor() == plain
