"""Networks as ONNX files, run by onnxruntime: an optional package."""

import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np

from core.device import team
from core.errors import UserError
from core.types import State
from core.weights import packages

PACKAGE = "onnxruntime"
NEEDED = "onnxruntime is not installed"
QUIET = 3
"""onnxruntime's level of errors: its warnings go to standard error, where commands print."""


def runtime_state() -> State:
    """``ready`` where onnxruntime is installed, else ``unavailable`` with what to install."""
    if not packages.there(PACKAGE):
        return State("unavailable", f"{NEEDED}: pip install {PACKAGE}")
    return State("ready")


_inherited: list[object] = []
"""Sessions from before a fork: to close one would wait for threads that are not here."""


class OnnxFile:
    """One ONNX file, opened on first use and once more in each process: a session does not survive
    a fork.

    Raises:
        UserError: onnxruntime is missing, or the file holds no network that it can run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session, self._process = None, os.getpid()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return OnnxFile, (self.path,)

    @property
    def session(self):
        """The ``onnxruntime.InferenceSession`` of this process."""
        # a lock that was held while the process forked is held for ever
        if self._process != os.getpid():
            _inherited.append(self._session)
            self._session, self._process, self._lock = None, os.getpid(), threading.Lock()
        with self._lock:
            if self._session is None:
                self._session = _opened(self.path)
            return self._session

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Every output for one input. Raises UserError where the network fails on it."""
        session = self.session
        try:
            return session.run(None, {session.get_inputs()[0].name: pixels})
        except Exception as error:  # onnxruntime raises its own errors, one class for each code
            raise UserError(
                f"The network in {self.path.name} failed: {_first_line(error)}."
            ) from error


def _opened(path: Path):
    if runtime_state().kind != "ready":
        raise UserError(
            f"{NEEDED}, and {path.name} needs it.",
            fix="Install the package onnxruntime.",
            command="Install it with: pip install onnxruntime",
        )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it keeps 70 MB for the next run, which is no quicker so
    # other programs want the cores, too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # a worker process shares the machine with its like, one for each core
    options.intra_op_num_threads = 1 if multiprocessing.parent_process() is not None else team()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(
            f"{path.name} is no ONNX file that onnxruntime can run: {_first_line(error)}.",
            fix="Export the network to ONNX again.",
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200].rstrip(".")
