"""Detectors as pages and commands meet them: listed, made ready, brought and removed."""

import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path, PurePath

from core import store
from core.detectors import yolo
from core.detectors.base import Detector, detectors
from core.detectors.onnx_file import OnnxFile
from core.errors import UserError
from core.services.hosting import limits
from core.types import Progress
from core.weights import files

MAX_LOADED = 4
MAX_FILE = 1 << 30
_loaded: OrderedDict[str, Detector] = OrderedDict()
_lock = threading.Lock()


def detector_rows() -> list[dict]:
    """Every detector: name, title, about, tier, named (whether its boxes bear labels), state,
    detail, bytes to download."""
    return [detector_row(detectors.get(name)) for name in detectors.names()]


def detector_row(made: Detector) -> dict:
    state = limits.within_reach(made.state())
    return {
        "name": made.name,
        "title": made.title,
        "about": made.about,
        "tier": made.tier,
        "named": made.named,
        "state": state.kind,
        "detail": state.detail,
        "bytes": state.bytes,
    }


def ready_detector(
    name: str, progress: Progress | None = None, *, may_fetch: bool = False
) -> Detector:
    """The detector ``name``, loaded; a few are kept in memory.

    Args:
        may_fetch: download weights that are not here; otherwise that is an error, since nobody
            waits for it.

    Raises:
        UserError: unknown name, a package or a file that is missing, weights that can't be had.
    """
    made = detectors.get(name)
    if made.state().kind == "download":
        if not may_fetch:
            raise UserError(
                f"{made.title} needs its weights first ({made.state().bytes / 1e6:.0f} MB).",
                fix="Download them, or choose another detector.",
                command=f"Download them: python -m core download --detector {name}",
            )
        limits.require_download(made.title)
        made.load(progress)
    key = store.fingerprint(made.fingerprint())
    with _lock:
        if key not in _loaded:
            made.load(progress)
            _loaded[key] = made
        _loaded.move_to_end(key)
        while len(_loaded) > MAX_LOADED:
            _loaded.popitem(last=False)
        return _loaded[key]


def bring(file: Path | str, name: str) -> str:
    """Keep a YOLO network as the detector ``yolo.NAME``; returns that name. The file is opened and
    run first.

    Raises:
        UserError: a file of PyTorch, no ONNX, no YOLO layout, a name that is taken or not allowed,
            onnxruntime missing.
    """
    path, name = Path(file).expanduser(), yolo.PREFIX + name.removeprefix(yolo.PREFIX)
    target = files.folder(name)
    if target.exists():
        raise UserError(f"{name} is here already.", fix="Choose another name, or remove it first.")
    yolo.refuse_pickled(path)
    if path.stat().st_size > MAX_FILE:
        raise UserError(
            f"{path.name} has {path.stat().st_size / 1e6:.0f} MB.",
            f"At most {MAX_FILE / 1e6:.0f} MB.",
        )
    yolo.examined(OnnxFile(path))
    store.check_space(store.root(), path.stat().st_size + (64 << 20))
    with store.new_folder(target) as folder:
        shutil.copyfile(path, folder / f"network{yolo.SUFFIX}")
    return name


def bring_upload(file: str, data: bytes, name: str) -> str:
    """:func:`bring` for a file from the browser."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, PurePath(file.replace("\\", "/")).name[-100:] or "network")
        path.write_bytes(data)
        return bring(path, name)


def remove(name: str) -> None:
    """Delete the copy of a network that was brought. Raises UserError for a name without one."""
    if not name.startswith(yolo.PREFIX) or name not in detectors.names():
        brought = [known for known in detectors.names() if known.startswith(yolo.PREFIX)]
        raise UserError(
            f"No detector named {name[:80]!r} was brought.",
            f"Brought: {', '.join(brought) or 'none'}.",
        )
    shutil.rmtree(files.folder(name))
