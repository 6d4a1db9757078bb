"""Training runs as pages and the command line see them: where each stands, its curves, and the way to delete it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core import store
from core.disk import is_locked
from core.encoders.trained import find_model, read_card
from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus
from core.training import runs
from core.training.follow import Follower
from core.training.runs import Run

QUIET_S = 600.0
"""A run that said nothing for so long has no pace."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands. ``state``: new, running, stopped, failed, done. Curves are lists of (step, value).

    ``phase`` is what a running one does before it learns (``done`` of ``total``), and ``message`` why one failed.
    ``seconds`` is the time spent in steps; ``best`` the epoch and score of the best validation so far.
    """

    id: str
    state: str
    step: int
    steps: int
    model: str
    loss: list[tuple[int, float]]
    rate: list[tuple[int, float]]
    speed: list[tuple[int, float]]
    images_s: float
    validation: list[dict]
    seconds_left: float | None
    job: str | None
    phase: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    epoch_steps: int = 0
    sources: tuple[str, ...] = ()
    device: str = ""
    best: tuple[int, float] | None = None


def run_ids() -> list[str]:
    """Every run, newest first."""
    return [run.id for run in runs.listing()]


def settings_of(run: str) -> dict:
    """What a run was told, and when it was ``created`` (epoch seconds). Raises UserError where there is no such run."""
    return {**Run(run).settings().to_dict(), "created": Run(run).created}


def job_of(run: str, known: Sequence[JobStatus] | None = None) -> JobStatus | None:
    """The latest job that trained a run; ``known`` saves asking for all jobs once a run."""
    found = jobs.listing() if known is None else known
    return next((job for job in found if job.arguments[:3] == ("train", "--resume", run)), None)


def is_running(run: str, job: JobStatus | None = None) -> bool:
    """Whether some process trains it now, a job or a command line."""
    return (job is not None and job.active) or is_locked(f"training-{run}")


def status(run: str, follower: Follower | None = None, known: Sequence[JobStatus] | None = None) -> RunStatus:
    """Where a run stands and its curves so far. ``follower`` is the run's own, where somebody watches it.

    Raises:
        UserError: there is no such run.
    """
    told, job = Run(run).settings(), job_of(run, known)
    running = is_running(run, job)  # before the log is read: a run that ends in between has written its end
    lines = (follower or Follower(Run(run))).lines()
    kinds = {kind: [line for line in lines if line["kind"] == kind] for kind in ("start", "step", "validation")}
    start, steps = kinds["start"][-1] if kinds["start"] else {}, kinds["step"]
    found = RunStatus(
        id=run, state=_state(lines, running, job), step=steps[-1]["step"] if steps else 0, steps=start.get("steps", 0),
        model=told.name, job=job.id if job else None, device=start.get("device", ""), sources=tuple(start.get("sources", ())),
        loss=_curve(steps, "loss"), rate=_curve(steps, "lr"), speed=_curve(steps, "images_s"),
        images_s=steps[-1]["images_s"] if steps else 0.0, epoch_steps=start.get("epoch_steps", 0),
        validation=[{"step": line["step"], "epoch": line["epoch"], **line["scores"]} for line in kinds["validation"]],
        seconds_left=_left(steps, start.get("steps", 0)) if running else None, best=_best(kinds["validation"]),
    )  # fmt: skip
    return _with_words(found, lines, job)


def _state(lines: Sequence[dict], running: bool, job: JobStatus | None) -> str:
    last = lines[-1]["kind"] if lines else ""
    if running:
        return "running"
    if last == "end":
        return "done"
    if last == "failed" or (job is not None and job.state == "failed"):
        return "failed"
    return "stopped" if lines or job is not None else "new"


def _with_words(found: RunStatus, lines: Sequence[dict], job: JobStatus | None) -> RunStatus:
    """With what it does now, or why it failed."""
    last = lines[-1] if lines else {}
    if found.state == "failed":
        return replace(found, message=last.get("message") or (job.message if job else ""))
    if found.state != "running" or last.get("kind") in ("step", "validation", "start"):
        return found
    counted = (job.done, job.total) if job else (0, 0)
    return replace(found, phase=last.get("what", "Starting"), done=counted[0], total=counted[1])


def _curve(steps: Sequence[dict], name: str) -> list[tuple[int, float]]:
    return [(line["step"], line[name]) for line in steps]


def _best(validations: Sequence[dict]) -> tuple[int, float] | None:
    known = [(line["scores"]["mean"], line["epoch"]) for line in validations if line["scores"]["mean"] == line["scores"]["mean"]]
    return (max(known)[1], max(known)[0]) if known else None


def _left(steps: Sequence[dict], total: int, window: int = 50) -> float | None:
    """Seconds to the end at the pace of the last steps."""
    recent = steps[-window:]
    if len(recent) < 2 or time.time() - recent[-1]["time"] > QUIET_S:
        return None
    return (recent[-1]["time"] - recent[0]["time"]) / (len(recent) - 1) * (total - recent[-1]["step"])


def thinned(curve: Sequence[tuple[int, float]], most: int = 400) -> list[tuple[float, float]]:
    """A long curve for drawing: at most ``most`` points, each the mean of its neighbours."""
    each = -(-len(curve) // most) or 1
    parts = [curve[start : start + each] for start in range(0, len(curve), each)]
    return [tuple(sum(values) / len(part) for values in zip(*part, strict=True)) for part in parts]


def delete(run: str, model: bool = False) -> None:
    """Delete a run's folder; ``model`` also what it made, with the embeddings made by it.

    Raises:
        UserError: no such run, or it is at work.
    """
    told = Run(run).settings()
    if is_running(run, job_of(run)):
        raise UserError(f"The run {run} is at work.", fix="Stop it first.")
    with store.writing(Run(run).folder.parent):
        shutil.rmtree(Run(run).folder)
        if model:
            _delete_model(told.name, run)


def _delete_model(name: str, run: str) -> None:
    """What a run made; never what another run, or nobody here, made."""
    folder = find_model(name)
    if folder is None or folder.parent != store.root() / "models" or read_card(folder).get("run") != run:
        return
    shutil.rmtree(folder)
    for entry in store.entries():
        if entry.meta.get("encoder_name") == name:
            store.delete(entry.kind, entry.key)
