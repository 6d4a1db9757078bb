"""Networks compiled for this processor by OpenVINO (an optional package): in float32 the same
numbers but for rounding, up to twice as fast, and without torch once the graph is on disk.

The graph of a network is kept beside the other caches, for these weights on this machine. It is
used where it gives the numbers of torch and was measured not to be slower; all else (positions,
drawings, training) asks torch as before. In bf16 it is one more number format for an encoder to
choose from (:mod:`core.encoders.trial`).
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core import store
from core.device import FP32, device_kind, device_name, one_core, team
from core.types import Progress, saying
from core.weights import graphs
from core.weights.graphs import FILE, KIND

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
VERSION = 1
BF16 = "bf16-graph"
HINTS = {FP32: "f32", BF16: "bf16"}
"""The number formats of a graph, in OpenVINO's words."""
TOLERANCE = 1e-4
"""The largest difference from torch's values, by :meth:`Source.comparable`, that is rounding."""
SLOWER = 1.2
"""So many times the time of torch a graph may take: a server without torch needs half of the
memory, and calls of several networks run beside each other."""
AT_ONCE = 4 * 224 * 224
"""Pixels that a graph is given at once: what a layer makes of more falls out of the caches
before the next one reads it, which takes up to a fifth longer (docs/measured.md)."""
TRIED, ROUNDS = 16, 3
"""Pictures in a batch of the measurement, and how often each side takes its turn."""


