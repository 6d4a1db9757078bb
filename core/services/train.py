"""Training for pages and the command line: recipes, estimates, runs as jobs, and what a run has reached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.datasets.paths import open_dataset
from core.services import jobs
from core.training import runs, sources
from core.training.losses import LOSSES
from core.training.runs import Run
from core.training.settings import Settings, expanded, override, read_recipe, recipe_names
from core.types import Progress

PROBE_STEPS = 3


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """A run before it starts. ``seconds`` come from a few real steps, on a machine that may get busier."""

    pictures: int
    classes: int
    steps: int
    parameters: int
    images_s: float
    seconds: float
    disk_bytes: int
    basis: str


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands. ``state``: new, running, stopped, done. Curves are lists of (step, value)."""

    id: str
    state: str
    step: int
    steps: int
    model: str
    loss: list[tuple[int, float]]
    rate: list[tuple[int, float]]
    images_s: float
    validation: list[dict]
    seconds_left: float | None
    job: str | None


def recipes() -> list[dict]:
    """Every recipe: name, title, about, kind, loss, backbone."""
    told = [read_recipe(name).to_dict() for name in recipe_names()]
    shown = ("title", "about", "kind", "loss", "backbone", "epochs")
    return [{"name": one["recipe"], **{key: one[key] for key in shown}} for one in told]


def losses() -> dict[str, str]:
    """Name of each loss, and what it does."""
    return {name: loss.about for name, loss in LOSSES.items()}


def configure(recipe: str, values: dict[str, object]) -> Settings:
    """A recipe with some of its settings replaced, everything left open decided. Raises UserError."""
    from core.training.train import settle

    return settle(override(read_recipe(recipe), values))


def estimate(settings: Settings, progress: Progress | None = None) -> TrainingEstimate:
    """What a run would cost, from a few steps of it. Raises UserError for all that :func:`begin` would refuse."""
    from core.training.train import check, probe

    found, parameters = check(settings, progress)
    images_s, steps = probe(settings, found, PROBE_STEPS)
    seen = steps * settings.batch
    return TrainingEstimate(
        pictures=sum(len(source.train) for source in found), classes=sum(len(source.classes) for source in found),
        steps=steps, parameters=parameters, images_s=round(images_s, 1), seconds=seen / images_s,
        disk_bytes=disk_bytes(parameters), basis=f"{PROBE_STEPS} steps just now",
    )  # fmt: skip


def disk_bytes(parameters: int) -> int:
    from core.training.train import BYTES_EACH

    return BYTES_EACH * parameters


def begin(settings: Settings, name: str = "", progress: Progress | None = None) -> Run:
    """A new run, all of it checked; nothing is learned yet. Raises UserError."""
    from core.training.train import begin

    return begin(settings, name, progress)


def work(run: Run, progress: Progress | None = None) -> Path:
    """Train in this process, from the start or from the checkpoint; returns the model's folder. Raises UserError, Cancelled."""
    from core.training.train import work

    with store.lock(f"training-{run.id}", progress):
        return work(run, progress)


def start(settings: Settings) -> tuple[str, str]:
    """Begin a run and train it as a job of its own; returns (job, run). Raises UserError before anything is started."""
    run = begin(settings)
    return resume(run.id), run.id


def resume(run: str) -> str:
    """Go on with a run that was stopped, as a job; returns the job. Raises UserError where there is no such run."""
    told = Run(run).settings()
    return jobs.start(f"Training {told.name}", ["train", "--resume", run])


def stop(run: str) -> None:
    """Stop the job that trains a run; what was learned up to the last checkpoint stays."""
    job = job_of(run)
    if job:
        jobs.cancel(job)


def job_of(run: str) -> str | None:
    """The latest job that trained a run."""
    return next((job.id for job in jobs.listing() if job.arguments[:3] == ("train", "--resume", run)), None)


def run_ids() -> list[str]:
    return [run.id for run in runs.listing()]


def status(run: str) -> RunStatus:
    """Where a run stands and its curves so far. Raises UserError where there is no such run."""
    told, lines = Run(run).settings(), Run(run).lines()
    kinds = {kind: [line for line in lines if line["kind"] == kind] for kind in ("start", "step", "validation", "end")}
    steps = kinds["start"][-1]["steps"] if kinds["start"] else 0
    job = job_of(run)
    active = job is not None and jobs.status(job).active
    here = kinds["step"][-1]["step"] if kinds["step"] else 0
    state = "done" if kinds["end"] else "running" if active else "stopped" if here else "new"
    return RunStatus(
        id=run, state=state, step=here, steps=steps, model=told.name, job=job,
        loss=[(line["step"], line["loss"]) for line in kinds["step"]],
        rate=[(line["step"], line["lr"]) for line in kinds["step"]],
        images_s=kinds["step"][-1]["images_s"] if here else 0.0,
        validation=[{"step": line["step"], "epoch": line["epoch"], **line["scores"]} for line in kinds["validation"]],
        seconds_left=_left(kinds["step"], steps) if state == "running" else None,
    )  # fmt: skip


def _left(steps: Sequence[dict], total: int, window: int = 50) -> float | None:
    """Seconds to the end at the pace of the last steps."""
    recent = steps[-window:]
    if len(recent) < 2 or time.time() - recent[-1]["time"] > 600:
        return None
    return (recent[-1]["time"] - recent[0]["time"]) / (len(recent) - 1) * (total - recent[-1]["step"])


def import_model(file: Path, name: str, backbone: str, size: int, dim: int) -> tuple[Path, list[str], list[str]]:
    """A user's own weights as an encoder: its folder, the keys that were missing, and those left over. Raises UserError."""
    from core.encoders.trained_networks import Blueprint
    from core.training.export import import_weights

    told = override(Settings(recipe="import"), {"name": name, "size": size, "dim": dim})
    return import_weights(file, told.name, Blueprint("embedder", backbone, told.dim, told.size))


def pictures_of(locator: str, target: str = "auto") -> dict:
    """What a dataset offers to learn from, undecoded: ``pictures``, ``field``, ``classes``. Raises UserError."""
    dataset = open_dataset(expanded(locator))
    items = sources.training_items(dataset)
    field = sources.class_field(dataset, items, target)
    return {"pictures": len(items), "field": field, "classes": len({item.value(field) for item in items})}
