"""YOLO networks that a user brings as ONNX: ``models/yolo.NAME/FILE.onnx`` is the detector
``yolo.NAME``.

The layout of the output is told by its shape alone: v5 and v7 give each place three boxes and a
score that anything is there, v8 and later one box, and networks that drop duplicates themselves a
short list. What the file says of itself (``names``, ``task``, ``imgsz``, as ultralytics writes
them) is used where it is there.
"""

import ast
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from core import store
from core.detectors.base import Box, Detector, detectors
from core.detectors.onnx_file import OnnxFile, runtime_state
from core.errors import UserError
from core.types import Progress, State
from core.weights import files

PREFIX, SUFFIX = "yolo.", ".onnx"
MIN_SCORE, SAME = 0.25, 0.45
"""Boxes below this score are dropped, or that share more than this (IoU) with a surer one."""
CANDIDATES = 1000
USUAL_SIDE, MIN_INPUT, MAX_INPUT = 640, 32, 2048
GREY = 114
"""What YOLO networks are taught to see beside a picture that is no square."""
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
MAX_LISTED = 3000
MAX_TEXT = 1 << 20
PICKLED = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How the files begin that torch writes."""
TORCH_SUFFIXES = (".pt", ".pth", ".torchscript", ".ptl")
LAYOUTS = (
    "Known: (1, 3 x places, 5 + classes) of v5 and v7, (1, 4 + classes, places) of v8 and later,"
    " and (1, boxes, 6) of networks that drop duplicates themselves."
)
EXPORT = "Export it to ONNX as a detector (ultralytics: yolo export format=onnx)."


@dataclass(frozen=True, slots=True)
class Network:
    """What an ONNX file is: ``kind`` (``v5``, ``v8``, ``v8 rows``, ``listed``), input pixels, which
    output, names of classes."""

    kind: str
    height: int
    width: int
    output: int
    half: bool
    names: Mapping[int, str] = field(default_factory=dict)


class Yolo(Detector):
    tier = "imported"
    named = True

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.title = f"YOLO, {name.removeprefix(PREFIX)}"
        self.about = "A YOLO network that you brought."
        self.side = USUAL_SIDE
        self._file = OnnxFile(path)
        self._network: Network | None = None
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple:
        return Yolo, (self.name, self.path)

    def state(self) -> State:
        try:
            refuse_pickled(self.path)
        except UserError as error:
            return State("unavailable", error.plain)
        return runtime_state()

    def fingerprint(self) -> dict:
        return {
            **super().fingerprint(),
            "weights": files.sha256(self.path),
            "min_score": MIN_SCORE,
            "same": SAME,
        }

    def load(self, progress: Progress | None = None) -> None:
        """Open the file and run it once. Raises UserError: another kind of file or layout."""
        with self._lock:
            if self._network is None:
                refuse_pickled(self.path)
                self._network = examined(self._file)

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        self.load()
        network = self._network
        assert network is not None
        pixels, scale, left, top = letterboxed(image, network.width, network.height)
        raw = self._file.run(_batch(pixels, network.half))[network.output][0].astype(np.float32)
        edges, scores, classes = listed(raw, network.kind)
        edges = (
            (edges - (left, top, left, top)) / scale / (*image.shape[1::-1], *image.shape[1::-1])
        )
        boxes = []
        for row in kept(edges, scores, classes):
            x0, y0, x1, y1 = edges[row].tolist()
            kind = int(classes[row])
            label = network.names.get(kind, f"class {kind}")
            boxes.append(Box(x0, y0, x1, y1, float(scores[row]), label))
        return boxes


def refuse_pickled(path: Path) -> None:
    """Raise a UserError for a file of PyTorch, however named, and for one that can't be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UserError(f"{path.name} can't be read: {error.strerror}.") from error
    if path.suffix.lower() in TORCH_SUFFIXES or start.startswith(PICKLED):
        raise UserError(
            f"{path.name} is a file of PyTorch (TorchScript, or pickled): reading one may run any"
            " program that was put into it.",
            "YOLO networks are read as ONNX only, which holds no program.",
            EXPORT,
        )


def examined(file: OnnxFile) -> Network:
    """What network a file holds, found by running it on grey. Raises UserError: no YOLO."""
    session, name = file.session, file.path.name
    inputs, told = session.get_inputs(), session.get_modelmeta().custom_metadata_map
    if told.get("task", "detect") != "detect":
        raise UserError(
            f"{name} is a YOLO network for the task {told['task'][:40]!r}.",
            "Only 'detect' gives boxes.",
            EXPORT,
        )
    if (
        len(inputs) != 1
        or len(inputs[0].shape) != 4
        or inputs[0].type not in ("tensor(float)", "tensor(float16)")
    ):
        shown = "; ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
        raise UserError(
            f"{name} does not take one picture: its inputs are {shown[:200]}.",
            "Floats (1, 3, height, width) are.",
        )
    height, width = _sides(inputs[0].shape, told, name)
    half = inputs[0].type == "tensor(float16)"
    outputs = file.run(_batch(np.full((height, width, 3), GREY, np.uint8), half))
    flat = [place for place, one in enumerate(outputs) if one.ndim == 3]
    if len(flat) != 1 or any(
        one.ndim != 5 for place, one in enumerate(outputs) if place not in flat
    ):
        raise _other_layout(name, " and ".join(str(one.shape) for one in outputs[:6]))
    names = _names(told.get("names", ""))
    kind = layout(outputs[flat[0]].shape, height, width, len(names))
    if not kind:
        raise _other_layout(name, str(outputs[flat[0]].shape))
    return Network(kind, height, width, flat[0], half, names)


