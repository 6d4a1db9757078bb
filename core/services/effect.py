"""What training changed: the same queries before and after, on the data learned from and on any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.datasets.paths import open_dataset
from core.encoders.base import Encoder, encoders
from core.encoders.trained import Trained, Untrained
from core.metrics import stream
from core.metrics.statistics import interval
from core.services import embed
from core.services.roles import cluster_of, roles_of
from core.training.runs import Run
from core.training.settings import Settings, expanded
from core.types import Progress


@dataclass(frozen=True, slots=True)
class Moved:
    """One query whose average precision changed."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Effect:
    """Before and after on one protocol of one dataset.

    ``low`` and ``high`` bound the change of the mean with 95 % confidence (paired bootstrap over queries,
    those of one object together).
    """

    dataset: str
    protocol: str
    queries: int
    before: float
    after: float
    low: float
    high: float
    improved: tuple[Moved, ...]
    worse: tuple[Moved, ...]

    @property
    def change(self) -> float:
        return self.after - self.before


def before_after(run: str, also: Sequence[str] = (), most: int = 12, progress: Progress | None = None) -> list[Effect]:
    """What a finished run changed, on each of its datasets and on ``also`` (where it shows what was forgotten).

    Before is the model that it started from: another of ours, published weights, or the same network untrained.

    Raises:
        UserError: no such run, or it is not finished.
    """
    settings = Run(run).settings()
    after = encoders.get(settings.name)
    before = starting_point(settings, after)
    locators = dict.fromkeys([*map(expanded, settings.datasets), *also])
    return [
        compare(dataset, before, after, protocol.name, most, progress)
        for dataset in map(open_dataset, locators)
        for protocol in dataset.protocols()
        if not protocol.every > 1 and protocol.name != "search"
    ]


def starting_point(settings: Settings, after: Trained) -> Encoder:
    """The encoder that a run began as."""
    if settings.start_from:
        return encoders.get(settings.start_from)
    if settings.pretrained:
        return encoders.get(settings.backbone)
    return Untrained(after.card, settings.seed)


def compare(
    dataset: Dataset, before: Encoder, after: Encoder, protocol: str, most: int = 12, progress: Progress | None = None
) -> Effect:
    """Two encoders on the same queries; the ``most`` that moved furthest either way, furthest first."""
    for encoder in (before, after):
        encoder.load()
    embed.embed(dataset, [before, after], progress)
    one, two = (per_query(dataset, encoder, protocol) for encoder in (before, after))
    change = two.scores["mAP"] - one.scores["mAP"]
    order = np.argsort(change, kind="stable")
    moved = [Moved(one.ids[row], float(one.scores["mAP"][row]), float(two.scores["mAP"][row])) for row in order]
    low, high = (float(bound[0]) for bound in interval(change, np.array(one.clusters)))
    return Effect(
        dataset.name, protocol, len(one.ids), float(one.scores["mAP"].mean()), float(two.scores["mAP"].mean()), low, high,
        tuple(m for m in moved[::-1][:most] if m.after > m.before), tuple(m for m in moved[:most] if m.after < m.before),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PerQuery:
    """``ids`` of the judged queries, the object that each shows, and metric -> float64 (q,)."""

    ids: list[str]
    clusters: list[str]
    scores: dict[str, np.ndarray]


def per_query(dataset: Dataset, encoder: Encoder, protocol: str, names: Sequence[str] = ("mAP",)) -> PerQuery:
    """Exact search over the whole gallery, query by query. Raises UserError where the embeddings are not built."""
    found = embed.read(dataset, encoder)
    items = embed.item_rows(dataset, found)
    roles = roles_of(items, dataset.protocol(protocol))
    judged = stream.judge(stream.blocks(found.vectors, roles), names)
    use = judged.relevant > 0
    asked = [items[row] for row in roles.queries[use]]
    return PerQuery(
        [item.id for item in asked], [cluster_of(item) for item in asked], {name: judged.scores[name][use] for name in names}
    )
