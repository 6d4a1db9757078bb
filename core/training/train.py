"""A training run from its settings to a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.encoders.base import encoders
from core.encoders.timm_models import TimmNetwork
from core.encoders.trained import find_model, homes, load_network, read_card
from core.encoders.trained_networks import AUTOENCODER, SLIM, Blueprint, build
from core.errors import UserError
from core.registry import UnknownName
from core.training import export, runs
from core.training.batches import quotas, steps_per_epoch
from core.training.checkpoint import load
from core.training.loop import State, Trainer
from core.training.losses import LOSSES, needs, needs_labels, parse_terms
from core.training.runs import Run
from core.training.settings import Settings, override
from core.training.sources import Source, open_sources
from core.training.validate import DRAWING, RETRIEVAL, embed_pictures, pair_threshold
from core.types import Progress

if TYPE_CHECKING:
    import torch

BYTES_EACH = 22
"""Disk that a run needs for each parameter: checkpoint (weights, two moments, average), the best so far, and the result."""


def settle(settings: Settings) -> Settings:
    """The settings with everything decided that was left open, and checked as far as that goes without pictures.

    Raises:
        UserError: what can't work, before anything is read or written.
    """
    if settings.start_from:
        network = model_card(settings.start_from)["network"]
        settings = override(settings, {key: network[key] for key in ("backbone", "dim", "size")})
    if settings.kind == "autoencoder":
        settings = override(settings, {"backbone": AUTOENCODER})
    if settings.precision == "auto":
        settings = override(settings, {"precision": "bf16" if _has_bf16() else "fp32"})
    if not settings.name:
        settings = override(settings, {"name": _free_name(settings)})
    _check_loss(settings)
    _check_shares(settings)
    return settings


def _check_loss(settings: Settings) -> None:
    terms = [LOSSES[name] for _, name in parse_terms(settings.loss)]
    if any(loss.pairs for loss in terms) and not settings.per_class:
        raise UserError(f"The loss {settings.loss!r} compares pictures of one class.",
                        fix="Set per_class, for example --set per_class=4.")  # fmt: skip
    if needs(settings, "draw") != (settings.kind == "autoencoder"):
        raise UserError(f"The loss {settings.loss!r} and the kind {settings.kind!r} do not go together.",
                        "An autoencoder learns by reconstruction, and nothing else does.")  # fmt: skip
    if needs(settings, "teacher") != bool(settings.teacher):
        raise UserError("The loss distill and a teacher go together.", fix="Name a trained model: --set teacher=resnet.lookalike")
    if settings.backbone == AUTOENCODER and settings.size % 16:
        raise UserError(f"The autoencoder can't take pictures of {settings.size} pixels.", "Its size is a multiple of 16.")


def _check_shares(settings: Settings) -> None:
    if settings.shares and (len(settings.shares) != len(settings.datasets) or not all(0 < s < math.inf for s in settings.shares)):
        raise UserError(f"{len(settings.shares)} shares for {len(settings.datasets)} datasets.", "One positive number for each.")


def _has_bf16() -> bool:
    """Whether bfloat16 is done by the hardware; elsewhere it would be slower than float32."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _free_name(settings: Settings) -> str:
    base = f"{settings.backbone.split('.')[0]}.{settings.recipe.split('/')[-1]}"
    taken = {path.name for home in homes() if home.is_dir() for path in home.iterdir()}
    return next(name for name in [base, *(f"{base}-{n}" for n in range(2, 10_000))] if name not in taken)


def model_card(name: str) -> dict:
    """The card of a trained model. Raises UnknownName."""
    folder = find_model(name)
    if folder is None:
        raise UnknownName("trained model", name, [path.name for home in homes() if home.is_dir() for path in home.iterdir()])
    return read_card(folder)


def begin(settings: Settings, name: str = "", progress: Progress | None = None) -> Run:
    """Check everything, decode the pictures, and make the run's folder; nothing is learned yet. Raises UserError."""
    settings = settle(settings)
    check(settings, progress)
    return runs.create(settings, name)


def check(settings: Settings, progress: Progress | None = None) -> tuple[list[Source], int]:
    """The decoded sources and the number of parameters of a settled run, if it can be done. Raises UserError."""
    found = open_sources(settings, needs_labels(settings), progress)
    network, _ = make_network(settings)
    parameters = sum(p.numel() for p in network.parameters())
    store.check_space(store.root(), BYTES_EACH * parameters + (64 << 20))
    _check_batch(settings, found)
    return found, parameters


def probe(settings: Settings, found: Sequence[Source], count: int) -> tuple[float, int]:
    """Pictures a second over a few steps on the side, and the steps of the whole run."""
    network, blueprint = make_network(settings)
    trainer = Trainer(Run("train-probe"), settings, found, network, blueprint, _teacher(settings))
    return trainer.speed(count), trainer.total


def _check_batch(settings: Settings, sources: Sequence[Source]) -> None:
    for source, quota in zip(sources, quotas(sources, settings), strict=True):
        if quota > len(source.train) * 4:
            raise UserError(f"A batch would take {quota} pictures of {source.name}, which has {len(source.train)}.",
                            fix="Make the batch smaller: --set batch=...")  # fmt: skip