def layout(shape: tuple[int, int, int], height: int, width: int, classes: int = 0) -> str:
    """The kind of network that gives an output of this shape for a picture of so many pixels, empty
    where none does.

    Args:
        classes: how many the file names; 0 where it names none.
    """
    places = {sum((height // s) * (width // s) for s in strides) for strides in STRIDES}
    count, rows, columns = shape
    if count != 1:
        return ""
    if rows in {3 * one for one in places} and columns > 5 and classes in (0, columns - 5):
        return "v5"
    if columns in places and rows > 4 and classes in (0, rows - 4):
        return "v8"
    if rows in places and classes and columns == 4 + classes:
        return "v8 rows"
    return "listed" if columns == 6 and rows <= MAX_LISTED and rows not in places else ""


def letterboxed(image: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float, int, int]:
    """RGB uint8 scaled into (height, width, 3) on grey; the scale, the pixels left and above."""
    scale = min(width / image.shape[1], height / image.shape[0])
    wide, high = (max(1, round(length * scale)) for length in image.shape[1::-1])
    left, top = (width - wide) // 2, (height - high) // 2
    paper = np.full((height, width, 3), GREY, np.uint8)
    small = Image.fromarray(image).resize((wide, high), Image.Resampling.BILINEAR)
    paper[top : top + high, left : left + wide] = np.asarray(small)
    return paper, scale, left, top


def listed(raw: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture's output (rows, columns) -> edges (n, 4) in pixels, scores (n,), classes (n,)."""
    if kind == "listed":
        return raw[:, :4], raw[:, 4], raw[:, 5].astype(int)
    raw = raw.T if kind == "v8" else raw
    scores = raw[:, 5:] * raw[:, 4:5] if kind == "v5" else raw[:, 4:]
    half = raw[:, 2:4] / 2
    return (
        np.hstack([raw[:, :2] - half, raw[:, :2] + half]),
        scores.max(axis=1),
        scores.argmax(axis=1),
    )


def kept(edges: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> list[int]:
    """Rows that are sure enough, without those that a surer one covers, surest first."""
    order = [
        row for row in np.argsort(-scores, kind="stable")[:CANDIDATES] if scores[row] >= MIN_SCORE
    ]
    sizes = np.maximum(edges[:, 2] - edges[:, 0], 0) * np.maximum(edges[:, 3] - edges[:, 1], 0)
    rows: list[int] = []
    for row in order:
        rivals = [one for one in rows if classes[one] == classes[row]]
        low = np.maximum(edges[rivals, :2], edges[row, :2])
        high = np.minimum(edges[rivals, 2:], edges[row, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        if not (shared > SAME * (sizes[rivals] + sizes[row] - shared)).any():
            rows.append(int(row))
    return rows


def _batch(pixels: np.ndarray, half: bool) -> np.ndarray:
    floats = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255.0
    return floats.astype(np.float16) if half else floats


def _sides(shape: list, told: Mapping[str, str], name: str) -> tuple[int, int]:
    """Height and width of the input: the file's, or where it takes any, its training's."""
    taught = _literal(told.get("imgsz", ""))
    taught = (
        taught
        if isinstance(taught, list | tuple) and len(taught) == 2
        else (USUAL_SIDE, USUAL_SIDE)
    )
    sides = [
        given if isinstance(given, int) else usual
        for given, usual in zip(shape[2:], taught, strict=True)
    ]
    if shape[1] not in (3, None) and isinstance(shape[1], int):
        raise UserError(f"{name} takes {shape[1]} channels.", "Networks for RGB pictures take 3.")
    if not all(isinstance(side, int) and MIN_INPUT <= side <= MAX_INPUT for side in sides):
        raise UserError(
            f"{name} takes pictures of {sides[1]} x {sides[0]} pixels.",
            f"{MIN_INPUT} to {MAX_INPUT} a side.",
        )
    return sides[0], sides[1]


def _names(text: str) -> dict[int, str]:
    """Class -> name, from the text that ultralytics writes; empty where it can't be read."""
    found = _literal(text)
    pairs = (
        found.items()
        if isinstance(found, dict)
        else enumerate(found)
        if isinstance(found, list | tuple)
        else ()
    )
    return {number: str(name)[:80] for number, name in pairs if isinstance(number, int)}


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text) if len(text) <= MAX_TEXT else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _other_layout(name: str, shapes: str) -> UserError:
    return UserError(
        f"{name} gives {shapes}: no layout of YOLO boxes that is known here.", LAYOUTS, EXPORT
    )


def _listed() -> list[str]:
    homes = [home / "models" for home in store.layers()]
    found = [path for home in homes if home.is_dir() for path in sorted(home.glob(f"{PREFIX}*"))]
    return list(dict.fromkeys(path.name for path in found if _file_of(path) is not None))


def _file_of(folder: Path) -> Path | None:
    """The ONNX file in a folder, or one of PyTorch, so that it can be said why it is not used."""
    for suffix in (SUFFIX, *TORCH_SUFFIXES):
        if found := sorted(folder.glob(f"*{suffix}")):
            return found[0]
    return None


def _find(name: str) -> Yolo | None:
    if name == PREFIX.rstrip("."):
        if len(known := _listed()) == 1:
            return _find(known[0])
        raise UserError(
            (
                f"There are {len(known)} YOLO networks here: {', '.join(known)}."
                if known
                else "No YOLO network is here yet."
            ),
            f"One is an ONNX file at models/{PREFIX}NAME/ in the artifacts folder"
            f" ({store.root()}).",
        )
    there = files.homes(name) if name.startswith(PREFIX) else []
    path = next((file for home in there if (file := _file_of(home)) is not None), None)
    return Yolo(name, path) if path else None


detectors.add_finder(_listed, _find)
