"""Long work in processes of their own, seen through a log file: it survives reruns, restarts and
several readers.

A job whose process is gone and whose log has no end has exited unexpectedly.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core import store
from core.errors import UserError
from core.services.hosting import limits, ownership
from core.services.hosting.settings import TOKEN, value
from core.services.steps import rate, still_left

ENDS = ("done", "failed", "cancelled")
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
QUEUED = "queued"
SLOTS = "LOOKALIKE_SLOTS"
"""In the environment of a visitor's job: so many of them run at once."""
GRACE_S = 3.0
DISMISSED = "dismissed"
"""The file in the folder of a job that says so."""
KEEP = 60
"""So many jobs are remembered."""
TAIL_BYTES = 64 << 10
_children: list[subprocess.Popen] = []
_starting = threading.Lock()
_over: dict[Path, tuple[tuple[int, int], JobStatus]] = {}
"""Ended jobs by folder, with the state of their log then: every page asks for them often."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """``state``: starting, queued, running, done, failed (also: exited unexpectedly), cancelled.
    ``rate`` in units a second; ``seconds_left`` None = unknown; ``dismissed``: somebody has seen
    its end and wants it listed no longer."""

    id: str
    title: str
    arguments: tuple[str, ...]
    state: str
    done: int
    total: int
    rate: float
    seconds_left: float | None
    message: str
    started: float
    updated: float
    dismissed: bool = False
    passed: float | None = None
    """How much of its seconds has passed, 0 to 1, where the job itself knows."""
    bytes: bool = False
    """Whether it counts bytes: something is fetched."""

    @property
    def active(self) -> bool:
        return self.state not in ENDS

    @property
    def share(self) -> float | None:
        """How far it is, 0 to 1; None = unknown."""
        counted = min(self.done / self.total, 1.0) if self.total else None
        return counted if self.passed is None else self.passed


def start(title: str, arguments: Sequence[str]) -> str:
    """Run ``python -m core <arguments>`` as a job; returns its id. One at work with the same
    arguments is joined: a button may be pressed twice, or in two tabs.

    Raises:
        UserError: a visitor of a public server may not, or has too many jobs; or the disk is full.
    """
    with _starting:
        at_work = listing(active_only=True)
        same = (job.id for job in at_work if job.arguments == tuple(arguments))
        return next(same, None) or _begin(title, arguments)


def _begin(title: str, arguments: Sequence[str]) -> str:
    if ownership.is_visitor():
        waiting = sum(job.state == QUEUED for job in of_visitors())
        limits.check_job(arguments[0], len(listing(active_only=True)), waiting)
        limits.check_room(0)
        limits.evict()
    _forget_old()
    store.sweep_left()
    now = time.time()
    begun = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    job = f"{begun}-{int(now % 1 * 16**4):04x}{uuid.uuid4().hex[:2]}"
    folder = _folder(job)
    with store.writing(folder):
        store.make_folder(folder)
        noted = {"title": title, "arguments": list(arguments), "started": now}
        # no job outlives a power cut
        store.write_text(folder / "job.json", json.dumps(noted), durable=False)
        with open(folder / "output.txt", "wb") as output:
            child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "core",
                    *arguments,
                    "--log",
                    str((folder / "log.jsonl").absolute()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
                env=_environment(),
            )
        _children.append(child)
        store.write_text(folder / "pid", str(child.pid), durable=False)
    return job


def _environment() -> dict[str, str]:
    """A relative artifacts folder means the same folder for the job, which runs elsewhere. A
    visitor's job writes into the visitor's folder, and gets no secret."""
    told = {name: text for name, text in os.environ.items() if name != TOKEN}
    made = {**told, "LOOKALIKE_ARTIFACTS": str(store.root().absolute())}
    if ownership.is_visitor():
        made |= {
            "LOOKALIKE_SHARED": str(store.base().absolute()),
            SLOTS: f"{value('running_jobs'):.0f}",
        }
    return made


def of_visitors() -> list[JobStatus]:
    """Jobs of all visitors that have not ended."""
    found = []
    for one in ownership.visitors():
        with store.in_layer(one.folder):
            found += listing(active_only=True)
    return found


def _forget_old() -> None:
    """Keep the folders of the last jobs only."""
    runs = [path for path in store.listed(store.root() / "runs") if ID.fullmatch(path.name)]
    for path in runs[:-KEEP]:
        with suppress(UserError):
            if not status(path.name).active:
                shutil.rmtree(path, ignore_errors=True)


def status(job: str) -> JobStatus:
    """Where a job stands.

    Raises:
        UserError: no such job.
    """
    folder = _folder(job)
    stamp, known = _stamp(folder), _over.get(folder)
    if stamp is None or known is None or known[0] != stamp:
        told = _status(job)
        if told.state in ENDS and stamp is not None and stamp == _stamp(folder):
            _over[folder] = stamp, told
            for old in list(_over)[: -2 * KEEP]:
                _over.pop(old, None)
    else:
        told = known[1]
    seen = (folder / DISMISSED).exists()
    return replace(told, message=ownership.public(told.message), dismissed=seen)


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What tells states of a log apart: no line is ever taken away from one."""
    try:
        state = os.stat(folder / "log.jsonl")
        return (state.st_mtime_ns, state.st_size) if (folder / "job.json").exists() else None
    except OSError:
        return None


