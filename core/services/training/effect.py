"""What training changed: the same queries before and after, on the data learned from and others."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from core import store
from core.datasets.base import SEARCH, Dataset
from core.datasets.paths import open_dataset
from core.encoders.base import Encoder, encoders
from core.encoders.trained import UNTRAINED, find_model, read_card
from core.errors import UserError
from core.metrics import stream
from core.metrics.statistics import interval
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.roles import cluster_of, roles_of
from core.training.runs import Run
from core.training.settings import Settings, expanded
from core.types import Progress, Protocol

FILE = "effect.json"
METRICS = {"mAP": "mAP", "hit@1": "hit1", "precision@10": "p10"}
"""Name of each metric that is told -> its field of an Effect."""
LISTED = 6
"""Hits of each list that is kept for looking at."""


@dataclass(frozen=True, slots=True)
class RankChange:
    """One query whose average precision changed, with the heads of both lists: (id, relevant)."""

    id: str
    before: float
    after: float
    hits_before: tuple[tuple[str, bool], ...] = ()
    hits_after: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """Before and after on one protocol of one dataset, in mAP.

    ``low`` and ``high`` bound the change of the mean with 95 % confidence (paired bootstrap over
    queries, those of one object together). ``better`` and ``poorer`` count queries. ``learned``:
    whether the run learned from this dataset. ``asked`` says which pictures were the queries:
    ``split`` (the dataset's own), ``held`` (the ones that training kept back), ``other`` (every
    picture of a dataset that was not learned from) or ``all`` (learned ones among them). ``hit1``
    and ``p10`` are hit@1 and P@10 before and after.
    """

    dataset: str
    protocol: str
    queries: int
    before: float
    after: float
    low: float
    high: float
    improved: tuple[RankChange, ...]
    worse: tuple[RankChange, ...]
    better: int = 0
    poorer: int = 0
    locator: str = ""
    learned: bool = True
    encoders: tuple[str, str] = ("", "")
    asked: str = "all"
    hit1: tuple[float, float] | None = None
    p10: tuple[float, float] | None = None

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def sure(self) -> bool:
        """Whether the interval leaves no change out."""
        return self.low > 0 or self.high < 0


def before_after(
    run: str, also: Sequence[str] = (), most: int = 12, progress: Progress | None = None
) -> list[Effect]:
    """What a finished run changed, on each of its datasets and on ``also`` (where it shows what was
    forgotten).

    Before is the model that it started from: another of ours, published weights, or the same
    network untrained. Queries are
    those of the dataset's query split, else the pictures that were kept back: never pictures that
    were learned from. What is found is kept in the run's folder; embeddings that are missing are
    built, and both encoders can be searched with then.

    Raises:
        UserError: no such run, or it is not finished; a dataset without labels; weights that can't
            be had.
        Cancelled: ``progress`` said stop; finished parts of the embeddings are kept.
    """
    settings = Run(run).settings()
    names = starting_point(run), settings.name
    own, noted = list(map(expanded, settings.datasets)), Run(run).held
    found = []
    for locator in dict.fromkeys([*own, *also]):
        dataset = open_dataset(locator)
        made = on_dataset(
            dataset, names, most, progress, noted.get(dataset.locator) if locator in own else None
        )
        if not made and locator in also:
            raise UserError(
                f"{dataset.title or dataset.name} has no labels: right and wrong are unknown.",
                fix="Choose a dataset with labels.",
            )
        found += [
            replace(one, learned=locator in own, asked=_asked(dataset, one, locator in own))
            for one in made
        ]
        keep(run, found)
    return found


def _asked(dataset: Dataset, one: Effect, learned: bool) -> str:
    if dataset.protocol(one.protocol).queries:
        return "split"
    return one.asked if learned else "other"


def obstacle(run: str) -> str:
    """Why nothing can be compared fairly on a run's pictures; else empty. Raises UserError."""
    noted = Run(run).held
    for locator in map(expanded, Run(run).settings().datasets):
        dataset = open_dataset(locator)
        if _protocols(dataset) and (dataset.protocol().queries or noted.get(dataset.locator) != []):
            return ""
    return (
        "No picture has a label, or none was kept back: there is no query that the network has not"
        " learned from."
    )


def _protocols(dataset: Dataset) -> list[Protocol]:
    return [one for one in dataset.protocols() if one.every == 1 and one.name != SEARCH]


def starting_point(run: str) -> str:
    """The encoder that a finished run began as. Raises UserError: unfinished, or a lost model."""
    settings = Run(run).settings()
    folder = find_model(settings.name)
    if folder is None or read_card(folder).get("run") != run:
        raise UserError(
            f"The run {run} has made no model, or another one took its place.",
            fix="Resume it and let it finish.",
            command=f"Let it finish: --resume {run}",
        )
    return _before(settings)


def _before(settings: Settings) -> str:
    if settings.start_from:
        return settings.start_from
    if settings.pretrained:
        return encoders.get(settings.backbone).name
    return settings.name + UNTRAINED


def on_dataset(
    dataset: Dataset,
    names: Sequence[str],
    most: int = 12,
    progress: Progress | None = None,
    held: Sequence[str] | None = None,
) -> list[Effect]:
    """Two encoders by name on every protocol of a dataset; embeddings and indexes that are missing
    are built.

    ``held``: the pictures that training kept back, which are the queries where the dataset has none
    of its own.
    """
    protocols = _protocols(dataset)
    asking = {
        one.name: None if one.queries or held is None else frozenset(held) for one in protocols
    }
    if all(ids is not None and not ids for ids in asking.values()):
        return []
    build(dataset, names, progress=progress)
    before, after = (prepared(dataset, name).encoder for name in names)
    found = [compare(dataset, before, after, name, most, ids) for name, ids in asking.items()]
    return [one for one in found if one.queries]


