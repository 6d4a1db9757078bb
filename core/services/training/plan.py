"""A training run before it starts: what it would learn from, how long and how much disk, and what
speaks against it.

No picture is decoded and nothing is written, so a page can ask for it at every change of a setting.
"""

import ast
import inspect
import itertools
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from core import store
from core.encoders.base import encoders
from core.encoders.trained import Trained
from core.encoders.trained_networks import SLIM
from core.services.training.budget import fitted
from core.services.training.train import DEFAULT, chosen, disk_bytes
from core.training import runs
from core.training import settings as table
from core.training.resolve import draft, parameters_of, published, refuse_taken
from core.training.settings import Settings, override, read_recipe
from core.training.sources import Outline

ADVICE = {
    "scratch": {},
    "model": {"lr": 5e-4, "backbone_lr": 0.5, "augment": "light", "warmup": 0.1, "epochs": 5},
    "published": {
        "lr": 3e-3,
        "backbone_lr": 0.1,
        "freeze_norm": True,
        "augment": "light",
        "warmup": 0.1,
        "epochs": 5,
        "batch": 32,
    },
}
"""What suits each place to start from: a network that knows something already learns slowly."""
UNTAUGHT: dict[str, object] = {"lr": 1e-3, "backbone_lr": 1.0, "neck": True, "freeze_norm": False}
"""What fine-tuning becomes without weights to start from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``images_s`` and ``seconds`` are None where this machine has not yet measured such a run.
    ``phases`` are the seconds of each phase, and ``notes`` say what was fitted to the pictures."""

    settings: Settings
    sources: tuple[Outline, ...]
    steps: int
    parameters: int
    disk_bytes: int
    download_bytes: int
    images_s: float | None
    seconds: float | None
    phases: dict[str, float | None]
    notes: tuple[str, ...]

    @property
    def learned(self) -> int:
        return sum(source.learned for source in self.sources)

    @property
    def kept_back(self) -> int:
        return sum(source.kept_back for source in self.sources)


def plan(recipe: str, values: dict[str, object]) -> Plan:
    """What a run with these settings would be.

    Raises:
        UserError: a setting that is none, a class with one picture, no labels, a size that the
            network can't take, a name that is taken, a full disk: everything that can be known
            before a picture is read.
    """
    settings = draft(override(read_recipe(recipe), chosen(values)))
    refuse_taken(settings)
    found = fitted(settings)
    settings = found.settings
    source = published(settings.backbone).state() if settings.pretrained else None
    parameters = parameters_of(settings)
    store.check_space(store.root(), disk_bytes(parameters) + runs.SPARE)
    fetched = source.bytes if source and source.kind == "download" else 0
    return Plan(
        settings,
        found.sources,
        found.steps,
        parameters,
        disk_bytes(parameters),
        fetched,
        found.images_s,
        found.total,
        found.seconds,
        found.notes,
    )


def advice(recipe: str, how: str) -> dict[str, object]:
    """Settings that suit a recipe on a network that starts so (a key of ADVICE), if others."""
    if recipe == DEFAULT:  # made for weights that know something
        return UNTAUGHT if how == "scratch" else {}
    return ADVICE[how]


def starts(kind: str) -> list[dict]:
    """Starts for this kind: ``how`` (of ADVICE), ``name``, ``title``, ``about``."""
    models = [found for found in map(encoders.get, encoders.names()) if isinstance(found, Trained)]
    if kind == "autoencoder":
        own = [
            _row("model", one.name, one.title, one.about)
            for one in models
            if one.card["network"]["kind"] == kind
        ]
        return [
            _row("scratch", "", "Autoencoder", "A small convolutional network that draws"),
            *own,
        ]
    from core.encoders.timm_models import PACKAGES, TABLE, installed

    here = "pretrained, ready without a network"
    return [
        *(
            _row(
                "published",
                row.model,
                row.title,
                here if installed(row) else f"{row.bytes / 1e6:.0f} MB to download",
            )
            for row in PACKAGES.values()
        ),
        *(
            _row("model", one.name, one.title, one.about)
            for one in models
            if one.card["network"]["kind"] != "autoencoder"
        ),
        *(
            _row("scratch", name, f"{slim.about.split(' (')[0]}, slim", slim.about)
            for name, slim in SLIM.items()
            if not slim.front
        ),
        *(
            _row("published", row.name, row.title, f"{row.megabytes} MB to download")
            for row in TABLE.values()
        ),
    ]


def _row(how: str, name: str, title: str, about: str) -> dict:
    return {"how": how, "name": name, "title": title, "about": about}


def setting_rows(recipe: str, values: dict[str, object]) -> list[dict]:
    """Every setting of a run: ``name``, ``kind`` (name of its type), ``value``, ``low``, ``high``,
    ``words``, ``about``."""
    settings, about = override(read_recipe(recipe), values), _about()
    return [
        {
            "name": field.name,
            "kind": type(getattr(settings, field.name)).__name__,
            "value": getattr(settings, field.name),
            "low": table.LIMITS.get(field.name, (None, None))[0],
            "high": table.LIMITS.get(field.name, (None, None))[1],
            "words": table.WORDS.get(field.name, ()),
            "about": about.get(field.name, ""),
        }
        for field in fields(Settings)
        if field.name != "recipe"
    ]


@cache
def _about() -> dict[str, str]:
    """What the source says below each field, for readers of the code and of the page."""
    source: Any = ast.parse(inspect.getsource(Settings)).body[0]
    found = {}
    for pair in itertools.pairwise(source.body):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                found[name] = " ".join(text.split()).replace("``", "")
    return found
