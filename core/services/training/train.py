"""Training for pages and the command line: recipes, estimates, jobs. Their state: :mod:`.runs`."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import store
from core.errors import Cancelled, UserError
from core.services import jobs
from core.services.evaluation import seen
from core.services.hosting import ownership
from core.services.training import budget, effect
from core.services.training.budget import PROBE_STEPS, Fitted, fitted, measured
from core.services.training.runs import is_running, job_of
from core.training import runs
from core.training.losses import needs_labels
from core.training.resolve import refuse_taken, resolve
from core.training.runs import COMPARING, PACE, WEIGHTS, Run
from core.training.settings import Settings, in_words, override, read_recipe, recipe_names
from core.training.sources import opened_datasets
from core.types import Progress, report, tell

log = logging.getLogger(__name__)
DEFAULT = "finetune"
"""The recipe where none is named."""


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """A run before it starts. ``seconds``, from reading to comparing, come from a few real steps,
    on a machine that may get busier. ``notes`` say what was fitted to the pictures."""

    pictures: int
    kept_back: int
    classes: int
    steps: int
    epochs: int
    batch: int
    crop: int
    parameters: int
    images_s: float
    seconds: float
    disk_bytes: int
    basis: str
    notes: tuple[str, ...] = ()


def recipes(shipped: bool = True) -> list[dict]:
    """Every recipe: name, title, about, ``words`` (how it learns), kind, loss, backbone, epochs,
    and whether it needs ``labels``.

    ``shipped`` False leaves out those of the models that come with the code.
    """
    told = [read_recipe(name) for name in recipe_names() if shipped or "/" not in name]
    shown = ("title", "about", "kind", "loss", "backbone", "epochs")
    return [
        {
            "name": one.recipe,
            **{key: getattr(one, key) for key in shown},
            "words": in_words(one.recipe),
            "labels": needs_labels(one),
        }
        for one in told
    ]


def configure(recipe: str, values: dict[str, object]) -> Settings:
    """A recipe with some of its settings replaced, all left open decided. Raises UserError."""
    settings = override(read_recipe(recipe), chosen(values))
    opened_datasets(settings)  # what is misspelt is told before torch is there, seconds later
    return resolve(settings)


def chosen(values: dict[str, object]) -> dict[str, object]:
    """What was given, with all that follows from it: who names epochs wants them all."""
    return {"minutes": 0.0, **values} if "epochs" in values else values


def estimate(settings: Settings, progress: Progress | None = None) -> TrainingEstimate:
    """What a run would cost, from a few steps of it on made-up pictures. Raises UserError for all
    that :func:`begin` refuses before it reads a picture."""
    from core.training.train import make_network

    refuse_taken(settings)
    tell(progress, WEIGHTS)
    parameters = sum(one.numel() for one in make_network(settings, progress)[0].parameters())
    tell(progress, PACE)
    budget.forget_pace(settings)  # measured anew, whatever is remembered
    found = fitted(settings, measured)
    store.check_space(store.root(), disk_bytes(parameters) + runs.SPARE)
    return TrainingEstimate(
        pictures=sum(source.learned for source in found.sources),
        kept_back=sum(source.kept_back for source in found.sources),
        classes=sum(source.classes for source in found.sources),
        steps=found.steps,
        epochs=found.settings.epochs,
        batch=found.settings.batch,
        crop=found.settings.crop or found.settings.size,
        parameters=parameters,
        images_s=round(found.images_s, 1),
        seconds=found.total,
        disk_bytes=disk_bytes(parameters),
        basis=f"{PROBE_STEPS} steps just now",
        notes=found.notes,
    )


def disk_bytes(parameters: int) -> int:
    """What a run of so many parameters writes."""
    return runs.BYTES_EACH * parameters


def begin(
    settings: Settings,
    name: str = "",
    progress: Progress | None = None,
    asked: Mapping[str, object] | None = None,
) -> tuple[Run, Fitted]:
    """A new run, fitted and checked, its pictures decoded; nothing is learned yet. ``asked`` are
    the settings that somebody chose: :func:`core.training.runs.refuse_changes` goes by them later.
    Raises UserError."""
    from core.training.train import begin

    refuse_taken(settings)
    tell(progress, PACE)
    found = fitted(settings, measured if settings.minutes else None)
    run = begin(found.settings, name, progress, asked)
    _note_plan(run, found)
    return run, found


def compares(run: Run) -> bool:
    """Whether before and after of a run are measured at its end: not for the models that come with
    the code, which have a report of their own."""
    return not run.settings().recipe.startswith("shipped/")


def compared(run: Run) -> tuple[list[effect.Effect], str]:
    """What was measured of a finished run, and why nothing was where nothing was."""
    last = run.last()
    return (effect.kept(run.id), last["message"]) if last.get("kind") == "compared" else ([], "")


def _note_plan(run: Run, found: Fitted) -> None:
    """Into the log: what was fitted, and how long each phase should take."""
    run.write("plan", 0, seconds=found.seconds, images_s=found.images_s, notes=list(found.notes))


def work(run: Run, progress: Progress | None = None, compare: bool = False) -> Path:
    """Train in this process, from the start or from the checkpoint; returns the model's folder.
    What fails stands in its log.

    ``compare``: before and after are measured when the training ends. Where that fails the model is
    there all the same, and the log says why.

    Raises:
        UserError: the run, its data or its checkpoint can't be used, or the loss blew up.
        Cancelled: stopped; the run can be resumed.
    """
    from core.training.train import work

    run.settings()  # a run that is none is told before anything is written
    with store.lock(f"training-{run.id}", progress):
        try:
            _fit_here(run, progress)
            folder = work(run, progress)
        except (Cancelled, KeyboardInterrupt):
            raise
        except Exception as error:
            run.write("failed", run.last().get("step", 0), message=_told(error))
            raise
        _remember_pace(run)
        seen.remember(folder)
        if compare:
            _compare(run, progress)
        return folder


def _told(error: Exception) -> str:
    """An error as a page says it."""
    return (error.plain if isinstance(error, UserError) else f"{type(error).__name__}: {error}")[
        :2000
    ]


def _fit_here(run: Run, progress: Progress | None) -> None:
    """Decide what a run left open for the machine that trains it, before its first step."""
    from core.training.train import make_network

    if run.checkpoint.exists() or any(
        line["kind"] == "plan" and line["images_s"] for line in run.lines()
    ):
        return
    settings = resolve(run.settings())
    run.write("phase", 0, what=WEIGHTS)
    _say(progress, WEIGHTS)
    make_network(settings, progress)  # what has to be downloaded is seen to be downloaded
    run.write("phase", 0, what=PACE)
    _say(progress, PACE)
    found = fitted(settings, measured)
    runs.record_settings(run, found.settings)
    _note_plan(run, found)


def _say(progress: Progress | None, what: str) -> None:
    """Say at once what is done now: it counts nothing by which that would be seen."""
    tell(progress, what)
    report(progress, 0, 0)


def _compare(run: Run, progress: Progress | None) -> None:
    """Before and after, into the run's folder."""
    step = run.last().get("step", 0)
    run.write("phase", step, what=COMPARING)
    _say(progress, COMPARING)
    message = ""
    try:
        effect.before_after(run.id, progress=progress)
        message = "" if effect.kept(run.id) else effect.obstacle(run.id)
    except (Cancelled, KeyboardInterrupt):
        message = "It was stopped."
        raise
    except Exception as error:
        log.exception("before and after of %s", run.id)
        message = _told(error)
    finally:
        run.write("compared", step, message=message)


