"""``train``: an encoder from pictures; ``import-model``: an encoder from a user's own weights."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.cli.options import LOG, command
from core.cli.output import Progress, emit, show, table
from core.errors import UserError
from core.services.library import models
from core.services.training import effect, runs, train
from core.training.runs import Run, refuse_changes
from core.training.settings import Settings, parse_pairs


@command(f"""train
    Train an encoder on a dataset, or fine-tune one. A stopped run continues with --resume.

    --recipe RECIPE         objective and its settings: see --list-recipes
                            (default: {train.DEFAULT})
    --dataset PATH_OR_NAME  training data; repeatable [many]
    --backbone BACKBONE     resnet-slim, vgg-slim, vit-slim, or any timm name
    --pretrained            published weights as initial weights of a timm backbone
    --start-from NAME       initial weights: those of a model that was trained here
    --epochs EPOCHS [int]
    --name ARCHITECTURE.TAG  what the result is called
    --set KEY=VALUE         any other setting; repeatable [many]
    --run ID                id of the run (train-...), resumed if it exists [=]
    --resume ID             continue a run
    --estimate              say what it would cost, and do nothing
    --no-compare            do not measure before and after when the training ends
    --threads THREADS       threads to compute with (default: torch's own choice) [int]
    --list-recipes
    --list-runs
    {LOG}

    examples:
    train --dataset ~/Pictures
    train --dataset ~/Pictures --estimate
    train --list-recipes
    train --list-runs
    train --recipe triplet --backbone resnet-slim --dataset ~/Pictures --epochs 10 \
      --name resnet.mine
""")
def _train(options: argparse.Namespace) -> None:
    if options.list_recipes:
        return show(options, train.recipes(), ["name", "loss", "backbone", "about"])
    if options.list_runs:
        rows = [asdict(runs.status(run)) for run in runs.run_ids()]
        return show(options, rows, ["id", "state", "step", "steps", "model"])
    if options.threads:
        import torch

        torch.set_num_threads(max(1, min(options.threads, os.cpu_count() or 1)))
    progress = Progress("Training", options.log)
    with progress.ending():
        folder = _run(options, progress)
    if folder:
        progress.end("done", f"{folder.name} is ready")
        _report(folder, options.json)


def _run(options: argparse.Namespace, progress: Progress) -> Path | None:
    known = Run(options.resume or options.run)
    if options.resume or (options.run and (known.folder / "config.json").exists()):
        _refuse_changes(known, options)
        if not options.json:
            print(_going_on(known))
        return _work(known, options, progress)
    asked = _asked(options)
    settings = _settings(options, asked)
    if options.estimate:
        cost = train.estimate(settings, progress)
        progress.end(
            "done", f"About {cost.seconds:.0f} s at {cost.images_s:g} pictures per second."
        )
        _show_pairs(asdict(cost), "estimate", options.json)
        return None
    run, found = train.begin(settings, options.run, progress, asked)
    if not options.json:
        _announce(run, found)
    return _work(run, options, progress)


def _refuse_changes(run: Run, options: argparse.Namespace) -> None:
    """Raise UserError where what was given does not fit a run that is there already."""
    if options.resume and options.run not in ("", options.resume):
        raise UserError(
            f"--resume {options.resume} and --run {options.run} were given.", "They name one run."
        )
    if options.estimate:
        raise UserError(
            f"The run {run.id} is begun: an estimate is for one that is not.",
            fix="Leave --estimate or the run out.",
        )
    asked = _asked(options)
    # --run may begin one: it names all of it
    named = options.recipe or ("" if options.resume or not asked else train.DEFAULT)
    refuse_changes(run, named, asked)


def _going_on(run: Run) -> str:
    told = run.settings()
    if run.ended:
        return f"The run {run.id} is finished: {told.name} is written out again."
    return (
        f"Continuing {run.id}: {told.recipe} on {', '.join(told.datasets)}, {told.epochs} epochs,"
        f" {told.name}"
    )


def _work(run: Run, options: argparse.Namespace, progress: Progress) -> Path:
    return train.work(run, progress, compare=not options.no_compare and train.compares(run))


def _announce(run: Run, found: train.Fitted) -> None:
    for note in found.notes:
        print(note)
    settings = found.settings
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    print(f"{settings.name}: {found.steps} steps, batch size {settings.batch}, {epochs}")
    if found.total is not None:
        parts = ", ".join(
            f"{phase.lower()} {seconds:.0f} s" for phase, seconds in found.seconds.items()
        )
        print(
            f"About {found.total / 60:.0f} minutes at {found.images_s:.0f} pictures per second:"
            f" {parts}"
        )
    print(f"Run {run.id}; stopped, it continues with: python -m core train --resume {run.id}")


def _asked(options: argparse.Namespace) -> dict[str, object]:
    """Every setting that was given."""
    named = {key: getattr(options, key) for key in ("backbone", "start_from", "epochs", "name")}
    told = {key: value for key, value in named.items() if value is not None}
    told |= {"datasets": tuple(map(_place, options.dataset))} if options.dataset else {}
    return {
        **parse_pairs(options.set),
        **told,
        **({"pretrained": True} if options.pretrained else {}),
    }


def _place(locator: str) -> str:
    """A path from the root, where it is one: a run may go on in another folder."""
    path = os.path.expanduser(locator)
    return os.path.abspath(path) if os.path.exists(path) else locator


def _settings(options: argparse.Namespace, asked: dict[str, object]) -> Settings:
    values = dict(asked)
    if options.backbone or options.start_from:  # another start than the recipe's own
        values.setdefault("pretrained", False)
    return train.configure(options.recipe or train.DEFAULT, values)


def _report(folder: Path, as_json: bool) -> None:
    card = json.loads((folder / "card.json").read_text())
    found, why = train.compared(Run(card["run"]))
    if as_json:
        return emit({**card, "effect": [effect_row(one) for one in found]})
    size = f"{card['parameters'] / 1e6:.1f} million parameters, {card['bytes'] / 1e6:.1f} MB"
    print(f"{card['name']}: {size}, best epoch {card['best_epoch']}")
    _show_pairs(card["validation"], "validation", False)
    print(f"It is an encoder now: python -m core build --dataset ... --encoders {card['name']}")
    if found:
        show_effects(found)
        print(f"On other data: python -m core effect --run {card['run']} --also DATASET")
    else:
        print(
            f"What it changed was not measured{': ' + why if why else ''}. python -m core effect"
            f" --run {card['run']}"
        )


def _show_pairs(values: dict, title: str, as_json: bool) -> None:
    if as_json:
        return emit(values)
    return table([{title: key, "value": value} for key, value in values.items()])


@command("""import-model
    Make an encoder from your own weights (.pth state dict or safetensors).

    --file FILE [required]
    --backbone BACKBONE  the timm name of its architecture, or a slim one of this project [required]
    --name ARCHITECTURE.TAG [required]
    --size SIZE          image size in pixels [int, default: 224]
    --dim DIM            dimensions of the vectors [int, default: 512]

    examples:
    import-model --file resnet18.pth --backbone resnet18 --name resnet.mine
""")
def _import(options: argparse.Namespace) -> None:
    folder, missing, unused = models.import_model(
        Path(options.file), options.name, options.backbone, options.size, options.dim
    )
    if options.json:
        return emit({"model": folder.name, "missing": missing, "unused": unused})
    print(f"{folder.name} is an encoder now. Missing keys: {', '.join(missing) or 'none'}.")
    print(f"Unexpected keys, not used: {', '.join(unused) or 'none'}.")


ASKED = {"split": "of the query split", "held": "held out", "other": "", "all": "trained on"}
"""Which pictures the queries are, as the table says it."""


@command(f"""effect
    Before and after a training run: the change of mAP, and forgetting on other data.

    --run ID             a finished run: see train --list-runs [required]
    --also PATH_OR_NAME  another dataset; repeatable [many]
    {LOG}

    examples:
    effect --run train-20260101-120000-abcdef
    effect --run train-20260101-120000-abcdef --also catalogue
""")
def _effect(options: argparse.Namespace) -> None:
    progress = Progress("before and after", options.log)
    with progress.ending():
        found = effect.before_after(options.run, options.also, progress=progress)
        progress.end("done", f"{len(found)} comparisons.")
    if options.json:
        return emit([effect_row(one) for one in found])
    show_effects(found)


def effect_row(one: effect.Effect) -> dict:
    """An effect for programs."""
    return {**asdict(one), "change": one.change}


def show_effects(found: Sequence[effect.Effect]) -> None:
    """Before and after, for people."""
    rows = [
        {
            "dataset": one.dataset,
            "relevant": one.protocol,
            "queries": f"{one.queries} {ASKED[one.asked]}",
            "mAP": _pair((one.before, one.after)),
            "change": f"{one.change:+.3f}",
            "95 % interval": f"{one.low:+.3f} to {one.high:+.3f}",
            "hit@1": _pair(one.hit1),
            "P@10": _pair(one.p10),
            "better": one.better,
            "worse": one.poorer,
        }
        for one in found
    ]
    if found:
        print(f"Before: {found[0].encoders[0]}. After: {found[0].encoders[1]}.")
    table(rows, list(rows[0]) if rows else ["dataset"])


def _pair(values: tuple[float, float] | None) -> str:
    return f"{values[0]:.3f} > {values[1]:.3f}" if values else ""
