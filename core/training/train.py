"""From the settings of a run, or from a user's own weights, to a model among the encoders."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import store
from core.encoders.base import encoders
from core.encoders.trained import CARD, find_model, load_network, pack
from core.encoders.trained import WEIGHTS as WEIGHTS_FILE
from core.encoders.trained_networks import SLIM, Blueprint, build
from core.errors import UserError
from core.training import runs
from core.training.batches import augmenter, check_batch, steps_per_epoch
from core.training.loop import State, Trainer
from core.training.losses import needs_labels
from core.training.resolve import (
    blueprint_of,
    middle_of,
    model_card,
    published,
    published_teacher,
    refuse_taken,
    resolve,
)
from core.training.runs import LEARNING, PICTURES, WEIGHTS, Run, load_checkpoint
from core.training.settings import Settings
from core.training.sources import Source, open_sources
from core.training.validate import BATCH, DRAWING, RETRIEVAL, embed_pictures, pair_threshold
from core.types import Progress, tell
from core.weights import files

if TYPE_CHECKING:
    import torch

SAMPLE = 8000
"""Pictures whose codes say what an autoencoder's principal directions are."""


def begin(
    settings: Settings,
    name: str = "",
    progress: Progress | None = None,
    asked: Mapping[str, object] | None = None,
) -> Run:
    """Check all, decode the pictures, make the run's folder; learn nothing. Raises UserError."""
    settings = resolve(settings)
    refuse_taken(settings)
    check(settings, progress)
    return runs.create(settings, name, asked)


def check(settings: Settings, progress: Progress | None = None) -> tuple[list[Source], int]:
    """The decoded sources and the number of parameters of a resolved run. Raises UserError."""
    tell(progress, PICTURES)
    found = open_sources(settings, needs_labels(settings), progress)
    tell(progress, WEIGHTS)
    network, _ = make_network(settings, progress)
    tell(progress, LEARNING)
    check_batch(
        [source.name for source in found], [len(source.train) for source in found], settings
    )
    return found, check_disk(network)


def check_disk(network: torch.nn.Module) -> int:
    """The number of parameters of a network, if there is room for its run. Raises UserError."""
    parameters = sum(p.numel() for p in network.parameters())
    store.check_space(store.root(), runs.BYTES_EACH * parameters + (64 << 20))
    return parameters


def probe(settings: Settings, found: Sequence[Source], count: int) -> float:
    """Pictures a second over a few steps on the side. Raises UserError: no network."""
    network, blueprint = make_network(settings)
    return Trainer(
        Run("train-probe"), settings, found, network, blueprint, _teacher(settings)
    ).speed(count)


def make_network(
    settings: Settings, progress: Progress | None = None
) -> tuple[torch.nn.Module, Blueprint]:
    """The network to train with its first weights, downloaded if published. Raises UserError."""
    import torch

    torch.manual_seed(settings.seed)
    blueprint = blueprint_of(settings)
    if settings.start_from:
        folder, card = find_model(settings.start_from), model_card(settings.start_from)
        told = Blueprint.from_dict(card["network"])
        blueprint = replace(
            told, kind=settings.kind, size=settings.size, mirror=settings.mirror or told.mirror
        )
        if middle := middle_of(settings):
            blueprint = replace(blueprint, resize=middle.resize)
        network = build(blueprint)
        network.load_state_dict(load_network(folder, card["sha256"]).state_dict())
        return network, blueprint
    if middle := middle_of(settings):
        blueprint = replace(blueprint, resize=middle.resize, interpolation=middle.interpolation)
    return (
        _pretrained(blueprint, progress) if settings.pretrained else (build(blueprint), blueprint)
    )


def _pretrained(
    blueprint: Blueprint, progress: Progress | None
) -> tuple[torch.nn.Module, Blueprint]:
    """A timm backbone with its published weights and their normalisation, under a new embedding.
    Raises UserError."""
    found: Any = published(blueprint.backbone)
    weights = found.published(progress)
    if (
        found.preprocess.size != blueprint.size
        and blueprint.backbone not in SLIM
        and _fixed_size(weights)
    ):
        found = encoders.get(f"{blueprint.backbone}:size={blueprint.size}")
        weights = found.published()
    blueprint = replace(blueprint, mean=found.preprocess.mean, std=found.preprocess.std)
    network = build(blueprint)
    if blueprint.backbone in SLIM:  # a hybrid: its front alone has published weights
        front = network.backbone.patch_embed.backbone
        front.load_state_dict({key: weights.state_dict()[key] for key in front.state_dict()})
        return network, blueprint
    fitted = network.backbone.load_state_dict(weights.state_dict(), strict=False)
    if fitted.missing_keys:
        raise UserError(
            f"The published weights of {blueprint.backbone} lack"
            f" {', '.join(fitted.missing_keys[:5])}."
        )
    return network, blueprint