def _remember_pace(run: Run) -> None:
    """Whole steps with everything between them: what the next estimate of such a run goes by."""
    steps = [line for line in run.lines() if line["kind"] == "step"][-200:]
    seconds = steps[-1]["time"] - steps[0]["time"] if len(steps) > 1 else 0.0
    if seconds > 0:
        settings = run.settings()
        budget.remember_pace(settings, (len(steps) - 1) * settings.batch / seconds)


def start(settings: Settings) -> tuple[str, str]:
    """Make a run and train it as a job of its own, then compare before and after; returns (job,
    run).

    Pictures are decoded, weights fetched and an unknown pace measured by the job. Raises UserError
    for what is known before.
    """
    settings = resolve(settings)
    refuse_taken(settings)
    found = fitted(settings)
    run = runs.create(found.settings)
    _note_plan(run, found)
    return resume(run.id), run.id


def resume(run: str) -> str:
    """Go on with a run as a job; one at work is joined. Raises UserError: no such run."""
    told, job = Run(run).settings(), job_of(run)
    ownership.require_own(Run(run).folder)
    if job is not None and job.active:
        return job.id
    if is_running(run):
        raise UserError(
            f"The run {run} is being trained by a command line.", fix="Stop it there first."
        )
    return jobs.start(f"Training {told.name}", ["train", "--resume", run])


def stop(run: str, wait_s: float = 10.0) -> None:
    """Stop a run's job; what was learned stays. Raises UserError: a command line trains it."""
    job = job_of(run)
    if job is not None and job.active:
        jobs.cancel(job.id)
        end = time.monotonic() + wait_s
        # the lock goes with the process, a moment later
        while is_running(run) and time.monotonic() < end:
            time.sleep(0.05)
    elif is_running(run):
        raise UserError(
            f"The run {run} is being trained by a command line.",
            fix="Stop it where it was started.",
            command="Press Ctrl-C there.",
        )


def arguments(recipe: str, values: dict[str, Any]) -> list[str]:
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
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return f"{value}"
