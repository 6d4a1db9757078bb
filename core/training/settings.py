"""What a training run is told: a recipe file, overridden value by value, checked before anything
starts."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from core.disk import SAFE
from core.errors import UserError
from core.registry import UnknownName

RECIPES = Path(__file__).parent / "recipes"
PRECISIONS = ("auto", "fp32", "bf16")
AUGMENTS = ("none", "light", "medium", "standard", "strong")
KINDS = ("embedder", "siamese", "autoencoder")


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. Every field can stand in a recipe file or as ``--set field=value``."""

    recipe: str
    title: str = ""
    about: str = ""
    kind: str = "embedder"
    """What the network can do besides embedding: nothing, the distance of pairs (siamese), or
    reconstruction (autoencoder)."""
    family: str = "network"
    datasets: tuple[str, ...] = ()
    """Names or paths; several are trained on together, each with classes of its own."""
    shares: tuple[float, ...] = ()
    """Share of each batch that each dataset gets; empty = by the square root of their sizes."""
    target: str = "auto"
    """Which field tells the classes: ``instance``, ``category``, ``label``; auto = the usual
    protocol's."""
    backbone: str = "resnet-slim"
    pretrained: bool = False
    """Start a timm backbone from its published weights (downloaded on first use)."""
    start_from: str = ""
    """Name of a trained model whose weights are the initial ones; its backbone, size and dim are
    taken over."""
    name: str = ""
    """What the result is called, architecture.tag; empty = a free name."""
    dim: int = 192
    """Dimensions of the vectors."""
    levels: int = 1
    """How many of a convolutional backbone's last stages feed the embedding; 1 = the last alone."""
    neck: bool = True
    """Whether a new linear layer makes the embedding, of length ``dim``. Without it the embedding
    is what the backbone pools, as in its published encoder: fine-tuning then starts exactly where
    that encoder is."""
    mirror: bool = False
    """Whether a picture is encoded as the mean of itself and its mirror image: twice the work, and
    better."""
    principal: float = 0.0
    """Power of its standard deviation by which each principal direction of an autoencoder's code is
    scaled after the training: above 0 what varies most counts more, -1 whitens. Drawings stay the
    same."""
    resize: int = 0
    """Image size with which training of another network is continued; 0 = as large as it was."""
    size: int = 0
    """Image size: side in pixels of the square input; 0 = that of the initial weights, else 64."""
    framing: str = "whole"
    """What a network sees of a picture: ``whole``, all of it squeezed into the square, or
    ``centre``, its middle square, where the published weights that it starts from ask for that."""
    crop: int = 0
    """Side of the random training crops; 0 = ``size``. Smaller crops show things as large as they
    will be when the whole picture is shown at ``size`` (Touvron et al., 2019), and cost less.
    Convolutional networks only."""
    loss: str = "cross-entropy"
    """The objective: losses joined by +, each with an optional weight: ``cross-entropy + 0.5
    triplet``."""
    margin: float = 0.2
    """Margin of contrastive, triplet and ArcFace losses: by how much others have to be further away
    than the same."""
    scale: float = 16.0
    """Inverse temperature of losses that compare cosines."""
    smoothing: float = 0.1
    """Label smoothing: share of a label that is given to all other classes."""
    teacher: str = ""
    """Name of a trained model, or of a pretrained network that is ready, whose embeddings the
    ``distill`` loss imitates."""
    teacher_size: int = 0
    """Image size of the teacher for whole pictures; 0 = its own. Crops are shown to it in
    proportion."""
    taught: tuple[float, ...] = ()
    """Weight of the ``distill`` loss on the pictures of each dataset; empty = 1 on all. A teacher
    that does not tell the classes of a dataset apart holds its student back there."""
    per_class: int = 0
    """Pictures of each class in a batch (K of P x K); 0 = plain shuffling."""
    recolour: bool = False
    """Whether half the pictures of each instance in a batch are shown in other colours, and count
    as another instance. Then colour tells single things apart; losses that compare see them,
    classifiers do not. ``per_class`` is 4 or more."""
    batch: int = 128
    """Batch size: pictures per step."""
    epochs: int = 10
    """Passes over all pictures."""
    minutes: float = 0.0
    """Minutes that the whole run may take on this machine: epochs, crops and validations are fitted
    to them and to the number of pictures; 0 = as the other settings say."""
    epoch_images: int = 0
    """Pictures shown per epoch; 0 = as many as there are."""
    lr: float = 1e-3
    """Learning rate at its peak."""
    backbone_lr: float = 1.0
    """Learning rate of the backbone, as a multiple of ``lr``."""
    weight_decay: float = 0.05
    """Decoupled weight decay of AdamW."""
    warmup: float = 0.05
    """Warm-up: share of all steps in which the learning rate rises."""
    freeze_epochs: int = 0
    """Epochs at the start in which only the new layers are trained."""
    frozen_stages: int = 0
    """The stem and so many stages of the backbone keep their initial weights: edges and textures
    are the same everywhere, and the early stages cost the most time."""
    freeze_norm: bool = False
    """Whether batch normalisation in the backbone keeps its statistics: right for pretrained
    weights and small batches."""
    clip: float = 5.0
    """Gradient clipping: largest norm of a step's gradient; 0 = no clipping."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, which is validated and kept; 0 = the
    weights themselves."""
    paste: float = 0.0
    """Share of the pictures that are shown smaller, on top of another picture of the batch:
    surroundings then count less."""
    augment: str = "standard"
    """Data augmentation: ``light`` hardly crops, ``strong`` is for learning without labels."""
    validation: float = 0.1
    """Share of the training pictures (whole instances, where these are known) held out to choose
    the best epoch."""
    validate_every: int = 1
    """Epochs between two validations."""
    patience: int = 0
    """Early stopping: after so many validations without a better one; 0 = never."""
    checkpoint_s: float = 60.0
    """Seconds between two checkpoints within an epoch: so much is lost by a kill."""
    precision: str = "auto"
    """Number format: bf16 where the hardware computes in it."""
    stored: str = "half"
    """How the weights are stored: half precision, or ``int8`` with a scale for each output channel,
    at half the size."""
    seed: int = 0
    """Random seed: the same seed gives the same curve."""
    licence: str = "Trained on your own pictures: their rights decide."

    def to_dict(self) -> dict:
        return json.loads(json.dumps(asdict(self)))