def _fixed_size(network: torch.nn.Module) -> bool:
    """A transformer's position table belongs to one picture size; timm stretches it when told."""
    return any("pos_embed" in name for name, _ in network.named_parameters())


def work(run: Run, progress: Progress | None = None) -> Path:
    """Train, from the start or from the checkpoint, and export; returns the model's folder.

    Raises:
        UserError: the run, its data or its checkpoint can't be used, or the loss blew up.
        Cancelled: stopped; the run can be resumed.
    """
    settings = run.settings()
    run.mend()
    run.write("phase", 0, what=PICTURES)
    tell(progress, PICTURES)
    sources = open_sources(settings, needs_labels(settings), progress)
    check_batch(
        [source.name for source in sources], [len(source.train) for source in sources], settings
    )
    run.keep_held({source.locator: source.held for source in sources})
    run.write("phase", 0, what=WEIGHTS)
    tell(progress, WEIGHTS)
    network, blueprint = make_network(settings, progress)
    check_disk(network)
    trainer = Trainer(run, settings, sources, network, blueprint, _teacher(settings))
    run.write(
        "start",
        0,
        steps=trainer.total,
        epoch_steps=trainer.epoch_steps,
        device=trainer.device,
        sources=[source.note for source in sources],
    )
    tell(progress, LEARNING)
    state = trainer.fit(progress)
    load_checkpoint(run.best, {"network": trainer.kept})
    if settings.principal:
        trainer.kept.scale_directions(_sample_codes(trainer, sources), settings.principal)
    told = card(run, settings, sources, state, trainer)
    if settings.kind == "siamese":
        told["threshold"] = threshold(trainer, sources)
    folder = write_model(settings.name, trainer.kept, blueprint, told, settings.stored)
    run.write("end", state.step, model=settings.name, best_epoch=state.best_epoch)
    return folder


def _sample_codes(trainer: Trainer, sources: Sequence[Source]) -> torch.Tensor:
    """An autoencoder's codes (n, dim) of pictures learned from, each dataset by its share."""
    import torch

    settings, plain = trainer.settings, augmenter("none", trainer.settings.size)
    shares = np.array(settings.shares or [len(source.train) for source in sources], float)
    chance, codes = np.random.default_rng(settings.seed), []
    for source, share in zip(sources, shares / shares.sum(), strict=True):
        count = min(len(source.train), max(round(SAMPLE * share), 1))
        rows = np.sort(chance.choice(source.train, count, replace=False))
        for start in range(0, count, BATCH):
            codes.append(trainer.code(plain(source.pictures[rows[start : start + BATCH]])))
    return torch.cat(codes).float()


def threshold(trainer: Trainer, sources: Sequence[Source]) -> float | None:
    """A siamese network's line between same and other, by pairs kept back of its last source."""
    source = next((s for s in reversed(sources) if len(s.validation)), None)
    if source is None:
        return None
    pictures = [source.pictures[row] for row in source.validation]
    return pair_threshold(
        embed_pictures(trainer.embed, pictures, trainer.settings.size, trainer.share),
        source.labels[source.validation],
    )


def _teacher(settings: Settings) -> tuple[torch.nn.Module, Blueprint] | None:
    if not settings.teacher:
        return None
    if find_model(settings.teacher) is None:
        return published_teacher(settings.teacher)
    told = model_card(settings.teacher)
    network = copy(load_network(find_model(settings.teacher), told["sha256"]))
    # every picture comes mirrored half of the time anyhow: no need to do all the work twice
    network.mirror = False
    return network, Blueprint.from_dict(told["network"])


def _framed(made: Blueprint) -> str:
    square = f"{made.size} x {made.size}"
    if made.resize:
        return f"short side to {made.resize}, middle {square}, {made.interpolation}"
    return f"whole picture squeezed to {square}, {made.interpolation}"


