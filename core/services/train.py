"""Training for pages and the command line: recipes, estimates, and runs as jobs. How they stand: :mod:`core.services.runs`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.errors import Cancelled, UserError
from core.services import jobs, pace, seen
from core.services.runs import is_running, job_of
from core.training import runs
from core.training.losses import LOSSES, needs_labels
from core.training.runs import Run
from core.training.settings import Settings, in_words, override, read_recipe, recipe_names
from core.training.settle import refuse_taken, settle
from core.types import Progress

PROBE_STEPS = 3


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """A run before it starts. ``seconds`` come from a few real steps, on a machine that may get busier."""

    pictures: int
    kept_back: int
    classes: int
    steps: int
    parameters: int
    images_s: float
    seconds: float
    disk_bytes: int
    basis: str


def recipes(shipped: bool = True) -> list[dict]:
    """Every recipe: name, title, about, ``words`` (how it learns), kind, loss, backbone, epochs, and whether it needs ``labels``.

    ``shipped`` False leaves out those of the models that come with the code.
    """
    told = [read_recipe(name) for name in recipe_names() if shipped or "/" not in name]
    shown = ("title", "about", "kind", "loss", "backbone", "epochs")
    return [
        {
            "name": one.recipe, **{key: getattr(one, key) for key in shown},
            "words": in_words(one.recipe), "labels": needs_labels(one),
        }
        for one in told
    ]  # fmt: skip


def losses() -> dict[str, str]:
    """Name of each loss, and what it does."""
    return {name: loss.about for name, loss in LOSSES.items()}


def configure(recipe: str, values: dict[str, object]) -> Settings:
    """A recipe with some of its settings replaced, everything left open decided. Raises UserError."""
    return settle(override(read_recipe(recipe), values))


def estimate(settings: Settings, progress: Progress | None = None) -> TrainingEstimate:
    """What a run would cost, from a few steps of it. Raises UserError for all that :func:`begin` would refuse."""
    from core.training.train import check, probe

    refuse_taken(settings)
    found, parameters = check(settings, progress)
    images_s, steps = probe(settings, found, PROBE_STEPS)
    pace.remember(settings, images_s)
    return TrainingEstimate(
        pictures=sum(len(source.train) for source in found), kept_back=sum(len(source.validation) for source in found),
        classes=sum(len(source.classes) for source in found), steps=steps, parameters=parameters,
        images_s=round(images_s, 1), seconds=steps * settings.batch / images_s,
        disk_bytes=disk_bytes(parameters), basis=f"{PROBE_STEPS} steps just now",
    )  # fmt: skip


def disk_bytes(parameters: int) -> int:
    """What a run of so many parameters writes."""
    return runs.BYTES_EACH * parameters


def begin(settings: Settings, name: str = "", progress: Progress | None = None) -> Run:
    """A new run, all of it checked; nothing is learned yet. Raises UserError."""
    from core.training.train import begin

    return begin(settings, name, progress)


def work(run: Run, progress: Progress | None = None) -> Path:
    """Train in this process, from the start or from the checkpoint; returns the model's folder. What fails stands in its log.

    Raises:
        UserError: the run, its data or its checkpoint can't be used, or the loss blew up.
        Cancelled: stopped; the run can be resumed.
    """
    from core.training.train import work

    run.settings()  # a run that is none is told before anything is written
    with store.lock(f"training-{run.id}", progress):
        try:
            folder = work(run, progress)
        except (Cancelled, KeyboardInterrupt):
            raise
        except Exception as error:
            said = error.plain if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            run.write("failed", run.last().get("step", 0), message=said[:2000])
            raise
        _remember_pace(run)
        seen.remember(folder)
        return folder


def _remember_pace(run: Run) -> None:
    """Whole steps with everything between them: what the next estimate of such a run goes by."""
    steps = [line for line in run.lines() if line["kind"] == "step"][-200:]
    seconds = steps[-1]["time"] - steps[0]["time"] if len(steps) > 1 else 0.0
    if seconds > 0:
        settings = run.settings()
        pace.remember(settings, (len(steps) - 1) * settings.batch / seconds)


def start(settings: Settings) -> tuple[str, str]:
    """Make a run and train it as a job of its own; returns (job, run).

    Pictures are decoded and weights fetched by the job. Raises UserError for what is known before that.
    """
    settings = settle(settings)
    refuse_taken(settings)
    run = runs.create(settings)
    return resume(run.id), run.id


def resume(run: str) -> str:
    """Go on with a run that was stopped, as a job; one that is at work is joined. Raises UserError where there is none."""
    told, job = Run(run).settings(), job_of(run)
    if job is not None and job.active:
        return job.id
    if is_running(run):
        raise UserError(f"The run {run} is being trained by a command line.", fix="Stop it there first.")
    return jobs.start(f"Training {told.name}", ["train", "--resume", run])


def stop(run: str, wait_s: float = 10.0) -> None:
    """Stop the job that trains a run; what was learned stays.

    Raises:
        UserError: no job trains it, but a command line does.
    """
    job = job_of(run)
    if job is not None and job.active:
        jobs.cancel(job.id)
        end = time.monotonic() + wait_s
        while is_running(run) and time.monotonic() < end:  # the lock goes with the process, a moment later
            time.sleep(0.05)
    elif is_running(run):
        raise UserError(f"The run {run} is being trained by a command line.", fix="Stop it where it was started.",
                        command="Press Ctrl-C there.")  # fmt: skip


def arguments(recipe: str, values: dict[str, object]) -> list[str]:
    """What follows ``python -m core`` to train with these settings."""
    told = ["train", "--recipe", recipe]
    for key, value in values.items():
        if key == "datasets":
            told += [word for one in value for word in ("--dataset", str(one))]
        elif key == "pretrained":
            told += ["--pretrained"] if value else []
        elif key in ("backbone", "start_from", "epochs", "name"):
            told += [f"--{key.replace('_', '-')}", str(value)]
        else:
            told += ["--set", f"{key}={_said(value)}"]
    return told


def _said(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else f"{value}"
