"""What a run leaves open, decided; what can't work, refused. Without torch if possible."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core import store
from core.encoders.base import encoders
from core.encoders.preprocess import Preprocess
from core.encoders.timm_models import TimmNetwork
from core.encoders.trained import find_model, homes, read_card
from core.encoders.trained_networks import AUTOENCODER, SLIM, Blueprint, build
from core.errors import UserError
from core.registry import UnknownName
from core.training import runs
from core.training.losses import LOSSES, needs, parse_terms
from core.training.settings import Settings, override

if TYPE_CHECKING:
    import torch

USUAL_SIZE = 64
OURS = (*SLIM, AUTOENCODER)


def resolve(settings: Settings) -> Settings:
    """The settings with everything decided that was left open, and checked as far as that goes
    without pictures.

    Raises:
        UserError: what can't work, before anything is read or written.
    """
    settings = draft(settings)
    if settings.precision == "auto":
        settings = override(settings, {"precision": "bf16" if _has_bf16() else "fp32"})
    return settings


def draft(settings: Settings) -> Settings:
    """:func:`resolve` without the number format, which only torch knows. Raises UserError."""
    if settings.start_from:
        settings = _taken_over(settings)
    elif settings.backbone in SLIM and SLIM[settings.backbone].front:
        # its front never learns: random it would stay
        settings = override(settings, {"pretrained": True})
    if settings.kind == "autoencoder":
        settings = override(settings, {"backbone": AUTOENCODER})
    if not settings.size:
        settings = override(settings, {"size": usual_size(settings)})
    settings = _fitting_network(settings)
    if not settings.name:
        settings = override(settings, {"name": _free_name(settings)})
    _check_loss(settings)
    _check_shares(settings)
    _check_taught(settings)
    return settings


def _taken_over(settings: Settings) -> Settings:
    """With the shape of the network that it starts from."""
    network = model_card(settings.start_from)["network"]
    if (settings.kind == "autoencoder") != (network["kind"] == "autoencoder"):
        raise UserError(
            f"{settings.start_from} is {_a(network['kind'])}, and the recipe makes"
            f" {_a(settings.kind)}.",
            "An autoencoder can only continue from an autoencoder.",
            "Start from another model, or from scratch.",
        )
    taken = {
        "backbone": network["backbone"],
        "dim": network["dim"],
        "levels": network.get("levels", 1),
        "neck": network.get("neck", True),
    }
    return override(
        settings, {**taken, "size": settings.resize or network["size"], "pretrained": False}
    )


def _fitting_network(settings: Settings) -> Settings:
    """What the chosen network decides: a vector's length without a neck, crops within its input."""
    values: dict[str, object] = {}
    # nothing is known yet that could be kept
    if not settings.pretrained and not settings.start_from:
        values |= {"neck": True, "frozen_stages": 0, "freeze_norm": False}
    elif not settings.neck and not settings.start_from:
        values |= {"dim": published(settings.backbone).dim, "levels": 1}
    if settings.crop and (settings.crop > settings.size or _fixed_input(settings.backbone)):
        values["crop"] = 0
    return override(settings, values)


def _fixed_input(backbone: str) -> bool:
    """Whether a network takes pictures of one size alone, as vision transformers do."""
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(SLIM[backbone].timm if backbone in SLIM else backbone)
    return bool(found and found.fixed_input_size)


def _a(kind: str) -> str:
    return {"autoencoder": "an autoencoder", "siamese": "a siamese network"}.get(
        kind, "an embedding network"
    )


def usual_size(settings: Settings) -> int:
    """Side of the input where nobody said: that of the published weights, else a small one."""
    found = published(settings.backbone) if settings.pretrained else None
    return found.preprocess.size if found else USUAL_SIZE


def middle_of(settings: Settings) -> Preprocess | None:
    """How the middle square of a picture is made, where the network of a drafted run sees nothing
    else; None where it sees all of the picture. Raises UserError."""
    if settings.start_from:
        told = Blueprint.from_dict(model_card(settings.start_from)["network"]).centred
    else:
        wanted = settings.framing == "centre" and settings.pretrained
        told = published(settings.backbone).preprocess if wanted else None
    return told.at(settings.size) if told and told.mode == "center" else None


def published(backbone: str) -> TimmNetwork:
    """The encoder of a timm backbone's published weights. Raises UserError where there are none."""
    front = SLIM[backbone].front if backbone in SLIM else ""
    found = encoders.get(front or backbone) if front or backbone not in OURS else None
    if not isinstance(found, TimmNetwork):
        raise UserError(
            f"{backbone} has no published weights.",
            "Pretrained backbones are names of timm.",
            "Switch its published weights off, or start from a model that was trained here.",
            "For a model that was trained here use --start-from.",
        )
    return found


