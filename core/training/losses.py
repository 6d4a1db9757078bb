"""The table of losses, and the sum of terms that a recipe asks for."""

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from core.errors import UserError
from core.training.settings import Settings

PATCH = "faiss.contrib.torch_utils"
Maker = Callable[[Settings, int], tuple]
Options = Callable[[Settings], dict]


def leave_faiss_alone() -> None:
    """Call before the package is first imported in a process.

    On import it loads a module of faiss that replaces the search of every faiss index by one
    without search knobs. Nothing here uses that module, so an empty one takes its place.
    """
    sys.modules.setdefault(PATCH, ModuleType(PATCH))


@dataclass(frozen=True, slots=True)
class Loss:
    """``kind``: ``labels`` compares embeddings with classes of one dataset; ``views`` two views of
    each picture; ``draw`` a drawing with its picture; ``teacher`` embeddings with those of another
    network."""

    kind: str
    about: str
    make: Maker
    """(settings, number of classes) -> (loss module, miner or None)."""
    pairs: bool = False
    """Whether it needs several pictures of a class in one batch."""


def _cross_entropy(settings: Settings, classes: int) -> tuple:
    from core.training.cross_entropy import CosineCrossEntropy

    return CosineCrossEntropy(settings, classes), None


def _of_library(
    loss: str, options: Options, miner: str = "", mined: Options | None = None
) -> Maker:
    """A loss of pytorch-metric-learning, and a miner, by their names there; imported when made."""

    def make(settings: Settings, classes: int) -> tuple:
        leave_faiss_alone()
        from pytorch_metric_learning import losses, miners

        found = getattr(miners, miner)(**mined(settings)) if mined else None
        own = {"num_classes": classes, "embedding_size": settings.dim} if loss in PROXIES else {}
        return getattr(losses, loss)(**own, **options(settings)), found

    return make


def _simclr(settings: Settings, classes: int) -> tuple:
    leave_faiss_alone()
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

    return SelfSupervisedLoss(NTXentLoss(temperature=1.0 / settings.scale)), None


def _none(settings: Settings, classes: int) -> tuple:
    return None, None


def _margins(settings: Settings) -> dict:
    return {"pos_margin": settings.margin / 2, "neg_margin": 2 * settings.margin}


PROXIES = ("ArcFaceLoss", "ProxyAnchorLoss")
"""Losses with a vector for each class."""
_arcface = _of_library(
    "ArcFaceLoss", lambda given: {"margin": math.degrees(given.margin), "scale": given.scale}
)
_proxy_anchor = _of_library(
    "ProxyAnchorLoss", lambda given: {"margin": given.margin, "alpha": given.scale}
)
_contrastive = _of_library("ContrastiveLoss", _margins, "PairMarginMiner", _margins)
_triplet = _of_library(
    "TripletMarginLoss",
    lambda given: {"margin": given.margin},
    "TripletMarginMiner",
    lambda given: {"margin": given.margin, "type_of_triplets": "semihard"},
)
_multi_similarity = _of_library(
    "MultiSimilarityLoss",
    lambda given: {"alpha": 2.0, "beta": 40.0, "base": 0.5},
    "MultiSimilarityMiner",
    lambda given: {"epsilon": 0.1},
)
_supcon = _of_library("SupConLoss", lambda given: {"temperature": 1.0 / given.scale})
_vicreg = _of_library("VICRegLoss", lambda given: {})
LOSSES = {
    "cross-entropy": Loss("labels", "tell the classes apart", _cross_entropy),
    "arcface": Loss("labels", "the same with an angular margin (Deng et al., 2019)", _arcface),
    "proxy-anchor": Loss(
        "labels", "pull to the proxy of the class (Kim et al., 2020)", _proxy_anchor
    ),
    "contrastive": Loss(
        "labels", "same closer, others apart by a margin (Hadsell et al., 2006)", _contrastive, True
    ),
    "triplet": Loss(
        "labels",
        "same closer than others, semi-hard triplets (Schroff et al., 2015)",
        _triplet,
        True,
    ),
    "multi-similarity": Loss(
        "labels", "weighted pairs (Wang et al., 2019)", _multi_similarity, True
    ),
    "supcon": Loss("labels", "supervised contrastive (Khosla et al., 2020)", _supcon, True),
    "simclr": Loss(
        "views", "two views of one picture belong together (Chen et al., 2020)", _simclr
    ),
    "vicreg": Loss(
        "views",
        "two views alike, dimensions spread and uncorrelated (Bardes et al., 2022)",
        _vicreg,
    ),
    "reconstruction": Loss("draw", "draw the picture again", _none),
    "distill": Loss(
        "teacher", "give the embeddings of another network (Hinton et al., 2015)", _none
    ),
}
TERM = re.compile(r"(?:([0-9.]+)\s+)?([a-z-]+)")


def parse_terms(text: str) -> list[tuple[float, str]]:
    """``"cross-entropy + 0.5 triplet"`` -> ``[(1.0, "cross-entropy"), (0.5, "triplet")]``. Raises
    UserError."""
    terms = []
    for part in text.split("+"):
        match = TERM.fullmatch(part.strip())
        if match is None or match[2] not in LOSSES:
            raise UserError(
                f"The loss {part.strip()!r} is unknown.",
                f"Losses: {', '.join(LOSSES)}.",
                "Join several with +, each with a weight in front where it is not 1.",
            )
        terms.append((float(match[1] or 1.0), match[2]))
    return terms


def needs_labels(settings: Settings) -> bool:
    return any(LOSSES[name].kind == "labels" for _, name in parse_terms(settings.loss))


def needs(settings: Settings, kind: str) -> bool:
    return any(LOSSES[name].kind == kind for _, name in parse_terms(settings.loss))
