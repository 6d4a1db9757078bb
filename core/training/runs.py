"""A run's own folder: what it was told, what it logged, where it stands. Whole after every kill."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import store
from core.errors import UserError
from core.training.settings import Settings, override, typed

TAIL_BYTES = 4096
HELD = "held.json"
MARKS = ("start", "step", "validation", "failed", "end")
"""Lines of a log that say how far the training is; others say what is done before and after it."""
BYTES_EACH = 22
"""Disk of a run for each parameter: checkpoint (weights, moments, average), best, result."""
PACE = "Measuring the pace"
PICTURES = "Reading pictures"
WEIGHTS = "Loading weights"
LEARNING = "Learning"
COMPARING = "Comparing before and after"
"""What a run does, one after the other, as its log and its progress say it."""
SPARE = 64 << 20
"""Disk that is left free."""
ID = re.compile(r"train-[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}")


@dataclass(frozen=True, slots=True)
class Run:
    """``config.json``, ``log.jsonl``, ``checkpoint`` and ``best`` in ``artifacts/runs/<id>/``."""

    id: str

    @property
    def folder(self) -> Path:
        return store.existing(store.root() / "runs" / self.id)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def ended(self) -> bool:
        """Whether it has made its model; what is compared later does not count."""
        return (
            next((one["kind"] for one in reversed(self._tail()) if one["kind"] in MARKS), "")
            == "end"
        )

    @property
    def held(self) -> dict[str, list[str]]:
        """Locator of each dataset -> ids of the pictures kept back; empty: not noted."""
        try:
            found = json.loads((self.folder / HELD).read_text())
            return {locator: list(map(str, ids)) for locator, ids in found.items()}
        except store.UNREADABLE:
            return {}

    def keep_held(self, ids: dict[str, Sequence[str]]) -> None:
        """Note which pictures are never learned from: what is measured later goes by it."""
        store.write_text(self.folder / HELD, json.dumps(ids))

    @property
    def created(self) -> float:
        """When it was begun, in epoch seconds; 0 where that is not known."""
        try:
            return float(json.loads((self.folder / "config.json").read_text())["created"])
        except store.UNREADABLE:
            return 0.0

    def settings(self) -> Settings:
        """What the run was told. Raises UserError where there is no such run."""
        try:
            if not ID.fullmatch(self.id):
                raise ValueError("no id")
            told = json.loads((self.folder / "config.json").read_text())["settings"]
            return override(Settings(recipe=told.pop("recipe")), told)
        except store.UNREADABLE as error:
            known = ", ".join(run.id for run in listing()[:5]) or "none"
            raise UserError(
                f"There is no training run {self.id[:100]!r}.", f"Runs: {known}."
            ) from error

    @property
    def asked(self) -> dict[str, object]:
        """What was asked for when it began, before anything was decided; empty: not noted."""
        try:
            return typed(json.loads((self.folder / "config.json").read_text())["asked"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
            return {}

    def lines(self) -> list[dict]:
        """The log; a line that a kill cut short is left out."""
        text = self.log.read_bytes() if self.log.exists() else b""
        return [line for line in map(parsed, text.splitlines()) if line]

    def last(self) -> dict:
        """The log's last whole line, empty without one. Cheap, however long the log."""
        return next(iter(self._tail()[::-1]), {})

    def _tail(self) -> list[dict]:
        """The last whole lines of the log."""
        try:
            with open(self.log, "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                return [line for line in map(parsed, file.read().splitlines()) if line]
        except OSError:
            return []

    def write(self, kind: str, step: int, **values: object) -> None:
        """Append one line; it is whole because it is one write."""
        with store.writing(self.folder), open(self.log, "a") as file:
            file.write(
                json.dumps({"kind": kind, "step": step, "time": round(time.time(), 3), **values})
                + "\n"
            )

    def mend(self) -> None:
        """End a line that a kill cut short, so that the next is not lost with it."""
        if self.log.exists() and self.log.read_bytes()[-1:] not in (b"", b"\n"):
            with store.writing(self.folder), open(self.log, "a") as file:
                file.write("\n")

    def rewind(self, step: int) -> None:
        """Forget what was logged after ``step``: the resumed run says it again, the same."""
        kept = [line for line in self.lines() if line["step"] <= step]
        store.write_text(self.log, "".join(json.dumps(line) + "\n" for line in kept))


def parsed(line: bytes) -> dict | None:
    """A line of a log; None for one that a kill cut short."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "kind" in found else None


def record_settings(run: Run, settings: Settings) -> None:
    """Replace what a run was told before its first step: it is decided where it trains."""
    _note(run, settings, run.created, run.asked)


def _note(run: Run, settings: Settings, created: float, asked: Mapping[str, object]) -> None:
    told = {"settings": settings.to_dict(), "asked": dict(asked), "created": created}
    store.write_text(run.folder / "config.json", json.dumps(told, indent=1))


def create(settings: Settings, name: str = "", asked: Mapping[str, object] | None = None) -> Run:
    """A new run's folder; ``asked`` are the settings that somebody chose, before others were
    decided.

    Raises:
        UserError: the name is taken or not allowed, or the disk is full.
    """
    run = Run(name or new_id())
    if not ID.fullmatch(run.id):
        raise UserError(
            f"A run can't be named {run.id!r}.",
            "It begins with train- and goes on with letters, digits, _ . and -.",
        )
    if (run.folder / "config.json").exists():
        raise UserError(
            f"The run {run.id} is there already.",
            fix="Continue it.",
            command=f"Continue it: --resume {run.id}",
        )
    with store.writing(run.folder.parent):
        store.make_folder(run.folder)
        store.check_space(run.folder)
    _note(run, settings, time.time(), typed(asked or {}))
    return run


def refuse_changes(run: Run, recipe: str, values: Mapping[str, object]) -> None:
    """Raise UserError where a run is to go on in another way than it was begun: its schedule, its
    pictures and what is kept back follow from its settings, so that a stopped run gives the weights
    of one that was never stopped.

    Args:
        recipe: the one that was named, empty = none.
        values: settings that were given; they may repeat what the run was asked for, or what was
            decided for it.
    """
    told, asked = run.settings(), run.asked
    given = {"recipe": recipe} if recipe else {}
    for key, value in {**given, **typed(values)}.items():
        known = [getattr(told, key), *([asked[key]] if key in asked else [])]
        if _same(key, value) not in [_same(key, one) for one in known]:
            what = "dataset" if key == "datasets" else key
            raise UserError(
                f"The run {run.id} has {what} {_said(known[-1])}, and {what} {_said(value)} was"
                " given.",
                "A run continues as it was started.",
                "Leave that out, or begin another run.",
                "Leave that out, or begin another run: under another --run, or from its model with"
                f" --start-from {told.name}.",
            )


def _same(key: str, value: Any) -> object:
    """Equal for values that mean the same: a dataset may be named by any path that leads to it."""
    return tuple(_place(one) for one in value) if key == "datasets" else value


def _place(locator: str) -> str:
    path = os.path.expanduser(os.path.expandvars(locator))
    return os.path.realpath(path) if os.path.exists(path) else locator


def _said(value: object) -> str:
    return (
        (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else f"{value}" or "none"
    )


def new_id() -> str:
    return f"train-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"


def listing() -> list[Run]:
    """All runs, newest first."""
    found = [
        path
        for home in store.layers()
        for path in store.listed(home / "runs")
        if path.name.startswith("train-") and (path / "config.json").exists()
    ]
    return [
        Run(path.name)
        for path in sorted(found, key=lambda path: -os.stat(path / "config.json").st_mtime)
    ]


def unfinished() -> list[Run]:
    """Runs that may still become a model: begun and not at their end, newest first."""
    return [run for run in listing() if not run.ended]


class Follower:
    """All whole lines of a run's log, read again where a resumed run wrote it anew."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._lines: list[dict] = []
        self._file, self._offset = 0, 0

    def lines(self) -> list[dict]:
        """The lines so far; read them, never change them."""
        with self._lock:
            try:
                with open(self.run.log, "rb") as file:
                    self._read(file)
            except OSError:
                return []
            return list(self._lines)

    def _read(self, file) -> None:
        told = os.fstat(file.fileno())
        if told.st_ino != self._file or told.st_size < self._offset:
            self._file, self._offset, self._lines = told.st_ino, 0, []
        file.seek(self._offset)
        whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        self._lines += [line for line in map(parsed, whole.splitlines()) if line]


if TYPE_CHECKING:
    import torch


class Damaged(UserError):
    """A checkpoint that is not what was written: cut, blank, or with other bytes."""


def save_checkpoint(
    path: Path,
    parts: dict[str, torch.nn.Module],
    optimiser: torch.optim.Optimizer | None,
    state: dict,
) -> None:
    """Write atomically, the old file or the new. Raises UserError on a full disk."""
    from safetensors.torch import save as to_bytes

    tensors = {
        f"{part}/{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
    if optimiser is not None:
        for position, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{position}/{name}": value for name, value in values.items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    store.write_bytes(
        path, to_bytes(plain, metadata={"state": json.dumps(state), "checksum": _checksum(plain)})
    )


def load_checkpoint(
    path: Path, parts: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None = None
) -> dict:
    """Fill ``parts`` and the optimiser; returns the state.

    Raises:
        Damaged: the file is not what was written; nothing is filled then.
        UserError: it belongs to another network.
    """
    state, tensors = _read_checkpoint(path)
    try:
        for part, module in parts.items():
            module.load_state_dict(
                {n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{part}/")}
            )
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint {path} does not fit ({str(error)[:200]}).", fix="Start the run again."
        ) from error
    if optimiser is not None:
        _fill(optimiser, tensors)
    return state


def _read_checkpoint(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            told = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if told.get("checksum") not in (None, _checksum(tensors)):
            raise ValueError("its checksum differs")
        return json.loads(told["state"]), tensors
    except (SafetensorError, *store.UNREADABLE) as error:
        raise Damaged(
            f"The checkpoint {path} can't be read ({str(error)[:200]}).", fix="Start the run again."
        ) from error


def _checksum(tensors: dict[str, torch.Tensor]) -> str:
    import torch

    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(
            tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy(),
            zlib.crc32(name.encode(), value),
        )
    return f"{value:08x}"


def _fill(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Each moment gets the memory layout of its parameter, or a fused step would mix them up."""
    import torch

    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    found: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, position, key = name.split("/")
            like = parameters[int(position)]
            same = value.shape == like.shape and value.ndim > 0
            found.setdefault(int(position), {})[key] = (
                torch.empty_like(like).copy_(value) if same else value
            )
    optimiser.load_state_dict(
        {"state": found, "param_groups": optimiser.state_dict()["param_groups"]}
    )
