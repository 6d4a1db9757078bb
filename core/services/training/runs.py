"""Training runs as pages and the command line see them: their state, curves, deletion."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from core import store
from core.disk import is_locked
from core.encoders.trained import find_model, read_card
from core.errors import UserError
from core.services import jobs
from core.services.hosting import ownership
from core.services.jobs import JobStatus
from core.services.steps import still_left
from core.training import runs
from core.training.runs import COMPARING, LEARNING, MARKS, PACE, PICTURES, WEIGHTS, Follower, Run

MIN_STEPS = 50
"""Steps before a loss is said to fall or to rise: a fifth of them is ten."""
SURE = 3.0
"""Standard errors that make a difference of two means a trend."""
PACE_S = 20.0
"""To load a network and to make a few steps of it where its pace has to be measured first."""
QUIET_S = 600.0
"""A run that said nothing for so long has no pace."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One thing that a run does after another. ``state``: done, now, next. ``done`` of ``total``
    are pictures or steps (0 where they are not counted), ``seconds`` the time that it will still
    take, None where that is not known.
    """

    name: str
    state: str
    done: int = 0
    total: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands. ``state``: new, running, stopped, failed, done. Curves are lists of
    (step, value).

    ``phase`` is what a running one does besides learning (``done`` of ``total``), and ``phases``
    are all of them. ``message`` says why one failed, or why before and after of a finished one were
    not compared. ``best`` is the epoch and score of the best validation so far; epoch 0 is the
    start. ``notes`` say what was fitted to the pictures.
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
    phases: tuple[Phase, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rounds:
    """``steps`` of a run, after each ``every`` of which, and at the end, it is validated."""

    steps: int
    every: int

    def after(self, step: int) -> int:
        """How many validations follow a step that was not followed by its own yet."""
        if not self.every:
            return 0
        return -(-self.steps // self.every) - max(step - 1, 0) // self.every


def run_ids() -> list[str]:
    """Every run, newest first."""
    return [run.id for run in runs.listing()]


def settings_of(run: str) -> dict:
    """What a run was told, and when ``created`` (epoch seconds). Raises UserError: no such run."""
    return {**Run(run).settings().to_dict(), "created": Run(run).created}


def job_of(run: str, known: Sequence[JobStatus] | None = None) -> JobStatus | None:
    """The latest job that trained a run; ``known`` saves asking for all jobs once a run."""
    found = jobs.listing() if known is None else known
    return next((job for job in found if job.arguments[:3] == ("train", "--resume", run)), None)


def is_running(run: str, job: JobStatus | None = None) -> bool:
    """Whether some process trains it now, a job or a command line."""
    return (job is not None and job.active) or is_locked(f"training-{run}")


def status(
    run: str, follower: Follower | None = None, known: Sequence[JobStatus] | None = None
) -> RunStatus:
    """Where a run stands and its curves so far. ``follower`` is the run's own, where somebody
    watches it.

    Raises:
        UserError: there is no such run.
    """
    told, job = Run(run).settings(), job_of(run, known)
    # before the log is read: a run that ends in between has written its end
    running = is_running(run, job)
    lines = (follower or Follower(Run(run))).lines()
    kinds = {
        kind: [line for line in lines if line["kind"] == kind]
        for kind in ("start", "step", "validation")
    }
    start, steps = kinds["start"][-1] if kinds["start"] else {}, kinds["step"]
    plan: dict = next((line for line in reversed(lines) if line["kind"] == "plan"), {})
    validated = told.validate_every * start.get("epoch_steps", 0)
    rounds = _Rounds(start.get("steps", 0), validated)
    planned = plan.get("seconds", {})
    if not plan.get("images_s"):  # few pictures need less than the time that a run may take
        planned = {**planned, LEARNING: None}
    phases = _phases(lines, planned, job, rounds) if running else ()
    found = RunStatus(
        id=run,
        state=_state(lines, running, job),
        step=steps[-1]["step"] if steps else 0,
        steps=start.get("steps", 0),
        model=told.name,
        job=job.id if job else None,
        device=start.get("device", ""),
        sources=tuple(start.get("sources", ())),
        loss=_curve(steps, "loss"),
        rate=_curve(steps, "lr"),
        speed=_curve(steps, "images_s"),
        images_s=steps[-1]["images_s"] if steps else 0.0,
        epoch_steps=start.get("epoch_steps", 0),
        validation=[
            {"step": line["step"], "epoch": line["epoch"], **line["scores"]}
            for line in kinds["validation"]
        ],
        seconds_left=_all_left(phases),
        best=_best(kinds["validation"]),
        phases=phases,
        notes=tuple(plan.get("notes", ())),
    )
    return _with_words(found, lines, job)


def _state(lines: Sequence[dict], running: bool, job: JobStatus | None) -> str:
    last = next((line["kind"] for line in reversed(lines) if line["kind"] in MARKS), "")
    if running:
        return "running"
    if last == "end":
        return "done"
    if last == "failed" or (job is not None and job.state == "failed"):
        return "failed"
    return "stopped" if lines or job is not None else "new"


def _with_words(found: RunStatus, lines: Sequence[dict], job: JobStatus | None) -> RunStatus:
    """With what it does now, or why something failed."""
    last = lines[-1] if lines else {}
    if found.state == "failed":
        return replace(found, message=last.get("message") or (job.message if job else ""))
    if found.state == "done" and last.get("kind") == "compared":
        return replace(found, message=last.get("message", ""))
    now = next((phase for phase in found.phases if phase.state == "now"), None)
    if found.state != "running" or (now and now.name == LEARNING):
        return found
    return replace(
        found,
        phase=now.name if now else "Starting",
        done=now.done if now else 0,
        total=now.total if now else 0,
    )


def _phases(
    lines: Sequence[dict], seconds: dict, job: JobStatus | None, rounds: _Rounds
) -> tuple[Phase, ...]:
    """What a running run does, in its order; ``seconds`` is what was planned for each."""
    past = [
        line.get("what", "") if line["kind"] == "phase" else LEARNING
        for line in lines
        if line["kind"] in ("phase", *MARKS)
    ]
    begun = _since_resumed(past)
    now = begun[-1] if begun else ""
    names = (
        [PACE] * (PACE in begun)
        + [PICTURES, WEIGHTS, LEARNING]
        + [COMPARING] * bool({COMPARING} & {*seconds, *begun})
    )
    seconds = {PACE: PACE_S, **seconds}
    found = []
    for name in names:
        if name == now:
            found.append(_now(name, lines, seconds.get(name), job, rounds))
        else:
            done = name in begun and names.index(name) < names.index(now) if now in names else False
            found.append(
                Phase(name, "done" if done else "next", seconds=0.0 if done else seconds.get(name))
            )
    return tuple(found)


def _since_resumed(past: Sequence[str]) -> list[str]:
    """The phases of the process at work: each begins by reading the pictures or before."""
    starts = [place for place, name in enumerate(past) if name == PICTURES]
    later = past[starts[-1] :] if starts else past
    fitted = (
        [name for name in past[max(0, starts[-1] - 2) : starts[-1]] if name in (PACE, WEIGHTS)]
        if starts
        else []
    )
    return [*fitted, *later]


def _now(
    name: str, lines: Sequence[dict], planned: float | None, job: JobStatus | None, rounds: _Rounds
) -> Phase:
    """What is being done: counted by the steps of the log, or by the job that says so."""
    begun = [line["time"] for line in lines if line["kind"] == "start" or line.get("what") == name]
    spent = max(time.time() - begun[-1], 0.0) if begun else 0.0
    usual = None if planned is None else still_left(planned, spent, planned, 0.0)
    if name == LEARNING:
        made = [line for line in lines if line["kind"] == "step"]
        done, left = made[-1]["step"] if made else 0, _left(lines, rounds)
        if left is None and planned is not None:
            left = planned * (1 - done / rounds.steps) if done else usual
        return Phase(name, "now", done, rounds.steps, left)
    if name == COMPARING and job is not None and job.seconds_left is not None:
        return Phase(name, "now", job.done, job.total, job.seconds_left)
    if job is None or job.message != name or not job.total:
        return Phase(name, "now", seconds=usual)
    if job.seconds_left is not None:
        left = job.seconds_left
    else:
        left = planned and planned * (1 - job.done / job.total)
    return Phase(name, "now", job.done, job.total, left)


def _all_left(phases: Sequence[Phase]) -> float | None:
    """Seconds to the end of the last phase; None where one of them is not known."""
    known = [phase.seconds for phase in phases if phase.seconds is not None]
    return sum(known) if known and len(known) == len(phases) else None


def _curve(steps: Sequence[dict], name: str) -> list[tuple[int, float]]:
    return [(line["step"], line[name]) for line in steps]


def _best(validations: Sequence[dict]) -> tuple[int, float] | None:
    known = [
        (line["scores"]["mean"], line["epoch"])
        for line in validations
        if line["scores"]["mean"] == line["scores"]["mean"]
    ]
    return (max(known)[1], max(known)[0]) if known else None


def _left(lines: Sequence[dict], rounds: _Rounds, window: int = 50) -> float | None:
    """Seconds to the end by the last steps and validations; None where there are too few."""
    events = [line for line in lines if line["kind"] in ("start", "step", "validation")]
    pairs = [(a["time"], b) for a, b in pairwise(events) if b["kind"] != "start"]
    steps = [b["time"] - before for before, b in pairs if b["kind"] == "step"]
    rounded = [b["time"] - before for before, b in pairs if b["kind"] == "validation"]
    since = time.time() - events[-1]["time"] if events else 0.0
    if len(steps) < 2 or since > QUIET_S:
        return None
    last = events[-1]
    step_s, round_s = (float(np.mean(few[-window:])) if few else 0.0 for few in (steps, rounded))
    validations = rounds.after(last["step"] + (last["kind"] == "validation"))
    now = step_s if rounds.steps > last["step"] else round_s
    left = step_s * (rounds.steps - last["step"]) + round_s * validations
    return still_left(left, max(since, 0.0), min(now, left), 0.0)


def trend(losses: Sequence[float]) -> str:
    """Whether a loss "fell" or "rose", by its first and last fifth; "flat" where the difference is
    within their scatter, and "" while there are too few steps to tell."""
    if len(losses) < MIN_STEPS:
        return ""
    count = len(losses) // 5
    first, last = np.array(losses[:count]), np.array(losses[-count:])
    scatter = np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / count)
    change = last.mean() - first.mean()
    return "flat" if abs(change) <= SURE * scatter else "rose" if change > 0 else "fell"


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
    ownership.require_own(Run(run).folder)
    if is_running(run, job_of(run)):
        raise UserError(f"The run {run} is at work.", fix="Stop it first.")
    with store.writing(Run(run).folder.parent):
        shutil.rmtree(Run(run).folder)
        if model:
            _delete_model(told.name, run)


def _delete_model(name: str, run: str) -> None:
    """What a run made; never what another run, or nobody here, made."""
    folder = find_model(name)
    if (
        folder is None
        or folder.parent != store.root() / "models"
        or read_card(folder).get("run") != run
    ):
        return
    shutil.rmtree(folder)
    for entry in store.entries():
        if entry.meta.get("encoder_name") == name:
            store.delete(entry.kind, entry.key)
