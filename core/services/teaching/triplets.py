"""Losses of metric learning on three points that a student moves, and on three pictures."""

from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.neighbours import dots
from core.services.embedding.bound import bound
from core.services.search.request import item_of
from core.services.teaching.contests import candidates
from core.training.losses import LOSSES
from core.training.settings import read_recipe

RECIPES = {"triplet": "shipped/triplet", "contrastive": "shipped/siamese"}
"""Loss -> the recipe of the network that came with the code and learned by it."""
MAX_TELLING = 10


@dataclass(frozen=True, slots=True)
class Pull:
    """The ``loss`` of anchor, positive and negative on the unit circle; their ``distances``
    (anchor to positive, anchor to negative); ``push`` float64 (3, 2), where a step of gradient
    descent moves each."""

    loss: float
    distances: tuple[float, float]
    push: np.ndarray


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances of unit vectors of three pictures by one encoder."""

    encoder: str
    positive: float
    negative: float


def usual_margin(loss: str) -> float:
    """The margin that the shipped network of this loss learned with."""
    return read_recipe(RECIPES[loss]).margin


def pull(loss: str, margin: float, points: np.ndarray) -> Pull:
    """Loss and gradient by the system's own loss: of the triplet, or of all pairs of the three.

    Args:
        points: (3, 2), anchor, positive, negative; only their directions count.
    """
    import torch

    made, _ = LOSSES[loss].make(replace(read_recipe(RECIPES[loss]), margin=margin), 2)
    units = np.asarray(points, float)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-9)
    given = torch.tensor(units, dtype=torch.float64, requires_grad=True)
    single = tuple(torch.tensor([place]) for place in range(3)) if loss == "triplet" else None
    value = made(given, torch.tensor([0, 0, 1]), single)
    value.backward()
    gaps = [float(np.linalg.norm(units[0] - units[place])) for place in (1, 2)]
    return Pull(float(value.detach()), (gaps[0], gaps[1]), -given.grad.numpy())


def distances(
    dataset: Dataset, ids: tuple[str, str, str], encoders: tuple[str, ...]
) -> tuple[Distances, ...]:
    """Of anchor, positive and negative by the stored vectors. Raises UserError."""
    made = []
    for name in encoders:
        found = bound(dataset, name).vectors()
        rows = [found.ids.index(item_of(dataset, id).id) for id in ids]
        vectors = found.vectors[rows]
        gaps = np.sqrt(np.maximum(2 - 2 * dots(vectors[1:], vectors[0]), 0))
        made.append(Distances(name, float(gaps[0]), float(gaps[1])))
    return tuple(made)


def telling(dataset: Dataset, before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    """Triplets of the gallery that ``before`` gets wrong and ``after`` right: a query, its farthest
    view by ``before``, and the nearest picture of another product; one of a category."""
    old, new = bound(dataset, before).vectors(), bound(dataset, after).vectors()
    products = np.array([item_of(dataset, id).instance for id in old.ids])
    found: dict[str, tuple[str, str, str]] = {}
    for query in candidates(dataset):
        row = old.ids.index(query)
        scores = dots(old.vectors, old.vectors[row])
        own = products == products[row]
        others = np.where(own, -np.inf, scores)
        views = np.where(own, scores, np.inf)
        views[row] = np.inf
        near, far = int(others.argmax()), int(views.argmin())
        learned = dots(new.vectors[[far, near]], new.vectors[row])
        if scores[far] < scores[near] and learned[0] > learned[1]:
            category = str(item_of(dataset, query).category)
            found.setdefault(category, (query, old.ids[far], old.ids[near]))
    return tuple(found[name] for name in sorted(found))[:MAX_TELLING]