class Source(Protocol):
    """A network of torch that can be compiled."""

    name: str

    @property
    def form(self) -> str: ...

    @property
    def model(self) -> torch.nn.Module: ...

    def fingerprint(self) -> dict: ...

    def prepare(self, image: np.ndarray) -> np.ndarray: ...

    def whole(self, model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor: ...

    def comparable(self, made: np.ndarray) -> np.ndarray:
        """What ``whole`` gave, so that a difference of its values says how far two are apart."""


class Graph:
    """A compiled network. Several threads may call it at once; each call runs on one core."""

    def __init__(self, file: Path, form: str = FP32) -> None:
        import openvino

        cores = team()
        options = {
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "INFERENCE_PRECISION_HINT": HINTS[form],  # some processors would round unasked
            "ENABLE_CPU_PINNING": False,  # cores are shared with other processes
        }
        self.ram_bytes = file.with_suffix(".bin").stat().st_size
        """About what it takes in memory: its weights."""
        self._compiled = openvino.Core().compile_model(str(file), "CPU", options)
        self._mine = threading.local()

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 (n, height, width, 3), prepared -> float32 (n, ...), as ``whole`` of its network
        gives them. What a picture gives does not depend on ``n``."""
        if (request := getattr(self._mine, "request", None)) is None:
            request = self._mine.request = self._compiled.create_infer_request()
        given = np.ascontiguousarray(pictures)
        most = max(1, AT_ONCE // (given.shape[1] * given.shape[2]))
        calls = -(-len(given) // most)
        made = [request.infer([few])[0] for few in np.array_split(given, calls)]
        return made[0] if len(made) == 1 else np.concatenate(made)


def usable() -> str | None:
    """The version of OpenVINO to compile with; None: not installed, switched off, or a GPU."""
    if not graphs.on() or device_kind() != "cpu":
        return None
    try:
        return version(graphs.PACKAGE)
    except PackageNotFoundError:
        return None


def found(source: Source, form: str | None = None) -> Graph | None:
    """What :func:`make` made of this network before; None where there is nothing, or torch is as
    good.

    Args:
        form: its number format, where it is not the network's own.
    """
    if (by := usable()) is None:
        return None
    name = store.key(_causes(source, by))
    folder = store.find(KIND, name) or _set_up(name)
    return _read(folder, form or source.form) if folder else None


def make(source: Source, progress: Progress | None = None) -> Graph | None:
    """The network compiled, once a machine: some seconds. None where torch stays in use, because
    OpenVINO is missing, can't take the network, gives other vectors, or is slower; and for a
    visitor, in whose folder nothing lies for long.

    Raises:
        UserError: the weights can't be read, or the disk is full.
    """
    known = found(source)
    if known is not None or (by := usable()) is None or store.root() != store.base():
        return known
    title = getattr(source, "title", "") or source.name
    with saying(progress, f"Compiling {title} for this processor"):
        folder = store.get_or_build(
            KIND, _causes(source, by), lambda folder: _write(source, folder), progress
        )
    return _read(folder, source.form)


def measured(source: Any) -> tuple[float | None, str]:
    """How many times the processor time of its graph torch took for a network when it was compiled,
    and, where torch stays in use, why."""
    if (meta := _noted(source)) is None:
        return None, "OpenVINO is not installed, or switched off"
    if source.form not in HINTS:
        return None, f"it runs in {source.form}"
    if not meta.get("graph_s"):
        return None, meta.get("reason", "not compiled yet")
    gain = round(meta["torch_s"] / meta["graph_s"], 2)
    if meta["used"]:
        return gain, ""
    wrong = meta["difference"] > TOLERANCE
    return gain, "its results differ from torch's" if wrong else "torch is faster"


def graph_seconds(source: Source) -> float | None:
    """Seconds of processor time that the graph of a network took for a picture when it was made;
    None where none is in use, or one of another number format was timed."""
    meta = _noted(source) if source.form == FP32 else None
    return meta["graph_s"] / TRIED if meta and meta.get("used") else None


def _noted(source: Source) -> dict | None:
    """What was noted when a network was compiled, empty: it was not; None where none can be."""
    if (by := usable()) is None:
        return None
    name = store.key(_causes(source, by))
    folder = store.find(KIND, name) or _set_up(name)
    return (store.read_meta(folder) if folder else None) or {}


def _set_up(name: str) -> Path | None:
    """An entry that was made when the product was set up, whose artifacts folder it is now."""
    folder = store.shipped() / "cache" / KIND / name
    return folder if folder.is_dir() and store.sound(folder) else None


def _causes(source: Source, by: str) -> dict:
    network = {**source.fingerprint(), "precision": FP32}
    return {"network": network, "openvino": by, "device": device_name(), "version": VERSION}


def _read(folder: Path, form: str) -> Graph | None:
    if not (folder / FILE).is_file():
        return None
    try:
        return Graph(folder / FILE, form)
    except (ImportError, RuntimeError) as error:  # RuntimeError is OpenVINO's own for everything
        store.drop(folder, error)
        return None


def _write(source: Source, folder: Path) -> dict:
    """Fill an entry: the graph where it is worth using, and in any case what was measured."""
    model = source.model
    shape = source.prepare(np.zeros((64, 64, 3), np.uint8)).shape
    noise = np.random.default_rng(0).integers(0, 256, (TRIED, *shape), dtype=np.uint8)
    file = folder / FILE
    try:
        _convert(source.whole, model, noise[:2], file)
        graph = Graph(file)
        with one_core():  # as builds run networks, and as graphs run
            torch_s, graph_s, difference = _compared(
                _torch(source.whole, model), graph, noise, source.comparable
            )
    except Exception as error:  # whatever a network holds that OpenVINO does not know
        log.info("%s stays with torch: %s", source.name, str(error)[:300])
        _forget(folder)
        return {"used": False, "reason": str(error)[:300]}
    used = difference <= TOLERANCE and graph_s <= SLOWER * torch_s
    if not used:
        _forget(folder)
    return {"used": used, "torch_s": torch_s, "graph_s": graph_s, "difference": difference}


def _forget(folder: Path) -> None:
    for path in folder.glob(f"{Path(FILE).stem}.*"):
        path.unlink()


def _torch(whole: Callable, model: torch.nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def run(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return whole(model, torch.from_numpy(pictures)).float().numpy()

    return run


def _compared(
    first: Callable[[np.ndarray], np.ndarray],
    second: Callable[[np.ndarray], np.ndarray],
    pictures: np.ndarray,
    comparable: Callable[[np.ndarray], np.ndarray],
) -> tuple[float, float, float]:
    """Seconds of processor time for the pictures, the best of some turns each, and the largest
    difference between values of what they give."""
    one, two = (comparable(run(pictures)) for run in (first, second))
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, times in zip((first, second), taken, strict=True):
            started = time.process_time()
            run(pictures)
            times.append(time.process_time() - started)
    difference = float(np.abs(one - two).max())
    return min(taken[0]), min(taken[1]), difference if np.isfinite(difference) else np.inf


def _convert(whole: Callable, model: torch.nn.Module, pictures: np.ndarray, file: Path) -> None:
    """Write ``whole(model, ...)`` as OpenVINO's graph for any number of pictures of this shape.

    The front end is asked directly: ``openvino.convert_model`` reports to a server where the
    package for that is installed.
    """
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, given: Any) -> Any:
            return whole(self.model, given)

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, on tracing shapes: they are fixed here
        traced = TorchScriptPythonDecoder(
            Whole().eval(), example_input=(torch.from_numpy(pictures),)
        )
        front = FrontEndManager().load_by_framework("pytorch")
        graph = front.convert(front.load(traced))
    graph.inputs[0].get_node().set_element_type(openvino.Type.u8)
    graph.inputs[0].get_node().set_partial_shape(openvino.PartialShape([-1, *pictures.shape[1:]]))
    graph.validate_nodes_and_infer_types()
    openvino.save_model(graph, str(file), compress_to_fp16=False)