def card(
    run: Run, settings: Settings, sources: Sequence[Source], state: State, trainer: Trainer
) -> dict:
    """What is known of the result when it is trained; a search with it is measured later."""
    return {
        "title": settings.title or settings.name,
        "family": settings.family,
        "about": settings.about,
        "recipe": settings.recipe,
        "settings": settings.to_dict(),
        "seed": settings.seed,
        "run": run.id,
        "data": [
            {"name": s.name, "classes": len(s.classes), "pictures": len(s.train), "note": s.note}
            for s in sources
        ],
        "epochs": settings.epochs,
        "best_epoch": state.best_epoch,
        "steps": state.step,
        "images": state.step * settings.batch,
        "epoch_steps": steps_per_epoch(sources, settings),
        "seconds": round(state.seconds),
        "device": trainer.device,
        "starts_from": settings.start_from,
        "teacher": settings.teacher,
        "validation": {
            "metric": DRAWING if trainer.draws else RETRIEVAL,
            **{k: round(v, 4) for k, v in state.scores.items()},
        },
        "preprocessing": f"{_framed(trainer.blueprint)}; mean and std of the network",
        "licence": settings.licence,
    }


def write_model(
    name: str, network: torch.nn.Module, blueprint: Blueprint, card: dict, stored: str = "half"
) -> Path:
    """``models/<name>/weights.safetensors`` and ``card.json``, there whole or not at all.

    ``stored`` is ``half`` (matrices in half precision) or ``int8`` (matrices in 8 bits with a scale
    a row).

    Raises:
        UserError: the disk is full, or the name is not allowed.
    """
    from safetensors.torch import save_file

    final = store.root() / "models" / name
    with store.new_folder(final) as folder:
        state = network.state_dict()
        packed = (
            pack(state) if stored == "int8" else {key: _small(one) for key, one in state.items()}
        )
        save_file(packed, folder / WEIGHTS_FILE)
        (folder / WEIGHTS_FILE).chmod(0o644)
        told = {
            **card,
            "name": name,
            "network": blueprint.to_dict(),
            "sha256": store.digest(folder / WEIGHTS_FILE),
            "bytes": (folder / WEIGHTS_FILE).stat().st_size,
            "parameters": sum(p.numel() for p in network.parameters()),
            "created": time.strftime("%Y-%m-%d"),
            "stored": stored,
        }
        (folder / CARD).write_text(json.dumps(told, indent=1))
    return final


def _small(value: torch.Tensor) -> torch.Tensor:
    """Matrices to fp16; biases and batch statistics, whose range fp16 may not hold, stay."""
    import torch

    value = value.detach().cpu().contiguous()
    return value.to(torch.float16) if value.is_floating_point() and value.ndim > 1 else value


def import_weights(
    path: Path, name: str, blueprint: Blueprint, title: str = ""
) -> tuple[Path, list[str], list[str]]:
    """A user's ``.pth`` or ``.safetensors`` state dict as a model.

    Returns:
        The model's folder, the keys that the network wants and the file lacks (the embedding on top
        may be among them: it then stays a random orthogonal projection), and the keys of the file
        that were not used.

    Raises:
        UserError: the file holds no state dict of tensors, or nothing of it fits below the
            embedding.
    """
    import torch

    torch.manual_seed(0)
    network, found = build(blueprint), _state(path)
    wanted = network.state_dict()
    fitting = {}
    for key, value in found.items():
        for mine in (key, f"backbone.{key}"):
            if mine in wanted and wanted[mine].shape == value.shape:
                fitting[mine] = value
    missing = sorted(set(wanted) - set(fitting))
    unused = sorted(key for key in found if key not in fitting and f"backbone.{key}" not in fitting)
    below = [key for key in missing if key.startswith("backbone.")]
    if below:
        raise UserError(
            f"{path.name} lacks {len(below)} weights of {blueprint.backbone}, or has them in"
            f" another shape: {_some(below)}.",
            f"Keys of the file that do not fit: {_some(unused) or 'none'}.",
            "Name the architecture that the file was trained with.",
        )
    network.load_state_dict(fitting, strict=False)
    card = {
        "title": title or name,
        "family": "network",
        "about": "Your own weights.",
        "data": [],
        "recipe": "import",
        "licence": "Your own.",
        "missing": missing,
        "unused": unused,
    }
    return write_model(name, network, blueprint, card), missing, unused


def _state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file, however it was wrapped; never code. Raises UserError."""
    return {key.removeprefix("module."): value for key, value in files.read(path).items()}


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