def compare(
    dataset: Dataset,
    before: Encoder,
    after: Encoder,
    protocol: str,
    most: int = 12,
    only: frozenset[str] | None = None,
) -> Effect:
    """Two encoders on the same queries; the ``most`` that changed furthest either way, furthest
    first, one of each object.

    ``only``: ids of the queries to ask, all others are left out.

    Raises:
        UserError: the embeddings of one are not built.
    """
    one, two = (
        per_query(dataset, encoder, protocol, tuple(METRICS), only) for encoder in (before, after)
    )
    change = two.scores["mAP"] - one.scores["mAP"]
    low, high = (
        (float(bound[0]) for bound in interval(change, np.array(one.clusters)))
        if len(change)
        else (0.0, 0.0)
    )
    order = np.argsort(change, kind="stable")
    up, down = (
        _furthest(rows, one.clusters, most)
        for rows in (order[::-1][: (change > 0).sum()], order[: (change < 0).sum()])
    )
    heads = [
        _heads(dataset, encoder, protocol, [one.ids[row] for row in (*up, *down)])
        for encoder in (before, after)
    ]
    changes = {
        row: RankChange(
            one.ids[row],
            float(one.scores["mAP"][row]),
            float(two.scores["mAP"][row]),
            *(head[one.ids[row]] for head in heads),
        )
        for row in (*up, *down)
    }
    pairs: dict[str, Any] = {
        METRICS[name]: tuple(float(found.scores[name].mean()) for found in (one, two))
        for name in METRICS
        if len(change)
    }
    first, last = pairs.pop("mAP", (0.0, 0.0))
    return Effect(
        dataset.name,
        protocol,
        len(one.ids),
        first,
        last,
        low,
        high,
        tuple(changes[row] for row in up),
        tuple(changes[row] for row in down),
        int((change > 0).sum()),
        int((change < 0).sum()),
        dataset.locator,
        encoders=(before.name, after.name),
        asked="all" if only is None else "held",
        **pairs,
    )


def _furthest(rows: np.ndarray, clusters: Sequence[str], most: int) -> list[int]:
    """The first ``most`` rows, one of each object."""
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(clusters[row], int(row))
        if len(first) == most:
            break
    return list(first.values())


def _heads(
    dataset: Dataset, encoder: Encoder, protocol: str, ids: Sequence[str]
) -> dict[str, tuple[tuple[str, bool], ...]]:
    """Query id -> the first hits of its list."""
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    roles = roles_of(items, dataset.protocol(protocol))
    rows = {item.id: row for row, item in enumerate(items)}
    asked = replace(roles, queries=np.array([rows[id] for id in ids], np.int64))
    tops = [top for block in stream.blocks(found.vectors, asked, top=LISTED) for top in block.top]
    heads = {}
    for id, top in zip(ids, tops, strict=True):
        hits = roles.gallery[top[top >= 0]]
        heads[id] = tuple(
            (items[hit].id, bool(roles.relevant[hit] == roles.relevant[rows[id]])) for hit in hits
        )
    return heads


@dataclass(frozen=True, slots=True)
class PerQuery:
    """``ids`` of the judged queries, the object that each shows, and metric -> float64 (q,)."""

    ids: list[str]
    clusters: list[str]
    scores: dict[str, np.ndarray]


def per_query(
    dataset: Dataset,
    encoder: Encoder,
    protocol: str,
    names: Sequence[str] = ("mAP",),
    only: frozenset[str] | None = None,
) -> PerQuery:
    """Exact search over the whole gallery, query by query. Raises UserError: not built."""
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    roles = roles_of(items, dataset.protocol(protocol))
    if only is not None:
        roles = replace(
            roles,
            queries=np.array([row for row in roles.queries if items[row].id in only], np.int64),
        )
    judged = stream.evaluate(stream.blocks(found.vectors, roles), names)
    use = judged.relevant > 0
    asked = [items[row] for row in roles.queries[use]]
    return PerQuery(
        [item.id for item in asked],
        [cluster_of(item) for item in asked],
        {name: judged.scores[name][use] for name in names},
    )


def keep(run: str, effects: Sequence[Effect]) -> None:
    """Write effects into the run's folder; those of the same dataset and protocol are replaced."""
    made = {(one.locator, one.protocol): one for one in [*kept(run), *effects]}
    store.write_text(Run(run).folder / FILE, json.dumps([asdict(one) for one in made.values()]))


def kept(run: str) -> list[Effect]:
    """What was measured of a run so far; empty where nothing was, or where it can't be read."""
    try:
        rows = json.loads((Run(run).folder / FILE).read_text())
        return [_effect(row) for row in rows]
    except store.UNREADABLE:
        return []


def _effect(row: dict) -> Effect:
    changes: dict[str, Any] = {
        name: tuple(_rank_change(one) for one in row.pop(name)) for name in ("improved", "worse")
    }
    pairs = {name: tuple(row[name]) for name in ("encoders", "hit1", "p10") if row.get(name)}
    return Effect(**{**row, **changes, **pairs})


def _rank_change(row: dict) -> RankChange:
    heads: dict[str, Any] = {
        name: tuple((id, right) for id, right in row.pop(name))
        for name in ("hits_before", "hits_after")
    }
    return RankChange(**row, **heads)