def make_network(settings: Settings) -> tuple[torch.nn.Module, Blueprint]:
    """The network to train, with the weights that it starts from. Raises UserError."""
    import torch

    torch.manual_seed(settings.seed)
    blueprint = Blueprint(settings.kind, settings.backbone, settings.dim, settings.size)
    if settings.start_from:
        folder, card = find_model(settings.start_from), model_card(settings.start_from)
        told = Blueprint.from_dict(card["network"])
        blueprint = Blueprint(settings.kind, told.backbone, told.dim, told.size, told.mean, told.std, told.options)
        network = build(blueprint)
        network.load_state_dict(load_network(folder, card["sha256"]).state_dict())
        return network, blueprint
    return _pretrained(blueprint) if settings.pretrained else (build(blueprint), blueprint)


def _pretrained(blueprint: Blueprint) -> tuple[torch.nn.Module, Blueprint]:
    """A timm backbone with its published weights and their normalisation, under a new embedding. Raises UserError."""
    ours = blueprint.backbone in (*SLIM, AUTOENCODER)
    found = None if ours else encoders.get(blueprint.backbone)
    if not isinstance(found, TimmNetwork):
        raise UserError(f"{blueprint.backbone} has no published weights.", "Pretrained backbones are names of timm.",
                        "For a model that was trained here use --start-from.")  # fmt: skip
    if found.preprocess.size != blueprint.size and _fixed_size(found):
        found = encoders.get(f"{blueprint.backbone}:size={blueprint.size}")
    found.use_form("fp32")
    blueprint = replace(blueprint, mean=tuple(found.preprocess.mean), std=tuple(found.preprocess.std))
    network = build(blueprint)
    fitted = network.backbone.load_state_dict(found.model.state_dict(), strict=False)
    if fitted.missing_keys:
        raise UserError(f"The published weights of {blueprint.backbone} lack {', '.join(fitted.missing_keys[:5])}.")
    return network, blueprint


def _fixed_size(found: TimmNetwork) -> bool:
    """A transformer's position table belongs to one picture size; timm stretches it when told."""
    return any("pos_embed" in name for name, _ in found.model.named_parameters())


def work(run: Run, progress: Progress | None = None) -> Path:
    """Train, from the start or from the checkpoint, and export; returns the model's folder.

    Raises:
        UserError: the run, its data or its checkpoint can't be used, or the loss blew up.
        Cancelled: stopped; the run can be resumed.
    """
    settings = run.settings()
    sources = open_sources(settings, needs_labels(settings))
    network, blueprint = make_network(settings)
    trainer = Trainer(run, settings, sources, network, blueprint, _teacher(settings))
    run.write("start", 0, steps=trainer.total, epoch_steps=trainer.epoch_steps, device=trainer.device,
              sources=[source.note for source in sources])  # fmt: skip
    state = trainer.fit(progress)
    load(run.best, {"network": trainer.kept})
    told = card(run, settings, sources, state, trainer)
    if settings.kind == "siamese":
        told["threshold"] = threshold(trainer, sources)
    folder = export.write_model(settings.name, trainer.kept, blueprint, told)
    run.write("end", state.step, model=settings.name, best_epoch=state.best_epoch)
    return folder


def threshold(trainer: Trainer, sources: Sequence[Source]) -> float | None:
    """Where a siamese network draws the line between the same and another, by the pairs kept back of its last source."""
    source = next((s for s in reversed(sources) if len(s.validation)), None)
    if source is None:
        return None
    pictures = [source.pictures[row] for row in source.validation]
    return pair_threshold(embed_pictures(trainer.embed, pictures, trainer.settings.size), source.labels[source.validation])


def _teacher(settings: Settings) -> tuple[torch.nn.Module, Blueprint] | None:
    if not settings.teacher:
        return None
    told = model_card(settings.teacher)
    return load_network(find_model(settings.teacher), told["sha256"]), Blueprint.from_dict(told["network"])


def card(run: Run, settings: Settings, sources: Sequence[Source], state: State, trainer: Trainer) -> dict:
    """All that is known of the result at the end of its training; what a search with it is worth is measured later."""
    return {
        "title": settings.title or settings.name, "family": settings.family, "about": settings.about,
        "recipe": settings.recipe, "settings": settings.to_dict(), "seed": settings.seed, "run": run.id,
        "data": [{"name": s.name, "classes": len(s.classes), "pictures": len(s.train), "note": s.note} for s in sources],
        "epochs": settings.epochs, "best_epoch": state.best_epoch, "steps": state.step, "images": state.step * settings.batch,
        "epoch_steps": steps_per_epoch(sources, settings), "seconds": round(state.seconds), "device": trainer.device,
        "starts_from": settings.start_from, "teacher": settings.teacher,
        "validation": {"metric": DRAWING if trainer.draws else RETRIEVAL, **{k: round(v, 4) for k, v in state.scores.items()}},
        "preprocessing": f"whole picture squeezed to {settings.size} x {settings.size}, bilinear; mean and std of the network",
        "licence": settings.licence,
    }  # fmt: skip