HINTS = get_type_hints(Settings)
LIMITS = {
    "dim": (2, 4096),
    "levels": (1, 4),
    "size": (0, 1024),
    "resize": (0, 1024),
    "crop": (0, 1024),
    "batch": (2, 8192),
    "per_class": (0, 512),
    "epochs": (1, 10_000),
    "epoch_images": (0, 10**9),
    "freeze_epochs": (0, 10_000),
    "frozen_stages": (0, 64),
    "teacher_size": (0, 1024),
    "paste": (0.0, 1.0),
    "patience": (0, 10_000),
    "lr": (1e-7, 10.0),
    "backbone_lr": (0.0, 10.0),
    "weight_decay": (0.0, 10.0),
    "warmup": (0.0, 0.9),
    "clip": (0.0, 1e6),
    "ema": (0.0, 0.99999),
    "validation": (0.0, 0.5),
    "validate_every": (1, 10_000),
    "checkpoint_s": (0.0, 1e9),
    "minutes": (0.0, 10_000.0),
    "margin": (0.0, 10.0),
    "principal": (-2.0, 2.0),
    "scale": (0.1, 1000.0),
    "smoothing": (0.0, 0.9),
    "seed": (0, 2**31 - 1),
}
WORDS = {
    "precision": PRECISIONS,
    "augment": AUGMENTS,
    "kind": KINDS,
    "target": ("auto", "instance", "category", "label"),
    "stored": ("half", "int8"),
    "framing": ("whole", "centre"),
}


def recipe_names() -> list[str]:
    """Every recipe: general ones by their name, those of the shipped models as ``shipped/...``."""
    found = (
        path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.toml")
    )
    return sorted(found, key=lambda name: ("/" in name, name))


