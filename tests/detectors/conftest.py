"""The hub on the loopback interface, pictures with one thing on a plain ground, and YOLO networks
of a few bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.encoders.conftest import hub  # noqa: F401 (a fixture)


@pytest.fixture
def thing() -> Callable[..., np.ndarray]:
    """``thing(width, height, box)``: a red disc with a dark rim that fills ``box`` (fractions) on a
    light ground."""

    def draw(
        width: int = 320,
        height: int = 240,
        box: tuple[float, float, float, float] = (0.3, 0.2, 0.7, 0.8),
    ) -> np.ndarray:
        image = Image.new("RGB", (width, height), (226, 224, 220))
        edges = [
            edge * side for edge, side in zip(box, (width, height, width, height), strict=True)
        ]
        ImageDraw.Draw(image).ellipse(
            edges, fill=(190, 40, 35), outline=(60, 10, 10), width=max(2, width // 60)
        )
        return np.asarray(image)

    return draw


@pytest.fixture
def network(artifacts: Path) -> Callable[..., Path]:
    """``network(name, outputs, ...)``: an ONNX file at models/NAME/net.onnx whose outputs are these
    arrays for any picture."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def put(
        name: str,
        *outputs: np.ndarray,
        side: tuple = (64, 64),
        kind: int = TensorProto.FLOAT,
        **told: str,
    ) -> Path:
        picture = helper.make_tensor_value_info("images", kind, [1, 3, *side])
        nodes = [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["floats"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "none"], ["nothing"]),
        ]
        held = [numpy_helper.from_array(np.float32(0), "none")]
        given = []
        for place, array in enumerate(outputs):
            held.append(numpy_helper.from_array(array.astype(np.float32), f"array{place}"))
            nodes.append(helper.make_node("Add", [f"array{place}", "nothing"], [f"output{place}"]))
            given.append(
                helper.make_tensor_value_info(
                    f"output{place}", TensorProto.FLOAT, list(array.shape)
                )
            )
        graph = helper.make_graph(nodes, "net", [picture], given, held)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, told)
        path = artifacts / "models" / name / "net.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(model, path)
        return path

    return put