def _status(job: str) -> JobStatus:
    noted = _noted(job)
    # before the log is read: a job that ends in between has written its end
    dead = _is_dead(job, noted)
    lines = _lines(job)
    last = lines[-1] if lines else {}
    state = last.get("state", "running" if lines else "starting")
    if state not in ENDS and dead:
        state, last = "failed", {**last, "message": _last_output(job)}
    done, total, speed = last.get("done", 0), last.get("total", 0), rate(lines)
    left = _left(last, done, total, speed)
    return JobStatus(
        job,
        noted["title"],
        tuple(noted["arguments"]),
        state,
        done,
        total,
        speed,
        left if state == "running" else None,
        last.get("message", ""),
        noted["started"],
        last.get("time", noted["started"]),
        passed=last.get("share"),
        bytes=last.get("bytes", False),
    )


def _left(last: dict, done: int, total: int, speed: float) -> float | None:
    """Seconds left: what the job itself expects of its steps to come, less those that passed since
    it said so; else by its rate."""
    if "left" not in last:
        return (total - done) / speed if speed > 0 and total > done else None
    since = max(time.time() - last["time"], 0.0)
    return still_left(last["left"], since, last.get("step"), last.get("silent"))


def retry(job: str) -> str:
    """Start once more what a job was told to do, and dismiss that job; returns the id of the new
    one. What the first has finished is taken as it is.

    Raises:
        UserError: no such job, or it is at work.
    """
    before = status(job)
    if before.active:
        raise UserError(f"{before.title} is at work.", fix="Cancel it first.")
    again = start(before.title, before.arguments)
    dismiss(job)
    return again


def dismiss(job: str) -> None:
    """List a job that has ended no longer. Raises UserError where it is at work or not there."""
    if status(job).active:
        raise UserError("The job is at work.", fix="Cancel it first.")
    store.write_text(_folder(job) / DISMISSED, "", durable=False)


def output(job: str) -> str:
    """The end of what a job printed; empty where nothing. Raises UserError: no such job."""
    _noted(job)
    try:
        with open(_folder(job) / "output.txt", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


def cancel(job: str) -> None:
    """Stop a job and everything it started; finished parts of a build are kept."""
    if not status(job).active:
        return
    pid = _pid(job)
    if pid is not None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal(pid, number)
            deadline = time.monotonic() + GRACE_S
            while _alive(pid, job) and time.monotonic() < deadline:
                time.sleep(0.05)
    last = _lines(job)[-1:]
    if not last or last[0].get("state") not in ENDS:
        counts = {key: last[0][key] for key in ("done", "total") if last and key in last[0]}
        write_line(
            _folder(job) / "log.jsonl",
            state="cancelled",
            message="What was finished is kept.",
            **counts,
        )


def listing(active_only: bool = False) -> list[JobStatus]:
    """Jobs, newest first."""
    runs = [
        path for path in reversed(store.listed(store.root() / "runs")) if ID.fullmatch(path.name)
    ]
    found = []
    for path in runs:
        with suppress(UserError):  # just begun, or just forgotten
            found.append(status(path.name))
    return [job for job in found if job.active or not active_only]


def forget(home: Path) -> None:
    """Know nothing more of the jobs of an artifacts folder that goes."""
    for folder in [folder for folder in list(_over) if folder.is_relative_to(home)]:
        _over.pop(folder, None)


def write_line(log: Path, **values: object) -> None:
    """Append a line to a log, whole by one write. On a full disk the work goes on without."""
    with suppress(OSError), open(log, "a") as file:
        file.write(json.dumps({"time": time.time(), **values}) + "\n")


def _folder(job: str) -> Path:
    if not ID.fullmatch(job):
        raise UserError(f"There is no job {job!r}.")
    return store.root() / "runs" / job


def _noted(job: str) -> dict:
    try:
        noted = json.loads((_folder(job) / "job.json").read_text())
        return {
            "title": str(noted["title"]),
            "arguments": list(noted["arguments"]),
            "started": float(noted["started"]),
        }
    except store.UNREADABLE as error:
        raise UserError(f"There is no job {job!r}.") from error


def _lines(job: str) -> list[dict]:
    """The last lines of the log."""
    try:
        with open(_folder(job) / "log.jsonl", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read()
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue  # a line that the tail, a full disk or a kill cut short
        if isinstance(value, dict) and "time" in value:
            found.append(value)
    return found


def _is_dead(job: str, noted: dict) -> bool:
    for child in [child for child in _children if child.poll() is not None]:
        _children.remove(child)  # reaped: its process number may be given away again
    pid = _pid(job)
    # a clock that was set back says that it has not begun yet, perhaps for hours
    young = abs(time.time() - noted["started"]) <= GRACE_S
    return not young if pid is None else not _alive(pid, job)


def _pid(job: str) -> int | None:
    """The process of a job; None before it is noted."""
    try:
        return int((_folder(job) / "pid").read_text())
    except (OSError, ValueError):
        return None


def _alive(pid: int, job: str) -> bool:
    """Whether ``pid`` runs and is this job's process; a number given to another program is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if command:
            return job.encode() in command
        # empty in the instant in which it starts, and after its end until its parent has taken note
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()  # without /proc on this system: trust the number


def _last_output(job: str) -> str:
    """What a job left that ended without saying how: killed from outside, or not even begun."""
    try:
        text = (_folder(job) / "output.txt").read_text(errors="replace").strip().splitlines()
    except OSError:
        text = []
    said = f" Last output: {text[-1][:300]}" if text else " Perhaps the system ran out of memory."
    return (
        "The process exited unexpectedly. What was finished is kept; the same build continues from"
        f" there.{said}"
    )


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