def read_recipe(name: str) -> Settings:
    """A recipe's settings; ``extends`` names another recipe whose values hold where this one is
    silent.

    Raises:
        UserError: unknown recipe, unknown or malformed setting.
    """
    if name not in recipe_names():
        raise UnknownName("recipe", name, recipe_names())
    told = tomllib.loads((RECIPES / f"{name}.toml").read_text())
    parent = told.pop("extends", None)
    base = read_recipe(parent) if parent else Settings(recipe=name)
    return override(replace(base, recipe=name), told)


def in_words(name: str) -> str:
    """What a recipe does, in plain words: the comment at the top of its file."""
    words = []
    for line in (RECIPES / f"{name}.toml").read_text().splitlines():
        if not line.startswith("# "):
            break
        words.append(line[2:])
    return " ".join(words)


def override(settings: Settings, values: dict[str, object]) -> Settings:
    """``settings`` with some values replaced, text read as its field's type. Raises UserError."""
    return check(replace(settings, **typed(values)))


def typed(values: Mapping[str, object]) -> dict[str, Any]:
    """Values of settings as the types of their fields. Raises UserError: an unknown setting, a
    value that can't be read."""
    unknown = [key for key in values if key not in HINTS or key == "recipe"]
    if unknown:
        raise UnknownName(
            "setting",
            unknown[0],
            [field.name for field in fields(Settings) if field.name != "recipe"],
        )
    return {key: _typed(key, value) for key, value in values.items()}


def parse_pairs(pairs: list[str]) -> dict[str, str]:
    """``["lr=0.1", ...]`` -> ``{"lr": "0.1"}``. Raises UserError."""
    bad = [pair for pair in pairs if "=" not in pair]
    if bad:
        raise UserError(
            f"{bad[0]!r} is no setting.",
            "A setting looks like key=value.",
            "For example: lr=0.0005",
        )
    return {
        key.strip().replace("-", "_"): value.strip()
        for key, _, value in (pair.partition("=") for pair in pairs)
    }


def _typed(key: str, value: object) -> object:
    wanted = HINTS[key]
    try:
        if wanted in (int, float, str) and not isinstance(value, bool | list):
            return wanted(value)
        if wanted is bool:
            if isinstance(value, bool):
                return value
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, list | tuple):
            parts = value
        else:
            parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return tuple(get_args(wanted)[0](part) for part in parts)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(
            wanted, "a list, separated by commas"
        )
        raise UserError(f"{key} = {value!r} can't be read.", f"It is {kind}.") from error


def check(settings: Settings) -> Settings:
    """The settings, if each value is one that is allowed. Raises UserError."""
    for key, (low, high) in LIMITS.items():
        if not low <= getattr(settings, key) <= high:  # NaN fails too
            raise UserError(
                f"{key} = {getattr(settings, key)} is out of range.",
                f"{key} is from {low:g} to {high:g}.",
            )
    if 0 < settings.size < 16:
        raise UserError(
            f"size = {settings.size} is out of range.",
            "size is from 16 to 1024, or 0: as usual for the weights.",
        )
    for key, words in WORDS.items():
        if getattr(settings, key) not in words:
            raise UserError(
                f"{key} = {getattr(settings, key)!r} is unknown.", f"Allowed: {', '.join(words)}."
            )
    if settings.name and ("." not in settings.name or not SAFE.fullmatch(settings.name)):
        raise UserError(
            f"A model can't be named {settings.name!r}.",
            "A name is architecture.tag, of letters, digits, _ and -.",
            "For example: resnet.mine",
            "For example: --name resnet.mine",
        )
    if settings.per_class == 1 or (settings.per_class and settings.batch < 2 * settings.per_class):
        raise UserError(
            f"per_class = {settings.per_class} with batch = {settings.batch} makes no pairs.",
            "Per class 2 pictures and more, and room for two classes in a batch.",
        )
    if settings.recolour and settings.per_class < 4:
        raise UserError(
            f"recolour with per_class = {settings.per_class} leaves no pairs of one colour.",
            "per_class is 4 or more.",
        )
    return settings


def expanded(locator: str) -> str:
    """A locator with variables such as $LOOKALIKE_DATA filled in. Raises UserError: not set."""
    found = os.path.expandvars(locator)
    if "$" in found:
        raise UserError(
            f"The dataset {locator!r} names a variable that is not set.",
            fix="Set it to the folder of the pictures.",
        )
    return found