def _check_loss(settings: Settings) -> None:
    terms = [LOSSES[name] for _, name in parse_terms(settings.loss)]
    if any(loss.pairs for loss in terms) and not settings.per_class:
        raise UserError(
            f"The loss {settings.loss!r} compares pictures of one class.",
            fix="Set the pictures of each class in a batch, per_class, to 2 or more.",
            command="Set per_class, for example --set per_class=4.",
        )
    if needs(settings, "draw") != (settings.kind == "autoencoder"):
        raise UserError(
            f"The loss {settings.loss!r} and the kind {settings.kind!r} do not go together.",
            "An autoencoder learns by reconstruction, and nothing else does.",
        )
    if settings.principal and settings.kind != "autoencoder":
        raise UserError(
            f"The setting principal={settings.principal:g} and the kind {settings.kind!r} do not go"
            " together.",
            "Only the directions of an autoencoder's code are scaled.",
            "Set principal to 0.",
        )
    if settings.teacher and not isinstance(_network(settings.teacher), TimmNetwork):
        model_card(settings.teacher)
    if needs(settings, "teacher") != bool(settings.teacher):
        raise UserError(
            "The loss distill and a teacher go together.",
            fix="Name a trained model as the teacher.",
            command="Name a trained model: --set teacher=resnet.lookalike",
        )
    if settings.backbone == AUTOENCODER and settings.size % 16:
        raise UserError(
            f"The autoencoder can't take pictures of {settings.size} pixels.",
            "Its size is a multiple of 16.",
        )


def _network(name: str) -> TimmNetwork | None:
    """The pretrained network of this name, if it is one and its weights are here."""
    try:
        found = encoders.get(name)
    except UserError:
        return None
    return found if isinstance(found, TimmNetwork) and found.ready else None


def published_teacher(name: str) -> tuple[torch.nn.Module, Blueprint]:
    """A ready pretrained network, and how its input is made. Raises UserError: none."""
    found = _network(name)
    if found is None:
        raise UserError(
            f"{name} can't teach: it is no network whose weights are here.",
            fix="Download it first.",
        )
    found.use_precision("fp32")
    record = found.preprocess
    told = Blueprint(
        "embedder", found.weights_name, found.dim, record.size, record.mean, record.std
    )
    return found.model, told


def _check_shares(settings: Settings) -> None:
    if settings.shares and (
        len(settings.shares) != len(settings.datasets)
        or not all(0 < s < math.inf for s in settings.shares)
    ):
        raise UserError(
            f"{len(settings.shares)} shares for {len(settings.datasets)} datasets.",
            "One positive number for each.",
        )


def _check_taught(settings: Settings) -> None:
    fits = len(settings.taught) == len(settings.datasets) and all(
        0 <= weight < math.inf for weight in settings.taught
    )
    if settings.taught and not fits:
        raise UserError(
            f"{len(settings.taught)} weights (taught) for {len(settings.datasets)} datasets.",
            "One number for each, 0 or above.",
        )


def _has_bf16() -> bool:
    """Whether bfloat16 is done by the hardware; elsewhere it would be slower than float32."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def refuse_taken(settings: Settings) -> None:
    """Raise UserError where the result would replace something; shipped recipes do on purpose."""
    if settings.recipe.startswith("shipped/"):
        return
    if (store.root() / "models" / settings.name).exists() or settings.name in encoders.names():
        raise UserError(
            f"There is an encoder named {settings.name} already.",
            fix="Choose another name for the result.",
        )
    other = next((run for run in runs.unfinished() if run.settings().name == settings.name), None)
    if other:
        raise UserError(
            f"The run {other.id} is going to be called {settings.name} too.",
            fix="Choose another name, or continue that one.",
            command=f"Choose another name, or continue that one: --resume {other.id}",
        )


def _free_name(settings: Settings) -> str:
    base = f"{settings.backbone.split('.')[0]}.{settings.recipe.split('/')[-1]}"
    taken = {path.name for home in homes() if home.is_dir() for path in home.iterdir()}
    taken |= {run.settings().name for run in runs.unfinished()}
    return next(
        name for name in [base, *(f"{base}-{n}" for n in range(2, 10_000))] if name not in taken
    )


def model_card(name: str) -> dict:
    """The card of a trained model. Raises UnknownName."""
    folder = find_model(name)
    if folder is None:
        raise UnknownName(
            "trained model",
            name,
            [path.name for home in homes() if home.is_dir() for path in home.iterdir()],
        )
    return read_card(folder)


def blueprint_of(settings: Settings) -> Blueprint:
    """The network that a drafted run learns, where it does not start from another of ours."""
    return Blueprint(
        settings.kind,
        settings.backbone,
        settings.dim,
        settings.size,
        levels=settings.levels,
        mirror=settings.mirror,
        neck=settings.neck,
    )


def parameters_of(settings: Settings) -> int:
    """The number of parameters that a drafted run learns, without any memory for them. Raises
    UserError as :func:`build` does."""
    if (
        settings.start_from
        and "parameters" in (card := model_card(settings.start_from))
        and not settings.resize
    ):
        return card["parameters"]
    import torch

    with torch.device("meta"):
        network = build(blueprint_of(settings))
    return sum(p.numel() for p in network.parameters())
